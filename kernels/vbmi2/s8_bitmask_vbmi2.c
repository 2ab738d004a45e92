/* kernels/vbmi2/s8_bitmask_vbmi2.c - bitmask products: vpexpandb puts 64 codes in their places.
 * Read next: kernels/body/s8_bitmask_body.h. */
#define S8_GROUP 4
#include "kernels/body/s8_lanes_avx512.h"

#define BM_PARTS  1
#define BM_TOKENS 4
typedef i16 bm_vec;
typedef i16 bm_acc;

V16_INLINE bm_acc bm_zero(void)
{
    return i_zero();
}

V16_INLINE bm_vec bm_expand(const int8_t **values, uint64_t mask, int part)
{
    bm_vec w = (i16)_mm512_maskz_expand_epi8(mask, _mm512_loadu_si512(*values));
    (void)part;
    *values += __builtin_popcountll(mask);
    return w;
}

V16_INLINE bm_acc bm_dot(bm_acc acc, const char *x, bm_vec w)
{
    return i_dot(acc, i_load(x), w);
}

V16_INLINE int32_t bm_sum(bm_acc acc)
{
    __m256i a = _mm256_add_epi32(_mm512_castsi512_si256((__m512i)acc),
                                 _mm512_extracti64x4_epi64((__m512i)acc, 1));
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

#include "kernels/body/s8_bitmask_body.h"
#include "kernels/variants.h"

const pe_linear_form pe_s8_bitmask_vbmi2 = S8_BITMASK_FORM;
