/* ops/half.cc - f16, bf16 and pairs of them: computed in float or double so that one rounding
 * remains. Read next: reals.hh, float.cc. */
#include "tests/emu/runtime/ops/reals.hh"

#include <cmath>

namespace emu
{
namespace EMU_ISA
{
namespace
{

/* One operation on values in float. Sums and quotients of 16-bit formats survive the rounding to
 * float (24 bits are at least 2 * 11 + 2); products of bf16 may leave the range of float, and
 * an fma needs all of its sum. */
template <class H> struct Arithmetic {
    static EMU_INLINE float add(float a, float b) { return a + b; }
    static EMU_INLINE float sub(float a, float b) { return a - b; }
    static EMU_INLINE float mul(float a, float b) { return to_float_odd((double)a * (double)b); }
    static EMU_INLINE float fma(float a, float b, float c)
    {
        return to_float_odd(add_to_odd((double)a * (double)b, (double)c));
    }
};

/* f on each half, or on the only one. */
template <class H, bool pair, class F> EMU_INLINE u32 halves(F f, u32 a, u32 b, u32 c)
{
    u32 low = f(a & 0xffff, b & 0xffff, c & 0xffff);
    return pair ? low | f(a >> 16, b >> 16, c >> 16) << 16 : low;
}

template <class H> EMU_INLINE u32 finish(float r, u32 flags)
{
    r = flags & SAT ? saturate01(r) : r;
    r = flags & RELU ? relu(r) : r;
    u32 h = H::store(r);
    return flags & FTZ ? H::flush(h) : h;
}

template <class H> EMU_INLINE float start(u32 h, u32 flags)
{
    return H::load(flags & FTZ ? H::flush(h) : h);
}

template <class H, bool pair> struct Half {
    typedef Arithmetic<H> A;
    template <class F> static EMU_INLINE void two(Warp &w, const Inst &i, u32 m, F f)
    {
        u32 flags = i.flags;
        map2<u32, u32, u32>(w, i, m, [&](u32 a, u32 b) {
            return halves<H, pair>(
                [&](u32 x, u32 y, u32) {
                    return finish<H>(f(start<H>(x, flags), start<H>(y, flags)), flags);
                },
                a, b, 0);
        });
    }
    static void add(Warp &w, const Inst &i, u32 m) { two(w, i, m, A::add); }
    static void sub(Warp &w, const Inst &i, u32 m) { two(w, i, m, A::sub); }
    static void mul(Warp &w, const Inst &i, u32 m) { two(w, i, m, A::mul); }
    static void min(Warp &w, const Inst &i, u32 m)
    {
        bool nans = i.flags & NANS, xorsign = i.flags & ABS;
        two(w, i, m, [=](float a, float b) {
            float r = xorsign ? least(magnitude(a), magnitude(b), nans) : least(a, b, nans);
            return xorsign ? signed_like(r, a, b) : r;
        });
    }
    static void max(Warp &w, const Inst &i, u32 m)
    {
        bool nans = i.flags & NANS, xorsign = i.flags & ABS;
        two(w, i, m, [=](float a, float b) {
            float r = xorsign ? greatest(magnitude(a), magnitude(b), nans) : greatest(a, b, nans);
            return xorsign ? signed_like(r, a, b) : r;
        });
    }
    static void fma(Warp &w, const Inst &i, u32 m)
    {
        u32 flags = i.flags;
        map3<u32, u32, u32, u32>(w, i, m, [&](u32 a, u32 b, u32 c) {
            return halves<H, pair>(
                [&](u32 x, u32 y, u32 v) {
                    return finish<H>(
                        A::fma(start<H>(x, flags), start<H>(y, flags), start<H>(v, flags)), flags);
                },
                a, b, c);
        });
    }
    /* Signs only: NaNs keep their bits. */
    static void abs(Warp &w, const Inst &i, u32 m)
    {
        bool z = i.flags & FTZ;
        map1<u32, u32>(w, i, m, [&](u32 a) {
            return halves<H, pair>([&](u32 x, u32, u32) { return (z ? H::flush(x) : x) & 0x7fff; },
                                   a, 0, 0);
        });
    }
    static void neg(Warp &w, const Inst &i, u32 m)
    {
        bool z = i.flags & FTZ;
        map1<u32, u32>(w, i, m, [&](u32 a) {
            return halves<H, pair>([&](u32 x, u32, u32) { return (z ? H::flush(x) : x) ^ 0x8000; },
                                   a, 0, 0);
        });
    }
    template <double (*f)(double)> static void function(Warp &w, const Inst &i, u32 m)
    {
        u32 flags = i.flags;
        for (u32 rest = m; rest; rest &= rest - 1) {
            int l = __builtin_ctz(rest);
            w.r[i.d + l] = halves<H, pair>(
                [&](u32 x, u32, u32) {
                    return finish<H>(to_float_odd(f((double)start<H>(x, flags))), flags);
                },
                w.r[i.a + l], 0, 0);
        }
    }
    static double power_of_2(double x) { return std::exp2(x); }
    static double tangent(double x) { return std::tanh(x); }

    static Handler choose(Op op)
    {
        switch (op) {
        case Op::Add: return add;
        case Op::Sub: return sub;
        case Op::Mul: return mul;
        case Op::Fma: return fma;
        case Op::Min: return min;
        case Op::Max: return max;
        case Op::Abs: return abs;
        case Op::Neg: return neg;
        case Op::Ex2: return function<power_of_2>;
        case Op::Tanh: return function<tangent>;
        default: return nullptr;
        }
    }
};

} // namespace

Handler select_half(const Key &k)
{
    switch (k.t) {
    case Type::F16: return Half<F16, false>::choose(k.op);
    case Type::F16x2: return Half<F16, true>::choose(k.op);
    case Type::BF16: return Half<BF16, false>::choose(k.op);
    case Type::BF16x2: return Half<BF16, true>::choose(k.op);
    default: return nullptr;
    }
}

} // namespace EMU_ISA
} // namespace emu
