/* tests/emu/libs/spcreate.cc - constructors of the stand-in for cuSPARSE. Each answers as the real
 * one does without a GPU; tests/emu/libtests/real_descriptors.c compares them. Read next:
 * spaccess.cc. */
#include "sp.hh"

#include <climits>

#include "number.hh"
#include "refusal.hh"

namespace sp
{

/* Bytes of an element that a descriptor may have; more types than products take. 0: none. */
static int64_t element_size(cudaDataType type)
{
    switch (type) {
    case CUDA_R_64F:
    case CUDA_C_32F: return 8;
    case CUDA_C_64F: return 16;
    case CUDA_C_16F:
    case CUDA_C_16BF: return 4;
    default: return (int64_t)emulib::size_of(type);
    }
}

static bool misaligned(const void *p, int64_t align)
{
    return (uintptr_t)p % (uintptr_t)align != 0;
}

/* What all sparse formats have in common, once their own sizes are sound. */
static cusparseStatus_t check_common(const SpMat &m)
{
    if (index_size(m.index_type) == 0) return invalid("index type %d", m.index_type);
    if (m.base != CUSPARSE_INDEX_BASE_ZERO && m.base != CUSPARSE_INDEX_BASE_ONE)
        return invalid("index base %d", m.base);
    if (element_size(m.type) == 0) return invalid("values of type %d", m.type);
    if (misaligned(m.offsets, index_size(m.index_type)) ||
        misaligned(m.indices, index_size(m.index_type)) ||
        misaligned(m.values, element_size(m.type)))
        return invalid("an array is not aligned to its elements");
    return CUSPARSE_STATUS_SUCCESS;
}

static cusparseStatus_t check_sizes(int64_t rows, int64_t cols, int64_t nnz, const SpMat &m)
{
    if (rows < 0 || cols < 0 || nnz < 0)
        return invalid("%lld x %lld with %lld entries", (long long)rows, (long long)cols,
                       (long long)nnz);
    if (m.index_type == CUSPARSE_INDEX_32I &&
        (rows + m.base > INT32_MAX || cols + m.base > INT32_MAX || nnz + m.base > INT32_MAX))
        return invalid("sizes past 2^31 - 1 with 32-bit indices");
    if ((__int128)nnz > (__int128)rows * cols)
        return invalid("%lld entries in %lld x %lld", (long long)nnz, (long long)rows,
                       (long long)cols);
    return CUSPARSE_STATUS_SUCCESS;
}

static cusparseStatus_t make(SpMat **place, const SpMat &m)
{
    cusparseStatus_t status = check_common(m);
    if (status) return status;
    emulib::count_object("cuSPARSE", 1);
    *place = new SpMat(m);
    (*place)->magic = LIVE_SPMAT;
    return CUSPARSE_STATUS_SUCCESS;
}

static SpMat described(cusparseFormat_t format, const void *offsets, const void *indices,
                       const void *values, cusparseIndexType_t index_type, cusparseIndexBase_t base,
                       cudaDataType type)
{
    SpMat m = {};
    m.format = format;
    m.offsets = offsets;
    m.indices = indices;
    m.values = values;
    m.index_type = index_type;
    m.base = base;
    m.type = type;
    m.order = CUSPARSE_ORDER_ROW;
    return m;
}

/* CSR and CSC; the two index types must be one. */
static cusparseStatus_t compressed(SpMat **place, SpMat m, int64_t rows, int64_t cols, int64_t nnz,
                                   cusparseIndexType_t of_indices)
{
    if (!place) return invalid("the descriptor's place is NULL");
    cusparseStatus_t status = check_sizes(rows, cols, nnz, m);
    if (status) return status;
    if (index_size(of_indices) == 0) return invalid("index type %d", of_indices);
    m.rows = rows;
    m.cols = cols;
    m.nnz = nnz;
    if (index_size(m.index_type) && m.index_type != of_indices)
        return unsupported("offsets and indices of different types (%d, %d)", m.index_type,
                           of_indices);
    return make(place, m);
}

static cusparseStatus_t coordinates(SpMat **place, SpMat m, int64_t rows, int64_t cols, int64_t nnz)
{
    if (!place) return invalid("the descriptor's place is NULL");
    cusparseStatus_t status = check_sizes(rows, cols, nnz, m);
    m.rows = rows;
    m.cols = cols;
    m.nnz = nnz;
    return status ? status : make(place, m);
}

static cusparseStatus_t blocks(SpMat **place, SpMat m, int64_t brows, int64_t bcols, int64_t bnnz,
                               int64_t row_block, int64_t col_block, cusparseIndexType_t of_indices,
                               cusparseOrder_t order)
{
    if (!place) return invalid("the descriptor's place is NULL");
    if (row_block <= 0 || col_block <= 0) return invalid("a block of no size");
    if (row_block != col_block)
        return invalid("blocks of %lld x %lld, only square ones are supported",
                       (long long)row_block, (long long)col_block);
    if (order != CUSPARSE_ORDER_ROW && order != CUSPARSE_ORDER_COL)
        return invalid("order %d", order);
    m.block = row_block;
    m.order = order;
    cusparseStatus_t status = compressed(place, m, brows, bcols, bnnz, of_indices);
    if (status) return status;
    (*place)->rows *= row_block;
    (*place)->cols *= row_block;
    (*place)->nnz *= row_block * row_block;
    return status;
}

/* The real constructor takes blocks of size 0 as long as nothing is stored in them, and reports
 * rows * cols * block as the number of entries, whatever is stored. */
static cusparseStatus_t ell(SpMat **place, SpMat m, int64_t rows, int64_t cols, int64_t block,
                            int64_t ell_cols)
{
    if (!place) return invalid("the descriptor's place is NULL");
    if (rows < 0 || cols < 0 || block < 0 || ell_cols < 0) return invalid("a negative size");
    if (block > rows) return invalid("blocks larger than the rows");
    if (ell_cols > cols) return invalid("more columns stored than there are");
    if (block ? rows % block || cols % block || ell_cols % block : ell_cols)
        return invalid("%lld x %lld (%lld stored) in blocks of %lld", (long long)rows,
                       (long long)cols, (long long)ell_cols, (long long)block);
    m.rows = rows;
    m.cols = cols;
    m.block = block;
    m.ell_cols = ell_cols;
    m.nnz = rows * cols * block;
    return make(place, m);
}

static SpMat **plain(cusparseConstSpMatDescr_t *place)
{
    return const_cast<SpMat **>(place);
}

static cusparseStatus_t dense(DnMat **place, int64_t rows, int64_t cols, int64_t ld,
                              const void *values, cudaDataType type, cusparseOrder_t order)
{
    if (!place) return invalid("the descriptor's place is NULL");
    if (rows < 0 || cols < 0) return invalid("%lld x %lld", (long long)rows, (long long)cols);
    if (order != CUSPARSE_ORDER_ROW && order != CUSPARSE_ORDER_COL)
        return invalid("order %d", order);
    if (ld < (order == CUSPARSE_ORDER_ROW ? cols : rows))
        return invalid("leading dimension %lld of %lld x %lld", (long long)ld, (long long)rows,
                       (long long)cols);
    if (element_size(type) == 0) return invalid("values of type %d", type);
    if (misaligned(values, element_size(type))) return invalid("the values are misaligned");
    emulib::count_object("cuSPARSE", 1);
    *place = new DnMat{ LIVE_DNMAT, rows, cols, ld, const_cast<void *>(values), type, order };
    return CUSPARSE_STATUS_SUCCESS;
}

static cusparseStatus_t vector(DnVec **place, int64_t size, const void *values, cudaDataType type)
{
    if (!place) return invalid("the descriptor's place is NULL");
    if (size < 0) return invalid("%lld elements", (long long)size);
    if (element_size(type) == 0) return invalid("values of type %d", type);
    if (misaligned(values, element_size(type))) return invalid("the values are misaligned");
    emulib::count_object("cuSPARSE", 1);
    *place = new DnVec{ LIVE_DNVEC, size, const_cast<void *>(values), type };
    return CUSPARSE_STATUS_SUCCESS;
}

} // namespace sp

using namespace sp;

extern "C" {

cusparseStatus_t cusparseCreateCsr(cusparseSpMatDescr_t *m, int64_t rows, int64_t cols, int64_t nnz,
                                   void *offsets, void *columns, void *values,
                                   cusparseIndexType_t offsets_type,
                                   cusparseIndexType_t columns_type, cusparseIndexBase_t base,
                                   cudaDataType type)
{
    if (emulib::enter("cusparseCreateCsr")) return CUSPARSE_STATUS_ALLOC_FAILED;
    SpMat csr = described(CUSPARSE_FORMAT_CSR, offsets, columns, values, offsets_type, base, type);
    return compressed(m, csr, rows, cols, nnz, columns_type);
}

cusparseStatus_t cusparseCreateConstCsr(cusparseConstSpMatDescr_t *m, int64_t rows, int64_t cols,
                                        int64_t nnz, const void *offsets, const void *columns,
                                        const void *values, cusparseIndexType_t offsets_type,
                                        cusparseIndexType_t columns_type, cusparseIndexBase_t base,
                                        cudaDataType type)
{
    if (emulib::enter("cusparseCreateConstCsr")) return CUSPARSE_STATUS_ALLOC_FAILED;
    SpMat csr = described(CUSPARSE_FORMAT_CSR, offsets, columns, values, offsets_type, base, type);
    return compressed(plain(m), csr, rows, cols, nnz, columns_type);
}

cusparseStatus_t cusparseCreateCsc(cusparseSpMatDescr_t *m, int64_t rows, int64_t cols, int64_t nnz,
                                   void *offsets, void *rows_of, void *values,
                                   cusparseIndexType_t offsets_type, cusparseIndexType_t rows_type,
                                   cusparseIndexBase_t base, cudaDataType type)
{
    if (emulib::enter("cusparseCreateCsc")) return CUSPARSE_STATUS_ALLOC_FAILED;
    SpMat csc = described(CUSPARSE_FORMAT_CSC, offsets, rows_of, values, offsets_type, base, type);
    return compressed(m, csc, rows, cols, nnz, rows_type);
}

cusparseStatus_t cusparseCreateConstCsc(cusparseConstSpMatDescr_t *m, int64_t rows, int64_t cols,
                                        int64_t nnz, const void *offsets, const void *rows_of,
                                        const void *values, cusparseIndexType_t offsets_type,
                                        cusparseIndexType_t rows_type, cusparseIndexBase_t base,
                                        cudaDataType type)
{
    if (emulib::enter("cusparseCreateConstCsc")) return CUSPARSE_STATUS_ALLOC_FAILED;
    SpMat csc = described(CUSPARSE_FORMAT_CSC, offsets, rows_of, values, offsets_type, base, type);
    return compressed(plain(m), csc, rows, cols, nnz, rows_type);
}

cusparseStatus_t cusparseCreateCoo(cusparseSpMatDescr_t *m, int64_t rows, int64_t cols, int64_t nnz,
                                   void *rows_of, void *columns, void *values,
                                   cusparseIndexType_t index_type, cusparseIndexBase_t base,
                                   cudaDataType type)
{
    if (emulib::enter("cusparseCreateCoo")) return CUSPARSE_STATUS_ALLOC_FAILED;
    SpMat coo = described(CUSPARSE_FORMAT_COO, rows_of, columns, values, index_type, base, type);
    return coordinates(m, coo, rows, cols, nnz);
}

cusparseStatus_t cusparseCreateConstCoo(cusparseConstSpMatDescr_t *m, int64_t rows, int64_t cols,
                                        int64_t nnz, const void *rows_of, const void *columns,
                                        const void *values, cusparseIndexType_t index_type,
                                        cusparseIndexBase_t base, cudaDataType type)
{
    if (emulib::enter("cusparseCreateConstCoo")) return CUSPARSE_STATUS_ALLOC_FAILED;
    SpMat coo = described(CUSPARSE_FORMAT_COO, rows_of, columns, values, index_type, base, type);
    return coordinates(plain(m), coo, rows, cols, nnz);
}

cusparseStatus_t cusparseCreateBsr(cusparseSpMatDescr_t *m, int64_t brows, int64_t bcols,
                                   int64_t bnnz, int64_t row_block, int64_t col_block,
                                   void *offsets, void *columns, void *values,
                                   cusparseIndexType_t offsets_type,
                                   cusparseIndexType_t columns_type, cusparseIndexBase_t base,
                                   cudaDataType type, cusparseOrder_t order)
{
    if (emulib::enter("cusparseCreateBsr")) return CUSPARSE_STATUS_ALLOC_FAILED;
    SpMat bsr = described(CUSPARSE_FORMAT_BSR, offsets, columns, values, offsets_type, base, type);
    return blocks(m, bsr, brows, bcols, bnnz, row_block, col_block, columns_type, order);
}

cusparseStatus_t cusparseCreateConstBsr(cusparseConstSpMatDescr_t *m, int64_t brows, int64_t bcols,
                                        int64_t bnnz, int64_t row_block, int64_t col_block,
                                        const void *offsets, const void *columns,
                                        const void *values, cusparseIndexType_t offsets_type,
                                        cusparseIndexType_t columns_type, cusparseIndexBase_t base,
                                        cudaDataType type, cusparseOrder_t order)
{
    if (emulib::enter("cusparseCreateConstBsr")) return CUSPARSE_STATUS_ALLOC_FAILED;
    SpMat bsr = described(CUSPARSE_FORMAT_BSR, offsets, columns, values, offsets_type, base, type);
    return blocks(plain(m), bsr, brows, bcols, bnnz, row_block, col_block, columns_type, order);
}

cusparseStatus_t cusparseCreateBlockedEll(cusparseSpMatDescr_t *m, int64_t rows, int64_t cols,
                                          int64_t block, int64_t ell_cols, void *columns,
                                          void *values, cusparseIndexType_t index_type,
                                          cusparseIndexBase_t base, cudaDataType type)
{
    if (emulib::enter("cusparseCreateBlockedEll")) return CUSPARSE_STATUS_ALLOC_FAILED;
    SpMat bell =
        described(CUSPARSE_FORMAT_BLOCKED_ELL, nullptr, columns, values, index_type, base, type);
    return ell(m, bell, rows, cols, block, ell_cols);
}

cusparseStatus_t cusparseCreateConstBlockedEll(cusparseConstSpMatDescr_t *m, int64_t rows,
                                               int64_t cols, int64_t block, int64_t ell_cols,
                                               const void *columns, const void *values,
                                               cusparseIndexType_t index_type,
                                               cusparseIndexBase_t base, cudaDataType type)
{
    if (emulib::enter("cusparseCreateConstBlockedEll")) return CUSPARSE_STATUS_ALLOC_FAILED;
    SpMat bell =
        described(CUSPARSE_FORMAT_BLOCKED_ELL, nullptr, columns, values, index_type, base, type);
    return ell(plain(m), bell, rows, cols, block, ell_cols);
}

cusparseStatus_t cusparseCreateDnMat(cusparseDnMatDescr_t *m, int64_t rows, int64_t cols,
                                     int64_t ld, void *values, cudaDataType type,
                                     cusparseOrder_t order)
{
    if (emulib::enter("cusparseCreateDnMat")) return CUSPARSE_STATUS_ALLOC_FAILED;
    return dense(m, rows, cols, ld, values, type, order);
}

cusparseStatus_t cusparseCreateConstDnMat(cusparseConstDnMatDescr_t *m, int64_t rows, int64_t cols,
                                          int64_t ld, const void *values, cudaDataType type,
                                          cusparseOrder_t order)
{
    if (emulib::enter("cusparseCreateConstDnMat")) return CUSPARSE_STATUS_ALLOC_FAILED;
    return dense(const_cast<DnMat **>(m), rows, cols, ld, values, type, order);
}

cusparseStatus_t cusparseCreateDnVec(cusparseDnVecDescr_t *v, int64_t size, void *values,
                                     cudaDataType type)
{
    if (emulib::enter("cusparseCreateDnVec")) return CUSPARSE_STATUS_ALLOC_FAILED;
    return vector(v, size, values, type);
}

cusparseStatus_t cusparseCreateConstDnVec(cusparseConstDnVecDescr_t *v, int64_t size,
                                          const void *values, cudaDataType type)
{
    if (emulib::enter("cusparseCreateConstDnVec")) return CUSPARSE_STATUS_ALLOC_FAILED;
    return vector(const_cast<DnVec **>(v), size, values, type);
}

} // extern "C"
