/* ops/convert.cc - the conversions that programs use most, by lanes; all others go one by one.
 * Read next: reals.hh, convert_any.cc (what a conversion means). */
#include "tests/emu/runtime/ops/reals.hh"

#include <cmath>

namespace emu
{
namespace EMU_ISA
{
namespace
{

/* Integers: the source says how it is widened. */
template <class D, class S> void integer(Warp &w, const Inst &i, u32 m)
{
    map1<D, S>(w, i, m, [](S a) { return a; });
}

template <class S> void to_f32(Warp &w, const Inst &i, u32 m)
{
    map1<float, S>(w, i, m, [](S a) { return (float)a; });
}
template <class S> void to_f64(Warp &w, const Inst &i, u32 m)
{
    map1<double, S>(w, i, m, [](S a) { return (double)a; });
}

template <Round round> EMU_INLINE float round_to_integer(float x)
{
    switch (round) {
    case Round::NearestInt: return std::nearbyint(x);
    case Round::DownInt: return std::floor(x);
    case Round::UpInt: return std::ceil(x);
    default: return std::trunc(x);
    }
}

/* f32 to 32-bit integers: out of range gives the nearest, NaN gives 0. */
template <class D, Round round> struct ToInteger {
    static void run(Warp &w, const Inst &i, u32 m)
    {
        constexpr float above = (D)-1 < 0 ? 0x1p31f : 0x1p32f, least = (D)-1 < 0 ? -0x1p31f : 0;
        constexpr D most = (D)-1 < 0 ? (D)0x7fffffff : (D)0xffffffff;
        bool z = i.flags & FTZ;
        map1<D, float>(w, i, m, [&](float a) {
            float x = round_to_integer<round>(z ? flush(a) : a);
            float inside = x >= above || x != x ? 0 : x < least ? least : x;
            D r = (D)(s64)inside;
            return x >= above ? most : r;
        });
    }
};

template <Round round> void f32_to_integral(Warp &w, const Inst &i, u32 m)
{
    bool z = i.flags & FTZ, sat = i.flags & SAT;
    map1<float, float>(w, i, m, [&](float a) {
        float x = round_to_integer<round>(z ? flush(a) : a);
        return sat ? saturate01(x) : canonical(x);
    });
}

void f32_to_f32(Warp &w, const Inst &i, u32 m)
{
    bool z = i.flags & FTZ, sat = i.flags & SAT;
    map1<float, float>(w, i, m, [&](float a) {
        float x = z ? flush(a) : a;
        return sat ? saturate01(x) : canonical(x);
    });
}

void f32_to_f64(Warp &w, const Inst &i, u32 m)
{
    bool z = i.flags & FTZ;
    map1<double, float>(w, i, m, [&](float a) { return (double)(z ? flush(a) : a); });
}

void f64_to_f32(Warp &w, const Inst &i, u32 m)
{
    bool z = i.flags & FTZ, sat = i.flags & SAT;
    map1<float, double>(w, i, m, [&](double a) {
        float x = (float)a;
        x = z ? flush(x) : x;
        return sat ? saturate01(x) : canonical(x);
    });
}

template <class H> void half_to_f32(Warp &w, const Inst &i, u32 m)
{
    bool z = i.flags & FTZ, sat = i.flags & SAT;
    map1<float, u32>(w, i, m, [&](u32 a) {
        float x = H::load(a & 0xffff);
        x = z ? flush(x) : x;
        return sat ? saturate01(x) : canonical(x);
    });
}

template <class H> EMU_INLINE u32 narrow(float a, u32 flags)
{
    float x = flags & FTZ ? flush(a) : a;
    x = flags & SAT ? saturate01(x) : flags & RELU ? relu(x) : x;
    return H::store(x);
}

template <class H> void f32_to_half(Warp &w, const Inst &i, u32 m)
{
    u32 flags = i.flags;
    map1<u32, float>(w, i, m, [&](float a) { return narrow<H>(a, flags); });
}

/* d = { a in the high half, b in the low one } */
template <class H> void f32_to_pair(Warp &w, const Inst &i, u32 m)
{
    u32 flags = i.flags;
    map2<u32, float, float>(w, i, m, [&](float a, float b) {
        return narrow<H>(a, flags) << 16 | narrow<H>(b, flags);
    });
}

/* i.x, i.y: widths of the destination and source registers. */
void any(Warp &w, const Inst &i, u32 m)
{
    for (u32 rest = m; rest; rest &= rest - 1) {
        int l = __builtin_ctz(rest);
        u64 v = i.y == 64 ? *((u64 *)(w.r + i.a) + l) : w.r[i.a + l];
        if (i.b) v |= (u64)w.r[i.b + l] << 32; /* the second source of a pair */
        v = convert_one(i, v);
        if (i.c) v |= (u64)w.r[i.c + l] << i.imm; /* cvt.pack: the bits above */
        if (i.x == 64) *((u64 *)(w.r + i.d) + l) = v;
        else w.r[i.d + l] = i.x == 32 ? (u32)v : (u16)v;
    }
}

template <class D> Handler choose_integer(Type s)
{
    switch (s) {
    case Type::U8: return integer<D, u8>;
    case Type::S8: return integer<D, s8>;
    case Type::U16: return integer<D, u16>;
    case Type::S16: return integer<D, s16>;
    case Type::U32: return integer<D, u32>;
    case Type::S32: return integer<D, s32>;
    case Type::U64: return integer<D, u64>;
    case Type::S64: return integer<D, s64>;
    default: return nullptr;
    }
}

Handler choose_to_float(Type s, bool f64)
{
    switch (s) {
    case Type::U8: return f64 ? to_f64<u8> : to_f32<u8>;
    case Type::S8: return f64 ? to_f64<s8> : to_f32<s8>;
    case Type::U16: return f64 ? to_f64<u16> : to_f32<u16>;
    case Type::S16: return f64 ? to_f64<s16> : to_f32<s16>;
    case Type::U32: return f64 ? to_f64<u32> : to_f32<u32>;
    case Type::S32: return f64 ? to_f64<s32> : to_f32<s32>;
    case Type::U64: return f64 ? to_f64<u64> : to_f32<u64>;
    case Type::S64: return f64 ? to_f64<s64> : to_f32<s64>;
    default: return nullptr;
    }
}

template <class D> Handler choose_to_integer(Round r)
{
    switch (r) {
    case Round::NearestInt: return ToInteger<D, Round::NearestInt>::run;
    case Round::ZeroInt: return ToInteger<D, Round::ZeroInt>::run;
    case Round::DownInt: return ToInteger<D, Round::DownInt>::run;
    case Round::UpInt: return ToInteger<D, Round::UpInt>::run;
    default: return nullptr;
    }
}

Handler choose_integral(Round r)
{
    switch (r) {
    case Round::NearestInt: return f32_to_integral<Round::NearestInt>;
    case Round::ZeroInt: return f32_to_integral<Round::ZeroInt>;
    case Round::DownInt: return f32_to_integral<Round::DownInt>;
    case Round::UpInt: return f32_to_integral<Round::UpInt>;
    default: return f32_to_f32;
    }
}

Handler choose_between_floats(const Key &k)
{
    bool nearest = k.round == Round::Nearest, f32 = k.s == Type::F32;
    switch (k.t) {
    case Type::F32:
        if (f32) return choose_integral(k.round);
        if (k.s == Type::F64) return nearest ? f64_to_f32 : nullptr;
        return k.s == Type::F16    ? half_to_f32<F16>
               : k.s == Type::BF16 ? half_to_f32<BF16>
                                   : nullptr;
    case Type::F64: return f32 ? f32_to_f64 : nullptr;
    case Type::F16: return f32 && nearest ? f32_to_half<F16> : nullptr;
    case Type::BF16: return f32 && nearest ? f32_to_half<BF16> : nullptr;
    case Type::F16x2: return f32 && nearest ? f32_to_pair<F16> : nullptr;
    case Type::BF16x2: return f32 && nearest ? f32_to_pair<BF16> : nullptr;
    default: return nullptr;
    }
}

/* A fast way, where registers are as wide as the types. */
Handler choose_fast(const Key &k)
{
    if (k.has(SATFINITE)) return nullptr;
    if (is_float(k.t) && is_float(k.s)) return choose_between_floats(k);
    if (is_float(k.t)) {
        bool plain =
            k.round == Round::Nearest && !k.has(SAT) && (k.t == Type::F32 || k.t == Type::F64);
        return plain ? choose_to_float(k.s, k.t == Type::F64) : nullptr;
    }
    if (is_float(k.s)) {
        if (k.s != Type::F32) return nullptr;
        return k.t == Type::S32   ? choose_to_integer<s32>(k.round)
               : k.t == Type::U32 ? choose_to_integer<u32>(k.round)
                                  : nullptr;
    }
    if (k.has(SAT)) return nullptr;
    return type_bits(k.t) == 64   ? choose_integer<u64>(k.s)
           : type_bits(k.t) == 32 ? choose_integer<u32>(k.s)
           : type_bits(k.t) == 16 ? choose_integer<u16>(k.s)
                                  : nullptr;
}

} // namespace

/* k.vec == 1 says that registers are as wide as their types. */
Handler select_convert(const Key &k)
{
    if (k.op != Op::Cvt && k.op != Op::CvtPack) return nullptr;
    Handler fast = k.op == Op::Cvt && k.vec == 1 ? choose_fast(k) : nullptr;
    return fast ? fast : any;
}

} // namespace EMU_ISA
} // namespace emu
