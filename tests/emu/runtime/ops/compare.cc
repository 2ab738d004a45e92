/* ops/compare.cc - setp, set, selp, slct, testp. Read next: reals.hh, lower_choose.cc. */
#include "tests/emu/runtime/ops/reals.hh"

#include "tests/emu/runtime/body.hh"

namespace emu
{
namespace EMU_ISA
{
namespace
{

template <class T> constexpr bool is_real = (T)0.5f != 0;

template <Cmp c, class T> EMU_INLINE bool holds(T a, T b)
{
    bool unordered = a != a || b != b;
    switch (c) {
    case Cmp::Eq: return a == b;
    case Cmp::Ne: return a < b || a > b;
    case Cmp::Lt: return a < b;
    case Cmp::Le: return a <= b;
    case Cmp::Gt: return a > b;
    case Cmp::Ge: return a >= b;
    case Cmp::Equ: return unordered || a == b;
    case Cmp::Neu: return a != b;
    case Cmp::Ltu: return !(a >= b);
    case Cmp::Leu: return !(a > b);
    case Cmp::Gtu: return !(a <= b);
    case Cmp::Geu: return !(a < b);
    case Cmp::Num: return !unordered;
    default: return unordered;
    }
}

EMU_INLINE u32 combine(const Warp &w, const Inst &i, u32 bits)
{
    if ((Bool)i.x == Bool::None) return bits;
    u32 c = w.pred(i.c, i.flags & NEGATED);
    return (Bool)i.x == Bool::And ? bits & c : (Bool)i.x == Bool::Or ? bits | c : bits ^ c;
}

/* setp: predicates d and e. Of pairs, d is for the low half and e for the high one; else e is for
 * the opposite. */
void set_predicates(Warp &w, const Inst &i, u32 m, u32 low, u32 high)
{
    u32 first = combine(w, i, low), second = combine(w, i, high);
    w.set_pred(i.d, first, m);
    if (i.e != PRED_SINK) w.set_pred(i.e, second, m);
}

/* set: i.imm where it holds, else 0. For pairs, of halves. */
void set_register(Warp &w, const Inst &i, u32 m, u32 low, u32 high, bool pair)
{
    u32 first = combine(w, i, low), second = pair ? combine(w, i, high) : 0, yes = (u32)i.imm;
    each(w.r + i.d, m,
         [&](int l) { return (first >> l & 1 ? yes : 0) | (second >> l & 1 ? yes << 16 : 0); });
}

template <class T, bool to_register> struct Compare {
    template <Cmp c> static void run(Warp &w, const Inst &i, u32 m)
    {
        const Lane<T> *a = lanes<T>(w, i.a), *b = lanes<T>(w, i.b);
        bool z = i.flags & FTZ;
        u32 bits = lanes_where([&](int l) {
            T x = unpack<T>(a[l]), y = unpack<T>(b[l]);
            if constexpr (is_real<T>) x = z ? flush(x) : x, y = z ? flush(y) : y;
            return holds<c>(x, y);
        });
        if (to_register) set_register(w, i, m, bits, 0, false);
        else set_predicates(w, i, m, bits, ~bits);
    }
};

/* The 16-bit formats compare as floats. */
template <class H, bool pair> struct CompareHalf {
    template <bool to_register> struct To {
        template <Cmp c> static void run(Warp &w, const Inst &i, u32 m)
        {
            const u32 *a = w.r + i.a, *b = w.r + i.b;
            bool z = i.flags & FTZ;
            auto half = [&](u32 h) { return H::load(z ? H::flush(h & 0xffff) : h & 0xffff); };
            u32 low = lanes_where([&](int l) { return holds<c>(half(a[l]), half(b[l])); });
            u32 high = ~low;
            if (pair) {
                high = lanes_where(
                    [&](int l) { return holds<c>(half(a[l] >> 16), half(b[l] >> 16)); });
            }
            if (to_register) set_register(w, i, m, low, high, pair);
            else set_predicates(w, i, m, low, high);
        }
    };
};

template <class R> Handler choose_float(Cmp c)
{
    static const Handler all[] = {
        R::template run<Cmp::Eq>,  R::template run<Cmp::Ne>,  R::template run<Cmp::Lt>,
        R::template run<Cmp::Le>,  R::template run<Cmp::Gt>,  R::template run<Cmp::Ge>,
        R::template run<Cmp::Equ>, R::template run<Cmp::Neu>, R::template run<Cmp::Ltu>,
        R::template run<Cmp::Leu>, R::template run<Cmp::Gtu>, R::template run<Cmp::Geu>,
        R::template run<Cmp::Num>, R::template run<Cmp::Nan>,
    };
    return all[(int)c];
}

template <class R> Handler choose_int(Cmp c)
{
    static const Handler all[] = { R::template run<Cmp::Eq>, R::template run<Cmp::Ne>,
                                   R::template run<Cmp::Lt>, R::template run<Cmp::Le>,
                                   R::template run<Cmp::Gt>, R::template run<Cmp::Ge> };
    return c <= Cmp::Ge ? all[(int)c] : nullptr;
}

template <bool reg> Handler choose_compare(const Key &k)
{
    switch (k.s) {
    case Type::F32: return choose_float<Compare<float, reg>>(k.cmp);
    case Type::F64: return choose_float<Compare<double, reg>>(k.cmp);
    case Type::F16: return choose_float<CompareHalf<F16, false>::To<reg>>(k.cmp);
    case Type::F16x2: return choose_float<CompareHalf<F16, true>::To<reg>>(k.cmp);
    case Type::BF16: return choose_float<CompareHalf<BF16, false>::To<reg>>(k.cmp);
    case Type::BF16x2: return choose_float<CompareHalf<BF16, true>::To<reg>>(k.cmp);
    case Type::S16: return choose_int<Compare<s16, reg>>(k.cmp);
    case Type::S32: return choose_int<Compare<s32, reg>>(k.cmp);
    case Type::S64: return choose_int<Compare<s64, reg>>(k.cmp);
    case Type::U16:
    case Type::B16: return choose_int<Compare<u16, reg>>(k.cmp);
    case Type::U32:
    case Type::B32: return choose_int<Compare<u32, reg>>(k.cmp);
    case Type::U64:
    case Type::B64: return choose_int<Compare<u64, reg>>(k.cmp);
    default: return nullptr;
    }
}

/* d = predicate c ? a : b */
template <class L> void select(Warp &w, const Inst &i, u32 m)
{
    const L *a = lanes<L>(w, i.a), *b = lanes<L>(w, i.b);
    u32 p = w.pred(i.c, i.flags & NEGATED);
    each(lanes<L>(w, i.d), m, [&](int l) { return p >> l & 1 ? a[l] : b[l]; });
}

/* d = c >= 0 ? a : b; a NaN takes b */
template <class L, class C> void select_sign(Warp &w, const Inst &i, u32 m)
{
    bool z = i.flags & FTZ;
    map3<L, L, L, C>(w, i, m, [&](L a, L b, C c) {
        if constexpr (is_real<C>) c = z ? flush(c) : c;
        return c >= 0 ? a : b;
    });
}

/* i.x: finite, infinite, number, notanumber, normal, subnormal */
template <class U> void test_property(Warp &w, const Inst &i, u32 m)
{
    constexpr int fraction = sizeof(U) == 4 ? 23 : 52;
    constexpr U exponent = ((U) ~(U)0 << fraction) & ~((U)1 << (sizeof(U) * 8 - 1));
    const U *a = lanes<U>(w, i.a);
    u32 bits = lanes_where([&](int l) {
        U v = a[l] & ~((U)1 << (sizeof(U) * 8 - 1));
        switch (i.x) {
        case 0: return v < exponent;
        case 1: return v == exponent;
        case 2: return v <= exponent;
        case 3: return v > exponent;
        case 4: return v < exponent && v >> fraction != 0;
        default: return v != 0 && v >> fraction == 0;
        }
    });
    w.set_pred(i.d, bits, m);
}

} // namespace

Handler select_compare(const Key &k)
{
    bool wide = type_bits(k.t) == 64;
    switch (k.op) {
    case Op::Setp: return choose_compare<false>(k);
    case Op::Set: return choose_compare<true>(k);
    case Op::Selp: return wide ? select<u64> : select<u32>;
    case Op::Slct:
        if (k.s == Type::F32) return wide ? select_sign<u64, float> : select_sign<u32, float>;
        return wide ? select_sign<u64, s32> : select_sign<u32, s32>;
    case Op::Testp: return wide ? test_property<u64> : test_property<u32>;
    default: return nullptr;
    }
}

} // namespace EMU_ISA
} // namespace emu
