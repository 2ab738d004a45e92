/* kernels/avx2/s8_bitmask_avx2.c - bitmask products: a table of 256 shuffles puts eight codes in
 * their places. Read next: kernels/body/s8_bitmask_body.h. */
#define S8_GROUP 2
#include "kernels/body/s8_lanes_avx2.h"

#define BM_PARTS  4
#define BM_TOKENS 2
typedef __m256i bm_vec;
typedef __m256i bm_acc;

/* Byte j of entry m: how many bits of m are set below j if bit j is, else 0x80 (the shuffle's
 * zero). */
#define BELOW(m, j)                                                                   \
    (((m) >> 0 & 1 & (j > 0)) + ((m) >> 1 & 1 & (j > 1)) + ((m) >> 2 & 1 & (j > 2)) + \
     ((m) >> 3 & 1 & (j > 3)) + ((m) >> 4 & 1 & (j > 4)) + ((m) >> 5 & 1 & (j > 5)) + \
     ((m) >> 6 & 1 & (j > 6)))
#define BYTE(m, j) (uint64_t)((m) >> j & 1 ? BELOW(m, j) : 0x80) << 8 * j
#define ENTRY(m)                                                                               \
    BYTE(m, 0) | BYTE(m, 1) | BYTE(m, 2) | BYTE(m, 3) | BYTE(m, 4) | BYTE(m, 5) | BYTE(m, 6) | \
        BYTE(m, 7)
#define FOUR(m)      ENTRY(m), ENTRY((m) + 1), ENTRY((m) + 2), ENTRY((m) + 3)
#define SIXTEEN(m)   FOUR(m), FOUR((m) + 4), FOUR((m) + 8), FOUR((m) + 12)
#define SIXTYFOUR(m) SIXTEEN(m), SIXTEEN((m) + 16), SIXTEEN((m) + 32), SIXTEEN((m) + 48)
static const uint64_t places[256] = { SIXTYFOUR(0), SIXTYFOUR(64), SIXTYFOUR(128), SIXTYFOUR(192) };

V16_INLINE bm_acc bm_zero(void)
{
    return _mm256_setzero_si256();
}

/* Codes 16 * part .. + 15 of a word: eight and eight, the second half counted from byte 8 on. */
V16_INLINE bm_vec bm_expand(const int8_t **values, uint64_t mask, int part)
{
    unsigned m = (unsigned)(mask >> 16 * part) & 0xffff;
    const int8_t *second = *values + __builtin_popcount(m & 0xff);
    __m128i v = _mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i *)(const void *)*values),
                                   _mm_loadl_epi64((const __m128i *)(const void *)second));
    __m128i place =
        _mm_set_epi64x((int64_t)(places[m >> 8] | 0x0808080808080808), (int64_t)places[m & 0xff]);
    *values = second + __builtin_popcount(m >> 8);
    return _mm256_cvtepi8_epi16(_mm_shuffle_epi8(v, place));
}

V16_INLINE bm_acc bm_dot(bm_acc acc, const char *x, bm_vec w)
{
    return s8_dot8(acc, _mm256_load_si256((const __m256i *)(const void *)x), w);
}

V16_INLINE int32_t bm_sum(bm_acc acc)
{
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(acc), _mm256_extracti128_si256(acc, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

#include "kernels/body/s8_bitmask_body.h"
#include "kernels/variants.h"

const pe_linear_form pe_s8_bitmask_avx2 = S8_BITMASK_FORM;
