/* lib/backend/cuda/bitmask_cuda.c - layers as bitmasks, for few tokens: int8 codes, and 16-bit
 * floats where the checkpoint holds such. Read next: kernels/cuda/bitmask.cuh (how they are
 * walked), lib/backend/cuda/linear_cuda.c. */
#include <stdlib.h>
#include <string.h>

#include "lib/backend/cuda/cuda_impl.h"
#include "lib/base/checked.h"
#include "lib/base/error.h"

enum { ALIGN = 256 };

bool pe_cuda_is_bitmask(pe_form form)
{
    return form == PE_FORM_S8_BITMASK || form == PE_FORM_BF16_BITMASK ||
           form == PE_FORM_F16_BITMASK;
}

/* Rows begin at 32-bit counts of values. */
bool pe_cuda_bitmask_fits(size_t n, size_t k)
{
    return k == 0 || n <= UINT32_MAX / k;
}

/* Words of the rows, where each begins, values. */
typedef struct places {
    size_t words, begin, values; /* words a row; offsets */
} places;

static places places_of(size_t n, size_t k)
{
    places a = { .words = (k + 63) / 64 };
    a.begin = pe_round_up(n * a.words * sizeof(uint64_t), ALIGN);
    a.values = a.begin + pe_round_up((n + 1) * sizeof(uint32_t), ALIGN);
    return a;
}

/* A float that is stored in 16 bits has none set there exactly where none is set in 32. */
static size_t count_values(pe_form form, const pe_matrix *w)
{
    size_t nnz = 0;
    for (size_t i = 0; i < w->n * w->k; i++) {
        uint32_t bits = 0;
        if (form == PE_FORM_S8_BITMASK) bits = (uint8_t)w->s8[i];
        else memcpy(&bits, w->f32 + i, sizeof bits);
        nnz += bits != 0;
    }
    return nnz;
}

size_t pe_cuda_bitmask_nbytes(pe_form form, const pe_matrix *w)
{
    size_t width = form == PE_FORM_S8_BITMASK ? 1 : sizeof(uint16_t);
    return places_of(w->n, w->k).values + count_values(form, w) * width + 16;
}

static pe_status pack_codes(pe_queue *q, void *packed, const pe_matrix *w, pe_error *err)
{
    places a = places_of(w->n, w->k);
    size_t nbytes = pe_cuda_bitmask_nbytes(PE_FORM_S8_BITMASK, w);
    char *host = calloc(nbytes, 1);
    if (!host) return pe_fail_nomem(err, "sparse layer", nbytes);
    uint64_t *mask = (void *)host;
    uint32_t *begin = (void *)(host + a.begin), at = 0;
    for (size_t r = 0; r < w->n; r++) {
        begin[r] = at;
        for (size_t i = 0; i < w->k; i++) {
            int8_t code = w->s8[r * w->k + i];
            if (!code) continue;
            mask[r * a.words + i / 64] |= UINT64_C(1) << i % 64;
            host[a.values + at++] = (char)code;
        }
    }
    begin[w->n] = at;
    pe_status st = pe_cuda_upload(q, packed, host, nbytes, err);
    if (!st) st = pe_cuda_sync(q, err);
    free(host);
    return st;
}

/* The device narrows, which is exact here, and spreads: the weights are there once as f32. */
static pe_status pack_floats(pe_queue *q, bool bf16, void *packed, const pe_matrix *w,
                             pe_error *err)
{
    const pe_cuda *d = pe_cuda_of(q->backend);
    cudaStream_t s = pe_cuda_stream(q);
    places a = places_of(w->n, w->k);
    size_t n = w->n * w->k;
    uint64_t *mask = packed;
    uint32_t *begin = (void *)((char *)packed + a.begin);
    char *values = (char *)packed + a.values;
    void *f32 = NULL, *half = NULL;
    pe_status st = pe_cuda_borrow(&f32, q, n * sizeof(float), "sparse layer", err);
    if (!st) st = pe_cuda_borrow(&half, q, n * sizeof(uint16_t), "sparse layer", err);
    if (!st) st = pe_cuda_upload(q, f32, w->f32, n * sizeof(float), err);
    if (!st)
        st = pe_cuda_check(bf16 ? pe_cu_to_bf16(half, f32, n, s) : pe_cu_to_f16(half, f32, n, s), d,
                           "sparse layer", err);
    if (!st) st = pe_cuda_row_begins(q, begin, half, w->n, w->k, sizeof(uint16_t), err);
    if (!st)
        st = pe_cuda_check(pe_cu_encode_bitmask(mask, values, begin, half, w->n, w->k,
                                                sizeof(uint16_t), s),
                           d, "sparse layer", err);
    pe_cuda_return(half, q);
    pe_cuda_return(f32, q);
    return st ? st : pe_cuda_sync(q, err);
}

pe_status pe_cuda_bitmask_pack(pe_queue *q, pe_form form, void *packed, const pe_matrix *w,
                               pe_error *err)
{
    if (form == PE_FORM_S8_BITMASK) return pack_codes(q, packed, w, err);
    return pack_floats(q, form == PE_FORM_BF16_BITMASK, packed, w, err);
}

pe_status pe_cuda_bitmask_run(const pe_queue *q, pe_form form, const pe_linear_call *c,
                              pe_error *err)
{
    cudaStream_t s = pe_cuda_stream(q);
    places a = places_of(c->n, c->k);
    const char *packed = c->packed;
    pe_cu_bitmask w = { .mask = (const void *)packed,
                        .begin = (const void *)(packed + a.begin),
                        .values = packed + a.values,
                        .n = c->n,
                        .k = c->k,
                        .nwords = a.words };
    return pe_cuda_check(form == PE_FORM_S8_BITMASK
                             ? pe_cu_linear_bitmask_s8(c, &w, s)
                             : pe_cu_linear_bitmask_f16(c, &w, form == PE_FORM_BF16_BITMASK, s),
                         pe_cuda_of(q->backend), "sparse product", err);
}
