/* kernels/block4.c - packs an int8 matrix as 1x4 blocks, cell by cell.
 * Read next: kernels/block4.h. */
#include "kernels/block4.h"

#include <string.h>

#include "lib/base/checked.h"

/* Cells of a matrix without inputs hold no blocks, but they are there: its sums are zero. */
static size_t nsplits_of(size_t k, const pe_block4_spec *spec)
{
    return k ? (k + spec->split - 1) / spec->split : 1;
}
static size_t npanels_of(size_t n, const pe_block4_spec *spec)
{
    return (n + spec->panel - 1) / spec->panel;
}

/* The four weights at input i of row n; false when all are zero. */
static bool block_at(int8_t out[4], const pe_matrix *w, size_t n, size_t i)
{
    bool any = false;
    for (size_t j = 0; j < 4; j++) {
        out[j] = i + j < w->k ? w->s8[n * w->k + i + j] : 0;
        any |= out[j] != 0;
    }
    return any;
}

static size_t values_at(size_t n, size_t k, const pe_block4_spec *spec)
{
    size_t ncells = npanels_of(n, spec) * nsplits_of(k, spec);
    size_t at = (ncells + 1) * sizeof(uint64_t) + ncells * spec->panel * sizeof(pe_block4_row);
    return pe_round_up(at, 64);
}

size_t pe_block4_nbytes(const pe_matrix *w, const pe_block4_spec *spec)
{
    size_t nblocks = 0;
    int8_t b[4];
    for (size_t n = 0; n < w->n; n++)
        for (size_t i = 0; i < w->k; i += 4) nblocks += block_at(b, w, n, i);
    return values_at(w->n, w->k, spec) + nblocks * (4 * spec->value_nbytes + sizeof(uint16_t));
}

static size_t count_blocks(const pe_matrix *w, size_t n, size_t i0, size_t i1)
{
    size_t count = 0;
    int8_t b[4];
    for (size_t i = i0; n < w->n && i < i1; i += 4) count += block_at(b, w, n, i);
    return count;
}

/* Rows of a cell, most blocks first, in order where equal; insertion, since panels are short. */
static void sort_rows(pe_block4_row *rows, const pe_matrix *w, size_t n0, size_t i0, size_t i1,
                      size_t panel)
{
    for (size_t r = 0; r < panel; r++) {
        pe_block4_row row = { (uint16_t)r, (uint16_t)count_blocks(w, n0 + r, i0, i1) };
        size_t at = r;
        for (; at && rows[at - 1].count < row.count; at--) rows[at] = rows[at - 1];
        rows[at] = row;
    }
}

static void write_values(void *values, uint64_t at, const int8_t b[4], size_t value_nbytes)
{
    int16_t wide[4] = { b[0], b[1], b[2], b[3] };
    memcpy((char *)values + at * 4 * value_nbytes, value_nbytes == 1 ? (const void *)b : wide,
           4 * value_nbytes);
}

void pe_block4_pack(void *packed, const pe_matrix *w, const pe_block4_spec *spec)
{
    size_t ncells = npanels_of(w->n, spec) * nsplits_of(w->k, spec);
    uint64_t *begin = packed, at = 0;
    pe_block4_row *rows = (pe_block4_row *)(begin + ncells + 1);
    begin[ncells] = 0;
    for (size_t n = 0; n < w->n; n++) begin[ncells] += count_blocks(w, n, 0, w->k);
    pe_block4 v = pe_block4_view(packed, w->n, w->k, spec); /* begin[ncells] places the indices */
    for (size_t cell = 0; cell < ncells; cell++, rows += spec->panel) {
        size_t n0 = cell / v.nsplits * spec->panel, i0 = cell % v.nsplits * spec->split;
        size_t i1 = i0 + spec->split < w->k ? i0 + spec->split : w->k;
        begin[cell] = at;
        sort_rows(rows, w, n0, i0, i1, spec->panel);
        for (size_t r = 0; r < spec->panel && rows[r].count; r++)
            for (size_t i = i0; i < i1; i += 4) {
                int8_t b[4];
                if (!block_at(b, w, n0 + rows[r].row, i)) continue;
                write_values((void *)v.values, at, b, spec->value_nbytes);
                ((uint16_t *)v.index)[at++] = (uint16_t)((i - i0) / 4);
            }
    }
}

pe_block4 pe_block4_view(const void *packed, size_t n, size_t k, const pe_block4_spec *spec)
{
    pe_block4 v = { .npanels = npanels_of(n, spec), .nsplits = nsplits_of(k, spec) };
    size_t ncells = v.npanels * v.nsplits;
    v.begin = packed;
    v.rows = (const pe_block4_row *)(v.begin + ncells + 1);
    v.values = (const char *)packed + values_at(n, k, spec);
    v.index = (const uint16_t *)((const char *)v.values + v.begin[ncells] * 4 * spec->value_nbytes);
    return v;
}
