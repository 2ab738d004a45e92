/* kernels/body/rows_body.h - embedding, layer norm, softmax, pooling, normalization, sixteen
 * columns at a time: the lanes of a reduction are the lanes of the register. Include a v16_*.h
 * first. Read next: kernels/ref/ref_rows.c, the meaning. */
#ifndef PE_KERNELS_ROWS_BODY_H
#define PE_KERNELS_ROWS_BODY_H

#include "kernels/body/v16_math.h"

/* Rows of a task: enough that claiming one is nothing, few enough that all threads get some. */
static size_t rows_per_task(size_t rows, int nthreads)
{
    size_t n = rows / (4 * (size_t)nthreads);
    return n < 4 ? 4 : n > 64 ? 64 : n;
}

V16_INLINE v16 v_load_upto(const float *p, size_t n)
{
    return n >= 16 ? v_load(p) : v_load_n(p, n);
}
V16_INLINE void v_store_upto(float *p, v16 a, size_t n)
{
    if (n >= 16) v_store(p, a);
    else v_store_n(p, a, n);
}
/* Columns i.. of a row of n as lanes; missing ones are 0, which changes no sum (lanes are never
 * -0). */
V16_INLINE v16 v_keep_upto(size_t n, v16 a)
{
    return n >= 16 ? a : v_first_n(n, a, v_zero());
}

/* ---- embedding ---- */

typedef struct embed_work {
    const pe_embed_call *c;
    size_t step;
} embed_work;

static const float *embed_row(const float *table, const int32_t *ids, size_t t, size_t d)
{
    return table ? table + (size_t)ids[t] * d : NULL;
}

static void embed_s8(float *y, const int8_t *codes, float scale, size_t d)
{
    size_t i = 0;
    for (; i + 16 <= d; i += 16)
        v_store(y + i, v_mul(i_to_float(i_load_s8(codes + i)), v_set1(scale)));
    for (; i < d; i++) y[i] = (float)codes[i] * scale;
}

static void embed_task(void *arg, size_t index, int worker)
{
    const embed_work *w = arg;
    const pe_embed_call *c = w->c;
    size_t d = c->d, end = (index + 1) * w->step < c->T ? (index + 1) * w->step : c->T;
    (void)worker;
    for (size_t t = index * w->step; t < end; t++) {
        float *y = c->y + t * d;
        size_t id = (size_t)c->ids[t];
        const float *word = c->word ? c->word + id * d : y;
        if (!c->word) embed_s8(y, c->word_s8 + id * d, c->word_scale[id], d);
        const float *add[3] = { embed_row(c->type, c->type_ids, t, d),
                                embed_row(c->pos, c->pos_ids, t, d),
                                embed_row(c->task, c->task_ids, t, d) };
        for (size_t i = 0; i < d; i += 16) {
            v16 s = v_load_upto(word + i, d - i);
            for (int k = 0; k < 3; k++)
                if (add[k]) s = v_add(s, v_load_upto(add[k] + i, d - i));
            v_store_upto(y + i, s, d - i);
        }
    }
}

static void embed_run(const pe_embed_call *c)
{
    embed_work w = { c, rows_per_task(c->T, pe_pool_nthreads(c->pool)) };
    pe_pool_run(c->pool, (c->T + w.step - 1) / w.step, embed_task, &w);
}

/* ---- layer norm ---- */

typedef struct norm_work {
    float *y;
    const float *x, *res, *gamma, *beta;
    float eps;
    size_t T, d, step;
} norm_work;

/* The chains of one row are short of work for the FMA units: four rows go side by side. */
enum { NORM_ROWS = 4 };

V16_INLINE void norm_rows(const norm_work *w, size_t t, const size_t rows)
{
    size_t d = w->d;
    float *y = w->y + t * d;
    const float *x = w->x + t * d, *res = w->res ? w->res + t * d : NULL;
    v16 sum[NORM_ROWS], square[NORM_ROWS], mean[NORM_ROWS], inverse[NORM_ROWS];
    for (size_t r = 0; r < rows; r++) sum[r] = square[r] = v_zero();
    for (size_t i = 0; i < d; i += 16) {
#pragma GCC unroll 4
        for (size_t r = 0; r < rows; r++) {
            v16 v = v_load_upto(x + r * d + i, d - i);
            if (res) v = v_add(v, v_load_upto(res + r * d + i, d - i));
            v_store_upto(y + r * d + i, v, d - i);
            sum[r] = v_add(sum[r], v);
        }
    }
    for (size_t r = 0; r < rows; r++) mean[r] = v_set1(v_fold_sum(sum[r]) / (float)d);
    for (size_t i = 0; i < d; i += 16) {
#pragma GCC unroll 4
        for (size_t r = 0; r < rows; r++) {
            v16 c = v_sub(v_load_upto(y + r * d + i, d - i), mean[r]);
            c = v_keep_upto(d - i, c);
            square[r] = v_fma(c, c, square[r]);
        }
    }
    for (size_t r = 0; r < rows; r++) {
        float var = v_fold_sum(square[r]) / (float)d + w->eps;
        inverse[r] = v_set1(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(var))));
    }
    for (size_t i = 0; i < d; i += 16) {
        v16 gamma = v_load_upto(w->gamma + i, d - i), beta = v_load_upto(w->beta + i, d - i);
#pragma GCC unroll 4
        for (size_t r = 0; r < rows; r++) {
            v16 c = v_mul(v_sub(v_load_upto(y + r * d + i, d - i), mean[r]), inverse[r]);
            v_store_upto(y + r * d + i, v_fma(c, gamma, beta), d - i);
        }
    }
}

static void norm_task(void *arg, size_t index, int worker)
{
    const norm_work *w = arg;
    size_t t = index * w->step, end = t + w->step < w->T ? t + w->step : w->T;
    (void)worker;
    for (; t + NORM_ROWS <= end; t += NORM_ROWS) norm_rows(w, t, NORM_ROWS);
    for (; t < end; t++) norm_rows(w, t, 1);
}

static void norm_run(norm_work *w, pe_pool *pool)
{
    w->step = rows_per_task(w->T, pe_pool_nthreads(pool)) / NORM_ROWS * NORM_ROWS;
    pe_pool_run(pool, (w->T + w->step - 1) / w->step, norm_task, w);
}

/* ---- softmax, pooling, normalization ---- */

static void softmax_row(float *x, size_t n)
{
    v16 max = v_set1(-__builtin_inff()), sum = v_zero();
    for (size_t i = 0; i < n; i += 16) {
        v16 v = v_load_upto(x + i, n - i);
        max = v_max(n - i >= 16 ? v : v_first_n(n - i, v, max), max);
    }
    v16 top = v_set1(v_fold_max(max));
    for (size_t i = 0; i < n; i += 16) {
        v16 e = v_keep_upto(n - i, v_exp(v_sub(v_load_upto(x + i, n - i), top)));
        v_store_upto(x + i, e, n - i);
        sum = v_add(sum, e);
    }
    v16 inverse = v_set1(1.0f / v_fold_sum(sum));
    for (size_t i = 0; i < n; i += 16)
        v_store_upto(x + i, v_mul(v_load_upto(x + i, n - i), inverse), n - i);
}

static void l2_row(float *x, size_t d)
{
    v16 sum = v_zero();
    for (size_t i = 0; i < d; i += 16) {
        v16 v = v_load_upto(x + i, d - i);
        sum = v_fma(v, v, sum);
    }
    float norm = _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(v_fold_sum(sum))));
    v16 by = v_set1(1e-12f > norm ? 1e-12f : norm);
    for (size_t i = 0; i < d; i += 16)
        v_store_upto(x + i, v_div(v_load_upto(x + i, d - i), by), d - i);
}

typedef struct mean_work {
    float *y;
    const float *x;
    const uint32_t *row_begin;
    size_t d;
} mean_work;

static void mean_task(void *arg, size_t r, int worker)
{
    const mean_work *w = arg;
    size_t first = w->row_begin[r], len = w->row_begin[r + 1] - first, d = w->d;
    v16 count = v_set1(len ? (float)len : 1.0f);
    (void)worker;
    for (size_t i = 0; i < d; i += 16) {
        v16 sum = v_zero();
        for (size_t t = 0; t < len; t++)
            sum = v_add(sum, v_load_upto(w->x + (first + t) * d + i, d - i));
        v_store_upto(w->y + r * d + i, v_div(sum, count), d - i);
    }
}

#endif
