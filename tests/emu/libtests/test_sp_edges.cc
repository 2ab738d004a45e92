/* tests/emu/libtests/test_sp_edges.cc - the rarer rules of the stand-in for cuSPARSE: places that
 * are NULL, conversions, empty blocks, and memory that goes away in between. Read next:
 * tests/emu/libs/spconvert.cc, sprules.cc. */
#include "spcase.hh"

static const int INVALID = CUSPARSE_STATUS_INVALID_VALUE, NO = CUSPARSE_STATUS_NOT_SUPPORTED;
static const int FAILED = CUSPARSE_STATUS_EXECUTION_FAILED;
static const cusparseOrder_t COL = CUSPARSE_ORDER_COL;
static const cusparseDenseToSparseAlg_t TO_SPARSE = CUSPARSE_DENSETOSPARSE_ALG_DEFAULT;
static const cusparseSparseToDenseAlg_t TO_DENSE = CUSPARSE_SPARSETODENSE_ALG_DEFAULT;
static const float ONE = 1;

/* A CSR matrix with dense ones that fit. */
struct Square {
    Stored s = stored(plain(64, 64, 1, false, 1), CUSPARSE_FORMAT_CSR);
    Sparse a = on_device(s, CUDA_R_32F);
    Dense b = dense(plain(64, 64, 1, false, 2), CUDA_R_32F, COL);
    Dense c = dense(plain(64, 64, 1, false, 3), CUDA_R_32F, COL);
    SpCase t;
};

static const Case places("a product without alpha, beta or a place for the size is invalid", [] {
    Square q;
    const cusparseOperation_t n = CUSPARSE_OPERATION_NON_TRANSPOSE;
    cusparseDnVecDescr_t x = nullptr;
    size_t nbytes;
    q.t.make();
    void *buffer = device(1 << 16);
    check_equal(cusparseCreateDnVec(&x, 64, q.b.values, CUDA_R_32F), 0, "X");
    cusparseDnVecDescr_t y = nullptr;
    check_equal(cusparseCreateDnVec(&y, 64, q.c.values, CUDA_R_32F), 0, "Y");
    for (int missing = 0; missing < 3; missing++) {
        const float *alpha = missing == 0 ? nullptr : &ONE, *beta = missing == 1 ? nullptr : &ONE;
        size_t *place = missing == 2 ? nullptr : &nbytes;
        check_equal(cusparseSpMM_bufferSize(q.t.handle, n, n, alpha, q.a.matrix, q.b.matrix, beta,
                                            q.c.matrix, CUDA_R_32F, q.t.alg, place),
                    INVALID, "size of SpMM");
        check_equal(cusparseSpMV_bufferSize(q.t.handle, n, alpha, q.a.matrix, x, beta, y,
                                            CUDA_R_32F, q.t.mv_alg, place),
                    INVALID, "size of SpMV");
        if (missing == 2) continue;
        check_equal(cusparseSpMM_preprocess(q.t.handle, n, n, alpha, q.a.matrix, q.b.matrix, beta,
                                            q.c.matrix, CUDA_R_32F, q.t.alg, buffer),
                    INVALID, "preprocess");
        check_equal(cusparseSpMM(q.t.handle, n, n, alpha, q.a.matrix, q.b.matrix, beta, q.c.matrix,
                                 CUDA_R_32F, q.t.alg, buffer),
                    INVALID, "SpMM");
        check_equal(cusparseSpMV(q.t.handle, n, alpha, q.a.matrix, x, beta, y, CUDA_R_32F,
                                 q.t.mv_alg, buffer),
                    INVALID, "SpMV");
    }
    check_equal(cusparseSpMV(nullptr, n, &ONE, q.a.matrix, x, &ONE, y, CUDA_R_32F, q.t.mv_alg,
                             buffer),
                INVALID, "no handle");
    check_equal(cusparseDestroyDnVec(y), 0, "destroy");
    check_equal(cusparseSpMV(q.t.handle, n, &ONE, q.a.matrix, x, &ONE, y, CUDA_R_32F, q.t.mv_alg,
                             buffer),
                INVALID, "a dead vector");
});
static const Case operations("operations that do not exist are invalid", [] {
    Square q;
    size_t nbytes;
    q.t.op_a = (cusparseOperation_t)7;
    check_equal(q.t.size(q.a, q.b, q.c, &nbytes), INVALID, "A");
    check_equal(q.t.vector(q.a, q.b, q.c), INVALID, "SpMV");
    q.t.op_a = CUSPARSE_OPERATION_NON_TRANSPOSE;
    q.t.op_b = (cusparseOperation_t)7;
    check_equal(q.t.size(q.a, q.b, q.c, &nbytes), INVALID, "B");
});
static const Case no_blocks("Blocked-ELL with blocks of size 0 is for nothing", [] {
    Square q;
    size_t nbytes;
    Dense d = dense(plain(64, 64, 1, false, 2), CUDA_R_32F, COL);
    check_equal(cusparseCreateBlockedEll(&q.a.matrix, 64, 64, 0, 0, nullptr, nullptr,
                                         CUSPARSE_INDEX_32I, CUSPARSE_INDEX_BASE_ZERO, CUDA_R_32F),
                0, "A");
    check_equal(q.t.size(q.a, q.b, q.c, &nbytes), INVALID, "size");
    check_equal(cusparseDenseToSparse_bufferSize(q.t.handle, d.matrix, q.a.matrix, TO_SPARSE,
                                                 &nbytes),
                INVALID, "to sparse");
});
static const Broken b_short("B past its allocation is seen", "bytes of B at", [] {
    Square q;
    check_equal(cusparseDnMatSetValues(q.b.matrix, device(64 * 64 * 4 - 4)), 0, "values");
    check_equal(q.t.run(q.a, q.b, q.c), FAILED, "SpMM");
});
static const Broken c_short("C past its allocation is seen", "bytes of C at", [] {
    Square q;
    check_equal(cusparseDnMatSetValues(q.c.matrix, device(64 * 64 * 4 - 4)), 0, "values");
    check_equal(q.t.run(q.a, q.b, q.c), FAILED, "SpMM");
});
static const Case ell_alignment("Blocked-ELL wants B and C aligned to 16 bytes", [] {
    Square q;
    Plain m = plain(64, 64, 16, false, 1);
    q.a = on_device(stored(m, CUSPARSE_FORMAT_BLOCKED_ELL, 16), CUDA_R_32F);
    char *values = (char *)device(64 * 64 * 4 + 16);
    check_equal(cusparseDnMatSetValues(q.c.matrix, values + 8), 0, "values");
    check_equal(q.t.run(q.a, q.b, q.c), INVALID, "C");
    check_equal(cusparseDnMatSetValues(q.c.matrix, values), 0, "values");
    check_equal(cusparseDnMatSetValues(q.b.matrix, (char *)device(64 * 64 * 4 + 16) + 8), 0,
                "values");
    check_equal(q.t.run(q.a, q.b, q.c), INVALID, "B");
});
static const Broken buffer_inside("a buffer inside what is read is seen", "the buffer overlaps",
                                  [] {
                                      Square q;
                                      q.t.own_buffer = false;
                                      q.t.buffer = q.b.values;
                                      check_equal(q.t.run(q.a, q.b, q.c), FAILED, "SpMM");
                                  });
static const Broken mv_buffer_inside("a buffer of SpMV inside what is read is seen",
                                     "the buffer overlaps", [] {
                                         Square q;
                                         q.t.own_buffer = false;
                                         q.t.buffer = q.a.indices;
                                         check_equal(q.t.vector(q.a, q.b, q.c), FAILED, "SpMV");
                                     });
static const Broken y_is_x("Y in the place of X is seen", "Y overlaps", [] {
    Square q;
    check_equal(q.t.vector(q.a, q.b, q.b), FAILED, "SpMV");
});
static const Broken bad_preparation("preprocessing looks at the indices too",
                                    "cusparseSpMM_preprocess: index", [] {
                                        Square q;
                                        q.s.indices[0] = 64;
                                        q.a = on_device(q.s, CUDA_R_32F);
                                        check_equal(q.t.prepare(q.a, q.b, q.c), 0, "preprocess");
                                    });
static const Broken scalars_unwritten(
    "alpha on the device that was never written is seen", "alpha was not written", [] {
        Square q;
        q.t.make();
        check_equal(cusparseSetPointerMode(q.t.handle, CUSPARSE_POINTER_MODE_DEVICE), 0, "mode");
        q.t.alpha_at = device(4);
        q.t.beta_at = device(&ONE, 4);
        check_equal(q.t.run(q.a, q.b, q.c), 0, "SpMM");
    });
static const Broken beta_unwritten(
    "beta on the device that was never written is seen", "beta was not written", [] {
        Square q;
        q.t.make();
        check_equal(cusparseSetPointerMode(q.t.handle, CUSPARSE_POINTER_MODE_DEVICE), 0, "mode");
        q.t.alpha_at = device(&ONE, 4);
        q.t.beta_at = device(4);
        check_equal(q.t.run(q.a, q.b, q.c), 0, "SpMM");
    });

/* Frees on a stream of its own, which runs before the product does. */
static void freed_before(Square &q, void *what)
{
    cudaStream_t late, early;
    q.t.make();
    check_equal(cudaStreamCreate(&late), 0, "stream");
    check_equal(cudaStreamCreate(&early), 0, "stream");
    check_equal(cusparseSetStream(q.t.handle, late), 0, "stream");
    check_equal(q.t.run(q.a, q.b, q.c), 0, "SpMM");
    check_equal(cudaFreeAsync(what, early), 0, "free");
    check_equal(cudaStreamSynchronize(early), 0, "wait");
    cudaStreamSynchronize(late);
}

static const Broken a_freed("indices freed before the product ran are seen",
                            "the indices of A was freed", [] {
                                Square q;
                                freed_before(q, q.a.indices);
                            });
static const Broken c_freed("C freed before the product ran is seen", "C was freed before", [] {
    Square q;
    freed_before(q, q.c.values);
});
static const Broken buffer_freed("a buffer freed before the product ran is seen",
                                 "the buffer was freed before", [] {
                                     Square q;
                                     q.t.own_buffer = false;
                                     q.t.buffer = device(4096);
                                     freed_before(q, q.t.buffer);
                                 });
static const Broken active_freed("an active buffer freed before the product ran is seen",
                                 "the active buffer was freed", [] {
                                     Square q;
                                     check_equal(q.t.prepare(q.a, q.b, q.c), 0, "preprocess");
                                     check_equal(cudaDeviceSynchronize(), 0, "wait");
                                     q.t.own_buffer = false;
                                     freed_before(q, q.t.buffer);
                                 });
static const Case deferred("a product runs in the handle's stream, when something waits", [] {
    Square q;
    cudaStream_t stream;
    q.t.make();
    check_equal(cudaStreamCreate(&stream), 0, "stream");
    check_equal(cusparseSetStream(q.t.handle, stream), 0, "stream");
    Dense c = empty_dense(64, 64, CUDA_R_32F, COL);
    check_equal(q.t.run(q.a, q.b, c), 0, "SpMM");
    check(!was_written(c.values, 64 * 64 * 4), "C is not there yet");
    check_equal(cudaStreamSynchronize(stream), 0, "wait");
    check(was_written(c.values, 64 * 64 * 4), "C is there");
});

static const Case conversions("conversions: types, algorithms, places and dead matrices", [] {
    Square q;
    size_t nbytes = 0;
    q.t.make();
    cusparseHandle_t h = q.t.handle;
    check_equal(cusparseDenseToSparse_bufferSize(h, q.b.matrix, q.a.matrix,
                                                 (cusparseDenseToSparseAlg_t)3, &nbytes),
                INVALID, "algorithm");
    check_equal(cusparseDenseToSparse_bufferSize(h, q.b.matrix, q.a.matrix, TO_SPARSE, nullptr),
                INVALID, "place");
    check_equal(cusparseSparseToDense_bufferSize(h, q.a.matrix, q.b.matrix,
                                                 (cusparseSparseToDenseAlg_t)3, &nbytes),
                INVALID, "algorithm");
    check_equal(cusparseSparseToDense_bufferSize(h, q.a.matrix, q.b.matrix, TO_DENSE, nullptr),
                INVALID, "place");
    check_equal(cusparseSparseToDense(h, q.a.matrix, q.b.matrix, (cusparseSparseToDenseAlg_t)3,
                                      nullptr),
                INVALID, "algorithm");
    Sparse narrow, integers;
    check_equal(cusparseCreateCsr(&narrow.matrix, 64, 64, 0, q.a.offsets, nullptr, nullptr,
                                  CUSPARSE_INDEX_16U, CUSPARSE_INDEX_16U, CUSPARSE_INDEX_BASE_ZERO,
                                  CUDA_R_32F),
                0, "16-bit indices");
    check_equal(cusparseDenseToSparse_bufferSize(h, q.b.matrix, narrow.matrix, TO_SPARSE, &nbytes),
                NO, "16-bit");
    check_equal(cusparseCreateCsr(&integers.matrix, 64, 64, 0, q.a.offsets, nullptr, nullptr,
                                  CUSPARSE_INDEX_32I, CUSPARSE_INDEX_32I, CUSPARSE_INDEX_BASE_ZERO,
                                  CUDA_R_32I),
                0, "int32 values");
    Dense wide = dense(plain(64, 64, 1, true, 2), CUDA_R_32I, COL);
    check_equal(cusparseDenseToSparse_bufferSize(h, wide.matrix, integers.matrix, TO_SPARSE,
                                                 &nbytes),
                NO, "int32");
    check_equal(cusparseDestroyDnMat(q.b.matrix), 0, "destroy");
    check_equal(cusparseSparseToDense(h, q.a.matrix, q.b.matrix, TO_DENSE, nullptr), INVALID,
                "a dead matrix");
});
static const Broken doubles(
    "conversions of f64 are not in the stand-in", "does not have conversions", [] {
        Square q;
        size_t nbytes;
        Sparse a;
        Dense b;
        q.t.make();
        check_equal(cusparseCreateCsr(&a.matrix, 64, 64, 0, q.a.offsets, nullptr, nullptr,
                                      CUSPARSE_INDEX_32I, CUSPARSE_INDEX_32I,
                                      CUSPARSE_INDEX_BASE_ZERO, CUDA_R_64F),
                    0, "A");
        check_equal(cusparseCreateDnMat(&b.matrix, 64, 64, 64, nullptr, CUDA_R_64F, COL), 0, "B");
        check_equal(cusparseDenseToSparse_bufferSize(q.t.handle, b.matrix, a.matrix, TO_SPARSE,
                                                     &nbytes),
                    NO, "size");
    });
static const Broken ell_columns(
    "a conversion to a block column past the blocks is seen", "block column 4 is out", [] {
        Square q;
        Stored s = stored(plain(64, 64, 16, false, 1), CUSPARSE_FORMAT_BLOCKED_ELL, 16);
        s.indices[0] = 4;
        Sparse ell = on_device(s, CUDA_R_32F);
        void *buffer = device(4096);
        q.t.make();
        check_equal(cusparseDenseToSparse_analysis(q.t.handle, q.b.matrix, ell.matrix, TO_SPARSE,
                                                   buffer),
                    0, "analysis");
        check_equal(cusparseDenseToSparse_convert(q.t.handle, q.b.matrix, ell.matrix, TO_SPARSE,
                                                  buffer),
                    0, "convert");
    });
static const Broken offsets_unwritten(
    "offsets that were never written are seen", "row indices) of A was not written", [] {
        Square q;
        check_equal(cusparseCsrSetPointers(q.a.matrix, device(65 * 4), q.a.indices, q.a.values), 0,
                    "pointers");
        check_equal(q.t.run(q.a, q.b, q.c), 0, "SpMM");
    });
static const Broken offsets_freed("offsets freed before the analysis ran are seen",
                                  "the offsets were freed", [] {
                                      Square q;
                                      q.t.make();
                                      void *buffer = device(4096);
                                      check_equal(cudaFreeAsync(q.a.offsets, nullptr), 0,
                                                  "free"); /* waits in the stream before it */
                                      cusparseDenseToSparse_analysis(q.t.handle, q.b.matrix,
                                                                     q.a.matrix, TO_SPARSE, buffer);
                                  });
static const Broken over_itself(
    "a dense matrix over the sparse one is seen", "the dense matrix overlaps", [] {
        Square q;
        q.t.make();
        void *both = device(std::vector<float>(64 * 64, 1.0f));
        check_equal(cusparseSpMatSetValues(q.a.matrix, both), 0, "values");
        check_equal(cusparseDnMatSetValues(q.b.matrix, both), 0, "values");
        check_equal(cusparseSparseToDense(q.t.handle, q.a.matrix, q.b.matrix, TO_DENSE, nullptr),
                    FAILED, "to dense");
    });
