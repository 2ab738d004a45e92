/* kernels/body/s8_lanes_avx2.h - sixteen 32-bit sums of int8 products in two AVX2 registers.
 * Define S8_GROUP before: 2 = pairs of 16-bit numbers (pmaddwd, exact for every code), 4 = four
 * bytes, unsigned times signed (vpdpbusd of AVX-VNNI). s8_lanes_avx512.h gives the same names.
 * Read next: kernels/body/s8_dense_body.h. */
#ifndef PE_KERNELS_S8_LANES_H
#define PE_KERNELS_S8_LANES_H

#include "kernels/body/v16_avx2.h"

#define S8_PANELS 1 /* panels of 16 outputs side by side: 12 sums of 6 tokens */
#define S8_SUMS   4 /* sums over 1x4 blocks: 8 registers */

V16_INLINE i16 i_zero(void)
{
    return (i16){ _mm256_setzero_si256(), _mm256_setzero_si256() };
}
V16_INLINE i16 i_load(const void *p)
{
    const __m256i *v = p;
    return (i16){ _mm256_load_si256(v), _mm256_load_si256(v + 1) };
}
V16_INLINE void i_store(void *p, i16 a)
{
    __m256i *v = p;
    _mm256_store_si256(v, a.lo);
    _mm256_store_si256(v + 1, a.hi);
}
V16_INLINE i16 i_load_n(const int32_t *p, size_t n)
{
    i16 m = v_mask_n(n);
    return (i16){ _mm256_maskload_epi32(p, m.lo),
                  n > 8 ? _mm256_maskload_epi32(p + 8, m.hi) : _mm256_setzero_si256() };
}
V16_INLINE i16 i_mul(i16 a, i16 b)
{
    return I16_EACH2(_mm256_mullo_epi32, a, b);
}

/* acc + the products of a lane's group. The empty statement keeps GCC from gathering the loads of a
 * whole tile first, which spills the sums. */
V16_INLINE __m256i s8_dot8(__m256i acc, __m256i x, __m256i w)
{
#if S8_GROUP == 2
    acc = _mm256_add_epi32(acc, _mm256_madd_epi16(x, w));
    __asm__ volatile("" : "+x"(acc));
    return acc;
#else
    return _mm256_dpbusd_avx_epi32(acc, x, w);
#endif
}
V16_INLINE i16 i_dot(i16 acc, i16 x, i16 w)
{
    return (i16){ s8_dot8(acc.lo, x.lo, w.lo), s8_dot8(acc.hi, x.hi, w.hi) };
}

/* One group of 16 outputs, as packed. */
V16_INLINE i16 i_weights(const int8_t *p)
{
#if S8_GROUP == 2
    const __m128i *v = (const __m128i *)(const void *)p;
    return (i16){ _mm256_cvtepi8_epi16(_mm_load_si128(v)),
                  _mm256_cvtepi8_epi16(_mm_load_si128(v + 1)) };
#else
    return i_load(p);
#endif
}

/* Sixteen groups of a token's codes as the products want them: pairs without the zero point, or
 * bytes + 128. */
V16_INLINE i16 i_codes(const int8_t *q, int32_t zero)
{
    const __m128i *v = (const __m128i *)(const void *)q;
#if S8_GROUP == 2
    __m256i z = _mm256_set1_epi16((int16_t)zero);
    return (i16){ _mm256_sub_epi16(_mm256_cvtepi8_epi16(_mm_load_si128(v)), z),
                  _mm256_sub_epi16(_mm256_cvtepi8_epi16(_mm_load_si128(v + 1)), z) };
#else
    __m256i flip = _mm256_set1_epi8((char)0x80);
    i16 x = i_load(v);
    (void)zero;
    return (i16){ _mm256_xor_si256(x.lo, flip), _mm256_xor_si256(x.hi, flip) };
#endif
}

V16_INLINE i16 i_xor(i16 a, i16 b)
{
    return I16_EACH2(_mm256_xor_si256, a, b);
}
/* Codes as they are, not yet as the products want their first operand. */
V16_INLINE i16 i_plain(const int8_t *q)
{
    return i_weights(q);
}
/* The low parts of S8_GROUP registers side by side in each lane. */
V16_INLINE __m256i i_join8(const __m256i c[S8_GROUP])
{
#if S8_GROUP == 2
    return _mm256_blend_epi16(c[0], _mm256_slli_epi32(c[1], 16), 0xaa);
#else
    __m256i lo = _mm256_blend_epi16(c[0], _mm256_slli_epi32(c[2], 16), 0xaa);
    __m256i hi = _mm256_blend_epi16(c[1], _mm256_slli_epi32(c[3], 16), 0xaa);
    return _mm256_or_si256(_mm256_and_si256(lo, _mm256_set1_epi16(0xff)), _mm256_slli_epi16(hi, 8));
#endif
}
V16_INLINE i16 i_join(const i16 c[S8_GROUP])
{
    __m256i lo[S8_GROUP], hi[S8_GROUP];
    for (int i = 0; i < S8_GROUP; i++) lo[i] = c[i].lo, hi[i] = c[i].hi;
    return (i16){ i_join8(lo), i_join8(hi) };
}
/* Sixteen numbers of 0..255 (or, in pairs, -32768..32767) as a first operand. */
V16_INLINE void i_store_operand(void *p, i16 a)
{
    __m256i pairs = _mm256_packs_epi32(a.lo, a.hi); /* in 128-bit halves: 0-3 8-11, 4-7 12-15 */
#if S8_GROUP == 2
    _mm256_storeu_si256((__m256i *)p, _mm256_permute4x64_epi64(pairs, 0xd8));
#else
    __m128i bytes =
        _mm_packus_epi16(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
    _mm_storeu_si128((__m128i *)p, _mm_shuffle_epi32(bytes, 0xd8));
#endif
}

V16_INLINE void i_transpose8(__m256i v[8])
{
    __m256i t[8];
    for (int i = 0; i < 4; i++) {
        t[2 * i] = _mm256_unpacklo_epi32(v[2 * i], v[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_epi32(v[2 * i], v[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++) {
        v[4 * i] = _mm256_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        v[4 * i + 1] = _mm256_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        v[4 * i + 2] = _mm256_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        v[4 * i + 3] = _mm256_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm256_permute2x128_si256(v[i], v[i + 4], 0x20);
        t[i + 4] = _mm256_permute2x128_si256(v[i], v[i + 4], 0x31);
    }
    for (int i = 0; i < 8; i++) v[i] = t[i];
}

/* Row i of v becomes column i. */
V16_INLINE void i_transpose(i16 v[16])
{
    __m256i a[8], b[8], c[8], d[8];
    for (int i = 0; i < 8; i++) {
        a[i] = v[i].lo;
        b[i] = v[i + 8].lo;
        c[i] = v[i].hi;
        d[i] = v[i + 8].hi;
    }
    i_transpose8(a);
    i_transpose8(b);
    i_transpose8(c);
    i_transpose8(d);
    for (int i = 0; i < 8; i++) {
        v[i] = (i16){ a[i], b[i] };
        v[i + 8] = (i16){ c[i], d[i] };
    }
}

#endif
