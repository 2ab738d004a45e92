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
#define TILE(name, rows, panels)                      \
    static void name(const tile_args *t, size_t cols) \
    {                                                 \
        tile_run(t, rows, panels, cols);              \
    }
TILE(tile_1_1, 1, 1)
TILE(tile_2_1, 2, 1)
TILE(tile_3_1, 3, 1)
TILE(tile_4_1, 4, 1)
TILE(tile_5_1, 5, 1)
TILE(tile_6_1, 6, 1)
TILE(tile_1_2, 1, 2)
TILE(tile_2_2, 2, 2)
TILE(tile_3_2, 3, 2)
TILE(tile_4_2, 4, 2)
TILE(tile_5_2, 5, 2)
TILE(tile_6_2, 6, 2)
TILE(tile_1_wide, 1, V16_WIDE_1)
TILE(tile_2_wide, 2, V16_WIDE_2)
TILE(tile_3_wide, 3, V16_WIDE_3)
TILE(tile_4_wide, 4, V16_WIDE_4)
TILE(tile_5_wide, 5, V16_WIDE_5)
TILE(tile_6_wide, 6, V16_WIDE_6)
#undef TILE

/* By the number of rows: one panel, two (a head of 32), or as many as keep the FMA units busy. */
static tile_fn *const tile_one[TILE_ROWS + 1] = { NULL,     tile_1_1, tile_2_1, tile_3_1,
                                                  tile_4_1, tile_5_1, tile_6_1 };
static tile_fn *const tile_two[TILE_ROWS + 1] = { NULL,     tile_1_2, tile_2_2, tile_3_2,
                                                  tile_4_2, tile_5_2, tile_6_2 };
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
        size_t left = cols - col;
        size_t step = left >= width ? width : left >= 32 && width > 32 ? 32 : left < 16 ? left : 16;
        tile_fn *const *run = step <= 16 ? tile_one : step == width ? tile_wide : tile_two;
        tile_args t = *block;
        t.w += col / 16 * t.panel;
        t.y += col;
        for (size_t i = 0; i < ntiles; i++) {
            size_t r = base + (i < longer);
            run[r](&t, step);
            if (done) done(arg, t.y, t.ldy, r, col, step);
            t.x += r * t.ldx;
            t.y += r * t.ldy;
        }
        col += step;
    }
}

#endif
