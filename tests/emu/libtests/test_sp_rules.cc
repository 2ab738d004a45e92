/* tests/emu/libtests/test_sp_rules.cc - what cusparseSpMM() and cusparseSpMV() refuse, and the
 * broken rules that they report: every rule has a case that breaks it. Read next:
 * tests/emu/libs/sprules.cc, spmm.cc, spentries.cc. */
#include "spcase.hh"

static const int INVALID = CUSPARSE_STATUS_INVALID_VALUE, NO = CUSPARSE_STATUS_NOT_SUPPORTED;
static const int FAILED = CUSPARSE_STATUS_EXECUTION_FAILED;
static const cusparseOperation_t N = CUSPARSE_OPERATION_NON_TRANSPOSE,
                                 T = CUSPARSE_OPERATION_TRANSPOSE,
                                 H = CUSPARSE_OPERATION_CONJUGATE_TRANSPOSE;
static const cusparseOrder_t ROW = CUSPARSE_ORDER_ROW, COL = CUSPARSE_ORDER_COL;

/* A square matrix of 64 and two dense ones that fit it, in all forms. */
struct Operands {
    Stored s;
    Sparse a;
    Dense b, c;
    explicit Operands(cusparseFormat_t format, cudaDataType ab = CUDA_R_32F,
                      cudaDataType of_c = CUDA_R_32F, int64_t block = 1,
                      cusparseOrder_t order = COL)
        : s(stored(plain(64, 64, block, ab == CUDA_R_8I, 1), format, block)), a(on_device(s, ab)),
          b(dense(plain(64, 64, 1, ab == CUDA_R_8I, 2), ab, order)),
          c(dense(plain(64, 64, 1, ab == CUDA_R_8I, 3), of_c, order))
    {
    }
};

/* Size, preparation and product answer alike. */
static void refused(SpCase t, const Operands &o, int status)
{
    size_t nbytes;
    float one = 1;
    void *buffer = device(1 << 16);
    check_equal(t.size(o.a, o.b, o.c, &nbytes), status, "size");
    check_equal(cusparseSpMM_preprocess(t.handle, t.op_a, t.op_b, &one, o.a.matrix, o.b.matrix,
                                        &one, o.c.matrix, t.compute, t.alg, buffer),
                status, "preprocess");
    check_equal(cusparseSpMM(t.handle, t.op_a, t.op_b, &one, o.a.matrix, o.b.matrix, &one,
                             o.c.matrix, t.compute, t.alg, buffer),
                status, "product");
}

static const Case types("types that are in no row are not supported", [] {
    SpCase t, narrow, integers;
    refused(t, Operands(CUSPARSE_FORMAT_CSR, CUDA_R_32F, CUDA_R_16F), NO);
    refused(t, Operands(CUSPARSE_FORMAT_CSR, CUDA_R_8I, CUDA_R_16F), NO);
    refused(t, Operands(CUSPARSE_FORMAT_CSR, CUDA_R_8I, CUDA_R_32I), NO); /* compute f32 */
    narrow.compute = CUDA_R_16F;
    refused(narrow, Operands(CUSPARSE_FORMAT_CSR, CUDA_R_16F, CUDA_R_16F), NO);
    integers.compute = CUDA_R_32I;
    refused(integers, Operands(CUSPARSE_FORMAT_CSR), NO);
    Operands mixed(CUSPARSE_FORMAT_CSR, CUDA_R_8I, CUDA_R_32F);
    mixed.b = dense(plain(64, 64, 1, false, 2), CUDA_R_16F, COL);
    refused(t, mixed, NO);
});
static const Broken doubles("f64 is not in the stand-in and says so", "does not have products", [] {
    SpCase t;
    Operands o(CUSPARSE_FORMAT_CSR);
    void *p = device(8 * 64 * 64);
    check_equal(cusparseCreateCsr(&o.a.matrix, 64, 64, o.s.nnz, o.a.offsets, o.a.indices, p,
                                  CUSPARSE_INDEX_32I, CUSPARSE_INDEX_32I, CUSPARSE_INDEX_BASE_ZERO,
                                  CUDA_R_64F),
                0, "A");
    check_equal(cusparseCreateDnMat(&o.b.matrix, 64, 64, 64, p, CUDA_R_64F, COL), 0, "B");
    check_equal(cusparseCreateDnMat(&o.c.matrix, 64, 64, 64, p, CUDA_R_64F, COL), 0, "C");
    t.compute = CUDA_R_64F;
    size_t nbytes;
    check_equal(t.size(o.a, o.b, o.c, &nbytes), NO, "size");
});
static const Case indices_16("16-bit indices are for no product", [] {
    SpCase t;
    Operands o(CUSPARSE_FORMAT_CSR);
    check_equal(cusparseCreateCsr(&o.a.matrix, 64, 64, o.s.nnz, o.a.offsets, o.a.indices,
                                  o.a.values, CUSPARSE_INDEX_16U, CUSPARSE_INDEX_16U,
                                  CUSPARSE_INDEX_BASE_ZERO, CUDA_R_32F),
                0, "A");
    refused(t, o, NO);
    check_equal(t.vector(o.a, o.b, o.c), NO, "SpMV");
});
static const Case algorithms("an algorithm belongs to its format", [] {
    const struct {
        cusparseFormat_t format;
        cusparseSpMMAlg_t alg;
    } wrong[] = { { CUSPARSE_FORMAT_CSR, CUSPARSE_SPMM_COO_ALG1 },
                  { CUSPARSE_FORMAT_COO, CUSPARSE_SPMM_CSR_ALG1 },
                  { CUSPARSE_FORMAT_CSC, CUSPARSE_SPMM_CSR_ALG3 },
                  { CUSPARSE_FORMAT_CSR, CUSPARSE_SPMM_BSR_ALG1 },
                  { CUSPARSE_FORMAT_CSR, CUSPARSE_SPMM_BLOCKED_ELL_ALG1 } };
    for (auto &w : wrong) {
        SpCase t;
        t.alg = w.alg;
        refused(t, Operands(w.format), NO);
    }
    SpCase none;
    none.alg = (cusparseSpMMAlg_t)77;
    refused(none, Operands(CUSPARSE_FORMAT_CSR), NO);
});
static const Case alg3("CSR_ALG3 takes A as it is", [] {
    SpCase t;
    t.alg = CUSPARSE_SPMM_CSR_ALG3;
    t.op_a = T;
    refused(t, Operands(CUSPARSE_FORMAT_CSR), NO);
    t.op_a = N;
    t.op_b = H;
    refused(t, Operands(CUSPARSE_FORMAT_CSR), NO);
});
static const Case mixed_precision(
    "16-bit and int8 products have the limits of CSR_ALG3 and COO_ALG2", [] {
        SpCase t, b;
        t.op_a = T;
        b.op_b = H;
        for (cudaDataType type : { CUDA_R_16F, CUDA_R_16BF, CUDA_R_8I }) {
            refused(SpCase(), Operands(CUSPARSE_FORMAT_CSC, type), NO);
            refused(t, Operands(CUSPARSE_FORMAT_CSR, type), NO);
            refused(t, Operands(CUSPARSE_FORMAT_COO, type), NO);
            refused(b, Operands(CUSPARSE_FORMAT_CSR, type), NO);
        }
        t.alg = CUSPARSE_SPMM_CSR_ALG1; /* naming another one does not help */
        refused(t, Operands(CUSPARSE_FORMAT_CSR, CUDA_R_16F), NO);
    });
static const Case bsr("BSR takes A as it is, with row-major blocks", [] {
    SpCase t;
    t.op_a = T;
    refused(t, Operands(CUSPARSE_FORMAT_BSR, CUDA_R_32F, CUDA_R_32F, 16), NO);
    Operands columns(CUSPARSE_FORMAT_BSR, CUDA_R_32F, CUDA_R_32F, 16);
    columns.a = on_device(columns.s, CUDA_R_32F, CUSPARSE_INDEX_32I, CUSPARSE_INDEX_BASE_ZERO, COL);
    refused(SpCase(), columns, NO);
});
static const Case ell("Blocked-ELL: operations, index type, layouts of int8, pointer mode", [] {
    SpCase a, b, wide, integers, device_mode;
    Operands floats(CUSPARSE_FORMAT_BLOCKED_ELL, CUDA_R_16F, CUDA_R_16F, 16);
    a.op_a = T;
    refused(a, floats, NO);
    b.op_b = H;
    refused(b, floats, NO);
    Operands long_indices(floats);
    long_indices.a = on_device(floats.s, CUDA_R_16F, CUSPARSE_INDEX_64I);
    refused(wide, long_indices, NO);
    integers.compute = CUDA_R_32I;
    refused(integers, Operands(CUSPARSE_FORMAT_BLOCKED_ELL, CUDA_R_8I, CUDA_R_32I, 16, ROW), NO);
    integers.op_b = T;
    refused(integers, Operands(CUSPARSE_FORMAT_BLOCKED_ELL, CUDA_R_8I, CUDA_R_32I, 16, COL), NO);
    device_mode.make();
    check_equal(cusparseSetPointerMode(device_mode.handle, CUSPARSE_POINTER_MODE_DEVICE), 0,
                "mode");
    refused(device_mode, floats, NO);
    refused(SpCase(), Operands(CUSPARSE_FORMAT_BLOCKED_ELL, CUDA_R_8I, CUDA_R_32F, 16), NO);
});
static const Case ell_on_75(
    "Blocked-ELL of bf16 and f32 begins with 8.0",
    [] {
        size_t nbytes;
        Operands halves(CUSPARSE_FORMAT_BLOCKED_ELL, CUDA_R_16F, CUDA_R_16F, 16);
        check_equal(SpCase().size(halves.a, halves.b, halves.c, &nbytes), 0, "f16");
        refused(SpCase(), Operands(CUSPARSE_FORMAT_BLOCKED_ELL, CUDA_R_16BF, CUDA_R_16BF, 16), NO);
        refused(SpCase(), Operands(CUSPARSE_FORMAT_BLOCKED_ELL, CUDA_R_32F, CUDA_R_32F, 16), NO);
    },
    "PE_EMU_CC=75");
static const Case shapes("shapes and orders that conflict", [] {
    Operands b(CUSPARSE_FORMAT_CSR), c(CUSPARSE_FORMAT_CSR), order(CUSPARSE_FORMAT_CSR);
    b.b = dense(plain(63, 64, 1, false, 2), CUDA_R_32F, COL);
    refused(SpCase(), b, INVALID);
    c.c = dense(plain(64, 63, 1, false, 2), CUDA_R_32F, COL);
    refused(SpCase(), c, INVALID);
    order.b = dense(plain(64, 64, 1, false, 2), CUDA_R_32F, ROW);
    refused(SpCase(), order, NO);
});
static const Case vectors("SpMV: formats, algorithms, sizes and types", [] {
    SpCase t, coo, transposed_bsr, narrow;
    Operands csr(CUSPARSE_FORMAT_CSR);
    check_equal(t.vector(Operands(CUSPARSE_FORMAT_BLOCKED_ELL, CUDA_R_32F, CUDA_R_32F, 16).a, csr.b,
                         csr.c),
                NO, "Blocked-ELL");
    coo.mv_alg = CUSPARSE_SPMV_COO_ALG1;
    check_equal(coo.vector(csr.a, csr.b, csr.c), NO, "COO_ALG1 for CSR");
    coo.mv_alg = CUSPARSE_SPMV_SELL_ALG1;
    check_equal(coo.vector(csr.a, csr.b, csr.c), NO, "SELL_ALG1");
    transposed_bsr.op_a = T;
    check_equal(transposed_bsr.vector(Operands(CUSPARSE_FORMAT_BSR, CUDA_R_32F, CUDA_R_32F, 16).a,
                                      csr.b, csr.c),
                NO, "a transposed BSR matrix");
    Dense shorter = dense(plain(63, 1, 1, false, 2), CUDA_R_32F, COL);
    check_equal(t.vector(csr.a, shorter, csr.c), INVALID, "X");
    check_equal(t.vector(csr.a, csr.b, shorter), INVALID, "Y");
    narrow.compute = CUDA_R_16F;
    check_equal(narrow.vector(csr.a, csr.b, csr.c), NO, "compute type");
});

static const Case buffers("a buffer that is asked for has to be there", [] {
    SpCase t;
    Operands o(CUSPARSE_FORMAT_CSR);
    t.own_buffer = false;
    check_equal(t.run(o.a, o.b, o.c), INVALID, "SpMM");
    check_equal(t.vector(o.a, o.b, o.c), INVALID, "SpMV");
    t.buffer = (char *)device(4096) + 8;
    check_equal(t.run(o.a, o.b, o.c), INVALID, "misaligned");
    Operands coo(CUSPARSE_FORMAT_COO), blocks(CUSPARSE_FORMAT_BSR, CUDA_R_32F, CUDA_R_32F, 16);
    t.buffer = nullptr;
    t.alg = CUSPARSE_SPMM_COO_ALG1;
    check_equal(t.run(coo.a, coo.b, coo.c), 0, "COO_ALG1 needs none");
    t.alg = CUSPARSE_SPMM_BSR_ALG1;
    check_equal(t.run(blocks.a, blocks.b, blocks.c), 0, "BSR_ALG1 needs none");
});
static const Broken buffer_short("a buffer that is too small is seen", "bytes of the buffer at",
                                 [] {
                                     SpCase t;
                                     Operands o(CUSPARSE_FORMAT_CSR);
                                     size_t nbytes = 0;
                                     check_equal(t.size(o.a, o.b, o.c, &nbytes), 0, "size");
                                     t.own_buffer = false;
                                     t.buffer = device(nbytes - 1);
                                     check_equal(t.run(o.a, o.b, o.c), FAILED, "SpMM");
                                 });
static const Case misaligned("arrays of sparse matrices are aligned to 16 bytes", [] {
    SpCase t;
    Operands o(CUSPARSE_FORMAT_CSR);
    check_equal(cusparseCsrSetPointers(o.a.matrix, o.a.offsets, (char *)o.a.indices + 4,
                                       o.a.values),
                0, "pointers");
    check_equal(t.run(o.a, o.b, o.c), INVALID, "SpMM");
    check_equal(cusparseCsrSetPointers(o.a.matrix, o.a.offsets, nullptr, o.a.values), 0,
                "pointers");
    check_equal(t.run(o.a, o.b, o.c), INVALID, "no indices");
});
static const Broken values_short(
    "values past their allocation are seen", "bytes of the values of A at", [] {
        SpCase t;
        Operands o(CUSPARSE_FORMAT_CSR);
        check_equal(cusparseSpMatSetValues(o.a.matrix, device((size_t)o.s.nnz * 4 - 4)), 0,
                    "values");
        check_equal(t.run(o.a, o.b, o.c), FAILED, "SpMM");
    });
static const Broken values_unwritten(
    "values that were never written are seen", "the values of A was not written", [] {
        SpCase t;
        Operands o(CUSPARSE_FORMAT_CSR);
        check_equal(cusparseSpMatSetValues(o.a.matrix, device((size_t)o.s.nnz * 4)), 0, "values");
        check_equal(t.run(o.a, o.b, o.c), 0, "SpMM");
    });
static const Broken b_unwritten("B that was never written is seen", "B was not written", [] {
    SpCase t;
    Operands o(CUSPARSE_FORMAT_CSR);
    check_equal(t.run(o.a, empty_dense(64, 64, CUDA_R_32F, COL), o.c), 0, "SpMM");
});
static const Broken c_unwritten(
    "C that was never written is seen with a beta", "C was not written", [] {
        SpCase t;
        Operands o(CUSPARSE_FORMAT_CSR);
        t.beta = 1;
        check_equal(t.run(o.a, o.b, empty_dense(64, 64, CUDA_R_32F, COL)), 0, "SpMM");
    });
static const Broken in_place("C in the place of B is seen", "C overlaps itself or what is read",
                             [] {
                                 SpCase t;
                                 Operands o(CUSPARSE_FORMAT_CSR);
                                 check_equal(t.run(o.a, o.b, o.b), FAILED, "SpMM");
                             });
static const Broken host_scalars(
    "alpha in host memory is seen in device mode", "bytes of alpha at", [] {
        SpCase t;
        Operands o(CUSPARSE_FORMAT_CSR);
        t.make();
        check_equal(cusparseSetPointerMode(t.handle, CUSPARSE_POINTER_MODE_DEVICE), 0, "mode");
        check_equal(t.run(o.a, o.b, o.c), FAILED, "SpMM");
    });

/* One array of a matrix spoilt by itself, then a product. */
static void spoilt(cusparseFormat_t format, int64_t block,
                   const std::function<void(Stored &)> &spoil)
{
    Operands o(format, CUDA_R_32F, CUDA_R_32F, block);
    spoil(o.s);
    o.a = on_device(o.s, CUDA_R_32F);
    check_equal(SpCase().run(o.a, o.b, o.c), 0, "SpMM");
}

static const Broken first_offset("offsets that do not begin at the base are seen",
                                 "the offsets of A go from 1", [] {
                                     spoilt(CUSPARSE_FORMAT_CSR, 1,
                                            [](Stored &s) { s.offsets[0] = 1; });
                                 });
static const Broken last_offset("offsets that do not end at the count are seen",
                                "the offsets of A go from 0", [] {
                                    spoilt(CUSPARSE_FORMAT_CSR, 1,
                                           [](Stored &s) { s.offsets.back()--; });
                                });
static const Broken descending("offsets that descend are seen", "the offsets of A descend at 6",
                               [] {
                                   spoilt(CUSPARSE_FORMAT_CSR, 1,
                                          [](Stored &s) { s.offsets[6] = s.offsets[7] + 1; });
                               });
static const Broken out_of_range("an index past the columns is seen", "is 64, expected above", [] {
    spoilt(CUSPARSE_FORMAT_CSR, 1, [](Stored &s) { s.indices[(size_t)s.offsets[4] - 1] = 64; });
});
static const Broken negative("a negative index is seen", "is -2, expected above -1", [] {
    spoilt(CUSPARSE_FORMAT_CSR, 1, [](Stored &s) { s.indices[(size_t)s.offsets[4]] = -2; });
});
static const Broken unsorted("unsorted indices are seen", "expected above", [] {
    spoilt(CUSPARSE_FORMAT_CSR, 1, [](Stored &s) { std::swap(s.indices[0], s.indices[1]); });
});
static const Broken twice("an index that appears twice is seen", "expected above", [] {
    spoilt(CUSPARSE_FORMAT_CSR, 1, [](Stored &s) { s.indices[1] = s.indices[0]; });
});
static const Broken bsr_range("a block column past the blocks is seen", "is 4, expected above", [] {
    spoilt(CUSPARSE_FORMAT_BSR, 16, [](Stored &s) { s.indices[(size_t)s.offsets[1] - 1] = 4; });
});
static const Broken coo_order("COO out of order is seen", "is out of order", [] {
    spoilt(CUSPARSE_FORMAT_COO, 1, [](Stored &s) { std::swap(s.offsets[0], s.offsets.back()); });
});
static const Broken coo_range("COO out of range is seen", "is out of range", [] {
    spoilt(CUSPARSE_FORMAT_COO, 1, [](Stored &s) { s.offsets.back() = 64; });
});
static const Broken ell_range("a Blocked-ELL column past the blocks is seen", "block column 4 of A",
                              [] {
                                  spoilt(CUSPARSE_FORMAT_BLOCKED_ELL, 16,
                                         [](Stored &s) { s.indices[0] = 4; });
                              });
static const Broken padding("padding that holds values is seen: it is multiplied as block column 0",
                            "padding in block row", [] {
                                spoilt(CUSPARSE_FORMAT_BLOCKED_ELL, 16, [](Stored &s) {
                                    for (size_t i = 0; i < s.indices.size(); i++) {
                                        int64_t slots = s.ell_cols / s.block;
                                        if (s.indices[i] != -1) continue;
                                        s.value[(size_t)((int64_t)i / slots * s.block * s.ell_cols +
                                                         (int64_t)i % slots * s.block + 1)] = 3;
                                        return;
                                    }
                                    check(false, "the matrix has no padding");
                                });
                            });

static const Broken other_call("a prepared buffer is for the call that it was prepared for",
                               "other arguments", [] {
                                   SpCase t;
                                   Operands o(CUSPARSE_FORMAT_CSR);
                                   check_equal(t.prepare(o.a, o.b, o.c), 0, "preprocess");
                                   t.own_buffer = false;
                                   t.alg = CUSPARSE_SPMM_CSR_ALG2;
                                   check_equal(t.run(o.a, o.b, o.c), FAILED, "SpMM");
                               });
static const Broken buffer_shared("a prepared buffer that another product used is seen",
                                  "the active buffer changed", [] {
                                      SpCase t;
                                      Operands o(CUSPARSE_FORMAT_CSR), other(CUSPARSE_FORMAT_CSR);
                                      check_equal(t.prepare(o.a, o.b, o.c), 0, "preprocess");
                                      t.own_buffer = false;
                                      check_equal(t.run(o.a, o.b, o.c), 0, "SpMM");
                                      check_equal(t.run(other.a, other.b, other.c), 0,
                                                  "another SpMM");
                                      check_equal(t.run(o.a, o.b, o.c), 0, "SpMM again");
                                  });
static const Case prepared_again("new pointers end what was prepared", [] {
    SpCase t;
    Operands o(CUSPARSE_FORMAT_CSR);
    check_equal(t.prepare(o.a, o.b, o.c), 0, "preprocess");
    t.own_buffer = false;
    t.alg = CUSPARSE_SPMM_CSR_ALG2;
    check_equal(cusparseCsrSetPointers(o.a.matrix, o.a.offsets, o.a.indices, o.a.values), 0,
                "pointers");
    check_equal(t.run(o.a, o.b, o.c), 0, "SpMM");
});

static const Case handles("dead handles and matrices are refused", [] {
    SpCase t;
    Operands o(CUSPARSE_FORMAT_CSR);
    int version = 0;
    t.make();
    check_equal(cusparseGetVersion(t.handle, &version), 0, "version");
    check_equal(version, CUSPARSE_VERSION, "version");
    check_equal(cusparseSetPointerMode(t.handle, (cusparsePointerMode_t)5), INVALID, "mode");
    check_equal(cusparseDestroySpMat(o.a.matrix), 0, "destroy");
    refused(t, o, INVALID);
    check_equal(cusparseDestroy(t.handle), 0, "destroy");
    refused(t, Operands(CUSPARSE_FORMAT_CSR), INVALID);
});
static const Broken destroyed_twice("destroying a matrix twice is seen", "destroyed twice", [] {
    Operands o(CUSPARSE_FORMAT_CSR);
    check_equal(cusparseDestroyDnMat(o.b.matrix), 0, "destroy");
    check_equal(cusparseDestroyDnMat(o.b.matrix), INVALID, "destroy");
});
static const Case no_device(
    "without a device there is no handle",
    [] {
        cusparseHandle_t h = nullptr;
        check_equal(cusparseCreate(&h), CUSPARSE_STATUS_NOT_INITIALIZED, "cusparseCreate");
    },
    "PE_EMU_DEVICES=0");
static const Case failing(
    "PE_EMU_FAIL makes the call that it names fail",
    [] {
        SpCase t;
        Operands o(CUSPARSE_FORMAT_CSR);
        check_equal(t.run(o.a, o.b, o.c), 0, "SpMM");
        check_equal(t.run(o.a, o.b, o.c), FAILED, "second SpMM");
        check_equal(t.run(o.a, o.b, o.c), 0, "third SpMM");
    },
    "PE_EMU_FAIL=cusparseSpMM:2");
