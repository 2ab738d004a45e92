/* lib/backend/backend.h - a device: its memory, its queues of work and its table of ops.
 * Read next: lib/backend/cpu_backend.c (the host), lib/backend/plugin.h (the others),
 * lib/plan/plan.h (who calls it). */
#ifndef PE_BACKEND_BACKEND_H
#define PE_BACKEND_BACKEND_H

#include "kernels/kernels.h"

/* Changes when a field changes meaning; new fields and ops are added at the end of their struct. A
 * plugin with a shorter one was built for an earlier pe and is refused. */
#define PE_BACKEND_ABI 2

typedef struct pe_backend pe_backend;

/* Work in order on one device. Calls on it return when the work is queued; results are there after
 * sync (the host's are there at once). A queue without a stream of its own uses the device's
 * default one. */
typedef struct pe_queue {
    const pe_backend *backend;
    pe_pool *pool; /* host threads; NULL = this thread, and on devices */
    void *stream;  /* the device's own, by open_queue */
} pe_queue;

/* ---- calls that kernels.h has no struct for; all pointers are memory of the backend ---------- */

/* y = norm(x + res) * gamma + beta, rows of d; res NULL = nothing added. */
typedef struct pe_norm_call {
    float *y;
    const float *x, *res, *gamma, *beta;
    float eps;
    size_t m, d;
} pe_norm_call;

typedef struct pe_linear_op {
    pe_form form;
    pe_linear_call call;
} pe_linear_op;

/* y[i] = x[rows[i]], rows of d. */
typedef struct pe_gather_call {
    float *y;
    const float *x;
    const uint32_t *rows; /* [m] */
    size_t m, d;
} pe_gather_call;

typedef struct pe_pool_call {
    float *y;                  /* [nrows, d] */
    const float *x;            /* [tokens, d] */
    const uint32_t *row_begin; /* [nrows + 1] */
    size_t nrows, d;
} pe_pool_call;

typedef struct pe_scale_call {
    float *x; /* [m, d], in place */
    size_t m, d;
} pe_scale_call;

/* *bad becomes 1 where x holds NaN or Inf, else it stays; so one look at the end tells of many ops.
 */
typedef struct pe_check_call {
    const float *x;
    size_t n;
    uint32_t *bad;
} pe_check_call;

/* ---- the table ------------------------------------------------------------------------------- */

#define PE_BACKEND_OP(name, call) \
    typedef pe_status pe_backend_##name##_fn(pe_queue *q, const call *c, pe_error *err);
#include "lib/backend/backend.def"
#undef PE_BACKEND_OP

struct pe_backend {
    size_t struct_size; /* of this struct as the backend was built with */
    uint32_t abi;       /* PE_BACKEND_ABI */
    const char *name;   /* "cpu", "cuda:0" */
    const char *level;  /* CPU level or device model, for reports */
    bool host;          /* its memory is the host's: read and written in place */
    bool exact;         /* float products, too, have the bits of kernels/ref */
    void *self;

    /* Memory: 64-byte aligned at least. alloc gives PE_E_NOMEM naming `what`. */
    pe_status (*alloc)(const pe_backend *b, void **out, size_t nbytes, const char *what,
                       pe_error *err);
    void (*release)(const pe_backend *b, void *p);
    pe_status (*upload)(pe_queue *q, void *dst, const void *src, size_t nbytes, pe_error *err);
    pe_status (*download)(pe_queue *q, void *dst, const void *src, size_t nbytes, pe_error *err);
    pe_status (*sync)(pe_queue *q, pe_error *err);
    /* A stream for q; NULL functions: there are none, work is done at once. */
    pe_status (*open_queue)(pe_queue *q, pe_error *err);
    void (*close_queue)(pe_queue *q);

    /* Linear layers: which forms exist, and their packed copies. w is host memory, packed is the
     * backend's; pack may run for several matrices at once. */
    bool (*has_form)(const pe_backend *b, pe_form form, size_t n, size_t k);
    size_t (*packed_nbytes)(const pe_backend *b, pe_form form, const pe_matrix *w);
    pe_status (*pack)(const pe_backend *b, pe_form form, void *packed, const pe_matrix *w,
                      pe_error *err);
    /* Scratch that the largest call of a plan needs. */
    size_t (*linear_scratch)(const pe_backend *b, pe_form form, size_t m, size_t n, size_t k,
                             int nthreads);
    size_t (*attention_scratch)(const pe_backend *b, size_t longest, size_t head_dim, int nthreads);

#define PE_BACKEND_OP(name, call) pe_backend_##name##_fn *name;
#include "lib/backend/backend.def"
#undef PE_BACKEND_OP

    /* Scratch of linear_pair, k inputs, `mid` between the two layers; NULL: there is no such op. */
    size_t (*pair_scratch)(const pe_backend *b, size_t m, size_t k, size_t mid, size_t n,
                           int nthreads);
};

/* "cpu" (NULL means it too), "cuda", "cuda:N", "emu", or "auto": a GPU if there is one, else the
 * CPU. The result stays until the process ends. max_nbytes: memory of the device that may be used,
 * 0 = what is free; the first call for a device decides. PE_E_UNSUPPORTED for a device that this
 * build or machine does not have, saying why. */
pe_status pe_backend_get(const pe_backend **out, const char *device, uint64_t max_nbytes,
                         pe_error *err);
pe_status pe_backend_cpu(const pe_backend **out, pe_error *err); /* the host */
/* PE_E_UNSUPPORTED "device cuda:0 has no op 'x'". */
pe_status pe_backend_missing(const pe_backend *b, const char *op, pe_error *err);

#endif
