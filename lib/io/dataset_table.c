/* lib/io/dataset_table.c - rows with a header: TSV without any quoting, CSV as RFC 4180 quotes it.
 * Read next: lib/io/dataset.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/utf8.h"
#include "lib/io/dataset_impl.h"

/* Fields of one row, grown by the header; later rows may not have more. */
typedef struct fields {
    char **v;
    size_t *nbytes;
    size_t n, capacity;
} fields;

static void release(fields *f)
{
    free(f->v);
    free(f->nbytes);
}

static pe_status push_field(fields *f, char *text, size_t nbytes, pe_error *err)
{
    if (f->n == f->capacity) {
        size_t capacity = f->capacity ? 2 * f->capacity : 16;
        char **v = realloc(f->v, capacity * sizeof *v);
        if (v) f->v = v;
        size_t *lengths = realloc(f->nbytes, capacity * sizeof *lengths);
        if (lengths) f->nbytes = lengths;
        if (!v || !lengths) return pe_fail_nomem(err, "columns", capacity * sizeof *v);
        f->capacity = capacity;
    }
    f->v[f->n] = text;
    f->nbytes[f->n++] = nbytes;
    return PE_OK;
}

/* The column of that name; SIZE_MAX when there is none. */
static pe_status column(size_t *out, const pe_dataset *d, char *const *field, size_t n,
                        const char *name, bool required, size_t line, pe_error *err)
{
    char list[256] = "";
    *out = SIZE_MAX;
    for (size_t i = 0; name && i < n; i++) {
        if (strcmp(field[i], name) != 0) continue;
        if (*out != SIZE_MAX)
            return pe_fail(err, PE_E_INPUT, "%s:%zu: two columns \"%.40s\"", d->name, line, name);
        *out = i;
    }
    if (!required || *out != SIZE_MAX) return PE_OK;
    for (size_t i = 0, used = 0; i < n && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", field[i]);
    return pe_fail(err, PE_E_INPUT, "%s:%zu: no column \"%.40s\", found: %s", d->name, line, name,
                   list);
}

pe_status pe_dataset_header(pe_field_map *m, const pe_dataset *d, char *const *field, size_t n,
                            const pe_columns *c, size_t line, pe_error *err)
{
    m->ncolumns = n;
    pe_status st = column(&m->text, d, field, n, c->text, true, line, err);
    if (!st) st = column(&m->text2, d, field, n, c->text2, c->text2 != NULL, line, err);
    return st ? st : column(&m->label, d, field, n, c->label, c->label_required, line, err);
}

pe_status pe_dataset_fields(pe_dataset *d, const pe_field_map *m, char *const *field,
                            const size_t *field_nbytes, size_t n, size_t line, pe_error *err)
{
    if (n != m->ncolumns)
        return pe_fail(err, PE_E_INPUT, "%s:%zu: found %zu columns, expected %zu as in the header",
                       d->name, line, n, m->ncolumns);
    pe_row r = { .text = field[m->text], .text_nbytes = field_nbytes[m->text], .line = line };
    if (m->text2 != SIZE_MAX) {
        r.text2 = field[m->text2];
        r.text2_nbytes = field_nbytes[m->text2];
    }
    if (m->label != SIZE_MAX) r.label = field[m->label];
    return pe_dataset_push(d, &r, err);
}

static pe_status split_tabs(fields *f, char *line, size_t nbytes, pe_error *err)
{
    pe_status st = PE_OK;
    f->n = 0;
    for (char *at = line, *end = line + nbytes; !st && at;) {
        char *tab = memchr(at, '\t', (size_t)(end - at));
        size_t n = (size_t)((tab ? tab : end) - at);
        at[n] = '\0';
        st = push_field(f, at, n, err);
        at = tab ? tab + 1 : NULL;
    }
    return st;
}

pe_status pe_dataset_read_tsv(pe_dataset *d, size_t at, const pe_columns *c, pe_error *err)
{
    fields f = { 0 };
    pe_field_map m = { 0 };
    pe_status st = PE_OK;
    for (size_t number = 1; !st && at < d->nbytes && d->nrows < d->limit; number++) {
        char *line = NULL;
        size_t n = 0;
        st = pe_dataset_line(&line, &n, &at, d, number, err);
        if (!st) st = split_tabs(&f, line, n, err);
        if (st) break;
        if (number == 1) st = pe_dataset_header(&m, d, f.v, f.n, c, number, err);
        else st = pe_dataset_fields(d, &m, f.v, f.nbytes, f.n, number, err);
    }
    release(&f);
    return st;
}

/* ---- CSV ---- */
typedef struct csv {
    pe_dataset *d;
    size_t at, line;
    bool row_ended;
} csv;

/* At a comma, a line end or the end of the file: steps over it. */
static bool end_field(csv *c)
{
    char *s = c->d->text;
    if (c->at == c->d->nbytes) {
        c->row_ended = true;
        return true;
    }
    if (s[c->at] == ',') {
        c->at++;
        return true;
    }
    size_t cr = s[c->at] == '\r' && c->at + 1 < c->d->nbytes;
    if (s[c->at + cr] != '\n') return false;
    c->at += cr + 1;
    c->line++;
    c->row_ended = true;
    return true;
}

/* The quoted field whose opening quote is at c->at, doubled quotes made one in place. */
static pe_status quoted(csv *c, size_t *nbytes, size_t row_line, pe_error *err)
{
    char *s = c->d->text;
    size_t to = c->at, n = c->d->nbytes;
    for (c->at++; c->at < n; c->at++) {
        if (s[c->at] == '"') {
            c->at++;
            if (c->at == n || s[c->at] != '"') {
                *nbytes = to;
                return PE_OK;
            }
        }
        c->line += s[c->at] == '\n';
        s[to++] = s[c->at];
    }
    return pe_fail(err, PE_E_INPUT,
                   "%s:%zu: the quote that opens a field of this row is never closed", c->d->name,
                   row_line);
}

static pe_status check_field(const csv *c, size_t line, const char *text, size_t n, pe_error *err)
{
    size_t valid = pe_utf8_valid(text, n);
    if (valid < n)
        return pe_fail(err, PE_E_INPUT, "%s:%zu: byte 0x%02x in a field is not UTF-8", c->d->name,
                       line, (unsigned char)text[valid]);
    if (memchr(text, '\0', n))
        return pe_fail(err, PE_E_INPUT, "%s:%zu: a NUL byte", c->d->name, line);
    return PE_OK;
}

static pe_status field(csv *c, fields *f, size_t row_line, pe_error *err)
{
    char *s = c->d->text;
    size_t start = c->at, end = start, n = c->d->nbytes;
    bool has_quotes = start < n && s[start] == '"';
    pe_status st = PE_OK;
    if (has_quotes) {
        st = quoted(c, &end, row_line, err);
        if (st) return st;
    } else {
        while (c->at < n && s[c->at] != ',' && s[c->at] != '\n' && s[c->at] != '\r' &&
               s[c->at] != '"')
            c->at++;
        if (c->at + 1 == n && s[c->at] == '\r') end = c->at++; /* CR at the end of the file */
        else end = c->at;
    }
    if (!end_field(c))
        return pe_fail(err, PE_E_INPUT, "%s:%zu: found %s, expected a comma or the end of the row",
                       c->d->name, c->line,
                       has_quotes        ? "text after a closing quote"
                       : s[c->at] == '"' ? "a quote inside an unquoted field"
                                         : "a lone carriage return");
    st = check_field(c, row_line, s + start, end - start, err);
    s[end] = '\0'; /* over the quote, the comma, the line end or the file's own NUL */
    return st ? st : push_field(f, s + start, end - start, err);
}

pe_status pe_dataset_read_csv(pe_dataset *d, size_t at, const pe_columns *cols, pe_error *err)
{
    fields f = { 0 };
    pe_field_map m = { 0 };
    csv c = { .d = d, .at = at, .line = 1 };
    pe_status st = PE_OK;
    for (bool header = true; !st && c.at < d->nbytes && d->nrows < d->limit; header = false) {
        size_t line = c.line;
        f.n = 0;
        for (c.row_ended = false; !st && !c.row_ended;) st = field(&c, &f, line, err);
        if (st) break;
        if (header) st = pe_dataset_header(&m, d, f.v, f.n, cols, line, err);
        else st = pe_dataset_fields(d, &m, f.v, f.nbytes, f.n, line, err);
    }
    release(&f);
    return st;
}
