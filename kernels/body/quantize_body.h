/* kernels/body/quantize_body.h - codes of activations and weights, sixteen at a time. The quotients
 * are those of true division, found by multiplications. Clamping before rounding gives the codes of
 * ref: the bounds are whole numbers. Include a v16_*.h first. Read next:
 * kernels/ref/ref_quantize.c. */
#ifndef PE_KERNELS_QUANTIZE_BODY_H
#define PE_KERNELS_QUANTIZE_BODY_H

#include <math.h>
#include <string.h>

#include "kernels/body/v16_math.h"

enum { QUANTIZE_TASK_NELEM = 16384 }; /* activations of one task */

typedef struct quantizer {
    v16 scale, inverse, most, lo, hi; /* most: what is larger saturates anyway */
    i16 zero;
    bool plain; /* the scale is in the middle of the range of floats */
} quantizer;

static quantizer quantizer_of(float scale, float lo, float zero)
{
    quantizer r = { v_set1(scale),
                    v_set1(1.0f / scale),
                    v_set1(1024.0f * scale),
                    v_set1(lo - zero),
                    v_set1(127 - zero),
                    i_set1((int32_t)zero),
                    scale > 0x1p-100f && scale < 0x1p100f };
    return r;
}

/* x / scale, rounded to nearest: a product with the rounded inverse is off by at most two units in
 * the last place, one correction by its remainder leaves it off by less than one, and from such a
 * value the next correction gives the rounded quotient (P. Markstein, Computation of elementary
 * functions on the IBM RISC System/6000 processor, 1990). Between the bounds of `plain` and `most`
 * nothing over- or underflows but where the code is 0. NaN becomes -most. */
V16_INLINE v16 quantize_quotient(v16 x, const quantizer *r, const bool bounded)
{
    v16 scale = v_sub(v_zero(), r->scale);
    if (!bounded) x = v_min(v_max(x, v_sub(v_zero(), r->most)), r->most);
    v16 q = v_mul(x, r->inverse);
    q = v_fma(v_fma(q, scale, x), r->inverse, q);
    return v_fma(v_fma(q, scale, x), r->inverse, q);
}

/* How the quotients are found, constants of a loop. */
typedef enum quantize_way {
    QUANTIZE_BOUNDED, /* the scale comes from the maximum: no zero point, nothing far outside */
    QUANTIZE_PLAIN,
    QUANTIZE_DIVIDE
} quantize_way;

V16_INLINE i16 quantize_codes(v16 x, const quantizer *r, const quantize_way way)
{
    x = way == QUANTIZE_DIVIDE ? v_div(x, r->scale)
                               : quantize_quotient(x, r, way == QUANTIZE_BOUNDED);
    i16 codes = i_from_float(v_min(v_max(x, r->lo), r->hi)); /* NaN gives lo */
    return way == QUANTIZE_BOUNDED ? codes : i_add(codes, r->zero);
}

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

static void quantize(int8_t *q, const float *x, size_t n, const quantizer *r, bool bounded)
{
    if (!r->plain) quantize_as(q, x, n, *r, QUANTIZE_DIVIDE);
    else if (bounded) quantize_as(q, x, n, *r, QUANTIZE_BOUNDED);
    else quantize_as(q, x, n, *r, QUANTIZE_PLAIN);
}

/* As integers without the sign, NaN and Inf are above every finite number; they give NaN. */
V16_INLINE i16 quantize_magnitude(v16 x)
{
    return v_as_int(v_abs(x));
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
    if (scale > 0) quantize(q, x, c->k, &r, dynamic);
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
    if (scale > 0) quantize(q, x, n, &r, false);
    else memset(q, 0, n);
}

#endif
