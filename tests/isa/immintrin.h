/* tests/isa/immintrin.h - stands in front of the compiler's <immintrin.h>: the AVX-512
 * intrinsics that kernels/{avxvnni,avx512,vnni,vbmi2,amx} use, lowered to AVX2 by SIMDe, plus
 * the few that SIMDe 0.7.4 lacks. So their source runs, in tests, on machines without them. Read
 * next: Makefile, EMULATED. */
#ifndef PE_TESTS_ISA_IMMINTRIN_H
#define PE_TESTS_ISA_IMMINTRIN_H

#include_next <immintrin.h>
#include <math.h>
#include <string.h>

#include "tests/isa/tiles.h"

/* Kernels stay functions: inlined into each other, the stand-ins take minutes to compile. */
#define V16_INLINE static inline

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

/* Each stand-in copies the manual's pseudocode: loop over elements, obey the mask. */

static inline __m512 pe_emu_maskz_loadu_ps(__mmask16 k, const float *p)
{
    float e[16] = { 0 };
    for (int i = 0; i < 16; i++)
        if (k >> i & 1) e[i] = p[i];
    return _mm512_loadu_ps(e);
}
#undef _mm512_maskz_loadu_ps
#define _mm512_maskz_loadu_ps(k, p) pe_emu_maskz_loadu_ps(k, p)

static inline void pe_emu_mask_storeu_ps(float *p, __mmask16 k, __m512 a)
{
    float e[16];
    _mm512_storeu_ps(e, a);
    for (int i = 0; i < 16; i++)
        if (k >> i & 1) p[i] = e[i];
}
#undef _mm512_mask_storeu_ps
#define _mm512_mask_storeu_ps(p, k, a) pe_emu_mask_storeu_ps(p, k, a)

static inline __m256 pe_emu_extractf32x8_ps(__m512 a, int half)
{
    float e[16];
    _mm512_storeu_ps(e, a);
    return _mm256_loadu_ps(e + 8 * half);
}
#undef _mm512_extractf32x8_ps
#define _mm512_extractf32x8_ps(a, half) pe_emu_extractf32x8_ps(a, half)

static inline __mmask32 pe_emu_cmpeq_epi16_mask(__m512i a, __m512i b)
{
    uint16_t x[32], y[32];
    __mmask32 mask = 0;
    _mm512_storeu_si512(x, a);
    _mm512_storeu_si512(y, b);
    for (int i = 0; i < 32; i++) mask |= (__mmask32)(x[i] == y[i]) << i;
    return mask;
}
#undef _mm512_cmpeq_epi16_mask
#define _mm512_cmpeq_epi16_mask(a, b) pe_emu_cmpeq_epi16_mask(a, b)

static inline __m512i pe_emu_maskz_compress_epi32(__mmask16 k, __m512i a)
{
    int32_t from[16], to[16] = { 0 };
    int n = 0;
    _mm512_storeu_si512(from, a);
    for (int i = 0; i < 16; i++)
        if (k >> i & 1) to[n++] = from[i];
    return _mm512_loadu_si512(to);
}
#undef _mm512_maskz_compress_epi32
#define _mm512_maskz_compress_epi32(k, a) pe_emu_maskz_compress_epi32(k, a)

/* Of the forms that kernels use: the part above floor(a); a * 2^floor(b). */
static inline __m512 pe_emu_reduce_ps(__m512 a)
{
    float x[16];
    _mm512_storeu_ps(x, a);
    for (int i = 0; i < 16; i++) x[i] = isinf(x[i]) ? 0.0f : x[i] - floorf(x[i]);
    return _mm512_loadu_ps(x);
}
#undef _mm512_reduce_ps
#define _mm512_reduce_ps(a, how) pe_emu_reduce_ps(a)

static inline __m512 pe_emu_scalef_ps(__m512 a, __m512 b)
{
    float x[16], by[16];
    _mm512_storeu_ps(x, a);
    _mm512_storeu_ps(by, b);
    for (int i = 0; i < 16; i++) {
        if (isnan(by[i])) x[i] = by[i];
        else x[i] = ldexpf(x[i], by[i] < -300 ? -300 : by[i] > 300 ? 300 : (int)floorf(by[i]));
    }
    return _mm512_loadu_ps(x);
}
#undef _mm512_scalef_ps
#define _mm512_scalef_ps(a, b) pe_emu_scalef_ps(a, b)

static inline __m512i pe_emu_cvtps_epi32(__m512 a)
{
    float from[16];
    int32_t to[16];
    _mm512_storeu_ps(from, a);
    for (int i = 0; i < 16; i++) to[i] = _mm_cvtss_si32(_mm_set_ss(from[i]));
    return _mm512_loadu_si512(to);
}
#undef _mm512_cvtps_epi32
#define _mm512_cvtps_epi32(a) pe_emu_cvtps_epi32(a)

static inline __m128i pe_emu_cvtepi32_epi8(__m512i a)
{
    int32_t from[16];
    int8_t to[16];
    _mm512_storeu_si512(from, a);
    for (int i = 0; i < 16; i++) to[i] = (int8_t)from[i];
    return _mm_loadu_si128((const __m128i *)(const void *)to);
}
#undef _mm512_cvtepi32_epi8
#define _mm512_cvtepi32_epi8(a) pe_emu_cvtepi32_epi8(a)

static inline __m256i pe_emu_cvtepi32_epi16(__m512i a)
{
    int32_t from[16];
    int16_t to[16];
    _mm512_storeu_si512(from, a);
    for (int i = 0; i < 16; i++) to[i] = (int16_t)from[i];
    return _mm256_loadu_si256((const __m256i *)(const void *)to);
}
#undef _mm512_cvtepi32_epi16
#define _mm512_cvtepi32_epi16(a) pe_emu_cvtepi32_epi16(a)

static inline void pe_emu_mask_cvtepi32_storeu_epi8(void *p, __mmask16 k, __m512i a)
{
    int32_t from[16];
    _mm512_storeu_si512(from, a);
    for (int i = 0; i < 16; i++)
        if (k >> i & 1) ((int8_t *)p)[i] = (int8_t)from[i];
}
#undef _mm512_mask_cvtepi32_storeu_epi8
#define _mm512_mask_cvtepi32_storeu_epi8(p, k, a) pe_emu_mask_cvtepi32_storeu_epi8(p, k, a)

static inline __m512i pe_emu_cvtepu16_epi32(__m256i a)
{
    uint16_t from[16];
    uint32_t to[16];
    _mm256_storeu_si256((__m256i *)(void *)from, a);
    for (int i = 0; i < 16; i++) to[i] = from[i];
    return _mm512_loadu_si512(to);
}
#undef _mm512_cvtepu16_epi32
#define _mm512_cvtepu16_epi32(a) pe_emu_cvtepu16_epi32(a)

static inline __m512 pe_emu_cvtepi32_ps(__m512i a)
{
    int32_t from[16];
    float to[16];
    _mm512_storeu_si512(from, a);
    for (int i = 0; i < 16; i++) to[i] = (float)from[i];
    return _mm512_loadu_ps(to);
}
#undef _mm512_cvtepi32_ps
#define _mm512_cvtepi32_ps(a) pe_emu_cvtepi32_ps(a)

static inline __m512 pe_emu_cvtph_ps(__m256i a)
{
    float to[16];
    _mm256_storeu_ps(to, _mm256_cvtph_ps(_mm256_castsi256_si128(a)));
    _mm256_storeu_ps(to + 8, _mm256_cvtph_ps(_mm256_extracti128_si256(a, 1)));
    return _mm512_loadu_ps(to);
}
#undef _mm512_cvtph_ps
#define _mm512_cvtph_ps(a) pe_emu_cvtph_ps(a)

static inline __m512i pe_emu_cvtepi8_epi32(__m128i a)
{
    int8_t from[16];
    int32_t to[16];
    _mm_storeu_si128((__m128i *)(void *)from, a);
    for (int i = 0; i < 16; i++) to[i] = from[i];
    return _mm512_loadu_si512(to);
}
#undef _mm512_cvtepi8_epi32
#define _mm512_cvtepi8_epi32(a) pe_emu_cvtepi8_epi32(a)

static inline void pe_emu_dpbusd(int32_t *acc, const uint8_t *x, const int8_t *w, int nlanes)
{
    for (int i = 0; i < 4 * nlanes; i++)
        acc[i / 4] = (int32_t)((uint32_t)acc[i / 4] + (uint32_t)(x[i] * w[i]));
}
static __attribute__((noinline, unused)) __m256i pe_emu_dpbusd_256(__m256i acc, __m256i x,
                                                                   __m256i w)
{
    int32_t sum[8];
    uint8_t u[32];
    int8_t s[32];
    _mm256_storeu_si256((__m256i *)(void *)sum, acc);
    _mm256_storeu_si256((__m256i *)(void *)u, x);
    _mm256_storeu_si256((__m256i *)(void *)s, w);
    pe_emu_dpbusd(sum, u, s, 8);
    return _mm256_loadu_si256((const __m256i *)(void *)sum);
}
#undef _mm256_dpbusd_avx_epi32
#define _mm256_dpbusd_avx_epi32(acc, x, w) pe_emu_dpbusd_256(acc, x, w)

static __attribute__((noinline, unused)) __m512i pe_emu_dpbusd_512(__m512i acc, __m512i x,
                                                                   __m512i w)
{
    int32_t sum[16];
    uint8_t u[64];
    int8_t s[64];
    _mm512_storeu_si512(sum, acc);
    _mm512_storeu_si512(u, x);
    _mm512_storeu_si512(s, w);
    pe_emu_dpbusd(sum, u, s, 16);
    return _mm512_loadu_si512(sum);
}
#undef _mm512_dpbusd_epi32
#define _mm512_dpbusd_epi32(acc, x, w) pe_emu_dpbusd_512(acc, x, w)

static __attribute__((noinline, unused)) __m512i pe_emu_madd_epi16(__m512i a, __m512i b)
{
    int16_t x[32], y[32];
    int32_t sum[16];
    _mm512_storeu_si512(x, a);
    _mm512_storeu_si512(y, b);
    for (int i = 0; i < 16; i++)
        sum[i] =
            (int32_t)((uint32_t)(x[2 * i] * y[2 * i]) + (uint32_t)(x[2 * i + 1] * y[2 * i + 1]));
    return _mm512_loadu_si512(sum);
}
#undef _mm512_madd_epi16
#define _mm512_madd_epi16(a, b) pe_emu_madd_epi16(a, b)

static __attribute__((noinline, unused)) __m512i pe_emu_maskz_expand_epi8(uint64_t k, __m512i a)
{
    int8_t from[64], to[64];
    _mm512_storeu_si512(from, a);
    for (int i = 0, at = 0; i < 64; i++) to[i] = k >> i & 1 ? from[at++] : (int8_t)0;
    return _mm512_loadu_si512(to);
}
#undef _mm512_maskz_expand_epi8
#define _mm512_maskz_expand_epi8(k, a) pe_emu_maskz_expand_epi8(k, a)

#endif
