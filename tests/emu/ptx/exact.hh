/* exact.hh - reference arithmetic for the tests, by other means than the interpreter's: rounding by
 * search among all values of a format, directed rounding by the sign of the error.
 * Read next: test_half.cc, test_float.cc. */
#ifndef PE_TESTS_EMU_PTX_EXACT_HH
#define PE_TESTS_EMU_PTX_EXACT_HH

#include <cmath>
#include <cstring>

#include "tests/emu/ptx/check.hh"

namespace exact
{

using check::u32;
using check::u64;

typedef __float128 Real; /* 113 bits: holds what the tests' values add up to */

inline float f32(u64 bits)
{
    u32 u = (u32)bits;
    float f;
    memcpy(&f, &u, 4);
    return f;
}
inline double f64(u64 bits)
{
    double d;
    memcpy(&d, &bits, 8);
    return d;
}
inline u64 bits(float f)
{
    u32 u;
    memcpy(&u, &f, 4);
    return u;
}
inline u64 bits(double d)
{
    u64 u;
    memcpy(&u, &d, 8);
    return u;
}
/* NaN results of f32 are 0x7fffffff. */
inline u64 canonical(float f)
{
    return f != f ? 0x7fffffff : bits(f);
}
inline float flush(float f)
{
    return std::fpclassify(f) == FP_SUBNORMAL ? std::copysign(0.0f, f) : f;
}

/* A 16-bit format: mantissa bits without the hidden one, exponent bias. */
struct Format {
    int mantissa, bias;
    double value(u64 h) const
    {
        int exponent = (int)(h >> mantissa & ((1u << (15 - mantissa)) - 1)),
            all = (1 << (15 - mantissa)) - 1;
        double fraction = (double)(h & ((1u << mantissa) - 1)), sign = h & 0x8000 ? -1 : 1;
        if (exponent == all) return fraction != 0 ? NAN : sign * INFINITY;
        if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - mantissa);
        return sign * std::ldexp(fraction + (1 << mantissa), exponent - bias - mantissa);
    }
    u64 infinity() const { return ((1u << (15 - mantissa)) - 1) << mantissa; }
    bool nan(u64 h) const { return (h & 0x7fff) > infinity(); }
    /* The nearest value, ties to even; x is no NaN. Towards zero if asked. */
    u64 nearest(Real x, bool minus, bool to_zero = false) const
    {
        u64 sign = minus ? 0x8000 : 0, low = 0, high = infinity();
        Real a = x < 0 ? -x : x;
        if (a >= (Real)1e300) return sign | (to_zero && a < (Real)INFINITY ? high - 1 : high);
        while (high - low > 1) { /* value(low) <= a < value(high) */
            u64 middle = (low + high) / 2;
            ((Real)value(middle) <= a ? low : high) = middle;
        }
        Real below = (Real)value(low);
        Real above =
            high == infinity() ? (Real)value(low) * 2 - (Real)value(low - 1) : (Real)value(high);
        if (high == infinity()) above = below + (below - (Real)value(low - 1));
        if (to_zero) return sign | low;
        Real down = a - below, up = above - a;
        return sign | (down < up || (down == up && !(low & 1)) ? low : high);
    }
};
constexpr Format F16 = { 10, 15 }, BF16 = { 7, 127 };

} // namespace exact

#endif
