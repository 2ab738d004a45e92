/* kernels/avx512/f32_csr_avx512.c - f32 CSR linear layers at this level.
 * Read next: kernels/body/csr_body.h, where the work is. */
#include "kernels/body/v16_avx512.h"

#include "kernels/body/csr_body.h"
#include "kernels/variants.h"

const pe_linear_form pe_f32_csr_avx512 = { pe_csr_nbytes, pe_csr_pack, csr_scratch_nbytes,
                                           csr_run };
