/* kernels/body/v16_avx512.h - sixteen floats as one AVX-512 register, with the names of v16_avx2.h.
 * Read next: kernels/body/v16_math.h. */
#ifndef PE_KERNELS_V16_H
#define PE_KERNELS_V16_H

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef V16_INLINE /* the emulation of tests needs no speed, but compiles faster without it */
#define V16_INLINE static inline __attribute__((always_inline))
#endif
/* Panels of 16 outputs that a tile of so many rows takes side by side: accumulators for two FMA
 * units, B from the second cache. */
enum {
    V16_WIDE_1 = 4,
    V16_WIDE_2 = 4,
    V16_WIDE_3 = 4,
    V16_WIDE_4 = 4,
    V16_WIDE_5 = 4,
    V16_WIDE_6 = 4
};
enum { V16_SIDE = 4 }; /* registers that an activation takes step by step */
/* Outputs and groups of 16 tokens that a sparse product keeps in accumulators. */
enum { V16_CSR_ROWS = 2, V16_CSR_VECTORS = 4 };

typedef __m512 v16;
/* Sixteen 32-bit lanes by type: were sums of the type __m512i, eight 64-bit lanes, GCC would copy
 * each one before and after every vpdpbusd. */
typedef int i16 __attribute__((vector_size(64)));

V16_INLINE v16 v_zero(void)
{
    return _mm512_setzero_ps();
}
V16_INLINE v16 v_set1(float x)
{
    return _mm512_set1_ps(x);
}
V16_INLINE v16 v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
V16_INLINE void v_store(float *p, v16 a)
{
    _mm512_storeu_ps(p, a);
}
/* Lanes 0..n-1 set, n <= 16. */
V16_INLINE __mmask16 v_mask_n(size_t n)
{
    return (__mmask16)((1u << n) - 1);
}
V16_INLINE v16 v_load_n(const float *p, size_t n)
{
    return _mm512_maskz_loadu_ps(v_mask_n(n), p);
}
V16_INLINE void v_store_n(float *p, v16 a, size_t n)
{
    _mm512_mask_storeu_ps(p, v_mask_n(n), a);
}
V16_INLINE v16 v_add(v16 a, v16 b)
{
    return _mm512_add_ps(a, b);
}
V16_INLINE v16 v_sub(v16 a, v16 b)
{
    return _mm512_sub_ps(a, b);
}
V16_INLINE v16 v_mul(v16 a, v16 b)
{
    return _mm512_mul_ps(a, b);
}
V16_INLINE v16 v_div(v16 a, v16 b)
{
    return _mm512_div_ps(a, b);
}
V16_INLINE v16 v_min(v16 a, v16 b)
{
    return _mm512_min_ps(a, b);
}
V16_INLINE v16 v_max(v16 a, v16 b)
{
    return _mm512_max_ps(a, b);
}
V16_INLINE v16 v_and(v16 a, v16 b)
{
    return _mm512_and_ps(a, b);
}
V16_INLINE v16 v_or(v16 a, v16 b)
{
    return _mm512_or_ps(a, b);
}
V16_INLINE v16 v_fma(v16 a, v16 b, v16 c)
{
    return _mm512_fmadd_ps(a, b, c);
}
/* z - floor(z), for z below -100 anything in 0..1. */
V16_INLINE v16 v_fraction(v16 z)
{
    return _mm512_reduce_ps(z, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
/* p * 2^floor(z), p in 0.5..2, z < 100; for z below -100 something in 0..2^-99. */
V16_INLINE v16 v_times_exp2(v16 p, v16 z)
{
    return _mm512_scalef_ps(p, z);
}
V16_INLINE v16 v_if_gt(v16 a, v16 b, v16 x, v16 y)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), y, x);
}
V16_INLINE v16 v_first_n(size_t n, v16 x, v16 y)
{
    return _mm512_mask_blend_ps(v_mask_n(n), y, x);
}
V16_INLINE i16 v_as_int(v16 a)
{
    return (i16)_mm512_castps_si512(a);
}
V16_INLINE v16 v_as_float(i16 a)
{
    return _mm512_castsi512_ps((__m512i)a);
}
V16_INLINE i16 i_set1(int32_t x)
{
    return (i16)_mm512_set1_epi32(x);
}
/* Lanes wrap around. */
V16_INLINE i16 i_add(i16 a, i16 b)
{
    return (i16)_mm512_add_epi32((__m512i)a, (__m512i)b);
}
V16_INLINE i16 i_sub(i16 a, i16 b)
{
    return (i16)_mm512_sub_epi32((__m512i)a, (__m512i)b);
}
V16_INLINE i16 i_shl23(i16 a)
{
    return (i16)_mm512_slli_epi32((__m512i)a, 23);
}
V16_INLINE i16 i_shl16(i16 a)
{
    return (i16)_mm512_slli_epi32((__m512i)a, 16);
}
V16_INLINE v16 i_to_float(i16 a)
{
    return _mm512_cvtepi32_ps((__m512i)a);
}
V16_INLINE i16 i_load_u16(const uint16_t *p)
{
    return (i16)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
V16_INLINE i16 i_load_s8(const int8_t *p)
{
    return (i16)_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}
V16_INLINE i16 i_max(i16 a, i16 b)
{
    return (i16)_mm512_max_epi32((__m512i)a, (__m512i)b);
}
V16_INLINE int32_t i_fold_max(i16 a)
{
    __m256i e = _mm256_max_epi32(_mm512_castsi512_si256((__m512i)a),
                                 _mm512_extracti64x4_epi64((__m512i)a, 1));
    __m128i x = _mm_max_epi32(_mm256_castsi256_si128(e), _mm256_extracti128_si256(e, 1));
    x = _mm_max_epi32(x, _mm_shuffle_epi32(x, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(x, _mm_shuffle_epi32(x, 0xb1)));
}
V16_INLINE i16 i_from_float(v16 a)
{
    return (i16)_mm512_cvtps_epi32(a);
}
V16_INLINE void i_store_s8(int8_t *p, i16 a)
{
    _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8((__m512i)a));
}
V16_INLINE void i_store_s8_n(int8_t *p, i16 a, size_t n)
{
    _mm512_mask_cvtepi32_storeu_epi8(p, v_mask_n(n), (__m512i)a);
}
V16_INLINE v16 v_load_f16(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
V16_INLINE __m256 v_fold8_sum(v16 a)
{
    return _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
}
V16_INLINE __m256 v_fold8_max(v16 a)
{
    return _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
}
V16_INLINE bool v_any_nonfinite(v16 a)
{
    __m512i e = _mm512_set1_epi32(0x7f800000);
    return _mm512_cmpeq_epi32_mask(_mm512_and_si512(_mm512_castps_si512(a), e), e) != 0;
}

#endif
