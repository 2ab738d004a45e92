/* kernels/ref/ref_linear.c - f32 linear layers, dense and CSR: what every other level must equal.
 * Read next: kernels/ref/ref_math.h. */
#include "kernels/csr.h"
#include "kernels/ref/ref_math.h"
#include "kernels/variants.h"

static size_t no_scratch(size_t m, size_t n, size_t k, int nthreads)
{
    (void)m, (void)n, (void)k, (void)nthreads;
    return 0;
}

/* chain + bias, then + 0: a chain whose sum underflowed is -0, one that skipped a zero weight is
 * +0. */
static float finish(const pe_linear_call *c, float chain, size_t n)
{
    float y = c->bias ? chain + c->bias[n] : chain;
    return ref_act(y + 0.0f, c->act);
}

static size_t dense_nbytes(const pe_matrix *w)
{
    return w->n * w->k * sizeof(float);
}

static void dense_pack(void *packed, const pe_matrix *w)
{
    if (w->n && w->k) memcpy(packed, w->f32, dense_nbytes(w));
}

static void dense_row(void *arg, size_t m, int worker)
{
    const pe_linear_call *c = arg;
    const float *x = c->x + m * c->ldx;
    (void)worker;
    for (size_t n = 0; n < c->n; n++) {
        const float *w = (const float *)c->packed + n * c->k;
        float chain = 0.0f;
        for (size_t k = 0; k < c->k; k++) chain = fmaf(x[k], w[k], chain);
        c->y[m * c->ldy + n] = finish(c, chain, n);
    }
}

static void dense_run(const pe_linear_call *c)
{
    pe_pool_run(c->pool, c->m, dense_row, (void *)c);
}

static void csr_row(void *arg, size_t m, int worker)
{
    const pe_linear_call *c = arg;
    const float *x = c->x + m * c->ldx;
    pe_csr w = pe_csr_view(c->packed, c->n);
    (void)worker;
    for (size_t n = 0; n < c->n; n++) {
        float chain = 0.0f;
        for (size_t i = w.begin[n]; i < w.begin[n + 1]; i++)
            chain = fmaf(x[w.column[i]], w.value[i], chain);
        c->y[m * c->ldy + n] = finish(c, chain, n);
    }
}

static void csr_run(const pe_linear_call *c)
{
    pe_pool_run(c->pool, c->m, csr_row, (void *)c);
}

const pe_linear_form pe_f32_dense_ref = { dense_nbytes, dense_pack, no_scratch, dense_run };
const pe_linear_form pe_f32_csr_ref = { pe_csr_nbytes, pe_csr_pack, no_scratch, csr_run };
