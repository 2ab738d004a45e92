/* kernels/body/quantize_body.h - codes of rows of activations and of weights. Include a v16_*.h
 * first. Read next: kernels/body/quantizer.h. */
#ifndef PE_KERNELS_QUANTIZE_BODY_H
#define PE_KERNELS_QUANTIZE_BODY_H

#include <math.h>
#include <string.h>

#include "kernels/body/quantizer.h"

enum { QUANTIZE_TASK_NELEM = 16384 }; /* activations of one task */

/* r by value: a pointer to it might be where codes are stored, and every number loaded anew. */
V16_INLINE void quantize_as(int8_t *q, const float *x, size_t n, const quantizer r,
                            const quantize_way way)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __builtin_prefetch(x + n + i); /* the next row, whose maximum is looked for first */
        i_store_s8(q + i, quantize_codes(v_load(x + i), &r, way));
    }
    if (i < n) i_store_s8_n(q + i, quantize_codes(v_load_n(x + i, n - i), &r, way), n - i);
}

/* way: of a plain scale. */
static void quantize(int8_t *q, const float *x, size_t n, const quantizer *r, quantize_way way)
{
    switch (r->plain ? way : QUANTIZE_DIVIDE) {
    case QUANTIZE_WITHIN: quantize_as(q, x, n, *r, QUANTIZE_WITHIN); break;
    case QUANTIZE_BOUNDED: quantize_as(q, x, n, *r, QUANTIZE_BOUNDED); break;
    case QUANTIZE_PLAIN: quantize_as(q, x, n, *r, QUANTIZE_PLAIN); break;
    case QUANTIZE_DIVIDE: quantize_as(q, x, n, *r, QUANTIZE_DIVIDE); break;
    }
}

static float quantize_absmax(const float *x, size_t n)
{
    i16 m[4];
    size_t i = 0;
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; j++) m[j] = v_as_int(v_zero());
    for (; i + 64 <= n; i += 64)
#pragma GCC unroll 4
        for (size_t j = 0; j < 4; j++)
            m[j] = i_max(quantize_magnitude(v_load(x + i + 16 * j)), m[j]);
    for (; i < n; i += 16)
        m[0] = i_max(quantize_magnitude(n - i < 16 ? v_load_n(x + i, n - i) : v_load(x + i)), m[0]);
    int32_t most = i_fold_max(i_max(i_max(m[0], m[1]), i_max(m[2], m[3])));
    float result;
    memcpy(&result, &most, sizeof result);
    return most < 0x7f800000 ? result : NAN;
}

static void quantize_row(const pe_quantize_call *c, size_t t)
{
    const float *x = c->x + t * c->ldx;
    int8_t *q = c->q + t * c->ldq;
    bool dynamic = c->div > 0;
    float scale = dynamic ? quantize_absmax(x, c->k) / c->div : c->static_scale;
    float zero = !dynamic && c->zero ? (float)c->static_zero : 0;
    float lo = dynamic ? (c->div > 127 ? -128 : -127) : (c->zero ? -128 : -127);
    quantizer r = quantizer_of(scale, lo, zero);
    if (scale > 0) quantize(q, x, c->k, &r, quantize_way_of(c->div));
    else memset(q, 0, c->k);
    memset(q + c->k, 0, c->ldq - c->k);
    c->scale[t] = scale;
    if (c->zero) c->zero[t] = (int32_t)zero;
}

static size_t quantize_rows_of_task(const pe_quantize_call *c)
{
    return c->k < QUANTIZE_TASK_NELEM ? QUANTIZE_TASK_NELEM / (c->k + 1) + 1 : 1;
}

static void quantize_task(void *arg, size_t index, int worker)
{
    const pe_quantize_call *c = arg;
    size_t rows = quantize_rows_of_task(c), end = (index + 1) * rows;
    (void)worker;
    for (size_t t = index * rows; t < (end < c->m ? end : c->m); t++) quantize_row(c, t);
}

static void quantize_rows_run(const pe_quantize_call *c)
{
    size_t rows = quantize_rows_of_task(c);
    pe_pool_run(c->pool, (c->m + rows - 1) / rows, quantize_task, (void *)c);
}

static void quantize_weights_run(int8_t *q, const float *x, size_t n, float scale)
{
    quantizer r = quantizer_of(scale, -127, 0);
    if (scale > 0) quantize(q, x, n, &r, QUANTIZE_PLAIN);
    else memset(q, 0, n);
}

#endif
