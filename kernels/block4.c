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

/* The part of a matrix that a cell holds. */
typedef struct span {
    size_t n0, i0, i1;
} span;

static span span_of(const pe_matrix *w, const pe_block4_spec *spec, size_t cell)
{
    size_t nsplits = nsplits_of(w->k, spec), i0 = cell % nsplits * spec->split;
    return (span){ cell / nsplits * spec->panel, i0,
                   i0 + spec->split < w->k ? i0 + spec->split : w->k };
}

/* Rows of a cell, most blocks first, in order where equal; insertion, since panels are short. Those
 * side by side count as many as the first of them. Returns the blocks of the cell. */
static uint64_t sort_rows(pe_block4_row *rows, const pe_matrix *w, span at,
                          const pe_block4_spec *spec)
{
    uint64_t nblocks = 0;
    for (size_t r = 0; r < spec->panel; r++) {
        pe_block4_row row = { (uint16_t)r, 0 };
        size_t to = r;
        if (at.n0 + r < w->n)
            row.count =
                (uint16_t)count_blocks(w->s8 + (at.n0 + r) * w->k, at.i0, at.i1, spec->width);
        for (; to && rows[to - 1].count < row.count; to--) rows[to] = rows[to - 1];
        rows[to] = row;
    }
    for (size_t r = 0; r < spec->panel; r++) {
        rows[r].count = rows[r - r % spec->side].count;
        nblocks += rows[r].count;
    }
    return nblocks;
}

size_t pe_block4_nbytes(const pe_matrix *w, const pe_block4_spec *spec)
{
    size_t ncells = npanels_of(w->n, spec) * nsplits_of(w->k, spec);
    uint64_t nblocks = spec->side; /* packing writes a block too many of each row */
    pe_block4_row rows[PE_BLOCK4_PANEL];
    for (size_t cell = 0; cell < ncells; cell++)
        nblocks += sort_rows(rows, w, span_of(w, spec, cell), spec);
    return values_at(w->n, w->k, spec) + nblocks * (sizeof(uint32_t) + sizeof(uint16_t));
}

static uint32_t value_of(uint64_t codes, size_t width)
{
    if (width == 4) return (uint32_t)codes;
    return (uint16_t)(int8_t)codes | (uint32_t)(int8_t)(codes >> 8) << 16;
}

/* A row's blocks go to every `side`th place. Each is written where the next one belongs, and counts
 * if it is not zero; zeros fill up to `count`. */
static void write_row(uint32_t *values, uint16_t *index, size_t count, const int8_t *row, span in,
                      const size_t width, size_t side)
{
    size_t at = 0;
    for (size_t i = in.i0; i < in.i1; i += 8) {
        uint64_t codes = eight_at(row, i, in.i1), m = marks(codes, width);
        for (size_t j = 0; j < 8; j += width, codes >>= 8 * width % 64, m >>= 8 * width % 64) {
            values[at * side] = value_of(codes, width);
            index[at * side] = (uint16_t)((i - in.i0 + j) / width * 32);
            at += m >> (8 * width - 1) & 1;
        }
    }
    for (; at < count; at++) values[at * side] = 0, index[at * side] = 0;
}

/* Ascending: what a row writes beyond its end is written anew by the next ones. */
static void write_cell(uint32_t *values, uint16_t *index, const pe_block4_row *rows,
                       const pe_matrix *w, span in, const pe_block4_spec *spec)
{
    static const int8_t none[8];
    for (size_t r = 0; r < spec->panel && rows[r].count; r++) {
        size_t count = rows[r].count, n = in.n0 + rows[r].row;
        const int8_t *row = n < w->n ? w->s8 + n * w->k : none;
        span part = n < w->n ? in : (span){ in.n0, 0, 0 };
        if (spec->width == 4) write_row(values, index, count, row, part, 4, spec->side);
        else write_row(values, index, count, row, part, 2, spec->side);
        bool last = r % spec->side + 1 == spec->side;
        values += last ? (count - 1) * spec->side + 1 : 1;
        index += last ? (count - 1) * spec->side + 1 : 1;
    }
}

void pe_block4_pack(void *packed, const pe_matrix *w, const pe_block4_spec *spec)
{
    size_t ncells = npanels_of(w->n, spec) * nsplits_of(w->k, spec);
    uint64_t *begin = packed;
    pe_block4_row *rows = (pe_block4_row *)(begin + ncells + 1);
    begin[0] = 0;
    for (size_t cell = 0; cell < ncells; cell++)
        begin[cell + 1] =
            begin[cell] + sort_rows(rows + cell * spec->panel, w, span_of(w, spec, cell), spec);
    uint32_t *values = (uint32_t *)((char *)packed + values_at(w->n, w->k, spec));
    uint16_t *index = (uint16_t *)(values + begin[ncells] + spec->side);
    for (size_t cell = 0; cell < ncells; cell++)
        write_cell(values + begin[cell], index + begin[cell], rows + cell * spec->panel, w,
                   span_of(w, spec, cell), spec);
}

pe_block4 pe_block4_view(const void *packed, size_t n, size_t k, const pe_block4_spec *spec)
{
    pe_block4 v = { .npanels = npanels_of(n, spec), .nsplits = nsplits_of(k, spec) };
    size_t ncells = v.npanels * v.nsplits;
    v.begin = packed;
    v.rows = (const pe_block4_row *)(v.begin + ncells + 1);
    v.values = (const uint32_t *)((const char *)packed + values_at(n, k, spec));
    v.index = (const uint16_t *)(v.values + v.begin[ncells] + spec->side);
    return v;
}
