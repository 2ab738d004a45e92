/* lib/io/dataset_lines.c - a row a line: JSON objects, or the text itself.
 * Read next: lib/io/dataset.c. */
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/io/dataset_impl.h"

pe_status pe_dataset_read_txt(pe_dataset *d, size_t at, const pe_columns *c, pe_error *err)
{
    if (c->text2 || c->label_required)
        return pe_fail(err, PE_E_ARG,
                       "%s: plain text has no column \"%.40s\"; use tsv, csv or jsonl", d->name,
                       c->text2 ? c->text2 : c->label);
    pe_status st = PE_OK;
    for (size_t number = 1; !st && at < d->nbytes && d->nrows < d->limit; number++) {
        char *line = NULL;
        pe_row r = { .line = number };
        st = pe_dataset_line(&line, &r.text_nbytes, &at, d, number, err);
        r.text = line;
        if (!st) st = pe_dataset_push(d, &r, err);
    }
    return st;
}

/* Copies a decoded string behind *used in the line that it was read from: decoded it is shorter
 * than it stood there with its quotes and its key, and pe_dataset_open sees to it that no column
 * is asked for twice. */
static const char *keep(char *line, size_t *used, const char *text, size_t nbytes)
{
    char *to = line + *used;
    memcpy(to, text, nbytes);
    to[nbytes] = '\0';
    *used += nbytes + 1;
    return to;
}

typedef struct place {
    const pe_dataset *d;
    size_t number;
} place;

/* The string under key, NULL when it is missing and may be. */
static pe_status member(const json_t **out, const json_t *o, const char *key, bool required,
                        place at, pe_error *err)
{
    const json_t *v = json_object_get(o, key);
    *out = json_is_null(v) ? NULL : v;
    if (!*out && required)
        return pe_fail(err, PE_E_INPUT, "%s:%zu: no \"%.40s\"", at.d->name, at.number, key);
    return PE_OK;
}

static pe_status string(const char **out, size_t *nbytes, const json_t *v, const char *key,
                        char *line, size_t *used, place at, pe_error *err)
{
    if (!json_is_string(v))
        return pe_fail(err, PE_E_INPUT, "%s:%zu: \"%.40s\" is not a string", at.d->name, at.number,
                       key);
    *nbytes = json_string_length(v);
    *out = keep(line, used, json_string_value(v), *nbytes);
    return PE_OK;
}

/* Labels may be numbers or booleans: they get the text that JSON has for them. */
static pe_status label(pe_row *r, pe_dataset *d, const json_t *v, const char *key, char *line,
                       size_t *used, pe_error *err)
{
    size_t n = 0;
    place at = { d, r->line };
    if (json_is_string(v)) return string(&r->label, &n, v, key, line, used, at, err);
    if (json_is_object(v) || json_is_array(v))
        return pe_fail(err, PE_E_INPUT, "%s:%zu: \"%.40s\" is not a string or a number", d->name,
                       r->line, key);
    pe_status st = d->arena ? PE_OK : pe_arena_new(&d->arena, 1 << 16, err);
    if (st) return st;
    char text[64]; /* the shortest that gives the number back has 24 characters at most */
    n = json_dumpb(v, text, sizeof text, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    if (n < sizeof text) r->label = pe_arena_strndup(d->arena, text, n);
    return r->label ? PE_OK : pe_fail_nomem(err, d->name, sizeof text);
}

static pe_status read_object(pe_dataset *d, const json_t *o, char *line, size_t number,
                             const pe_columns *c, pe_error *err)
{
    const json_t *text = NULL, *text2 = NULL, *lab = NULL;
    pe_row r = { .line = number };
    place at = { d, number };
    size_t used = 0;
    if (!json_is_object(o))
        return pe_fail(err, PE_E_INPUT, "%s:%zu: expected a JSON object", d->name, number);
    pe_status st = member(&text, o, c->text, true, at, err);
    if (!st && c->text2) st = member(&text2, o, c->text2, true, at, err);
    if (!st && c->label) st = member(&lab, o, c->label, c->label_required, at, err);
    if (!st) st = string(&r.text, &r.text_nbytes, text, c->text, line, &used, at, err);
    if (!st && text2) st = string(&r.text2, &r.text2_nbytes, text2, c->text2, line, &used, at, err);
    if (!st && lab) st = label(&r, d, lab, c->label, line, &used, err);
    return st ? st : pe_dataset_push(d, &r, err);
}

static pe_status parse(json_t **out, const pe_dataset *d, const char *line, size_t n, size_t number,
                       pe_error *err)
{
    pe_error inner;
    pe_status st = pe_json_parse(out, line, n, "json", &inner);
    if (!st) return PE_OK;
    if (st != PE_E_INPUT) return pe_fail(err, st, "%s:%zu: %s", d->name, number, inner.text);
    const char *what = strchr(inner.text, ' '); /* behind "json:1:COLUMN:" */
    return pe_fail(err, st, "%s:%zu:%s", d->name, number, what ? what : " not valid JSON");
}

pe_status pe_dataset_read_jsonl(pe_dataset *d, size_t at, const pe_columns *c, pe_error *err)
{
    pe_status st = PE_OK;
    for (size_t number = 1; !st && at < d->nbytes && d->nrows < d->limit; number++) {
        char *line = NULL;
        size_t n = 0;
        json_t *o = NULL;
        st = pe_dataset_line(&line, &n, &at, d, number, err);
        if (!st) st = parse(&o, d, line, n, number, err);
        if (!st) st = read_object(d, o, line, number, c, err);
        json_decref(o);
    }
    return st;
}
