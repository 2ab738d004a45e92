/* tests/emu/libs/panels.hh - matrix products on the host, whose bits depend on nothing but the
 * operands. Read next: panels.cc; ltrun.cc, which calls it. */
#pragma once

#include <cstdint>

#include <library_types.h>

namespace emulib
{

/* Element (i, j) of op(X), order and transposition resolved into two strides (in elements). */
struct Operand {
    const void *data;
    cudaDataType type;
    int64_t down, right; /* from a row to the next, from a column to the next */
    bool tf32;           /* round f32 elements to TF32 first */
};

/* C[i + j*m] += sum over l in [from, to) of A(i, l) * B(l, j), for C[m, n] column-major.
 *
 * f32: the products of each CHAIN consecutive l make one chain of fused multiply-adds from zero,
 * and the chains are added to C in ascending order. f16 and bf16 elements are widened, which is
 * exact. int32: exact (it wraps at 32 bits). Same bits on every machine. */
enum { CHAIN = 128 };
void multiply(float *c, int64_t m, int64_t n, int64_t from, int64_t to, const Operand &a,
              const Operand &b);
void multiply(int32_t *c, int64_t m, int64_t n, int64_t from, int64_t to, const Operand &a,
              const Operand &b);

/* y[i] = fma(a, x[i], y[i]); y[i] += a * x[i] (wrapping). */
void add_scaled(float *y, const float *x, float a, int64_t n);
void add_scaled(int32_t *y, const int32_t *x, int32_t a, int64_t n);

} // namespace emulib
