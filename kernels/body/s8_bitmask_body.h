/* kernels/body/s8_bitmask_body.h - sparse int8 products of one to a few tokens: masks and values
 * are read once, expanded in registers and multiplied with a few tokens. Include an s8_lanes_*.h
 * first and define bm_vec, bm_acc and what works on them. Read next: kernels/bitmask.h. */
#ifndef PE_KERNELS_S8_BITMASK_BODY_H
#define PE_KERNELS_S8_BITMASK_BODY_H

#include "kernels/bitmask.h"
#include "kernels/body/s8_store.h"

enum {
    BM_ROWS = PE_BITMASK_ROWS,
    BM_WORD = 64 / S8_GROUP * 4, /* bytes of 64 prepared activations */
    BM_AHEAD = 1024              /* bytes of values fetched ahead */
};

typedef struct s8_bitmask {
    const pe_linear_call *c;
    pe_bitmask w;
    char *x; /* [m][xstep] prepared activations */
    size_t xstep;
    size_t npanels, span; /* panels of a task */
} s8_bitmask;

static size_t s8_bitmask_xstep(size_t k)
{
    return pe_round_up(k, 64) / S8_GROUP * 4;
}

static size_t s8_bitmask_scratch(size_t m, size_t n, size_t k, int nthreads)
{
    (void)n, (void)nthreads;
    return m * s8_bitmask_xstep(k);
}

/* One group of rows for `tokens` tokens, a constant; sums[t][16] gets four of each token. */
V16_INLINE void bm_group(int32_t *sums, const s8_bitmask *b, size_t g, size_t t,
                         const size_t tokens)
{
    const uint64_t *mask = b->w.masks + g * b->w.nwords * BM_ROWS;
    const int8_t *values = b->w.values + b->w.begin[g];
    const char *x = b->x + t * b->xstep;
    bm_acc acc[BM_ROWS][BM_TOKENS];
#pragma GCC unroll 4
    for (size_t r = 0; r < BM_ROWS; r++)
#pragma GCC unroll 4
        for (size_t i = 0; i < tokens; i++) acc[r][i] = bm_zero();
    for (size_t word = 0; word < b->w.nwords; word++, mask += BM_ROWS, x += BM_WORD) {
        __builtin_prefetch(values + BM_AHEAD);
        __builtin_prefetch(values + BM_AHEAD + 64);
#pragma GCC unroll 4
        for (size_t r = 0; r < BM_ROWS; r++) {
#pragma GCC unroll 4
            for (int part = 0; part < BM_PARTS; part++) {
                bm_vec w = bm_expand(&values, mask[r], part);
#pragma GCC unroll 4
                for (size_t i = 0; i < tokens; i++)
                    acc[r][i] =
                        bm_dot(acc[r][i], x + i * b->xstep + part * (BM_WORD / BM_PARTS), w);
            }
        }
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < BM_ROWS; r++)
#pragma GCC unroll 4
        for (size_t i = 0; i < tokens; i++) sums[16 * i + r] = bm_sum(acc[r][i]);
}

static void bm_groups(int32_t *sums, const s8_bitmask *b, size_t g, size_t t, size_t tokens)
{
    switch (tokens) {
    case 1: bm_group(sums, b, g, t, 1); break;
#if BM_TOKENS > 2
    case 2: bm_group(sums, b, g, t, 2); break;
    case 3: bm_group(sums, b, g, t, 3); break;
#endif
    default: bm_group(sums, b, g, t, BM_TOKENS);
    }
}

static void bm_panel(const s8_bitmask *b, size_t panel)
{
    const pe_linear_call *c = b->c;
    s8_panel out = s8_panel_at(c, 16 * panel);
    i16 start = s8_start(c, 16 * panel);
    for (size_t t = 0; t < c->m; t += BM_TOKENS) {
        size_t tokens = c->m - t < BM_TOKENS ? c->m - t : BM_TOKENS;
        _Alignas(64) int32_t sums[BM_TOKENS][16];
        for (size_t g = 0; g < 16 / BM_ROWS; g++)
            bm_groups(&sums[0][BM_ROWS * g], b, panel * (16 / BM_ROWS) + g, t, tokens);
        for (size_t i = 0; i < tokens; i++)
            s8_store_row(c, &out, t + i, i_add(i_load(sums[i]), start));
        s8_activate(c->y + t * c->ldy + out.n, c->ldy, tokens, out.count, c->act);
    }
}

static void bm_task(void *arg, size_t index, int worker)
{
    const s8_bitmask *b = arg;
    size_t end = (index + 1) * b->span < b->npanels ? (index + 1) * b->span : b->npanels;
    (void)worker;
    for (size_t p = index * b->span; p < end; p++) bm_panel(b, p);
}

static void bm_prepare(void *arg, size_t t, int worker)
{
    const s8_bitmask *b = arg;
    (void)worker;
    s8_prepare_row(b->x + t * b->xstep, b->xstep, b->c, t);
}

static void s8_bitmask_run(const pe_linear_call *c)
{
    size_t nthreads = (size_t)pe_pool_nthreads(c->pool), want = nthreads > 1 ? 8 * nthreads : 1;
    s8_bitmask b = {
        .c = c, .x = c->scratch, .xstep = s8_bitmask_xstep(c->k), .npanels = (c->n + 15) / 16
    };
    if (!c->m || !c->n) return;
    b.w = pe_bitmask_view(c->packed, c->n, c->k);
    b.span = (b.npanels + want - 1) / want;
    pe_pool_run(c->m * c->k > S8_ALONE ? c->pool : NULL, c->m, bm_prepare, &b);
    pe_pool_run(c->pool, (b.npanels + b.span - 1) / b.span, bm_task, &b);
}

#define S8_BITMASK_FORM                                                        \
    {                                                                          \
        pe_bitmask_nbytes, pe_bitmask_pack, s8_bitmask_scratch, s8_bitmask_run \
    }

#endif
