/* lib/text/normalizer.c - the steps but NFD; each walks the characters once.
 * Read next: lib/text/normalizer.h. */
#include "lib/text/normalizer.h"

#include "lib/base/utf8.h"
#include "lib/text/unicode.h"

bool pe_normalizer_has(const pe_normalizer *z, pe_norm_step step)
{
    for (size_t i = 0; i < z->nsteps; i++)
        if (z->step[i] == step) return true;
    return false;
}

bool pe_normalize_read(pe_nchars *out, const char *text, size_t begin, size_t end)
{
    if (!pe_nchars_room(out, end - begin)) return false;
    size_t n = 0;
    for (size_t i = begin; i < end;) {
        uint32_t cp;
        size_t len = pe_utf8_get(&cp, text + i);
        out->v[n++] = (pe_nchar){ .cp = cp, .begin = (uint32_t)i, .end = (uint32_t)(i + len) };
        i += len;
    }
    out->n = n;
    return true;
}

static void clean(pe_nchars *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        unsigned flags = pe_uni(c->v[i].cp)->flags;
        if (flags & PE_UNI_DROP) continue;
        c->v[n] = c->v[i];
        if (flags & PE_UNI_WS) c->v[n].cp = ' ';
        n++;
    }
    c->n = n;
}

static void strip_marks(pe_nchars *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++)
        if (!(pe_uni(c->v[i].cp)->flags & PE_UNI_MN)) c->v[n++] = c->v[i];
    c->n = n;
}

static void trade(pe_nchars *a, pe_nchars *b)
{
    pe_nchars t = *a;
    *a = *b;
    *b = t;
}

static bool space_ideographs(pe_nchars *c, pe_nchars *spare)
{
    size_t ncjk = 0, n = 0;
    for (size_t i = 0; i < c->n; i++) ncjk += (pe_uni(c->v[i].cp)->flags & PE_UNI_CJK) != 0;
    if (!ncjk) return true;
    if (!pe_nchars_room(spare, c->n + 2 * ncjk)) return false;
    for (size_t i = 0; i < c->n; i++) {
        pe_nchar at = c->v[i], space = at;
        space.cp = ' ';
        bool ideograph = pe_uni(at.cp)->flags & PE_UNI_CJK;
        if (ideograph) spare->v[n++] = space;
        spare->v[n++] = at;
        if (ideograph) spare->v[n++] = space;
    }
    spare->n = n;
    trade(c, spare);
    return true;
}

/* By code point, as Rust's char::to_lowercase: final sigma is no exception. */
static bool lower(pe_nchars *c, pe_nchars *spare)
{
    size_t ndotted = 0, n = 0;
    for (size_t i = 0; i < c->n; i++) {
        uint32_t cp = c->v[i].cp;
        c->v[i].cp = (uint32_t)((int32_t)cp + pe_uni(cp)->lower);
        ndotted += cp == 0x130;
    }
    if (!ndotted) return true;
    if (!pe_nchars_room(spare, c->n + ndotted)) return false;
    for (size_t i = 0; i < c->n; i++) {
        pe_nchar at = c->v[i];
        bool dotted = at.cp == 0x130; /* capital i with dot: i, then a combining dot */
        if (dotted) at.cp = 'i';
        spare->v[n++] = at;
        at.cp = 0x307;
        if (dotted) spare->v[n++] = at;
    }
    spare->n = n;
    trade(c, spare);
    return true;
}

bool pe_normalize(pe_nchars *c, pe_nchars *spare, const pe_normalizer *z)
{
    bool ok = true;
    for (size_t i = 0; ok && i < z->nsteps; i++) {
        switch ((pe_norm_step)z->step[i]) {
        case PE_NORM_CLEAN: clean(c); break;
        case PE_NORM_CJK: ok = space_ideographs(c, spare); break;
        case PE_NORM_NFD: ok = pe_normalize_nfd(c, spare); break;
        case PE_NORM_STRIP_MN: strip_marks(c); break;
        case PE_NORM_LOWER: ok = lower(c, spare); break;
        }
    }
    return ok;
}
