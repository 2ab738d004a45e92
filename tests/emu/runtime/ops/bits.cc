/* ops/bits.cc - logic, shifts, bit fields, permutations of bytes, dot products of bytes.
 * Read next: lanes.hh, integer.cc. */
#include "tests/emu/runtime/ops/lanes.hh"

namespace emu
{
namespace EMU_ISA
{
namespace
{

template <class T> struct Logic {
    static void land(Warp &w, const Inst &i, u32 m)
    {
        map2<T, T, T>(w, i, m, [](T a, T b) { return a & b; });
    }
    static void lor(Warp &w, const Inst &i, u32 m)
    {
        map2<T, T, T>(w, i, m, [](T a, T b) { return a | b; });
    }
    static void lxor(Warp &w, const Inst &i, u32 m)
    {
        map2<T, T, T>(w, i, m, [](T a, T b) { return a ^ b; });
    }
    static void lnot(Warp &w, const Inst &i, u32 m)
    {
        map1<T, T>(w, i, m, [](T a) { return ~a; });
    }
    static void cnot(Warp &w, const Inst &i, u32 m)
    {
        map1<T, T>(w, i, m, [](T a) { return a == 0; });
    }
    static void shl(Warp &w, const Inst &i, u32 m)
    {
        map2<T, T, u32>(w, i, m, [](T a, u32 n) { return n < sizeof(T) * 8 ? (T)(a << n) : 0; });
    }
    static void mov(Warp &w, const Inst &i, u32 m)
    {
        map1<T, T>(w, i, m, [](T a) { return a; });
    }
    static Handler choose(const Key &k)
    {
        switch (k.op) {
        case Op::And: return land;
        case Op::Or: return lor;
        case Op::Xor: return lxor;
        case Op::Not: return lnot;
        case Op::Cnot: return cnot;
        case Op::Shl: return shl;
        case Op::Mov: return mov;
        default: return nullptr;
        }
    }
};

/* Right shifts by the width or more leave only copies of the sign. */
template <class T> struct ShiftRight {
    static void run(Warp &w, const Inst &i, u32 m)
    {
        constexpr u32 most = sizeof(T) * 8 - 1;
        map2<T, T, u32>(w, i, m, [](T a, u32 n) {
            T sign = (T)-1 < 0 && a < 0 ? (T)-1 : 0;
            return n > most ? sign : (T)(a >> (n & most));
        });
    }
};

template <bool right, bool wrap> struct Funnel {
    static void run(Warp &w, const Inst &i, u32 m)
    {
        map3<u32, u32, u32, u32>(w, i, m, [](u32 a, u32 b, u32 c) {
            u32 n = wrap ? c & 31 : c > 32 ? 32 : c;
            u64 both = (u64)b << 32 | a;
            return right ? (u32)(both >> n) : (u32)(both << n >> 32);
        });
    }
};

template <class T> struct Field {
    typedef Lane<T> U;
    static constexpr u32 width = sizeof(T) * 8;
    static EMU_INLINE U low(u32 n) { return n >= width ? ~(U)0 : ((U)1 << n) - 1; }
    static void extract(Warp &w, const Inst &i, u32 m)
    {
        map3<T, T, u32, u32>(w, i, m, [](T a, u32 b, u32 c) {
            u32 pos = b & 255, len = c & 255, last = pos + len - 1;
            U bits = pos < width ? (U)a >> (pos & (width - 1)) & low(len) : 0;
            U sign = (U)a >> ((last < width ? last : width - 1) & (width - 1)) & 1;
            bool ones = (T)-1 < 0 && sign && len;
            U known = pos < width ? low(len < width - pos ? len : width - pos) : 0;
            return len == 0 ? (U)0 : ones ? bits | ~known : bits;
        });
    }
    /* f = b with `len` bits at `pos` from a; len is slot e */
    static void insert(Warp &w, const Inst &i, u32 m)
    {
        const U *a = lanes<T>(w, i.a), *b = lanes<T>(w, i.b);
        const u32 *c = lanes<u32>(w, i.c), *e = lanes<u32>(w, i.e);
        each(lanes<T>(w, i.d), m, [&](int l) {
            u32 pos = c[l] & 255, len = e[l] & 255;
            U mask = pos < width ? low(len) << (pos & (width - 1)) : 0;
            U put = pos < width ? a[l] << (pos & (width - 1)) : 0;
            return (b[l] & ~mask) | (put & mask);
        });
    }
    static EMU_INLINE u32 leading(U v)
    {
        return v == 0 ? width : (u32)(width == 64 ? __builtin_clzll(v) : __builtin_clz((u32)v));
    }
    template <bool shift> static void find(Warp &w, const Inst &i, u32 m)
    {
        map1<u32, T>(w, i, m, [](T a) {
            U v = (T)-1 < 0 && a < 0 ? ~(U)a : (U)a;
            u32 zeros = leading(v);
            return zeros == width ? ~0u : shift ? zeros : width - 1 - zeros;
        });
    }
    static void count(Warp &w, const Inst &i, u32 m)
    {
        map1<u32, T>(w, i, m, [](T a) {
            return (u32)(width == 64 ? __builtin_popcountll((u64)a) : __builtin_popcount((u32)a));
        });
    }
    static void zeros(Warp &w, const Inst &i, u32 m)
    {
        map1<u32, T>(w, i, m, [](T a) { return leading((U)a); });
    }
    static void reverse(Warp &w, const Inst &i, u32 m)
    {
        map1<T, T>(w, i, m, [](T a) {
            u64 v = (u64)a;
            v = (v >> 1 & 0x5555555555555555) | (v & 0x5555555555555555) << 1;
            v = (v >> 2 & 0x3333333333333333) | (v & 0x3333333333333333) << 2;
            v = (v >> 4 & 0x0f0f0f0f0f0f0f0f) | (v & 0x0f0f0f0f0f0f0f0f) << 4;
            return (T)(__builtin_bswap64(v) >> (64 - width));
        });
    }
    static Handler choose(const Key &k)
    {
        switch (k.op) {
        case Op::Bfe: return extract;
        case Op::Bfi: return insert;
        case Op::Bfind: return k.has(SHIFTAMT) ? find<true> : find<false>;
        case Op::Popc: return count;
        case Op::Clz: return zeros;
        case Op::Brev: return reverse;
        default: return nullptr;
        }
    }
};

/* d = the |offset|-th set bit of a, from bit b upwards or downwards; b itself counts. */
void find_nth(Warp &w, const Inst &i, u32 m)
{
    map3<u32, u32, u32, s32>(w, i, m, [](u32 a, u32 b, s32 offset) {
        s32 step = offset < 0 ? -1 : 1, left = offset < 0 ? -offset : offset;
        if (offset == 0) return b < 32 && a >> b & 1 ? b : ~0u;
        for (s64 pos = (s64)b; pos >= 0 && pos < 32; pos += step) {
            if ((a >> pos & 1) && --left == 0) return (u32)pos;
        }
        return ~0u;
    });
}

template <bool wrap> struct Mask {
    static void make(Warp &w, const Inst &i, u32 m)
    {
        map2<u32, u32, u32>(w, i, m, [](u32 a, u32 b) {
            u32 first = a & 31, n = b & 31, mask0 = ~0u << first;
            bool all = first + n >= 32 || (!wrap && b >= 32);
            u32 mask1 = all ? 0 : ~0u << ((first + n) & 31);
            if (!wrap && a >= 32) return 0u;
            return mask0 & ~mask1;
        });
    }
    template <class T> static void extend(Warp &w, const Inst &i, u32 m)
    {
        map2<T, T, u32>(w, i, m, [](T a, u32 b) {
            u32 n = wrap ? b & 31 : b > 32 ? 32 : b, shift = (32 - n) & 31;
            return n == 0 ? 0 : (T)((T)((u32)a << shift) >> shift);
        });
    }
};

/* prmt: i.x is the mode, 0 the general one. */
EMU_INLINE u32 byte_index(int mode, u32 selector, int k)
{
    u32 n = selector & 3;
    switch (mode) {
    case 1: return n + (u32)k;                 /* f4e */
    case 2: return (n - (u32)k) & 7;           /* b4e */
    case 3: return n;                          /* rc8 */
    case 4: return (u32)k > n ? (u32)k : n;    /* ecl */
    case 5: return (u32)k < n ? (u32)k : n;    /* ecr */
    case 6: return (n & 1) * 2 + (u32)(k & 1); /* rc16 */
    default: return selector >> (4 * k) & 15;
    }
}

template <int mode> struct Permute {
    static void run(Warp &w, const Inst &i, u32 m)
    {
        map3<u32, u32, u32, u32>(w, i, m, [](u32 a, u32 b, u32 c) {
            u64 bytes = (u64)b << 32 | a;
            u32 r = 0;
            for (int k = 0; k < 4; k++) {
                u32 index = byte_index(mode, c, k), byte = bytes >> (8 * (index & 7)) & 255;
                if (index & 8) byte = byte & 128 ? 255 : 0;
                r |= byte << (8 * k);
            }
            return r;
        });
    }
};

/* lop3: bit j of the table is the result for the bits a, b, c of j. */
void lop3(Warp &w, const Inst &i, u32 m)
{
    u32 t[8];
    for (int j = 0; j < 8; j++) t[j] = i.x >> j & 1 ? ~0u : 0;
    map3<u32, u32, u32, u32>(w, i, m, [&](u32 a, u32 b, u32 c) {
        u32 with_a = (b & ((c & t[7]) | (~c & t[6]))) | (~b & ((c & t[5]) | (~c & t[4])));
        u32 without = (b & ((c & t[3]) | (~c & t[2]))) | (~b & ((c & t[1]) | (~c & t[0])));
        return (a & with_a) | (~a & without);
    });
}

/* A and B are the types of single elements: a has bytes (dp4a) or halves (dp2a). */
template <class A, class B, int from> struct Dot {
    static void run(Warp &w, const Inst &i, u32 m)
    {
        map3<u32, u32, u32, u32>(w, i, m, [](u32 a, u32 b, u32 c) {
            constexpr int n = sizeof(A) == 1 ? 4 : 2;
            for (int k = 0; k < n; k++) {
                A x = (A)(a >> (k * (int)sizeof(A) * 8));
                B y = (B)(b >> ((k + from) * 8));
                c += (u32)((s32)x * (s32)y);
            }
            return c;
        });
    }
};

template <class S, class U, int from> Handler choose_dot(const Key &k)
{
    bool a = k.t == Type::S32, b = k.s == Type::S32;
    if (a) return b ? Dot<S, s8, from>::run : Dot<S, u8, from>::run;
    return b ? Dot<U, s8, from>::run : Dot<U, u8, from>::run;
}

Handler choose_shift_right(Type t)
{
    switch (t) {
    case Type::S16: return ShiftRight<s16>::run;
    case Type::S32: return ShiftRight<s32>::run;
    case Type::S64: return ShiftRight<s64>::run;
    default: break;
    }
    return type_bits(t) == 16   ? ShiftRight<u16>::run
           : type_bits(t) == 32 ? ShiftRight<u32>::run
                                : ShiftRight<u64>::run;
}

Handler choose_permute(const Key &k)
{
    static const Handler modes[] = { Permute<0>::run, Permute<1>::run, Permute<2>::run,
                                     Permute<3>::run, Permute<4>::run, Permute<5>::run,
                                     Permute<6>::run };
    return modes[k.vec];
}

Handler choose_field(const Key &k)
{
    switch (k.t) {
    case Type::S32: return Field<s32>::choose(k);
    case Type::S64: return Field<s64>::choose(k);
    case Type::U64:
    case Type::B64: return Field<u64>::choose(k);
    default: return Field<u32>::choose(k);
    }
}

} // namespace

Handler select_bits(const Key &k)
{
    bool wrap = k.has(WRAP), hi = k.has(HI);
    switch (k.op) {
    case Op::And:
    case Op::Or:
    case Op::Xor:
    case Op::Not:
    case Op::Cnot:
    case Op::Shl:
    case Op::Mov:
        return type_bits(k.t) == 64   ? Logic<u64>::choose(k)
               : type_bits(k.t) == 32 ? Logic<u32>::choose(k)
                                      : Logic<u16>::choose(k);
    case Op::Shr: return choose_shift_right(k.t);
    case Op::Shf:
        if (k.has(RIGHT)) return wrap ? Funnel<true, true>::run : Funnel<true, false>::run;
        return wrap ? Funnel<false, true>::run : Funnel<false, false>::run;
    case Op::Bfe:
    case Op::Bfi:
    case Op::Bfind:
    case Op::Brev:
    case Op::Popc:
    case Op::Clz: return choose_field(k);
    case Op::Fns: return find_nth;
    case Op::Bmsk: return wrap ? Mask<true>::make : Mask<false>::make;
    case Op::Szext:
        if (k.t == Type::S32) return wrap ? Mask<true>::extend<s32> : Mask<false>::extend<s32>;
        return wrap ? Mask<true>::extend<u32> : Mask<false>::extend<u32>;
    case Op::Prmt: return choose_permute(k);
    case Op::Lop3: return lop3;
    case Op::Dp4a: return choose_dot<s8, u8, 0>(k);
    case Op::Dp2a: return hi ? choose_dot<s16, u16, 2>(k) : choose_dot<s16, u16, 0>(k);
    default: return nullptr;
    }
}

} // namespace EMU_ISA
} // namespace emu
