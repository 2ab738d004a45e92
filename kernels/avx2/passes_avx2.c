/* kernels/avx2/passes_avx2.c - pruning by magnitude and counting zeros at the speed of memory.
 * Magnitudes are compared as the integers of their bits: the same order, NaN above all.
 * Read next: kernels/ref/ref_passes.c. */
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "kernels/variants.h"

/* Weights between those that a pass computes on and those it asks for: what the hardware fetches by
 * itself comes too late for loops with so many instructions a vector. */
enum { PASS_AHEAD = 512 };

/* Comparisons of floats, so that NaN is neither below, nor inside, nor equal. */
typedef struct bounds {
    __m256 mask, lo, hi;
} bounds;

static inline __m256 magnitude8(const float *x, const bounds *b)
{
    return _mm256_and_ps(_mm256_loadu_ps(x), b->mask);
}

static inline unsigned inside(__m256 a, const bounds *b)
{
    __m256 in =
        _mm256_and_ps(_mm256_cmp_ps(a, b->lo, _CMP_GE_OQ), _mm256_cmp_ps(a, b->hi, _CMP_LE_OQ));
    return (unsigned)_mm256_movemask_ps(in);
}

static inline size_t below(__m256 a, const bounds *b)
{
    return (size_t)__builtin_popcount(
        (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, b->lo, _CMP_LT_OQ)));
}

/* The middle is a small share of the weights, so its lanes are copied one by one. */
static size_t append(float *mid, size_t found, __m256 a, unsigned lanes)
{
    float lane[8];
    _mm256_storeu_ps(lane, a);
    for (; lanes; lanes &= lanes - 1) mid[found++] = lane[__builtin_ctz(lanes)];
    return found;
}

size_t pe_magnitude_bracket_avx2(float *mid, size_t *nmid, const float *x, size_t n, float lo,
                                 float hi)
{
    bounds b = { _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff)), _mm256_set1_ps(lo),
                 _mm256_set1_ps(hi) };
    size_t count = 0, found = *nmid, i = 0;
    for (; i + 32 <= n; i += 32) {
        __builtin_prefetch(x + i + PASS_AHEAD);
        __m256 a[4];
        unsigned in[4];
        for (size_t j = 0; j < 4; j++) {
            a[j] = magnitude8(x + i + 8 * j, &b);
            in[j] = inside(a[j], &b);
            count += below(a[j], &b);
        }
        if (!(in[0] | in[1] | in[2] | in[3])) continue;
        for (size_t j = 0; j < 4; j++) found = append(mid, found, a[j], in[j]);
    }
    *nmid = found;
    return count + pe_magnitude_bracket_ref(mid, nmid, x + i, n - i, lo, hi);
}

size_t pe_zero_below_avx2(float *x, size_t n, float t)
{
    bounds b = { _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff)), _mm256_set1_ps(t),
                 _mm256_set1_ps(t) };
    size_t equal = 0, i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 v = _mm256_loadu_ps(x + i), a = _mm256_and_ps(v, b.mask);
        __builtin_prefetch(x + i + PASS_AHEAD, 1);
        _mm256_storeu_ps(x + i, _mm256_andnot_ps(_mm256_cmp_ps(a, b.lo, _CMP_LT_OQ), v));
        equal += (size_t)__builtin_popcount(
            (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, b.lo, _CMP_EQ_OQ)));
    }
    return equal + pe_zero_below_ref(x + i, n - i, t);
}

/* Adds 1 to the rank of each lane whose rotation by `step` within its group comes before it: is
 * larger, or equal where tie is -1. Magnitudes are not negative, so a - 1 is what "equal or
 * larger" exceeds. */
static inline __m256i outranked(__m256i rank, __m256i a, __m256i other, __m256i tie)
{
    return _mm256_sub_epi32(rank, _mm256_cmpgt_epi32(other, _mm256_add_epi32(a, tie)));
}

static inline __m256i keep_mask(__m256i rank, int keep)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(keep), rank);
}

/* Groups of four lie in the halves of a vector: three rotations rank them all. A rotated lane
 * wins a tie where it comes from a lower index, that is where the rotation wrapped around. */
static size_t prune_of4(float *x, size_t n, int keep)
{
    __m256i mask = _mm256_set1_epi32(0x7fffffff);
    __m256i tie1 = _mm256_setr_epi32(0, 0, 0, -1, 0, 0, 0, -1),
            tie2 = _mm256_setr_epi32(0, 0, -1, -1, 0, 0, -1, -1);
    __m256i tie3 = _mm256_setr_epi32(0, -1, -1, -1, 0, -1, -1, -1);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i v = _mm256_loadu_si256((const void *)(x + i)), a = _mm256_and_si256(v, mask);
        __builtin_prefetch(x + i + PASS_AHEAD, 1);
        __m256i rank = outranked(_mm256_setzero_si256(), a, _mm256_shuffle_epi32(a, 0x39), tie1);
        rank = outranked(rank, a, _mm256_shuffle_epi32(a, 0x4e), tie2);
        rank = outranked(rank, a, _mm256_shuffle_epi32(a, 0x93), tie3);
        _mm256_storeu_si256((void *)(x + i), _mm256_and_si256(v, keep_mask(rank, keep)));
    }
    return i;
}

static size_t prune_of8(float *x, size_t n, int keep)
{
    __m256i mask = _mm256_set1_epi32(0x7fffffff), lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i v = _mm256_loadu_si256((const void *)(x + i)), a = _mm256_and_si256(v, mask);
        __builtin_prefetch(x + i + PASS_AHEAD, 1);
        __m256i rank = _mm256_setzero_si256();
#pragma GCC unroll 7
        for (int step = 1; step < 8; step++) {
            __m256i from = _mm256_add_epi32(lane, _mm256_set1_epi32(step));
            __m256i wrapped = _mm256_cmpgt_epi32(from, _mm256_set1_epi32(7));
            rank =
                outranked(rank, a, _mm256_permutevar8x32_epi32(a, from), wrapped); /* index mod 8 */
        }
        _mm256_storeu_si256((void *)(x + i), _mm256_and_si256(v, keep_mask(rank, keep)));
    }
    return i;
}

void pe_prune_nm_avx2(float *x, size_t n, int keep, int of)
{
    size_t done = of == 4 ? prune_of4(x, n, keep) : of == 8 ? prune_of8(x, n, keep) : 0;
    pe_prune_nm_ref(x + done, n - done, keep, of);
}

static inline size_t zero_bytes(__m256i v, size_t elem_nbytes)
{
    __m256i z = _mm256_setzero_si256();
    __m256i eq = elem_nbytes == 1   ? _mm256_cmpeq_epi8(v, z)
                 : elem_nbytes == 2 ? _mm256_cmpeq_epi16(v, z)
                 : elem_nbytes == 4 ? _mm256_cmpeq_epi32(v, z)
                                    : _mm256_cmpeq_epi64(v, z);
    return (size_t)__builtin_popcount((unsigned)_mm256_movemask_epi8(eq));
}

static inline size_t count_whole(const unsigned char *p, size_t nbytes, size_t elem_nbytes)
{
    size_t bytes = 0;
    for (size_t i = 0; i < nbytes; i += 64) {
        bytes += zero_bytes(_mm256_loadu_si256((const void *)(p + i)), elem_nbytes);
        bytes += zero_bytes(_mm256_loadu_si256((const void *)(p + i + 32)), elem_nbytes);
    }
    return bytes / elem_nbytes;
}

size_t pe_count_zero_avx2(const void *x, size_t n, size_t elem_nbytes)
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

/* As integers without the sign, NaN and Inf are above every finite number. */
float pe_absmax_f32_avx2(const float *x, size_t n)
{
    __m256i mask = _mm256_set1_epi32(0x7fffffff), m[4];
    uint32_t lane[8], most = 0;
    float result;
    size_t i = 0;
    for (size_t j = 0; j < 4; j++) m[j] = _mm256_setzero_si256();
    for (; i + 32 <= n; i += 32)
        for (size_t j = 0; j < 4; j++) {
            __m256i v = _mm256_loadu_si256((const void *)(x + i + 8 * j));
            m[j] = _mm256_max_epu32(m[j], _mm256_and_si256(v, mask));
        }
    m[0] = _mm256_max_epu32(_mm256_max_epu32(m[0], m[1]), _mm256_max_epu32(m[2], m[3]));
    _mm256_storeu_si256((void *)lane, m[0]);
    for (size_t j = 0; j < 8; j++) most = lane[j] > most ? lane[j] : most;
    for (; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bits &= 0x7fffffff;
        most = bits > most ? bits : most;
    }
    memcpy(&result, &most, sizeof result);
    return most < 0x7f800000 ? result : NAN;
}
