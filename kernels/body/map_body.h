/* kernels/body/map_body.h - element by element: activations, the finite check, widening of bf16 and
 * f16. Include a v16_*.h first. Read next: kernels/body/v16_math.h. */
#ifndef PE_KERNELS_MAP_BODY_H
#define PE_KERNELS_MAP_BODY_H

#include <stdatomic.h>
#include <string.h>

#include "kernels/body/v16_math.h"

enum { MAP_CHUNK = 16384 }; /* elements of a task: 64 KiB, some microseconds */

typedef struct act_work {
    float *x;
    size_t n;
    pe_act act;
} act_work;

static size_t map_count(size_t n, size_t index)
{
    size_t left = n - index * MAP_CHUNK;
    return left < MAP_CHUNK ? left : MAP_CHUNK;
}

static void act_task(void *arg, size_t index, int worker)
{
    const act_work *w = arg;
    float *x = w->x + index * MAP_CHUNK;
    size_t n = map_count(w->n, index);
    (void)worker;
    switch (w->act) {
    case PE_ACT_NONE: break;
    case PE_ACT_GELU_ERF: v_act_row(x, n, PE_ACT_GELU_ERF); break;
    case PE_ACT_GELU_CODES: v_act_row(x, n, PE_ACT_GELU_CODES); break;
    case PE_ACT_GELU_TANH: v_act_row(x, n, PE_ACT_GELU_TANH); break;
    case PE_ACT_RELU: v_act_row(x, n, PE_ACT_RELU); break;
    case PE_ACT_TANH: v_act_row(x, n, PE_ACT_TANH); break;
    }
}

static void act_run(float *x, size_t n, pe_act act, pe_pool *pool)
{
    act_work w = { x, n, act };
    pe_pool_run(pool, (n + MAP_CHUNK - 1) / MAP_CHUNK, act_task, &w);
}

typedef struct finite_work {
    const float *x;
    size_t n;
    atomic_bool bad;
} finite_work;

static void finite_task(void *arg, size_t index, int worker)
{
    finite_work *w = arg;
    const float *x = w->x + index * MAP_CHUNK;
    size_t n = map_count(w->n, index);
    bool bad = false;
    (void)worker;
    for (; n >= 16 && !bad; n -= 16, x += 16) bad = v_any_nonfinite(v_load(x));
    if (n && n < 16) bad = bad || v_any_nonfinite(v_load_n(x, n));
    if (bad) atomic_store_explicit(&w->bad, true, memory_order_relaxed);
}

static bool finite_run(const float *x, size_t n, pe_pool *pool)
{
    finite_work w = { .x = x, .n = n };
    pe_pool_run(pool, (n + MAP_CHUNK - 1) / MAP_CHUNK, finite_task, &w);
    return !atomic_load(&w.bad);
}

static void widen_bf16(float *y, const uint16_t *x, size_t n)
{
    for (; n >= 16; n -= 16, x += 16, y += 16) v_store(y, v_as_float(i_shl16(i_load_u16(x))));
    for (; n; n--, x++, y++) {
        uint32_t bits = (uint32_t)*x << 16;
        memcpy(y, &bits, sizeof bits);
    }
}

static void widen_f16(float *y, const uint16_t *x, size_t n)
{
    for (; n >= 16; n -= 16, x += 16, y += 16) v_store(y, v_load_f16(x));
    if (n) {
        uint16_t last[16] = { 0 };
        memcpy(last, x, n * sizeof *x);
        v_store_n(y, v_load_f16(last), n);
    }
}

#endif
