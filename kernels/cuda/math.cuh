/* kernels/cuda/math.cuh - exp, tanh and the activations, the bits of kernels/ref/ref_math.h: the
 * same polynomials in the same order, fused only where fmaf is written (-fmad=false).
 * Read next: kernels/ref/ref_math.h, kernels/cuda/epilogue.cuh. */
#ifndef PE_KERNELS_CUDA_MATH_CUH
#define PE_KERNELS_CUDA_MATH_CUH

#include "kernels/kernels.h"
#include "kernels/ref/ref_poly.h"

/* The second operand when one is NaN or both are zeros, as the CPU's; fmaxf and fminf differ. */
__device__ __forceinline__ float second_min(float a, float b)
{
    return a < b ? a : b;
}
__device__ __forceinline__ float second_max(float a, float b)
{
    return a > b ? a : b;
}

/* 2^r for |r| <= 1/2 */
__device__ __forceinline__ float exp2_poly(float r)
{
    float p = fmaf(PE_EXP2_C6, r, PE_EXP2_C5);
    p = fmaf(p, r, PE_EXP2_C4);
    p = fmaf(p, r, PE_EXP2_C3);
    p = fmaf(p, r, PE_EXP2_C2);
    p = fmaf(p, r, PE_EXP2_C1);
    return fmaf(p, r, PE_EXP2_C0);
}

/* x <= 88; NaN stays NaN */
__device__ __forceinline__ float exp_poly(float x)
{
    x = second_max(PE_EXP_MIN, x);
    float t = fmaf(x, PE_EXP_LOG2E, PE_EXP2_MAGIC);
    float r = fmaf(x, PE_EXP_LOG2E, PE_EXP2_MAGIC - t);
    return exp2_poly(r) * __uint_as_float((__float_as_uint(t) << 23) + 0x3f800000u);
}

__device__ __forceinline__ float tanh_poly(float x)
{
    float a = fabsf(x), s = x * x;
    float p = fmaf(PE_TANH_S4, s, PE_TANH_S3);
    p = fmaf(p, s, PE_TANH_S2);
    p = fmaf(p, s, PE_TANH_S1);
    p = fmaf(p, s, PE_TANH_S0);
    float small = fmaf(p * s, x, x);
    float t = second_min(PE_TANH_MAX, a);
    float large = 1.0f - __fdiv_rn(2.0f, exp_poly(t + t) + 1.0f);
    large = __uint_as_float(__float_as_uint(large) | (__float_as_uint(x) & 0x80000000u));
    return a > PE_TANH_SPLIT ? large : small;
}

__device__ __forceinline__ float gelu_erf(float x)
{
    float z = second_max(PE_GELU_MIN, __uint_as_float(__float_as_uint(x) | 0x80000000u));
    float z2 = z * z;
    float even = fmaf(fmaf(fmaf(PE_GELU_G6, z2, PE_GELU_G4), z2, PE_GELU_G2), z2, PE_GELU_G0);
    float odd = fmaf(fmaf(fmaf(PE_GELU_G7, z2, PE_GELU_G5), z2, PE_GELU_G3), z2, PE_GELU_G1);
    float g = fmaf(odd, z, even);
    float t = g + PE_EXP2_MAGIC;
    float p = exp2_poly(g - (t - PE_EXP2_MAGIC));
    p = __uint_as_float(__float_as_uint(p) + (__float_as_uint(t) << 23));
    return fmaf(z, p, second_max(0.0f, x));
}

__device__ __forceinline__ float gelu_codes(float x)
{
    float z = second_max(PE_GELU_S8_MIN, __uint_as_float(__float_as_uint(x) | 0x80000000u));
    float p = fmaf(PE_GELU_S8_C6, z, PE_GELU_S8_C5);
    p = fmaf(p, z, PE_GELU_S8_C4);
    p = fmaf(p, z, PE_GELU_S8_C3);
    p = fmaf(p, z, PE_GELU_S8_C2);
    p = fmaf(p, z, PE_GELU_S8_C1);
    p = fmaf(p, z, PE_GELU_S8_C0);
    return fmaf(z, p, second_max(0.0f, x));
}

__device__ __forceinline__ float gelu_tanh(float x)
{
    float h = 0.5f * x;
    return fmaf(h, tanh_poly(fmaf(x * x, PE_GELU_TANH_C3, PE_GELU_TANH_C1) * x), h);
}

/* An activation as a type, so that a loop is compiled once for each. */
template <pe_act ACT> struct activation {
    static __device__ __forceinline__ float of(float x)
    {
        if constexpr (ACT == PE_ACT_GELU_ERF) return gelu_erf(x);
        if constexpr (ACT == PE_ACT_GELU_CODES) return gelu_codes(x);
        if constexpr (ACT == PE_ACT_GELU_TANH) return gelu_tanh(x);
        if constexpr (ACT == PE_ACT_RELU) return second_max(0.0f, x);
        if constexpr (ACT == PE_ACT_TANH) return tanh_poly(x);
        return x;
    }
};

/* f(activation<act>()) */
template <typename F> __device__ __forceinline__ void with_activation(pe_act act, F f)
{
    switch (act) {
    case PE_ACT_NONE: f(activation<PE_ACT_NONE>()); break;
    case PE_ACT_GELU_ERF: f(activation<PE_ACT_GELU_ERF>()); break;
    case PE_ACT_GELU_CODES: f(activation<PE_ACT_GELU_CODES>()); break;
    case PE_ACT_GELU_TANH: f(activation<PE_ACT_GELU_TANH>()); break;
    case PE_ACT_RELU: f(activation<PE_ACT_RELU>()); break;
    case PE_ACT_TANH: f(activation<PE_ACT_TANH>()); break;
    }
}

#endif
