/* kernels/avx512/attention_s8_avx512.c - attention between int8 codes with pmaddwd of AVX-512.
 * Read next: kernels/body/attention_s8_body.h, where the work is. */
#define S8_GROUP 2
#include "kernels/body/s8_lanes_avx512.h"

#include "kernels/body/attention_s8_body.h"
#include "kernels/variants.h"

size_t pe_attention_s8_scratch_avx512(size_t longest, size_t head_dim, int nthreads)
{
    return attention_s8_scratch_nbytes(longest, head_dim, nthreads);
}
void pe_attention_s8_avx512(const pe_attention_call *c)
{
    attention_s8_run(c);
}
