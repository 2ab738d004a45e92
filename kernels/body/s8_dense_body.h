/* kernels/body/s8_dense_body.h - dense int8 products: weights as
 * [n/16][k/S8_GROUP][16][S8_GROUP], six tokens by S8_PANELS panels in registers, exact sums.
 * Include an s8_lanes_*.h first. Read next: kernels/body/s8_store.h. */
#ifndef PE_KERNELS_S8_DENSE_BODY_H
#define PE_KERNELS_S8_DENSE_BODY_H

#include "kernels/body/s8_store.h"

enum {
    S8_ROWS = 6,
    S8_CHUNK_NBYTES = 196608 /* prepared activations of a task: they stay in L2 beside a panel */
};

typedef struct s8_dense {
    const pe_linear_call *c;
    char *x;               /* [m][xstep], prepared activations */
    size_t xstep, ngroups; /* bytes; groups of inputs */
    size_t npanels;
    size_t chunk, nchunks; /* tokens of a task */
    size_t span, nspans;   /* panels of a task */
} s8_dense;

static size_t s8_panels(size_t n)
{
    return (n + 15) / 16;
}
#ifndef S8_PAD
#define S8_PAD S8_GROUP /* packed inputs are padded to a multiple of it */
#endif
static size_t s8_groups(size_t k)
{
    return pe_round_up(k, S8_PAD) / S8_GROUP;
}

static size_t s8_dense_nbytes(const pe_matrix *w)
{
    return s8_panels(w->n) * s8_groups(w->k) * S8_STEP;
}

/* One group of 16 outputs whose rows are `rows`, the codes of input k on; fewer than S8_GROUP where
 * the row ends, none beyond it. */
V16_INLINE void s8_pack_group(int8_t *p, const int8_t *const rows[16], size_t k, size_t codes)
{
#pragma GCC unroll 16
    for (size_t i = 0; i < 16; i++) __builtin_memcpy(p + i * S8_GROUP, rows[i] + k, codes);
}

/* Models are packed while their first user waits: whole groups take one move a row. Outputs that
 * do not exist repeat the last row and are never stored. */
static void s8_dense_pack(void *packed, const pe_matrix *w)
{
    int8_t *p = packed;
    size_t groups = s8_groups(w->k), whole = w->k / S8_GROUP;
    for (size_t n = 0; n < w->n; n += 16, p += groups * S8_STEP) {
        const int8_t *rows[16];
        for (size_t i = 0; i < 16; i++) rows[i] = w->s8 + (n + i < w->n ? n + i : w->n - 1) * w->k;
        for (size_t g = 0; g < whole; g++)
            s8_pack_group(p + g * S8_STEP, rows, g * S8_GROUP, S8_GROUP);
        if (groups == whole) continue;
        __builtin_memset(p + whole * S8_STEP, 0, (groups - whole) * S8_STEP);
        s8_pack_group(p + whole * S8_STEP, rows, whole * S8_GROUP, w->k % S8_GROUP);
    }
}

static size_t s8_dense_scratch(size_t m, size_t n, size_t k, int nthreads)
{
    (void)n, (void)nthreads;
    return m * s8_xstep(k);
}

typedef struct s8_tile {
    const char *x;
    const int8_t *w;
    size_t xstep, ngroups; /* bytes between tokens; groups of inputs */
} s8_tile;

/* Rows and panels are constants: the sums stay in registers. Pairs are widened as they are loaded:
 * that is as fast as a widened copy, which would be twice the bytes. */
V16_INLINE void s8_tile_sum(i16 acc[S8_ROWS][S8_PANELS], const s8_tile *t, const i16 *start,
                            const size_t rows, const size_t panels)
{
    const char *x[S8_ROWS];
    const int8_t *w = t->w;
#pragma GCC unroll 6
    for (size_t r = 0; r < rows; r++) {
        x[r] = t->x + r * t->xstep;
#pragma GCC unroll 4
        for (size_t p = 0; p < panels; p++) acc[r][p] = start[p];
    }
    for (size_t g = 0; g < t->ngroups; g++, w += S8_STEP) {
        i16 b[S8_PANELS];
#pragma GCC unroll 4
        for (size_t p = 0; p < panels; p++) b[p] = i_weights(w + p * t->ngroups * S8_STEP);
#pragma GCC unroll 6
        for (size_t r = 0; r < rows; r++) {
            int32_t group;
            __builtin_memcpy(&group, x[r] + 4 * g, sizeof group);
            i16 a = i_set1(group);
#pragma GCC unroll 4
            for (size_t p = 0; p < panels; p++) acc[r][p] = i_dot(acc[r][p], a, b[p]);
        }
    }
}

V16_INLINE void s8_tile_run(const s8_dense *d, const size_t rows, const size_t panels, size_t token,
                            size_t panel)
{
    const int8_t *w = (const int8_t *)d->c->packed + panel * d->ngroups * S8_STEP;
    s8_tile t = { d->x + token * d->xstep, w, d->xstep, d->ngroups };
    i16 acc[S8_ROWS][S8_PANELS], start[S8_PANELS];
#pragma GCC unroll 4
    for (size_t p = 0; p < panels; p++) start[p] = s8_start(d->c, 16 * (panel + p));
    s8_tile_sum(acc, &t, start, rows, panels);
#pragma GCC unroll 4
    for (size_t p = 0; p < panels; p++) {
        s8_panel out = s8_panel_at(d->c, 16 * (panel + p));
#pragma GCC unroll 6
        for (size_t r = 0; r < rows; r++) s8_store_row(d->c, &out, token + r, acc[r][p]);
    }
}

#define S8_TILE_ROWS(name, panels)                                               \
    static void name(const s8_dense *d, size_t rows, size_t token, size_t panel) \
    {                                                                            \
        switch (rows) {                                                          \
        case 1: s8_tile_run(d, 1, panels, token, panel); break;                  \
        case 2: s8_tile_run(d, 2, panels, token, panel); break;                  \
        case 3: s8_tile_run(d, 3, panels, token, panel); break;                  \
        case 4: s8_tile_run(d, 4, panels, token, panel); break;                  \
        case 5: s8_tile_run(d, 5, panels, token, panel); break;                  \
        default: s8_tile_run(d, 6, panels, token, panel);                        \
        }                                                                        \
    }
S8_TILE_ROWS(s8_rows_one, 1)
#if S8_PANELS > 1
S8_TILE_ROWS(s8_rows_many, S8_PANELS)
#else
#define s8_rows_many s8_rows_one
#endif

/* At most S8_PANELS panels for tokens t0..t1. */
static void s8_dense_block(const s8_dense *d, size_t panel, size_t panels, size_t t0, size_t t1)
{
    const pe_linear_call *c = d->c;
    size_t left = c->n - 16 * panel, cols = left < 16 * panels ? left : 16 * panels;
    for (size_t t = t0; t < t1; t += S8_ROWS) {
        size_t rows = t1 - t < S8_ROWS ? t1 - t : S8_ROWS;
        if (panels == S8_PANELS) s8_rows_many(d, rows, t, panel);
        else
            for (size_t p = panel; p < panel + panels; p++) s8_rows_one(d, rows, t, p);
        s8_activate(c->y + t * c->ldy + 16 * panel, c->ldy, rows, cols, c->act);
    }
}

/* One task: a span of panels for a chunk of tokens. */
static void s8_dense_task(void *arg, size_t index, int worker)
{
    const s8_dense *d = arg;
    size_t t0 = index / d->nspans * d->chunk, panel = index % d->nspans * d->span;
    size_t t1 = t0 + d->chunk < d->c->m ? t0 + d->chunk : d->c->m;
    size_t end = panel + d->span < d->npanels ? panel + d->span : d->npanels;
    (void)worker;
    for (; panel < end; panel += S8_PANELS)
        s8_dense_block(d, panel, end - panel < S8_PANELS ? end - panel : S8_PANELS, t0, t1);
}

static void s8_prepare_task(void *arg, size_t index, int worker)
{
    const s8_dense *d = arg;
    const pe_linear_call *c = d->c;
    size_t t1 = (index + 1) * d->chunk < c->m ? (index + 1) * d->chunk : c->m;
    (void)worker;
    for (size_t t = index * d->chunk; t < t1; t++)
        s8_prepare_row(d->x + t * d->xstep, d->xstep, c, t);
}

static void s8_dense_run(const pe_linear_call *c)
{
    size_t nthreads = (size_t)pe_pool_nthreads(c->pool), want = nthreads > 1 ? 8 * nthreads : 1;
    s8_dense d = { .c = c,
                   .x = c->scratch,
                   .xstep = s8_xstep(c->k),
                   .ngroups = s8_groups(c->k),
                   .npanels = s8_panels(c->n) };
    if (!c->m || !c->n) return;
    d.chunk = S8_CHUNK_NBYTES / (d.xstep + 1) / S8_ROWS * S8_ROWS;
    if (d.chunk < 4 * S8_ROWS) d.chunk = 4 * S8_ROWS;
    d.nchunks = (c->m + d.chunk - 1) / d.chunk;
    if (d.nchunks < nthreads && c->m >= 32 * nthreads) d.nchunks = nthreads;
    d.chunk = pe_round_up((c->m + d.nchunks - 1) / d.nchunks, S8_ROWS); /* equal ones */
    d.nchunks = (c->m + d.chunk - 1) / d.chunk;
    d.span = pe_round_up((d.npanels * d.nchunks + want - 1) / want, S8_PANELS);
    d.nspans = (d.npanels + d.span - 1) / d.span;
    pe_pool_run(c->m * c->k > S8_ALONE ? c->pool : NULL, d.nchunks, s8_prepare_task, &d);
    pe_pool_run(c->pool, d.nchunks * d.nspans, s8_dense_task, &d);
}

#define S8_DENSE_FORM                                                  \
    {                                                                  \
        s8_dense_nbytes, s8_dense_pack, s8_dense_scratch, s8_dense_run \
    }

#endif
