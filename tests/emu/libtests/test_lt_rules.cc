/* tests/emu/libtests/test_lt_rules.cc - what cublasLtMatmul() and its heuristic refuse before any
 * matrix is looked at: every rule has a case that breaks it. Read next: tests/emu/libs/ltrules.cc,
 * ltkinds.cc, ltalgo.cc; test_lt_pointers.cc. */
#include "ltcase.hh"

static const int INVALID = CUBLAS_STATUS_INVALID_VALUE, NO = CUBLAS_STATUS_NOT_SUPPORTED;

/* The heuristic, the check of an algorithm and the product itself give one answer. */
static void refused(LtCase &t, int status)
{
    void *p = device(4096);
    cublasLtMatmulHeuristicResult_t result;
    cublasLtMatmulAlgo_t algo = {};
    const float one = 1;
    check_equal(t.ask(), status, "heuristic");
    check_equal(t.nresults, 0, "results");
    check_equal(cublasLtMatmulAlgoCheck(t.handle, t.desc, t.a, t.b, t.c, t.d, &algo, &result),
                status, "check");
    check_equal(cublasLtMatmul(t.handle, t.desc, &one, p, t.a, p, t.b, &one, p, t.c, p, t.d,
                               nullptr, nullptr, 0, nullptr),
                status, "product");
}

static void accepted(LtCase t)
{
    check_equal(t.ask(), CUBLAS_STATUS_SUCCESS, "heuristic");
    check(t.nresults > 0, "no results");
}

static const Case all_types("all types of the table are offered", [] {
    const cudaDataType kinds[][2] = { { CUDA_R_32F, CUDA_R_32F },
                                      { CUDA_R_16F, CUDA_R_16F },
                                      { CUDA_R_16F, CUDA_R_32F },
                                      { CUDA_R_16BF, CUDA_R_16BF },
                                      { CUDA_R_16BF, CUDA_R_32F } };
    for (auto &kind : kinds) {
        LtCase t;
        t.ab = kind[0];
        t.cd = kind[1];
        accepted(t);
        t.compute = CUBLAS_COMPUTE_32F_PEDANTIC;
        accepted(t);
    }
    LtCase tf32;
    tf32.compute = CUBLAS_COMPUTE_32F_FAST_TF32;
    accepted(tf32);
    LtCase t = int8_case();
    accepted(t);
    t.cd = CUDA_R_8I;
    t.scale = CUDA_R_32F;
    accepted(t);
});

static const Case other_types("types that are in no row are not supported", [] {
    const cudaDataType kinds[][3] = { { CUDA_R_32F, CUDA_R_16F, CUDA_R_32F },
                                      { CUDA_R_16F, CUDA_R_16BF, CUDA_R_32F },
                                      { CUDA_R_16BF, CUDA_R_32I, CUDA_R_32F },
                                      { CUDA_R_32F, CUDA_R_32F, CUDA_R_16F } };
    for (auto &kind : kinds) {
        LtCase t;
        t.ab = kind[0];
        t.cd = kind[1];
        t.scale = kind[2];
        refused(t, NO);
    }
    LtCase t = int8_case();
    t.compute = CUBLAS_COMPUTE_32F;
    t.scale = CUDA_R_32F;
    t.cd = CUDA_R_16F;
    refused(t, NO);
    LtCase narrow;
    narrow.ab = narrow.cd = CUDA_R_16F;
    narrow.compute = CUBLAS_COMPUTE_32F_FAST_TF32;
    refused(narrow, NO);
    LtCase mixed;
    mixed.make();
    mixed.set(mixed.b, CUBLASLT_MATRIX_LAYOUT_TYPE, (uint32_t)CUDA_R_16F);
    refused(mixed, NO);
    LtCase outputs;
    outputs.make();
    outputs.set(outputs.c, CUBLASLT_MATRIX_LAYOUT_TYPE, (uint32_t)CUDA_R_16F);
    refused(outputs, NO);
});

static const Broken fp8("fp8 is not in the stand-in and says so", "does not have products of fp8",
                        [] {
                            LtCase t;
                            t.make();
                            t.set(t.a, CUBLASLT_MATRIX_LAYOUT_TYPE, (uint32_t)CUDA_R_8F_E4M3);
                            t.set(t.b, CUBLASLT_MATRIX_LAYOUT_TYPE, (uint32_t)CUDA_R_8F_E4M3);
                            check_equal(t.ask(), NO, "heuristic");
                        });
static const Case fp8_on_80(
    "fp8 does not exist on 8.0",
    [] {
        LtCase t;
        t.make();
        t.set(t.a, CUBLASLT_MATRIX_LAYOUT_TYPE, (uint32_t)CUDA_R_8F_E4M3);
        t.set(t.b, CUBLASLT_MATRIX_LAYOUT_TYPE, (uint32_t)CUDA_R_8F_E4M3);
        refused(t, NO);
    },
    "PE_EMU_CC=80");
static const Broken doubles("f64 is not in the stand-in and says so", "does not have f64 times f64",
                            [] {
                                LtCase t;
                                t.compute = CUBLAS_COMPUTE_64F;
                                t.scale = CUDA_R_64F;
                                t.make();
                                for (cublasLtMatrixLayout_t l : { t.a, t.b, t.c, t.d })
                                    t.set(l, CUBLASLT_MATRIX_LAYOUT_TYPE, (uint32_t)CUDA_R_64F);
                                check_equal(t.ask(), NO, "heuristic");
                            });

static const Case int8_forms("int8 takes TN only, column-major", [] {
    LtCase nn = int8_case(), tt = int8_case(), row = int8_case(), conjugate = int8_case();
    nn.transa = false;
    refused(nn, NO);
    tt.transb = true;
    refused(tt, NO);
    row.order_d = CUBLASLT_ORDER_ROW;
    refused(row, NO);
    conjugate.set(CUBLASLT_MATMUL_DESC_TRANSA, (int32_t)CUBLAS_OP_C);
    refused(conjugate, NO);
});
static const Case int8_sizes("int8 wants m, k and leading dimensions in fours, n as it is", [] {
    LtCase m = int8_case(), k = int8_case(), ld = int8_case(), n = int8_case();
    m.m = 10;
    refused(m, NO);
    k.k = 14;
    refused(k, NO);
    ld.gap = 2;
    refused(ld, NO);
    n.n = 7;
    accepted(n);
    n.n = 1;
    accepted(n);
});
static const Case int8_epilogues("int8 takes no epilogue", [] {
    for (uint32_t e : { CUBLASLT_EPILOGUE_BIAS, CUBLASLT_EPILOGUE_RELU, CUBLASLT_EPILOGUE_GELU_BIAS,
                        CUBLASLT_EPILOGUE_GELU_AUX }) {
        LtCase t = int8_case();
        t.epilogue = e;
        refused(t, NO);
    }
});
static const Case pointer_modes("a vector of alphas is for int8 output", [] {
    LtCase t = int8_case();
    t.cd = CUDA_R_8I;
    t.scale = CUDA_R_32F;
    t.pointer_mode = CUBLASLT_POINTER_MODE_ALPHA_DEVICE_VECTOR_BETA_HOST;
    accepted(t);
    LtCase wide = int8_case(), floats, vectors, none;
    wide.pointer_mode = floats.pointer_mode = CUBLASLT_POINTER_MODE_ALPHA_DEVICE_VECTOR_BETA_HOST;
    refused(wide, NO);
    refused(floats, NO);
    vectors.pointer_mode = CUBLASLT_POINTER_MODE_DEVICE_VECTOR;
    refused(vectors, NO);
    none.pointer_mode = 9;
    refused(none, INVALID);
});

static const Case old_orders("the int8 orders of 8.x are refused on 9.0", [] {
    for (int32_t order :
         { CUBLASLT_ORDER_COL32, CUBLASLT_ORDER_COL4_4R2_8C, CUBLASLT_ORDER_COL32_2R_4R4 }) {
        LtCase t = int8_case();
        t.make();
        t.set(t.b, CUBLASLT_MATRIX_LAYOUT_ORDER, order);
        refused(t, NO);
    }
    LtCase t;
    t.make();
    t.set(t.a, CUBLASLT_MATRIX_LAYOUT_ORDER, (int32_t)77);
    refused(t, INVALID);
});

static const Broken orders_on_80(
    "the int8 orders of 8.x exist on 8.0, not in the stand-in", "which compute capability 8.x has",
    [] {
        LtCase t = int8_case();
        t.make();
        t.set(t.b, CUBLASLT_MATRIX_LAYOUT_ORDER, (int32_t)CUBLASLT_ORDER_COL32);
        check_equal(t.ask(), NO, "heuristic");
    },
    "PE_EMU_CC=80");

static const Case shapes("shapes, leading dimensions and batches that conflict are invalid", [] {
    LtCase k, d, c, order, ld, zero, batch, none, negative;
    k.make();
    k.set(k.b, CUBLASLT_MATRIX_LAYOUT_ROWS, (uint64_t)11);
    refused(k, INVALID);
    d.make();
    d.set(d.d, CUBLASLT_MATRIX_LAYOUT_COLS, (uint64_t)3);
    refused(d, INVALID);
    c.make();
    c.set(c.c, CUBLASLT_MATRIX_LAYOUT_COLS, (uint64_t)3);
    refused(c, INVALID);
    order.make();
    order.set(order.c, CUBLASLT_MATRIX_LAYOUT_ORDER, (int32_t)CUBLASLT_ORDER_ROW);
    refused(order, INVALID);
    ld.make();
    ld.set(ld.a, CUBLASLT_MATRIX_LAYOUT_LD, (int64_t)7);
    refused(ld, INVALID);
    zero.make();
    zero.set(zero.a, CUBLASLT_MATRIX_LAYOUT_COLS, (uint64_t)0);
    refused(zero, INVALID);
    batch.make();
    batch.set(batch.a, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, (int32_t)2);
    refused(batch, INVALID);
    none.make();
    none.set(none.d, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, (int32_t)0);
    refused(none, INVALID);
    negative.batch = 2;
    negative.make();
    negative.set(negative.a, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, (int64_t)-96);
    refused(negative, INVALID);
});
static const Case row_ld("a row-major leading dimension covers the columns", [] {
    LtCase t;
    t.order_a = CUBLASLT_ORDER_ROW;
    accepted(t);
    t.make();
    t.set(t.a, CUBLASLT_MATRIX_LAYOUT_LD, (int64_t)11);
    refused(t, INVALID);
});
static const Case operations("C stays as it is, fill modes and conjugates are refused", [] {
    LtCase c, fill, conjugate, none;
    c.set(CUBLASLT_MATMUL_DESC_TRANSC, (int32_t)CUBLAS_OP_T);
    refused(c, NO);
    fill.set(CUBLASLT_MATMUL_DESC_FILL_MODE, (int32_t)CUBLAS_FILL_MODE_LOWER);
    refused(fill, NO);
    conjugate.set(CUBLASLT_MATMUL_DESC_TRANSB, (int32_t)CUBLAS_OP_C);
    refused(conjugate, NO);
    none.set(CUBLASLT_MATMUL_DESC_TRANSB, (int32_t)9);
    refused(none, INVALID);
});
static const Case scales("scale pointers and modes without fp8 are invalid", [] {
    const cublasLtMatmulDescAttributes_t pointers[] = { CUBLASLT_MATMUL_DESC_A_SCALE_POINTER,
                                                        CUBLASLT_MATMUL_DESC_B_SCALE_POINTER,
                                                        CUBLASLT_MATMUL_DESC_D_SCALE_POINTER,
                                                        CUBLASLT_MATMUL_DESC_AMAX_D_POINTER };
    for (cublasLtMatmulDescAttributes_t attribute : pointers) {
        LtCase t;
        t.set(attribute, (const void *)device(4));
        refused(t, INVALID);
    }
    LtCase mode, fast;
    mode.set(CUBLASLT_MATMUL_DESC_A_SCALE_MODE,
             (int32_t)CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F);
    refused(mode, INVALID);
    fast.set(CUBLASLT_MATMUL_DESC_FAST_ACCUM, (int8_t)1);
    refused(fast, INVALID);
});
static const Case epilogues("ReLU or GELU with a bias wants a column-major D", [] {
    LtCase t, plain, none;
    t.order_d = CUBLASLT_ORDER_ROW;
    t.epilogue = CUBLASLT_EPILOGUE_GELU_BIAS;
    refused(t, NO);
    plain.order_d = CUBLASLT_ORDER_ROW;
    plain.epilogue = CUBLASLT_EPILOGUE_BIAS;
    accepted(plain);
    none.epilogue = 999;
    refused(none, INVALID);
});
static const Case bias_types("the bias has the type of D", [] {
    LtCase t;
    t.ab = t.cd = CUDA_R_16F;
    t.epilogue = CUBLASLT_EPILOGUE_BIAS;
    t.set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, (int32_t)CUDA_R_16F);
    accepted(t);
    t.set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, (int32_t)CUDA_R_32F);
    refused(t, NO);
});
static const Broken aux("auxiliary outputs are not in the stand-in", "does not have epilogue", [] {
    LtCase t;
    t.epilogue = CUBLASLT_EPILOGUE_GELU_AUX;
    check_equal(t.ask(), NO, "heuristic");
});
static const Broken search("search modes are not ignored", "does not have search mode", [] {
    LtCase t;
    t.prefer(CUBLASLT_MATMUL_PREF_SEARCH_MODE, (uint32_t)CUBLASLT_SEARCH_LIMITED_BY_ALGO_ID);
    check_equal(t.ask(), NO, "heuristic");
});

static const Case room("a heuristic without room for results is invalid", [] {
    LtCase t;
    t.make();
    int n = 0;
    check_equal(cublasLtMatmulAlgoGetHeuristic(t.handle, t.desc, t.a, t.b, t.c, t.d, t.preference,
                                               0, t.results, &n),
                INVALID, "0 results");
    check_equal(cublasLtMatmulAlgoGetHeuristic(t.handle, t.desc, t.a, t.b, t.c, t.d, nullptr, 1,
                                               t.results, &n),
                INVALID, "no preference");
    check_equal(cublasLtMatmulAlgoGetHeuristic(nullptr, t.desc, t.a, t.b, t.c, t.d, t.preference, 1,
                                               t.results, &n),
                CUBLAS_STATUS_NOT_INITIALIZED, "no handle");
});
static const Case choice("the workspace and the alignments decide among algorithms", [] {
    LtCase t;
    t.m = t.n = t.k = 64;
    t.max_workspace = 1 << 20;
    check_equal(t.ask(), 0, "heuristic");
    check_equal(t.nresults, 3, "all algorithms");
    check(t.results[0].workspaceSize >= 2 * 64 * 64 * 4, "the first one splits k");
    t.prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, (uint64_t)1000);
    check_equal(t.ask(), 0, "heuristic");
    check_equal(t.nresults, 2, "without workspace");
    check_equal((long long)t.results[0].workspaceSize, 0, "workspace");
    t.prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, (uint32_t)8);
    check_equal(t.ask(), 0, "heuristic");
    check_equal(t.nresults, 1, "with a pointer aligned to 8 bytes");
    LtCase odd;
    odd.gap = 1;
    check_equal(odd.ask(), 0, "heuristic");
    check_equal(odd.nresults, 1, "with odd leading dimensions");
});
static const Case no_alignment("int8 pointers promised below 4 bytes leave no algorithm", [] {
    LtCase t = int8_case();
    t.align = 2;
    check_equal(t.ask(), NO, "heuristic");
    check_equal(t.nresults, 0, "results");
});
static const Case foreign_algo("an algorithm of another kind of problem is invalid", [] {
    LtCase t, other;
    other.ab = other.cd = CUDA_R_16F;
    check_equal(other.ask(), 0, "heuristic");
    t.make();
    cublasLtMatmulHeuristicResult_t result;
    check_equal(cublasLtMatmulAlgoCheck(t.handle, t.desc, t.a, t.b, t.c, t.d,
                                        &other.results[0].algo, &result),
                INVALID, "check");
    check_equal(t.run(device(4096), device(4096), device(4096), device(4096), nullptr, nullptr,
                      nullptr, 0, &other.results[0].algo),
                INVALID, "product");
    cublasLtMatmulAlgo_t made_up = other.results[0].algo;
    made_up.data[1] ^= 8;
    other.a = other.b = nullptr;
    check_equal(cublasLtMatmulAlgoCheck(t.handle, t.desc, t.a, t.b, t.c, t.d, &made_up, &result),
                INVALID, "changed");
});
static const Case algo_of_sizes("an algorithm is checked again for other sizes", [] {
    LtCase t, odd;
    check_equal(t.ask(), 0, "heuristic");
    odd.gap = 1;
    odd.make();
    cublasLtMatmulHeuristicResult_t result;
    check_equal(cublasLtMatmulAlgoCheck(odd.handle, odd.desc, odd.a, odd.b, odd.c, odd.d,
                                        &t.results[0].algo, &result),
                INVALID, "16-byte algorithm with odd strides");
});

static const Case dead("destroyed descriptors are refused", [] {
    LtCase t;
    t.make();
    check_equal(cublasLtMatrixLayoutDestroy(t.b), 0, "destroy");
    refused(t, INVALID);
    LtCase u;
    u.make();
    u.desc = (cublasLtMatmulDesc_t)u.a;
    check_equal(u.ask(), INVALID, "a layout for a desc");
});
static const Broken twice("destroying a layout twice is seen", "destroyed twice", [] {
    LtCase t;
    t.make();
    check_equal(cublasLtMatrixLayoutDestroy(t.b), 0, "destroy");
    cublasLtMatrixLayoutDestroy(t.b);
});
static const Broken handle_twice("destroying a handle twice is seen", "destroyed twice", [] {
    LtCase t;
    t.make();
    check_equal(cublasLtDestroy(t.handle), 0, "destroy");
    check_equal(t.ask(), CUBLAS_STATUS_NOT_INITIALIZED, "a dead handle");
    cublasLtDestroy(t.handle);
});
static const Case no_device(
    "without a device there is no handle",
    [] {
        cublasLtHandle_t h = nullptr;
        check_equal(cublasLtCreate(&h), CUBLAS_STATUS_NOT_INITIALIZED, "cublasLtCreate");
    },
    "PE_EMU_DEVICES=0");
static const Case failing(
    "PE_EMU_FAIL makes the call that it names fail",
    [] {
        LtCase t;
        cublasLtMatrixLayout_t l;
        t.make();
        check_equal(cublasLtMatrixLayoutCreate(&l, CUDA_R_32F, 1, 1, 1), 0, "fifth");
        check_equal(cublasLtMatrixLayoutCreate(&l, CUDA_R_32F, 1, 1, 1), CUBLAS_STATUS_ALLOC_FAILED,
                    "sixth");
        check_equal(t.ask(), CUBLAS_STATUS_NOT_SUPPORTED, "heuristic");
        check_equal(t.ask(), 0, "heuristic again");
        void *p = numbers(CUDA_R_32F, 96, 1), *d = device(4096);
        check_equal(t.run(p, p, d, d, nullptr, nullptr, nullptr, 0, &t.results[0].algo),
                    CUBLAS_STATUS_EXECUTION_FAILED, "product");
        check_equal(t.run(p, p, d, d, nullptr, nullptr, nullptr, 0, &t.results[0].algo), 0,
                    "product again");
    },
    "PE_EMU_FAIL=cublasLtMatrixLayoutCreate:6,cublasLtMatmulAlgoGetHeuristic:1,cublasLtMatmul:1");
