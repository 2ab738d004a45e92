/* kernels/body/v16_avx2.h - sixteen floats as two AVX2 registers: the 16 virtual lanes of a
 * reduction. v16_avx512.h gives the same names on one register; the other headers of this folder
 * are written in these names and compiled once a folder. Read next: kernels/body/v16_math.h. */
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
 * units, without running out of 16 registers. */
enum {
    V16_WIDE_1 = 4,
    V16_WIDE_2 = 3,
    V16_WIDE_3 = 2,
    V16_WIDE_4 = 1,
    V16_WIDE_5 = 1,
    V16_WIDE_6 = 1
};
enum { V16_SIDE = 1 }; /* registers that an activation takes step by step; each is two */
/* Outputs and groups of 16 tokens that a sparse product keeps in accumulators. */
enum { V16_CSR_ROWS = 2, V16_CSR_VECTORS = 2 };

typedef struct v16 {
    __m256 lo, hi;
} v16;
typedef struct i16 {
    __m256i lo, hi;
} i16;

/* One operation on both halves. */
#define V16_EACH2(op, a, b) ((v16){ op((a).lo, (b).lo), op((a).hi, (b).hi) })
#define I16_EACH2(op, a, b) ((i16){ op((a).lo, (b).lo), op((a).hi, (b).hi) })

V16_INLINE v16 v_zero(void)
{
    return (v16){ _mm256_setzero_ps(), _mm256_setzero_ps() };
}
V16_INLINE v16 v_set1(float x)
{
    return (v16){ _mm256_set1_ps(x), _mm256_set1_ps(x) };
}
V16_INLINE v16 v_load(const float *p)
{
    return (v16){ _mm256_loadu_ps(p), _mm256_loadu_ps(p + 8) };
}
V16_INLINE void v_store(float *p, v16 a)
{
    _mm256_storeu_ps(p, a.lo);
    _mm256_storeu_ps(p + 8, a.hi);
}
/* Lanes 0..n-1 set, n <= 16. */
V16_INLINE i16 v_mask_n(size_t n)
{
    __m256i count = _mm256_set1_epi32((int)n), first = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i second = _mm256_add_epi32(first, _mm256_set1_epi32(8));
    return (i16){ _mm256_cmpgt_epi32(count, first), _mm256_cmpgt_epi32(count, second) };
}
/* The first n only: nothing beyond is touched, lanes beyond are 0. */
V16_INLINE v16 v_load_n(const float *p, size_t n)
{
    i16 m = v_mask_n(n);
    return (v16){ _mm256_maskload_ps(p, m.lo),
                  n > 8 ? _mm256_maskload_ps(p + 8, m.hi) : _mm256_setzero_ps() };
}
V16_INLINE void v_store_n(float *p, v16 a, size_t n)
{
    i16 m = v_mask_n(n);
    _mm256_maskstore_ps(p, m.lo, a.lo);
    if (n > 8) _mm256_maskstore_ps(p + 8, m.hi, a.hi);
}
V16_INLINE v16 v_add(v16 a, v16 b)
{
    return V16_EACH2(_mm256_add_ps, a, b);
}
V16_INLINE v16 v_sub(v16 a, v16 b)
{
    return V16_EACH2(_mm256_sub_ps, a, b);
}
V16_INLINE v16 v_mul(v16 a, v16 b)
{
    return V16_EACH2(_mm256_mul_ps, a, b);
}
V16_INLINE v16 v_div(v16 a, v16 b)
{
    return V16_EACH2(_mm256_div_ps, a, b);
}
V16_INLINE v16 v_min(v16 a, v16 b)
{
    return V16_EACH2(_mm256_min_ps, a, b);
}
V16_INLINE v16 v_max(v16 a, v16 b)
{
    return V16_EACH2(_mm256_max_ps, a, b);
}
V16_INLINE v16 v_and(v16 a, v16 b)
{
    return V16_EACH2(_mm256_and_ps, a, b);
}
V16_INLINE v16 v_or(v16 a, v16 b)
{
    return V16_EACH2(_mm256_or_ps, a, b);
}
/* a * b + c, one rounding */
V16_INLINE v16 v_fma(v16 a, v16 b, v16 c)
{
    return (v16){ _mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi) };
}
/* z - floor(z), for z below -100 anything in 0..1. */
V16_INLINE __m256 v_floor8(__m256 z)
{
    return _mm256_floor_ps(_mm256_max_ps(z, _mm256_set1_ps(-100.0f)));
}
V16_INLINE v16 v_fraction(v16 z)
{
    __m256 least = _mm256_set1_ps(-100.0f);
    return (v16){ _mm256_sub_ps(_mm256_max_ps(z.lo, least), v_floor8(z.lo)),
                  _mm256_sub_ps(_mm256_max_ps(z.hi, least), v_floor8(z.hi)) };
}
/* p * 2^floor(z), p in 0.5..2, z < 100; for z below -100 something in 0..2^-99. Adding to the
 * exponent is the product with a power of two. */
V16_INLINE __m256 v_times_exp2_8(__m256 p, __m256 z)
{
    __m256i n = _mm256_slli_epi32(_mm256_cvtps_epi32(v_floor8(z)), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), n));
}
V16_INLINE v16 v_times_exp2(v16 p, v16 z)
{
    return (v16){ v_times_exp2_8(p.lo, z.lo), v_times_exp2_8(p.hi, z.hi) };
}
/* a > b ? x : y */
V16_INLINE v16 v_if_gt(v16 a, v16 b, v16 x, v16 y)
{
    return (v16){ _mm256_blendv_ps(y.lo, x.lo, _mm256_cmp_ps(a.lo, b.lo, _CMP_GT_OQ)),
                  _mm256_blendv_ps(y.hi, x.hi, _mm256_cmp_ps(a.hi, b.hi, _CMP_GT_OQ)) };
}
/* Lanes 0..n-1 of x, the others of y. */
V16_INLINE v16 v_first_n(size_t n, v16 x, v16 y)
{
    i16 m = v_mask_n(n);
    return (v16){ _mm256_blendv_ps(y.lo, x.lo, _mm256_castsi256_ps(m.lo)),
                  _mm256_blendv_ps(y.hi, x.hi, _mm256_castsi256_ps(m.hi)) };
}
V16_INLINE i16 v_as_int(v16 a)
{
    return (i16){ _mm256_castps_si256(a.lo), _mm256_castps_si256(a.hi) };
}
V16_INLINE v16 v_as_float(i16 a)
{
    return (v16){ _mm256_castsi256_ps(a.lo), _mm256_castsi256_ps(a.hi) };
}
V16_INLINE i16 i_set1(int32_t x)
{
    return (i16){ _mm256_set1_epi32(x), _mm256_set1_epi32(x) };
}
V16_INLINE i16 i_add(i16 a, i16 b)
{
    return I16_EACH2(_mm256_add_epi32, a, b);
}
V16_INLINE i16 i_sub(i16 a, i16 b)
{
    return I16_EACH2(_mm256_sub_epi32, a, b);
}
V16_INLINE i16 i_shl23(i16 a)
{
    return (i16){ _mm256_slli_epi32(a.lo, 23), _mm256_slli_epi32(a.hi, 23) };
}
V16_INLINE i16 i_shl16(i16 a)
{
    return (i16){ _mm256_slli_epi32(a.lo, 16), _mm256_slli_epi32(a.hi, 16) };
}
V16_INLINE v16 i_to_float(i16 a)
{
    return (v16){ _mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi) };
}
V16_INLINE i16 i_load_u16(const uint16_t *p)
{
    return (i16){ _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)),
                  _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p + 8))) };
}
V16_INLINE i16 i_load_s8(const int8_t *p)
{
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
    return (i16){ _mm256_cvtepi8_epi32(x), _mm256_cvtepi8_epi32(_mm_srli_si128(x, 8)) };
}
V16_INLINE i16 i_max(i16 a, i16 b)
{
    return I16_EACH2(_mm256_max_epi32, a, b);
}
V16_INLINE int32_t i_fold_max(i16 a)
{
    __m256i e = _mm256_max_epi32(a.lo, a.hi);
    __m128i x = _mm_max_epi32(_mm256_castsi256_si128(e), _mm256_extracti128_si256(e, 1));
    x = _mm_max_epi32(x, _mm_shuffle_epi32(x, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(x, _mm_shuffle_epi32(x, 0xb1)));
}
/* Rounded to nearest, ties to even. */
V16_INLINE i16 i_from_float(v16 a)
{
    return (i16){ _mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi) };
}
/* The low bytes of lanes that are codes, -128..127. */
V16_INLINE void i_store_s8(int8_t *p, i16 a)
{
    __m256i pairs = _mm256_packs_epi32(a.lo, a.hi); /* in 128-bit halves: 0-3 8-11, 4-7 12-15 */
    __m128i codes =
        _mm_packs_epi16(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
    _mm_storeu_si128((__m128i *)(void *)p, _mm_shuffle_epi32(codes, 0xd8));
}
V16_INLINE void i_store_s8_n(int8_t *p, i16 a, size_t n)
{
    int8_t codes[16];
    i_store_s8(codes, a);
    __builtin_memcpy(p, codes, n);
}
V16_INLINE v16 v_load_f16(const uint16_t *p)
{
    return (v16){ _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p)),
                  _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p + 8))) };
}
/* Lane i op= lane i + 8; the rest of a fold is the same at every width (v16_math.h). */
V16_INLINE __m256 v_fold8_sum(v16 a)
{
    return _mm256_add_ps(a.lo, a.hi);
}
V16_INLINE __m256 v_fold8_max(v16 a)
{
    return _mm256_max_ps(a.lo, a.hi);
}
/* Any lane whose exponent is all ones: Inf or NaN. */
V16_INLINE bool v_any_nonfinite(v16 a)
{
    __m256i e = _mm256_set1_epi32(0x7f800000), x = _mm256_castps_si256(a.lo),
            y = _mm256_castps_si256(a.hi);
    __m256i bad = _mm256_or_si256(_mm256_cmpeq_epi32(_mm256_and_si256(x, e), e),
                                  _mm256_cmpeq_epi32(_mm256_and_si256(y, e), e));
    return !_mm256_testz_si256(bad, bad);
}

#endif
