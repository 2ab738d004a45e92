/* ops/reals.hh - rules of floating point in PTX: NaN, flushing, saturation, and the 16-bit formats.
 * Read next: float.cc, half.cc. */
#ifndef PE_TESTS_EMU_REALS_HH
#define PE_TESTS_EMU_REALS_HH

#include "tests/emu/runtime/ops/lanes.hh"

#ifdef __F16C__
#include <immintrin.h>
#endif

namespace emu
{
namespace EMU_ISA
{
namespace
{

constexpr u32 NAN32 = 0x7fffffff, NAN16 = 0x7fff; /* what every operation with a NaN gives */

EMU_INLINE u32 bits_of(float f)
{
    return __builtin_bit_cast(u32, f);
}
EMU_INLINE u64 bits_of(double d)
{
    return __builtin_bit_cast(u64, d);
}
EMU_INLINE float to_float(u32 u)
{
    return __builtin_bit_cast(float, u);
}
EMU_INLINE double to_double(u64 u)
{
    return __builtin_bit_cast(double, u);
}

EMU_INLINE float canonical(float x)
{
    return x != x ? to_float(NAN32) : x;
}
EMU_INLINE double canonical(double x)
{
    return x;
} /* payloads are kept */
EMU_INLINE float flush(float x)
{
    u32 u = bits_of(x);
    return to_float((u & 0x7f800000) ? u : u & 0x80000000);
}
EMU_INLINE double flush(double x)
{
    u64 u = bits_of(x);
    return to_double((u & (u64)0x7ff << 52) ? u : u & (u64)1 << 63);
}
/* To [0, 1]; NaN becomes +0. */
template <class T> EMU_INLINE T saturate01(T x)
{
    return x > 0 ? (x < 1 ? x : (T)1) : (T)0;
}
template <class T> EMU_INLINE T relu(T x)
{
    return x < 0 ? (T)0 : x == 0 ? (T)0 : x;
}

template <class T> EMU_INLINE T negate(T x)
{
    return -x;
}
EMU_INLINE float magnitude(float x)
{
    return to_float(bits_of(x) & 0x7fffffff);
}
EMU_INLINE double magnitude(double x)
{
    return to_double(bits_of(x) & ~((u64)1 << 63));
}

/* -0 is less than +0; a NaN loses against a number, or wins with .NaN. */
template <class T> EMU_INLINE T least(T a, T b, bool nans)
{
    T r = a < b ? a : b < a ? b : (bits_of(a) >> (sizeof(T) * 8 - 1)) ? a : b;
    r = a != a ? b : b != b ? a : r;
    return nans && (a != a || b != b) ? a + b : r;
}
template <class T> EMU_INLINE T greatest(T a, T b, bool nans)
{
    T r = a > b ? a : b > a ? b : (bits_of(a) >> (sizeof(T) * 8 - 1)) ? b : a;
    r = a != a ? b : b != b ? a : r;
    return nans && (a != a || b != b) ? a + b : r;
}
/* .xorsign.abs: magnitudes, with the product of the signs */
template <class T> EMU_INLINE T signed_like(T r, T a, T b)
{
    bool minus = (bits_of(a) ^ bits_of(b)) >> (sizeof(T) * 8 - 1);
    return minus ? -magnitude(r) : magnitude(r);
}

/* The sum a + b rounded to odd: one more rounding to fewer bits is as good as one of the exact
 * sum (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums"). */
EMU_INLINE double add_to_odd(double a, double b)
{
    double s = a + b, bb = s - a, error = (a - (s - bb)) + (b - bb);
    u64 u = bits_of(s);
    bool finite = (u >> 52 & 0x7ff) != 0x7ff, away = (error > 0) == (s > 0);
    u64 odd = away ? u + 1 : u - 1;
    return to_double(finite && error != 0 && !(u & 1) ? odd : u);
}

/* To float, rounded to odd. */
EMU_INLINE float to_float_odd(double x)
{
    float f = (float)x;
    u32 u = bits_of(f);
    double back = (double)f;
    u32 cut = magnitude(back) > magnitude(x) ? u - 1 : u; /* toward zero */
    return back == x || x != x ? f : to_float(cut | 1);
}

EMU_INLINE float from_bf16(u32 h)
{
    return to_float(h << 16);
}
EMU_INLINE u32 to_bf16(float f)
{
    u32 u = bits_of(f);
    return f != f ? NAN16 : (u + 0x7fff + (u >> 16 & 1)) >> 16;
}

EMU_INLINE float from_f16(u32 h)
{
#ifdef __F16C__
    return _cvtsh_ss((u16)h);
#else
    u32 sign = (h & 0x8000) << 16, rest = h & 0x7fff;
    u32 normal = (rest << 13) + ((127 - 15) << 23);
    float subnormal = (float)(s32)rest * 0x1p-24f;
    u32 special = 0x7f800000 | rest << 13;
    u32 u = rest >= 0x7c00 ? special : rest < 0x400 ? bits_of(subnormal) : normal;
    return to_float(sign | u);
#endif
}

EMU_INLINE u32 to_f16(float f)
{
    if (f != f) return NAN16;
#ifdef __F16C__
    return _cvtss_sh(f, 0);
#else
    u32 u = bits_of(f), sign = u >> 16 & 0x8000, rest = u & 0x7fffffff;
    u32 normal = (rest + 0xfff + (rest >> 13 & 1) - ((127 - 15) << 23)) >> 13;
    /* adding 2^-1 to a value below 2^-14 leaves it in the low bits, in units of 2^-24 */
    u32 subnormal = bits_of(to_float(rest) + 0.5f) - bits_of(0.5f);
    u32 h = rest >= 0x477ff000 ? 0x7c00 : rest < 0x38800000 ? subnormal : normal;
    return sign | h;
#endif
}

/* The 16-bit formats, by name. */
struct F16 {
    static EMU_INLINE float load(u32 h) { return from_f16(h); }
    static EMU_INLINE u32 store(float f) { return to_f16(f); }
    static EMU_INLINE u32 flush(u32 h) { return (h & 0x7c00) ? h : h & 0x8000; }
};
struct BF16 {
    static EMU_INLINE float load(u32 h) { return from_bf16(h); }
    static EMU_INLINE u32 store(float f) { return to_bf16(f); }
    static EMU_INLINE u32 flush(u32 h) { return (h & 0x7f80) ? h : h & 0x8000; }
};

} // namespace
} // namespace EMU_ISA
} // namespace emu

#endif
