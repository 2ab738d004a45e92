/* tests/emu/libtests/test_sp_numbers.cc - results of cusparseSpMM() and cusparseSpMV() against
 * plain loops: all formats, types, orders and operations. The numbers are small enough for every
 * sum to be exact. Read next: tests/emu/libs/sprun.cc, spentries.cc. */
#include "spcase.hh"

#include "../libs/number.hh"

static const cusparseOperation_t N = CUSPARSE_OPERATION_NON_TRANSPOSE,
                                 T = CUSPARSE_OPERATION_TRANSPOSE;
static const cusparseOrder_t ROW = CUSPARSE_ORDER_ROW, COL = CUSPARSE_ORDER_COL;

struct Kind {
    cudaDataType ab, c, compute;
};
static const Kind KINDS[] = {
    { CUDA_R_32F, CUDA_R_32F, CUDA_R_32F },  { CUDA_R_16F, CUDA_R_16F, CUDA_R_32F },
    { CUDA_R_16F, CUDA_R_32F, CUDA_R_32F },  { CUDA_R_16BF, CUDA_R_16BF, CUDA_R_32F },
    { CUDA_R_16BF, CUDA_R_32F, CUDA_R_32F }, { CUDA_R_8I, CUDA_R_32I, CUDA_R_32I },
    { CUDA_R_8I, CUDA_R_32F, CUDA_R_32F }
};

/* As the type stores it. */
static float rounded(double value, cudaDataType type)
{
    char place[4];
    if (type == CUDA_R_32I) return (float)value;
    emulib::store(place, type, 0, (float)value);
    return emulib::load(place, type, 0);
}

/* Gaps stay 99. */
static void compare(const SpCase &t, const Plain &a, const Plain &b, const Plain &before,
                    const Dense &c)
{
    std::vector<float> got = values_of(c), wanted(c.nelem(), 99.0f);
    for (int64_t i = 0; i < c.rows; i++) {
        for (int64_t j = 0; j < c.cols; j++) {
            double sum = 0;
            for (int64_t l = 0; l < a.cols; l++) sum += (double)a.at(i, l) * b.at(l, j);
            double value = t.alpha * sum + (t.beta != 0 ? t.beta * before.at(i, j) : 0);
            wanted[(size_t)(c.order == ROW ? i * c.ld + j : j * c.ld + i)] = rounded(value, c.type);
        }
    }
    check(got == wanted, "values or gaps");
}

struct Setup {
    cusparseFormat_t format = CUSPARSE_FORMAT_CSR;
    int64_t rows = 37, cols = 53, n = 11, block = 1, gap = 0;
    cusparseOrder_t order = ROW, block_order = ROW;
    cusparseIndexType_t index = CUSPARSE_INDEX_32I;
    cusparseIndexBase_t base = CUSPARSE_INDEX_BASE_ZERO;
    bool prepared = false;
};

static void multiply(SpCase t, const Setup &s, const Kind &kind)
{
    bool integers = kind.ab == CUDA_R_8I;
    Plain a = plain(s.rows, s.cols, s.block, integers, 1), op_a = t.op_a == N ? a : transposed(a);
    Plain op_b = plain(op_a.cols, s.n, 1, integers, 2),
          before = plain(op_a.rows, s.n, 1, integers, 3);
    Sparse sparse = on_device(stored(a, s.format, s.block, s.block_order), kind.ab, s.index, s.base,
                              s.block_order);
    Dense b = dense(t.op_b == N ? op_b : transposed(op_b), kind.ab, s.order, s.gap);
    Dense c = dense(before, kind.c, s.order, s.gap);
    t.compute = kind.compute;
    if (s.prepared) {
        check_equal(t.prepare(sparse, b, c), 0, "preprocess");
        t.own_buffer = false;
    }
    check_equal(t.run(sparse, b, c), 0, "SpMM");
    compare(t, op_a, op_b, before, c);
}

static const Case formats("CSR, COO and CSC: operations, orders, index types and bases", [] {
    for (cusparseFormat_t format :
         { CUSPARSE_FORMAT_CSR, CUSPARSE_FORMAT_COO, CUSPARSE_FORMAT_CSC }) {
        for (int form = 0; form < 32; form++) {
            SpCase t;
            Setup s;
            s.format = format;
            t.op_a = form & 1 ? T : N;
            t.op_b = form & 2 ? T : N;
            s.order = form & 4 ? COL : ROW;
            s.index = form & 8 ? CUSPARSE_INDEX_64I : CUSPARSE_INDEX_32I;
            s.base = form & 16 ? CUSPARSE_INDEX_BASE_ONE : CUSPARSE_INDEX_BASE_ZERO;
            s.gap = form % 3;
            multiply(t, s, KINDS[0]);
        }
    }
});
static const Case types("all types of the table, with alpha and beta", [] {
    for (const Kind &kind : KINDS) {
        for (cusparseFormat_t format : { CUSPARSE_FORMAT_CSR, CUSPARSE_FORMAT_COO }) {
            SpCase t;
            Setup s;
            s.format = format;
            t.alpha = 2;
            t.beta = -1;
            multiply(t, s, kind);
            t.op_b = T;
            s.order = COL;
            multiply(t, s, kind);
        }
    }
});
static const Case algorithms("named algorithms and preprocessing change no result", [] {
    for (cusparseSpMMAlg_t alg :
         { CUSPARSE_SPMM_CSR_ALG1, CUSPARSE_SPMM_CSR_ALG2, CUSPARSE_SPMM_CSR_ALG3 }) {
        SpCase t;
        Setup s;
        t.alg = alg;
        multiply(t, s, KINDS[0]);
        s.prepared = true;
        multiply(t, s, KINDS[0]);
    }
});
static const Case bsr("BSR of 16, 32 and 64, all types, one column too", [] {
    for (int64_t block : { 16, 32, 64 }) {
        for (const Kind &kind : KINDS) {
            SpCase t;
            Setup s;
            s.format = CUSPARSE_FORMAT_BSR;
            s.block = block;
            s.rows = 2 * block;
            s.cols = 3 * block;
            s.order = block == 32 ? COL : ROW;
            s.n = block == 64 ? 1 : 7;
            t.beta = 1;
            multiply(t, s, kind);
        }
    }
});
static const Case bell("Blocked-ELL of 16, 32 and 64 with padding, all types", [] {
    const Kind kinds[] = {
        { CUDA_R_32F, CUDA_R_32F, CUDA_R_32F },   { CUDA_R_16F, CUDA_R_16F, CUDA_R_32F },
        { CUDA_R_16F, CUDA_R_16F, CUDA_R_16F },   { CUDA_R_16F, CUDA_R_32F, CUDA_R_32F },
        { CUDA_R_16BF, CUDA_R_16BF, CUDA_R_32F }, { CUDA_R_16BF, CUDA_R_32F, CUDA_R_32F },
        { CUDA_R_8I, CUDA_R_32I, CUDA_R_32I }
    };
    for (int64_t block : { 16, 32, 64 }) {
        for (const Kind &kind : kinds) {
            for (bool b_transposed : { false, true }) {
                SpCase t;
                Setup s;
                s.format = CUSPARSE_FORMAT_BLOCKED_ELL;
                s.block = block;
                s.rows = 3 * block;
                s.cols = 5 * block;
                s.order = b_transposed ? ROW : COL; /* what int8 wants */
                t.op_b = b_transposed ? T : N;
                t.beta = 1;
                s.n = 8;
                multiply(t, s, kind);
            }
        }
    }
});

/* 1 + 2^-11 lies between two numbers of TF32, and goes to the farther one. */
static const Case tensor_cores("Blocked-ELL of f32 rounds A and B to TF32, BSR does not", [] {
    const float between = 1 + 0x1p-11f, above = 1 + 0x1p-10f;
    for (cusparseFormat_t format : { CUSPARSE_FORMAT_BLOCKED_ELL, CUSPARSE_FORMAT_BSR }) {
        Plain a = { 16, 16, std::vector<float>(256, 0.0f) }, b = { 16, 1, {} };
        b.value.assign(16, between);
        for (size_t i = 0; i < 16; i++) a.value[17 * i] = between;
        SpCase t;
        Dense c = empty_dense(16, 1, CUDA_R_32F, COL);
        check_equal(t.run(on_device(stored(a, format, 16), CUDA_R_32F), dense(b, CUDA_R_32F, COL),
                          c),
                    0, "SpMM");
        bool rounds = format == CUSPARSE_FORMAT_BLOCKED_ELL;
        check(values_of(c) == std::vector<float>(16, rounds ? above * above : between * between),
              "values");
    }
});

static const Case nothing("a matrix without entries gives zeros", [] {
    Plain a = { 6, 9, std::vector<float>(54, 0.0f) }, b = plain(9, 4, 1, false, 2);
    Stored s = stored(a, CUSPARSE_FORMAT_CSR);
    SpCase t;
    Sparse sparse = on_device(s, CUDA_R_32F);
    check_equal(cusparseCsrSetPointers(sparse.matrix, sparse.offsets, nullptr, nullptr), 0,
                "pointers");
    Dense c = empty_dense(6, 4, CUDA_R_32F, ROW);
    check_equal(t.run(sparse, dense(b, CUDA_R_32F, ROW), c), 0, "SpMM");
    check(values_of(c) == std::vector<float>(24, 0.0f), "zeros");
});
static const Case on_device_scalars("alpha and beta from device memory", [] {
    SpCase t;
    float scalars[2] = { 2, 0.5f };
    t.make();
    check_equal(cusparseSetPointerMode(t.handle, CUSPARSE_POINTER_MODE_DEVICE), 0, "mode");
    float *p = (float *)device(scalars, sizeof scalars);
    t.alpha_at = p;
    t.beta_at = p + 1;
    t.alpha = 2;
    t.beta = 0.5f;
    multiply(t, Setup(), KINDS[0]);
});

static void by_vector(SpCase t, const Setup &s, const Kind &kind)
{
    bool integers = kind.ab == CUDA_R_8I;
    Plain a = plain(s.rows, s.cols, s.block, integers, 1), op_a = t.op_a == N ? a : transposed(a);
    Plain x = plain(op_a.cols, 1, 1, integers, 2), before = plain(op_a.rows, 1, 1, integers, 3);
    Sparse sparse = on_device(stored(a, s.format, s.block, s.block_order), kind.ab, s.index, s.base,
                              s.block_order);
    Dense y = dense(before, kind.c, COL);
    t.compute = kind.compute;
    t.beta = 1;
    check_equal(t.vector(sparse, dense(x, kind.ab, COL), y), 0, "SpMV");
    compare(t, op_a, x, before, y);
}

static const Case vectors("SpMV: formats, types, operations, block orders", [] {
    for (const Kind &kind : KINDS) {
        for (cusparseFormat_t format : { CUSPARSE_FORMAT_CSR, CUSPARSE_FORMAT_COO,
                                         CUSPARSE_FORMAT_CSC, CUSPARSE_FORMAT_BSR }) {
            SpCase t;
            Setup s;
            s.format = format;
            if (format == CUSPARSE_FORMAT_BSR) s.block = 16, s.rows = 32, s.cols = 48;
            by_vector(t, s, kind);
            s.base = CUSPARSE_INDEX_BASE_ONE;
            s.block_order = COL;
            if (format != CUSPARSE_FORMAT_BSR) t.op_a = T, s.block_order = ROW;
            by_vector(t, s, kind);
        }
    }
});
