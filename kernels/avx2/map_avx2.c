/* kernels/avx2/map_avx2.c - activations, the finite check and widening at this level.
 * Read next: kernels/body/map_body.h, where the work is. */
#include "kernels/body/v16_avx2.h"

#include "kernels/body/map_body.h"
#include "kernels/variants.h"

void pe_activate_avx2(float *x, size_t n, pe_act act, pe_pool *pool)
{
    act_run(x, n, act, pool);
}
bool pe_all_finite_avx2(const float *x, size_t n, pe_pool *pool)
{
    return finite_run(x, n, pool);
}
void pe_bf16_to_f32_avx2(float *y, const uint16_t *x, size_t n)
{
    widen_bf16(y, x, n);
}
void pe_f16_to_f32_avx2(float *y, const uint16_t *x, size_t n)
{
    widen_f16(y, x, n);
}
