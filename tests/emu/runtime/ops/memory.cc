/* ops/memory.cc - loads and stores: rows of lanes checked and moved at once where they lie side by
 * side, else lane by lane. Read next: reach.cc. */
#include "tests/emu/runtime/ops/lanes.hh"

#include "tests/emu/runtime/body.hh"

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

EMU_INLINE bool all_of(const u8 *state, u64 nbytes, u8 want)
{
    u8 all = want;
    for (u64 i = 0; i < nbytes; i++) all &= state[i];
    return all == want;
}

/* Words that another block of this launch wrote, or words that have to be looked at closely. */
EMU_INLINE bool row_readable(GlobalRace &g, u64 word, u64 n)
{
    u32 *writers = g.writers + word, *readers = g.readers + word;
    u32 first = g.launch_first, others = g.block_first - g.launch_first, now = g.now << 5;
    u32 here = g.now - g.launch_first, bad = 0;
    for (u64 j = 0; j < n; j++) {
        u32 w = writers[j], r = readers[j];
        bool other = (r >> 5) - first < others;
        bad |= ((w >> 5) - first < others) | (w == ~0u) | (other & ((r & 15) != 15));
    }
    if (bad) return false;
    for (u64 j = 0; j < n; j++) {
        u32 r = readers[j], age = (r >> 5) - first;
        u32 flag = age < others ? 16 : age <= here ? r & 16 : 0;
        readers[j] = now | flag | 15;
    }
    return true;
}

EMU_INLINE bool row_writable(GlobalRace &g, u64 word, u64 n)
{
    u32 *writers = g.writers + word, *readers = g.readers + word;
    u32 first = g.launch_first, others = g.block_first - g.launch_first, now = g.now << 5;
    u32 here = g.now - g.launch_first, bad = 0;
    for (u64 j = 0; j < n; j++) {
        u32 w = writers[j], r = readers[j], age = (r >> 5) - first;
        bad |= ((w >> 5) - first < others) | (w == ~0u) | (age < others) |
               ((age <= here) & ((r & 16) != 0));
    }
    if (bad) return false;
    for (u64 j = 0; j < n; j++) writers[j] = now | 15;
    return true;
}

/* A row of device memory that passes every check at once. */
EMU_INLINE bool row_of_heap(Warp &w, u64 at, u64 nbytes, bool store, bool strong)
{
    Heap &h = heap();
    Launch &l = w.block->l;
    if (!h.inside(at) || !h.inside(at + nbytes - 1)) return false;
    u8 *state = h.state(at);
    if (!all_of(state, nbytes, store ? (u8)LIVE : (u8)(LIVE | WRITTEN))) return false;
    if (l.race_global) {
        if (strong || ((at | nbytes) & 3)) return false;
        u64 word = (at - h.base()) / 4;
        if (!(store ? row_writable(l.global_race, word, nbytes / 4)
                    : row_readable(l.global_race, word, nbytes / 4))) {
            return false;
        }
    }
    if (store) memset(state, LIVE | WRITTEN, nbytes);
    return true;
}

/* Where the bytes of every lane in m are. */
template <Space space>
EMU_INLINE void find(Warp &w, const Inst &i, u32 m, const u64 *at, u32 n, Access access, u8 **p)
{
    bool strong = i.flags & STRONG, in_heap = space == Space::Global || space == Space::Generic;
    int step = spacing(at, n, m);
    if (space == Space::Shared || space == Space::Generic) {
        w.block->l.shared_race.next_instruction();
    }
    if (in_heap && step >= 0 && !(at[0] & (n - 1)) &&
        row_of_heap(w, at[0], step ? 32 * n : n, access == Access::Store, strong)) {
        for (int l = 0; l < 32; l++) p[l] = (u8 *)at[l];
        return;
    }
    for (u32 rest = m; rest; rest &= rest - 1) {
        int l = __builtin_ctz(rest);
        if (space == Space::Shared) p[l] = reach_shared(w, at[l], n, l, { access, strong });
        else if (space == Space::Local) p[l] = reach_local(w, at[l], n, l);
        else p[l] = reach(w, space, at[l], n, l, { access, strong });
        if (strong) order_strong(w, space, at[l], i.flags, access);
    }
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
        find<space>(w, i, m, at, (u32)sizeof(E) * v, Access::Load, p);
        for (u32 k = 0; k < v; k++) into_register<E>(w, i, m, i.list[k], p, k);
    }
    static void store(Warp &w, const Inst &i, u32 m)
    {
        u64 at[32];
        u8 *p[32];
        u32 v = (u32)i.e;
        addresses(w, i, at);
        find<space>(w, i, m, at, (u32)sizeof(E) * v, Access::Store, p);
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
