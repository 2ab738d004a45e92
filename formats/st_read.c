/* formats/st_read.c - reads a safetensors header and believes nothing in it.
 * Read next: formats/st_scan.c for the tokens, formats/st_write.c for the way back. */
#include <stdlib.h>
#include <string.h>

#include "formats/safetensors.h"
#include "formats/st_scan.h"
#include "lib/base/checked.h"
#include "lib/base/error.h"

typedef struct reader {
    pe_scan scan;
    pe_st *st;
    size_t capacity;
    uint64_t file_nbytes;
    const char *file;
    pe_error *err;
} reader;

static pe_status bad(reader *r, const pe_st_entry *e, const char *what)
{
    char show[PE_ST_SHOW];
    return pe_fail(r->err, PE_E_INPUT, "%s: tensor %s: %s", r->file, pe_st_show(show, e->name),
                   what);
}

/* What the scanner missed, with the place; one message for all mistakes of syntax. */
static pe_status bad_syntax(const reader *r)
{
    return pe_fail(r->err, PE_E_INPUT,
                   "%s: header byte %zu: expected %s; the file is damaged or no safetensors file",
                   r->file, (size_t)(r->scan.at - r->scan.begin), r->scan.wrong);
}

static bool read_shape(reader *r, pe_st_entry *e, bool *too_deep)
{
    pe_scan *s = &r->scan;
    pe_scan_need(s, '[', "'[' of a shape");
    if (pe_scan_try(s, ']')) return true;
    do {
        uint64_t d;
        if (!pe_scan_u64(s, &d)) return false;
        if (e->rank < PE_MAX_RANK) e->shape[e->rank++] = d;
        else *too_deep = true;
    } while (pe_scan_try(s, ','));
    return pe_scan_need(s, ']', "',' or ']' in a shape");
}

static bool read_range(pe_scan *s, uint64_t range[2])
{
    return pe_scan_need(s, '[', "'[' of data_offsets") && pe_scan_u64(s, &range[0]) &&
           pe_scan_need(s, ',', "',' in data_offsets") && pe_scan_u64(s, &range[1]) &&
           pe_scan_need(s, ']', "']' after two data_offsets");
}

/* Element count and byte count against the range that the entry claims. */
static pe_status check_size(reader *r, pe_st_entry *e, const uint64_t range[2])
{
    uint64_t bits;
    e->nelem = 1;
    for (uint32_t i = 0; i < e->rank; i++)
        if (!pe_mul_u64(&e->nelem, e->nelem, e->shape[i]))
            return bad(r, e, "shape overflows 64 bits");
    if (!pe_mul_u64(&bits, e->nelem, e->dtype->bits)) return bad(r, e, "shape overflows 64 bits");
    if (bits % 8) return bad(r, e, "elements do not fill whole bytes");
    if (range[1] < range[0]) return bad(r, e, "data_offsets end before they begin");
    e->offset = range[0];
    e->nbytes = range[1] - range[0];
    if (e->nbytes == bits / 8) return PE_OK;
    char show[PE_ST_SHOW];
    return pe_fail(r->err, PE_E_INPUT,
                   "%s: tensor %s: data_offsets span %llu bytes, dtype and shape need %llu",
                   r->file, pe_st_show(show, e->name), (unsigned long long)e->nbytes,
                   (unsigned long long)(bits / 8));
}

/* The object of one tensor: exactly dtype, shape, data_offsets, in any order. */
static pe_status read_entry(reader *r, pe_st_entry *e)
{
    pe_scan *s = &r->scan;
    uint64_t range[2] = { 0, 0 };
    bool have_dtype = false, have_shape = false, have_range = false, too_deep = false;
    pe_scan_need(s, '{', "'{' of a tensor's entry");
    do {
        const char *key = pe_scan_string(s, NULL), *text;
        if (!key || !pe_scan_need(s, ':', "':' after a key")) break;
        if (!strcmp(key, "dtype") && !have_dtype) {
            have_dtype = true;
            if (!(text = pe_scan_string(s, NULL))) break;
            if (!(e->dtype = pe_st_dtype_find(text)))
                return bad(
                    r, e, "unknown dtype; expected one of the safetensors list (F32, BF16, I8 ..)");
        } else if (!strcmp(key, "shape") && !have_shape) {
            have_shape = true;
            if (!read_shape(r, e, &too_deep)) break;
        } else if (!strcmp(key, "data_offsets") && !have_range) {
            have_range = true;
            if (!read_range(s, range)) break;
        } else {
            return bad(r, e,
                       "a key that is neither dtype, shape nor data_offsets, or one of them twice");
        }
    } while (pe_scan_try(s, ','));
    pe_scan_need(s, '}', "',' or '}' in a tensor's entry");
    if (s->wrong) return bad_syntax(r);
    if (!have_dtype || !have_shape || !have_range)
        return bad(r, e, "dtype, shape or data_offsets is missing");
    if (too_deep)
        return pe_fail(r->err, PE_E_UNSUPPORTED, "%s: tensor %s: more than %d dimensions", r->file,
                       e->name, PE_MAX_RANK);
    return check_size(r, e, range);
}

/* `__metadata__`: an object of strings. */
static pe_status read_metadata(reader *r)
{
    pe_scan *s = &r->scan;
    pe_scan_need(s, '{', "'{' of __metadata__");
    if (pe_scan_try(s, '}')) return PE_OK;
    do {
        size_t nbytes;
        const char *key = pe_scan_string(s, NULL);
        if (!key || !pe_scan_need(s, ':', "':' after a key")) break;
        const char *text = pe_scan_string(s, &nbytes);
        if (!text) break;
        if (strstr(key, "\xc0\x80"))
            return pe_fail(r->err, PE_E_INPUT, "%s: __metadata__ has a key with U+0000", r->file);
        if (json_object_get(r->st->metadata, key))
            return pe_fail(r->err, PE_E_INPUT, "%s: __metadata__ has the key \"%.80s\" twice",
                           r->file, key);
        (void)nbytes;
        if (json_object_set_new(r->st->metadata, key, pe_st_name_json(text)))
            return pe_fail_nomem(r->err, "__metadata__", nbytes);
    } while (pe_scan_try(s, ','));
    pe_scan_need(s, '}', "',' or '}' in __metadata__");
    return s->wrong ? bad_syntax(r) : PE_OK;
}

static pe_status grow(reader *r)
{
    if (r->st->nentries < r->capacity) return PE_OK;
    size_t capacity = r->capacity ? r->capacity * 2 : 64;
    pe_st_entry *p = realloc(r->st->entries, capacity * sizeof *p);
    if (!p) return pe_fail_nomem(r->err, "tensor list of a header", capacity * sizeof *p);
    r->st->entries = p;
    r->capacity = capacity;
    return PE_OK;
}

static pe_status read_header(reader *r)
{
    pe_scan *s = &r->scan;
    pe_status st = PE_OK;
    pe_scan_need(s, '{', "'{' at the start of the header");
    bool empty = pe_scan_try(s, '}');
    while (!empty && !st && !s->wrong) {
        const char *name = pe_scan_string(s, NULL);
        if (!name || !pe_scan_need(s, ':', "':' after a name")) break;
        if (!strcmp(name, "__metadata__")) {
            if (r->st->metadata)
                return pe_fail(r->err, PE_E_INPUT, "%s: __metadata__ appears twice", r->file);
            if (!(r->st->metadata = json_object())) return pe_fail_nomem(r->err, "__metadata__", 0);
            st = read_metadata(r);
        } else if (!(st = grow(r))) {
            pe_st_entry *e = &r->st->entries[r->st->nentries++];
            *e = (pe_st_entry){ .name = name };
            st = read_entry(r, e);
        }
        if (!st && !pe_scan_try(s, ',')) {
            pe_scan_need(s, '}', "',' or '}' after an entry");
            break;
        }
    }
    if (!st && !s->wrong && !pe_scan_at_end(s))
        pe_scan_fail(s, "nothing but blanks after the header's '}'");
    return st ? st : s->wrong ? bad_syntax(r) : PE_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const pe_st_entry *)a)->name, ((const pe_st_entry *)b)->name);
}

/* Empty arrays first where they share an offset with the next one. */
static int by_offset(const void *a, const void *b)
{
    const pe_st_entry *x = a, *y = b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return (x->nbytes > 0) - (y->nbytes > 0);
}

/* Data must be covered from its first to its last byte, each once; then names are made unique. */
static pe_status check_cover(reader *r, uint64_t data_nbytes)
{
    pe_st *st = r->st;
    uint64_t next = 0;
    if (st->nentries) qsort(st->entries, st->nentries, sizeof *st->entries, by_offset);
    for (size_t i = 0; i < st->nentries; i++) {
        pe_st_entry *e = &st->entries[i];
        if (e->offset != next)
            return bad(r, e,
                       e->offset < next ? "its data overlap another tensor's"
                                        : "a hole before its data");
        if (e->nbytes > data_nbytes - next)
            return bad(r, e, "its data reach past the end of the file; it is cut short");
        next += e->nbytes;
        e->offset += st->data_offset;
    }
    if (next != data_nbytes)
        return pe_fail(r->err, PE_E_INPUT,
                       "%s: %llu bytes after the last tensor's data; expected none", r->file,
                       (unsigned long long)(data_nbytes - next));
    if (st->nentries) qsort(st->entries, st->nentries, sizeof *st->entries, by_name);
    for (size_t i = 1; i < st->nentries; i++)
        if (!strcmp(st->entries[i - 1].name, st->entries[i].name))
            return bad(r, &st->entries[i], "the name appears twice in the header");
    return PE_OK;
}

/* Length field against the file and the limit. */
static pe_status header_length(uint64_t *out, const uint8_t first[8], uint64_t file_nbytes,
                               const char *name, pe_error *err)
{
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--) n = n << 8 | first[i];
    if (memcmp(first, "version ", 8) == 0 && file_nbytes < 1024)
        return pe_fail(err, PE_E_INPUT,
                       "%s: a git LFS pointer, not the weights; `git lfs pull` fetches them", name);
    if (n > PE_ST_MAX_HEADER)
        return pe_fail(
            err, PE_E_INPUT,
            "%s: header of %llu bytes; at most %u are allowed, so this is no safetensors file",
            name, (unsigned long long)n, PE_ST_MAX_HEADER);
    if (n > file_nbytes - 8)
        return pe_fail(err, PE_E_INPUT,
                       "%s: header of %llu bytes in a file of %llu; it is cut short", name,
                       (unsigned long long)n, (unsigned long long)file_nbytes);
    *out = n;
    return PE_OK;
}

static pe_status too_short(uint64_t nbytes, const char *name, pe_error *err)
{
    return pe_fail(err, PE_E_INPUT, "%s: %llu bytes; a safetensors file has at least 8", name,
                   (unsigned long long)nbytes);
}

/* Takes over header (n bytes + room for a NUL). */
static pe_status parse(pe_st *out, char *header, uint64_t n, uint64_t file_nbytes, const char *name,
                       pe_error *err)
{
    reader r = { .st = out, .file_nbytes = file_nbytes, .file = name, .err = err };
    *out = (pe_st){ .header = header, .data_offset = 8 + n };
    pe_scan_init(&r.scan, header, (size_t)n);
    pe_status st = read_header(&r);
    if (!st) st = check_cover(&r, file_nbytes - out->data_offset);
    if (st) pe_st_release(out);
    return st;
}

pe_status pe_st_read(pe_st *out, const pe_file *f, pe_error *err)
{
    const char *name = pe_file_path(f);
    uint64_t nbytes = pe_file_nbytes(f), n = 0;
    uint8_t first[8];
    *out = (pe_st){ 0 };
    if (nbytes < 8) return too_short(nbytes, name, err);
    pe_status st = pe_file_read(f, 0, first, 8, err);
    if (!st) st = header_length(&n, first, nbytes, name, err);
    if (st) return st;
    char *header = malloc((size_t)n + 1);
    if (!header) return pe_fail_nomem(err, "header of a safetensors file", (size_t)n);
    st = pe_file_read(f, 8, header, (size_t)n, err);
    if (st) {
        free(header);
        return st;
    }
    return parse(out, header, n, nbytes, name, err);
}

pe_status pe_st_parse(pe_st *out, const void *bytes, size_t nbytes, uint64_t file_nbytes,
                      const char *name, pe_error *err)
{
    uint64_t n = 0;
    *out = (pe_st){ 0 };
    if (nbytes < 8 || file_nbytes < nbytes) return too_short(nbytes, name, err);
    pe_status st = header_length(&n, bytes, file_nbytes, name, err);
    if (!st && n > nbytes - 8) st = pe_fail(err, PE_E_INPUT, "%s: the header is cut short", name);
    if (st) return st;
    char *header = malloc((size_t)n + 1);
    if (!header) return pe_fail_nomem(err, "header of a safetensors file", (size_t)n);
    memcpy(header, (const char *)bytes + 8, (size_t)n);
    return parse(out, header, n, file_nbytes, name, err);
}

void pe_st_release(pe_st *st)
{
    free(st->entries);
    free(st->header);
    json_decref(st->metadata);
    *st = (pe_st){ 0 };
}
