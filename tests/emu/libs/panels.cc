/* tests/emu/libs/panels.cc - blocked products: both operands packed into f32 panels, a tile of the
 * result in registers. Read next: panels.hh. */
#include "panels.hh"

#include <algorithm>
#include <cmath>
#include <immintrin.h>
#include <vector>

#include "number.hh"

namespace emulib
{

/* A tile has ROWS x COLS results: rows are neighbours in a panel of A, columns in a panel of B.
 * tile[j*ROWS + i] = chain over l of a[l*ROWS + i] * b[l*COLS + j]. */
enum { ROWS = 32, COLS = 12 };
typedef void tile_fn(float *tile, const float *a, const float *b, int64_t length);

static void tile_plain(float *tile, const float *a, const float *b, int64_t length)
{
    std::fill(tile, tile + ROWS * COLS, 0.0f);
    for (int64_t l = 0; l < length; l++, a += ROWS, b += COLS)
        for (int j = 0; j < COLS; j++)
            for (int i = 0; i < ROWS; i++)
                tile[j * ROWS + i] = fmaf(a[i], b[j], tile[j * ROWS + i]);
}

/* Three columns at a time fill the registers of AVX2. */
__attribute__((target("avx2,fma"))) static void tile_avx2(float *tile, const float *a,
                                                          const float *b, int64_t length)
{
    enum { WIDE = ROWS / 8, AT_ONCE = 3 };
    for (int first = 0; first < COLS; first += AT_ONCE) {
        __m256 sum[AT_ONCE][WIDE] = {};
        for (int64_t l = 0; l < length; l++) {
            for (int i = 0; i < WIDE; i++) {
                __m256 column = _mm256_loadu_ps(a + l * ROWS + i * 8);
                for (int j = 0; j < AT_ONCE; j++) {
                    __m256 factor = _mm256_broadcast_ss(b + l * COLS + first + j);
                    sum[j][i] = _mm256_fmadd_ps(column, factor, sum[j][i]);
                }
            }
        }
        for (int j = 0; j < AT_ONCE; j++)
            for (int i = 0; i < WIDE; i++)
                _mm256_storeu_ps(tile + (first + j) * ROWS + i * 8, sum[j][i]);
    }
}

__attribute__((target("avx512f"))) static void tile_avx512(float *tile, const float *a,
                                                           const float *b, int64_t length)
{
    enum { WIDE = ROWS / 16 };
    __m512 sum[COLS][WIDE] = {};
    for (int64_t l = 0; l < length; l++, a += ROWS, b += COLS) {
        __m512 low = _mm512_loadu_ps(a), high = _mm512_loadu_ps(a + 16);
        for (int j = 0; j < COLS; j++) {
            __m512 factor = _mm512_set1_ps(b[j]);
            sum[j][0] = _mm512_fmadd_ps(low, factor, sum[j][0]);
            sum[j][1] = _mm512_fmadd_ps(high, factor, sum[j][1]);
        }
    }
    for (int j = 0; j < COLS; j++)
        for (int i = 0; i < WIDE; i++) _mm512_storeu_ps(tile + j * ROWS + i * 16, sum[j][i]);
}

static tile_fn *best_tile()
{
    if (__builtin_cpu_supports("avx512f")) return tile_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return tile_avx2;
    return tile_plain;
}

/* Panels of `width` lines; panel[l*width + i] = line first+i, position from+l. Missing lines are 0.
 * The inner loop follows memory: a panel stays in the first-level cache, the operand does not. */
template <class Element>
static void pack_as(float *panels, int64_t across, int64_t along, int64_t lines, int width,
                    int64_t from, int64_t length, Element element)
{
    for (int64_t first = 0; first < lines; first += width, panels += width * length) {
        int held = (int)std::min<int64_t>(width, lines - first);
        int64_t start = first * across + from * along;
        if (held < width) std::fill(panels, panels + width * length, 0.0f);
        if (along == 1) {
            for (int i = 0; i < held; i++)
                for (int64_t l = 0; l < length; l++)
                    panels[l * width + i] = element(start + i * across + l);
        } else {
            for (int64_t l = 0; l < length; l++)
                for (int i = 0; i < held; i++)
                    panels[l * width + i] = element(start + i * across + l * along);
        }
    }
}

static void pack(float *panels, const Operand &x, int64_t across, int64_t along, int64_t lines,
                 int width, int64_t from, int64_t length)
{
    auto with = [&](auto element) {
        pack_as(panels, across, along, lines, width, from, length, element);
    };
    const void *data = x.data;
    if (x.type == CUDA_R_32F && x.tf32)
        with([=](int64_t at) { return tf32_of_float(((const float *)data)[at]); });
    else if (x.type == CUDA_R_32F) with([=](int64_t at) { return ((const float *)data)[at]; });
    else if (x.type == CUDA_R_8I)
        with([=](int64_t at) { return (float)((const int8_t *)data)[at]; });
    else if (x.type == CUDA_R_16BF)
        with([=](int64_t at) { return float_of_bfloat(((const uint16_t *)data)[at]); });
    else with([=](int64_t at) { return float_of_half(((const uint16_t *)data)[at]); });
}

static float plus(float sum, float chain)
{
    return sum + chain;
}

/* An int8 chain stays below 2^21: f32 sums it exactly, and it converts exactly. */
static int32_t plus(int32_t sum, float chain)
{
    return (int32_t)((uint32_t)sum + (uint32_t)(int32_t)chain);
}

static int64_t rounded_up(int64_t n, int64_t to)
{
    return (n + to - 1) / to * to;
}

template <class Sum>
static void multiply_as(Sum *c, int64_t m, int64_t n, int64_t from, int64_t to, const Operand &a,
                        const Operand &b)
{
    tile_fn *compute = best_tile();
    std::vector<float> left(rounded_up(m, ROWS) * CHAIN), right(rounded_up(n, COLS) * CHAIN);
    float tile[ROWS * COLS];
    for (int64_t k = from; k < to; k += CHAIN) {
        int64_t length = std::min<int64_t>(CHAIN, to - k);
        pack(left.data(), a, a.down, a.right, m, ROWS, k, length);
        pack(right.data(), b, b.right, b.down, n, COLS, k, length);
        for (int64_t j0 = 0; j0 < n; j0 += COLS) {
            for (int64_t i0 = 0; i0 < m; i0 += ROWS) {
                compute(tile, &left[i0 * length], &right[j0 * length], length);
                int64_t rows = std::min<int64_t>(ROWS, m - i0);
                int64_t cols = std::min<int64_t>(COLS, n - j0);
                for (int64_t j = 0; j < cols; j++) {
                    Sum *out = c + i0 + (j0 + j) * m;
                    for (int64_t i = 0; i < rows; i++) out[i] = plus(out[i], tile[j * ROWS + i]);
                }
            }
        }
    }
}

void multiply(float *c, int64_t m, int64_t n, int64_t from, int64_t to, const Operand &a,
              const Operand &b)
{
    multiply_as(c, m, n, from, to, a, b);
}

void multiply(int32_t *c, int64_t m, int64_t n, int64_t from, int64_t to, const Operand &a,
              const Operand &b)
{
    multiply_as(c, m, n, from, to, a, b);
}

__attribute__((target("avx2,fma"))) static void add_scaled_fma(float *y, const float *x, float a,
                                                               int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = __builtin_fmaf(a, x[i], y[i]);
}

void add_scaled(float *y, const float *x, float a, int64_t n)
{
    if (__builtin_cpu_supports("fma") && __builtin_cpu_supports("avx2")) {
        add_scaled_fma(y, x, a, n);
        return;
    }
    for (int64_t i = 0; i < n; i++) y[i] = fmaf(a, x[i], y[i]);
}

void add_scaled(int32_t *y, const int32_t *x, int32_t a, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = (int32_t)((uint32_t)y[i] + (uint32_t)a * (uint32_t)x[i]);
}

} // namespace emulib
