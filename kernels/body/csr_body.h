/* kernels/body/csr_body.h - f32 CSR times dense: a block of tokens is transposed, so that one
 * weight meets all its tokens in registers; columns ascend, so every output is the dense chain
 * without its zeros. One token goes without the transposition. Include a v16_*.h first. Read next:
 * kernels/csr.h, kernels/body/epilogue_body.h. */
#ifndef PE_KERNELS_CSR_BODY_H
#define PE_KERNELS_CSR_BODY_H

#include <math.h>

#include "kernels/body/epilogue_body.h"
#include "kernels/body/transpose_body.h"
#include "kernels/csr.h"
#include "lib/base/checked.h"

enum {
    CSR_TOKENS = 16 * V16_CSR_VECTORS, /* of a block */
    CSR_OUTPUTS = 16,                  /* of a group: what is transposed back at once */
    CSR_SINGLE = 4                     /* chains side by side for one token: hides the latency */
};

/* Tokens of a block, transposed: [k][16 * vectors]; one a thread. */
static size_t csr_scratch_nbytes(size_t m, size_t n, size_t k, int nthreads)
{
    (void)n;
    return m <= 1 ? 0 : (k + 1) * CSR_TOKENS * sizeof(float) * (size_t)nthreads;
}

typedef struct csr_work {
    const pe_linear_call *c;
    pe_csr w;
    size_t nblocks, nparts, ngroups; /* token blocks; parts of the groups of outputs */
} csr_work;

/* Output rows n.. times the block xt, to out[row][16 * vectors]; rows and vectors are constants. */
V16_INLINE void csr_rows(float *out, const pe_csr *w, size_t n, const float *xt, const size_t rows,
                         const size_t vectors)
{
    v16 acc[4][4];
    uint32_t at[4], left[4], common = UINT32_MAX;
#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r++) {
        at[r] = w->begin[n + r];
        left[r] = w->begin[n + r + 1] - at[r];
        if (left[r] < common) common = left[r];
#pragma GCC unroll 4
        for (size_t v = 0; v < vectors; v++) acc[r][v] = v_zero();
    }
    for (uint32_t i = 0; i < common; i++) {
#pragma GCC unroll 4
        for (size_t r = 0; r < rows; r++) {
            const float *x = xt + (size_t)w->column[at[r] + i] * (16 * vectors);
            v16 a = v_set1(w->value[at[r] + i]);
#pragma GCC unroll 4
            for (size_t v = 0; v < vectors; v++)
                acc[r][v] = v_fma(a, v_load(x + 16 * v), acc[r][v]);
        }
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r++) {
        for (uint32_t i = common; i < left[r]; i++) {
            const float *x = xt + (size_t)w->column[at[r] + i] * (16 * vectors);
            v16 a = v_set1(w->value[at[r] + i]);
#pragma GCC unroll 4
            for (size_t v = 0; v < vectors; v++)
                acc[r][v] = v_fma(a, v_load(x + 16 * v), acc[r][v]);
        }
#pragma GCC unroll 4
        for (size_t v = 0; v < vectors; v++) v_store(out + r * 16 * vectors + 16 * v, acc[r][v]);
    }
}

/* A group of outputs: products, back to one row a token, epilogue. */
V16_INLINE void csr_group(const csr_work *g, size_t m0, size_t tokens, size_t n0, const float *xt,
                          const size_t rows, const size_t vectors)
{
    const pe_linear_call *c = g->c;
    float out[CSR_OUTPUTS * CSR_TOKENS], back[CSR_TOKENS * CSR_OUTPUTS];
    size_t nout = c->n - n0 < CSR_OUTPUTS ? c->n - n0 : CSR_OUTPUTS, n = 0;
    for (; n + rows <= nout; n += rows)
        csr_rows(out + n * 16 * vectors, &g->w, n0 + n, xt, rows, vectors);
    for (; n < nout; n++) csr_rows(out + n * 16 * vectors, &g->w, n0 + n, xt, 1, vectors);
    transpose_rows(back, out, 16 * vectors, nout, tokens);
    epilogue e = { c->bias ? c->bias + n0 : NULL, c->act };
    epilogue_run(&e, back, 16, tokens, 0, nout);
    for (size_t t = 0; t < tokens; t++) {
        float *y = c->y + (m0 + t) * c->ldy + n0;
        v16 b = v_load(back + 16 * t);
        if (nout == 16) v_store(y, b);
        else v_store_n(y, b, nout);
    }
}

static void csr_gather_tokens(float *xt, const pe_linear_call *c, size_t m0, size_t tokens,
                              size_t vectors)
{
    for (size_t v = 0; v < vectors; v++) {
        size_t some = tokens > 16 * v ? tokens - 16 * v : 0;
        transpose_into(xt + 16 * v, 16 * vectors, c->x + (m0 + 16 * v) * c->ldx, c->ldx,
                       some < 16 ? some : 16, c->k);
    }
}

/* The groups of outputs of a part, for a block of 16 * vectors tokens. */
V16_INLINE void csr_part(const csr_work *g, size_t m0, size_t tokens, size_t part, const float *xt,
                         const size_t rows, const size_t vectors)
{
    size_t begin = g->ngroups * part / g->nparts, end = g->ngroups * (part + 1) / g->nparts;
    for (size_t i = begin; i < end; i++)
        csr_group(g, m0, tokens, i * CSR_OUTPUTS, xt, rows, vectors);
}

static void csr_task(void *arg, size_t index, int worker)
{
    const csr_work *g = arg;
    const pe_linear_call *c = g->c;
    size_t m0 = index / g->nparts * CSR_TOKENS, part = index % g->nparts;
    size_t tokens = c->m - m0 < CSR_TOKENS ? c->m - m0 : CSR_TOKENS;
    float *xt = (float *)c->scratch + (size_t)worker * (c->k + 1) * CSR_TOKENS;
    size_t vectors = (tokens + 15) / 16;
    csr_gather_tokens(xt, c, m0, tokens, vectors);
    if (vectors == V16_CSR_VECTORS)
        csr_part(g, m0, tokens, part, xt, V16_CSR_ROWS, V16_CSR_VECTORS);
    else if (vectors == 1) csr_part(g, m0, tokens, part, xt, 4, 1);
    else if (vectors == 2) csr_part(g, m0, tokens, part, xt, 4, 2);
    else csr_part(g, m0, tokens, part, xt, V16_CSR_ROWS, 3);
}

/* One token: scalar chains, several outputs side by side. */
static void csr_single_group(const csr_work *g, size_t n0)
{
    const pe_linear_call *c = g->c;
    const pe_csr *w = &g->w;
    size_t nout = c->n - n0 < CSR_OUTPUTS ? c->n - n0 : CSR_OUTPUTS, n = n0;
    float *y = c->y + n0;
    for (; n + CSR_SINGLE <= n0 + nout; n += CSR_SINGLE) {
        float chain[CSR_SINGLE] = { 0 };
        const uint32_t *column[CSR_SINGLE];
        const float *value[CSR_SINGLE], *x = c->x;
        size_t left[CSR_SINGLE], common = SIZE_MAX;
#pragma GCC unroll 4
        for (size_t r = 0; r < CSR_SINGLE; r++) {
            column[r] = w->column + w->begin[n + r];
            value[r] = w->value + w->begin[n + r];
            left[r] = w->begin[n + r + 1] - w->begin[n + r];
            if (left[r] < common) common = left[r];
        }
        for (size_t i = 0; i < common; i++) {
#pragma GCC unroll 4
            for (size_t r = 0; r < CSR_SINGLE; r++)
                chain[r] = fmaf(value[r][i], x[column[r][i]], chain[r]);
        }
#pragma GCC unroll 4
        for (size_t r = 0; r < CSR_SINGLE; r++) {
            for (size_t i = common; i < left[r]; i++)
                chain[r] = fmaf(value[r][i], x[column[r][i]], chain[r]);
            y[n - n0 + r] = chain[r];
        }
    }
    for (; n < n0 + nout; n++) {
        float chain = 0;
        for (uint32_t at = w->begin[n]; at < w->begin[n + 1]; at++)
            chain = fmaf(w->value[at], c->x[w->column[at]], chain);
        y[n - n0] = chain;
    }
    epilogue e = { c->bias ? c->bias + n0 : NULL, c->act };
    epilogue_run(&e, y, c->ldy, 1, 0, nout);
}

static void csr_single_task(void *arg, size_t part, int worker)
{
    const csr_work *g = arg;
    (void)worker;
    for (size_t i = g->ngroups * part / g->nparts; i < g->ngroups * (part + 1) / g->nparts; i++)
        csr_single_group(g, i * CSR_OUTPUTS);
}

static void csr_run(const pe_linear_call *c)
{
    if (!c->m || !c->n) return;
    csr_work g = { .c = c,
                   .w = pe_csr_view(c->packed, c->n),
                   .nparts = 1,
                   .nblocks = (c->m + CSR_TOKENS - 1) / CSR_TOKENS,
                   .ngroups = (c->n + CSR_OUTPUTS - 1) / CSR_OUTPUTS };
    enum { MIN_FMAS = 64 * 1024 }; /* below this a task costs more than it brings */
    size_t threads = (size_t)pe_pool_nthreads(c->pool), want = threads > 1 ? 4 * threads : 1;
    size_t most = (size_t)g.w.begin[c->n] * c->m / MIN_FMAS;
    if (want > most) want = most;
    g.nparts = (want + g.nblocks - 1) / g.nblocks;
    if (g.nparts > g.ngroups) g.nparts = g.ngroups;
    if (!g.nparts) g.nparts = 1;
    pe_pool_run(c->pool, g.nblocks * g.nparts, c->m == 1 ? csr_single_task : csr_task, &g);
}

#endif
