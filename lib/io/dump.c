/* lib/io/dump.c - collects tensors and writes them as one safetensors file.
 * Read next: formats/safetensors.h. */
#include <pe/dump.h>

#include <stdlib.h>
#include <string.h>

#include "formats/safetensors.h"
#include "lib/base/checked.h"
#include "lib/base/error.h"
#include "lib/base/file.h"

typedef struct tensor {
    char *name;
    int rank;
    uint64_t shape[PE_MAX_RANK], nbytes;
    float *data;
} tensor;

struct pe_dump {
    tensor *t;
    size_t n, cap;
};

pe_status pe_dump_new(pe_dump **out, pe_error *err)
{
    *out = calloc(1, sizeof **out);
    return *out ? PE_OK : pe_fail_nomem(err, "dump", sizeof **out);
}

void pe_dump_free(pe_dump *d)
{
    if (!d) return;
    for (size_t i = 0; i < d->n; i++) {
        free(d->t[i].name);
        free(d->t[i].data);
    }
    free(d->t);
    free(d);
}

static pe_status grow(pe_dump *d, pe_error *err)
{
    if (d->n < d->cap) return PE_OK;
    size_t cap = d->cap ? d->cap * 2 : 64;
    tensor *more = realloc(d->t, cap * sizeof *more);
    if (!more) return pe_fail_nomem(err, "dump", cap * sizeof *more);
    d->t = more;
    d->cap = cap;
    return PE_OK;
}

pe_status pe_dump_add(pe_dump *d, const char *name, int rank, const uint64_t *shape,
                      const float *data, pe_error *err)
{
    uint64_t nbytes = sizeof(float);
    if (rank < 0 || rank > PE_MAX_RANK)
        return pe_fail(err, PE_E_ARG, "tensor %s: rank %d, expected 0 to %d", name, rank,
                       PE_MAX_RANK);
    for (int i = 0; i < rank; i++)
        if (!pe_mul_u64(&nbytes, nbytes, shape[i])) return pe_fail_nomem(err, name, SIZE_MAX);
    pe_status st = grow(d, err);
    if (st) return st;
    tensor *t = &d->t[d->n];
    *t = (tensor){
        .name = strdup(name), .rank = rank, .nbytes = nbytes, .data = malloc(nbytes + 1)
    };
    if (!t->name || !t->data) {
        free(t->name);
        free(t->data);
        return pe_fail_nomem(err, name, nbytes);
    }
    for (int i = 0; i < rank; i++) t->shape[i] = shape[i];
    memcpy(t->data, data, nbytes);
    d->n++;
    return PE_OK;
}

static pe_status fill_entries(pe_st_entry *e, const pe_dump *d, uint64_t *total, pe_error *err)
{
    for (size_t i = 0; i < d->n; i++) {
        const tensor *t = &d->t[i];
        e[i] = (pe_st_entry){ .name = t->name, .dtype = pe_st_dtype_of(PE_F32), .id = i };
        e[i].rank = (uint32_t)t->rank;
        e[i].nbytes = t->nbytes;
        e[i].nelem = t->nbytes / sizeof(float);
        for (int k = 0; k < t->rank; k++) e[i].shape[k] = t->shape[k];
    }
    return pe_st_arrange(e, d->n, total, err);
}

pe_status pe_dump_write(pe_dump *d, const char *path, pe_error *err)
{
    char *head = NULL, *file = NULL;
    size_t nhead = 0;
    uint64_t total = 0;
    pe_st_entry *e = calloc(d->n + 1, sizeof *e);
    if (!e) return pe_fail_nomem(err, "dump", d->n * sizeof *e);
    pe_status st = fill_entries(e, d, &total, err);
    if (!st) st = pe_st_header(&head, &nhead, e, d->n, NULL, 0, err);
    if (!st && !(file = malloc(nhead + total))) st = pe_fail_nomem(err, path, nhead + total);
    if (!st) memcpy(file, head, nhead);
    for (size_t i = 0; !st && i < d->n; i++)
        memcpy(file + nhead + e[i].offset, d->t[e[i].id].data, e[i].nbytes);
    if (!st) st = pe_write_atomic(path, file, nhead + total, err);
    free(file);
    free(head);
    free(e);
    return st;
}
