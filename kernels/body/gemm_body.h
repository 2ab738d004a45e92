/* kernels/body/gemm_body.h - f32 linear layers: weights packed in panels of 16 outputs,
 * [n/16][k][16], blocks of rows and panels as tasks. Include a v16_*.h first. Read next:
 * kernels/body/tile_body.h. */
#ifndef PE_KERNELS_GEMM_BODY_H
#define PE_KERNELS_GEMM_BODY_H

#include "kernels/body/epilogue_body.h"
#include "kernels/body/tile_body.h"
#include "lib/base/checked.h"

enum {
    GEMM_ROWS = 96, /* rows of a task: 96 x 448 floats stay in the second cache */
    GEMM_K = 448,   /* chain of a pass: a panel of 16 x 448 floats stays in the first cache */
    GEMM_MIN_FMAS = 64 * 1024 /* below this a task costs more than it brings */
};

static size_t gemm_packed_nbytes(const pe_matrix *w)
{
    return pe_round_up(w->n, 16) * w->k * sizeof(float);
}

/* Outputs beyond n are zero weights; tiles compute them and never store them. */
static void gemm_pack(void *packed, const pe_matrix *w)
{
    float *out = packed;
    for (size_t n0 = 0; n0 < w->n; n0 += 16, out += 16 * w->k) {
        size_t lanes = w->n - n0 < 16 ? w->n - n0 : 16;
        for (size_t k = 0; k < w->k; k++) {
            for (size_t j = 0; j < lanes; j++) out[k * 16 + j] = w->f32[(n0 + j) * w->k + k];
            for (size_t j = lanes; j < 16; j++) out[k * 16 + j] = 0.0f;
        }
    }
}

static size_t gemm_scratch_nbytes(size_t m, size_t n, size_t k, int nthreads)
{
    (void)m, (void)n, (void)k, (void)nthreads;
    return 0;
}

typedef struct gemm_work {
    const pe_linear_call *c;
    size_t nrowblocks, ncolblocks, npanels, nkblocks;
} gemm_work;

/* Part i of `parts` nearly equal parts of n things. */
static size_t part_begin(size_t n, size_t parts, size_t i)
{
    return i * (n / parts) + (i < n % parts ? i : n % parts);
}

static void gemm_task(void *arg, size_t index, int worker)
{
    const gemm_work *g = arg;
    const pe_linear_call *c = g->c;
    size_t mi = index / g->ncolblocks, pi = index % g->ncolblocks;
    size_t m0 = part_begin(c->m, g->nrowblocks, mi), m1 = part_begin(c->m, g->nrowblocks, mi + 1);
    size_t n0 = 16 * part_begin(g->npanels, g->ncolblocks, pi);
    size_t n1 = 16 * part_begin(g->npanels, g->ncolblocks, pi + 1);
    (void)worker;
    if (n1 > c->n) n1 = c->n;
    epilogue e = { c->bias ? c->bias + n0 : NULL, c->act };
    for (size_t i = 0; i < g->nkblocks; i++) {
        size_t k0 = part_begin(c->k, g->nkblocks, i), k1 = part_begin(c->k, g->nkblocks, i + 1);
        tile_args t = { .y = c->y + m0 * c->ldy + n0,
                        .x = c->x + m0 * c->ldx + k0,
                        .w = (const float *)c->packed + n0 * c->k + k0 * 16,
                        .ldy = c->ldy,
                        .ldx = c->ldx,
                        .kn = k1 - k0,
                        .wstep = 16,
                        .panel = 16 * c->k,
                        .first = i == 0 };
        tile_block(&t, m1 - m0, n1 - n0, i + 1 == g->nkblocks ? epilogue_run : NULL, &e);
    }
}

static void gemm_run(const pe_linear_call *c)
{
    if (!c->m || !c->n) return;
    gemm_work g = { .c = c, .npanels = (c->n + 15) / 16, .nkblocks = (c->k + GEMM_K - 1) / GEMM_K };
    if (!g.nkblocks) g.nkblocks = 1;
    g.nrowblocks = (c->m + GEMM_ROWS - 1) / GEMM_ROWS;
    size_t threads = (size_t)pe_pool_nthreads(c->pool);
    size_t want = threads > 1 ? 4 * threads : 1;
    size_t most = c->m * c->n * (c->k + 1) / GEMM_MIN_FMAS; /* tasks worth starting */
    if (want > most) want = most;
    g.ncolblocks = (want + g.nrowblocks - 1) / g.nrowblocks;
    if (g.ncolblocks > g.npanels) g.ncolblocks = g.npanels;
    if (!g.ncolblocks) g.ncolblocks = 1;
    pe_pool_run(c->pool, g.nrowblocks * g.ncolblocks, gemm_task, &g);
}

#endif
