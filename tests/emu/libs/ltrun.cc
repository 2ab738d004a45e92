/* tests/emu/libs/ltrun.cc - the arithmetic of cublasLtMatmul(), on the host, with the device heap
 * open. Read next: panels.hh, which states the order of every sum. */
#include "lt.hh"

#include <cmath>
#include <vector>

#include "number.hh"
#include "panels.hh"

namespace lt
{

/* op(X) with its order and transposition as strides; `which` is the matrix of the batch. */
static emulib::Operand operand(const Matrix &m, const void *base, bool transposed, int64_t which,
                               bool tf32)
{
    emulib::Operand o;
    o.data = (const char *)base + which * m.batch_stride * (int64_t)emulib::size_of(m.type);
    o.type = m.type;
    bool neighbours_down = m.row_major == transposed;
    o.down = neighbours_down ? 1 : m.ld;
    o.right = neighbours_down ? m.ld : 1;
    o.tf32 = tf32;
    return o;
}

/* The parts of k that split-K sums apart: equal, in multiples of 32. */
static int64_t split_at(int64_t k, int64_t part, int64_t parts)
{
    return part == parts ? k : k * part / parts / 32 * 32;
}

/* op(A) * op(B) of one batch into `sums`. With a workspace the parts of k are summed there, in
 * device memory as on a GPU, and then added in ascending order. */
template <class Sum>
static void product(std::vector<Sum> *sums, const Problem &p, const Algo &algo, const Pointers &at,
                    int64_t which)
{
    bool tf32 = p.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
    emulib::Operand a = operand(p.a, at.a, p.transa, which, tf32);
    emulib::Operand b = operand(p.b, at.b, p.transb, which, tf32);
    size_t count = (size_t)(p.m * p.n);
    sums->assign(count, 0);
    if (algo.splits == 1) {
        emulib::multiply(sums->data(), p.m, p.n, 0, p.k, a, b);
        return;
    }
    Sum *parts = (Sum *)at.workspace + (size_t)(which * algo.splits) * count;
    for (int64_t s = 0; s < algo.splits; s++, parts += count) {
        for (size_t i = 0; i < count; i++) parts[i] = 0;
        emulib::multiply(parts, p.m, p.n, split_at(p.k, s, algo.splits),
                         split_at(p.k, s + 1, algo.splits), a, b);
        emulib::add_scaled(sums->data(), parts, 1, (int64_t)count);
    }
}

static int64_t offset_of(const Matrix &m, int64_t row, int64_t col, int64_t which)
{
    return which * m.batch_stride + (m.row_major ? row * m.ld + col : col * m.ld + row);
}

/* GELU in the tanh form, which is what frameworks document for this epilogue; the manual does not
 * name the form. */
static float activated(float x, uint32_t epilogue)
{
    if (epilogue & CUBLASLT_EPILOGUE_RELU) return x > 0 ? x : 0;
    if (!(epilogue & CUBLASLT_EPILOGUE_GELU)) return x;
    double inner = 0.7978845608028654 * (x + 0.044715 * (double)x * x * x);
    return (float)(0.5 * x * (1 + tanh(inner)));
}

/* D = act(fma(alpha, sum, beta * C) + bias), in f32; C is not read when beta is 0. */
static void finish(const Problem &p, const Pointers &at, const std::vector<float> &sums,
                   int64_t which)
{
    float alpha = at.host_alpha.f, beta = at.host_beta.f;
    const float *alphas = (const float *)at.alpha + which * p.alpha_stride;
    for (int64_t j = 0; j < p.n; j++) {
        for (int64_t i = 0; i < p.m; i++) {
            float scale = p.alpha_vector() ? alphas[i] : alpha;
            float sum = sums[(size_t)(j * p.m + i)], value = scale * sum;
            if (beta != 0) {
                float c = emulib::load(at.c, p.c.type, offset_of(p.c, i, j, which));
                value = fmaf(scale, sum, beta * c);
            }
            if (p.has_bias()) value += emulib::load(p.bias, p.bias_type, which * p.bias_stride + i);
            value = activated(value, p.epilogue);
            emulib::store(at.d, p.d.type, offset_of(p.d, i, j, which), value);
        }
    }
}

/* int32 in, int32 out, wrapping. */
static void finish(const Problem &p, const Pointers &at, const std::vector<int32_t> &sums,
                   int64_t which)
{
    uint32_t alpha = (uint32_t)at.host_alpha.i, beta = (uint32_t)at.host_beta.i;
    for (int64_t j = 0; j < p.n; j++) {
        for (int64_t i = 0; i < p.m; i++) {
            uint32_t value = alpha * (uint32_t)sums[(size_t)(j * p.m + i)];
            if (beta) value += beta * ((const uint32_t *)at.c)[offset_of(p.c, i, j, which)];
            ((uint32_t *)at.d)[offset_of(p.d, i, j, which)] = value;
        }
    }
}

/* int8 sums are exact in int32 before they meet an f32 scale. */
void run(const Problem &p, const Algo &algo, const Pointers &at)
{
    std::vector<float> floats;
    std::vector<int32_t> integers;
    for (int64_t which = 0; which < p.batch; which++) {
        if (p.integers()) {
            product(&integers, p, algo, at, which);
        } else {
            product(&floats, p, algo, at, which);
        }
        if (p.integers() && p.scale == CUDA_R_32F) floats.assign(integers.begin(), integers.end());
        if (p.scale == CUDA_R_32I) finish(p, at, integers, which);
        else finish(p, at, floats, which);
    }
}

} // namespace lt
