/* tests/emu/libtests/ltcase.cc - descriptors and buffers of one product with cuBLASLt.
 * Read next: ltcase.hh. */
#include "ltcase.hh"

#include "../libs/number.hh"

size_t size_of_type(cudaDataType type)
{
    return type == CUDA_R_32F || type == CUDA_R_32I ? 4 : type == CUDA_R_8I ? 1 : 2;
}

static LtCase::Shape stored(int64_t rows, int64_t cols, bool transposed, int32_t order, int64_t gap)
{
    LtCase::Shape s;
    s.rows = transposed ? cols : rows;
    s.cols = transposed ? rows : cols;
    s.row_major = order == CUBLASLT_ORDER_ROW;
    s.ld = (s.row_major ? s.cols : s.rows) + gap;
    return s;
}

LtCase::Shape LtCase::shape_a() const
{
    return stored(m, k, transa, order_a, gap);
}

LtCase::Shape LtCase::shape_b() const
{
    return stored(k, n, transb, order_b, gap);
}

LtCase::Shape LtCase::shape_d() const
{
    return stored(m, n, false, order_d, gap);
}

static cublasLtMatrixLayout_t layout(LtCase *t, const LtCase::Shape &s, cudaDataType type,
                                     int32_t order)
{
    cublasLtMatrixLayout_t l = nullptr;
    check_equal(cublasLtMatrixLayoutCreate(&l, type, (uint64_t)s.rows, (uint64_t)s.cols, s.ld), 0,
                "layout");
    t->set(l, CUBLASLT_MATRIX_LAYOUT_ORDER, order);
    if (t->batch == 1) return l;
    t->set(l, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, (int32_t)t->batch);
    t->set(l, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, s.nelem());
    return l;
}

void LtCase::make()
{
    if (handle) return;
    check_equal(cublasLtCreate(&handle), 0, "cublasLtCreate");
    check_equal(cublasLtMatmulDescCreate(&desc, compute, scale), 0, "desc");
    set(CUBLASLT_MATMUL_DESC_TRANSA, (int32_t)(transa ? CUBLAS_OP_T : CUBLAS_OP_N));
    set(CUBLASLT_MATMUL_DESC_TRANSB, (int32_t)(transb ? CUBLAS_OP_T : CUBLAS_OP_N));
    set(CUBLASLT_MATMUL_DESC_POINTER_MODE, pointer_mode);
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
    a = layout(this, shape_a(), ab, order_a);
    b = layout(this, shape_b(), ab, order_b);
    c = layout(this, shape_d(), cd, order_d);
    d = layout(this, shape_d(), cd, order_d);
    check_equal(cublasLtMatmulPreferenceCreate(&preference), 0, "preference");
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, max_workspace);
    for (int i = 0; i < 4; i++)
        prefer(
            (cublasLtMatmulPreferenceAttributes_t)(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES + i),
            align);
}

cublasStatus_t LtCase::ask()
{
    make();
    return cublasLtMatmulAlgoGetHeuristic(handle, desc, a, b, c, d, preference, 8, results,
                                          &nresults);
}

cublasStatus_t LtCase::run(const void *pa, const void *pb, const void *pc, void *pd,
                           const void *alpha, const void *beta, void *workspace, size_t nbytes,
                           const cublasLtMatmulAlgo_t *algo, cudaStream_t stream)
{
    const float one = 1, zero = 0;
    const int32_t int_one = 1;
    bool integers = scale == CUDA_R_32I;
    if (!algo) {
        cublasStatus_t status = ask();
        if (status) return status;
        algo = &results[0].algo;
    }
    if (!alpha) alpha = integers ? (const void *)&int_one : &one;
    if (!beta) beta = &zero;
    return cublasLtMatmul(handle, desc, alpha, pa, a, pb, b, beta, pc, c, pd, d, algo, workspace,
                          nbytes, stream);
}

LtCase int8_case()
{
    LtCase t;
    t.ab = CUDA_R_8I;
    t.cd = t.scale = CUDA_R_32I;
    t.compute = CUBLAS_COMPUTE_32I;
    t.transa = true;
    return t;
}

void *numbers(cudaDataType type, int64_t nelem, uint64_t seed)
{
    std::vector<char> data((size_t)nelem * size_of_type(type));
    Numbers random(seed);
    for (int64_t i = 0; i < nelem; i++) {
        if (type == CUDA_R_8I) ((int8_t *)data.data())[i] = (int8_t)random.between(-128, 127);
        else if (type == CUDA_R_32I) ((int32_t *)data.data())[i] = random.between(-1000, 1000);
        else emulib::store(data.data(), type, i, random.value());
    }
    return device(data.data(), data.size());
}
