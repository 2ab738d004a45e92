/* tests/emu/libtests/test_sp_convert.cc - dense to sparse and back: values, the steps that have to
 * come in order, and what is refused. Read next: tests/emu/libs/spconvert.cc. */
#include "spcase.hh"

#include <cstring>

#include "../libs/number.hh"

static const int INVALID = CUSPARSE_STATUS_INVALID_VALUE, NO = CUSPARSE_STATUS_NOT_SUPPORTED;
static const cusparseDenseToSparseAlg_t TO_SPARSE = CUSPARSE_DENSETOSPARSE_ALG_DEFAULT;
static const cusparseSparseToDenseAlg_t TO_DENSE = CUSPARSE_SPARSETODENSE_ALG_DEFAULT;

static cusparseHandle_t new_handle()
{
    cusparseHandle_t h = nullptr;
    check_equal(cusparseCreate(&h), 0, "cusparseCreate");
    return h;
}

/* An empty matrix of a format, to be filled; only its offsets exist. */
static Sparse empty(cusparseFormat_t format, int64_t rows, int64_t cols, cudaDataType type,
                    cusparseIndexType_t index, cusparseIndexBase_t base)
{
    Sparse s;
    cusparseStatus_t status;
    s.offsets = device(8 * (size_t)(1 + (rows > cols ? rows : cols)));
    if (format == CUSPARSE_FORMAT_CSR)
        status = cusparseCreateCsr(&s.matrix, rows, cols, 0, s.offsets, nullptr, nullptr, index,
                                   index, base, type);
    else if (format == CUSPARSE_FORMAT_CSC)
        status = cusparseCreateCsc(&s.matrix, rows, cols, 0, s.offsets, nullptr, nullptr, index,
                                   index, base, type);
    else
        status = cusparseCreateCoo(&s.matrix, rows, cols, 0, nullptr, nullptr, nullptr, index, base,
                                   type);
    check_equal(status, 0, "an empty matrix");
    return s;
}

static void give_arrays(Sparse *s, cusparseFormat_t format, int64_t nnz)
{
    cusparseStatus_t status;
    s->indices = device((size_t)nnz * 8);
    s->values = device((size_t)nnz * 4);
    if (format == CUSPARSE_FORMAT_CSR)
        status = cusparseCsrSetPointers(s->matrix, s->offsets, s->indices, s->values);
    else if (format == CUSPARSE_FORMAT_CSC)
        status = cusparseCscSetPointers(s->matrix, s->offsets, s->indices, s->values);
    else
        status = cusparseCooSetPointers(s->matrix, s->offsets = device((size_t)nnz * 8), s->indices,
                                        s->values);
    check_equal(status, 0, "pointers");
}

static bool holds(const void *p, const std::vector<int64_t> &wanted, cusparseIndexType_t type,
                  int64_t base)
{
    bool wide = type == CUSPARSE_INDEX_64I;
    std::vector<char> raw = host<char>(p, wanted.size() * (wide ? 8 : 4));
    for (size_t i = 0; i < wanted.size(); i++) {
        int64_t value = 0;
        int32_t narrow;
        memcpy(&value, &raw[i * (wide ? 8 : 4)], wide ? 8 : 4);
        memcpy(&narrow, &raw[i * (wide ? 8 : 4)], 4);
        if ((wide ? value : narrow) != wanted[i] + base) return false;
    }
    return true;
}

static void there_and_back(cusparseFormat_t format, cudaDataType type, cusparseOrder_t order,
                           cusparseIndexType_t index, cusparseIndexBase_t base)
{
    cusparseHandle_t h = new_handle();
    Plain m = plain(19, 31, 1, type == CUDA_R_8I, 1);
    Stored wanted = stored(m, format);
    Dense d = dense(m, type, order, 3);
    Sparse s = empty(format, m.rows, m.cols, type, index, base);
    size_t nbytes = 0;
    int64_t rows, cols, nnz = 0;
    check_equal(cusparseDenseToSparse_bufferSize(h, d.matrix, s.matrix, TO_SPARSE, &nbytes), 0,
                "size");
    void *buffer = device(nbytes);
    check_equal(cusparseDenseToSparse_analysis(h, d.matrix, s.matrix, TO_SPARSE, buffer), 0,
                "analysis");
    check_equal(cusparseSpMatGetSize(s.matrix, &rows, &cols, &nnz), 0, "size");
    check_equal(nnz, wanted.nnz, "entries");
    give_arrays(&s, format, nnz);
    check_equal(cusparseDenseToSparse_convert(h, d.matrix, s.matrix, TO_SPARSE, buffer), 0,
                "convert");
    check(holds(s.offsets, wanted.offsets, index, base), "offsets");
    check(holds(s.indices, wanted.indices, index, base), "indices");
    std::vector<char> raw = host<char>(s.values, (size_t)nnz * emulib::size_of(type));
    for (int64_t i = 0; i < nnz; i++)
        check(emulib::load(raw.data(), type, i) == wanted.value[(size_t)i], "value");
    Dense back =
        dense({ m.rows, m.cols, std::vector<float>(m.value.size(), 5.0f) }, type, order, 3);
    check_equal(cusparseSparseToDense_bufferSize(h, s.matrix, back.matrix, TO_DENSE, &nbytes), 0,
                "size");
    check_equal((long long)nbytes, 0, "no extra storage");
    check_equal(cusparseSparseToDense(h, s.matrix, back.matrix, TO_DENSE, nullptr), 0, "to dense");
    check(values_of(back) == values_of(d), "the same matrix, gaps untouched");
}

static const Case round_trips("dense to CSR, CSC and COO and back, all types", [] {
    for (cusparseFormat_t format :
         { CUSPARSE_FORMAT_CSR, CUSPARSE_FORMAT_CSC, CUSPARSE_FORMAT_COO }) {
        for (cudaDataType type : { CUDA_R_32F, CUDA_R_16F, CUDA_R_16BF, CUDA_R_8I }) {
            there_and_back(format, type, CUSPARSE_ORDER_ROW, CUSPARSE_INDEX_32I,
                           CUSPARSE_INDEX_BASE_ZERO);
            there_and_back(format, type, CUSPARSE_ORDER_COL, CUSPARSE_INDEX_64I,
                           CUSPARSE_INDEX_BASE_ONE);
        }
    }
});

/* Only the blocks whose columns were supplied are filled; padding is left alone. */
static const Case to_ell("dense to Blocked-ELL fills the supplied blocks", [] {
    cusparseHandle_t h = new_handle();
    Plain m = plain(48, 80, 16, false, 1);
    Stored wanted = stored(m, CUSPARSE_FORMAT_BLOCKED_ELL, 16), zeroed = wanted;
    std::fill(zeroed.value.begin(), zeroed.value.end(), 0.0f);
    Sparse s = on_device(zeroed, CUDA_R_16F);
    Dense d = dense(m, CUDA_R_16F, CUSPARSE_ORDER_COL);
    size_t nbytes = 0;
    check_equal(cusparseDenseToSparse_bufferSize(h, d.matrix, s.matrix, TO_SPARSE, &nbytes), 0,
                "size");
    void *buffer = device(nbytes);
    check_equal(cusparseDenseToSparse_analysis(h, d.matrix, s.matrix, TO_SPARSE, buffer), 0,
                "analysis");
    check_equal(cusparseDenseToSparse_convert(h, d.matrix, s.matrix, TO_SPARSE, buffer), 0,
                "convert");
    std::vector<char> raw = host<char>(s.values, wanted.value.size() * 2);
    for (size_t i = 0; i < wanted.value.size(); i++)
        check(emulib::load(raw.data(), CUDA_R_16F, (int64_t)i) == wanted.value[i], "value");
});

static const Case refusals("formats, types and shapes that do not convert", [] {
    cusparseHandle_t h = new_handle();
    Plain m = plain(32, 32, 16, false, 1);
    Dense d = dense(m, CUDA_R_32F, CUSPARSE_ORDER_ROW),
          narrow = dense(m, CUDA_R_16F, CUSPARSE_ORDER_ROW);
    Dense small = dense(plain(31, 32, 1, false, 1), CUDA_R_32F, CUSPARSE_ORDER_ROW);
    Sparse bsr = on_device(stored(m, CUSPARSE_FORMAT_BSR, 16), CUDA_R_32F);
    Sparse bell = on_device(stored(m, CUSPARSE_FORMAT_BLOCKED_ELL, 16), CUDA_R_32F);
    Sparse csr = on_device(stored(m, CUSPARSE_FORMAT_CSR), CUDA_R_32F);
    size_t nbytes;
    check_equal(cusparseDenseToSparse_bufferSize(h, d.matrix, bsr.matrix, TO_SPARSE, &nbytes), NO,
                "to BSR");
    check_equal(cusparseSparseToDense_bufferSize(h, bsr.matrix, d.matrix, TO_DENSE, &nbytes), NO,
                "from BSR");
    check_equal(cusparseSparseToDense_bufferSize(h, bell.matrix, d.matrix, TO_DENSE, &nbytes), NO,
                "from ELL");
    check_equal(cusparseSparseToDense(h, bell.matrix, d.matrix, TO_DENSE, nullptr), NO, "from ELL");
    check_equal(cusparseDenseToSparse_bufferSize(h, narrow.matrix, csr.matrix, TO_SPARSE, &nbytes),
                NO, "types");
    check_equal(cusparseDenseToSparse_bufferSize(h, small.matrix, csr.matrix, TO_SPARSE, &nbytes),
                INVALID, "shapes");
    check_equal(cusparseDenseToSparse_bufferSize(nullptr, d.matrix, csr.matrix, TO_SPARSE, &nbytes),
                INVALID, "no handle");
});
static const Case order_of_steps("a conversion comes after its analysis, with its buffer", [] {
    cusparseHandle_t h = new_handle();
    Plain m = plain(19, 31, 1, false, 1);
    Dense d = dense(m, CUDA_R_32F, CUSPARSE_ORDER_ROW),
          other = dense(m, CUDA_R_32F, CUSPARSE_ORDER_ROW);
    Sparse s = on_device(stored(m, CUSPARSE_FORMAT_CSR), CUDA_R_32F);
    void *buffer = device(4096), *second = device(4096);
    check_equal(cusparseDenseToSparse_convert(h, d.matrix, s.matrix, TO_SPARSE, buffer), INVALID,
                "no analysis");
    check_equal(cusparseDenseToSparse_analysis(h, d.matrix, s.matrix, TO_SPARSE, nullptr), INVALID,
                "no buffer");
    check_equal(cusparseDenseToSparse_analysis(h, d.matrix, s.matrix, TO_SPARSE, buffer), 0,
                "analysis");
    check_equal(cusparseDenseToSparse_convert(h, other.matrix, s.matrix, TO_SPARSE, buffer),
                INVALID, "other matrix");
    check_equal(cusparseDenseToSparse_convert(h, d.matrix, s.matrix, TO_SPARSE, second), INVALID,
                "other buffer");
    check_equal(cusparseDenseToSparse_convert(h, d.matrix, s.matrix, TO_SPARSE, buffer), 0,
                "convert");
});
static const Broken changed(
    "a matrix that changed after its analysis is seen", "changed since its analysis", [] {
        cusparseHandle_t h = new_handle();
        Plain m = plain(19, 31, 1, false, 1);
        Dense d = dense(m, CUDA_R_32F, CUSPARSE_ORDER_ROW);
        Sparse s = on_device(stored(m, CUSPARSE_FORMAT_CSR), CUDA_R_32F);
        void *buffer = device(4096);
        std::vector<float> ones(d.nelem(), 1.0f);
        check_equal(cusparseDenseToSparse_analysis(h, d.matrix, s.matrix, TO_SPARSE, buffer), 0,
                    "analysis");
        cudaMemcpy(d.values, ones.data(), ones.size() * 4, cudaMemcpyHostToDevice);
        check_equal(cusparseDenseToSparse_convert(h, d.matrix, s.matrix, TO_SPARSE, buffer), 0,
                    "convert");
    });
static const Broken unwritten(
    "a dense matrix that was never written is seen", "the dense matrix was not written", [] {
        cusparseHandle_t h = new_handle();
        Dense d = empty_dense(19, 31, CUDA_R_32F, CUSPARSE_ORDER_ROW);
        Sparse s = on_device(stored(plain(19, 31, 1, false, 1), CUSPARSE_FORMAT_CSR), CUDA_R_32F);
        cusparseDenseToSparse_analysis(h, d.matrix, s.matrix, TO_SPARSE, device(4096));
    });
static const Broken too_small(
    "arrays too small for the entries are seen", "bytes of the values of A at", [] {
        cusparseHandle_t h = new_handle();
        Plain m = plain(19, 31, 1, false, 1);
        Dense d = dense(m, CUDA_R_32F, CUSPARSE_ORDER_ROW);
        Sparse s = on_device(stored(m, CUSPARSE_FORMAT_CSR), CUDA_R_32F);
        void *buffer = device(4096);
        check_equal(cusparseDenseToSparse_analysis(h, d.matrix, s.matrix, TO_SPARSE, buffer), 0,
                    "analysis");
        check_equal(cusparseSpMatSetValues(s.matrix, device(64)), 0, "values");
        cusparseDenseToSparse_convert(h, d.matrix, s.matrix, TO_SPARSE, buffer);
    });
