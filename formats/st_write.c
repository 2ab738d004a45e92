/* formats/st_write.c - order, offsets and header of a safetensors file to be written.
 * Read next: lib/io/ckpt_write.c, which streams the data behind it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/safetensors.h"
#include "lib/base/checked.h"
#include "lib/base/error.h"

static int by_width_then_name(const void *a, const void *b)
{
    const pe_st_entry *x = a, *y = b;
    if (x->dtype->bits != y->dtype->bits) return x->dtype->bits > y->dtype->bits ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int by_pointed_name(const void *a, const void *b)
{
    return strcmp((*(const pe_st_entry *const *)a)->name, (*(const pe_st_entry *const *)b)->name);
}

static pe_status check_unique(const pe_st_entry *entries, size_t n, pe_error *err)
{
    pe_status st = PE_OK;
    const pe_st_entry **sorted = malloc((n ? n : 1) * sizeof *sorted);
    if (!sorted) return pe_fail_nomem(err, "tensor names", n * sizeof *sorted);
    for (size_t i = 0; i < n; i++) sorted[i] = &entries[i];
    if (n) qsort(sorted, n, sizeof *sorted, by_pointed_name);
    for (size_t i = 1; i < n && !st; i++) {
        char show[PE_ST_SHOW];
        if (!strcmp(sorted[i - 1]->name, sorted[i]->name))
            st = pe_fail(err, PE_E_ARG, "tensor %s would be written twice",
                         pe_st_show(show, sorted[i]->name));
    }
    free(sorted);
    return st;
}

pe_status pe_st_arrange(pe_st_entry *entries, size_t n, uint64_t *data_nbytes, pe_error *err)
{
    uint64_t at = 0;
    pe_status st = check_unique(entries, n, err);
    if (st) return st;
    if (n) qsort(entries, n, sizeof *entries, by_width_then_name);
    for (size_t i = 0; i < n; i++) {
        entries[i].offset = at;
        if (!pe_add_u64(&at, at, entries[i].nbytes))
            return pe_fail(err, PE_E_ARG, "tensors add up to more than 2^64 bytes");
    }
    *data_nbytes = at;
    return PE_OK;
}

/* Text that grows; `failed` sticks. */
typedef struct text {
    char *at;
    size_t n, capacity;
    bool failed;
} text;

static void put(text *t, const char *s, size_t n)
{
    if (t->failed) return;
    if (n > t->capacity - t->n) {
        size_t capacity = (t->capacity + n) * 2;
        char *p = realloc(t->at, capacity);
        if (!p) {
            t->failed = true;
            return;
        }
        t->at = p;
        t->capacity = capacity;
    }
    memcpy(t->at + t->n, s, n);
    t->n += n;
}

static void put_string(text *t, const char *s)
{
    char u[8];
    put(t, "\"", 1);
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == 0xc0) put(t, "\\u0000", 6), s++;
        else if (c == '"' || c == '\\') put(t, (char[]){ '\\', (char)c }, 2);
        else if (c < 0x20) put(t, u, (size_t)snprintf(u, sizeof u, "\\u%04x", c));
        else put(t, s, 1);
    }
    put(t, "\"", 1);
}

static void put_entry(text *t, const pe_st_entry *e)
{
    char num[64];
    put_string(t, e->name);
    put(t, ":{\"dtype\":\"", 11);
    put(t, e->dtype->name, strlen(e->dtype->name));
    put(t, "\",\"shape\":[", 11);
    for (uint32_t i = 0; i < e->rank; i++)
        put(t, num,
            (size_t)snprintf(num, sizeof num, "%s%llu", i ? "," : "",
                             (unsigned long long)e->shape[i]));
    put(t, num,
        (size_t)snprintf(num, sizeof num, "],\"data_offsets\":[%llu,%llu]}",
                         (unsigned long long)e->offset,
                         (unsigned long long)(e->offset + e->nbytes)));
}

pe_status pe_st_header(char **out, size_t *nbytes, const pe_st_entry *entries, size_t n,
                       const json_t *metadata, size_t min_nbytes, pe_error *err)
{
    text t = { 0 };
    put(&t, "\0\0\0\0\0\0\0\0{", 9);
    if (metadata && json_object_size(metadata)) {
        char *dump = json_dumps(metadata, JSON_COMPACT | JSON_SORT_KEYS);
        if (!dump) t.failed = true;
        put(&t, "\"__metadata__\":", 15);
        if (dump) put(&t, dump, strlen(dump));
        if (n) put(&t, ",", 1);
        free(dump);
    }
    for (size_t i = 0; i < n; i++) {
        if (i) put(&t, ",", 1);
        put_entry(&t, &entries[i]);
    }
    put(&t, "}", 1);
    while (!t.failed && (t.n % 8 || t.n < min_nbytes)) put(&t, " ", 1);
    if (t.failed) {
        free(t.at);
        return pe_fail_nomem(err, "safetensors header", t.n);
    }
    if (t.n - 8 > PE_ST_MAX_HEADER) {
        free(t.at);
        return pe_fail(err, PE_E_UNSUPPORTED, "header of %zu bytes; readers take at most %u",
                       t.n - 8, PE_ST_MAX_HEADER);
    }
    for (int i = 0; i < 8; i++) t.at[i] = (char)((t.n - 8) >> (8 * i));
    *out = t.at;
    *nbytes = t.n;
    return PE_OK;
}
