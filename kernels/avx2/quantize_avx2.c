/* kernels/avx2/quantize_avx2.c - codes of activations and weights with AVX2.
 * Read next: kernels/body/quantize_body.h. */
#include "kernels/body/v16_avx2.h"

#include "kernels/body/quantize_body.h"
#include "kernels/variants.h"

void pe_quantize_rows_avx2(const pe_quantize_call *c)
{
    quantize_rows_run(c);
}

void pe_quantize_weights_avx2(int8_t *q, const float *x, size_t n, float scale)
{
    quantize_weights_run(q, x, n, scale);
}
