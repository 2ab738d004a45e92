/* kernels/block4.c - packs an int8 matrix as short blocks of inputs, cell by cell; models are
 * packed while their first user waits, so eight codes at a time and without branches on the data.
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

static size_t values_at(size_t n, size_t k, const pe_block4_spec *spec)
{
    size_t ncells = npanels_of(n, spec) * nsplits_of(k, spec);
    size_t at = (ncells + 1) * sizeof(uint64_t) + ncells * spec->panel * sizeof(pe_block4_row);
    return pe_round_up(at, 64);
}

/* Codes i..i+7 of a row, zeros beyond its end. */
static uint64_t eight_at(const int8_t *row, size_t i, size_t k)
{
    uint64_t codes = 0;
    memcpy(&codes, row + i, k - i < 8 ? k - i : 8);
    return codes;
}

/* The top bit of every lane of `width` codes that is not all zero. */
static uint64_t marks(uint64_t codes, size_t width)
{
    uint64_t top = width == 4 ? 0x8000000080000000 : 0x8000800080008000;
    return (((codes & ~top) + ~top) | codes) & top;
}

static size_t count_blocks(const int8_t *row, size_t i0, size_t i1, size_t width)
{
    size_t count = 0;
    for (size_t i = i0; i < i1; i += 8) {
        uint64_t m = marks(eight_at(row, i, i1), width);
        count += width == 4 ? (m >> 31 & 1) + (m >> 63) : ((m >> 15) * 0x0001000100010001) >> 48;
    }
    return count;
}

/* Blocks of a row in the cell of inputs i0..i1, those that fill it up included. */
static size_t cell_blocks(const int8_t *row, size_t i0, size_t i1, const pe_block4_spec *spec)
{
    return pe_round_up(count_blocks(row, i0, i1, spec->width), spec->unit);
}

size_t pe_block4_nbytes(const pe_matrix *w, const pe_block4_spec *spec)
{
    size_t nblocks = 1; /* packing writes one block too many */
    for (size_t n = 0; n < w->n; n++)
        for (size_t i = 0; i < w->k; i += spec->split)
            nblocks += cell_blocks(w->s8 + n * w->k, i,
                                   i + spec->split < w->k ? i + spec->split : w->k, spec);
    return values_at(w->n, w->k, spec) + nblocks * (sizeof(uint32_t) + sizeof(uint16_t));
}

/* Rows of a cell, most blocks first, in order where equal; insertion, since panels are short.
 * Returns the blocks of the cell. */
static uint64_t sort_rows(pe_block4_row *rows, const pe_matrix *w, size_t n0, size_t i0, size_t i1,
                          const pe_block4_spec *spec)
{
    uint64_t nblocks = 0;
    for (size_t r = 0; r < spec->panel; r++) {
        pe_block4_row row = { (uint16_t)r, 0 };
        size_t at = r;
        if (n0 + r < w->n) row.count = (uint16_t)cell_blocks(w->s8 + (n0 + r) * w->k, i0, i1, spec);
        for (; at && rows[at - 1].count < row.count; at--) rows[at] = rows[at - 1];
        rows[at] = row;
        nblocks += row.count;
    }
    return nblocks;
}

static uint32_t value_of(uint64_t codes, size_t width)
{
    if (width == 4) return (uint32_t)codes;
    return (uint16_t)(int8_t)codes | (uint32_t)(int8_t)(codes >> 8) << 16;
}

/* Every block is written where the next one belongs, and counts if it is not zero. */
static uint64_t write_row(uint32_t *values, uint16_t *index, uint64_t at, const int8_t *row,
                          size_t i0, size_t i1, const size_t width)
{
    for (size_t i = i0; i < i1; i += 8) {
        uint64_t codes = eight_at(row, i, i1), m = marks(codes, width);
        for (size_t j = 0; j < 8; j += width, codes >>= 8 * width % 64, m >>= 8 * width % 64) {
            values[at] = value_of(codes, width);
            index[at] = (uint16_t)((i - i0 + j) / width * 32);
            at += m >> (8 * width - 1) & 1;
        }
    }
    return at;
}

void pe_block4_pack(void *packed, const pe_matrix *w, const pe_block4_spec *spec)
{
    size_t nsplits = nsplits_of(w->k, spec), ncells = npanels_of(w->n, spec) * nsplits;
    uint64_t *begin = packed, at = 0;
    pe_block4_row *rows = (pe_block4_row *)(begin + ncells + 1), *row = rows;
    begin[0] = 0;
    for (size_t cell = 0; cell < ncells; cell++) {
        size_t n0 = cell / nsplits * spec->panel, i0 = cell % nsplits * spec->split;
        size_t i1 = i0 + spec->split < w->k ? i0 + spec->split : w->k;
        begin[cell + 1] = begin[cell] + sort_rows(rows + cell * spec->panel, w, n0, i0, i1, spec);
    }
    uint32_t *values = (uint32_t *)((char *)packed + values_at(w->n, w->k, spec));
    uint16_t *index = (uint16_t *)(values + begin[ncells] + 1);
    for (size_t cell = 0; cell < ncells; cell++) {
        size_t n0 = cell / nsplits * spec->panel, i0 = cell % nsplits * spec->split;
        size_t i1 = i0 + spec->split < w->k ? i0 + spec->split : w->k;
        row = rows + cell * spec->panel;
        for (size_t r = 0; r < spec->panel && row[r].count; r++) {
            const int8_t *codes = w->s8 + (n0 + row[r].row) * w->k;
            uint64_t end = at + row[r].count;
            if (spec->width == 4) at = write_row(values, index, at, codes, i0, i1, 4);
            else at = write_row(values, index, at, codes, i0, i1, 2);
            for (; at < end; at++) values[at] = 0, index[at] = 0;
        }
    }
}

pe_block4 pe_block4_view(const void *packed, size_t n, size_t k, const pe_block4_spec *spec)
{
    pe_block4 v = { .npanels = npanels_of(n, spec), .nsplits = nsplits_of(k, spec) };
    size_t ncells = v.npanels * v.nsplits;
    v.begin = packed;
    v.rows = (const pe_block4_row *)(v.begin + ncells + 1);
    v.values = (const uint32_t *)((const char *)packed + values_at(n, k, spec));
    v.index = (const uint16_t *)(v.values + v.begin[ncells] + 1);
    return v;
}
