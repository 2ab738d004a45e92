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

#endif
