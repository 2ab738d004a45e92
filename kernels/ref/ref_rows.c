/* kernels/ref/ref_rows.c - embedding, layer norm, softmax, pooling, normalization: a row at a time.
 * Read next: kernels/ref/ref_math.h. */
#include "kernels/ref/ref_math.h"
#include "kernels/variants.h"

static void embed_row(void *arg, size_t t, int worker)
{
    const pe_embed_call *c = arg;
    (void)worker;
    for (size_t i = 0; i < c->d; i++) {
        size_t word = (size_t)c->ids[t];
        float y = c->word ? c->word[word * c->d + i]
                          : (float)c->word_s8[word * c->d + i] * c->word_scale[word];
        if (c->type) y += c->type[(size_t)c->type_ids[t] * c->d + i];
        if (c->pos) y += c->pos[(size_t)c->pos_ids[t] * c->d + i];
        if (c->task) y += c->task[(size_t)c->task_ids[t] * c->d + i];
        c->y[t * c->d + i] = y;
    }
}

void pe_embed_ref(const pe_embed_call *c)
{
    pe_pool_run(c->pool, c->T, embed_row, (void *)c);
}

typedef struct norm_work {
    float *y;
    const float *x, *res, *gamma, *beta;
    float eps;
    size_t d;
} norm_work;

static void norm_row(void *arg, size_t t, int worker)
{
    const norm_work *w = arg;
    size_t d = w->d;
    float *y = w->y + t * d;
    const float *x = w->x + t * d;
    float lane[16] = { 0 }, square[16] = { 0 };
    (void)worker;
    for (size_t i = 0; i < d; i++) {
        y[i] = w->res ? x[i] + w->res[t * d + i] : x[i];
        lane[i % 16] += y[i];
    }
    float mean = ref_fold_sum(lane) / (float)d;
    for (size_t i = 0; i < d; i++) {
        float c = y[i] - mean;
        square[i % 16] = fmaf(c, c, square[i % 16]);
    }
    float inverse = 1.0f / sqrtf(ref_fold_sum(square) / (float)d + w->eps);
    for (size_t i = 0; i < d; i++) y[i] = fmaf((y[i] - mean) * inverse, w->gamma[i], w->beta[i]);
}

void pe_layernorm_ref(float *y, const float *x, const float *res, const float *gamma,
                      const float *beta, float eps, size_t T, size_t d, pe_pool *pool)
{
    norm_work w = { y, x, res, gamma, beta, eps, d };
    pe_pool_run(pool, T, norm_row, &w);
}

void pe_softmax_rows_ref(float *x, size_t m, size_t n)
{
    for (; m && n; m--, x += n) {
        float max = x[0], lane[16] = { 0 };
        for (size_t i = 1; i < n; i++) max = ref_max(x[i], max);
        for (size_t i = 0; i < n; i++) {
            x[i] = ref_exp(x[i] - max);
            lane[i % 16] += x[i];
        }
        float inverse = 1.0f / ref_fold_sum(lane);
        for (size_t i = 0; i < n; i++) x[i] *= inverse;
    }
}

typedef struct pool_work {
    float *y;
    const float *x;
    const uint32_t *row_begin;
    size_t d;
} pool_work;

static void mean_row(void *arg, size_t r, int worker)
{
    const pool_work *w = arg;
    size_t first = w->row_begin[r], len = w->row_begin[r + 1] - first;
    (void)worker;
    for (size_t i = 0; i < w->d; i++) {
        float sum = 0.0f;
        for (size_t t = 0; t < len; t++) sum += w->x[(first + t) * w->d + i];
        w->y[r * w->d + i] = len ? sum / (float)len : 0.0f;
    }
}

void pe_mean_pool_ref(float *y, const float *x, const uint32_t *row_begin, size_t nrows, size_t d,
                      pe_pool *pool)
{
    pool_work w = { y, x, row_begin, d };
    pe_pool_run(pool, nrows, mean_row, &w);
}

void pe_l2_normalize_ref(float *x, size_t m, size_t d)
{
    for (; m; m--, x += d) {
        float lane[16] = { 0 };
        for (size_t i = 0; i < d; i++) lane[i % 16] = fmaf(x[i], x[i], lane[i % 16]);
        float norm = ref_max(1e-12f, sqrtf(ref_fold_sum(lane)));
        for (size_t i = 0; i < d; i++) x[i] /= norm;
    }
}
