/* tests/emu/kernels/test_op_quantize.c - codes of rows of activations: the bits of the reference,
 * also for rows that are not finite. Read next: tests/emu/kernels/image.h. */
#include <math.h>
#include <stdlib.h>

#include "lib/base/checked.h"
#include "tests/emu/kernels/image.h"

static pe_kernels ref;

typedef enum rows { ORDINARY, TIES, TINY, HUGE_ONES, NOT_FINITE, NROWS } rows;

/* Values that lie on and beside the borders between two codes of a row whose maximum is 127 * unit.
 */
static float near_tie(pe_rng *r, float unit)
{
    float x = ((float)pe_rng_below(r, 254) - 127.0f + 0.5f) * unit;
    uint32_t kind = pe_rng_below(r, 4);
    return kind == 0 ? nextafterf(x, 1e30f) : kind == 1 ? nextafterf(x, -1e30f) : x;
}

static float value_of(pe_rng *r, rows kind, float unit)
{
    switch (kind) {
    case TIES: return near_tie(r, unit);
    case TINY: return (float)(2 * pe_rng_unit(r) - 1) * 1e-43f;
    case HUGE_ONES: return (float)(2 * pe_rng_unit(r) - 1) * 3e38f;
    default: return odd_float(r);
    }
}

/* Rows of every kind; the tie rows hold their maximum, and one row of each problem is all zero. */
static void fill(float *x, pe_rng *r, size_t m, size_t k, size_t ldx, bool finite)
{
    for (size_t t = 0; t < m; t++) {
        rows kind = (rows)pe_rng_below(r, finite ? NOT_FINITE : NROWS);
        float unit = ldexpf(1.0f, (int)pe_rng_below(r, 240) - 120);
        for (size_t i = 0; i < k; i++) x[t * ldx + i] = t % 7 == 6 ? 0.0f : value_of(r, kind, unit);
        if (!k) continue;
        size_t at = t * ldx + pe_rng_below(r, (uint32_t)k);
        if (kind == TIES) x[at] = 127 * unit;
        if (kind == NOT_FINITE) x[at] = (float[]){ NAN, INFINITY, -INFINITY }[t % 3];
    }
}

typedef struct shape {
    size_t m, k, ldx_more, ldq_more, off, qoff; /* off: bytes */
} shape;

static void check(pe_rng *r, const shape *s, const pe_quantize_call *how, bool zeros)
{
    size_t ldx = s->k + s->ldx_more, ldq = pe_round_up(s->k, 64) + s->ldq_more;
    float *x = host_new((s->m * ldx + 1) * sizeof *x);
    fill(x, r, s->m, s->k, ldx, false);
    image q = image_of(NULL, s->m * ldq, s->qoff), scale = image_of(NULL, s->m * 4, 0),
          zero = image_of(NULL, s->m * 4, 0);
    pe_quantize_call h = *how, c;
    h.x = x, h.ldx = ldx, h.ldq = ldq, h.m = s->m, h.k = s->k;
    c = h;
    h.q = q.host, h.scale = scale.host, h.zero = zeros ? zero.host : NULL;
    c.q = q.dev, c.scale = scale.dev, c.zero = zeros ? zero.dev : NULL;
    size_t n = s->m && s->k ? (s->m - 1) * ldx + s->k : 0;
    c.x = floats_at(x, n, s->off);
    ref.quantize_rows(&h);
    DEV(pe_cu_quantize_rows(&c, NULL));
    image_same(&q, "codes");
    image_same(&scale, "scales");
    image_same(&zero, "zero points");
    free(x);
    dev_drop_all();
}

/* 384, 1024 and 4096 columns are where the kernel changes its way. */
static const shape shapes[] = {
    { 1, 1, 0, 0, 0, 0 },    { 9, 15, 1, 0, 0, 0 },     { 8, 16, 0, 64, 0, 0 },
    { 7, 17, 3, 0, 0, 0 },   { 17, 63, 1, 0, 0, 0 },    { 16, 65, 3, 0, 0, 0 },
    { 5, 127, 0, 0, 0, 0 },  { 6, 384, 0, 0, 0, 0 },    { 9, 388, 0, 64, 0, 0 },
    { 3, 1023, 1, 0, 0, 0 }, { 4, 1028, 0, 0, 0, 0 },   { 7, 1024, 0, 0, 0, 0 },
    { 2, 3001, 3, 0, 0, 0 }, { 2, 4097, 3, 128, 0, 0 }, { 5, 33, 0, 0, 0, 0 },
    { 3, 64, 0, 0, 4, 0 },   { 4, 1030, 0, 0, 12, 0 },  { 2, 66, 2, 0, 0, 1 },
    { 0, 31, 1, 0, 0, 0 },   { 4, 0, 3, 64, 0, 0 },     { 7, 128, 4, 0, 0, 0 }
};
/* more than a grid has blocks */
static const shape tall[] = { { 8 * GRID_BLOCKS + 3, 1, 0, 0, 0, 0 },
                              { GRID_BLOCKS + 3, 1028, 0, 0, 0, 0 } };

static void test_dynamic(pe_rng *r)
{
    test_begin("op quantize rows by their maximum");
    for (size_t i = 0; i < 2 * sizeof shapes / sizeof shapes[0]; i++)
        check(r, &shapes[i / 2], &(pe_quantize_call){ .div = i % 2 ? 127.5f : 127.0f }, i % 3 == 0);
    for (size_t i = 0; i < 2; i++) check(r, &tall[i], &(pe_quantize_call){ .div = 127.0f }, false);
}

static void test_static(pe_rng *r)
{
    static const float scales[] = { 0.01f, 0.0078125f, 1e-39f, 3e-32f, 1e31f, 0.0f, 1.7f };
    test_begin("op quantize rows by a given scale");
    for (size_t i = 0; i < 2 * sizeof shapes / sizeof shapes[0]; i++) {
        pe_quantize_call how = { .static_scale = scales[i % 7] };
        if (i % 2) how.static_zero = (int32_t)pe_rng_below(r, 256) - 128;
        check(r, &shapes[i / 2], &how, i % 2);
    }
}

int main(void)
{
    pe_rng r;
    pe_rng_init(&r, 31, 3, 0);
    pe_kernels_select(&ref, 0);
    test_dynamic(&r);
    test_static(&r);
    return test_end();
}
