/* kernels/vnni/s8_block4_vnni.c - sparse int8 products over 1x4 blocks with vpdpbusd.
 * Read next: kernels/body/s8_block4_body.h. */
#define S8_GROUP 4
#include "kernels/body/s8_lanes_avx512.h"

#include "kernels/body/s8_block4_body.h"
#include "kernels/variants.h"

const pe_linear_form pe_s8_block4_vnni = S8_BLOCK4_FORM;
