/* lib/tensor/layout_blocked.c - square blocks: BSR and Blocked-ELL as cuSPARSE takes them.
 * Ragged edges are filled up with zeros. Read next: docs/formats.md, section 3. */
#include "lib/base/error.h"
#include "lib/tensor/layout_impl.h"

typedef struct grid {
    uint64_t b, rows, cols; /* edge; blocks down and across */
    uint32_t e;
} grid;

static grid grid_of(pe_layout_spec spec, const pe_dense *m)
{
    uint64_t b = pe_layout_edge(spec);
    return (grid){ b, (m->n + b - 1) / b, (m->k + b - 1) / b, m->elem_nbytes };
}

static uint64_t min64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static bool block_is_zero(const pe_dense *m, const grid *g, uint64_t bi, uint64_t bj)
{
    uint64_t height = min64(g->b, m->n - bi * g->b), nbytes = min64(g->b, m->k - bj * g->b) * g->e;
    const uint8_t *p = (const uint8_t *)m->data + (bi * g->b * m->k + bj * g->b) * g->e;
    for (uint64_t r = 0; r < height; r++, p += m->k * g->e) {
        uint8_t any = 0;
        for (uint64_t i = 0; i < nbytes; i++) any |= p[i];
        if (any) return false;
    }
    return true;
}

/* Copies one block out of the matrix; `stride` bytes lie between the stored block's rows. */
static void block_out(uint8_t *to, uint64_t stride, const pe_dense *m, const grid *g, uint64_t bi,
                      uint64_t bj)
{
    uint64_t height = min64(g->b, m->n - bi * g->b), nbytes = min64(g->b, m->k - bj * g->b) * g->e;
    const uint8_t *p = (const uint8_t *)m->data + (bi * g->b * m->k + bj * g->b) * g->e;
    for (uint64_t r = 0; r < g->b; r++, to += stride) {
        uint64_t n = r < height ? nbytes : 0;
        if (n) memcpy(to, p + r * m->k * g->e, n);
        memset(to + n, 0, g->b * g->e - n);
    }
}

static void block_in(pe_dense *m, const uint8_t *from, uint64_t stride, const grid *g, uint64_t bi,
                     uint64_t bj)
{
    uint64_t height = min64(g->b, m->n - bi * g->b), nbytes = min64(g->b, m->k - bj * g->b) * g->e;
    uint8_t *p = (uint8_t *)m->data + (bi * g->b * m->k + bj * g->b) * g->e;
    for (uint64_t r = 0; r < height; r++, from += stride, p += m->k * g->e) memcpy(p, from, nbytes);
}

/* Whether what a stored edge block holds outside of the matrix is zero. */
static bool outside_is_zero(const pe_dense *m, const uint8_t *from, uint64_t stride, const grid *g,
                            uint64_t bi, uint64_t bj)
{
    uint64_t height = min64(g->b, m->n - bi * g->b), inside = min64(g->b, m->k - bj * g->b) * g->e;
    uint8_t any = 0;
    if (height == g->b && inside == g->b * g->e) return true;
    for (uint64_t r = 0; r < g->b; r++, from += stride)
        for (uint64_t i = r < height ? inside : 0; i < g->b * g->e; i++) any |= from[i];
    return !any;
}

static pe_status check_edge(pe_layout_spec spec, pe_error *err)
{
    if (pe_layout_edge(spec) <= PE_MAX_BLOCK) return PE_OK;
    return pe_fail(err, PE_E_ARG, "layout %s: block %u; at most %d", pe_layout_name(spec.layout),
                   spec.block, PE_MAX_BLOCK);
}

/* ---- BSR ---- */

static pe_status bsr_count(uint64_t *out, pe_layout_spec spec, const pe_dense *m, pe_error *err)
{
    grid g = grid_of(spec, m);
    *out = 0;
    for (uint64_t i = 0; i < g.rows; i++)
        for (uint64_t j = 0; j < g.cols; j++) *out += !block_is_zero(m, &g, i, j);
    return check_edge(spec, err);
}

static void bsr_encode(void *const *dst, pe_layout_spec spec, const pe_dense *m, uint64_t count)
{
    grid g = grid_of(spec, m);
    uint8_t *values = dst[2];
    uint64_t at = 0;
    (void)count;
    pe_put_i32(dst[0], 0, 0);
    for (uint64_t i = 0; i < g.rows; i++) {
        for (uint64_t j = 0; j < g.cols; j++) {
            if (block_is_zero(m, &g, i, j)) continue;
            pe_put_i32(dst[1], at, j);
            block_out(values + at++ * g.b * g.b * g.e, g.b * g.e, m, &g, i, j);
        }
        pe_put_i32(dst[0], i + 1, at);
    }
}

static pe_status bsr_decode(pe_dense *out, pe_layout_spec spec, const pe_stored *s, pe_error *err)
{
    grid g = grid_of(spec, out);
    const uint8_t *values = s->src[2];
    uint64_t stride = g.b * g.e;
    pe_status st = pe_check_csr_index(s, spec, g.rows, g.cols, err);
    if (st) return st;
    for (uint64_t i = 0, at = 0; i < g.rows; i++)
        for (uint64_t end = (uint64_t)pe_get_i32(s->src[0], i + 1); at < end; at++)
            if (!outside_is_zero(out, values + at * g.b * stride, stride, &g, i,
                                 (uint64_t)pe_get_i32(s->src[1], at)))
                return pe_layout_bad(err, s->name, spec, "a block has values beyond the matrix");
    memset(out->data, 0, out->n * out->k * g.e);
    for (uint64_t i = 0, at = 0; i < g.rows; i++)
        for (uint64_t end = (uint64_t)pe_get_i32(s->src[0], i + 1); at < end; at++)
            block_in(out, values + at * g.b * stride, stride, &g, i,
                     (uint64_t)pe_get_i32(s->src[1], at));
    return PE_OK;
}

const pe_codec pe_codec_bsr = { bsr_count, bsr_encode, bsr_decode };

/* ---- Blocked-ELL: every block row has the same number of slots, empty ones last ---- */

static pe_status ell_count(uint64_t *out, pe_layout_spec spec, const pe_dense *m, pe_error *err)
{
    grid g = grid_of(spec, m);
    *out = 0;
    for (uint64_t i = 0; i < g.rows; i++) {
        uint64_t used = 0;
        for (uint64_t j = 0; j < g.cols; j++) used += !block_is_zero(m, &g, i, j);
        *out = used > *out ? used : *out;
    }
    return check_edge(spec, err);
}

static void ell_encode(void *const *dst, pe_layout_spec spec, const pe_dense *m, uint64_t count)
{
    grid g = grid_of(spec, m);
    uint64_t width = count, stride = width * g.b * g.e;
    for (uint64_t i = 0; i < g.rows; i++) {
        uint8_t *row = (uint8_t *)dst[1] + i * g.b * stride;
        uint64_t slot = 0;
        for (uint64_t j = 0; j < g.cols; j++) {
            if (block_is_zero(m, &g, i, j)) continue;
            pe_put_i32(dst[0], i * width + slot, j);
            block_out(row + slot++ * g.b * g.e, stride, m, &g, i, j);
        }
        for (; slot < width; slot++) {
            pe_put_i32(dst[0], i * width + slot, UINT64_MAX);
            for (uint64_t r = 0; r < g.b; r++)
                memset(row + r * stride + slot * g.b * g.e, 0, g.b * g.e);
        }
    }
}

static pe_status check_ell_row(const pe_dense *out, pe_layout_spec spec, const pe_stored *s,
                               const grid *g, uint64_t i, pe_error *err)
{
    uint64_t width = s->count, stride = width * g->b * g->e;
    const uint8_t *row = (const uint8_t *)s->src[1] + i * g->b * stride;
    int64_t last = -1;
    bool ended = false;
    for (uint64_t slot = 0; slot < width; slot++, row += g->b * g->e) {
        int32_t c = pe_get_i32(s->src[0], i * width + slot);
        if (c == -1) {
            ended = true;
            for (uint64_t r = 0; r < g->b; r++)
                for (uint64_t j = 0; j < g->b * g->e; j++)
                    if (row[r * stride + j])
                        return pe_layout_bad(err, s->name, spec, "an empty block has values");
            continue;
        }
        if (ended || c <= last || (uint64_t)c >= g->cols)
            return pe_layout_bad(err, s->name, spec,
                                 "block columns are not ascending, in range, then -1");
        last = c;
        if (!outside_is_zero(out, row, stride, g, i, (uint64_t)c))
            return pe_layout_bad(err, s->name, spec, "a block has values beyond the matrix");
    }
    return PE_OK;
}

static pe_status ell_decode(pe_dense *out, pe_layout_spec spec, const pe_stored *s, pe_error *err)
{
    grid g = grid_of(spec, out);
    uint64_t width = s->count, stride = width * g.b * g.e;
    pe_status st = PE_OK;
    for (uint64_t i = 0; i < g.rows && !st; i++) st = check_ell_row(out, spec, s, &g, i, err);
    if (st) return st;
    memset(out->data, 0, out->n * out->k * g.e);
    for (uint64_t i = 0; i < g.rows; i++)
        for (uint64_t slot = 0; slot < width; slot++) {
            int32_t c = pe_get_i32(s->src[0], i * width + slot);
            const uint8_t *block = (const uint8_t *)s->src[1] + i * g.b * stride + slot * g.b * g.e;
            if (c >= 0) block_in(out, block, stride, &g, i, (uint64_t)c);
        }
    return PE_OK;
}

const pe_codec pe_codec_blocked_ell = { ell_count, ell_encode, ell_decode };
