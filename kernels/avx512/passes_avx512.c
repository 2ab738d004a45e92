/* kernels/avx512/passes_avx512.c - pruning by magnitude and counting zeros, sixteen weights at a
 * time. Magnitudes are compared as the integers of their bits: the same order, NaN above all. Read
 * next: kernels/ref/ref_passes.c, kernels/avx2/passes_avx2.c. */
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "kernels/variants.h"

/* Weights between those that a pass computes on and those it asks for: what the hardware fetches by
 * itself comes too late for loops with so many instructions a vector. */
enum { PASS_AHEAD = 512 };

static inline __m512i bits16(const float *x)
{
    return _mm512_loadu_si512(x);
}
static inline __m512i magnitude16(__m512i v)
{
    return _mm512_and_si512(v, _mm512_set1_epi32(0x7fffffff));
}
static inline int32_t bits_of(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

float pe_absmax_f32_avx512(const float *x, size_t n)
{
    __m512i m[4];
    uint32_t lane[16], most = 0;
    float result;
    size_t i = 0;
    for (size_t j = 0; j < 4; j++) m[j] = _mm512_setzero_si512();
    for (; i + 64 <= n; i += 64)
        for (size_t j = 0; j < 4; j++)
            m[j] = _mm512_max_epu32(m[j], magnitude16(bits16(x + i + 16 * j)));
    m[0] = _mm512_max_epu32(_mm512_max_epu32(m[0], m[1]), _mm512_max_epu32(m[2], m[3]));
    _mm512_storeu_si512(lane, m[0]);
    for (size_t j = 0; j < 16; j++) most = lane[j] > most ? lane[j] : most;
    for (; i < n; i++) {
        uint32_t bits = (uint32_t)bits_of(x[i]) & 0x7fffffff;
        most = bits > most ? bits : most;
    }
    memcpy(&result, &most, sizeof result);
    return most < 0x7f800000 ? result : NAN;
}

/* x holds no NaN, lo and hi are magnitudes: floats compare like their bits. A whole vector is
 * stored for every sixteen weights; what is too much of it the next one overwrites. */
size_t pe_magnitude_bracket_avx512(float *mid, size_t *nmid, const float *x, size_t n, float lo,
                                   float hi)
{
    __m512i low = _mm512_set1_epi32(bits_of(lo)), high = _mm512_set1_epi32(bits_of(hi));
    size_t below = 0, at = *nmid, i = 0;
    for (; i + 16 <= n; i += 16) {
        __builtin_prefetch(x + i + PASS_AHEAD);
        __m512i a = magnitude16(bits16(x + i));
        __mmask16 under = _mm512_cmpgt_epi32_mask(low, a);
        __mmask16 in = (__mmask16) ~(_mm512_cmpgt_epi32_mask(a, high) | under);
        below += (size_t)__builtin_popcount(under);
        if (!in) continue;
        _mm512_storeu_si512(mid + at, _mm512_maskz_compress_epi32(in, a));
        at += (size_t)__builtin_popcount(in);
    }
    *nmid = at;
    return below + pe_magnitude_bracket_ref(mid, nmid, x + i, n - i, lo, hi);
}

size_t pe_zero_below_avx512(float *x, size_t n, float t)
{
    __m512 limit = _mm512_set1_ps(t);
    size_t equal = 0, i = 0;
    for (; i + 16 <= n; i += 16) {
        __m512i v = bits16(x + i);
        __builtin_prefetch(x + i + PASS_AHEAD, 1);
        __m512 a = _mm512_castsi512_ps(magnitude16(v));
        __mmask16 keep = (__mmask16)~_mm512_cmp_ps_mask(a, limit, _CMP_LT_OQ);
        _mm512_storeu_si512(x + i, _mm512_maskz_mov_epi32(keep, v));
        equal += (size_t)__builtin_popcount(_mm512_cmp_ps_mask(a, limit, _CMP_EQ_OQ));
    }
    return equal + pe_zero_below_ref(x + i, n - i, t);
}

/* Adds 1 to the rank of each lane that `other` comes before: it is larger, or equal where tie is
 * -1. Magnitudes are not negative, so a - 1 is what "equal or larger" exceeds. */
static inline __m512i outranked(__m512i rank, __m512i a, __m512i other, __m512i tie)
{
    __mmask16 before = _mm512_cmpgt_epi32_mask(other, _mm512_add_epi32(a, tie));
    return _mm512_mask_add_epi32(rank, before, rank, _mm512_set1_epi32(1));
}

/* Groups of 4 or 8 rank their weights by rotations: a rotated lane wins a tie where it comes from a
 * lower index, that is where the rotation wrapped around. */
static inline size_t prune_groups(float *x, size_t n, int keep, const int of)
{
    __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i place = _mm512_and_si512(lane, _mm512_set1_epi32(of - 1));
    __m512i base = _mm512_sub_epi32(lane, place), most = _mm512_set1_epi32(keep);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m512i v = bits16(x + i), a = magnitude16(v), rank = _mm512_setzero_si512();
        __builtin_prefetch(x + i + PASS_AHEAD, 1);
#pragma GCC unroll 7
        for (int step = 1; step < of; step++) {
            __m512i from = _mm512_add_epi32(place, _mm512_set1_epi32(step));
            __mmask16 wrapped = _mm512_cmpgt_epi32_mask(from, _mm512_set1_epi32(of - 1));
            __m512i tie = _mm512_maskz_mov_epi32(wrapped, _mm512_set1_epi32(-1));
            __m512i at = _mm512_add_epi32(base, _mm512_and_si512(from, _mm512_set1_epi32(of - 1)));
            rank = outranked(rank, a, _mm512_permutexvar_epi32(at, a), tie);
        }
        _mm512_storeu_si512(x + i, _mm512_maskz_mov_epi32(_mm512_cmpgt_epi32_mask(most, rank), v));
    }
    return i;
}

void pe_prune_nm_avx512(float *x, size_t n, int keep, int of)
{
    size_t done = of == 4 ? prune_groups(x, n, keep, 4) : of == 8 ? prune_groups(x, n, keep, 8) : 0;
    pe_prune_nm_ref(x + done, n - done, keep, of);
}

static inline size_t zeros16(__m512i v, const size_t elem_nbytes)
{
    __m512i z = _mm512_setzero_si512();
    switch (elem_nbytes) {
    case 1: return (size_t)__builtin_popcountll(_mm512_cmpeq_epi8_mask(v, z));
    case 2: return (size_t)__builtin_popcount(_mm512_cmpeq_epi16_mask(v, z));
    case 4: return (size_t)__builtin_popcount(_mm512_cmpeq_epi32_mask(v, z));
    default: return (size_t)__builtin_popcount(_mm512_cmpeq_epi64_mask(v, z));
    }
}

static inline size_t count_whole(const unsigned char *p, size_t nbytes, const size_t elem_nbytes)
{
    size_t count = 0;
    for (size_t i = 0; i < nbytes; i += 64)
        count += zeros16(_mm512_loadu_si512(p + i), elem_nbytes);
    return count;
}

size_t pe_count_zero_avx512(const void *x, size_t n, size_t elem_nbytes)
{
    const unsigned char *p = x;
    size_t whole = n * elem_nbytes / 64 * 64, count;
    switch (elem_nbytes) { /* a constant for each copy of the loop */
    case 1: count = count_whole(p, whole, 1); break;
    case 2: count = count_whole(p, whole, 2); break;
    case 4: count = count_whole(p, whole, 4); break;
    default: count = count_whole(p, whole, 8);
    }
    return count + pe_count_zero_ref(p + whole, n - whole / elem_nbytes, elem_nbytes);
}
