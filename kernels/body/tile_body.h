/* kernels/body/tile_body.h - the register tile of every f32 product: rows of x times panels of 16
 * outputs, one FMA chain an output over ascending k. Include a v16_*.h first.
 * Read next: kernels/body/gemm_body.h, kernels/body/attention_body.h. */
#ifndef PE_KERNELS_TILE_BODY_H
#define PE_KERNELS_TILE_BODY_H

enum { TILE_ROWS = 6 };

/* y[r][j] (+)= sum over kn of x[r][k] * w[j / 16][k][j % 16], with `cols` outputs to store. */
typedef struct tile_args {
    float *y;
    const float *x, *w;
    size_t ldy, ldx;
    size_t kn;    /* length of the chain */
    size_t wstep; /* floats from one k to the next in a panel */
    size_t panel; /* floats from one panel to the next */
    bool first;   /* the chain starts here, at +0; else it goes on from y */
} tile_args;

/* rows and panels are constants: everything unrolls and the accumulators stay in registers. */
V16_INLINE void tile_run(const tile_args *t, const size_t rows, const size_t panels, size_t cols)
{
    v16 acc[TILE_ROWS][4];
    const float *x[TILE_ROWS], *w = t->w;
    bool whole = cols >= 16 * panels;
    size_t last = cols - 16 * (panels - 1); /* outputs in the last panel */
#pragma GCC unroll 6
    for (size_t r = 0; r < rows; r++) {
        x[r] = t->x + r * t->ldx;
#pragma GCC unroll 4
        for (size_t p = 0; p < panels; p++) {
            const float *y = t->y + r * t->ldy + 16 * p;
            if (t->first) acc[r][p] = v_zero();
            else if (whole || p + 1 < panels) acc[r][p] = v_load(y);
            else acc[r][p] = v_load_n(y, last);
        }
    }
    for (size_t k = 0; k < t->kn; k++, w += t->wstep) {
        v16 b[4];
#pragma GCC unroll 4
        for (size_t p = 0; p < panels; p++) b[p] = v_load(w + p * t->panel);
#pragma GCC unroll 6
        for (size_t r = 0; r < rows; r++) {
            v16 a = v_set1(x[r][k]);
#pragma GCC unroll 4
            for (size_t p = 0; p < panels; p++) acc[r][p] = v_fma(a, b[p], acc[r][p]);
        }
    }
#pragma GCC unroll 6
    for (size_t r = 0; r < rows; r++) {
#pragma GCC unroll 4
        for (size_t p = 0; p < panels; p++) {
            float *y = t->y + r * t->ldy + 16 * p;
            if (whole || p + 1 < panels) v_store(y, acc[r][p]);
            else v_store_n(y, acc[r][p], last);
        }
    }
}

typedef void tile_fn(const tile_args *t, size_t cols);
static void tile_6_1(const tile_args *t, size_t cols)
{
    tile_run(t, 6, 1, cols);
}
static void tile_5_1(const tile_args *t, size_t cols)
{
    tile_run(t, 5, 1, cols);
}
static void tile_4_1(const tile_args *t, size_t cols)
{
    tile_run(t, 4, 1, cols);
}
static void tile_3_1(const tile_args *t, size_t cols)
{
    tile_run(t, 3, 1, cols);
}
static void tile_2_1(const tile_args *t, size_t cols)
{
    tile_run(t, 2, 1, cols);
}
static void tile_1_1(const tile_args *t, size_t cols)
{
    tile_run(t, 1, 1, cols);
}
static void tile_6_wide(const tile_args *t, size_t cols)
{
    tile_run(t, 6, V16_WIDE_6, cols);
}
static void tile_5_wide(const tile_args *t, size_t cols)
{
    tile_run(t, 5, V16_WIDE_5, cols);
}
static void tile_4_wide(const tile_args *t, size_t cols)
{
    tile_run(t, 4, V16_WIDE_4, cols);
}
static void tile_3_wide(const tile_args *t, size_t cols)
{
    tile_run(t, 3, V16_WIDE_3, cols);
}
static void tile_2_wide(const tile_args *t, size_t cols)
{
    tile_run(t, 2, V16_WIDE_2, cols);
}
static void tile_1_wide(const tile_args *t, size_t cols)
{
    tile_run(t, 1, V16_WIDE_1, cols);
}

/* By the number of rows: one panel, or as many as keep the FMA units busy. */
static tile_fn *const tile_one[TILE_ROWS + 1] = { NULL,     tile_1_1, tile_2_1, tile_3_1,
                                                  tile_4_1, tile_5_1, tile_6_1 };
static tile_fn *const tile_wide[TILE_ROWS + 1] = { NULL,        tile_1_wide, tile_2_wide,
                                                   tile_3_wide, tile_4_wide, tile_5_wide,
                                                   tile_6_wide };
static const size_t tile_width[TILE_ROWS + 1] = { 0,          V16_WIDE_1, V16_WIDE_2, V16_WIDE_3,
                                                  V16_WIDE_4, V16_WIDE_5, V16_WIDE_6 };

/* A block of rows against a block of panels (`cols` outputs, kn long): the panel stays in the first
 * cache while the rows, cut in nearly equal tiles, pass by. done() finishes a tile just computed.
 */
typedef void tile_done_fn(const void *arg, float *y, size_t ldy, size_t rows, size_t col,
                          size_t cols);

static void tile_block(const tile_args *block, size_t rows, size_t cols, tile_done_fn *done,
                       const void *arg)
{
    size_t ntiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
    if (!ntiles) return;
    size_t base = rows / ntiles,
           longer = rows % ntiles; /* the first `longer` tiles have a row more */
    size_t width = 16 * tile_width[base + (longer > 0)];
    for (size_t col = 0; col < cols;) {
        size_t step = cols - col >= width ? width : cols - col < 16 ? cols - col : 16;
        tile_args t = *block;
        t.w += col / 16 * t.panel;
        t.y += col;
        for (size_t i = 0; i < ntiles; i++) {
            size_t r = base + (i < longer);
            (step > 16 ? tile_wide : tile_one)[r](&t, step);
            if (done) done(arg, t.y, t.ldy, r, col, step);
            t.x += r * t.ldx;
            t.y += r * t.ldy;
        }
        col += step;
    }
}

#endif
