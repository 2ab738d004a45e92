/* lib/recipe/fields.c - values of a recipe, checked by kind; tables in schema.c say which belong
 * where. Read next: lib/recipe/schema.c. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/recipe/recipe_impl.h"

pe_status pe_recipe_fail(pe_error *err, pe_status st, const pe_recipe *r, const pe_yaml *at,
                         const char *fmt, ...)
{
    char text[768];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return pe_yaml_fail(err, st, r->path, at, "%s", text);
}

/* A wrong argument of a pass was written in the recipe: the recipe is what is wrong. */
pe_status pe_recipe_prefix(pe_error *err, pe_status st, const pe_recipe *r, const pe_yaml *at)
{
    char text[sizeof err->text];

    if (st == PE_E_ARG) st = PE_E_INPUT;
    if (!err) return st;
    memcpy(text, err->text, sizeof text);
    return pe_recipe_fail(err, st, r, at, "%s", text);
}

const char *pe_recipe_resolve(const pe_recipe *r, const char *path)
{
    size_t n = strlen(r->folder) + strlen(path) + 2;
    char *out;

    if (path[0] == '/' || strcmp(r->folder, ".") == 0)
        return pe_arena_strndup(r->arena, path, strlen(path));
    out = pe_arena_alloc(r->arena, n);
    if (out) snprintf(out, n, "%s/%s", r->folder, path);
    return out;
}

static pe_status wrong(pe_error *err, const pe_recipe *r, const pe_yaml *at, const char *what,
                       const char *expected)
{
    if (at->kind != PE_YAML_SCALAR)
        return pe_recipe_fail(err, PE_E_INPUT, r, at, "%s: found a %s, expected %s", what,
                              at->kind == PE_YAML_LIST ? "list" : "map", expected);
    return pe_recipe_fail(err, PE_E_INPUT, r, at, "%s: found '%.60s', expected %s", what, at->text,
                          expected);
}

static bool is_empty(const pe_yaml *at)
{
    return at->kind == PE_YAML_SCALAR &&
           (!at->text[0] ||
            (at->plain && (strcmp(at->text, "~") == 0 || strcmp(at->text, "null") == 0)));
}

pe_status pe_field_text(const char **out, const pe_recipe *r, const pe_yaml *at, const char *what,
                        pe_error *err)
{
    if (at->kind != PE_YAML_SCALAR || is_empty(at)) return wrong(err, r, at, what, "text");
    *out = at->text;
    return PE_OK;
}

/* A JSON number: no 010, no 1_000, no .5, no hex. */
static bool is_number(const char *s)
{
    if (*s == '-') s++;
    if (*s == '0') s++;
    else if (*s >= '1' && *s <= '9')
        while (*s >= '0' && *s <= '9') s++;
    else return false;
    if (*s == '.') {
        s++;
        if (!(*s >= '0' && *s <= '9')) return false;
        while (*s >= '0' && *s <= '9') s++;
    }
    if (*s == 'e' || *s == 'E') {
        s++;
        if (*s == '-' || *s == '+') s++;
        if (!(*s >= '0' && *s <= '9')) return false;
        while (*s >= '0' && *s <= '9') s++;
    }
    return *s == 0;
}

static pe_status read_number(double *out, const pe_recipe *r, const pe_yaml *at, const pe_field *f,
                             pe_error *err)
{
    char expected[96];
    bool open = f->kind == PE_FIELD_SHARE;
    double x;

    snprintf(expected, sizeof expected,
             open ? "a number from %g to less than %g" : "a number from %g to %g", f->min, f->max);
    if (at->kind != PE_YAML_SCALAR || !at->plain || !is_number(at->text))
        return wrong(err, r, at, f->name, expected);
    x = strtod(at->text, NULL);
    if (!(x >= f->min && (open ? x < f->max : x <= f->max)))
        return wrong(err, r, at, f->name, expected);
    *out = x;
    return PE_OK;
}

pe_status pe_field_int(int64_t *out, const pe_recipe *r, const pe_yaml *at, int64_t min,
                       int64_t max, const char *what, pe_error *err)
{
    char expected[96];
    long long x;

    snprintf(expected, sizeof expected, "a whole number from %lld to %lld", (long long)min,
             (long long)max);
    if (at->kind != PE_YAML_SCALAR || !at->plain || !is_number(at->text) ||
        strpbrk(at->text, ".eE"))
        return wrong(err, r, at, what, expected);
    errno = 0;
    x = strtoll(at->text, NULL, 10);
    if (errno || x < min || x > max) return wrong(err, r, at, what, expected);
    *out = x;
    return PE_OK;
}

static pe_status read_bool(bool *out, const pe_recipe *r, const pe_yaml *at, const char *what,
                           pe_error *err)
{
    bool yes = at->kind == PE_YAML_SCALAR && at->plain && strcmp(at->text, "true") == 0;
    bool no = at->kind == PE_YAML_SCALAR && at->plain && strcmp(at->text, "false") == 0;

    if (!yes && !no) return wrong(err, r, at, what, "true or false");
    *out = yes;
    return PE_OK;
}

static bool is_choice(const char *choices, const char *word)
{
    size_t n = strlen(word);

    for (const char *c = choices; *c;) {
        size_t len = strcspn(c, " ");
        if (len == n && memcmp(c, word, n) == 0) return true;
        c += len;
        while (*c == ' ') c++;
    }
    return false;
}

/* "2:4" or "1x4": two whole numbers, at most four digits each. */
static bool is_pattern(const char *s)
{
    int a = 0, b = 0, n = 0;
    char sep = 0;

    if (strspn(s, "0123456789:x") != strlen(s) || strlen(s) > 9) return false;
    if (sscanf(s, "%d%c%d%n", &a, &sep, &b, &n) != 3 || s[n]) return false;
    return a > 0 && b > 0 && (sep == 'x' || (sep == ':' && a < b));
}

static bool is_range(const char *s)
{
    double p;

    if (strcmp(s, "absmax") == 0 || strcmp(s, "mse") == 0) return true;
    if (strncmp(s, "percentile:", 11) != 0 || !is_number(s + 11)) return false;
    p = strtod(s + 11, NULL);
    return p > 50 && p <= 100;
}

static bool is_layout(const char *s)
{
    for (int i = 0; i < PE_NLAYOUTS; i++)
        if (strcmp(pe_layout_name((pe_layout)i), s) == 0) return true;
    return strcmp(s, "auto") == 0;
}

static pe_status read_word(const char **out, const pe_recipe *r, const pe_yaml *at,
                           const pe_field *f, pe_error *err)
{
    char expected[160];
    const char *word;
    pe_status st = pe_field_text(&word, r, at, f->name, err);

    if (st) return st;
    *out = word;
    switch (f->kind) {
    case PE_FIELD_CHOICE:
        snprintf(expected, sizeof expected, "one of: %s", f->choices);
        return is_choice(f->choices, word) ? PE_OK : wrong(err, r, at, f->name, expected);
    case PE_FIELD_LAYOUT:
        if (is_layout(word)) return PE_OK;
        return wrong(err, r, at, f->name, "auto or a layout that pe-convert --help names");
    case PE_FIELD_PATTERN:
        return is_pattern(word) ? PE_OK
                                : wrong(err, r, at, f->name, "N:M (as 2:4) or RxC (as 1x4)");
    case PE_FIELD_RANGE:
        return is_range(word) ? PE_OK
                              : wrong(err, r, at, f->name,
                                      "absmax, mse or percentile:P with P from 50 to 100");
    default: return PE_OK;
    }
}

static pe_status read_data(pe_data_ref *out, const pe_recipe *r, const pe_yaml *at,
                           const char *what, pe_error *err)
{
    pe_status st = pe_field_text(&out->name, r, at, what, err);

    out->at = at;
    for (size_t i = 0; !st && i < r->data.n; i++)
        if (strcmp(r->data.v[i].name, out->name) == 0) out->path = r->data.v[i].path;
    if (st || out->path) return st;
    /* not a name of data: - then a path, told by its dot or slash, so that typing errors show */
    if (!strpbrk(out->name, "./"))
        return wrong(err, r, at, what, "a name from data: or the path of a file");
    out->path = pe_recipe_resolve(r, out->name);
    return out->path ? PE_OK : pe_fail_nomem(err, "path", strlen(out->name));
}

static size_t list_length(const pe_yaml *at)
{
    return at->kind == PE_YAML_LIST ? at->n : 1;
}

static const pe_yaml *list_item(const pe_yaml *at, size_t i)
{
    return at->kind == PE_YAML_LIST ? at->item[i] : at;
}

static pe_status read_data_list(pe_data_list *out, const pe_recipe *r, const pe_yaml *at,
                                const char *what, pe_error *err)
{
    size_t n = list_length(at);
    pe_status st = PE_OK;

    if (n == 0) return pe_recipe_fail(err, PE_E_INPUT, r, at, "%s: found an empty list", what);
    out->v = pe_arena_zalloc(r->arena, n, sizeof *out->v);
    if (!out->v) return pe_fail_nomem(err, "data list", n * sizeof *out->v);
    for (size_t i = 0; !st && i < n; i++) {
        st = read_data(&out->v[i], r, list_item(at, i), what, err);
        for (size_t k = 0; !st && k < i; k++)
            if (strcmp(out->v[k].path, out->v[i].path) == 0)
                st = wrong(err, r, list_item(at, i), what, "each file once");
    }
    out->n = n;
    return st;
}

static pe_status read_picks(pe_pick_list *out, const pe_recipe *r, const pe_yaml *at,
                            const pe_field *f, pe_error *err)
{
    size_t n = list_length(at), old = out->n;
    pe_pick *v = pe_arena_zalloc(r->arena, old + n, sizeof *v);
    const pe_yaml **places = pe_arena_zalloc(r->arena, old + n, sizeof *places);
    pe_status st = PE_OK;

    if (n == 0) return pe_recipe_fail(err, PE_E_INPUT, r, at, "%s: found an empty list", f->name);
    if (!v || !places) return pe_fail_nomem(err, "patterns", (old + n) * sizeof *v);
    if (old) memcpy(v, out->v, old * sizeof *v);
    if (old) memcpy(places, out->at, old * sizeof *places);
    for (size_t i = 0; !st && i < n; i++) {
        const pe_yaml *one = list_item(at, i);
        st = pe_field_text(&v[old + i].glob, r, one, f->name, err);
        v[old + i].skip = f->kind == PE_FIELD_SKIP;
        places[old + i] = one;
    }
    out->v = v;
    out->at = places;
    out->n = old + n;
    return st;
}

static pe_status read_field(char *to, const pe_recipe *r, const pe_yaml *at, const pe_field *f,
                            pe_error *err)
{
    void *slot = to + f->offset;

    switch (f->kind) {
    case PE_FIELD_NUMBER:
    case PE_FIELD_SHARE: return read_number(slot, r, at, f, err);
    case PE_FIELD_INT:
        return pe_field_int(slot, r, at, (int64_t)f->min, (int64_t)f->max, f->name, err);
    case PE_FIELD_BOOL: return read_bool(slot, r, at, f->name, err);
    case PE_FIELD_ONLY:
    case PE_FIELD_SKIP: return read_picks(slot, r, at, f, err);
    case PE_FIELD_DATA: return read_data(slot, r, at, f->name, err);
    case PE_FIELD_DATA_LIST: return read_data_list(slot, r, at, f->name, err);
    case PE_FIELD_LATER:
        return pe_recipe_fail(err, PE_E_UNSUPPORTED, r, at,
                              "%s: found a key that needs %s, which "
                              "this version does not have; remove it",
                              f->name, f->choices);
    default: return read_word(slot, r, at, f, err);
    }
}

static bool same_name(const char *field, const char *key)
{
    for (; *field && *key; field++, key++)
        if (*field != *key && !(*field == '_' && *key == '-')) return false;
    return *field == *key;
}

static pe_status unknown_key(pe_error *err, const pe_recipe *r, const pe_yaml *key,
                             const pe_field *fields, size_t n, const char *what)
{
    char names[400] = "";
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        int len;
        if (fields[i].kind == PE_FIELD_LATER) continue;
        len = snprintf(names + at, sizeof names - at, "%s%s", at ? ", " : "", fields[i].name);
        if (len > 0 && at + (size_t)len < sizeof names) at += (size_t)len;
    }
    return pe_recipe_fail(err, PE_E_INPUT, r, key, "%s: found key '%.60s', expected one of %s",
                          what, key->text, names);
}

static json_t *as_json(const pe_yaml *at)
{
    json_t *list;

    if (at->kind == PE_YAML_SCALAR) {
        if (!at->plain) return json_string(at->text);
        if (strcmp(at->text, "true") == 0) return json_true();
        if (strcmp(at->text, "false") == 0) return json_false();
        if (!is_number(at->text)) return json_string(at->text);
        if (strpbrk(at->text, ".eE")) return json_real(strtod(at->text, NULL));
        return json_integer(strtoll(at->text, NULL, 10));
    }
    list = json_array();
    for (size_t i = 0; i < at->n; i++) json_array_append_new(list, as_json(at->item[i]));
    return list;
}

pe_status pe_fields_read(void *to, json_t *given, const pe_recipe *r, const pe_yaml *map,
                         const pe_field *fields, size_t nfields, const char *what, pe_error *err)
{
    pe_status st = PE_OK;

    if (map->kind != PE_YAML_MAP) return wrong(err, r, map, what, "a map of keys and values");
    for (size_t i = 0; !st && i < map->n; i++) {
        const pe_field *f = NULL;
        for (size_t k = 0; k < nfields && !f; k++)
            if (same_name(fields[k].name, map->key[i]->text)) f = &fields[k];
        if (!f) return unknown_key(err, r, map->key[i], fields, nfields, what);
        for (size_t k = 0; k < i; k++)
            if (same_name(f->name, map->key[k]->text))
                return pe_recipe_fail(
                    err, PE_E_INPUT, r, map->key[i],
                    "%s: found key '%s' again, first on line %d; expected it once", what, f->name,
                    map->key[k]->line);
        st = read_field(to, r, f->kind == PE_FIELD_LATER ? map->key[i] : map->item[i], f, err);
        if (!st && given && json_object_set_new(given, f->name, as_json(map->item[i])))
            st = pe_fail_nomem(err, "parameters", 64);
    }
    return st;
}
