/* kernels/avx2/s8_block4_avx2.c - sparse int8 products over 1x4 blocks, and pairs of them, with
 * pmaddwd. Read next: kernels/body/s8_block4_body.h, s8_pair_body.h. */
#define S8_GROUP 2
#include "kernels/body/s8_lanes_avx2.h"

#include "kernels/body/s8_pair_body.h"
#include "kernels/variants.h"

const pe_linear_form pe_s8_block4_avx2 = S8_BLOCK4_FORM;

size_t pe_s8_block4_pair_scratch_avx2(size_t m, size_t k, size_t mid, size_t n, int nthreads)
{
    return s8_pair_scratch(m, k, mid, n, nthreads);
}
void pe_s8_block4_pair_avx2(const pe_pair_call *c)
{
    s8_pair_run(c);
}
