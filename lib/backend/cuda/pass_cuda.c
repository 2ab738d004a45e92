/* lib/backend/cuda/pass_cuda.c - passes over weights on the device: exact selection by digits,
 * cuts, patterns, codes. Read next: lib/backend/device_pass.h, calib_cuda.c. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/backend/cuda/pass_impl.h"
#include "lib/base/checked.h"
#include "lib/base/error.h"

/* ---- matrices -------------------------------------------------------------------------------- */

static pe_status pass_make(pe_resident *out, const pe_backend *b, uint64_t n, uint64_t k,
                           const char *what, pe_error *err)
{
    uint64_t nbytes;
    void *x = NULL;
    *out = (pe_resident){ .n = n, .k = k };
    if (!pe_mul_u64(&nbytes, n, k) || !pe_mul_u64(&nbytes, nbytes, sizeof(float)))
        return pe_fail_nomem(err, what, SIZE_MAX);
    pe_status st = pe_cuda_alloc(b, &x, (size_t)nbytes, what, err);
    out->x = x;
    return st;
}

static void pass_drop(pe_resident *r, const pe_backend *b)
{
    pe_cuda_release(b, r->x);
    r->x = NULL;
}

static pe_status pass_load(pe_resident *r, const pe_backend *b, const float *rows, uint64_t row0,
                           uint64_t nrows, pe_error *err)
{
    pass p = start(b, "weights");
    pe_status st =
        pe_cuda_upload(&p.q, r->x + row0 * r->k, rows, (size_t)(nrows * r->k) * sizeof *rows, err);
    return st ? st : pe_cuda_sync(&p.q, err);
}

static pe_status pass_store(float *rows, const pe_resident *r, const pe_backend *b, uint64_t row0,
                            uint64_t nrows, pe_error *err)
{
    pass p = start(b, "weights");
    pe_status st = pe_cuda_download(&p.q, rows, r->x + row0 * r->k,
                                    (size_t)(nrows * r->k) * sizeof *rows, err);
    return st ? st : pe_cuda_sync(&p.q, err);
}

/* ---- selection: the k-th lowest score by its digits, highest first (kernels/cuda/cuda.h) ------
 */

enum { DIGIT_BITS = 11, NDIGITS = 1 << DIGIT_BITS };
static const int shifts32[] = { 20, 9, 0 }, shifts64[] = { 52, 41, 30, 19, 8, 0 };

typedef struct selection {
    pass p;
    const pe_resident *const *r;
    size_t nmatrices;
    pe_device_blocks blocks;
    double **score;   /* [nmatrices] block scores on the device, NULL for single weights */
    uint64_t *counts; /* [NDIGITS], device */
    void *prefix;     /* device */
    uint64_t *host;   /* [NDIGITS] */
} selection;

static uint64_t nscores_of(const pe_resident *r, pe_device_blocks b)
{
    if (!b.rows) return r->n * r->k;
    return (r->n + b.rows - 1) / b.rows * ((r->k + b.cols - 1) / b.cols);
}

static pe_status score_blocks(double **score, const pass *p, const pe_resident *r,
                              pe_device_blocks blocks, pe_error *err)
{
    pe_status st = borrow(score, p, (size_t)nscores_of(r, blocks) * sizeof(double), err);
    return st ? st
              : check(p,
                      pe_cu_block_scores(*score, r->x, (size_t)r->n, (size_t)r->k, blocks.rows,
                                         blocks.cols, p->s),
                      err);
}

/* Matrices i0 .. i1: how many keys have each digit at `shift`, of those that share the prefix
 * above. */
static pe_status count_digits(selection *s, size_t i0, size_t i1, uint64_t prefix, int shift,
                              pe_error *err)
{
    bool wide = s->blocks.rows > 0;
    uint32_t narrow = (uint32_t)prefix;
    size_t nbytes = NDIGITS * sizeof *s->counts;
    pe_status st = check(&s->p, cudaMemsetAsync(s->counts, 0, nbytes, s->p.s), err);
    if (!st)
        st = pe_cuda_upload(&s->p.q, s->prefix, wide ? (const void *)&prefix : &narrow,
                            wide ? sizeof prefix : sizeof narrow, err);
    for (size_t i = i0; !st && i < i1; i++) {
        size_t n = (size_t)nscores_of(s->r[i], s->blocks);
        st = check(&s->p,
                   wide ? pe_cu_radix_f64(s->counts, s->score[i], n, s->prefix, shift, s->p.s)
                        : pe_cu_radix_f32(s->counts, s->r[i]->x, n, s->prefix, shift, s->p.s),
                   err);
    }
    if (!st) st = pe_cuda_download(&s->p.q, s->host, s->counts, nbytes, err);
    return st ? st : pe_cuda_sync(&s->p.q, err);
}

/* The key of rank `rank` (from 0); *left: how many of its equals have a lower rank. */
static pe_status find_key(uint64_t *key, uint64_t *left, selection *s, uint64_t rank, pe_error *err)
{
    bool wide = s->blocks.rows > 0;
    const int *shift = wide ? shifts64 : shifts32;
    int n = wide ? 6 : 3;
    uint64_t prefix = 0;
    pe_status st = PE_OK;
    for (int i = 0; !st && i < n; i++) {
        st = count_digits(s, 0, s->nmatrices, prefix, shift[i], err);
        uint64_t d = prefix >> shift[i] & (NDIGITS - 1);
        while (!st && d + 1 < NDIGITS && rank >= s->host[d]) rank -= s->host[d++];
        prefix = (prefix >> shift[i] >> DIGIT_BITS << DIGIT_BITS | d) << shift[i];
    }
    *key = prefix;
    *left = rank;
    return st;
}

/* keep_equal of each matrix: all equals but the last `go`. */
static pe_status share_equals(pe_device_cut *out, selection *s, uint64_t key, uint64_t go,
                              pe_error *err)
{
    uint64_t total = 0;
    pe_status st = PE_OK;
    for (size_t i = 0; !st && i < s->nmatrices; i++) {
        st = count_digits(s, i, i + 1, key, 0, err);
        out->keep_equal[i] = st ? 0 : s->host[key & (NDIGITS - 1)];
        total += out->keep_equal[i];
    }
    uint64_t stay = total > go ? total - go : 0;
    for (size_t i = 0; i < s->nmatrices; i++) {
        if (out->keep_equal[i] > stay) out->keep_equal[i] = stay;
        stay -= out->keep_equal[i];
    }
    return st;
}

static double score_of_key(uint64_t key, bool wide)
{
    uint32_t narrow = (uint32_t)key;
    float f;
    double d;
    memcpy(&f, &narrow, sizeof f);
    memcpy(&d, &key, sizeof d);
    return wide ? d : (double)f;
}

static pe_status start_selection(selection *s, pe_error *err)
{
    s->host = malloc(NDIGITS * sizeof *s->host);
    s->score = calloc(s->nmatrices + 1, sizeof *s->score);
    if (!s->host || !s->score) return pe_fail_nomem(err, "selection", NDIGITS * sizeof *s->host);
    pe_status st = borrow(&s->counts, &s->p, NDIGITS * sizeof *s->counts, err);
    if (!st) st = borrow(&s->prefix, &s->p, sizeof(uint64_t), err);
    for (size_t i = 0; !st && s->blocks.rows && i < s->nmatrices; i++)
        st = score_blocks(&s->score[i], &s->p, s->r[i], s->blocks, err);
    return st;
}

static void end_selection(selection *s)
{
    for (size_t i = 0; s->score && i < s->nmatrices; i++) pe_cuda_return(s->score[i], &s->p.q);
    pe_cuda_return(s->counts, &s->p.q);
    pe_cuda_return(s->prefix, &s->p.q);
    free(s->score);
    free(s->host);
}

static pe_status pass_select(pe_device_cut *out, const pe_backend *b, const pe_resident *const *r,
                             size_t nmatrices, pe_device_blocks blocks, uint64_t k, pe_error *err)
{
    selection s = { .p = start(b, "selection"), .r = r, .nmatrices = nmatrices, .blocks = blocks };
    uint64_t key = 0, left = 0;
    pe_status st = start_selection(&s, err);
    if (!st) st = find_key(&key, &left, &s, k ? k - 1 : 0, err);
    if (!st) st = share_equals(out, &s, key, k ? left + 1 : 0, err);
    out->threshold = score_of_key(key, blocks.rows > 0);
    end_selection(&s);
    return st;
}

/* ---- cuts ------------------------------------------------------------------------------------ */

static pe_status count_zeros(uint64_t *zeros, const pass *p, const pe_resident *r, pe_error *err)
{
    void *count = NULL;
    pe_status st = borrow(&count, p, sizeof *zeros, err);
    if (!st) st = check(p, cudaMemsetAsync(count, 0, sizeof *zeros, p->s), err);
    if (!st)
        st = check(p, pe_cu_count_zero(count, r->x, (size_t)(r->n * r->k), sizeof(float), p->s),
                   err);
    pe_queue q = p->q;
    if (!st) st = pe_cuda_download(&q, zeros, count, sizeof *zeros, err);
    pe_cuda_return(count, &p->q);
    return st ? st : pe_cuda_sync(&q, err);
}

/* What a cut kernel reads and writes beside the weights. */
typedef struct cut_args {
    double threshold;
    float narrow;
    uint64_t keep, gone;
} cut_args;

static pe_status run_cut(const pass *p, pe_resident *r, pe_device_blocks blocks,
                         const double *score, char *args, void *scratch, pe_error *err)
{
    const uint64_t *keep = (const void *)(args + offsetof(cut_args, keep));
    uint64_t *gone = (void *)(args + offsetof(cut_args, gone));
    if (!blocks.rows)
        return check(p,
                     pe_cu_cut_f32(r->x, (size_t)(r->n * r->k),
                                   (const void *)(args + offsetof(cut_args, narrow)), keep, gone,
                                   scratch, p->s),
                     err);
    return check(p,
                 pe_cu_cut_blocks(r->x, (size_t)r->n, (size_t)r->k, blocks.rows, blocks.cols, score,
                                  (const void *)(args + offsetof(cut_args, threshold)), keep, gone,
                                  scratch, p->s),
                 err);
}

static pe_status pass_cut(pe_resident *r, uint64_t *zeros, uint64_t *gone, const pe_backend *b,
                          pe_device_blocks blocks, double threshold, uint64_t keep_equal,
                          pe_error *err)
{
    pass p = start(b, "cut");
    size_t n = (size_t)nscores_of(r, blocks);
    cut_args host = { threshold, (float)threshold, keep_equal, 0 };
    double *score = NULL;
    void *args = NULL, *scratch = NULL;
    pe_status st = blocks.rows ? score_blocks(&score, &p, r, blocks, err) : PE_OK;
    if (!st) st = borrow(&args, &p, sizeof host, err);
    if (!st)
        st = borrow(&scratch, &p, blocks.rows ? pe_cu_cut_blocks_scratch(n) : pe_cu_cut_scratch(n),
                    err);
    if (!st) st = pe_cuda_upload(&p.q, args, &host, sizeof host, err);
    if (!st) st = run_cut(&p, r, blocks, score, args, scratch, err);
    if (!st)
        st = pe_cuda_download(&p.q, gone, (const char *)args + offsetof(cut_args, gone),
                              sizeof *gone, err);
    pe_cuda_return(score, &p.q);
    pe_cuda_return(args, &p.q);
    pe_cuda_return(scratch, &p.q);
    return st ? st : count_zeros(zeros, &p, r, err);
}

static pe_status pass_prune_nm(pe_resident *r, uint64_t *zeros, const pe_backend *b, uint32_t keep,
                               uint32_t of, pe_error *err)
{
    pass p = start(b, "N:M pattern");
    pe_status st =
        check(&p, pe_cu_prune_nm(r->x, (size_t)(r->n * r->k), (int)keep, (int)of, p.s), err);
    return st ? st : count_zeros(zeros, &p, r, err);
}

/* ---- codes ----------------------------------------------------------------------------------- */

static pe_status pass_absmax_rows(float *absmax, const pe_resident *r, const pe_backend *b,
                                  pe_error *err)
{
    pass p = start(b, "absmax");
    size_t nbytes = (size_t)r->n * sizeof *absmax;
    float *dev = NULL;
    pe_status st = borrow(&dev, &p, nbytes, err);
    if (!st)
        st = check(&p, pe_cu_absmax_rows(dev, r->x, (size_t)r->n, (size_t)r->k, (size_t)r->k, p.s),
                   err);
    if (!st) st = pe_cuda_download(&p.q, absmax, dev, nbytes, err);
    pe_cuda_return(dev, &p.q);
    return st ? st : pe_cuda_sync(&p.q, err);
}

static pe_status pass_quantize(int8_t *codes, const pe_resident *r, const pe_backend *b,
                               const float *scale, pe_error *err)
{
    pass p = start(b, "quantize");
    size_t nbytes = (size_t)(r->n * r->k);
    float *dev_scale = NULL;
    int8_t *dev = NULL;
    pe_status st = borrow(&dev, &p, nbytes, err);
    if (!st) st = borrow(&dev_scale, &p, (size_t)r->n * sizeof *scale, err);
    if (!st) st = pe_cuda_upload(&p.q, dev_scale, scale, (size_t)r->n * sizeof *scale, err);
    if (!st)
        st = check(&p,
                   pe_cu_quantize_weights(dev, (size_t)r->k, r->x, (size_t)r->k, (size_t)r->n,
                                          (size_t)r->k, dev_scale, p.s),
                   err);
    if (!st) st = pe_cuda_download(&p.q, codes, dev, nbytes, err);
    pe_cuda_return(dev, &p.q);
    pe_cuda_return(dev_scale, &p.q);
    return st ? st : pe_cuda_sync(&p.q, err);
}

const pe_device_pass pe_cuda_pass = {
    .struct_size = sizeof(pe_device_pass),
    .make = pass_make,
    .drop = pass_drop,
    .load = pass_load,
    .store = pass_store,
    .select = pass_select,
    .cut = pass_cut,
    .prune_nm = pass_prune_nm,
    .absmax_rows = pass_absmax_rows,
    .observe = pe_cuda_observe,
    .quantize = pass_quantize,
    .clip_errors = pe_cuda_clip_errors,
};
