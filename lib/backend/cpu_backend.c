/* lib/backend/cpu_backend.c - the host as a backend: its op table is the kernel table of this
 * process.
 * Read next: kernels/kernels.h. */
#include <pthread.h>
#include <string.h>

#include "lib/backend/backend.h"
#include "lib/backend/host_memory.h"
#include "lib/base/error.h"

static const pe_kernels *kernels(const pe_backend *b)
{
    return b->self;
}

static pe_status cpu_alloc(const pe_backend *b, void **out, size_t nbytes, const char *what,
                           pe_error *err)
{
    (void)b;
    *out = pe_host_alloc(nbytes);
    return *out ? PE_OK : pe_fail_nomem(err, what, nbytes);
}

static void cpu_release(const pe_backend *b, void *p)
{
    (void)b;
    pe_host_release(p);
}

static pe_status cpu_copy(pe_queue *q, void *dst, const void *src, size_t nbytes, pe_error *err)
{
    (void)q, (void)err;
    if (nbytes) memcpy(dst, src, nbytes);
    return PE_OK;
}

static pe_status cpu_sync(pe_queue *q, pe_error *err)
{
    (void)q, (void)err;
    return PE_OK;
}

static bool cpu_has_form(const pe_backend *b, pe_form form, size_t n, size_t k)
{
    (void)n, (void)k;
    return kernels(b)->form[form] != NULL;
}

static size_t cpu_packed_nbytes(const pe_backend *b, pe_form form, const pe_matrix *w)
{
    return kernels(b)->form[form]->packed_nbytes(w);
}

static pe_status cpu_pack(const pe_backend *b, pe_form form, void *packed, const pe_matrix *w,
                          pe_error *err)
{
    (void)err;
    kernels(b)->form[form]->pack(packed, w);
    return PE_OK;
}

static size_t cpu_linear_scratch(const pe_backend *b, pe_form form, size_t m, size_t n, size_t k,
                                 int nthreads)
{
    return kernels(b)->form[form]->scratch_nbytes(m, n, k, nthreads);
}

static size_t cpu_pair_scratch(const pe_backend *b, size_t m, size_t k, size_t mid, size_t n,
                               int nthreads)
{
    return kernels(b)->s8_block4_pair_scratch(m, k, mid, n, nthreads);
}

static size_t cpu_attention_scratch(const pe_backend *b, size_t longest, size_t head_dim,
                                    int nthreads)
{
    size_t f32 = kernels(b)->attention_scratch(longest, head_dim, nthreads);
    size_t s8 = kernels(b)->attention_s8_scratch(longest, head_dim, nthreads);
    return f32 > s8 ? f32 : s8;
}

/* ---- ops: hand the call to the kernel with the queue's threads ------------------------------- */

static pe_status cpu_embed(pe_queue *q, const pe_embed_call *c, pe_error *err)
{
    pe_embed_call call = *c;
    (void)err;
    call.pool = q->pool;
    kernels(q->backend)->embed(&call);
    return PE_OK;
}

static pe_status cpu_layernorm(pe_queue *q, const pe_norm_call *c, pe_error *err)
{
    (void)err;
    kernels(q->backend)
        ->layernorm(c->y, c->x, c->res, c->gamma, c->beta, c->eps, c->m, c->d, q->pool);
    return PE_OK;
}

static pe_status cpu_quantize_rows(pe_queue *q, const pe_quantize_call *c, pe_error *err)
{
    pe_quantize_call call = *c;
    (void)err;
    call.pool = q->pool;
    kernels(q->backend)->quantize_rows(&call);
    return PE_OK;
}

static pe_status cpu_linear(pe_queue *q, const pe_linear_op *c, pe_error *err)
{
    pe_linear_call call = c->call;
    (void)err;
    call.pool = q->pool;
    kernels(q->backend)->form[c->form]->run(&call);
    return PE_OK;
}

static pe_status cpu_linear_pair(pe_queue *q, const pe_pair_call *c, pe_error *err)
{
    pe_pair_call call = *c;
    (void)err;
    call.first.pool = call.second.pool = q->pool;
    kernels(q->backend)->s8_block4_pair(&call);
    return PE_OK;
}

static pe_status cpu_attention(pe_queue *q, const pe_attention_call *c, pe_error *err)
{
    pe_attention_call call = *c;
    (void)err;
    call.pool = q->pool;
    kernels(q->backend)->attention(&call);
    return PE_OK;
}

static pe_status cpu_attention_s8(pe_queue *q, const pe_attention_call *c, pe_error *err)
{
    pe_attention_call call = *c;
    (void)err;
    call.pool = q->pool;
    kernels(q->backend)->attention_s8(&call);
    return PE_OK;
}

static pe_status cpu_gather_rows(pe_queue *q, const pe_gather_call *c, pe_error *err)
{
    (void)q, (void)err;
    for (size_t i = 0; i < c->m; i++)
        memcpy(c->y + i * c->d, c->x + (size_t)c->rows[i] * c->d, c->d * sizeof *c->y);
    return PE_OK;
}

static pe_status cpu_mean_pool(pe_queue *q, const pe_pool_call *c, pe_error *err)
{
    (void)err;
    kernels(q->backend)->mean_pool(c->y, c->x, c->row_begin, c->nrows, c->d, q->pool);
    return PE_OK;
}

static pe_status cpu_l2_normalize(pe_queue *q, const pe_scale_call *c, pe_error *err)
{
    (void)err;
    kernels(q->backend)->l2_normalize(c->x, c->m, c->d);
    return PE_OK;
}

static pe_status cpu_check_finite(pe_queue *q, const pe_check_call *c, pe_error *err)
{
    (void)err;
    if (!kernels(q->backend)->all_finite(c->x, c->n, q->pool)) *c->bad = 1;
    return PE_OK;
}

/* ---- getting one ----------------------------------------------------------------------------- */

pe_status pe_backend_missing(const pe_backend *b, const char *op, pe_error *err)
{
    return pe_fail(err, PE_E_UNSUPPORTED, "device %s has no op '%s'; try --device cpu", b->name,
                   op);
}

static pe_backend cpu = {
    .struct_size = sizeof(pe_backend),
    .abi = PE_BACKEND_ABI,
    .name = "cpu",
    .host = true,
    .exact = true,
    .alloc = cpu_alloc,
    .release = cpu_release,
    .upload = cpu_copy,
    .download = cpu_copy,
    .sync = cpu_sync,
    .has_form = cpu_has_form,
    .packed_nbytes = cpu_packed_nbytes,
    .pack = cpu_pack,
    .linear_scratch = cpu_linear_scratch,
    .attention_scratch = cpu_attention_scratch,
    .pair_scratch = cpu_pair_scratch,
#define PE_BACKEND_OP(name, call) .name = cpu_##name,
#include "lib/backend/backend.def"
#undef PE_BACKEND_OP
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pe_error why; /* of the one attempt */

static void start(void)
{
    const pe_kernels *k = pe_kernels_get(&why);
    cpu.self = (void *)(uintptr_t)k;
    if (k) cpu.level = k->level;
}

pe_status pe_backend_cpu(const pe_backend **out, pe_error *err)
{
    (void)pthread_once(&once, start);
    if (!cpu.self) return pe_fail(err, why.status, "%s", why.text);
    *out = &cpu;
    return PE_OK;
}
