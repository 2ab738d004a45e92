/* kernels/body/s8_block4_body.h - sparse int8 products over 1x4 blocks of inputs. Tokens lie in
 * tiles, [k/S8_GROUP][tokens][S8_GROUP], so that a group of weights, broadcast, meets the same
 * inputs of 16 tokens a register; groups that are all zero cost nothing. Include an s8_lanes_*.h
 * first. Read next: kernels/block4.h, kernels/body/s8_store.h. */
#ifndef PE_KERNELS_S8_BLOCK4_BODY_H
#define PE_KERNELS_S8_BLOCK4_BODY_H

#include "kernels/block4.h"
#include "kernels/body/s8_store.h"

enum {
    S8_MAX_TILE = 64, /* tokens of the widest tile */
    S8_PANEL = 64,    /* outputs of a task: its sums of a tile take 16 KiB */
    /* inputs of a cell: the activations of the widest tile take 24 KiB */
    S8_SPLIT = 24576 / S8_MAX_TILE / 4 * S8_GROUP
};
/* Rows that run side by side over the widest tile, each with sums of its own; narrow tiles take two
 * blocks of each row at a time. */
#define S8_SIDE (S8_SUMS / 4)
static const pe_block4_spec s8_spec = { S8_PANEL, S8_SPLIT, S8_GROUP, S8_SIDE };

typedef struct s8_block4 {
    const pe_linear_call *c;
    pe_block4 w;
    char *x; /* tiles one after the other */
    size_t ngroups, ntiles;
    char *acc; /* [S8_PANEL][S8_MAX_TILE] sums for each worker */
} s8_block4;

static size_t s8_block4_nbytes(const pe_matrix *w)
{
    return pe_block4_nbytes(w, &s8_spec);
}
static void s8_block4_pack(void *packed, const pe_matrix *w)
{
    pe_block4_pack(packed, w, &s8_spec);
}

/* The widest tile while more than three quarters of it are used, then half of it, and so on. */
static size_t s8_tile_width(size_t left)
{
    size_t width = S8_MAX_TILE;
    while (width > 16 && left <= width / 2 + width / 4) width /= 2;
    return width;
}

static size_t s8_tiles_nbytes(size_t m, size_t k)
{
    size_t tokens = 0;
    while (tokens < m) tokens += s8_tile_width(m - tokens);
    return tokens * s8_xstep(k);
}

static size_t s8_block4_scratch(size_t m, size_t n, size_t k, int nthreads)
{
    (void)n;
    return s8_tiles_nbytes(m, k) + (size_t)nthreads * S8_PANEL * S8_MAX_TILE * 4;
}

/* Tile i: its first token and its width. */
static size_t s8_tile_at(const s8_block4 *b, size_t i, size_t *t)
{
    *t = 0;
    for (; i; i--) *t += s8_tile_width(b->c->m - *t);
    return s8_tile_width(b->c->m - *t);
}

/* a[i] += the inputs of 16 tokens times a group of weights. */
V16_INLINE void s8_block(i16 *a, const char *x, uint32_t weights, const size_t z)
{
    i16 w = i_set1((int32_t)weights);
#pragma GCC unroll 4
    for (size_t i = 0; i < z; i++) a[i] = i_dot(a[i], i_load(x + i * 64), w);
}

typedef struct s8_cell {
    char *sums;
    const char *x;
    const pe_block4_row *row;
    const uint32_t *value;
    const uint16_t *index;
    const int32_t *start; /* [S8_PANEL] what sums start at in the first split, else NULL */
} s8_cell;

/* The next u blocks, of the rows in turn, each into its own sums. Their places are read in one go:
 * what limits is how many loads start in a cycle. 32 * 2z = 64z bytes of a group: a scale that
 * addresses have. */
V16_INLINE void s8_blocks(i16 a[4][4], s8_cell *c, const size_t z, const size_t u)
{
    uint64_t index = 0;
    __builtin_memcpy(&index, c->index, u * sizeof *c->index);
#pragma GCC unroll 4
    for (size_t j = 0; j < u; j++, index >>= 16)
        s8_block(a[j], c->x + (index & 0xffff) * (2 * z), c->value[j], z);
    c->value += u;
    c->index += u;
}

/* S8_SIDE rows of a cell over a tile of 16 * z tokens, `deep` blocks of each at a time. */
V16_INLINE void s8_run_side(s8_cell *c, const pe_block4_row *row, const size_t z, const size_t deep)
{
    const size_t u = S8_SIDE * deep;
    size_t left = row->count;
    i16 a[4][4];
#pragma GCC unroll 4
    for (size_t j = 0; j < u; j++)
#pragma GCC unroll 4
        for (size_t i = 0; i < z; i++) {
            if (j >= S8_SIDE) a[j][i] = i_zero();
            else if (c->start) a[j][i] = i_set1(c->start[row[j].row]);
            else a[j][i] = i_load(c->sums + (row[j].row * z + i) * 64);
        }
    for (; left >= deep; left -= deep) s8_blocks(a, c, z, u);
    if (deep > 1 && left) s8_blocks(a, c, z, S8_SIDE);
#pragma GCC unroll 4
    for (size_t j = S8_SIDE; j < u; j++)
#pragma GCC unroll 4
        for (size_t i = 0; i < z; i++) a[j % S8_SIDE][i] = i_add(a[j % S8_SIDE][i], a[j][i]);
#pragma GCC unroll 4
    for (size_t j = 0; j < S8_SIDE; j++)
#pragma GCC unroll 4
        for (size_t i = 0; i < z; i++) i_store(c->sums + (row[j].row * z + i) * 64, a[j][i]);
}

V16_INLINE void s8_run_rows(s8_cell c, const size_t z, const size_t deep)
{
    for (size_t r = 0; r < S8_PANEL && (c.start || c.row[r].count); r += S8_SIDE)
        s8_run_side(&c, c.row + r, z, deep);
}

/* Outputs from n on; those that do not exist have no blocks. */
static void s8_starts(int32_t start[S8_PANEL], const pe_linear_call *c, size_t n)
{
    for (size_t r = 0; r < S8_PANEL; r++) start[r] = n + r < c->n ? -S8_FLIP * c->wsum[n + r] : 0;
}

static void s8_run_cell(const s8_block4 *b, char *sums, size_t t, size_t width, size_t panel,
                        size_t split)
{
    int32_t start[S8_PANEL];
    size_t cell = panel * b->w.nsplits + split, at = b->w.begin[cell];
    s8_cell c = { .sums = sums,
                  .x = b->x + (t * b->ngroups + split * (S8_SPLIT / S8_GROUP) * width) * 4,
                  .row = b->w.rows + cell * S8_PANEL,
                  .value = b->w.values + at,
                  .index = b->w.index + at,
                  .start = split ? NULL : start };
    if (!split) s8_starts(start, b->c, panel * S8_PANEL);
    switch (width) {
    case 16: s8_run_rows(c, 1, 2); break;
    case 32: s8_run_rows(c, 2, 2); break;
    default: s8_run_rows(c, 4, 1);
    }
}

/* Sixteen tokens by 16 groups of inputs: groups become rows of the tile. */
static void s8_pack_corner(char *x, const pe_linear_call *c, size_t t, size_t k, size_t width)
{
    i16 v[16];
    for (size_t r = 0; r < 16; r++)
        v[r] = t + r < c->m ? i_codes(c->xq + (t + r) * c->ldx + k, c->xzero ? c->xzero[t + r] : 0)
                            : i_zero();
    i_transpose(v);
    for (size_t g = 0; g < 16; g++) i_store(x + (k / S8_GROUP + g) * width * 4, v[g]);
}

/* A tile's share of 384 inputs or so: also the tile of few tokens is packed by several threads. */
static void s8_pack_task(void *arg, size_t index, int worker)
{
    const s8_block4 *b = arg;
    size_t t, width = s8_tile_at(b, index / b->w.nsplits, &t);
    size_t k0 = index % b->w.nsplits * S8_SPLIT, k = b->ngroups * S8_GROUP;
    size_t k1 = k0 + S8_SPLIT < k ? k0 + S8_SPLIT : k;
    char *x = b->x + t * b->ngroups * 4;
    (void)worker;
    for (size_t i = 0; i < width; i += 16)
        for (k = k0; k < k1; k += S8_STEP) s8_pack_corner(x + 4 * i, b->c, t + i, k, width);
}

/* Sixteen outputs by 16 tokens: lanes are tokens, then outputs. */
V16_INLINE void s8_turn_corner(i16 v[16], const char *sums, size_t width)
{
#pragma GCC unroll 16
    for (size_t r = 0; r < 16; r++) v[r] = i_load(sums + r * width * 4);
    i_transpose(v);
}

/* At the edges of y, and with zero points. Sums of outputs that do not exist are there, but not
 * stored. Not inlined: what it needs in memory, the other way keeps in registers. */
__attribute__((noinline)) static void s8_store_edge(const pe_linear_call *c, const char *sums,
                                                    size_t width, size_t n, size_t t)
{
    size_t rows = c->m - t < 16 ? c->m - t : 16;
    s8_panel out = s8_panel_at(c, n);
    i16 v[16];
    s8_turn_corner(v, sums, width);
    for (size_t r = 0; r < rows; r++) s8_store_row(c, &out, t + r, v[r]);
}

static void s8_store_corner(const pe_linear_call *c, const char *sums, size_t width, size_t n,
                            size_t t)
{
    const float *xscale = c->xscale + t;
    size_t ldy = c->ldy;
    float *y = c->y + t * ldy + n;
    i16 v[16];
    if (c->m - t < 16 || c->n - n < 16 || c->xzero) {
        s8_store_edge(c, sums, width, n, t);
        return;
    }
    s8_panel out = s8_panel_at(c, n);
    s8_turn_corner(v, sums, width);
#pragma GCC unroll 16
    for (size_t r = 0; r < 16; r++) s8_store_plain(y + r * ldy, &out, xscale[r], v[r]);
}

/* One task: a panel of outputs for a tile of tokens. */
static void s8_block4_task(void *arg, size_t index, int worker)
{
    const s8_block4 *b = arg;
    const pe_linear_call *c = b->c;
    size_t panel = index % b->w.npanels, n0 = panel * S8_PANEL, t;
    size_t width = s8_tile_at(b, index / b->w.npanels, &t);
    size_t cols = c->n - n0 < S8_PANEL ? c->n - n0 : S8_PANEL;
    char *sums = b->acc + (size_t)worker * S8_PANEL * S8_MAX_TILE * 4;
    for (size_t split = 0; split < b->w.nsplits; split++)
        s8_run_cell(b, sums, t, width, panel, split);
    for (size_t i = 0; i < width && t + i < c->m; i += 16) {
        size_t rows = c->m - t - i < 16 ? c->m - t - i : 16;
        for (size_t r = 0; r < cols; r += 16)
            s8_store_corner(c, sums + (r * width + i) * 4, width, n0 + r, t + i);
        s8_activate(c->y + (t + i) * c->ldy + n0, c->ldy, rows, cols, c->act);
    }
}

static s8_block4 s8_block4_open(const pe_linear_call *c, void *scratch)
{
    s8_block4 b = { .c = c, .x = scratch, .ngroups = s8_xstep(c->k) / 4 };
    b.w = pe_block4_view(c->packed, c->n, c->k, &s8_spec);
    b.acc = b.x + s8_tiles_nbytes(c->m, c->k);
    for (size_t t = 0; t < c->m; t += s8_tile_width(c->m - t)) b.ntiles++;
    return b;
}

/* The tiles of all tokens. */
static void s8_block4_prepare(s8_block4 *b)
{
    const pe_linear_call *c = b->c;
    pe_pool_run(c->m * c->k > S8_ALONE ? c->pool : NULL, b->ntiles * b->w.nsplits, s8_pack_task, b);
}

static void s8_block4_run(const pe_linear_call *c)
{
    if (!c->m || !c->n) return;
    s8_block4 b = s8_block4_open(c, c->scratch);
    s8_block4_prepare(&b);
    pe_pool_run(c->pool, b.ntiles * b.w.npanels, s8_block4_task, &b);
}

#define S8_BLOCK4_FORM                                                     \
    {                                                                      \
        s8_block4_nbytes, s8_block4_pack, s8_block4_scratch, s8_block4_run \
    }

#endif
