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

/* n registers step by step, n <= V16_SIDE a constant: one alone is a chain of two dozen operations,
 * of which a processor's window holds too few to keep its units at work. */
V16_INLINE void v_gelu_erf(v16 *x, const size_t n)
{
    v16 z[V16_SIDE], s[V16_SIDE], even[V16_SIDE], odd[V16_SIDE], magic = v_set1(PE_EXP2_MAGIC);
#define V16_STEP _Pragma("GCC unroll 4") for (size_t i = 0; i < n; i++)
    V16_STEP z[i] = v_max(v_set1(PE_GELU_MIN), v_or(x[i], v_set1(-0.0f)));
    V16_STEP s[i] = v_mul(z[i], z[i]);
    V16_STEP even[i] = v_fma(v_set1(PE_GELU_G6), s[i], v_set1(PE_GELU_G4));
    V16_STEP odd[i] = v_fma(v_set1(PE_GELU_G7), s[i], v_set1(PE_GELU_G5));
    V16_STEP even[i] = v_fma(even[i], s[i], v_set1(PE_GELU_G2));
    V16_STEP odd[i] = v_fma(odd[i], s[i], v_set1(PE_GELU_G3));
    V16_STEP even[i] = v_fma(even[i], s[i], v_set1(PE_GELU_G0));
    V16_STEP odd[i] = v_fma(odd[i], s[i], v_set1(PE_GELU_G1));
    V16_STEP even[i] = v_fma(odd[i], z[i], even[i]); /* g: log2 of Phi */
    V16_STEP odd[i] = v_add(even[i], magic);         /* its whole part, in the low bits */
    V16_STEP s[i] = v_sub(odd[i], magic);
    V16_STEP s[i] = v_sub(even[i], s[i]);
    V16_STEP even[i] = v_fma(v_set1(PE_EXP2_C6), s[i], v_set1(PE_EXP2_C5));
    V16_STEP even[i] = v_fma(even[i], s[i], v_set1(PE_EXP2_C4));
    V16_STEP even[i] = v_fma(even[i], s[i], v_set1(PE_EXP2_C3));
    V16_STEP even[i] = v_fma(even[i], s[i], v_set1(PE_EXP2_C2));
    V16_STEP even[i] = v_fma(even[i], s[i], v_set1(PE_EXP2_C1));
    V16_STEP even[i] = v_fma(even[i], s[i], v_set1(PE_EXP2_C0));
    V16_STEP even[i] = v_as_float(i_add(v_as_int(even[i]), i_shl23(v_as_int(odd[i]))));
    V16_STEP x[i] = v_fma(z[i], even[i], v_max(v_zero(), x[i]));
#undef V16_STEP
}
V16_INLINE v16 v_gelu_codes(v16 x)
{
    v16 z = v_max(v_set1(PE_GELU_S8_MIN), v_or(x, v_set1(-0.0f)));
    v16 p = v_fma(v_set1(PE_GELU_S8_C6), z, v_set1(PE_GELU_S8_C5));
    p = v_fma(p, z, v_set1(PE_GELU_S8_C4));
    p = v_fma(p, z, v_set1(PE_GELU_S8_C3));
    p = v_fma(p, z, v_set1(PE_GELU_S8_C2));
    p = v_fma(p, z, v_set1(PE_GELU_S8_C1));
    p = v_fma(p, z, v_set1(PE_GELU_S8_C0));
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

/* act(x) of n registers, n <= 4 and act constants. */
V16_INLINE void v_act(v16 *x, const size_t n, const pe_act act)
{
#pragma GCC unroll 4
    for (size_t i = 0; i < n; i += V16_SIDE)
        if (act == PE_ACT_GELU_ERF) v_gelu_erf(x + i, n - i < V16_SIDE ? n - i : V16_SIDE);
#pragma GCC unroll 4
    for (size_t i = 0; i < n; i++) {
        if (act == PE_ACT_GELU_CODES) x[i] = v_gelu_codes(x[i]);
        if (act == PE_ACT_GELU_TANH) x[i] = v_gelu_tanh(x[i]);
        if (act == PE_ACT_RELU) x[i] = v_relu(x[i]);
        if (act == PE_ACT_TANH) x[i] = v_tanh(x[i]);
    }
}

/* n neighbours in place. */
V16_INLINE void v_act_row(float *y, size_t n, const pe_act act)
{
    size_t i = 0;
    v16 x[V16_SIDE];
    for (; i + 16 * V16_SIDE <= n; i += 16 * V16_SIDE) {
#pragma GCC unroll 4
        for (size_t j = 0; j < V16_SIDE; j++) x[j] = v_load(y + i + 16 * j);
        v_act(x, V16_SIDE, act);
#pragma GCC unroll 4
        for (size_t j = 0; j < V16_SIDE; j++) v_store(y + i + 16 * j, x[j]);
    }
    for (; i < n; i += 16) {
        size_t count = n - i < 16 ? n - i : 16;
        x[0] = v_load_n(y + i, count);
        v_act(x, 1, act);
        v_store_n(y + i, x[0], count);
    }
}

#endif
