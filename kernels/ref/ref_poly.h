/* kernels/ref/ref_poly.h - coefficients of exp, tanh and gelu, shared by every level.
 * Read next: kernels/ref/ref_math.h, which gives the order of operations. */
#ifndef PE_KERNELS_REF_POLY_H
#define PE_KERNELS_REF_POLY_H

/* 2^r, |r| <= 1/2; relative error of the fit 3e-9 */
#define PE_EXP2_C0 1.0f
#define PE_EXP2_C1 0x1.62e43p-1f
#define PE_EXP2_C2 0x1.ebfbdcp-3f
#define PE_EXP2_C3 0x1.c6af7cp-5f
#define PE_EXP2_C4 0x1.3b2dep-7f
#define PE_EXP2_C5 0x1.5f082ep-10f
#define PE_EXP2_C6 0x1.416b52p-13f
#define PE_EXP2_MAGIC                                                          \
    12582912.0f /* 1.5 * 2^23: adding it rounds to an integer, in the low bits \
                 */
/* exp(x) = 2^(x log2 e) */
#define PE_EXP_MIN   (-87.0f) /* 1.6e-38, the smallest answer: no denormals */
#define PE_EXP_LOG2E 1.44269504f

/* 2^r, 0 <= r < 1, as exact as weights of one byte need: relative error 8e-5 */
#define PE_S8_EXP_C0 0x1.fff632p-1f
#define PE_S8_EXP_C1 0x1.64444cp-1f
#define PE_S8_EXP_C2 0x1.cefc4cp-3f
#define PE_S8_EXP_C3 0x1.3f96a4p-4f
/* log2 of the largest weight, 255, and an exponent whose weight is 0 */
#define PE_S8_EXP_TOP 0x1.ffa37cp+2f
#define PE_S8_EXP_MIN (-2.0f)
#define PE_S8_LEAST                                                              \
    0x1p-100f /* the largest magnitude of a part with codes; below it they are 0 \
               */

/* gelu(x) = x Phi(x) = max(x, 0) + z Phi(z), z = -|x|, and Phi(z) = 2^G(z): log2 of Phi is smooth
 * where Phi itself falls over nine decades. Weighted fit: error of z 2^G(z) at most 3e-8. */
#define PE_GELU_MIN (-8.0f) /* z Phi(z) is 0 from here on: 2e-14 */
#define PE_GELU_G0  (-0x1.ffffcp-1f)
#define PE_GELU_G1  0x1.26b16p+0f
#define PE_GELU_G2  (-0x1.d6018ep-2f)
#define PE_GELU_G3  0x1.b268c4p-5f
#define PE_GELU_G4  0x1.fad6aap-8f
#define PE_GELU_G5  0x1.3bea3ep-11f
#define PE_GELU_G6  (-0x1.d73b4ep-18f)
#define PE_GELU_G7  (-0x1.fc139ep-19f)

/* The same z Phi(z) as z C(z), as exact as codes of one byte need: within 1.3e-4, also below the
 * least z, where it stays what it is there */
#define PE_GELU_S8_MIN (-3.84375f)
#define PE_GELU_S8_C0  0x1.fea298p-2f
#define PE_GELU_S8_C1  0x1.873be2p-2f
#define PE_GELU_S8_C2  (-0x1.d5f506p-5f)
#define PE_GELU_S8_C3  (-0x1.35e79ap-3f)
#define PE_GELU_S8_C4  (-0x1.fc9796p-5f)
#define PE_GELU_S8_C5  (-0x1.623e0ep-7f)
#define PE_GELU_S8_C6  (-0x1.74fea8p-11f)

/* tanh(x) = x + x x^2 S(x^2) up to the split, 1 - 2 / (exp(2x) + 1) above it */
#define PE_TANH_SPLIT 0.625f
#define PE_TANH_MAX   10.0f /* tanh is 1 from here on */
#define PE_TANH_S0    (-0x1.555532p-2f)
#define PE_TANH_S1    0x1.1106fcp-3f
#define PE_TANH_S2    (-0x1.b836f4p-5f)
#define PE_TANH_S3    0x1.5203f4p-6f
#define PE_TANH_S4    (-0x1.7547e2p-8f)

/* the tanh form of gelu: sqrt(2/pi) and sqrt(2/pi) * 0.044715 */
#define PE_GELU_TANH_C1 0.797884561f
#define PE_GELU_TANH_C3 0.0356774081f

#endif
