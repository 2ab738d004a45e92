/* kernels/body/v16_math.h - folds, exp, tanh and the activations on sixteen floats.
 * The order of operations is that of kernels/ref/ref_math.h, line by line; include a v16_*.h first.
 * Read next: kernels/body/gemm_body.h. */
#ifndef PE_KERNELS_V16_MATH_H
#define PE_KERNELS_V16_MATH_H

#include "kernels/kernels.h"
#include "kernels/ref/ref_poly.h"

/* Lanes 4..7 into 0..3, then 2, then 1: the fold of every row reduction. */
V16_INLINE float v_fold_sum(v16 a)
{
    __m256 e = v_fold8_sum(a);
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(e), _mm256_extractf128_ps(e, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps(x, x, 1)));
}
V16_INLINE float v_fold_max(v16 a)
{
    __m256 e = v_fold8_max(a);
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(e), _mm256_extractf128_ps(e, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_shuffle_ps(x, x, 1)));
}

V16_INLINE v16 v_abs(v16 x)
{
    return v_and(x, v_as_float(i_set1(0x7fffffff)));
}
V16_INLINE v16 v_signed(v16 x, v16 s)
{
    return v_or(x, v_and(s, v_set1(-0.0f)));
}

V16_INLINE v16 v_exp2_poly(v16 r)
{
    v16 p = v_fma(v_set1(PE_EXP2_C6), r, v_set1(PE_EXP2_C5));
    p = v_fma(p, r, v_set1(PE_EXP2_C4));
    p = v_fma(p, r, v_set1(PE_EXP2_C3));
    p = v_fma(p, r, v_set1(PE_EXP2_C2));
    p = v_fma(p, r, v_set1(PE_EXP2_C1));
    return v_fma(p, r, v_set1(PE_EXP2_C0));
}
V16_INLINE v16 v_exp(v16 x)
{
    v16 magic = v_set1(PE_EXP2_MAGIC), log2e = v_set1(PE_EXP_LOG2E);
    x = v_max(v_set1(PE_EXP_MIN), x);
    v16 t = v_fma(x, log2e, magic);
    v16 r = v_fma(x, log2e, v_sub(magic, t));
    /* Adding to the exponent is the product with a power of two: nothing here is denormal. */
    return v_as_float(i_add(v_as_int(v_exp2_poly(r)), i_shl23(v_as_int(t))));
}

V16_INLINE v16 v_tanh(v16 x)
{
    v16 a = v_abs(x), s = v_mul(x, x), one = v_set1(1.0f);
    v16 p = v_fma(v_set1(PE_TANH_S4), s, v_set1(PE_TANH_S3));
    p = v_fma(p, s, v_set1(PE_TANH_S2));
    p = v_fma(p, s, v_set1(PE_TANH_S1));
    p = v_fma(p, s, v_set1(PE_TANH_S0));
    v16 near = v_fma(v_mul(p, s), x, x);
    v16 t = v_min(v_set1(PE_TANH_MAX), a);
    v16 far = v_sub(one, v_div(v_set1(2.0f), v_add(v_exp(v_add(t, t)), one)));
    return v_if_gt(a, v_set1(PE_TANH_SPLIT), v_signed(far, x), near);
}

V16_INLINE v16 v_gelu_erf(v16 x)
{
    v16 z = v_max(v_set1(PE_GELU_MIN), v_or(x, v_set1(-0.0f))), z2 = v_mul(z, z),
        magic = v_set1(PE_EXP2_MAGIC);
    v16 even = v_fma(v_set1(PE_GELU_G6), z2, v_set1(PE_GELU_G4));
    v16 odd = v_fma(v_set1(PE_GELU_G7), z2, v_set1(PE_GELU_G5));
    even = v_fma(v_fma(even, z2, v_set1(PE_GELU_G2)), z2, v_set1(PE_GELU_G0));
    odd = v_fma(v_fma(odd, z2, v_set1(PE_GELU_G3)), z2, v_set1(PE_GELU_G1));
    v16 g = v_fma(odd, z, even);
    v16 t = v_add(g, magic);
    v16 p = v_exp2_poly(v_sub(g, v_sub(t, magic)));
    p = v_as_float(i_add(v_as_int(p), i_shl23(v_as_int(t))));
    return v_fma(z, p, v_max(v_zero(), x));
}
V16_INLINE v16 v_gelu_tanh(v16 x)
{
    v16 h = v_mul(v_set1(0.5f), x);
    v16 u = v_fma(v_mul(x, x), v_set1(PE_GELU_TANH_C3), v_set1(PE_GELU_TANH_C1));
    return v_fma(h, v_tanh(v_mul(u, x)), h);
}
V16_INLINE v16 v_relu(v16 x)
{
    return v_max(v_zero(), x);
}

V16_INLINE v16 v_act(v16 x, pe_act act)
{
    switch (act) {
    case PE_ACT_GELU_ERF: return v_gelu_erf(x);
    case PE_ACT_GELU_TANH: return v_gelu_tanh(x);
    case PE_ACT_RELU: return v_relu(x);
    case PE_ACT_TANH: return v_tanh(x);
    case PE_ACT_NONE: break;
    }
    return x;
}

#endif
