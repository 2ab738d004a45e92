/* kernels/avx2/f32_dense_avx2.c - dense f32 linear layers at this level.
 * Read next: kernels/body/gemm_body.h, where the work is. */
#include "kernels/body/v16_avx2.h"

#include "kernels/body/gemm_body.h"
#include "kernels/variants.h"

const pe_linear_form pe_f32_dense_avx2 = { gemm_packed_nbytes, gemm_pack, gemm_scratch_nbytes,
                                           gemm_run };
