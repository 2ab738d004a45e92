/* kernels/avx512/s8_block4_avx512.c - sparse int8 products over 1x4 blocks with pmaddwd.
 * Read next: kernels/body/s8_block4_body.h. */
#define S8_GROUP 2
#include "kernels/body/s8_lanes_avx512.h"

#include "kernels/body/s8_block4_body.h"
#include "kernels/variants.h"

const pe_linear_form pe_s8_block4_avx512 = S8_BLOCK4_FORM;
