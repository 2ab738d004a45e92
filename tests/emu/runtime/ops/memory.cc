/* ops/memory.cc - loads and stores: rows of lanes checked and moved at once where they lie side by
 * side, else lane by lane. Read next: quick.hh, reach.cc. */
#include "tests/emu/runtime/ops/quick.hh"

namespace emu
{
namespace EMU_ISA
{
namespace
{

/* i.a, i.x, i.imm: base slot, its bits (0: none), offset. */
EMU_INLINE void addresses(const Warp &w, const Inst &i, u64 *at)
{
    const u64 *wide = (const u64 *)(w.r + i.a);
    const u32 *narrow = w.r + i.a;
    u64 offset = (u64)i.imm;
    if (i.x == 64) {
        for (int l = 0; l < 32; l++) at[l] = wide[l] + offset;
    } else if (i.x == 32) {
        for (int l = 0; l < 32; l++) at[l] = (u32)(narrow[l] + offset);
    } else {
        for (int l = 0; l < 32; l++) at[l] = offset;
    }
}

/* How far apart the addresses of neighbouring lanes are: 0, n, or -1 for anything else. */
EMU_INLINE int spacing(const u64 *at, u32 n, u32 m)
{
    if (m != ALL_LANES) return -1;
    u64 same = 0, row = 0;
    for (u64 l = 0; l < 32; l++) {
        same |= at[l] - at[0];
        row |= at[l] - at[0] - l * n;
    }
    return row == 0 ? (int)n : same == 0 ? 0 : -1;
}

/* Where the bytes of every lane in m are; n is how many each lane has. */
template <Space space, u32 n>
void find(Warp &w, const Inst &i, u32 m, const u64 *at, Access access, u8 **p)
{
    bool strong = i.flags & STRONG, store = access == Access::Store;
    bool in_heap = space == Space::Global || space == Space::Generic;
    int step = spacing(at, n, m);
    if (space == Space::Shared || space == Space::Generic) {
        w.block->l.shared_race.next_instruction();
    }
    if (in_heap && step >= 0 && !(at[0] & (n - 1)) &&
        quick_heap(w, at[0], step ? 32 * n : n, store, strong)) {
        for (int l = 0; l < 32; l++) p[l] = (u8 *)at[l];
        return;
    }
    SharedView shared(w);
    u64 last = ~(u64)0;
    int repeats = 0;
    for (u32 rest = m; rest; rest &= rest - 1) {
        int l = __builtin_ctz(rest);
        u64 a = at[l];
        /* loads of one place by many lanes: two stand for all of them in the record */
        repeats = a == last ? repeats + 1 : 0;
        last = a;
        if (repeats > 1 && space == Space::Shared && !store && !strong) {
            p[l] = shared.memory + a;
        } else if (in_heap && !(a & (n - 1)) && quick_heap(w, a, n, store, strong)) {
            p[l] = (u8 *)a;
        } else if (space == Space::Shared && !strong && shared.quick<n>(a, (u32)l, store)) {
            p[l] = shared.memory + a;
        } else {
            p[l] = reach(w, space, a, n, l, { access, strong });
        }
        if (strong) order_strong(w, space, a, i.flags, access);
    }
}

template <Space space, u32 n>
EMU_INLINE void find_vector(Warp &w, const Inst &i, u32 m, const u64 *at, Access access, u8 **p)
{
    if (i.e == 1) find<space, n>(w, i, m, at, access, p);
    else if (i.e == 2) find<space, 2 * n>(w, i, m, at, access, p);
    else find<space, 4 * n>(w, i, m, at, access, p);
}

template <class E> EMU_INLINE E fetch(const u8 *p)
{
    E v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* One element of each lane into a register of i.y bits. E says how it is widened. */
template <class E>
EMU_INLINE void into_register(Warp &w, const Inst &i, u32 m, s32 slot, u8 **p, u32 k)
{
    constexpr u32 n = sizeof(E);
    u32 *d = w.r + slot;
    if (i.y == 64) {
        u64 *wide = (u64 *)d;
        for (u32 rest = m; rest; rest &= rest - 1) {
            int l = __builtin_ctz(rest);
            wide[l] = (u64)(s64)fetch<E>(p[l] + k * n);
        }
        return;
    }
    u32 keep = i.y == 32 ? ~0u : (1u << i.y) - 1;
    if (m == ALL_LANES) {
        for (int l = 0; l < 32; l++) d[l] = (u32)fetch<E>(p[l] + k * n) & keep;
        return;
    }
    for (u32 rest = m; rest; rest &= rest - 1) {
        int l = __builtin_ctz(rest);
        d[l] = (u32)fetch<E>(p[l] + k * n) & keep;
    }
}

template <class E, Space space> struct Move {
    static void load(Warp &w, const Inst &i, u32 m)
    {
        u64 at[32];
        u8 *p[32];
        u32 v = (u32)i.e;
        addresses(w, i, at);
        find_vector<space, sizeof(E)>(w, i, m, at, Access::Load, p);
        for (u32 k = 0; k < v; k++) into_register<E>(w, i, m, i.list[k], p, k);
    }
    static void store(Warp &w, const Inst &i, u32 m)
    {
        u64 at[32];
        u8 *p[32];
        u32 v = (u32)i.e;
        addresses(w, i, at);
        find_vector<space, sizeof(E)>(w, i, m, at, Access::Store, p);
        bool backwards = w.block->l.sched == Sched::Reverse; /* which lane wins is not defined */
        for (u32 k = 0; k < v; k++) {
            const u32 *narrow = w.r + i.list[k];
            const u64 *wide = (const u64 *)narrow;
            for (u32 rest = m; rest;) {
                int l = backwards ? 31 - __builtin_clz(rest) : __builtin_ctz(rest);
                rest &= ~(1u << l);
                E e = (E)(i.y == 64 ? wide[l] : narrow[l]);
                memcpy(p[l] + k * sizeof(E), &e, sizeof e);
            }
        }
    }
};

/* ld.param of a kernel from a fixed place: the same for all lanes. */
template <class E> void load_param(Warp &w, const Inst &i, u32 m)
{
    u32 n = (u32)sizeof(E) * (u32)i.e;
    u8 *p = reach_param(w, (u64)i.imm, n, __builtin_ctz(m));
    for (s32 k = 0; k < i.e; k++) {
        E v = fetch<E>(p + k * (int)sizeof(E));
        if (i.y == 64) {
            each((u64 *)(w.r + i.list[k]), m, [&](int) { return (u64)(s64)v; });
        } else {
            u32 keep = i.y == 32 ? ~0u : (1u << i.y) - 1;
            each(w.r + i.list[k], m, [&](int) { return (u32)v & keep; });
        }
    }
}

template <class E> Handler choose_space(const Key &k)
{
    bool store = k.op == Op::St;
    switch (k.space) {
    case Space::Global: return store ? Move<E, Space::Global>::store : Move<E, Space::Global>::load;
    case Space::Shared: return store ? Move<E, Space::Shared>::store : Move<E, Space::Shared>::load;
    case Space::Local: return store ? Move<E, Space::Local>::store : Move<E, Space::Local>::load;
    case Space::Const: return store ? nullptr : Move<E, Space::Const>::load;
    case Space::Param: return store ? nullptr : Move<E, Space::Param>::load;
    default: return store ? Move<E, Space::Generic>::store : Move<E, Space::Generic>::load;
    }
}

template <class E> Handler choose(const Key &k)
{
    return k.op == Op::LdParam ? load_param<E> : choose_space<E>(k);
}

} // namespace

/* Elements of i.y bits in registers i.list[0 .. i.e). */
Handler select_memory(const Key &k)
{
    if (k.op != Op::Ld && k.op != Op::St && k.op != Op::LdParam) return nullptr;
    switch (type_bits(k.t)) {
    case 8: return is_signed(k.t) ? choose<s8>(k) : choose<u8>(k);
    case 16: return is_signed(k.t) ? choose<s16>(k) : choose<u16>(k);
    case 32: return is_signed(k.t) ? choose<s32>(k) : choose<u32>(k);
    case 64: return choose<u64>(k);
    default: return nullptr;
    }
}

} // namespace EMU_ISA
} // namespace emu
