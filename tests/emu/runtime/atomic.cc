/* atomic.cc - atom and red: one lane after the other, in the order of the schedule.
 * Read next: lower_memory.cc, reach.cc. */
#include "tests/emu/runtime/ops.hh"

#include <cmath>

namespace emu
{

/* Values: bits of a type to what is calculated with, and back. */
template <class T> struct Plain {
    typedef T raw;
    static T get(T v) { return v; }
    static T put(T v) { return v; }
};
struct Float32 {
    typedef u32 raw;
    static float get(u32 v)
    {
        float f;
        memcpy(&f, &v, 4);
        return f;
    }
    static u32 put(float f)
    {
        u32 v;
        memcpy(&v, &f, 4);
        return f != f ? 0x7fffffff : v;
    }
};
struct Float64 {
    typedef u64 raw;
    static double get(u64 v)
    {
        double d;
        memcpy(&d, &v, 8);
        return d;
    }
    static u64 put(double d)
    {
        u64 v;
        memcpy(&v, &d, 8);
        return v;
    }
};

struct Add {
    template <class T> static T of(T old, T b, T) { return old + b; }
};
struct Min {
    template <class T> static T of(T old, T b, T) { return b < old ? b : old; }
};
struct Max {
    template <class T> static T of(T old, T b, T) { return b > old ? b : old; }
};
struct And {
    template <class T> static T of(T old, T b, T) { return old & b; }
};
struct Or {
    template <class T> static T of(T old, T b, T) { return old | b; }
};
struct Xor {
    template <class T> static T of(T old, T b, T) { return old ^ b; }
};
struct Exchange {
    template <class T> static T of(T, T b, T) { return b; }
};
struct Swap { /* cas: b is compared, c is stored */
    template <class T> static T of(T old, T b, T c) { return old == b ? c : old; }
};
struct Increment {
    template <class T> static T of(T old, T b, T) { return old >= b ? 0 : old + 1; }
};
struct Decrement {
    template <class T> static T of(T old, T b, T) { return old == 0 || old > b ? b : old - 1; }
};

static u64 lane_of(const Warp &w, s32 slot, int lane, bool wide)
{
    return wide ? ((const u64 *)(w.r + slot))[lane] : w.r[slot + lane];
}

/* Calls f(old, b, c) on the bits of each lane's place; i.x bits of the address, i.y the space,
 * i.d where the old value goes. b and c are of nbytes. */
template <class R, class F> static void on_memory(Warp &w, const Inst &i, u32 mask, F f)
{
    constexpr bool wide = sizeof(R) == 8;
    bool backwards = w.block->l.sched == Sched::Reverse;
    w.block->l.shared_race.next_instruction();
    while (mask) {
        int l = backwards ? 31 - __builtin_clz(mask) : __builtin_ctz(mask);
        mask &= ~(1u << l);
        u64 at = (u64)i.imm + (i.x ? lane_of(w, i.a, l, i.x == 64) : 0);
        if (i.x == 32) at = (u32)at;
        u8 *p = reach(w, (Space)i.y, at, sizeof(R), l, { Access::Atomic, true });
        order_strong(w, (Space)i.y, at, i.flags, Access::Atomic);
        R old;
        memcpy(&old, p, sizeof old);
        R now = f(old, (R)lane_of(w, i.b, l, wide), (R)lane_of(w, i.c, l, wide));
        memcpy(p, &now, sizeof now);
        if (wide) ((u64 *)(w.r + i.d))[l] = old;
        else w.r[i.d + l] = (u32)old;
    }
}

template <class V, class O> static void run(Warp &w, const Inst &i, u32 mask)
{
    typedef typename V::raw R;
    on_memory<R>(w, i, mask, [](R old, R b, R c) {
        return (R)V::put(O::of(V::get(old), V::get(b), V::get(c)));
    });
}

/* Adding f32 in global memory flushes subnormal numbers; in shared memory it does not. */
static void add_f32(Warp &w, const Inst &i, u32 mask)
{
    bool ftz = (Space)i.y != Space::Shared;
    auto flush = [&](float x) {
        return ftz && std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x;
    };
    on_memory<u32>(w, i, mask, [&](u32 old, u32 b, u32) {
        return Float32::put(flush(flush(Float32::get(old)) + flush(Float32::get(b))));
    });
}

/* Halves of a word; i.e is the type of one. */
template <class R> static void add_halves(Warp &w, const Inst &i, u32 mask)
{
    on_memory<R>(w, i, mask, [&](R old, R b, R) {
        R sum = 0;
        for (u32 at = 0; at < sizeof(R) * 8; at += 16) {
            double x = half_to_double((u16)(old >> at), (Type)i.e);
            double y = half_to_double((u16)(b >> at), (Type)i.e);
            sum = (R)(sum | (R)double_to_half(x + y, (Type)i.e) << at);
        }
        return sum;
    });
}

template <class O> static Handler integers(Type t)
{
    switch (t) {
    case Type::U32: return run<Plain<u32>, O>;
    case Type::S32: return run<Plain<s32>, O>;
    case Type::U64: return run<Plain<u64>, O>;
    case Type::S64: return run<Plain<s64>, O>;
    default: return nullptr;
    }
}

template <class O> static Handler bits(Type t)
{
    return t == Type::B32 ? run<Plain<u32>, O> : t == Type::B64 ? run<Plain<u64>, O> : nullptr;
}

static Handler select_add(Type t)
{
    switch (t) {
    case Type::F32: return add_f32;
    case Type::F64: return run<Float64, Add>;
    case Type::F16:
    case Type::BF16: return add_halves<u16>;
    case Type::F16x2:
    case Type::BF16x2: return add_halves<u32>;
    case Type::S64: return nullptr; /* PTX has .u64 only */
    default: return integers<Add>(t);
    }
}

Handler select_atomic(const std::string &operation, Type t)
{
    if (operation == "add") return select_add(t);
    if (operation == "min") return integers<Min>(t);
    if (operation == "max") return integers<Max>(t);
    if (operation == "and") return bits<And>(t);
    if (operation == "or") return bits<Or>(t);
    if (operation == "xor") return bits<Xor>(t);
    if (operation == "exch") return bits<Exchange>(t);
    if (operation == "cas") return t == Type::B16 ? run<Plain<u16>, Swap> : bits<Swap>(t);
    if (operation == "inc") return t == Type::U32 ? run<Plain<u32>, Increment> : nullptr;
    if (operation == "dec") return t == Type::U32 ? run<Plain<u32>, Decrement> : nullptr;
    return nullptr;
}

} // namespace emu
