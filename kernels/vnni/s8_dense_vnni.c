/* kernels/vnni/s8_dense_vnni.c - dense int8 products with vpdpbusd of AVX512-VNNI.
 * Read next: kernels/body/s8_dense_body.h. */
#define S8_GROUP 4
#include "kernels/body/s8_lanes_avx512.h"

#include "kernels/body/s8_dense_body.h"
#include "kernels/variants.h"

const pe_linear_form pe_s8_dense_vnni = S8_DENSE_FORM;
