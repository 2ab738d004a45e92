/* kernels/avx512/quantize_avx512.c - codes of activations and weights with AVX-512.
 * Read next: kernels/body/quantize_body.h. */
#include "kernels/body/v16_avx512.h"

#include "kernels/body/quantize_body.h"
#include "kernels/variants.h"

void pe_quantize_rows_avx512(const pe_quantize_call *c)
{
    quantize_rows_run(c);
}

void pe_quantize_weights_avx512(int8_t *q, const float *x, size_t n, float scale)
{
    quantize_weights_run(q, x, n, scale);
}
