/* lib/io/dataset.c - opens a file of rows, whatever its kind, and holds them in memory.
 * Read next: lib/io/dataset_table.c (TSV, CSV), lib/io/dataset_lines.c (JSONL, plain text). */
#include <stdlib.h>
#include <string.h>

#include "formats/gzip.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/utf8.h"
#include "lib/io/dataset_impl.h"

static const size_t max_nbytes = (size_t)2 << 30;

typedef pe_status read_fn(pe_dataset *d, size_t at, const pe_columns *c, pe_error *err);
static const struct {
    const char *name;
    read_fn *read;
} kinds[] = {
    { "tsv", pe_dataset_read_tsv },
    { "csv", pe_dataset_read_csv },
    { "jsonl", pe_dataset_read_jsonl },
    { "txt", pe_dataset_read_txt },
};

static bool ends_with(const char *s, size_t n, const char *end)
{
    size_t m = strlen(end);
    return n >= m && !memcmp(s + n - m, end, m);
}

/* `name` is a file's name or a format ("tsv", ".tsv", "tsv.gz"). */
static read_fn *kind_of(const char *name, bool *gzip)
{
    size_t n = strlen(name);
    *gzip = ends_with(name, n, ".gz");
    if (*gzip) n -= 3;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t m = strlen(kinds[i].name);
        if (ends_with(name, n, kinds[i].name) && (n == m || name[n - m - 1] == '.'))
            return kinds[i].read;
    }
    return NULL;
}

static pe_status load(pe_dataset *d, const char *path, bool gzip, pe_error *err)
{
    pe_status st = pe_file_slurp(&d->text, &d->nbytes, path, max_nbytes, err);
    if (st) return st;
    if (gzip || pe_gzip_is(d->text, d->nbytes)) {
        char *packed = d->text;
        size_t packed_nbytes = d->nbytes;
        d->text = NULL;
        st = pe_gzip_unpack(&d->text, &d->nbytes, packed, packed_nbytes, max_nbytes, d->name, err);
        free(packed);
    }
    if (!st && !d->nbytes) st = pe_fail(err, PE_E_INPUT, "%s: empty, expected rows", d->name);
    if (st) return st;
    pe_digest digest = pe_digest_of(d->text, d->nbytes);
    pe_digest_format(d->digest, &digest);
    return PE_OK;
}

static pe_status open_rows(pe_dataset *d, const char *path, const pe_data_params *p, pe_error *err)
{
    bool gzip = false, is_stdin = !strcmp(path, "-");
    const char *format = p->format ? p->format : is_stdin ? "" : path;
    read_fn *read = kind_of(format, &gzip);
    d->name = is_stdin ? "stdin" : path;
    d->limit = p->limit ? p->limit : SIZE_MAX;
    if (!read)
        return pe_fail(err, PE_E_ARG,
                       "%s: format \"%.80s\": expected tsv, csv, jsonl or txt, or a name that "
                       "ends so (.gz may follow)",
                       d->name, format);
    pe_columns c = { .text = p->text ? p->text : "text",
                     .text2 = p->text2,
                     .label = p->label ? p->label : "label",
                     .label_required = p->label != NULL };
    if (c.text2 && !strcmp(c.text, c.text2))
        return pe_fail(err, PE_E_ARG, "text and text2 are the same column \"%.40s\"", c.text);
    if (!strcmp(c.label, c.text) || (c.text2 && !strcmp(c.label, c.text2))) {
        if (p->label)
            return pe_fail(err, PE_E_ARG, "label and text are the same column \"%.40s\"", c.label);
        c.label = NULL; /* by its usual name, but the text was asked for there */
    }
    size_t at = 0;
    pe_status st = load(d, path, gzip, err);
    if (!st && d->nbytes >= 3 && !memcmp(d->text, "\xef\xbb\xbf", 3)) at = 3; /* byte order mark */
    if (!st) st = read(d, at, &c, err);
    if (!st && !d->nrows) st = pe_fail(err, PE_E_INPUT, "%s: no rows", d->name);
    d->name = NULL;
    return st;
}

pe_status pe_dataset_open(pe_dataset **out, const char *path, const pe_data_params *p,
                          pe_error *err)
{
    const pe_data_params none = { 0 };
    pe_dataset *d = calloc(1, sizeof *d);
    if (!d) return pe_fail_nomem(err, path, sizeof *d);
    pe_status st = open_rows(d, path, p ? p : &none, err);
    if (st) pe_dataset_close(d);
    else *out = d;
    return st;
}

void pe_dataset_close(pe_dataset *d)
{
    if (!d) return;
    free(d->text);
    free(d->row);
    pe_arena_free(d->arena);
    free(d);
}

size_t pe_dataset_nrows(const pe_dataset *d)
{
    return d->nrows;
}

const pe_row *pe_dataset_row(const pe_dataset *d, size_t i)
{
    return i < d->nrows ? &d->row[i] : NULL;
}

const char *pe_dataset_digest(const pe_dataset *d)
{
    return d->digest;
}

pe_status pe_dataset_push(pe_dataset *d, const pe_row *r, pe_error *err)
{
    if (d->nrows == d->capacity) {
        size_t capacity = d->capacity ? 2 * d->capacity : 256;
        pe_row *row = realloc(d->row, capacity * sizeof *row);
        if (!row) return pe_fail_nomem(err, d->name, capacity * sizeof *row);
        d->row = row;
        d->capacity = capacity;
    }
    d->row[d->nrows++] = *r;
    return PE_OK;
}

pe_status pe_dataset_line(char **line, size_t *nbytes, size_t *at, pe_dataset *d, size_t number,
                          pe_error *err)
{
    char *start = d->text + *at, *eol = memchr(start, '\n', d->nbytes - *at);
    size_t n = eol ? (size_t)(eol - start) : d->nbytes - *at;
    *at += n + (eol != NULL);
    if (n && start[n - 1] == '\r') n--;
    size_t valid = pe_utf8_valid(start, n);
    if (valid < n)
        return pe_fail(err, PE_E_INPUT, "%s:%zu: byte 0x%02x at column %zu is not UTF-8", d->name,
                       number, (unsigned char)start[valid], valid + 1);
    if (memchr(start, '\0', n))
        return pe_fail(err, PE_E_INPUT, "%s:%zu: a NUL byte", d->name, number);
    start[n] = '\0';
    *line = start;
    *nbytes = n;
    return PE_OK;
}
