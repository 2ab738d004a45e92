/* tests/emu/libtests/spcase.hh - a small matrix in every sparse format of cuSPARSE, on the device,
 * and one product with it. Read next: spcase.cc, test_sp_rules.cc. */
#pragma once

#include <cusparse.h>

#include "harness.hh"

/* A matrix of small numbers, about half of them 0 (whole blocks of 0 where block > 1). */
struct Plain {
    int64_t rows, cols;
    std::vector<float> value; /* row-major */
    float at(int64_t i, int64_t j) const { return value[(size_t)(i * cols + j)]; }
};
Plain plain(int64_t rows, int64_t cols, int64_t block, bool integers, uint64_t seed);
Plain transposed(const Plain &m);

/* What a format stores, on the host; tests change it before it goes to the device. */
struct Stored {
    cusparseFormat_t format;
    int64_t rows, cols, nnz, block, ell_cols; /* nnz: entries or blocks */
    std::vector<int64_t> offsets, indices;    /* without the base */
    std::vector<float> value;
};
Stored stored(const Plain &m, cusparseFormat_t format, int64_t block = 1,
              cusparseOrder_t order = CUSPARSE_ORDER_ROW);

/* Its descriptor, over device memory of its own. */
struct Sparse {
    cusparseSpMatDescr_t matrix = nullptr;
    void *offsets = nullptr, *indices = nullptr, *values = nullptr;
};
Sparse on_device(const Stored &s, cudaDataType type, cusparseIndexType_t index = CUSPARSE_INDEX_32I,
                 cusparseIndexBase_t base = CUSPARSE_INDEX_BASE_ZERO,
                 cusparseOrder_t order = CUSPARSE_ORDER_ROW);

/* Elements of a type in device memory, in one order, with a leading dimension. */
struct Dense {
    cusparseDnMatDescr_t matrix = nullptr;
    void *values = nullptr;
    int64_t rows = 0, cols = 0, ld = 0;
    cusparseOrder_t order = CUSPARSE_ORDER_ROW;
    cudaDataType type = CUDA_R_32F;
    size_t nelem() const { return (size_t)(ld * (order == CUSPARSE_ORDER_ROW ? rows : cols)); }
};
Dense dense(const Plain &m, cudaDataType type, cusparseOrder_t order, int64_t gap = 0);
Dense empty_dense(int64_t rows, int64_t cols, cudaDataType type, cusparseOrder_t order);
std::vector<float> values_of(const Dense &d); /* with gaps */

/* C = alpha * op(A) * op(B) + beta * C with cuSPARSE; fields are what a test varies. */
struct SpCase {
    cusparseHandle_t handle = nullptr;
    cusparseOperation_t op_a = CUSPARSE_OPERATION_NON_TRANSPOSE, op_b = op_a;
    cudaDataType compute = CUDA_R_32F;
    cusparseSpMMAlg_t alg = CUSPARSE_SPMM_ALG_DEFAULT;
    cusparseSpMVAlg_t mv_alg = CUSPARSE_SPMV_ALG_DEFAULT;
    float alpha = 1, beta = 0;
    const void *alpha_at = nullptr, *beta_at = nullptr; /* instead of the two */
    void *buffer = nullptr;
    bool own_buffer = true; /* of the size that is asked for */

    void make();
    cusparseStatus_t size(const Sparse &a, const Dense &b, const Dense &c, size_t *nbytes);
    cusparseStatus_t prepare(const Sparse &a, const Dense &b, const Dense &c);
    cusparseStatus_t run(const Sparse &a, const Dense &b, const Dense &c);
    cusparseStatus_t vector(const Sparse &a, const Dense &x, const Dense &y); /* columns */
};
