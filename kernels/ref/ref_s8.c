/* kernels/ref/ref_s8.c - the meaning of the int8 linear layers: dense, bitmask and 1x4 blocks.
 * All three give the same bits: the sum is exact, and a zero weight adds nothing.
 * Read next: kernels/ref/ref_math.h, kernels/avx2/s8_dense_avx2.c. */
#include "kernels/ref/ref_math.h"
#include "kernels/variants.h"
#include "lib/base/checked.h"

#include <math.h>
#include <string.h>

/* acc is exact in 32 bits for k <= 65536 (255 * 128 * 65536 < 2^31). */
static void store(const pe_linear_call *c, size_t t, size_t n, int32_t acc)
{
    float v = fmaf((float)acc * c->xscale[t], c->wscale[n], c->bias ? c->bias[n] : 0);
    c->y[t * c->ldy + n] = ref_act(v, c->act);
}

static int32_t zero_point(const pe_linear_call *c, size_t t)
{
    return c->xzero ? c->xzero[t] : 0;
}

static size_t no_scratch(size_t m, size_t n, size_t k, int nthreads)
{
    (void)m, (void)n, (void)k, (void)nthreads;
    return 0;
}

/* ---- dense: the codes as they are ---- */

static size_t dense_nbytes(const pe_matrix *w)
{
    return w->n * w->k;
}
static void dense_pack(void *packed, const pe_matrix *w)
{
    memcpy(packed, w->s8, w->n * w->k);
}

static void dense_row(void *arg, size_t t, int worker)
{
    const pe_linear_call *c = arg;
    const int8_t *x = c->xq + t * c->ldx;
    int32_t zero = zero_point(c, t);
    (void)worker;
    for (size_t n = 0; n < c->n; n++) {
        const int8_t *w = (const int8_t *)c->packed + n * c->k;
        int32_t acc = 0;
        for (size_t i = 0; i < c->k; i++) acc += (x[i] - zero) * w[i];
        store(c, t, n, acc);
    }
}

static void dense_run(const pe_linear_call *c)
{
    pe_pool_run(c->pool, c->m, dense_row, (void *)c);
}

const pe_linear_form pe_s8_dense_ref = { dense_nbytes, dense_pack, no_scratch, dense_run };

/* ---- bitmask: a 64-bit mask a 64 codes, [n][k / 64 up], then the non-zero codes in order ---- */

static size_t words(size_t k)
{
    return (k + 63) / 64;
}

static size_t bitmask_nbytes(const pe_matrix *w)
{
    size_t nonzero = 0;
    for (size_t i = 0; i < w->n * w->k; i++) nonzero += w->s8[i] != 0;
    return w->n * words(w->k) * 8 + w->n * 8 + nonzero;
}

/* masks, then where each row's values begin, then the values */
static void bitmask_pack(void *packed, const pe_matrix *w)
{
    uint64_t *mask = packed, *begin = mask + w->n * words(w->k);
    int8_t *value = (int8_t *)(begin + w->n);
    uint64_t at = 0;
    memset(mask, 0, w->n * words(w->k) * 8);
    for (size_t n = 0; n < w->n; n++) {
        begin[n] = at;
        for (size_t i = 0; i < w->k; i++) {
            if (!w->s8[n * w->k + i]) continue;
            mask[n * words(w->k) + i / 64] |= 1ull << i % 64;
            value[at++] = w->s8[n * w->k + i];
        }
    }
}

static void bitmask_row(void *arg, size_t t, int worker)
{
    const pe_linear_call *c = arg;
    const uint64_t *mask = c->packed, *begin = mask + c->n * words(c->k);
    const int8_t *x = c->xq + t * c->ldx;
    int32_t zero = zero_point(c, t);
    (void)worker;
    for (size_t n = 0; n < c->n; n++) {
        const int8_t *value = (const int8_t *)(begin + c->n) + begin[n];
        int32_t acc = 0;
        for (size_t i = 0; i < c->k; i++)
            if (mask[n * words(c->k) + i / 64] >> i % 64 & 1) acc += (x[i] - zero) * *value++;
        store(c, t, n, acc);
    }
}

static void bitmask_run(const pe_linear_call *c)
{
    pe_pool_run(c->pool, c->m, bitmask_row, (void *)c);
}

const pe_linear_form pe_s8_bitmask_ref = { bitmask_nbytes, bitmask_pack, no_scratch, bitmask_run };

/* ---- 1x4 blocks: of every row the blocks of four inputs that are not all zero ---- */

typedef struct block4 {
    uint16_t index; /* first input / 4 */
    int8_t w[4];    /* zeros where the row ends inside */
} block4;

static bool block_of(block4 *b, const pe_matrix *w, size_t n, size_t i)
{
    bool any = false;
    b->index = (uint16_t)i;
    for (size_t j = 0; j < 4; j++) {
        b->w[j] = 4 * i + j < w->k ? w->s8[n * w->k + 4 * i + j] : 0;
        any |= b->w[j] != 0;
    }
    return any;
}

static size_t block4_nbytes(const pe_matrix *w)
{
    size_t nblocks = 0;
    block4 b;
    for (size_t n = 0; n < w->n; n++)
        for (size_t i = 0; 4 * i < w->k; i++) nblocks += block_of(&b, w, n, i);
    return (w->n + 1) * 8 + nblocks * sizeof(block4);
}

/* where each row's blocks begin [n + 1], then the blocks */
static void block4_pack(void *packed, const pe_matrix *w)
{
    uint64_t *begin = packed, at = 0;
    block4 *block = (block4 *)(begin + w->n + 1), b;
    for (size_t n = 0; n < w->n; n++) {
        begin[n] = at;
        for (size_t i = 0; 4 * i < w->k; i++)
            if (block_of(&b, w, n, i)) block[at++] = b;
    }
    begin[w->n] = at;
}

static void block4_row(void *arg, size_t t, int worker)
{
    const pe_linear_call *c = arg;
    const uint64_t *begin = c->packed;
    const block4 *block = (const block4 *)(begin + c->n + 1);
    const int8_t *x = c->xq + t * c->ldx;
    int32_t zero = zero_point(c, t);
    (void)worker;
    for (size_t n = 0; n < c->n; n++) {
        int32_t acc = 0;
        for (uint64_t b = begin[n]; b < begin[n + 1]; b++)
            for (size_t j = 0; j < 4 && 4u * block[b].index + j < c->k; j++)
                acc += (x[4u * block[b].index + j] - zero) * block[b].w[j];
        store(c, t, n, acc);
    }
}

static void block4_run(const pe_linear_call *c)
{
    pe_pool_run(c->pool, c->m, block4_row, (void *)c);
}

/* The steps one after the other: the floats between them [m][mid], then their codes. */
static size_t mid_nbytes(size_t m, size_t mid)
{
    return pe_round_up(m * mid * sizeof(float), 64);
}

size_t pe_s8_block4_pair_scratch_ref(size_t m, size_t k, size_t mid, size_t n, int nthreads)
{
    (void)k, (void)n, (void)nthreads;
    return mid_nbytes(m, mid) + m * pe_round_up(mid, 64);
}

void pe_s8_block4_pair_ref(const pe_pair_call *c)
{
    pe_linear_call first = c->first, second = c->second;
    pe_quantize_call codes = c->codes;
    first.y = first.scratch;
    first.ldy = codes.ldx = codes.k = first.n;
    codes.x = first.y;
    codes.q = (int8_t *)first.scratch + mid_nbytes(first.m, first.n);
    codes.ldq = second.ldx = pe_round_up(first.n, 64);
    codes.m = first.m;
    codes.pool = first.pool;
    second.xq = codes.q;
    second.xscale = codes.scale;
    second.xzero = codes.zero;
    block4_run(&first);
    pe_quantize_rows_ref(&codes);
    for (size_t t = 0; t < first.m; t++)
        if (!isfinite(pe_absmax_f32_ref(first.y + t * first.n, first.n))) codes.scale[t] = NAN;
    block4_run(&second);
}

const pe_linear_form pe_s8_block4_ref = { block4_nbytes, block4_pack, no_scratch, block4_run };
