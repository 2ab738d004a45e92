/* kernels/body/quantizer.h - codes of sixteen numbers. The quotients are those of true division,
 * found by multiplications. Clamping before rounding gives the codes of ref: the bounds are whole
 * numbers. Include a v16_*.h first. Read next: kernels/ref/ref_quantize.c. */
#ifndef PE_KERNELS_QUANTIZER_H
#define PE_KERNELS_QUANTIZER_H

#include "kernels/body/v16_math.h"

typedef struct quantizer {
    v16 scale, inverse, most, lo, hi; /* most: what is larger saturates anyway */
    i16 zero;
    bool plain; /* the scale is in the middle of the range of floats */
} quantizer;

V16_INLINE quantizer quantizer_of(float scale, float lo, float zero)
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
    QUANTIZE_WITHIN,  /* the scale is the maximum / 127: no zero point, nothing outside */
    QUANTIZE_BOUNDED, /* / 127.5: nothing far outside */
    QUANTIZE_PLAIN,
    QUANTIZE_DIVIDE
} quantize_way;

/* Of a dynamic scale, maximum / div, or (div 0) a static one; if it is plain. */
V16_INLINE quantize_way quantize_way_of(float div)
{
    return div > 127 ? QUANTIZE_BOUNDED : div > 0 ? QUANTIZE_WITHIN : QUANTIZE_PLAIN;
}

V16_INLINE i16 quantize_codes(v16 x, const quantizer *r, const quantize_way way)
{
    bool near = way == QUANTIZE_WITHIN || way == QUANTIZE_BOUNDED;
    x = way == QUANTIZE_DIVIDE ? v_div(x, r->scale) : quantize_quotient(x, r, near);
    if (way == QUANTIZE_WITHIN) return i_from_float(x);
    i16 codes = i_from_float(v_min(v_max(x, r->lo), r->hi)); /* NaN gives lo */
    return way == QUANTIZE_BOUNDED ? codes : i_add(codes, r->zero);
}

/* As integers without the sign, NaN and Inf are above every finite number; they give NaN. */
V16_INLINE i16 quantize_magnitude(v16 x)
{
    return v_as_int(v_abs(x));
}

#endif
