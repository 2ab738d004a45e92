/* kernels/ref/ref_quantize.c - the meaning of quantizing rows of activations and channels of
 * weights. Read next: kernels/ref/ref_passes.c, kernels/avx2/quantize_avx2.c. */
#include "kernels/variants.h"

#include <math.h>
#include <string.h>

/* Below a vector's max(v, lo): NaN gives lo. */
static float clamp(float v, float lo, float hi)
{
    v = v > lo ? v : lo;
    return v < hi ? v : hi;
}

static void quantize_row(void *arg, size_t t, int worker)
{
    const pe_quantize_call *c = arg;
    const float *x = c->x + t * c->ldx;
    int8_t *q = c->q + t * c->ldq;
    bool dynamic = c->div > 0;
    float scale = dynamic ? pe_absmax_f32_ref(x, c->k) / c->div : c->static_scale;
    float zero = !dynamic && c->zero ? (float)c->static_zero : 0;
    float lo = dynamic ? (c->div > 127 ? -128 : -127) : (c->zero ? -128 : -127);
    (void)worker;
    for (size_t i = 0; i < c->k; i++)
        q[i] = scale > 0 ? (int8_t)clamp(rintf(x[i] / scale) + zero, lo, 127) : 0;
    memset(q + c->k, 0, c->ldq - c->k);
    c->scale[t] = scale;
    if (c->zero) c->zero[t] = (int32_t)zero;
}

void pe_quantize_rows_ref(const pe_quantize_call *c)
{
    pe_pool_run(c->pool, c->m, quantize_row, (void *)c);
}

float pe_absmax_f32_ref(const float *x, size_t n)
{
    float m = 0;
    bool finite = true;
    for (size_t i = 0; i < n; i++) {
        m = fabsf(x[i]) > m ? fabsf(x[i]) : m;
        finite &= isfinite(x[i]) != 0;
    }
    return finite ? m : NAN;
}

void pe_quantize_weights_ref(int8_t *q, const float *x, size_t n, float scale)
{
    for (size_t i = 0; i < n; i++)
        q[i] = scale > 0 ? (int8_t)clamp(rintf(x[i] / scale), -127, 127) : 0;
}
