/* kernels/ref/ref_map.c - element by element: activations, the finite check, widening of bf16 and
 * f16. Read next: kernels/ref/ref_math.h. */
#include <stdatomic.h>

#include "kernels/ref/ref_math.h"
#include "kernels/variants.h"

enum { CHUNK = 4096 };

typedef struct act_work {
    float *x;
    size_t n;
    pe_act act;
} act_work;

static void act_chunk(void *arg, size_t index, int worker)
{
    const act_work *w = arg;
    size_t end = (index + 1) * CHUNK < w->n ? (index + 1) * CHUNK : w->n;
    (void)worker;
    for (size_t i = index * CHUNK; i < end; i++) w->x[i] = ref_act(w->x[i], w->act);
}

void pe_activate_ref(float *x, size_t n, pe_act act, pe_pool *pool)
{
    act_work w = { x, n, act };
    pe_pool_run(pool, (n + CHUNK - 1) / CHUNK, act_chunk, &w);
}

typedef struct finite_work {
    const float *x;
    size_t n;
    atomic_bool bad;
} finite_work;

static void finite_chunk(void *arg, size_t index, int worker)
{
    finite_work *w = arg;
    size_t end = (index + 1) * CHUNK < w->n ? (index + 1) * CHUNK : w->n;
    (void)worker;
    for (size_t i = index * CHUNK; i < end; i++)
        if (!isfinite(w->x[i])) atomic_store_explicit(&w->bad, true, memory_order_relaxed);
}

bool pe_all_finite_ref(const float *x, size_t n, pe_pool *pool)
{
    finite_work w = { .x = x, .n = n };
    pe_pool_run(pool, (n + CHUNK - 1) / CHUNK, finite_chunk, &w);
    return !atomic_load(&w.bad);
}

void pe_bf16_to_f32_ref(float *y, const uint16_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = ref_float((uint32_t)x[i] << 16);
}

/* Exact; a signalling NaN becomes quiet, as the conversion instruction does. */
static float widen_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exp = h >> 10 & 31, frac = h & 1023;
    if (exp == 31) return ref_float(sign | 0x7f800000u | (frac ? 0x400000u | frac << 13 : 0));
    if (exp) return ref_float(sign | (exp + 112) << 23 | frac << 13);
    return ref_float(sign | ref_bits((float)frac * 0x1p-24f));
}

void pe_f16_to_f32_ref(float *y, const uint16_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = widen_f16(x[i]);
}
