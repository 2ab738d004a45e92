/* lib/backend/cuda/ops_cuda.c - the ops of a plan on the device: calls of kernels/cuda/cuda.h on
 * the queue's stream. Read next: lib/backend/cuda/linear_cuda.c. */
#include "lib/backend/cuda/cuda_impl.h"
#include "lib/base/error.h"

static const pe_cuda *device_of(const pe_queue *q)
{
    return pe_cuda_of(q->backend);
}

static pe_status cuda_embed(pe_queue *q, const pe_embed_call *c, pe_error *err)
{
    return pe_cuda_check(pe_cu_embed(c, pe_cuda_stream(q)), device_of(q), "embed", err);
}

static pe_status cuda_layernorm(pe_queue *q, const pe_norm_call *c, pe_error *err)
{
    return pe_cuda_check(pe_cu_layernorm(c->y, c->x, c->res, c->gamma, c->beta, c->eps, c->m, c->d,
                                         pe_cuda_stream(q)),
                         device_of(q), "layernorm", err);
}

static pe_status cuda_quantize_rows(pe_queue *q, const pe_quantize_call *c, pe_error *err)
{
    return pe_cuda_check(pe_cu_quantize_rows(c, pe_cuda_stream(q)), device_of(q), "quantize_rows",
                         err);
}

typedef cudaError_t attention_kernel(const pe_attention_call *c, size_t longest,
                                     size_t most_queries, cudaStream_t s);

static pe_status attend(attention_kernel *kernel, const char *op, pe_queue *q,
                        const pe_attention_call *c, pe_error *err)
{
    cudaError_t e =
        kernel(c, c->longest, c->q_begin ? c->most_queries : c->longest, pe_cuda_stream(q));
    if (e == cudaErrorNotSupported)
        return pe_fail(err, PE_E_UNSUPPORTED,
                       "device %s: attention over %zu tokens with heads of %zu; it has up to 4096 "
                       "and 256",
                       q->backend->name, c->longest, c->head_dim);
    return pe_cuda_check(e, device_of(q), op, err);
}

static pe_status cuda_attention(pe_queue *q, const pe_attention_call *c, pe_error *err)
{
    return attend(pe_cu_attention, "attention", q, c, err);
}

static pe_status cuda_attention_s8(pe_queue *q, const pe_attention_call *c, pe_error *err)
{
    return attend(pe_cu_attention_s8, "attention_s8", q, c, err);
}

static pe_status cuda_gather_rows(pe_queue *q, const pe_gather_call *c, pe_error *err)
{
    return pe_cuda_check(pe_cu_gather_rows(c->y, c->x, c->rows, c->m, c->d, pe_cuda_stream(q)),
                         device_of(q), "gather_rows", err);
}

static pe_status cuda_mean_pool(pe_queue *q, const pe_pool_call *c, pe_error *err)
{
    return pe_cuda_check(pe_cu_mean_pool(c->y, c->x, c->row_begin, c->nrows, c->d,
                                         pe_cuda_stream(q)),
                         device_of(q), "mean_pool", err);
}

static pe_status cuda_l2_normalize(pe_queue *q, const pe_scale_call *c, pe_error *err)
{
    return pe_cuda_check(pe_cu_l2_normalize(c->x, c->m, c->d, pe_cuda_stream(q)), device_of(q),
                         "l2_normalize", err);
}

static pe_status cuda_check_finite(pe_queue *q, const pe_check_call *c, pe_error *err)
{
    return pe_cuda_check(pe_cu_check_finite(c->bad, c->x, c->n, pe_cuda_stream(q)), device_of(q),
                         "check_finite", err);
}

static size_t cuda_attention_scratch(const pe_backend *b, size_t longest, size_t head_dim,
                                     int nthreads)
{
    (void)b, (void)longest, (void)head_dim, (void)nthreads;
    return 0;
}

void pe_cuda_fill_ops(pe_backend *b)
{
    b->attention_scratch = cuda_attention_scratch;
    b->embed = cuda_embed;
    b->layernorm = cuda_layernorm;
    b->quantize_rows = cuda_quantize_rows;
    b->attention = cuda_attention;
    b->attention_s8 = cuda_attention_s8;
    b->gather_rows = cuda_gather_rows;
    b->mean_pool = cuda_mean_pool;
    b->l2_normalize = cuda_l2_normalize;
    b->check_finite = cuda_check_finite;
}
