/* tests/emu/libs/spentries.cc - reads a sparse matrix out of device memory and checks its index
 * arrays: every entry of every format becomes (row, column, value). Read next: sprun.cc. */
#include "sp.hh"

#include "../emu.h"
#include "number.hh"

namespace sp
{

/* One entry, or one block of them, with its place in the values. */
struct Place {
    int64_t row, col, at;
};

/* From the base, never descending, to the count. */
static bool check_offsets(const char *call, const SpMat &m, int64_t lines, int64_t count)
{
    int64_t base = m.base, last = index_at(m.offsets, m.index_type, lines);
    if (index_at(m.offsets, m.index_type, 0) != base || last != count + base) {
        emu::violation("%s: the offsets of A go from %lld to %lld, expected %lld to %lld", call,
                       (long long)index_at(m.offsets, m.index_type, 0), (long long)last,
                       (long long)base, (long long)(count + base));
        return false;
    }
    for (int64_t line = 0; line < lines; line++) {
        if (index_at(m.offsets, m.index_type, line) <= index_at(m.offsets, m.index_type, line + 1))
            continue;
        emu::violation("%s: the offsets of A descend at %lld", call, (long long)line);
        return false;
    }
    return true;
}

/* Indices of a line ascend and lie within the matrix. The manual: routines "assume that the indices
 * are provided in increasing order and that each index appears only once", otherwise "the
 * correctness of the computation is not always ensured". */
static bool read_compressed(std::vector<Place> *out, const char *call, const SpMat &m,
                            int64_t lines, int64_t width, int64_t count)
{
    int64_t base = m.base;
    if (!check_offsets(call, m, lines, count)) return false;
    for (int64_t line = 0; line < lines; line++) {
        int64_t from = index_at(m.offsets, m.index_type, line) - base;
        int64_t to = index_at(m.offsets, m.index_type, line + 1) - base, last = -1;
        for (int64_t at = from; at < to; at++) {
            int64_t index = index_at(m.indices, m.index_type, at) - base;
            if (index <= last || index >= width) {
                emu::violation("%s: index %lld of A is %lld, expected above %lld and below %lld",
                               call, (long long)at, (long long)index, (long long)last,
                               (long long)width);
                return false;
            }
            out->push_back({ line, index, at });
            last = index;
        }
    }
    return true;
}

/* Sorted by row, then by column. */
static bool read_coordinates(std::vector<Place> *out, const char *call, const SpMat &m)
{
    int64_t last_row = 0, last_col = -1;
    for (int64_t at = 0; at < m.nnz; at++) {
        int64_t row = index_at(m.offsets, m.index_type, at) - m.base;
        int64_t col = index_at(m.indices, m.index_type, at) - m.base;
        bool inside = row >= 0 && row < m.rows && col >= 0 && col < m.cols;
        bool after = row > last_row || (row == last_row && col > last_col);
        if (!inside || !after) {
            emu::violation("%s: entry %lld of A at (%lld, %lld) is out of %s", call, (long long)at,
                           (long long)row, (long long)col, inside ? "order" : "range");
            return false;
        }
        out->push_back({ row, col, at });
        last_row = row;
        last_col = col;
    }
    return true;
}

static bool all_zero(const SpMat &m, int64_t block_row, int64_t slot)
{
    for (int64_t i = 0; i < m.block; i++)
        for (int64_t j = 0; j < m.block; j++)
            if (emulib::load(m.values, m.type,
                             (block_row * m.block + i) * m.ell_cols + slot * m.block + j) != 0)
                return false;
    return true;
}

/* The values are a dense row-major matrix of rows x ellCols ("ellValue columns" in the manual; to
 * be verified on a device). A block of index -1 is multiplied as block column 0, so its values have
 * to be zeros. */
static bool read_ell(std::vector<Place> *out, const char *call, const SpMat &m)
{
    int64_t slots = m.ell_cols / m.block;
    for (int64_t r = 0; r < m.rows / m.block; r++) {
        for (int64_t s = 0; s < slots; s++) {
            int64_t raw = index_at(m.indices, m.index_type, r * slots + s);
            int64_t col = raw == -1 ? 0 : raw - m.base;
            if (col < 0 || col >= m.cols / m.block) {
                emu::violation("%s: block column %lld of A in block row %lld is out of range", call,
                               (long long)raw, (long long)r);
                return false;
            }
            if (raw == -1 && !all_zero(m, r, s)) {
                emu::violation("%s: padding in block row %lld of A holds values that are not 0",
                               call, (long long)r);
                return false;
            }
            out->push_back({ r, col, r * m.block * m.ell_cols + s * m.block });
        }
    }
    return true;
}

static bool read_places(std::vector<Place> *out, const char *call, const SpMat &m)
{
    switch (m.format) {
    case CUSPARSE_FORMAT_CSR: return read_compressed(out, call, m, m.rows, m.cols, m.nnz);
    case CUSPARSE_FORMAT_CSC: return read_compressed(out, call, m, m.cols, m.rows, m.nnz);
    case CUSPARSE_FORMAT_BSR:
        return read_compressed(out, call, m, m.rows / m.block, m.cols / m.block,
                               m.nnz / (m.block * m.block));
    case CUSPARSE_FORMAT_BLOCKED_ELL: return read_ell(out, call, m);
    default: return read_coordinates(out, call, m);
    }
}

/* Blocks become entries; CSC turns lines and indices around. */
static std::vector<Place> single(const std::vector<Place> &places, const SpMat &m)
{
    std::vector<Place> out;
    bool ell = m.format == CUSPARSE_FORMAT_BLOCKED_ELL;
    if (m.format != CUSPARSE_FORMAT_BSR && !ell) {
        for (const Place &p : places)
            out.push_back(m.format == CUSPARSE_FORMAT_CSC ? Place{ p.col, p.row, p.at } : p);
        return out;
    }
    for (const Place &p : places) {
        for (int64_t i = 0; i < m.block; i++) {
            for (int64_t j = 0; j < m.block; j++) {
                int64_t in_block =
                    m.order == CUSPARSE_ORDER_ROW ? i * m.block + j : j * m.block + i;
                int64_t at = ell ? p.at + i * m.ell_cols + j : p.at * m.block * m.block + in_block;
                out.push_back({ p.row * m.block + i, p.col * m.block + j, at });
            }
        }
    }
    return out;
}

/* Counting sort by row keeps the stored order within a row. */
template <class Number>
static void sort_by_row(Entries<Number> *out, const std::vector<Place> &places, const SpMat &m,
                        bool transposed)
{
    out->rows = transposed ? m.cols : m.rows;
    out->cols = transposed ? m.rows : m.cols;
    out->first.assign((size_t)out->rows + 1, 0);
    out->col.resize(places.size());
    out->value.resize(places.size());
    for (const Place &p : places) out->first[(size_t)(transposed ? p.col : p.row) + 1]++;
    for (int64_t r = 0; r < out->rows; r++) out->first[(size_t)r + 1] += out->first[(size_t)r];
    std::vector<int64_t> next(out->first);
    for (const Place &p : places) {
        size_t slot = (size_t)next[(size_t)(transposed ? p.col : p.row)]++;
        out->col[slot] = transposed ? p.row : p.col;
        out->value[slot] = (Number)emulib::load(m.values, m.type, p.at);
    }
}

template <class Number>
static bool read(Entries<Number> *out, const char *call, const SpMat &m, bool transposed)
{
    Arrays a = arrays_of(m);
    std::vector<Place> places;
    if (!good(call, "the offsets (or row indices) of A", a.offsets)) return false;
    if (!good(call, "the indices of A", a.indices)) return false;
    if (!good(call, "the values of A", a.values)) return false;
    if (!read_places(&places, call, m)) return false;
    sort_by_row(out, single(places, m), m, transposed);
    return true;
}

bool read_entries(Entries<float> *out, const char *call, const SpMat &m, bool transposed)
{
    return read(out, call, m, transposed);
}

bool read_entries(Entries<int32_t> *out, const char *call, const SpMat &m, bool transposed)
{
    return read(out, call, m, transposed);
}

} // namespace sp
