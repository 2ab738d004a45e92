/* tests/emu/libs/sprun.cc - the arithmetic of SpMM and SpMV in the stand-in for cuSPARSE, on the
 * host, with the device heap open. Read next: spmm.cc. */
#include "sp.hh"

#include <cmath>
#include <cstring>

#include "../emu.h"
#include "number.hh"
#include "panels.hh"
#include "refusal.hh"

namespace sp
{

using emulib::Span;

cusparseStatus_t Scalars::take(cusparseHandle_t h, const void *a, const void *b,
                               cudaDataType compute)
{
    size_t size = emulib::size_of(compute);
    if (!a || !b) return invalid("alpha or beta is NULL");
    alpha = a;
    beta = b;
    type = compute;
    on_device = h->pointer_mode == CUSPARSE_POINTER_MODE_DEVICE;
    held[0] = held[1] = 0;
    if (!on_device) {
        memcpy(&held[0], a, size);
        memcpy(&held[1], b, size);
        return CUSPARSE_STATUS_SUCCESS;
    }
    cusparseStatus_t status = check_array("alpha", Span::array(a, (int64_t)size), (int64_t)size);
    if (!status) status = check_array("beta", Span::array(b, (int64_t)size), (int64_t)size);
    return status;
}

bool Scalars::fetch(const char *call)
{
    int64_t size = (int64_t)emulib::size_of(type);
    if (!on_device) return true;
    if (!good(call, "alpha", Span::array(alpha, size))) return false;
    if (!good(call, "beta", Span::array(beta, size))) return false;
    memcpy(&held[0], alpha, (size_t)size);
    memcpy(&held[1], beta, (size_t)size);
    return true;
}

float Scalars::alpha_float() const
{
    return emulib::load(&held[0], type, 0);
}

float Scalars::beta_float() const
{
    return emulib::load(&held[1], type, 0);
}

int32_t Scalars::alpha_int() const
{
    return *(const int32_t *)&held[0];
}

int32_t Scalars::beta_int() const
{
    return *(const int32_t *)&held[1];
}

/* Rows of op(B), widened, one after another. */
template <class Number> static std::vector<Number> rows_of(const DnMat &b, bool transposed)
{
    int64_t rows = transposed ? b.cols : b.rows, cols = transposed ? b.rows : b.cols;
    std::vector<Number> out((size_t)(rows * cols));
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < cols; j++) {
            int64_t at = transposed ? offset_in(b, j, i) : offset_in(b, i, j);
            out[(size_t)(i * cols + j)] = (Number)emulib::load(b.values, b.type, at);
        }
    }
    return out;
}

/* fma(alpha, sum, beta * c) in f32; c is not read when beta is 0. */
static void store_row(const Product &p, int64_t row, const std::vector<float> &sums)
{
    float alpha = p.scalars.alpha_float(), beta = p.scalars.beta_float();
    for (int64_t j = 0; j < p.c.cols; j++) {
        int64_t at = offset_in(p.c, row, j);
        float value = alpha * sums[(size_t)j];
        if (beta != 0)
            value = fmaf(alpha, sums[(size_t)j], beta * emulib::load(p.c.values, p.c.type, at));
        emulib::store(p.c.values, p.c.type, at, value);
    }
}

/* int32, wrapping. */
static void store_row(const Product &p, int64_t row, const std::vector<int32_t> &sums)
{
    uint32_t alpha = (uint32_t)p.scalars.alpha_int(), beta = (uint32_t)p.scalars.beta_int();
    uint32_t *c = (uint32_t *)p.c.values;
    for (int64_t j = 0; j < p.c.cols; j++) {
        int64_t at = offset_in(p.c, row, j);
        uint32_t value = alpha * (uint32_t)sums[(size_t)j];
        c[at] = beta ? value + beta * c[at] : value;
    }
}

/* Blocked-ELL runs on tensor cores alone, which read f32 as TF32. */
static bool rounds_inputs(const Product &p)
{
    return p.a.format == CUSPARSE_FORMAT_BLOCKED_ELL && p.a.type == CUDA_R_32F;
}

static void round_all(std::vector<float> *numbers)
{
    for (float &number : *numbers) number = emulib::tf32_of_float(number);
}
static void round_all(std::vector<int32_t> *) {}

/* An output is one chain over its row's entries, in the order in which they are stored: fused in
 * f32, exact in int32. */
template <class Number> static bool multiply(const Product &p)
{
    Entries<Number> a;
    if (!read_entries(&a, p.call, p.a, p.transposed)) return false;
    std::vector<Number> b = rows_of<Number>(p.b, p.b_transposed);
    if (rounds_inputs(p)) {
        round_all(&a.value);
        round_all(&b);
    }
    std::vector<Number> sums((size_t)p.c.cols);
    for (int64_t r = 0; r < a.rows; r++) {
        std::fill(sums.begin(), sums.end(), (Number)0);
        for (int64_t e = a.first[(size_t)r]; e < a.first[(size_t)r + 1]; e++)
            emulib::add_scaled(sums.data(), &b[(size_t)(a.col[(size_t)e] * p.c.cols)],
                               a.value[(size_t)e], p.c.cols);
        store_row(p, r, sums);
    }
    return true;
}

static bool beta_is_zero(const Product &p)
{
    return p.compute == CUDA_R_32I ? p.scalars.beta_int() == 0 : p.scalars.beta_float() == 0;
}

void run_product(Product p)
{
    Span c = span_of(p.c);
    if (!p.scalars.fetch(p.call)) return;
    if (!good(p.call, "B", span_of(p.b))) return;
    if (!beta_is_zero(p) && !good(p.call, "C", c)) return;
    if (!emulib::covered(c)) {
        emu::violation("%s: C was freed before the work ran", p.call);
        return;
    }
    bool done = p.compute == CUDA_R_32I ? multiply<int32_t>(p) : multiply<float>(p);
    if (done) emulib::mark_written(c);
}

} // namespace sp
