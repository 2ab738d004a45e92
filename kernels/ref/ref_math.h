/* kernels/ref/ref_math.h - exp, tanh and the activations: the meaning of each to the bit.
 * The polynomials are our own minimax fits, made with coefficients rounded to float one by one;
 * every level evaluates them in this order of FMAs. Read next: kernels/body/v16_math.h (vectors).
 */
#ifndef PE_KERNELS_REF_MATH_H
#define PE_KERNELS_REF_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/ref/ref_poly.h"

static inline uint32_t ref_bits(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}
static inline float ref_float(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}
/* The sign of s on the magnitude x >= 0. */
static inline float ref_signed(float x, float s)
{
    return ref_float(ref_bits(x) | (ref_bits(s) & 0x80000000u));
}
/* The minimum and maximum instructions of x86: the second operand when one is NaN. */
static inline float ref_min(float a, float b)
{
    return a < b ? a : b;
}
static inline float ref_max(float a, float b)
{
    return a > b ? a : b;
}

/* 2^r for |r| <= 1/2 */
static inline float ref_exp2_poly(float r)
{
    float p = fmaf(PE_EXP2_C6, r, PE_EXP2_C5);
    p = fmaf(p, r, PE_EXP2_C4);
    p = fmaf(p, r, PE_EXP2_C3);
    p = fmaf(p, r, PE_EXP2_C2);
    p = fmaf(p, r, PE_EXP2_C1);
    return fmaf(p, r, PE_EXP2_C0);
}
/* x <= 88; NaN stays NaN (its polynomial is NaN, whatever n is). */
static inline float ref_exp(float x)
{
    x = ref_max(PE_EXP_MIN, x);
    float t = fmaf(x, PE_EXP_LOG2E, PE_EXP2_MAGIC);
    float r = fmaf(x, PE_EXP_LOG2E, PE_EXP2_MAGIC - t);
    return ref_exp2_poly(r) * ref_float((ref_bits(t) << 23) + 0x3f800000u); /* 2^n */
}

static inline float ref_tanh(float x)
{
    float a = fabsf(x), s = x * x;
    float p = fmaf(PE_TANH_S4, s, PE_TANH_S3);
    p = fmaf(p, s, PE_TANH_S2);
    p = fmaf(p, s, PE_TANH_S1);
    p = fmaf(p, s, PE_TANH_S0);
    float small = fmaf(p * s, x, x);
    float t = ref_min(PE_TANH_MAX, a);
    float large = 1.0f - 2.0f / (ref_exp(t + t) + 1.0f);
    return a > PE_TANH_SPLIT ? ref_signed(large, x) : small;
}

/* The exact form, x Phi(x): max(x, 0) minus what is the same for x and -x. */
static inline float ref_gelu_erf(float x)
{
    float z = ref_max(PE_GELU_MIN, ref_float(ref_bits(x) | 0x80000000u)), z2 = z * z;
    float even = fmaf(fmaf(fmaf(PE_GELU_G6, z2, PE_GELU_G4), z2, PE_GELU_G2), z2, PE_GELU_G0);
    float odd = fmaf(fmaf(fmaf(PE_GELU_G7, z2, PE_GELU_G5), z2, PE_GELU_G3), z2, PE_GELU_G1);
    float g = fmaf(odd, z, even);
    float t = g + PE_EXP2_MAGIC;
    float p = ref_exp2_poly(g - (t - PE_EXP2_MAGIC));
    p = ref_float(ref_bits(p) +
                  (ref_bits(t) << 23)); /* times 2^n; the magic's own bits shift out */
    return fmaf(z, p, ref_max(0.0f, x));
}
static inline float ref_gelu_codes(float x)
{
    float z = ref_max(PE_GELU_S8_MIN, ref_float(ref_bits(x) | 0x80000000u));
    float p = fmaf(PE_GELU_S8_C6, z, PE_GELU_S8_C5);
    p = fmaf(p, z, PE_GELU_S8_C4);
    p = fmaf(p, z, PE_GELU_S8_C3);
    p = fmaf(p, z, PE_GELU_S8_C2);
    p = fmaf(p, z, PE_GELU_S8_C1);
    p = fmaf(p, z, PE_GELU_S8_C0);
    return fmaf(z, p, ref_max(0.0f, x));
}
static inline float ref_gelu_tanh(float x)
{
    float h = 0.5f * x;
    return fmaf(h, ref_tanh(fmaf(x * x, PE_GELU_TANH_C3, PE_GELU_TANH_C1) * x), h);
}

static inline float ref_act(float x, pe_act act)
{
    switch (act) {
    case PE_ACT_NONE: return x;
    case PE_ACT_GELU_ERF: return ref_gelu_erf(x);
    case PE_ACT_GELU_CODES: return ref_gelu_codes(x);
    case PE_ACT_GELU_TANH: return ref_gelu_tanh(x);
    case PE_ACT_RELU: return ref_max(0.0f, x);
    case PE_ACT_TANH: return ref_tanh(x);
    }
    return x;
}

/* The fold of a row reduction: lane i += lane i + 8, then 4, 2, 1. */
static inline float ref_fold_sum(float lane[16])
{
    for (int step = 8; step; step /= 2)
        for (int i = 0; i < step; i++) lane[i] += lane[i + step];
    return lane[0];
}

#endif
