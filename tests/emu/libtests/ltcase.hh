/* tests/emu/libtests/ltcase.hh - one product with cuBLASLt in a few lines: all that a test varies
 * is a field. Read next: test_lt_rules.cc, test_lt_numbers.cc. */
#pragma once

#include <cublasLt.h>

#include "harness.hh"

/* Column-major f32, D[m, n] = A[m, k] * B[k, n], unless the fields say otherwise. Descriptors are
 * made when first asked for, from the fields as they are then. */
struct LtCase {
    int64_t m = 8, n = 4, k = 12, batch = 1;
    cudaDataType ab = CUDA_R_32F, cd = CUDA_R_32F, scale = CUDA_R_32F;
    cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
    bool transa = false, transb = false;
    int32_t order_a = CUBLASLT_ORDER_COL, order_b = CUBLASLT_ORDER_COL,
            order_d = CUBLASLT_ORDER_COL;
    int64_t gap = 0; /* added to every leading dimension */
    int32_t pointer_mode = CUBLASLT_POINTER_MODE_HOST;
    uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    uint64_t max_workspace = 0;
    uint32_t align = 256;

    cublasLtHandle_t handle = nullptr;
    cublasLtMatmulDesc_t desc = nullptr;
    cublasLtMatrixLayout_t a = nullptr, b = nullptr, c = nullptr, d = nullptr;
    cublasLtMatmulPreference_t preference = nullptr;
    cublasLtMatmulHeuristicResult_t results[8] = {};
    int nresults = 0;

    /* Stored rows and columns, leading dimension and elements of a matrix with its gap. */
    struct Shape {
        int64_t rows, cols, ld;
        bool row_major;
        int64_t nelem() const { return ld * (row_major ? rows : cols); }
        int64_t at(int64_t i, int64_t j) const { return row_major ? i * ld + j : j * ld + i; }
    };
    Shape shape_a() const;
    Shape shape_b() const;
    Shape shape_d() const;

    void make();
    /* Sets an attribute of the product, of any size. */
    template <class T> void set(cublasLtMatmulDescAttributes_t attribute, T value)
    {
        make();
        check_equal(cublasLtMatmulDescSetAttribute(desc, attribute, &value, sizeof value), 0,
                    "desc");
    }
    template <class T>
    void set(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t attribute, T value)
    {
        check_equal(cublasLtMatrixLayoutSetAttribute(layout, attribute, &value, sizeof value), 0,
                    "layout");
    }
    template <class T> void prefer(cublasLtMatmulPreferenceAttributes_t attribute, T value)
    {
        make();
        check_equal(cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value,
                                                         sizeof value),
                    0, "preference");
    }
    cublasStatus_t ask(); /* the heuristic, into results */
    /* With device buffers that fit, the first result of the heuristic and alpha 1, beta 0 (or what
     * the pointers say). */
    cublasStatus_t run(const void *pa, const void *pb, const void *pc, void *pd,
                       const void *alpha = nullptr, const void *beta = nullptr,
                       void *workspace = nullptr, size_t nbytes = 0,
                       const cublasLtMatmulAlgo_t *algo = nullptr, cudaStream_t stream = nullptr);
};

/* An int8 product in the form that tensor cores take. */
LtCase int8_case();
size_t size_of_type(cudaDataType type);
/* Device memory with small numbers of a type. */
void *numbers(cudaDataType type, int64_t nelem, uint64_t seed);
