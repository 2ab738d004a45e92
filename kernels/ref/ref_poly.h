/* kernels/ref/ref_poly.h - coefficients of exp, erf and tanh, shared by every level.
 * Read next: kernels/ref/ref_math.h, which gives the order of operations. */
#ifndef PE_KERNELS_REF_POLY_H
#define PE_KERNELS_REF_POLY_H

/* exp(r) = 1 + r + r^2 (C2 + C3 r + ...), |r| <= ln 2 / 2; relative error of the fit 3e-9 */
#define PE_EXP_MAX 89.0f
#define PE_EXP_MIN (-104.0f)
#define PE_EXP_MAGIC 12582912.0f /* 1.5 * 2^23: adding it rounds to an integer */
#define PE_EXP_LOG2E 1.44269504f
#define PE_EXP_LN2_HI 0x1.62e43p-1f
#define PE_EXP_LN2_LO (-1.90465432e-9f)
#define PE_EXP_C2 0x1.fffffcp-2f
#define PE_EXP_C3 0x1.555492p-3f
#define PE_EXP_C4 0x1.5558aep-5f
#define PE_EXP_C5 0x1.12398p-7f
#define PE_EXP_C6 0x1.6a4f72p-10f

/* erf(x) = x + x S(x^2) up to the split, 1 - exp(-(x + x L(x))) above it */
#define PE_ERF_SPLIT 0.92f
#define PE_ERF_MAX 4.0f /* erf is 1 from here on */
#define PE_ERF_S0 0x1.06eba6p-3f
#define PE_ERF_S1 (-0x1.8126eap-2f)
#define PE_ERF_S2 0x1.ce1b0ep-4f
#define PE_ERF_S3 (-0x1.b69392p-6f)
#define PE_ERF_S4 0x1.47689cp-8f
#define PE_ERF_S5 (-0x1.3ac634p-11f)
#define PE_ERF_L0 0x1.073414p-3f
#define PE_ERF_L1 0x1.457b92p-1f
#define PE_ERF_L2 0x1.af34bap-4f
#define PE_ERF_L3 (-0x1.772a7ap-6f)
#define PE_ERF_L4 0x1.a5bb0cp-9f
#define PE_ERF_L5 (-0x1.c16a68p-13f)

/* tanh(x) = x + x x^2 S(x^2) up to the split, 1 - 2 / (exp(2x) + 1) above it */
#define PE_TANH_SPLIT 0.625f
#define PE_TANH_MAX 10.0f /* tanh is 1 from here on */
#define PE_TANH_S0 (-0x1.555532p-2f)
#define PE_TANH_S1 0x1.1106fcp-3f
#define PE_TANH_S2 (-0x1.b836f4p-5f)
#define PE_TANH_S3 0x1.5203f4p-6f
#define PE_TANH_S4 (-0x1.7547e2p-8f)

/* gelu(x) = x Phi(x); the tanh form's sqrt(2/pi) and sqrt(2/pi) * 0.044715 */
#define PE_GELU_SQRT1_2 0.707106781f
#define PE_GELU_TANH_C1 0.797884561f
#define PE_GELU_TANH_C3 0.0356774081f

#endif
