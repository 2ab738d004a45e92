/* kernels/avx512/s8_dense_avx512.c - dense int8 products with pmaddwd of AVX-512.
 * Read next: kernels/body/s8_dense_body.h. */
#define S8_GROUP 2
#include "kernels/body/s8_lanes_avx512.h"

#include "kernels/body/s8_dense_body.h"
#include "kernels/variants.h"

const pe_linear_form pe_s8_dense_avx512 = S8_DENSE_FORM;
