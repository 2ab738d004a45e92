/* tests/emu/libtests/spcase.cc - sparse formats written down once more, from their description.
 * Read next: spcase.hh. */
#include "spcase.hh"

#include <cstring>

#include "../libs/number.hh"

Plain plain(int64_t rows, int64_t cols, int64_t block, bool integers, uint64_t seed)
{
    Plain m = { rows, cols, std::vector<float>((size_t)(rows * cols), 0.0f) };
    Numbers random(seed);
    for (int64_t r = 0; r < rows; r += block) {
        for (int64_t c = 0; c < cols; c += block) {
            if (random.between(0, 1)) continue;
            for (int64_t i = r; i < r + block; i++)
                for (int64_t j = c; j < c + block; j++)
                    m.value[(size_t)(i * cols + j)] =
                        integers ? (float)random.between(-128, 127) : random.value();
        }
    }
    return m;
}

Plain transposed(const Plain &m)
{
    Plain t = { m.cols, m.rows, std::vector<float>(m.value.size()) };
    for (int64_t i = 0; i < m.rows; i++)
        for (int64_t j = 0; j < m.cols; j++) t.value[(size_t)(j * m.rows + i)] = m.at(i, j);
    return t;
}

static bool has_values(const Plain &m, int64_t row, int64_t col, int64_t block)
{
    for (int64_t i = 0; i < block; i++)
        for (int64_t j = 0; j < block; j++)
            if (m.at(row + i, col + j) != 0) return true;
    return false;
}

/* CSR and BSR, whose entries are blocks. */
static void compress(Stored *s, const Plain &m, cusparseOrder_t order)
{
    s->offsets.push_back(0);
    for (int64_t r = 0; r < m.rows; r += s->block) {
        for (int64_t c = 0; c < m.cols; c += s->block) {
            if (!has_values(m, r, c, s->block)) continue;
            s->indices.push_back(c / s->block);
            for (int64_t i = 0; i < s->block; i++)
                for (int64_t j = 0; j < s->block; j++)
                    s->value.push_back(order == CUSPARSE_ORDER_ROW ? m.at(r + i, c + j)
                                                                   : m.at(r + j, c + i));
        }
        s->offsets.push_back((int64_t)s->indices.size());
    }
}

/* As many slots a block row as the fullest one needs; empty ones are -1 and hold zeros. */
static void ell(Stored *s, const Plain &m)
{
    Stored bsr = stored(m, CUSPARSE_FORMAT_BSR, s->block);
    int64_t slots = 0, brows = m.rows / s->block;
    for (int64_t r = 0; r < brows; r++)
        slots = std::max(slots, bsr.offsets[(size_t)r + 1] - bsr.offsets[(size_t)r]);
    s->ell_cols = slots * s->block;
    s->indices.assign((size_t)(slots * brows), -1);
    s->value.assign((size_t)(m.rows * s->ell_cols), 0.0f);
    for (int64_t r = 0; r < brows; r++) {
        for (int64_t slot = 0; slot < bsr.offsets[(size_t)r + 1] - bsr.offsets[(size_t)r]; slot++) {
            int64_t c = bsr.indices[(size_t)(bsr.offsets[(size_t)r] + slot)];
            s->indices[(size_t)(r * slots + slot)] = c;
            for (int64_t i = 0; i < s->block; i++)
                for (int64_t j = 0; j < s->block; j++)
                    s->value[(size_t)((r * s->block + i) * s->ell_cols + slot * s->block + j)] =
                        m.at(r * s->block + i, c * s->block + j);
        }
    }
}

Stored stored(const Plain &m, cusparseFormat_t format, int64_t block, cusparseOrder_t order)
{
    Stored s = { format, m.rows, m.cols, 0, block, 0, {}, {}, {} };
    if (format == CUSPARSE_FORMAT_BLOCKED_ELL) {
        ell(&s, m);
    } else if (format == CUSPARSE_FORMAT_CSC) {
        compress(&s, transposed(m), order);
    } else {
        compress(&s, m, order);
    }
    if (format == CUSPARSE_FORMAT_COO) {
        std::vector<int64_t> rows;
        for (int64_t r = 0; r < m.rows; r++)
            for (int64_t e = s.offsets[(size_t)r]; e < s.offsets[(size_t)r + 1]; e++)
                rows.push_back(r);
        s.offsets = rows;
    }
    s.nnz = (int64_t)s.indices.size();
    return s;
}

static void *indices_on_device(const std::vector<int64_t> &from, cusparseIndexType_t type,
                               int64_t base)
{
    std::vector<char> out(from.size() * 8);
    for (size_t i = 0; i < from.size(); i++) {
        int64_t wide = from[i] == -1 ? -1 : from[i] + base;
        int32_t narrow = (int32_t)wide;
        if (type == CUSPARSE_INDEX_64I) memcpy(&out[i * 8], &wide, 8);
        else memcpy(&out[i * 4], &narrow, 4);
    }
    return device(out.data(), from.size() * (type == CUSPARSE_INDEX_64I ? 8 : 4));
}

static void *values_on_device(const std::vector<float> &from, cudaDataType type)
{
    std::vector<char> out(from.size() * 4);
    for (size_t i = 0; i < from.size(); i++) emulib::store(out.data(), type, (int64_t)i, from[i]);
    return device(out.data(), from.size() * emulib::size_of(type));
}

Sparse on_device(const Stored &s, cudaDataType type, cusparseIndexType_t index,
                 cusparseIndexBase_t base, cusparseOrder_t order)
{
    Sparse d;
    cusparseStatus_t status = CUSPARSE_STATUS_SUCCESS;
    if (s.format != CUSPARSE_FORMAT_BLOCKED_ELL)
        d.offsets = indices_on_device(s.offsets, index, base);
    d.indices = indices_on_device(s.indices, index, base);
    d.values = values_on_device(s.value, type);
    switch (s.format) {
    case CUSPARSE_FORMAT_CSR:
        status = cusparseCreateCsr(&d.matrix, s.rows, s.cols, s.nnz, d.offsets, d.indices, d.values,
                                   index, index, base, type);
        break;
    case CUSPARSE_FORMAT_CSC:
        status = cusparseCreateCsc(&d.matrix, s.rows, s.cols, s.nnz, d.offsets, d.indices, d.values,
                                   index, index, base, type);
        break;
    case CUSPARSE_FORMAT_COO:
        status = cusparseCreateCoo(&d.matrix, s.rows, s.cols, s.nnz, d.offsets, d.indices, d.values,
                                   index, base, type);
        break;
    case CUSPARSE_FORMAT_BSR:
        status = cusparseCreateBsr(&d.matrix, s.rows / s.block, s.cols / s.block, s.nnz, s.block,
                                   s.block, d.offsets, d.indices, d.values, index, index, base,
                                   type, order);
        break;
    default:
        status = cusparseCreateBlockedEll(&d.matrix, s.rows, s.cols, s.block, s.ell_cols, d.indices,
                                          d.values, index, base, type);
    }
    check_equal(status, 0, "a sparse matrix");
    return d;
}

static Dense described(int64_t rows, int64_t cols, cudaDataType type, cusparseOrder_t order,
                       int64_t gap)
{
    Dense d;
    d.rows = rows;
    d.cols = cols;
    d.order = order;
    d.type = type;
    d.ld = (order == CUSPARSE_ORDER_ROW ? cols : rows) + gap;
    return d;
}

static void finish(Dense *d)
{
    check_equal(cusparseCreateDnMat(&d->matrix, d->rows, d->cols, d->ld, d->values, d->type,
                                    d->order),
                0, "a dense matrix");
}

/* Gaps hold 99. */
Dense dense(const Plain &m, cudaDataType type, cusparseOrder_t order, int64_t gap)
{
    Dense d = described(m.rows, m.cols, type, order, gap);
    std::vector<float> all(d.nelem(), 99.0f);
    for (int64_t i = 0; i < m.rows; i++)
        for (int64_t j = 0; j < m.cols; j++)
            all[(size_t)(order == CUSPARSE_ORDER_ROW ? i * d.ld + j : j * d.ld + i)] = m.at(i, j);
    std::vector<char> stored_as(all.size() * 4);
    for (size_t i = 0; i < all.size(); i++) {
        int32_t integer = (int32_t)all[i];
        if (type == CUDA_R_32I) memcpy(&stored_as[i * 4], &integer, 4);
        else emulib::store(stored_as.data(), type, (int64_t)i, all[i]);
    }
    d.values = device(stored_as.data(), all.size() * emulib::size_of(type));
    finish(&d);
    return d;
}

Dense empty_dense(int64_t rows, int64_t cols, cudaDataType type, cusparseOrder_t order)
{
    Dense d = described(rows, cols, type, order, 0);
    d.values = device(d.nelem() * emulib::size_of(type));
    finish(&d);
    return d;
}

std::vector<float> values_of(const Dense &d)
{
    std::vector<char> raw = host<char>(d.values, d.nelem() * emulib::size_of(d.type));
    std::vector<float> out(d.nelem());
    for (size_t i = 0; i < out.size(); i++) out[i] = emulib::load(raw.data(), d.type, (int64_t)i);
    return out;
}

void SpCase::make()
{
    if (!handle) check_equal(cusparseCreate(&handle), 0, "cusparseCreate");
}

/* alpha and beta in the compute type. */
static const void *scalar(const void *given, float value, cudaDataType compute, char *place)
{
    int32_t integer = (int32_t)value;
    if (given) return given;
    if (compute == CUDA_R_32I) memcpy(place, &integer, 4);
    else emulib::store(place, compute, 0, value);
    return place;
}

cusparseStatus_t SpCase::size(const Sparse &a, const Dense &b, const Dense &c, size_t *nbytes)
{
    char one[8], two[8];
    make();
    return cusparseSpMM_bufferSize(handle, op_a, op_b, scalar(alpha_at, alpha, compute, one),
                                   a.matrix, b.matrix, scalar(beta_at, beta, compute, two),
                                   c.matrix, compute, alg, nbytes);
}

cusparseStatus_t SpCase::prepare(const Sparse &a, const Dense &b, const Dense &c)
{
    char one[8], two[8];
    size_t nbytes = 0;
    cusparseStatus_t status = size(a, b, c, &nbytes);
    if (status) return status;
    if (own_buffer) buffer = nbytes ? device(nbytes) : nullptr;
    return cusparseSpMM_preprocess(handle, op_a, op_b, scalar(alpha_at, alpha, compute, one),
                                   a.matrix, b.matrix, scalar(beta_at, beta, compute, two),
                                   c.matrix, compute, alg, buffer);
}

cusparseStatus_t SpCase::run(const Sparse &a, const Dense &b, const Dense &c)
{
    char one[8], two[8];
    size_t nbytes = 0;
    cusparseStatus_t status = size(a, b, c, &nbytes);
    if (status) return status;
    if (own_buffer) buffer = nbytes ? device(nbytes) : nullptr;
    return cusparseSpMM(handle, op_a, op_b, scalar(alpha_at, alpha, compute, one), a.matrix,
                        b.matrix, scalar(beta_at, beta, compute, two), c.matrix, compute, alg,
                        buffer);
}

cusparseStatus_t SpCase::vector(const Sparse &a, const Dense &x, const Dense &y)
{
    char one[8], two[8];
    size_t nbytes = 0;
    cusparseDnVecDescr_t of_x = nullptr, of_y = nullptr;
    make();
    check_equal(cusparseCreateDnVec(&of_x, x.rows, x.values, x.type), 0, "X");
    check_equal(cusparseCreateDnVec(&of_y, y.rows, y.values, y.type), 0, "Y");
    const void *first = scalar(alpha_at, alpha, compute, one),
               *second = scalar(beta_at, beta, compute, two);
    cusparseStatus_t status = cusparseSpMV_bufferSize(handle, op_a, first, a.matrix, of_x, second,
                                                      of_y, compute, mv_alg, &nbytes);
    if (status) return status;
    if (own_buffer) buffer = nbytes ? device(nbytes) : nullptr;
    return cusparseSpMV(handle, op_a, first, a.matrix, of_x, second, of_y, compute, mv_alg, buffer);
}
