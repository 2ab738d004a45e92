/* lib/backend/cuda/cuda_impl.h - a CUDA device as the plugin sees it. Everything in this folder and
 * in kernels/cuda/ is linked into the plugin only. Read next: plugin_cuda.c, memory_cuda.c,
 * ops_cuda.c. */
#ifndef PE_BACKEND_CUDA_IMPL_H
#define PE_BACKEND_CUDA_IMPL_H

#define DISABLE_CUSPARSE_DEPRECATED
#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <cusparse.h>
#include <pthread.h>

#include "kernels/cuda/cuda.h"
#include "lib/backend/plugin.h"

/* cuBLASLt wants its workspace ready; 32 MiB is what NVIDIA advises for Hopper. */
#define PE_CUDA_WORKSPACE ((size_t)32 << 20)

typedef struct pe_lt_cache pe_lt_cache;
typedef struct pe_slab pe_slab;
typedef struct pe_loan pe_loan;
typedef struct pe_sparse pe_sparse;

typedef struct pe_cuda {
    pe_backend base; /* self points back here */
    int index;
    char name[32], arch[32];
    cudaStream_t stream; /* of queues without one: loading and passes */
    cudaMemPool_t pool;  /* what lives for one call */
    cudaEvent_t clock[2];
    /* Memory, under its lock: what lives long is in slabs, what lives for one call is lent. */
    pthread_mutex_t memory_lock;
    pe_slab *slabs;
    pe_loan *loans;
    uint64_t used, lent, peak, limit; /* used: all of it; lent: by the pool */
    bool limited;                     /* the limit is the user's, not what was free */
    /* One matrix at a time has its copy to pack from on the device. */
    pthread_mutex_t packing;
    /* Libraries, under the lock; opened when first needed. */
    pthread_mutex_t lock;
    cublasLtHandle_t lt;
    bool lacked; /* it had no algorithm for some int8 product */
    pe_lt_cache *lt_cache;
    cusparseHandle_t sparse;
    pe_sparse *sparses; /* packed matrices */
} pe_cuda;

static inline pe_cuda *pe_cuda_of(const pe_backend *b)
{
    return b->self;
}
/* The queue's stream. The device becomes the calling thread's, too: work is only launched into
 * streams of that one, and threads of a pool begin with device 0. */
static inline cudaStream_t pe_cuda_stream(const pe_queue *q)
{
    const pe_cuda *d = pe_cuda_of(q->backend);
    (void)cudaSetDevice(d->index); /* what it may say, the launch says, too */
    return q->stream ? (cudaStream_t)q->stream : d->stream;
}

/* ---- status_cuda.c: every status becomes one line; PE_OK for success ------------------------- */

pe_status pe_cuda_check(cudaError_t e, const pe_cuda *d, const char *what, pe_error *err);
pe_status pe_cublas_check(cublasStatus_t s, const pe_cuda *d, const char *what, pe_error *err);
pe_status pe_cusparse_check(cusparseStatus_t s, const pe_cuda *d, const char *what, pe_error *err);

/* ---- memory_cuda.c --------------------------------------------------------------------------- */

pe_status pe_cuda_memory_open(pe_cuda *d, uint64_t max_nbytes, pe_error *err);
/* Backend functions. */
pe_status pe_cuda_alloc(const pe_backend *b, void **out, size_t nbytes, const char *what,
                        pe_error *err);
void pe_cuda_release(const pe_backend *b, void *p);
pe_status pe_cuda_upload(pe_queue *q, void *dst, const void *src, size_t nbytes, pe_error *err);
pe_status pe_cuda_download(pe_queue *q, void *dst, const void *src, size_t nbytes, pe_error *err);
pe_status pe_cuda_sync(pe_queue *q, pe_error *err);
pe_status pe_cuda_open_queue(pe_queue *q, pe_error *err);
void pe_cuda_close_queue(pe_queue *q);
/* Memory for one call, from the pool, in the order of the stream. */
pe_status pe_cuda_borrow(void **out, const pe_queue *q, size_t nbytes, const char *what,
                         pe_error *err);
void pe_cuda_return(void *p, const pe_queue *q);
uint64_t pe_cuda_high_water(const pe_backend *b);

/* ---- ops_cuda.c, linear_cuda.c --------------------------------------------------------------- */

void pe_cuda_fill_ops(pe_backend *b);    /* the slots of backend.def but for linear */
void pe_cuda_fill_linear(pe_backend *b); /* linear, has_form, packed_nbytes, pack, linear_scratch */
extern const pe_device_pass pe_cuda_pass;

/* ---- lt_cuda.c: y[m, n] = x[m, k] w[n, k]^T by cuBLASLt ---------------------------------------
 */

typedef enum pe_lt_kind { PE_LT_F32, PE_LT_S8, PE_LT_BF16, PE_LT_F16 } pe_lt_kind;
/* w and x of the kind's type, y f32, or int32 for PE_LT_S8; row-major, distances ldw, ldx, ldy. S8:
 * n, k and distances are multiples of 4. */
typedef struct pe_lt_call {
    pe_lt_kind kind;
    void *y;
    const void *x, *w;
    size_t m, n, k, ldy, ldx, ldw;
} pe_lt_call;
pe_status pe_cuda_lt(const pe_queue *q, const pe_lt_call *c, pe_error *err);
/* Whether cuBLASLt says that it has no algorithm for the call; where asking fails it is false, and
 * pe_cuda_lt says why. */
bool pe_cuda_lt_lacks(const pe_queue *q, const pe_lt_call *c);
void pe_lt_cache_free(pe_lt_cache *c);

/* ---- bitmask_cuda.c ---------------------------------------------------------------------------
 */

bool pe_cuda_is_bitmask(pe_form form);
bool pe_cuda_bitmask_fits(size_t n, size_t k);
size_t pe_cuda_bitmask_nbytes(pe_form form, const pe_matrix *w);
pe_status pe_cuda_bitmask_pack(pe_queue *q, pe_form form, void *packed, const pe_matrix *w,
                               pe_error *err);
pe_status pe_cuda_bitmask_run(const pe_queue *q, pe_form form, const pe_linear_call *c,
                              pe_error *err);

/* ---- sparse_cuda.c: y = x w^T with w in CSR, BSR or Blocked-ELL by cuSPARSE, f32 ---------------
 */

bool pe_cuda_sparse_fits(pe_form form, size_t n, size_t k);
size_t pe_cuda_sparse_nbytes(pe_form form, const pe_matrix *w);
pe_status pe_cuda_sparse_pack(pe_cuda *d, pe_form form, void *packed, const pe_matrix *w,
                              pe_error *err);
void pe_cuda_sparse_forget(pe_cuda *d, const void *packed);
/* Values before each row of a dense matrix on the device, into begin[n + 1] there; waits. */
pe_status pe_cuda_row_begins(pe_queue *q, uint32_t *begin, const void *x, size_t n, size_t k,
                             size_t elem_nbytes, pe_error *err);
/* y = x w^T; what follows is pe_cu_epilogue_f32's. */
pe_status pe_cuda_sparse_run(const pe_queue *q, const pe_linear_call *c, pe_error *err);

/* ---- nvml_cuda.c: rates that the runtime does not tell; nothing where NVML is missing ---------
 */

void pe_nvml_describe(pe_device_info *info, int device);

#endif
