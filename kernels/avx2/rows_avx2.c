/* kernels/avx2/rows_avx2.c - embedding, layer norm, softmax, pooling and normalization at this
 * level. Read next: kernels/body/rows_body.h, where the work is. */
#include "kernels/body/v16_avx2.h"

#include "kernels/body/rows_body.h"
#include "kernels/variants.h"

void pe_embed_avx2(const pe_embed_call *c)
{
    embed_run(c);
}

void pe_layernorm_avx2(float *y, const float *x, const float *res, const float *gamma,
                       const float *beta, float eps, size_t T, size_t d, pe_pool *pool)
{
    norm_work w = {
        .y = y, .x = x, .res = res, .gamma = gamma, .beta = beta, .eps = eps, .T = T, .d = d
    };
    norm_run(&w, pool);
}

void pe_softmax_rows_avx2(float *x, size_t m, size_t n)
{
    for (; m; m--, x += n) softmax_row(x, n);
}

void pe_mean_pool_avx2(float *y, const float *x, const uint32_t *row_begin, size_t nrows, size_t d,
                       pe_pool *pool)
{
    mean_work w = { y, x, row_begin, d };
    pe_pool_run(pool, nrows, mean_task, &w);
}

void pe_l2_normalize_avx2(float *x, size_t m, size_t d)
{
    for (; m; m--, x += d) l2_row(x, d);
}
