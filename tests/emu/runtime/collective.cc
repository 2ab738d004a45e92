/* collective.cc - instructions that lanes of a warp do together: mask is the member mask, and all
 * of it has come (warp.cc sees to that). Read next: lower_warp.cc. */
#include "tests/emu/runtime/ops.hh"

#include <algorithm>

namespace emu
{

template <class F> static void for_each(u32 mask, F f)
{
    for (; mask; mask &= mask - 1) f((u32)__builtin_ctz(mask));
}

void run_warpsync(Warp &w, const Inst &, u32 mask)
{
    if (w.block->l.race) w.block->l.shared_race.sync_lanes(w.id, mask, w.live);
}

/* i.a value, i.e lane or distance, i.y clamp and segments, i.c predicate; i.x: idx, up, down, bfly
 */
void run_shuffle(Warp &w, const Inst &i, u32 mask)
{
    const u32 *value = w.r + i.a, *distance = w.r + i.e, *control = w.r + i.y;
    u32 out[32], inside = 0;
    for_each(mask, [&](u32 lane) {
        u32 b = distance[lane] & 31, clamp = control[lane] & 31, segment = control[lane] >> 8 & 31;
        u32 last = (lane & segment) | (clamp & ~segment & 31), first = lane & segment;
        s32 from = (s32)(i.x == 0   ? first | (b & ~segment)
                         : i.x == 1 ? lane - b
                         : i.x == 2 ? lane + b
                                    : lane ^ b);
        bool in = i.x == 1 ? from >= (s32)last : from <= (s32)last;
        if (!in) from = (s32)lane;
        if (!(mask >> from & 1)) {
            w.fail((int)lane, format("shuffle reads lane %d, which is not in the member mask %08x",
                                     from, mask));
        }
        out[lane] = value[from];
        inside |= (u32)in << lane;
    });
    for_each(mask, [&](u32 lane) { w.r[i.d + (s32)lane] = out[lane]; });
    w.set_pred(i.c, inside, mask);
}

/* i.a predicate; i.x: all, any, uni, ballot */
void run_vote(Warp &w, const Inst &i, u32 mask)
{
    u32 yes = w.pred(i.a, i.flags & NEGATED) & mask;
    if (i.x == 3) {
        for_each(mask, [&](u32 lane) { w.r[i.d + (s32)lane] = yes; });
        return;
    }
    bool truth = i.x == 0 ? yes == mask : i.x == 1 ? yes != 0 : yes == 0 || yes == mask;
    w.set_pred(i.d, truth ? ALL_LANES : 0, mask);
}

/* i.x: any, all; i.y bits of the value */
void run_match(Warp &w, const Inst &i, u32 mask)
{
    auto value = [&](u32 lane) {
        return i.y == 64 ? ((u64 *)(w.r + i.a))[lane] : (u64)w.r[i.a + (s32)lane];
    };
    u32 out[32], all_same = 0;
    for_each(mask, [&](u32 lane) {
        u32 same = 0;
        for_each(mask, [&](u32 other) { same |= (u32)(value(other) == value(lane)) << other; });
        if (same == mask) all_same = ALL_LANES;
        out[lane] = i.x && same != mask ? 0 : same;
    });
    for_each(mask, [&](u32 lane) { w.r[i.d + (s32)lane] = out[lane]; });
    if (i.x) w.set_pred(i.c, all_same, mask);
}

/* i.x: add, min, max, and, or, xor; i.y: signed */
void run_redux(Warp &w, const Inst &i, u32 mask)
{
    const u32 *a = w.r + i.a;
    u32 r = a[__builtin_ctz(mask)];
    for_each(mask & (mask - 1), [&](u32 lane) {
        u32 v = a[lane];
        bool less = i.y ? (s32)v < (s32)r : v < r;
        switch (i.x) {
        case 0: r += v; break;
        case 1: r = less ? v : r; break;
        case 2: r = less ? r : v; break;
        case 3: r &= v; break;
        case 4: r |= v; break;
        default: r ^= v; break;
        }
    });
    for_each(mask, [&](u32 lane) { w.r[i.d + (s32)lane] = r; });
}

void run_elect(Warp &w, const Inst &i, u32 mask)
{
    u32 leader = (u32)__builtin_ctz(mask);
    for_each(mask, [&](u32 lane) { w.r[i.d + (s32)lane] = leader; });
    w.set_pred(i.c, 1u << leader, mask);
}

void run_activemask(Warp &w, const Inst &i, u32 mask)
{
    for_each(mask, [&](u32 lane) { w.r[i.d + (s32)lane] = mask; });
}

} // namespace emu
