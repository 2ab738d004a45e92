/* ops/integer.cc - integer arithmetic. Overflow wraps (-fwrapv). Read next: lanes.hh, bits.cc. */
#include "tests/emu/runtime/ops/lanes.hh"

#include "tests/emu/runtime/body.hh"

namespace emu
{
namespace EMU_ISA
{
namespace
{

/* The type with twice the bits; for 64 bits gcc has 128. */
template <class T> struct Twice;
template <> struct Twice<u16> {
    typedef u32 type;
};
template <> struct Twice<s16> {
    typedef s32 type;
};
template <> struct Twice<u32> {
    typedef u64 type;
};
template <> struct Twice<s32> {
    typedef s64 type;
};
template <> struct Twice<u64> {
    typedef unsigned __int128 type;
};
template <> struct Twice<s64> {
    typedef __int128 type;
};
template <class T> using Double = typename Twice<T>::type;

template <class T> struct SignedOf;
template <> struct SignedOf<u32> {
    typedef s32 type;
};
template <> struct SignedOf<u64> {
    typedef s64 type;
};

template <class T> EMU_INLINE T high(T a, T b)
{
    return (T)((Double<T>)a * (Double<T>)b >> (sizeof(T) * 8));
}

EMU_INLINE s32 saturate(s64 v)
{
    return v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : (s32)v;
}

/* Division by zero gives all ones (PTX: unspecified), and a remainder of a. */
template <class T> EMU_INLINE T divide(T a, T b)
{
    if (b == 0) return (T)-1;
    if ((T)-1 < 0 && b == (T)-1) return (T)(0 - a);
    return (T)(a / b);
}
template <class T> EMU_INLINE T remainder(T a, T b)
{
    if (b == 0) return a;
    if ((T)-1 < 0 && b == (T)-1) return 0;
    return (T)(a % b);
}

template <class T> struct Int {
    static void add(Warp &w, const Inst &i, u32 m)
    {
        map2<T, T, T>(w, i, m, [](T a, T b) { return a + b; });
    }
    static void sub(Warp &w, const Inst &i, u32 m)
    {
        map2<T, T, T>(w, i, m, [](T a, T b) { return a - b; });
    }
    static void mul(Warp &w, const Inst &i, u32 m)
    {
        map2<T, T, T>(w, i, m, [](T a, T b) { return (u64)a * (u64)b; });
    }
    static void mul_high(Warp &w, const Inst &i, u32 m)
    {
        map2<T, T, T>(w, i, m, [](T a, T b) { return high<T>(a, b); });
    }
    static void mad(Warp &w, const Inst &i, u32 m)
    {
        map3<T, T, T, T>(w, i, m, [](T a, T b, T c) { return (u64)a * (u64)b + (u64)c; });
    }
    static void mad_high(Warp &w, const Inst &i, u32 m)
    {
        map3<T, T, T, T>(w, i, m, [](T a, T b, T c) { return high<T>(a, b) + c; });
    }
    static void div(Warp &w, const Inst &i, u32 m)
    {
        map2<T, T, T>(w, i, m, [](T a, T b) { return divide<T>(a, b); });
    }
    static void rem(Warp &w, const Inst &i, u32 m)
    {
        map2<T, T, T>(w, i, m, [](T a, T b) { return remainder<T>(a, b); });
    }
    static void sad(Warp &w, const Inst &i, u32 m)
    {
        map3<T, T, T, T>(w, i, m, [](T a, T b, T c) { return c + (a < b ? b - a : a - b); });
    }
    static void min(Warp &w, const Inst &i, u32 m)
    {
        map2<T, T, T>(w, i, m, [](T a, T b) { return a < b ? a : b; });
    }
    static void max(Warp &w, const Inst &i, u32 m)
    {
        map2<T, T, T>(w, i, m, [](T a, T b) { return a > b ? a : b; });
    }
    static void abs(Warp &w, const Inst &i, u32 m)
    {
        map1<T, T>(w, i, m, [](T a) { return a < 0 ? 0 - a : a; });
    }
    static void neg(Warp &w, const Inst &i, u32 m)
    {
        map1<T, T>(w, i, m, [](T a) { return 0 - a; });
    }
    static Handler choose(const Key &k)
    {
        switch (k.op) {
        case Op::Add: return add;
        case Op::Sub: return sub;
        case Op::Mul: return k.has(HI) ? mul_high : mul;
        case Op::Mad: return k.has(HI) ? mad_high : mad;
        case Op::Div: return div;
        case Op::Rem: return rem;
        case Op::Sad: return sad;
        case Op::Min: return min;
        case Op::Max: return max;
        case Op::Abs: return abs;
        case Op::Neg: return neg;
        default: return nullptr;
        }
    }
};

/* mul.wide, mad.wide: T x T (+ D) -> D of twice the bits */
template <class T> struct Wide {
    typedef Double<T> D;
    static void mul(Warp &w, const Inst &i, u32 m)
    {
        map2<D, T, T>(w, i, m, [](T a, T b) { return (D)a * (D)b; });
    }
    static void mad(Warp &w, const Inst &i, u32 m)
    {
        map3<D, T, T, D>(w, i, m, [](T a, T b, D c) { return (D)a * (D)b + c; });
    }
    static Handler choose(const Key &k) { return k.op == Op::Mul ? mul : mad; }
};

struct Saturated {
    static void add(Warp &w, const Inst &i, u32 m)
    {
        map2<s32, s32, s32>(w, i, m, [](s32 a, s32 b) { return saturate((s64)a + b); });
    }
    static void sub(Warp &w, const Inst &i, u32 m)
    {
        map2<s32, s32, s32>(w, i, m, [](s32 a, s32 b) { return saturate((s64)a - b); });
    }
    static void mad_high(Warp &w, const Inst &i, u32 m)
    {
        map3<s32, s32, s32, s32>(w, i, m, [](s32 a, s32 b, s32 c) {
            return saturate((s64)high<s32>(a, b) + c);
        });
    }
    static Handler choose(const Key &k)
    {
        if (k.t != Type::S32) return nullptr;
        if (k.op == Op::Add) return add;
        if (k.op == Op::Sub) return sub;
        return k.op == Op::Mad && k.has(HI) ? mad_high : nullptr;
    }
};

/* min.relu.s32, max.relu.s32 */
struct Relu {
    static void min(Warp &w, const Inst &i, u32 m)
    {
        map2<s32, s32, s32>(w, i, m, [](s32 a, s32 b) {
            s32 r = a < b ? a : b;
            return r < 0 ? 0 : r;
        });
    }
    static void max(Warp &w, const Inst &i, u32 m)
    {
        map2<s32, s32, s32>(w, i, m, [](s32 a, s32 b) {
            s32 r = a > b ? a : b;
            return r < 0 ? 0 : r;
        });
    }
};

template <class U> EMU_INLINE U product_high(U a, U b, bool is_signed)
{
    typedef typename SignedOf<U>::type S;
    return is_signed ? (U)high<S>((S)a, (S)b) : high<U>(a, b);
}

/* With the carry flag: a + b + in, a - b - in, or a * b (one half) + c + in. The flag is a
 * predicate of its own; i.flags says what to do with it. */
template <class U> struct Carry {
    static void run(Warp &w, const Inst &i, u32 m)
    {
        const U *a = lanes<U>(w, i.a), *b = lanes<U>(w, i.b), *c = lanes<U>(w, i.c);
        u32 in = i.flags & CARRY_IN ? w.preds[PRED_CARRY] : 0;
        Op op = (Op)i.x;
        U out[32];
        u32 carries = 0;
        for (int l = 0; l < 32; l++) {
            U x = a[l], y = b[l], cin = in >> l & 1;
            if (op == Op::Mad) {
                x = i.flags & HI ? product_high(x, y, i.flags & WRAP) : x * y;
                y = c[l];
            }
            bool borrow = op == Op::Sub;
            U part = borrow ? x - y : x + y;
            out[l] = borrow ? part - cin : part + cin;
            bool carry = borrow ? x < y || part < cin : part < x || out[l] < part;
            carries |= (u32)carry << l;
        }
        each(lanes<U>(w, i.d), m, [&](int l) { return out[l]; });
        if (i.flags & CARRY_OUT) w.set_pred(PRED_CARRY, carries, m);
    }
};

/* mul24, mad24: 24 bits of a and b; the product has 48, .lo is its low 32 and .hi its high 32. */
template <class T, bool hi, bool add> struct Short {
    static void run(Warp &w, const Inst &i, u32 m)
    {
        map3<T, T, T, T>(w, i, m, [](T a, T b, T c) {
            s64 x = (s64)(T)((T)((u32)a << 8) >> 8), y = (s64)(T)((T)((u32)b << 8) >> 8);
            s64 p = x * y;
            return (T)(hi ? p >> 16 : p) + (add ? c : 0);
        });
    }
};

template <class T> Handler choose_short(const Key &k)
{
    bool add = k.op == Op::Mad24;
    if (k.has(HI)) return add ? Short<T, true, true>::run : Short<T, true, false>::run;
    return add ? Short<T, false, true>::run : Short<T, false, false>::run;
}

} // namespace

Handler select_integer(const Key &k)
{
    bool is32 = type_bits(k.t) == 32;
    if (is_float(k.t) || k.op > Op::Mad24) return nullptr;
    if (k.op == Op::Mul24 || k.op == Op::Mad24) {
        return k.t == Type::S32   ? choose_short<s32>(k)
               : k.t == Type::U32 ? choose_short<u32>(k)
                                  : nullptr;
    }
    if (k.has(CARRY_IN | CARRY_OUT)) return is32 ? Carry<u32>::run : Carry<u64>::run;
    if (k.has(SAT)) return Saturated::choose(k);
    if (k.has(RELU)) {
        if (k.t != Type::S32) return nullptr;
        return k.op == Op::Min ? Relu::min : k.op == Op::Max ? Relu::max : nullptr;
    }
    if (k.has(WIDE)) {
        switch (k.t) {
        case Type::U16: return Wide<u16>::choose(k);
        case Type::S16: return Wide<s16>::choose(k);
        case Type::U32: return Wide<u32>::choose(k);
        case Type::S32: return Wide<s32>::choose(k);
        default: return nullptr;
        }
    }
    switch (k.t) {
    case Type::U16: return Int<u16>::choose(k);
    case Type::S16: return Int<s16>::choose(k);
    case Type::U32: return Int<u32>::choose(k);
    case Type::S32: return Int<s32>::choose(k);
    case Type::U64: return Int<u64>::choose(k);
    case Type::S64: return Int<s64>::choose(k);
    default: return nullptr;
    }
}

} // namespace EMU_ISA
} // namespace emu
