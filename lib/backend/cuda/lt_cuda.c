/* lib/backend/cuda/lt_cuda.c - dense products by cuBLASLt: descriptors, and the algorithm that its
 * heuristic gave for a shape, remembered. Read next: lib/backend/cuda/linear_cuda.c. */
#include <stdlib.h>
#include <string.h>

#include "lib/backend/cuda/cuda_impl.h"
#include "lib/base/error.h"

/* cuBLASLt thinks in columns: the row-major y[m, n] is its D[n, m], w[n, k] its A with a
 * transposition, x[m, k] its B without. That is the only form that int8 has. */

typedef struct lt_key { /* all its bytes are compared */
    pe_lt_kind kind;
    uint32_t align; /* smallest power of two that divides the pointers, at most 256 */
    size_t m, n, k, ldy, ldx, ldw;
} lt_key;

typedef struct lt_plan {
    lt_key key;
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t a, b, d;
    cublasLtMatmulAlgo_t algo;
    size_t workspace;
    cublasStatus_t status; /* of the heuristic: that it has nothing is remembered, too */
    uint64_t used;         /* when it last was */
} lt_plan;

/* Shapes of layers times numbers of tokens; the longest unused one makes room. */
enum { NPLANS = 128 };
struct pe_lt_cache {
    lt_plan plan[NPLANS];
    size_t n;
    uint64_t clock;
};

typedef struct lt_types {
    cublasComputeType_t compute;
    cudaDataType_t scale, in, out;
} lt_types;

static lt_types types_of(pe_lt_kind kind)
{
    switch (kind) {
    case PE_LT_S8: return (lt_types){ CUBLAS_COMPUTE_32I, CUDA_R_32I, CUDA_R_8I, CUDA_R_32I };
    case PE_LT_BF16: return (lt_types){ CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_16BF, CUDA_R_32F };
    case PE_LT_F16: return (lt_types){ CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_16F, CUDA_R_32F };
    case PE_LT_F32: break;
    }
    return (lt_types){ CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_32F, CUDA_R_32F };
}

static void drop_plan(lt_plan *p)
{
    if (p->desc) (void)cublasLtMatmulDescDestroy(p->desc);
    if (p->a) (void)cublasLtMatrixLayoutDestroy(p->a);
    if (p->b) (void)cublasLtMatrixLayoutDestroy(p->b);
    if (p->d) (void)cublasLtMatrixLayoutDestroy(p->d);
    memset(p, 0, sizeof *p);
}

void pe_lt_cache_free(pe_lt_cache *c)
{
    for (size_t i = 0; c && i < c->n; i++) drop_plan(&c->plan[i]);
    free(c);
}

static uint32_t alignment_of(const void *p, uint32_t most)
{
    uint32_t align = 256;
    while (align > 1 && (uintptr_t)p % align) align /= 2;
    return align < most ? align : most;
}

static cublasStatus_t describe(lt_plan *p, const lt_key *k)
{
    lt_types t = types_of(k->kind);
    cublasOperation_t transpose = CUBLAS_OP_T;
    cublasStatus_t s = cublasLtMatmulDescCreate(&p->desc, t.compute, t.scale);
    if (!s)
        s = cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_TRANSA, &transpose,
                                           sizeof transpose);
    if (!s) s = cublasLtMatrixLayoutCreate(&p->a, t.in, k->k, k->n, (int64_t)k->ldw);
    if (!s) s = cublasLtMatrixLayoutCreate(&p->b, t.in, k->k, k->m, (int64_t)k->ldx);
    if (!s) s = cublasLtMatrixLayoutCreate(&p->d, t.out, k->n, k->m, (int64_t)k->ldy);
    return s;
}

/* The heuristic's first choice that needs no more workspace than there is. */
static cublasStatus_t choose(lt_plan *p, const lt_key *k, cublasLtHandle_t lt)
{
    cublasLtMatmulPreference_t pref = NULL;
    cublasLtMatmulHeuristicResult_t found;
    size_t most = PE_CUDA_WORKSPACE;
    int n = 0;
    cublasStatus_t s = cublasLtMatmulPreferenceCreate(&pref);
    if (!s)
        s = cublasLtMatmulPreferenceSetAttribute(pref, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                 &most, sizeof most);
    static const cublasLtMatmulPreferenceAttributes_t aligns[] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES
    };
    for (size_t i = 0; !s && i < sizeof aligns / sizeof *aligns; i++)
        s = cublasLtMatmulPreferenceSetAttribute(pref, aligns[i], &k->align, sizeof k->align);
    if (!s)
        s = cublasLtMatmulAlgoGetHeuristic(lt, p->desc, p->a, p->b, p->d, p->d, pref, 1, &found,
                                           &n);
    if (!s && (n == 0 || found.state)) s = CUBLAS_STATUS_NOT_SUPPORTED;
    if (!s) {
        p->algo = found.algo;
        p->workspace = found.workspaceSize;
    }
    if (pref) (void)cublasLtMatmulPreferenceDestroy(pref);
    return s;
}

static lt_plan *find(pe_lt_cache *c, const lt_key *k)
{
    for (size_t i = 0; i < c->n; i++)
        if (memcmp(&c->plan[i].key, k, sizeof *k) == 0) return &c->plan[i];
    return NULL;
}

static lt_plan *room_for_one(pe_lt_cache *c)
{
    if (c->n < NPLANS) return &c->plan[c->n++];
    lt_plan *oldest = c->plan;
    for (size_t i = 1; i < c->n; i++)
        if (c->plan[i].used < oldest->used) oldest = &c->plan[i];
    drop_plan(oldest);
    return oldest;
}

/* With the device's lock held. */
static pe_status plan_for(lt_plan **out, pe_cuda *d, const lt_key *k, pe_error *err)
{
    if (!d->lt_cache) d->lt_cache = calloc(1, sizeof *d->lt_cache);
    if (!d->lt_cache) return pe_fail_nomem(err, "cuBLASLt", sizeof *d->lt_cache);
    lt_plan *p = find(d->lt_cache, k);
    if (!p) {
        p = room_for_one(d->lt_cache);
        p->key = *k;
        p->status = describe(p, k);
        if (!p->status) p->status = choose(p, k, d->lt);
    }
    pe_status st = pe_cublas_check(p->status, d, "choosing a product", err);
    if (p->status && p->status != CUBLAS_STATUS_NOT_SUPPORTED) drop_plan(p);
    p->used = ++d->lt_cache->clock;
    *out = p;
    return st;
}

/* Once a device, which has to be the thread's. */
static pe_status open_library(pe_cuda *d, pe_error *err)
{
    if (d->lt) return PE_OK;
    pe_status st = pe_cuda_check(cudaSetDevice(d->index), d, "cuBLASLt", err);
    return st ? st : pe_cublas_check(cublasLtCreate(&d->lt), d, "cuBLASLt", err);
}

static pe_status multiply(const lt_plan *p, const pe_queue *q, const pe_lt_call *c, void *workspace,
                          pe_error *err)
{
    const pe_cuda *d = pe_cuda_of(q->backend);
    static const float one = 1, zero = 0;
    static const int32_t one_int = 1, zero_int = 0;
    bool s8 = c->kind == PE_LT_S8;
    const void *alpha = s8 ? (const void *)&one_int : &one;
    const void *beta = s8 ? (const void *)&zero_int : &zero;
    return pe_cublas_check(cublasLtMatmul(d->lt, p->desc, alpha, c->w, p->a, c->x, p->b, beta, c->y,
                                          p->d, c->y, p->d, &p->algo, workspace, p->workspace,
                                          pe_cuda_stream(q)),
                           d, "product", err);
}

static lt_key key_of(const pe_lt_call *c)
{
    lt_key k;
    memset(&k, 0, sizeof k); /* padding is compared, too */
    k.kind = c->kind;
    k.align = alignment_of(c->w, alignment_of(c->x, alignment_of(c->y, 256)));
    k.m = c->m, k.n = c->n, k.k = c->k;
    k.ldy = c->ldy, k.ldx = c->ldx, k.ldw = c->ldw;
    return k;
}

pe_status pe_cuda_lt(const pe_queue *q, const pe_lt_call *c, pe_error *err)
{
    pe_cuda *d = pe_cuda_of(q->backend);
    lt_key k = key_of(c);
    lt_plan *p = NULL;
    void *workspace = NULL;
    if (!c->m || !c->n) return PE_OK;
    (void)pthread_mutex_lock(&d->lock);
    pe_status st = open_library(d, err);
    if (!st) st = plan_for(&p, d, &k, err);
    if (!st && p->workspace) st = pe_cuda_borrow(&workspace, q, p->workspace, "workspace", err);
    if (!st) st = multiply(p, q, c, workspace, err);
    pe_cuda_return(workspace, q);
    (void)pthread_mutex_unlock(&d->lock);
    return st;
}

bool pe_cuda_lt_lacks(const pe_queue *q, const pe_lt_call *c)
{
    pe_cuda *d = pe_cuda_of(q->backend);
    lt_key k = key_of(c);
    lt_plan *p = NULL;
    (void)pthread_mutex_lock(&d->lock);
    pe_status st = open_library(d, NULL);
    if (!st) st = plan_for(&p, d, &k, NULL);
    bool lacks = st && p && p->status == CUBLAS_STATUS_NOT_SUPPORTED;
    d->lacked = d->lacked || lacks;
    (void)pthread_mutex_unlock(&d->lock);
    return lacks;
}
