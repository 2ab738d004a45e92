/* lib/base/glob.c - shell-like patterns over module names, and lists of --only and --skip.
 * Read next: lib/base/glob.h. */
#include "lib/base/glob.h"

#include "lib/base/error.h"

/* `set` points after '['. Returns the character after ']' and tells whether c is in the set;
 * NULL when the set never ends, which makes '[' a character like any other. */
static const char *match_set(const char *set, char c, bool *in)
{
    bool negate = *set == '!' || *set == '^';
    const char *p = set + negate;
    bool found = false;
    /* a ']' in first place belongs to the set */
    for (bool first = true; *p && (first || *p != ']'); first = false) {
        unsigned char low = (unsigned char)*p++, high = low;
        if (p[0] == '-' && p[1] && p[1] != ']') {
            high = (unsigned char)p[1];
            p += 2;
        }
        if ((unsigned char)c >= low && (unsigned char)c <= high) found = true;
    }
    if (*p != ']') return NULL;
    *in = found != negate;
    return p + 1;
}

/* One pattern character (or set) against one name character; the rest of the pattern, or NULL. */
static const char *match_one(const char *glob, char c)
{
    if (*glob == '?') return glob + 1;
    if (*glob == '[') {
        bool in = false;
        const char *rest = match_set(glob + 1, c, &in);
        if (rest) return in ? rest : NULL;
    }
    return *glob == c ? glob + 1 : NULL;
}

bool pe_glob_match(const char *glob, const char *name)
{
    const char *star = NULL, *resume = NULL; /* after the last '*', and where it is tried next */
    while (*name) {
        if (*glob == '*') {
            star = ++glob;
            resume = name;
            continue;
        }
        const char *rest = *glob ? match_one(glob, *name) : NULL;
        if (rest) {
            glob = rest;
            name++;
        } else if (star) {
            glob = star;
            name = ++resume;
        } else {
            return false;
        }
    }
    while (*glob == '*') glob++;
    return !*glob;
}

bool pe_pick_wants(const pe_pick *picks, size_t n, const char *name, bool otherwise)
{
    bool any_only = false;
    for (size_t i = n; i-- > 0;) {
        if (pe_glob_match(picks[i].glob, name)) return !picks[i].skip;
        if (!picks[i].skip) any_only = true;
    }
    return any_only ? false : otherwise;
}

static bool matches_any(const char *glob, const char *const *names, size_t nnames)
{
    for (size_t i = 0; i < nnames; i++)
        if (pe_glob_match(glob, names[i])) return true;
    return false;
}

pe_status pe_pick_check(const pe_pick *picks, size_t n, const char *const *names, size_t nnames,
                        pe_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (matches_any(picks[i].glob, names, nnames)) continue;
        return pe_fail(err, PE_E_ARG,
                       "--%s '%s': matches none of %zu modules%s%s%s; pe-inspect lists "
                       "their names",
                       picks[i].skip ? "skip" : "only", picks[i].glob, nnames,
                       nnames ? " (the first is '" : "", nnames ? names[0] : "",
                       nnames ? "')" : "");
    }
    return PE_OK;
}
