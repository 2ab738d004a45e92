/* lib/backend/cuda/pass_impl.h - a call of a pass: where it runs and what it is named in errors.
 * Read next: pass_cuda.c, calib_cuda.c. */
#ifndef PE_CUDA_PASS_IMPL_H
#define PE_CUDA_PASS_IMPL_H

#include <string.h>

#include "lib/backend/cuda/cuda_impl.h"

typedef struct pass { /* a device, its stream, and what the call is named in errors */
    pe_queue q;
    pe_cuda *d;
    cudaStream_t s;
    const char *what;
} pass;

static inline pass start_on(const pe_queue *q, const char *what)
{
    return (pass){ .q = *q, .d = pe_cuda_of(q->backend), .s = pe_cuda_stream(q), .what = what };
}

static inline pass start(const pe_backend *b, const char *what)
{
    return start_on(&(pe_queue){ .backend = b }, what);
}

static inline pe_status check(const pass *p, cudaError_t e, pe_error *err)
{
    return pe_cuda_check(e, p->d, p->what, err);
}

static inline pe_status borrow(void *out, const pass *p, size_t nbytes, pe_error *err)
{
    void *got = NULL;
    pe_status st = pe_cuda_borrow(&got, &p->q, nbytes, p->what, err);
    memcpy(out, &got, sizeof got);
    return st;
}

/* calib_cuda.c: lib/backend/device_pass.h */
pe_status pe_cuda_observe(pe_queue *q, const pe_observe_call *c, pe_error *err);
pe_status pe_cuda_clip_errors(pe_queue *q, double *error, const double *scale, size_t nscales,
                              const float *x, size_t n, pe_error *err);

#endif
