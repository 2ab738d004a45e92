/* kernels/body/v16_math.h - folds, exp, erf, tanh and the activations on sixteen floats.
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

V16_INLINE v16 v_abs(v16 x) { return v_and(x, v_as_float(i_set1(0x7fffffff))); }
V16_INLINE v16 v_signed(v16 x, v16 s) { return v_or(x, v_and(s, v_set1(-0.0f))); }
V16_INLINE v16 v_pow2(i16 n) { return v_as_float(i_shl23(i_add(n, i_set1(127)))); }

V16_INLINE v16 v_exp_reduce(v16 x, i16 *n)
{
    v16 magic = v_set1(PE_EXP_MAGIC);
    v16 t = v_fma(x, v_set1(PE_EXP_LOG2E), magic);
    v16 f = v_sub(t, magic);
    v16 r = v_fma(f, v_set1(-PE_EXP_LN2_HI), x);
    r = v_fma(f, v_set1(-PE_EXP_LN2_LO), r);
    v16 q = v_fma(v_set1(PE_EXP_C6), r, v_set1(PE_EXP_C5));
    q = v_fma(q, r, v_set1(PE_EXP_C4));
    q = v_fma(q, r, v_set1(PE_EXP_C3));
    q = v_fma(q, r, v_set1(PE_EXP_C2));
    *n = i_sub(v_as_int(t), v_as_int(magic));
    return v_add(v_fma(q, v_mul(r, r), r), v_set1(1.0f));
}
V16_INLINE v16 v_exp(v16 x)
{
    i16 n;
    v16 p = v_exp_reduce(v_max(v_set1(PE_EXP_MIN), v_min(v_set1(PE_EXP_MAX), x)), &n);
    i16 half = i_half(n);
    return v_mul(v_mul(p, v_pow2(half)), v_pow2(i_sub(n, half)));
}
/* |x| <= 80 only. */
V16_INLINE v16 v_exp_near(v16 x)
{
    i16 n;
    v16 p = v_exp_reduce(x, &n);
    return v_mul(p, v_pow2(n));
}

V16_INLINE v16 v_erf(v16 x)
{
    v16 a = v_abs(x), s = v_mul(x, x);
    v16 p = v_fma(v_set1(PE_ERF_S5), s, v_set1(PE_ERF_S4));
    p = v_fma(p, s, v_set1(PE_ERF_S3));
    p = v_fma(p, s, v_set1(PE_ERF_S2));
    p = v_fma(p, s, v_set1(PE_ERF_S1));
    p = v_fma(p, s, v_set1(PE_ERF_S0));
    v16 near = v_fma(p, x, x);
    v16 t = v_min(v_set1(PE_ERF_MAX), a);
    v16 r = v_fma(v_set1(PE_ERF_L5), t, v_set1(PE_ERF_L4));
    r = v_fma(r, t, v_set1(PE_ERF_L3));
    r = v_fma(r, t, v_set1(PE_ERF_L2));
    r = v_fma(r, t, v_set1(PE_ERF_L1));
    r = v_fma(r, t, v_set1(PE_ERF_L0));
    v16 e = v_exp_near(v_sub(v_set1(-0.0f), v_fma(r, t, t)));
    return v_if_gt(a, v_set1(PE_ERF_SPLIT), v_signed(v_sub(v_set1(1.0f), e), x), near);
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
    v16 far = v_sub(one, v_div(v_set1(2.0f), v_add(v_exp_near(v_add(t, t)), one)));
    return v_if_gt(a, v_set1(PE_TANH_SPLIT), v_signed(far, x), near);
}

V16_INLINE v16 v_gelu_erf(v16 x)
{
    v16 h = v_mul(v_set1(0.5f), x);
    return v_fma(h, v_erf(v_mul(x, v_set1(PE_GELU_SQRT1_2))), h);
}
V16_INLINE v16 v_gelu_tanh(v16 x)
{
    v16 h = v_mul(v_set1(0.5f), x);
    v16 u = v_fma(v_mul(x, x), v_set1(PE_GELU_TANH_C3), v_set1(PE_GELU_TANH_C1));
    return v_fma(h, v_tanh(v_mul(u, x)), h);
}
V16_INLINE v16 v_relu(v16 x) { return v_max(v_zero(), x); }

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
