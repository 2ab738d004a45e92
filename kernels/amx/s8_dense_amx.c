/* kernels/amx/s8_dense_amx.c - dense int8 products with AMX tiles: 32 tokens by 32 outputs, or 16
 * by 64 for few tokens. The rows of activations are the A operand as they lie; the packed panels of
 * the VNNI kernels, padded to 64 inputs, are the B operand, so very few tokens run on those. Read
 * next: kernels/amx/tile.h, kernels/body/s8_dense_body.h. */
#define S8_GROUP 4
#define S8_PAD   64
#include "kernels/body/s8_lanes_avx512.h"

#include <string.h>

#include "kernels/amx/tile.h"
#include "kernels/body/s8_dense_body.h"
#include "kernels/variants.h"

enum {
    TILES_FROM = 8,         /* tokens from which 16 rows of tiles beat vpdpbusd */
    TOKENS_NBYTES = 393216, /* activations of a task: they stay in L2 beside two panels */
    PANEL_STEP = 16 * 64    /* packed codes of 64 inputs: one tile */
};

typedef struct amx_job {
    const pe_linear_call *c;
    int8_t *tail; /* the last tokens, zeros up to 16 rows */
    size_t tailstep, steps, npanels;
    size_t chunk, nchunks; /* tokens of a task */
    size_t span, nspans;   /* panels of a task */
} amx_job;

/* Sixteen tokens: rows of 64 codes are `step` bytes apart. */
typedef struct amx_rows {
    const int8_t *x;
    size_t step;
} amx_rows;

static size_t amx_scratch(size_t m, size_t n, size_t k, int nthreads)
{
    return s8_dense_scratch(m < TILES_FROM ? m : 0, n, k, nthreads) + 16 * pe_round_up(k, 64);
}

static amx_rows rows_at(const amx_job *j, size_t t)
{
    if (t + 16 > j->c->m) return (amx_rows){ j->tail, j->tailstep };
    return (amx_rows){ j->c->xq + t * j->c->ldx, j->c->ldx };
}

/* sums[32][32]; w and v are neighbouring panels. */
static void sum_2x2(int32_t *sums, const amx_job *j, amx_rows a, amx_rows b, const int8_t *w)
{
    const int8_t *v = w + j->steps * PANEL_STEP;
    TILE_ZERO(0);
    TILE_ZERO(1);
    TILE_ZERO(2);
    TILE_ZERO(3);
    for (size_t i = 0; i < j->steps; i++) {
        TILE_LOAD(4, a.x + 64 * i, a.step);
        TILE_LOAD(6, w + i * PANEL_STEP, 64);
        TILE_DOT(0, 4, 6);
        TILE_LOAD(7, v + i * PANEL_STEP, 64);
        TILE_DOT(1, 4, 7);
        TILE_LOAD(5, b.x + 64 * i, b.step);
        TILE_DOT(2, 5, 6);
        TILE_DOT(3, 5, 7);
    }
    TILE_STORE(0, sums, 128);
    TILE_STORE(1, sums + 16, 128);
    TILE_STORE(2, sums + 16 * 32, 128);
    TILE_STORE(3, sums + 16 * 32 + 16, 128);
}

/* sums[16][64]: four panels share the tokens. */
static void sum_1x4(int32_t *sums, const amx_job *j, amx_rows a, const int8_t *w)
{
    size_t panel = j->steps * PANEL_STEP;
    TILE_ZERO(0);
    TILE_ZERO(1);
    TILE_ZERO(2);
    TILE_ZERO(3);
    for (size_t i = 0; i < j->steps; i++, w += PANEL_STEP) {
        TILE_LOAD(4, a.x + 64 * i, a.step);
        TILE_LOAD(5, w, 64);
        TILE_DOT(0, 4, 5);
        TILE_LOAD(6, w + panel, 64);
        TILE_DOT(1, 4, 6);
        TILE_LOAD(7, w + 2 * panel, 64);
        TILE_DOT(2, 4, 7);
        TILE_LOAD(5, w + 3 * panel, 64);
        TILE_DOT(3, 4, 5);
    }
    TILE_STORE(0, sums, 256);
    TILE_STORE(1, sums + 16, 256);
    TILE_STORE(2, sums + 32, 256);
    TILE_STORE(3, sums + 48, 256);
}

/* sums[16][16], what is left over. */
static void sum_1x1(int32_t *sums, const amx_job *j, amx_rows a, const int8_t *w)
{
    TILE_ZERO(0);
    for (size_t i = 0; i < j->steps; i++) {
        TILE_LOAD(4, a.x + 64 * i, a.step);
        TILE_LOAD(6, w + i * PANEL_STEP, 64);
        TILE_DOT(0, 4, 6);
    }
    TILE_STORE(0, sums, 64);
}

/* Sums of `rows` tokens and `panels` panels become outputs. */
static void store_sums(const amx_job *j, const int32_t *sums, size_t rows, size_t panels, size_t t,
                       size_t panel)
{
    const pe_linear_call *c = j->c;
    size_t width = 16 * panels, n = 16 * panel, cols = c->n - n < width ? c->n - n : width;
    if (rows > c->m - t) rows = c->m - t;
    for (size_t p = 0; p < panels; p++) {
        s8_panel out = s8_panel_at(c, n + 16 * p);
        for (size_t r = 0; r < rows; r++)
            s8_store_row(c, &out, t + r, i_load(sums + r * width + 16 * p));
    }
    s8_activate(c->y + t * c->ldy + n, c->ldy, rows, cols, c->act);
}

/* All tokens of a chunk for at most four panels. */
static void run_panels(const amx_job *j, size_t panel, size_t panels, size_t t0, size_t t1)
{
    _Alignas(64) int32_t sums[32 * 32];
    const int8_t *packed = j->c->packed;
    size_t t = t0;
    for (; t + 16 < t1; t += 32)
        for (size_t p = 0; p + 2 <= panels; p += 2) {
            const int8_t *w = packed + (panel + p) * j->steps * PANEL_STEP;
            sum_2x2(sums, j, rows_at(j, t), rows_at(j, t + 16), w);
            store_sums(j, sums, 32, 2, t, panel + p);
        }
    if (t < t1 && panels == 4) {
        sum_1x4(sums, j, rows_at(j, t), packed + panel * j->steps * PANEL_STEP);
        store_sums(j, sums, 16, 4, t, panel);
        return;
    }
    /* the 16 tokens after the last 32, and the panel after the last two */
    for (size_t p = 0; p < panels; p++)
        for (size_t s = p + 1 == panels && panels % 2 ? t0 : t; s < t1; s += 16) {
            sum_1x1(sums, j, rows_at(j, s), packed + (panel + p) * j->steps * PANEL_STEP);
            store_sums(j, sums, 16, 1, s, panel + p);
        }
}

static void amx_task(void *arg, size_t index, int worker)
{
    const amx_job *j = arg;
    size_t t0 = index / j->nspans * j->chunk, panel = index % j->nspans * j->span;
    size_t t1 = t0 + j->chunk < j->c->m ? t0 + j->chunk : j->c->m;
    size_t end = panel + j->span < j->npanels ? panel + j->span : j->npanels;
    tile_shape shape = { .palette = 1 };
    (void)worker;
    for (int i = 0; i < 8; i++) {
        shape.row_nbytes[i] = 64;
        shape.rows[i] = 16;
    }
    TILE_CONFIG(&shape);
    for (; panel < end; panel += 4) run_panels(j, panel, end - panel < 4 ? end - panel : 4, t0, t1);
    TILE_RELEASE();
}

static void copy_tail(amx_job *j)
{
    size_t t = j->c->m / 16 * 16;
    for (size_t r = 0; r < 16; r++) {
        memset(j->tail + r * j->tailstep, 0, j->tailstep);
        if (t + r < j->c->m)
            memcpy(j->tail + r * j->tailstep, j->c->xq + (t + r) * j->c->ldx, j->c->k);
    }
}

static void amx_run(const pe_linear_call *c)
{
    size_t nthreads = (size_t)pe_pool_nthreads(c->pool), want = nthreads > 1 ? 8 * nthreads : 1;
    amx_job j = {
        .c = c, .tail = c->scratch, .tailstep = pe_round_up(c->k, 64), .npanels = s8_panels(c->n)
    };
    if (c->m < TILES_FROM) {
        s8_dense_run(c);
        return;
    }
    if (!c->n) return;
    j.steps = j.tailstep / 64;
    if (c->m % 16) copy_tail(&j);
    j.chunk = TOKENS_NBYTES / (j.tailstep + 1) / 32 * 32;
    if (!j.chunk) j.chunk = 32;
    j.nchunks = (c->m + j.chunk - 1) / j.chunk;
    j.chunk = pe_round_up((c->m + j.nchunks - 1) / j.nchunks, 32); /* equal ones */
    j.nchunks = (c->m + j.chunk - 1) / j.chunk;
    j.span = pe_round_up((j.npanels * j.nchunks + want - 1) / want, 4);
    j.nspans = (j.npanels + j.span - 1) / j.span;
    pe_pool_run(c->pool, j.nchunks * j.nspans, amx_task, &j);
}

const pe_linear_form pe_s8_dense_amx = { s8_dense_nbytes, s8_dense_pack, amx_scratch, amx_run };
