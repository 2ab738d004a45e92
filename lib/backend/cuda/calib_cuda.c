/* lib/backend/cuda/calib_cuda.c - what calibration asks of a device: ranges and largest magnitudes
 * of inputs, errors of clips. Read next: lib/calib/observer.c (who asks), kernels/cuda/stats.cu. */
#include <stddef.h>

#include "lib/backend/cuda/pass_impl.h"

/* Beside the values above the floor: what travels both ways. */
typedef struct observe_args {
    float lo, hi, floor;
    uint32_t ntop;
} observe_args;

static pe_status run_observe(const pass *p, const pe_observe_call *c, char *args, void *scratch,
                             float *top, pe_error *err)
{
    pe_status st = check(p,
                         pe_cu_range((void *)(args + offsetof(observe_args, lo)),
                                     (void *)(args + offsetof(observe_args, hi)), c->x, c->m, c->k,
                                     c->ldx, scratch, p->s),
                         err);
    if (st || !c->top) return st;
    return check(p,
                 pe_cu_above(top, (void *)(args + offsetof(observe_args, ntop)), c->cap, c->x, c->m,
                             c->k, c->ldx, (const void *)(args + offsetof(observe_args, floor)),
                             p->s),
                 err);
}

pe_status pe_cuda_observe(pe_queue *q, const pe_observe_call *c, pe_error *err)
{
    pass p = start_on(q, "observe");
    observe_args host = { *c->lo, *c->hi, c->floor, 0 };
    void *args = NULL, *scratch = NULL;
    float *top = NULL;
    pe_status st = borrow(&args, &p, sizeof host, err);
    if (!st) st = borrow(&scratch, &p, pe_cu_range_scratch(c->m, c->k), err);
    if (!st && c->top) st = borrow(&top, &p, c->cap * sizeof *top, err);
    if (!st) st = pe_cuda_upload(q, args, &host, sizeof host, err);
    if (!st) st = run_observe(&p, c, args, scratch, top, err);
    if (!st) st = pe_cuda_download(q, &host, args, sizeof host, err);
    if (!st) st = pe_cuda_sync(q, err);
    uint32_t got = host.ntop < c->cap ? host.ntop : c->cap;
    if (!st && c->top && got) st = pe_cuda_download(q, c->top, top, got * sizeof *top, err);
    if (!st) st = pe_cuda_sync(q, err);
    pe_cuda_return(top, &p.q);
    pe_cuda_return(scratch, &p.q);
    pe_cuda_return(args, &p.q);
    if (st) return st;
    *c->lo = host.lo;
    *c->hi = host.hi;
    if (c->top) *c->ntop = host.ntop;
    return PE_OK;
}

pe_status pe_cuda_clip_errors(pe_queue *q, double *error, const double *scale, size_t nscales,
                              const float *x, size_t n, pe_error *err)
{
    pass p = start_on(q, "clips");
    size_t nbytes = nscales * sizeof *scale;
    double *sums = NULL, *scales = NULL;
    float *values = NULL;
    pe_status st = borrow(&sums, &p, nbytes, err);
    if (!st) st = borrow(&scales, &p, nbytes, err);
    if (!st) st = borrow(&values, &p, n * sizeof *x, err);
    if (!st) st = pe_cuda_upload(q, scales, scale, nbytes, err);
    if (!st) st = pe_cuda_upload(q, values, x, n * sizeof *x, err);
    if (!st) st = check(&p, cudaMemsetAsync(sums, 0, nbytes, p.s), err);
    if (!st) st = check(&p, pe_cu_mse(sums, scales, nscales, values, n, 1, p.s), err);
    if (!st) st = pe_cuda_download(q, error, sums, nbytes, err);
    pe_cuda_return(values, &p.q);
    pe_cuda_return(scales, &p.q);
    pe_cuda_return(sums, &p.q);
    pe_status waited = pe_cuda_sync(q, st ? NULL : err);
    return st ? st : waited;
}
