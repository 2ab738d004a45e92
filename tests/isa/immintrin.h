/* tests/isa/immintrin.h - stands in front of the compiler's <immintrin.h>: the AVX-512 intrinsics that
 * kernels/{avxvnni,avx512,vnni,vbmi2,amx} use, lowered to AVX2 by SIMDe, plus the few that SIMDe 0.7.4
 * lacks. So their source runs, in tests, on machines without them. Read next: Makefile, EMULATED. */
#ifndef PE_TESTS_ISA_IMMINTRIN_H
#define PE_TESTS_ISA_IMMINTRIN_H

#include_next <immintrin.h>
#include <string.h>

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

/* Each stand-in copies the manual's pseudocode: loop over elements, obey the mask. */

static inline __m512 pe_emu_maskz_loadu_ps(__mmask16 k, const float *p)
{
    float e[16] = {0};
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

static inline __m512i pe_emu_srai_epi32(__m512i a, unsigned n)
{
    int32_t e[16];
    _mm512_storeu_si512(e, a);
    for (int i = 0; i < 16; i++) e[i] >>= n > 31 ? 31 : n;
    return _mm512_loadu_si512(e);
}
#undef _mm512_srai_epi32
#define _mm512_srai_epi32(a, n) pe_emu_srai_epi32(a, n)

static inline __m256 pe_emu_extractf32x8_ps(__m512 a, int half)
{
    float e[16];
    _mm512_storeu_ps(e, a);
    return _mm256_loadu_ps(e + 8 * half);
}
#undef _mm512_extractf32x8_ps
#define _mm512_extractf32x8_ps(a, half) pe_emu_extractf32x8_ps(a, half)

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

#endif
