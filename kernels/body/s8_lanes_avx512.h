/* kernels/body/s8_lanes_avx512.h - sixteen 32-bit sums of int8 products in one AVX-512 register,
 * with the names of s8_lanes_avx2.h. S8_GROUP 2 needs AVX512BW, 4 (vpdpbusd) needs VNNI. Read
 * next: kernels/body/s8_dense_body.h. */
#ifndef PE_KERNELS_S8_LANES_H
#define PE_KERNELS_S8_LANES_H

#include "kernels/body/v16_avx512.h"

#define S8_PANELS 4 /* 64 outputs by 6 tokens: 24 sums */
/* Sums over 1x4 blocks in registers: vpdpbusd takes long to give one, two of them start every
 * cycle. */
#define S8_SUMS 8

V16_INLINE i16 i_zero(void)
{
    return (i16)_mm512_setzero_si512();
}
V16_INLINE i16 i_load(const void *p)
{
    return (i16)_mm512_load_si512(p);
}
V16_INLINE void i_store(void *p, i16 a)
{
    _mm512_store_si512(p, (__m512i)a);
}
V16_INLINE i16 i_load_n(const int32_t *p, size_t n)
{
    return v_as_int(v_load_n((const float *)(const void *)p, n));
}
V16_INLINE i16 i_mul(i16 a, i16 b)
{
    return (i16)_mm512_mullo_epi32((__m512i)a, (__m512i)b);
}

V16_INLINE i16 i_dot(i16 acc, i16 x, i16 w)
{
#if S8_GROUP == 2
    return i_add(acc, (i16)_mm512_madd_epi16((__m512i)x, (__m512i)w));
#else
    return (i16)_mm512_dpbusd_epi32((__m512i)acc, (__m512i)x, (__m512i)w);
#endif
}

V16_INLINE i16 i_weights(const int8_t *p)
{
#if S8_GROUP == 2
    return (i16)_mm512_cvtepi8_epi16(_mm256_load_si256((const __m256i *)(const void *)p));
#else
    return i_load(p);
#endif
}

V16_INLINE i16 i_codes(const int8_t *q, int32_t zero)
{
#if S8_GROUP == 2
    return (i16)_mm512_sub_epi16((__m512i)i_weights(q), _mm512_set1_epi16((int16_t)zero));
#else
    (void)zero;
    return i_load(q) ^ (i16)_mm512_set1_epi8((char)0x80);
#endif
}

V16_INLINE i16 i_xor(i16 a, i16 b)
{
    return a ^ b;
}
/* Codes as they are, not yet as the products want their first operand. */
V16_INLINE i16 i_plain(const int8_t *q)
{
    return i_weights(q);
}
/* The low parts of S8_GROUP registers side by side in each lane. */
V16_INLINE i16 i_low(i16 a, int mask, const unsigned shift)
{
    return (i16)_mm512_slli_epi32(_mm512_and_si512((__m512i)a, _mm512_set1_epi32(mask)), shift);
}
V16_INLINE i16 i_join(const i16 c[S8_GROUP])
{
#if S8_GROUP == 2
    return i_low(c[0], 0xffff, 0) | i_low(c[1], 0xffff, 16);
#else
    return i_low(c[0], 0xff, 0) | i_low(c[1], 0xff, 8) | i_low(c[2], 0xff, 16) |
           i_low(c[3], 0xff, 24);
#endif
}
/* Sixteen numbers of 0..255 (or, in pairs, -32768..32767) as a first operand. */
V16_INLINE void i_store_operand(void *p, i16 a)
{
#if S8_GROUP == 2
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16((__m512i)a));
#else
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8((__m512i)a));
#endif
}

V16_INLINE void i_transpose(i16 v[16])
{
    __m512i t[16], r[16];
    for (int i = 0; i < 16; i++) r[i] = (__m512i)v[i];
    for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 4; i++) {
        r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
        r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
    }
    for (int i = 0; i < 16; i++) v[i] = (i16)r[i];
}

#endif
