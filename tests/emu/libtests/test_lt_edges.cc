/* tests/emu/libtests/test_lt_edges.cc - the rarer rules of the stand-in for cuBLASLt: preferences,
 * attributes that must not be ignored, strides, and memory that goes away in between. Read next:
 * tests/emu/libs/ltalgo.cc, ltkinds.cc, ltmatmul.cc. */
#include "ltcase.hh"

static const int INVALID = CUBLAS_STATUS_INVALID_VALUE, NO = CUBLAS_STATUS_NOT_SUPPORTED;
static const float ONE = 1;

static void answers(LtCase &t, int status)
{
    check_equal(t.ask(), status, "heuristic");
}

static const Case alignments("alignments are powers of two, and hold an element", [] {
    for (uint32_t align : { 0u, 12u }) {
        LtCase t;
        t.align = align;
        answers(t, INVALID);
    }
    LtCase t;
    t.align = 2;
    answers(t, NO);
});
static const Case bias_alignment("a bias off 16 bytes leaves the algorithm that takes it", [] {
    LtCase t;
    t.m = t.n = t.k = 64;
    t.epilogue = CUBLASLT_EPILOGUE_BIAS;
    char *bias = (char *)numbers(CUDA_R_32F, 80, 1);
    t.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, (const void *)bias);
    answers(t, 0);
    check_equal(t.nresults, 2, "aligned");
    cublasLtMatmulAlgo_t fast = t.results[0].algo;
    t.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, (const void *)(bias + 8));
    answers(t, 0);
    check_equal(t.nresults, 1, "aligned to 8 bytes");
    void *p = numbers(CUDA_R_32F, 64 * 64, 2), *d = device(64 * 64 * 4);
    check_equal(t.run(p, p, d, d, nullptr, nullptr, nullptr, 0, &fast), INVALID, "the fast one");
    check_equal(t.run(p, p, d, d), 0, "the other one");
});
static const Case reduction("a mask of reductions leaves out the algorithm that splits k", [] {
    LtCase t;
    t.m = t.n = t.k = 64;
    t.max_workspace = 1 << 20;
    t.prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
             (uint32_t)CUBLASLT_REDUCTION_SCHEME_INPLACE);
    answers(t, 0);
    check_equal(t.nresults, 2, "results");
});
static const Case short_k("k below 64 is not split", [] {
    LtCase t;
    t.m = t.n = 64;
    t.k = 60;
    t.max_workspace = 1 << 20;
    answers(t, 0);
    check_equal(t.nresults, 2, "results");
});
static const Broken impl_mask("masks of implementations are not ignored", "does not have masks",
                              [] {
                                  LtCase t;
                                  t.prefer(CUBLASLT_MATMUL_PREF_IMPL_MASK,
                                           (uint64_t)CUBLASLT_NUMERICAL_IMPL_FLAGS_HMMA);
                                  answers(t, NO);
                              });
static const Broken max_waves("a maximum of waves is not ignored",
                              "does not have a maximum of waves", [] {
                                  LtCase t;
                                  t.prefer(CUBLASLT_MATMUL_PREF_MAX_WAVES_COUNT, 0.5f);
                                  answers(t, NO);
                              });
static const Case made_up("an algorithm that no heuristic gave is invalid", [] {
    LtCase t;
    answers(t, 0);
    cublasLtMatmulHeuristicResult_t result;
    for (int word = 0; word < 4; word++) {
        cublasLtMatmulAlgo_t algo = t.results[0].algo;
        algo.data[word] ^= 0x10;
        check_equal(cublasLtMatmulAlgoCheck(t.handle, t.desc, t.a, t.b, t.c, t.d, &algo, &result),
                    INVALID, "changed");
    }
    check_equal(cublasLtMatmulAlgoCheck(t.handle, t.desc, t.a, t.b, t.c, t.d, &t.results[0].algo,
                                        &result),
                0, "unchanged");
    check_equal(cublasLtMatmulAlgoCheck(t.handle, t.desc, t.a, t.b, t.c, t.d, nullptr, &result),
                INVALID, "none");
    check_equal(cublasLtMatmulAlgoCheck(nullptr, t.desc, t.a, t.b, t.c, t.d, &t.results[0].algo,
                                        &result),
                CUBLAS_STATUS_NOT_INITIALIZED, "no handle");
    void *p = numbers(CUDA_R_32F, 96, 1), *d = device(128);
    check_equal(cublasLtMatmul(nullptr, t.desc, &ONE, p, t.a, p, t.b, &ONE, d, t.c, d, t.d, nullptr,
                               nullptr, 0, nullptr),
                CUBLAS_STATUS_NOT_INITIALIZED, "no handle");
});

static const Broken complex_numbers("complex products are not in the stand-in", "complex numbers",
                                    [] {
                                        LtCase t;
                                        t.make();
                                        t.set(t.a, CUBLASLT_MATRIX_LAYOUT_TYPE,
                                              (uint32_t)CUDA_C_32F);
                                        answers(t, NO);
                                    });
static const Broken emulation("emulation descriptors are not ignored", "emulation descriptors", [] {
    LtCase t;
    t.set(CUBLASLT_MATMUL_DESC_EMULATION_DESCRIPTOR, (const void *)&ONE);
    answers(t, NO);
});
static const Broken pointer_batches("batches of pointer arrays are not ignored", "pointer arrays",
                                    [] {
                                        LtCase t;
                                        t.make();
                                        t.set(t.a, CUBLASLT_MATRIX_LAYOUT_BATCH_MODE,
                                              (uint32_t)CUBLASLT_BATCH_MODE_POINTER_ARRAY);
                                        answers(t, NO);
                                    });
static const Case odd_attributes("attributes of other products are invalid", [] {
    LtCase mode, plane, count, aux, huge, empty;
    mode.make();
    mode.set(mode.a, CUBLASLT_MATRIX_LAYOUT_BATCH_MODE, (uint32_t)7);
    answers(mode, INVALID);
    plane.make();
    plane.set(plane.a, CUBLASLT_MATRIX_LAYOUT_PLANE_OFFSET, (int64_t)64);
    answers(plane, INVALID);
    count.set(CUBLASLT_MATMUL_DESC_SM_COUNT_TARGET, (int32_t)-1);
    answers(count, INVALID);
    aux.set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_SCALE_POINTER, (const void *)&ONE);
    answers(aux, INVALID);
    huge.make();
    for (cublasLtMatrixLayout_t l : { huge.b, huge.c, huge.d })
        huge.set(l, CUBLASLT_MATRIX_LAYOUT_COLS, (uint64_t)1 << 31);
    answers(huge, NO);
    empty.make();
    empty.set(empty.a, CUBLASLT_MATRIX_LAYOUT_COLS, (uint64_t)0);
    empty.set(empty.b, CUBLASLT_MATRIX_LAYOUT_ROWS, (uint64_t)0);
    answers(empty, INVALID);
});
static const Case outputs("C and D have the shape of the product", [] {
    LtCase rows, none;
    rows.make();
    for (cublasLtMatrixLayout_t l : { rows.c, rows.d })
        rows.set(l, CUBLASLT_MATRIX_LAYOUT_ROWS, (uint64_t)7);
    answers(rows, INVALID);
    none.make();
    for (cublasLtMatrixLayout_t l : { none.a, none.b, none.c, none.d })
        none.set(l, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, (int32_t)0);
    answers(none, INVALID);
    none.set(CUBLASLT_MATMUL_DESC_TRANSA, (int32_t)9);
    for (cublasLtMatrixLayout_t l : { none.a, none.b, none.c, none.d })
        none.set(l, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, (int32_t)1);
    answers(none, INVALID);
});
static const Case no_operation("an operation that does not exist is invalid", [] {
    for (cublasLtMatmulDescAttributes_t which :
         { CUBLASLT_MATMUL_DESC_TRANSA, CUBLASLT_MATMUL_DESC_TRANSB }) {
        LtCase t;
        t.m = t.n = t.k = 8; /* fits, transposed or not */
        t.set(which, (int32_t)9);
        answers(t, INVALID);
    }
});
static const Case int8_m_k("m and k of int8 come in fours, whatever the leading dimensions", [] {
    LtCase m = int8_case(), k = int8_case();
    m.m = 10;
    m.make();
    for (cublasLtMatrixLayout_t l : { m.c, m.d }) m.set(l, CUBLASLT_MATRIX_LAYOUT_LD, (int64_t)12);
    answers(m, NO);
    k.k = 14;
    k.make();
    for (cublasLtMatrixLayout_t l : { k.a, k.b }) k.set(l, CUBLASLT_MATRIX_LAYOUT_LD, (int64_t)16);
    answers(k, NO);
});
static const Case negative_strides("strides of bias and alphas are not negative", [] {
    LtCase bias, alphas = int8_case();
    bias.batch = alphas.batch = 2;
    bias.epilogue = CUBLASLT_EPILOGUE_BIAS;
    bias.set(CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE, (int64_t)-8);
    answers(bias, INVALID);
    alphas.cd = CUDA_R_8I;
    alphas.scale = CUDA_R_32F;
    alphas.pointer_mode = CUBLASLT_POINTER_MODE_ALPHA_DEVICE_VECTOR_BETA_HOST;
    alphas.set(CUBLASLT_MATMUL_DESC_ALPHA_VECTOR_BATCH_STRIDE, (int64_t)-8);
    answers(alphas, INVALID);
});
static const Case unused_bias("a bias type without a bias does not matter", [] {
    LtCase t;
    t.epilogue = CUBLASLT_EPILOGUE_RELU;
    t.set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, (int32_t)CUDA_R_16F);
    answers(t, 0);
});

/* Frees `what` on a stream of its own, which runs before the product does. */
static void freed_before(LtCase &t, void *what, const void *a, void *d, void *workspace,
                         size_t nbytes)
{
    cudaStream_t late, early;
    check_equal(cudaStreamCreate(&late), 0, "stream");
    check_equal(cudaStreamCreate(&early), 0, "stream");
    check_equal(t.run(a, a, d, d, nullptr, nullptr, workspace, nbytes, &t.results[0].algo, late), 0,
                "product");
    check_equal(cudaFreeAsync(what, early), 0, "free");
    check_equal(cudaStreamSynchronize(early), 0, "wait");
    cudaStreamSynchronize(late);
}

static void square(LtCase *t)
{
    t->m = t->n = t->k = 64;
    t->max_workspace = 1 << 20;
    answers(*t, 0);
}

static const Broken a_freed("A freed before the product ran is seen", "A was freed before", [] {
    LtCase t;
    square(&t);
    size_t nbytes = t.results[0].workspaceSize;
    void *a = numbers(CUDA_R_32F, 64 * 64, 1);
    freed_before(t, a, a, device(64 * 64 * 4), device(nbytes), nbytes);
});
static const Broken d_freed("D freed before the product ran is seen", "D was freed before", [] {
    LtCase t;
    square(&t);
    size_t nbytes = t.results[0].workspaceSize;
    void *d = device(64 * 64 * 4);
    freed_before(t, d, numbers(CUDA_R_32F, 64 * 64, 1), d, device(nbytes), nbytes);
});
static const Broken workspace_freed("a workspace freed before the product ran is seen",
                                    "the workspace was freed before", [] {
                                        LtCase t;
                                        square(&t);
                                        size_t nbytes = t.results[0].workspaceSize;
                                        void *workspace = device(nbytes);
                                        freed_before(t, workspace, numbers(CUDA_R_32F, 64 * 64, 1),
                                                     device(64 * 64 * 4), workspace, nbytes);
                                    });
