/* tests/emu/libtests/test_lt_numbers.cc - results of cublasLtMatmul() against plain loops: all
 * types, orders and transpositions, odd shapes, gaps between columns, batches, epilogues. The
 * numbers are small enough for every sum to be exact, so results are compared bit by bit. Read
 * next: tests/emu/libs/ltrun.cc. */
#include "ltcase.hh"

#include <cmath>
#include <cstring>

#include "../libs/number.hh"

/* A product with the values that its operands have on the host. */
struct Trial {
    LtCase t;
    double alpha = 1, beta = 0;
    bool in_place = false, on_device = false;
    std::vector<float> alphas, bias; /* per row of D */
    int64_t alpha_stride = 0, bias_stride = 0;
};

static float at(const std::vector<char> &data, cudaDataType type, int64_t index)
{
    return emulib::load(data.data(), type, index);
}

/* Row i, column j of op(X) in matrix `which` of the batch. */
static int64_t place(const LtCase::Shape &s, bool transposed, int64_t i, int64_t j, int64_t which)
{
    return which * s.nelem() + (transposed ? s.at(j, i) : s.at(i, j));
}

static double activated(double x, uint32_t epilogue)
{
    if (epilogue & CUBLASLT_EPILOGUE_RELU) return x > 0 ? x : 0;
    if (!(epilogue & CUBLASLT_EPILOGUE_GELU)) return x;
    return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
}

static double expected(const Trial &r, const std::vector<char> &a, const std::vector<char> &b,
                       const std::vector<char> &c, int64_t i, int64_t j, int64_t which)
{
    const LtCase &t = r.t;
    double sum = 0;
    for (int64_t l = 0; l < t.k; l++)
        sum += (double)at(a, t.ab, place(t.shape_a(), t.transa, i, l, which)) *
               at(b, t.ab, place(t.shape_b(), t.transb, l, j, which));
    double alpha = r.alphas.empty() ? r.alpha : r.alphas[(size_t)(which * r.alpha_stride + i)];
    double value = alpha * sum;
    if (r.beta != 0) value += r.beta * at(c, t.cd, place(t.shape_d(), false, i, j, which));
    if (!r.bias.empty()) value += r.bias[(size_t)(which * r.bias_stride + i)];
    return activated(value, t.epilogue);
}

/* D as it has to be, gaps as they were. GELU alone may differ in the last bit of its tanh. */
static void compare(const Trial &r, const std::vector<char> &a, const std::vector<char> &b,
                    const std::vector<char> &before, const std::vector<char> &after)
{
    const LtCase &t = r.t;
    std::vector<char> wanted(before);
    LtCase::Shape d = t.shape_d();
    bool gelu = t.epilogue & CUBLASLT_EPILOGUE_GELU;
    int wrong = 0;
    for (int64_t which = 0; which < t.batch; which++) {
        for (int64_t j = 0; j < t.n; j++) {
            for (int64_t i = 0; i < t.m; i++) {
                int64_t to = place(d, false, i, j, which);
                double value = expected(r, a, b, before, i, j, which);
                if (t.cd == CUDA_R_32I) ((int32_t *)wanted.data())[to] = (int32_t)value;
                else emulib::store(wanted.data(), t.cd, to, (float)value);
                if (!gelu) continue;
                float got = at(after, t.cd, to), want = at(wanted, t.cd, to);
                wrong += !(fabsf(got - want) <= 1e-6f * (1 + fabsf(want)));
                emulib::store(wanted.data(), t.cd, to, got);
            }
        }
    }
    check_equal(wrong, 0, "values of GELU");
    check(!memcmp(wanted.data(), after.data(), after.size()), "values or gaps");
}

/* Runs it with every algorithm that the heuristic offers. */
static void run(Trial r)
{
    LtCase &t = r.t;
    t.max_workspace = 1 << 22;
    int64_t na = t.shape_a().nelem() * t.batch, nb = t.shape_b().nelem() * t.batch;
    int64_t nd = t.shape_d().nelem() * t.batch;
    size_t size = size_of_type(t.cd);
    void *a = numbers(t.ab, na, 1), *b = numbers(t.ab, nb, 2);
    std::vector<char> ha = host<char>(a, (size_t)na * size_of_type(t.ab));
    std::vector<char> hb = host<char>(b, (size_t)nb * size_of_type(t.ab));
    float f[2] = { (float)r.alpha, (float)r.beta };
    int32_t i[2] = { (int32_t)r.alpha, (int32_t)r.beta };
    const void *scalars = t.scale == CUDA_R_32I ? (const void *)i : f;
    if (r.on_device) scalars = device(scalars, 8);
    const void *alpha = r.alphas.empty() ? scalars : device(r.alphas);
    void *workspace = device(1 << 22);
    check_equal(t.ask(), 0, "heuristic");
    for (int n = 0; n < t.nresults; n++) {
        void *c = numbers(t.cd, nd, 3), *d = r.in_place ? c : numbers(t.cd, nd, 3);
        std::vector<char> before = host<char>(c, (size_t)nd * size);
        check_equal(t.run(a, b, c, d, alpha, (const char *)scalars + 4, workspace, 1 << 22,
                          &t.results[n].algo),
                    0, "product");
        compare(r, ha, hb, before, host<char>(d, (size_t)nd * size));
    }
}

static const cudaDataType FLOATS[][2] = { { CUDA_R_32F, CUDA_R_32F },
                                          { CUDA_R_16F, CUDA_R_16F },
                                          { CUDA_R_16F, CUDA_R_32F },
                                          { CUDA_R_16BF, CUDA_R_16BF },
                                          { CUDA_R_16BF, CUDA_R_32F } };

static Trial floats(const cudaDataType kind[2], int64_t m, int64_t n, int64_t k)
{
    Trial r;
    r.t.ab = kind[0];
    r.t.cd = kind[1];
    r.t.m = m;
    r.t.n = n;
    r.t.k = k;
    return r;
}

static const Case forms("all transpositions, odd shapes", [] {
    for (auto &kind : FLOATS) {
        for (int form = 0; form < 4; form++) {
            Trial r = floats(kind, 37, 19, 131);
            r.t.transa = form & 1;
            r.t.transb = form & 2;
            run(r);
        }
    }
});
static const Case thin("one row, one column, one product", [] {
    run(floats(FLOATS[0], 1, 21, 65));
    run(floats(FLOATS[0], 70, 1, 200));
    run(floats(FLOATS[1], 1, 1, 1));
});
static const Case orders("row-major and column-major matrices in all combinations", [] {
    for (int form = 0; form < 32; form++) {
        Trial r = floats(FLOATS[0], 18, 13, 70);
        r.t.order_a = form & 1 ? CUBLASLT_ORDER_ROW : CUBLASLT_ORDER_COL;
        r.t.order_b = form & 2 ? CUBLASLT_ORDER_ROW : CUBLASLT_ORDER_COL;
        r.t.order_d = form & 4 ? CUBLASLT_ORDER_ROW : CUBLASLT_ORDER_COL;
        r.t.transa = form & 8;
        r.t.transb = form & 16;
        r.beta = 0.5;
        run(r);
    }
});
static const Case gaps("gaps between columns stay untouched", [] {
    for (int64_t gap : { 1, 3, 8 }) {
        Trial r = floats(FLOATS[2], 24, 11, 64);
        r.t.gap = gap;
        r.beta = 0.25;
        run(r);
    }
});
static const Case batches("strided batches, with beta and in place", [] {
    for (auto &kind : FLOATS) {
        Trial r = floats(kind, 16, 9, 72);
        r.t.batch = 5;
        r.t.gap = 8;
        r.alpha = 0.5;
        r.beta = 1;
        run(r);
        r.in_place = true;
        run(r);
    }
});
static const Case scalars("alpha and beta from device memory", [] {
    Trial r = floats(FLOATS[0], 8, 8, 64);
    r.t.pointer_mode = CUBLASLT_POINTER_MODE_DEVICE;
    r.on_device = true;
    r.alpha = -2;
    r.beta = 0.5;
    run(r);
});
static const Case tf32("TF32 keeps ten bits of the inputs", [] {
    LtCase t;
    t.m = t.n = t.k = 1;
    t.compute = CUBLAS_COMPUTE_32F_FAST_TF32;
    float a = 1 + 0x1p-11f + 0x1p-20f, b = 3;
    void *d = device(4);
    check_equal(t.run(device(&a, 4), device(&b, 4), d, d), 0, "product");
    check(host<float>(d, 1)[0] == 3 * (1 + 0x1p-10f), "rounded to TF32");
    LtCase exact;
    exact.m = exact.n = exact.k = 1;
    check_equal(exact.run(device(&a, 4), device(&b, 4), d, d), 0, "product");
    check(host<float>(d, 1)[0] == 3 * a, "f32");
});

static void with_epilogue(Trial r, uint32_t epilogue)
{
    Numbers random(9);
    bool bias = epilogue & CUBLASLT_EPILOGUE_BIAS;
    r.t.epilogue = epilogue;
    r.bias_stride = r.t.batch > 1 ? r.t.m + 8 : 0;
    for (int64_t i = 0; bias && i < (r.t.batch - 1) * r.bias_stride + r.t.m; i++)
        r.bias.push_back(random.value());
    cudaDataType type = r.t.cd;
    std::vector<char> stored(r.bias.size() * size_of_type(type));
    for (size_t i = 0; i < r.bias.size(); i++)
        emulib::store(stored.data(), type, (int64_t)i, r.bias[i]);
    if (bias)
        r.t.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                (const void *)device(stored.data(), stored.size()));
    if (bias) r.t.set(CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE, r.bias_stride);
    run(r);
}

static const Case epilogues("bias, ReLU and GELU, alone and together", [] {
    for (uint32_t e :
         { CUBLASLT_EPILOGUE_BIAS, CUBLASLT_EPILOGUE_RELU, CUBLASLT_EPILOGUE_RELU_BIAS }) {
        with_epilogue(floats(FLOATS[0], 24, 7, 33), e);
        with_epilogue(floats(FLOATS[3], 24, 7, 33), e);
        Trial r = floats(FLOATS[2], 16, 5, 20);
        r.t.batch = 3;
        r.beta = 0.5;
        with_epilogue(r, e);
    }
    with_epilogue(floats(FLOATS[0], 24, 7, 9), CUBLASLT_EPILOGUE_GELU);
    with_epilogue(floats(FLOATS[0], 24, 7, 9), CUBLASLT_EPILOGUE_GELU_BIAS);
});
static const Case row_bias("the bias runs along the rows of a row-major D too", [] {
    Trial r = floats(FLOATS[0], 24, 8, 33);
    r.t.order_d = CUBLASLT_ORDER_ROW;
    with_epilogue(r, CUBLASLT_EPILOGUE_BIAS);
});

static const Case int8_wide("int8 to int32: shapes in fours, beta, gaps, batches", [] {
    Trial r;
    r.t = int8_case();
    r.t.m = 44;
    r.t.n = 13;
    r.t.k = 260;
    r.alpha = 3;
    r.beta = -2;
    run(r);
    r.t.gap = 4;
    r.t.batch = 3;
    run(r);
    r.t.gap = 16;
    r.in_place = true;
    run(r);
});
static const Case int8_narrow("int8 to int8: one alpha, or one for each row", [] {
    Trial r;
    r.t = int8_case();
    r.t.cd = CUDA_R_8I;
    r.t.scale = CUDA_R_32F;
    r.t.m = 48;
    r.t.n = 5;
    r.t.k = 128;
    r.alpha = 0x1p-12;
    r.beta = 0.5;
    run(r);
    r.t.pointer_mode = CUBLASLT_POINTER_MODE_ALPHA_DEVICE_VECTOR_BETA_HOST;
    r.t.batch = 2;
    r.alpha_stride = 64;
    for (int64_t i = 0; i < 64 + 48; i++) r.alphas.push_back(0x1p-14f * (float)(1 + i % 7));
    r.t.set(CUBLASLT_MATMUL_DESC_ALPHA_VECTOR_BATCH_STRIDE, r.alpha_stride);
    run(r);
});

/* Heads of an attention lie in each other's gaps. */
static const Case interleaved("matrices of a batch may interleave", [] {
    const int64_t heads = 4, width = 16, tokens = 10;
    LtCase t;
    t.m = t.n = tokens;
    t.k = width;
    t.transa = true;
    t.batch = heads;
    t.make();
    for (cublasLtMatrixLayout_t l : { t.a, t.b }) {
        t.set(l, CUBLASLT_MATRIX_LAYOUT_LD, heads * width);
        t.set(l, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, width);
    }
    void *q = numbers(CUDA_R_32F, heads * width * tokens, 4),
         *k = numbers(CUDA_R_32F, heads * width * tokens, 5);
    void *d = device((size_t)(heads * tokens * tokens) * 4);
    check_equal(t.run(q, k, d, d), 0, "product");
    std::vector<float> hq = host<float>(q, (size_t)(heads * width * tokens));
    std::vector<float> hk = host<float>(k, (size_t)(heads * width * tokens));
    std::vector<float> got = host<float>(d, (size_t)(heads * tokens * tokens));
    int wrong = 0;
    for (int64_t h = 0; h < heads; h++) {
        for (int64_t i = 0; i < tokens; i++) {
            for (int64_t j = 0; j < tokens; j++) {
                float sum = 0;
                for (int64_t l = 0; l < width; l++)
                    sum += hq[(size_t)(i * heads * width + h * width + l)] *
                           hk[(size_t)(j * heads * width + h * width + l)];
                wrong += got[(size_t)(h * tokens * tokens + j * tokens + i)] != sum;
            }
        }
    }
    check_equal(wrong, 0, "wrong values");
});
static const Case broadcast("a leading dimension of 0 repeats one column of C", [] {
    LtCase t;
    t.make();
    t.set(t.c, CUBLASLT_MATRIX_LAYOUT_LD, (int64_t)0);
    const float one = 1;
    void *a = numbers(CUDA_R_32F, 96, 1), *b = numbers(CUDA_R_32F, 48, 2),
         *c = numbers(CUDA_R_32F, 8, 3);
    void *with = device(32 * 4), *without = device(32 * 4);
    check_equal(t.run(a, b, c, with, &one, &one), 0, "product");
    check_equal(t.run(a, b, c, without), 0, "product");
    std::vector<float> column = host<float>(c, 8), x = host<float>(with, 32),
                       y = host<float>(without, 32);
    for (size_t i = 0; i < 32; i++) check(x[i] == y[i] + column[i % 8], "the column is added");
});
