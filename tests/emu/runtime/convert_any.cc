/* convert_any.cc - any cvt of one value, for the combinations that ops/convert.cc has no fast way
 * for. Compiled with -frounding-math. Read next: lower_choose.cc. */
#include "tests/emu/runtime/ops.hh"

#include <cfenv>
#include <cmath>

namespace emu
{

/* Precision, smallest exponent and largest value of a float format. */
struct Format {
    int precision, least_exponent;
    double largest;
};

static Format format_of(Type t)
{
    switch (t) {
    case Type::F16:
    case Type::F16x2: return { 11, -14, 65504 };
    case Type::BF16:
    case Type::BF16x2: return { 8, -126, 0x1.fep127 };
    case Type::TF32: return { 11, -126, 0x1.ffcp127 };
    case Type::F32: return { 24, -126, 0x1.fffffep127 };
    default: return { 53, -1022, 0x1.fffffffffffffp1023 };
    }
}

static double round_to_integer(double x, Round r)
{
    switch (r) {
    case Round::Zero:
    case Round::ZeroInt: return std::trunc(x);
    case Round::Down:
    case Round::DownInt: return std::floor(x);
    case Round::Up:
    case Round::UpInt: return std::ceil(x);
    case Round::Away: return std::round(x);
    default: return std::nearbyint(x); /* the thread rounds to nearest, ties to even */
    }
}

/* x, which is exact, to the format: one rounding. */
static double round_to_format(double x, const Format &f, Round r)
{
    if (x == 0 || std::isnan(x) || std::isinf(x)) return x;
    int exponent = std::max(std::ilogb(x), f.least_exponent), scale = f.precision - 1 - exponent;
    double y = std::ldexp(round_to_integer(std::ldexp(x, scale), r), -scale);
    if (std::fabs(y) <= f.largest) return std::copysign(y, x);
    bool to_largest = r == Round::Zero || (r == Round::Down && x > 0) || (r == Round::Up && x < 0);
    return std::copysign(to_largest ? f.largest : INFINITY, x);
}

static u64 encode(double x, Type t)
{
    u32 u;
    float f = (float)x;
    memcpy(&u, &f, 4);
    if (t == Type::F64) {
        u64 all;
        memcpy(&all, &x, 8);
        return all;
    }
    bool nan = std::isnan(x);
    if (t == Type::F32 || t == Type::TF32) return nan ? 0x7fffffff : u;
    if (nan) return 0x7fff;
    if (t == Type::BF16 || t == Type::BF16x2) return u >> 16;
    u32 sign = u >> 16 & 0x8000;
    double a = std::fabs(x);
    if (a > 65504) return sign | 0x7c00;
    if (a < 0x1p-14) return sign | (u32)(a * 0x1p24);
    return sign | ((u & 0x7fffffff) - (112u << 23)) >> 13;
}

static double decode_half(u32 h)
{
    int exponent = (int)(h >> 10 & 31);
    double fraction = h & 0x3ff, sign = h & 0x8000 ? -1 : 1;
    if (exponent == 31) return fraction != 0 ? NAN : sign * INFINITY;
    if (exponent == 0) return sign * fraction * 0x1p-24;
    return sign * std::ldexp(1 + fraction / 1024, exponent - 15);
}

static double decode_float(u64 value, Type t, bool ftz)
{
    u32 u = (u32)value;
    float f;
    double d;
    if (t == Type::F64) {
        memcpy(&d, &value, 8);
        return d;
    }
    if (t == Type::F16) return decode_half(u & 0xffff);
    if (t == Type::BF16) u <<= 16;
    memcpy(&f, &u, 4);
    if (ftz && std::fpclassify(f) == FP_SUBNORMAL) f = std::copysign(0.0f, f);
    return f;
}

double half_to_double(u16 h, Type t)
{
    return decode_float(h, t, false);
}

u16 double_to_half(double x, Type t)
{
    return (u16)encode(round_to_format(x, format_of(t), Round::Nearest), t);
}

static __int128 decode_integer(u64 value, Type t)
{
    int unused = 64 - type_bits(t);
    u64 v = value << unused;
    return is_signed(t) ? (__int128)((s64)v >> unused) : (__int128)(v >> unused);
}

static u64 clamp(__int128 v, Type t)
{
    int bits = type_bits(t);
    __int128 most = ((__int128)1 << (is_signed(t) ? bits - 1 : bits)) - 1;
    __int128 least = is_signed(t) ? -most - 1 : 0;
    return (u64)(v > most ? most : v < least ? least : v);
}

static u64 float_to_integer(double x, Type t, Type s, Round r)
{
    int bits = type_bits(t);
    if (std::isnan(x)) return s == Type::F64 || bits == 64 ? (u64)1 << (bits - 1) : 0;
    double y = round_to_integer(x, r);
    if (y >= 0x1p64) return clamp((__int128)1 << 64, t);
    if (y <= -0x1p64) return clamp(-((__int128)1 << 64), t);
    return clamp((__int128)y, t);
}

/* An integer to a double that rounds like it: exact, or with its last bit set for what was cut. */
static double sticky(__int128 v)
{
    unsigned __int128 a = v < 0 ? (unsigned __int128)-v : (unsigned __int128)v;
    int cut = 0;
    bool rest = false;
    for (; a >> 53; cut++) {
        rest |= a & 1;
        a >>= 1;
    }
    if (rest) a |= 1;
    double d = std::ldexp((double)(u64)a, cut);
    return v < 0 ? -d : d;
}

static double integer_to_f64(__int128 v, Round r)
{
    static const int modes[] = { FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD };
    fesetround(r <= Round::Up ? modes[(int)r] : FE_TONEAREST);
    volatile u64 low = (u64)v;
    volatile s64 low_signed = (s64)v;
    volatile double d = v < 0 ? (double)low_signed : (double)low;
    fesetround(FE_TONEAREST);
    return d;
}

static double finish(double x, const Inst &i)
{
    if (i.flags & SAT) return x > 0 ? std::min(x, 1.0) : 0.0;
    if ((i.flags & RELU) && x <= 0) return 0;
    return x;
}

static u64 to_float(double x, Type t, const Inst &i, Round r)
{
    Format f = format_of(t);
    if (r >= Round::NearestInt) x = round_to_integer(x, r);
    x = finish(x, i);
    double y = round_to_format(x, f, r >= Round::NearestInt ? Round::Nearest : r);
    if ((i.flags & SATFINITE) && std::isinf(y)) y = std::copysign(f.largest, y);
    if ((i.flags & FTZ) && t == Type::F32 && std::fabs(y) < 0x1p-126) y = std::copysign(0.0, y);
    return encode(y, t);
}

/* cvt.pack.sat: a in the bits above b. */
static u64 pack(u64 value, Type part)
{
    u64 mask = ((u64)1 << type_bits(part)) - 1;
    u64 low = clamp((s32)(value >> 32), part) & mask, high = clamp((s32)value, part) & mask;
    return low | high << type_bits(part);
}

/* i.e = type | source type << 8 | Round << 16 | pack << 24; a pair of sources is one above the
 * other in value, the first below. */
u64 convert_one(const Inst &i, u64 value)
{
    Type t = (Type)(i.e & 255), s = (Type)(i.e >> 8 & 255);
    Round r = (Round)(i.e >> 16 & 255);
    if (i.e >> 24) return pack(value, t);
    if (t == Type::F16x2 || t == Type::BF16x2) {
        bool ftz = i.flags & FTZ;
        u64 high = to_float(decode_float(value, s, ftz), t, i, r);
        return high << 16 | to_float(decode_float(value >> 32, s, ftz), t, i, r);
    }
    u64 v;
    if (is_float(s)) {
        double x = decode_float(value, s, i.flags & FTZ);
        v = is_float(t) ? to_float(x, t, i, r) : float_to_integer(x, t, s, r);
    } else {
        __int128 x = decode_integer(value, s);
        if (t == Type::F64) v = encode(integer_to_f64(x, r), t);
        else if (is_float(t)) v = to_float(sticky(x), t, i, r);
        else v = i.flags & SAT ? clamp(x, t) : (u64)x;
    }
    /* into a register that may be wider than the type */
    int unused = 64 - type_bits(t);
    return is_signed(t) ? (u64)((s64)(v << unused) >> unused) : v << unused >> unused;
}

} // namespace emu
