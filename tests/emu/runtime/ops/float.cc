/* ops/float.cc - f32 and f64, rounded to nearest; the approximations give the nearest value too.
 * Read next: reals.hh, rounded.cc (the other roundings), half.cc. */
#include "tests/emu/runtime/ops/reals.hh"

#include <cmath>

namespace emu
{
namespace EMU_ISA
{
namespace
{

/* Flush before and after, saturate, one NaN. */
template <class T, bool ftz> EMU_INLINE T in(T x)
{
    return ftz ? flush(x) : x;
}
template <class T, bool ftz, bool sat> EMU_INLINE T out(T r)
{
    r = ftz ? flush(r) : r;
    return sat ? saturate01(r) : canonical(r);
}

template <class T, bool z, bool sat> struct Real {
    static void add(Warp &w, const Inst &i, u32 m)
    {
        map2<T, T, T>(w, i, m, [](T a, T b) { return out<T, z, sat>(in<T, z>(a) + in<T, z>(b)); });
    }
    static void sub(Warp &w, const Inst &i, u32 m)
    {
        map2<T, T, T>(w, i, m, [](T a, T b) { return out<T, z, sat>(in<T, z>(a) - in<T, z>(b)); });
    }
    static void mul(Warp &w, const Inst &i, u32 m)
    {
        map2<T, T, T>(w, i, m, [](T a, T b) { return out<T, z, sat>(in<T, z>(a) * in<T, z>(b)); });
    }
    static void fma(Warp &w, const Inst &i, u32 m)
    {
        map3<T, T, T, T>(w, i, m, [](T a, T b, T c) {
            return out<T, z, sat>(std::fma(in<T, z>(a), in<T, z>(b), in<T, z>(c)));
        });
    }
    static void div(Warp &w, const Inst &i, u32 m)
    {
        map2<T, T, T>(w, i, m, [](T a, T b) { return out<T, z, sat>(in<T, z>(a) / in<T, z>(b)); });
    }
    static void rcp(Warp &w, const Inst &i, u32 m)
    {
        map1<T, T>(w, i, m, [](T a) { return out<T, z, sat>((T)1 / in<T, z>(a)); });
    }
    static void sqrt(Warp &w, const Inst &i, u32 m)
    {
        map1<T, T>(w, i, m, [](T a) { return out<T, z, sat>(std::sqrt(in<T, z>(a))); });
    }
    static Handler choose(Op op)
    {
        switch (op) {
        case Op::Add: return add;
        case Op::Sub: return sub;
        case Op::Mul: return mul;
        case Op::Fma: return fma;
        case Op::Div: return div;
        case Op::Rcp: return rcp;
        case Op::Sqrt: return sqrt;
        default: return nullptr;
        }
    }
};

template <class T, bool z> struct Choice {
    template <bool nans, bool xorsign> static void min(Warp &w, const Inst &i, u32 m)
    {
        map2<T, T, T>(w, i, m, [](T a, T b) {
            T x = in<T, z>(a), y = in<T, z>(b);
            T r = xorsign ? least(magnitude(x), magnitude(y), nans) : least(x, y, nans);
            return canonical(xorsign ? signed_like(r, x, y) : r);
        });
    }
    template <bool nans, bool xorsign> static void max(Warp &w, const Inst &i, u32 m)
    {
        map2<T, T, T>(w, i, m, [](T a, T b) {
            T x = in<T, z>(a), y = in<T, z>(b);
            T r = xorsign ? greatest(magnitude(x), magnitude(y), nans) : greatest(x, y, nans);
            return canonical(xorsign ? signed_like(r, x, y) : r);
        });
    }
    static void abs(Warp &w, const Inst &i, u32 m)
    {
        map1<T, T>(w, i, m, [](T a) { return magnitude(in<T, z>(a)); });
    }
    static void neg(Warp &w, const Inst &i, u32 m)
    {
        map1<T, T>(w, i, m, [](T a) { return negate(in<T, z>(a)); });
    }
    static Handler choose(const Key &k)
    {
        bool nans = k.has(NANS), xorsign = k.has(ABS);
        switch (k.op) {
        case Op::Min:
            if (nans) return xorsign ? min<true, true> : min<true, false>;
            return xorsign ? min<false, true> : min<false, false>;
        case Op::Max:
            if (nans) return xorsign ? max<true, true> : max<true, false>;
            return xorsign ? max<false, true> : max<false, false>;
        case Op::Abs: return abs;
        case Op::Neg: return neg;
        default: return nullptr;
        }
    }
};

/* Functions that no CPU instruction computes: in double, then rounded. */
template <class T, double (*f)(double)> struct Function {
    static void run(Warp &w, const Inst &i, u32 m)
    {
        bool z = i.flags & FTZ;
        const Lane<T> *a = lanes<T>(w, i.a);
        Lane<T> *d = lanes<T>(w, i.d);
        for (u32 rest = m; rest; rest &= rest - 1) {
            int l = __builtin_ctz(rest);
            T x = unpack<T>(a[l]);
            T r = (T)f((double)(z ? flush(x) : x));
            d[l] = pack(canonical(z ? flush(r) : r));
        }
    }
};

double inverse_root(double x)
{
    return 1 / std::sqrt(x);
}
double sine(double x)
{
    return std::sin(x);
}
double cosine(double x)
{
    return std::cos(x);
}
double power_of_2(double x)
{
    return std::exp2(x);
}
double log_2(double x)
{
    return std::log2(x);
}
double tangent(double x)
{
    return std::tanh(x);
}

Handler choose_function(const Key &k)
{
    if (k.t == Type::F64) return k.op == Op::Rsqrt ? Function<double, inverse_root>::run : nullptr;
    switch (k.op) {
    case Op::Rsqrt: return Function<float, inverse_root>::run;
    case Op::Sin: return Function<float, sine>::run;
    case Op::Cos: return Function<float, cosine>::run;
    case Op::Ex2: return Function<float, power_of_2>::run;
    case Op::Lg2: return Function<float, log_2>::run;
    case Op::Tanh: return Function<float, tangent>::run;
    default: return nullptr;
    }
}

/* The sign of a on the value of b. */
template <class U> void copysign(Warp &w, const Inst &i, u32 m)
{
    constexpr U sign = (U)1 << (sizeof(U) * 8 - 1);
    map2<U, U, U>(w, i, m, [](U a, U b) { return (a & sign) | (b & ~sign); });
}

} // namespace

Handler select_float(const Key &k)
{
    bool z = k.has(FTZ), sat = k.has(SAT), f64 = k.t == Type::F64;
    if (!f64 && k.t != Type::F32) return nullptr;
    switch (k.op) {
    case Op::Min:
    case Op::Max:
    case Op::Abs:
    case Op::Neg:
        if (f64) return Choice<double, false>::choose(k);
        return z ? Choice<float, true>::choose(k) : Choice<float, false>::choose(k);
    case Op::Copysign: return f64 ? copysign<u64> : copysign<u32>;
    case Op::Add:
    case Op::Sub:
    case Op::Mul:
    case Op::Fma:
    case Op::Div:
    case Op::Rcp:
    case Op::Sqrt:
        if (f64)
            return z ? Real<double, true, false>::choose(k.op)
                     : Real<double, false, false>::choose(k.op);
        if (z)
            return sat ? Real<float, true, true>::choose(k.op)
                       : Real<float, true, false>::choose(k.op);
        return sat ? Real<float, false, true>::choose(k.op)
                   : Real<float, false, false>::choose(k.op);
    default: return choose_function(k);
    }
}

} // namespace EMU_ISA
} // namespace emu
