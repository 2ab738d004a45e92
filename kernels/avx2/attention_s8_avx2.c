/* kernels/avx2/attention_s8_avx2.c - attention between int8 codes with pmaddwd.
 * Read next: kernels/body/attention_s8_body.h, where the work is. */
#define S8_GROUP 2
#include "kernels/body/s8_lanes_avx2.h"

#include "kernels/body/attention_s8_body.h"
#include "kernels/variants.h"

size_t pe_attention_s8_scratch_avx2(size_t longest, size_t head_dim, int nthreads)
{
    return attention_s8_scratch_nbytes(longest, head_dim, nthreads);
}
void pe_attention_s8_avx2(const pe_attention_call *c)
{
    attention_s8_run(c);
}
