/* kernels/avx2/attention_avx2.c - attention at this level.
 * Read next: kernels/body/attention_body.h, where the work is. */
#include "kernels/body/v16_avx2.h"

#include <string.h>

#include "kernels/body/attention_body.h"
#include "kernels/variants.h"

size_t pe_attention_scratch_avx2(size_t longest, size_t head_dim, int nthreads)
{
    return attention_scratch_nbytes(longest, head_dim, nthreads);
}
void pe_attention_avx2(const pe_attention_call *c)
{
    attention_run(c);
}
