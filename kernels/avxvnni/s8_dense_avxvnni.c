/* kernels/avxvnni/s8_dense_avxvnni.c - dense int8 products with vpdpbusd of AVX-VNNI.
 * Read next: kernels/body/s8_dense_body.h. */
#define S8_GROUP 4
#include "kernels/body/s8_lanes_avx2.h"

#include "kernels/body/s8_dense_body.h"
#include "kernels/variants.h"

const pe_linear_form pe_s8_dense_avxvnni = S8_DENSE_FORM;
