/* kernels/avx2/s8_dense_avx2.c - dense int8 products with pmaddwd. The abs/sign trick with
 * pmaddubsw would need as many multiplier slots and is not exact for -128. Read next:
 * kernels/body/s8_dense_body.h. */
#define S8_GROUP 2
#include "kernels/body/s8_lanes_avx2.h"

#include "kernels/body/s8_dense_body.h"
#include "kernels/variants.h"

const pe_linear_form pe_s8_dense_avx2 = S8_DENSE_FORM;
