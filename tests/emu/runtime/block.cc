/* block.cc - one block: its memory, its warps in turn, its barriers. Read next: launch.cc. */
#include "tests/emu/runtime/warp.hh"

#include "tests/emu/runtime/body.hh"

#include <algorithm>

namespace emu
{

constexpr u64 QUANTUM = 20000; /* of a warp before the next one runs: it may spin on that one */
constexpr u32 SHARED_SPAN = DYNAMIC_BASE + (512u << 10);

Block::Block(Launch &launch) : l(launch), k(launch.k)
{
    static u8 *memory = (u8 *)reserve(SHARED_SPAN), *state = (u8 *)reserve(SHARED_SPAN);
    static u32 used_static, used_dynamic;
    shared = memory;
    shared_state = state;
    memset(state, 0, used_static);
    memset(state + DYNAMIC_BASE, 0, used_dynamic);
    used_static = k.shared_span;
    used_dynamic = k.dynamic_at - DYNAMIC_BASE + l.dynamic;
    nthreads = l.threads[0] * l.threads[1] * l.threads[2];
    warps.resize((nthreads + 31) / 32);
    local.resize((u64)warps.size() * 32 * k.local_nbytes);
    for (u32 i = 0; i < warps.size(); i++) {
        warps[i].id = i;
        warps[i].block = this;
        order_.push_back(i);
    }
    if (l.sched == Sched::Reverse) std::reverse(order_.begin(), order_.end());
}

void Block::fail(const std::string &what) const
{
    fault(cudaErrorLaunchFailure, "%s; kernel %s block (%u,%u,%u)", what.c_str(), k.name.c_str(),
          at[0], at[1], at[2]);
}

/* Shared and local memory is 0xff at the start of a block, and shared memory not written. */
void Block::reset()
{
    memset(shared, 0xff, k.shared_span);
    for (auto &v : k.shared_vars) memset(shared_state + v.first, LIVE, v.second);
    memset(shared + k.dynamic_at, 0xff, l.dynamic);
    memset(shared_state + k.dynamic_at, LIVE, l.dynamic);
    if (!local.empty()) memset(local.data(), 0xff, local.size());
    for (u32 i = 0; i < warps.size(); i++) {
        u32 n = std::min(nthreads - i * 32, 32u);
        warps[i].start(n == 32 ? ALL_LANES : (1u << n) - 1, k);
    }
    for (Barrier &b : barriers) b = Barrier();
    steps = 0;
}

void Block::run(u64 index)
{
    at[0] = (u32)(index % l.grid[0]);
    at[1] = (u32)(index / l.grid[0] % l.grid[1]);
    at[2] = (u32)(index / l.grid[0] / l.grid[1]);
    reset();
    if (l.race) l.shared_race.begin_block((u32)warps.size());
    if (l.race_global) l.global_race.begin_block(index);
    while (round()) {
    }
    if (live_threads()) deadlock();
    l.k.warp_steps += steps;
}

bool Block::round()
{
    bool any = false;
    if (l.sched == Sched::Random) {
        for (u32 i = (u32)order_.size(); i > 1; i--) {
            std::swap(order_[i - 1], order_[l.random.below(i)]);
        }
    }
    for (u32 i : order_) {
        if (!warps[i].runnable()) continue;
        any = true;
        warps[i].run(l.sched == Sched::Random ? 1 + l.random.below(64) : QUANTUM);
        for (u32 id = 0; id < 16; id++) { /* an exit may complete one */
            if (barriers[id].in_use) try_release(id);
        }
    }
    return any;
}

u32 Block::live_threads() const
{
    u32 n = 0;
    for (const Warp &w : warps) n += (u32)__builtin_popcount(w.live);
    return n;
}

void Block::deadlock()
{
    std::string text;
    for (const Warp &w : warps) text += w.waiting();
    fail("barrier deadlock:" + text);
}

bool Block::arrive(Warp &w, const Inst &i, u32 lanes, u32 *id)
{
    int lane = __builtin_ctz(lanes);
    *id = (w.r + i.a)[lane];
    u32 expected = i.flags & LOW ? (w.r + i.b)[lane] : 0;
    if (*id >= 16) w.fail(lane, format("barrier %u; there are 16", *id));
    if (expected % 32) w.fail(lane, format("barrier for %u threads; not whole warps", expected));
    Barrier &b = barriers[*id];
    if (b.in_use && b.expected != expected) {
        w.fail(lane, format("barrier %u is for %u threads here and for %u elsewhere (0: all)", *id,
                            expected, b.expected));
    }
    if (!b.in_use) {
        b = Barrier();
        b.in_use = true;
        b.expected = expected;
    }
    u32 n = (u32)__builtin_popcount(lanes);
    b.threads += n;
    b.rounded += i.flags & TRANS ? 32 : n;
    if (i.x == 1) b.trues += (u32)__builtin_popcount(w.pred(i.c, i.flags & NEGATED) & lanes);
    if (expected && b.rounded > expected) {
        w.fail(lane, format("barrier %u: %u threads came, it is for %u", *id, b.rounded, expected));
    }
    if (l.race) l.shared_race.arrive(b.clock, w.id);
    if (i.x != 2) return true;
    try_release(*id);
    return false;
}

void Block::try_release(u32 id)
{
    Barrier &b = barriers[id];
    if (b.expected ? b.rounded == b.expected : b.threads == live_threads()) release(id);
}

/* What a barrier with a reduction gives the lanes of a group. */
static void give_result(Warp &w, const Inst &i, const Barrier &b, u32 lanes)
{
    if (i.y == 0) {
        for (u32 lane = 0; lane < 32; lane++) {
            if (lanes >> lane & 1) (w.r + i.d)[lane] = b.trues;
        }
        return;
    }
    bool truth = i.y == 1 ? b.trues == b.threads : b.trues > 0;
    w.set_pred(i.d, truth ? ALL_LANES : 0, lanes);
}

void Block::release(u32 id)
{
    Barrier b = barriers[id];
    barriers[id] = Barrier();
    u32 released = 0;
    for (Warp &w : warps) {
        u32 lanes = 0;
        for (u32 n = 0; n < w.ngroups; n++) {
            Group &g = w.groups[n];
            if (g.wait != Group::Block || g.barrier != id) continue;
            const Inst &i = k.code[g.pc];
            if (i.x == 1) give_result(w, i, b, g.lanes);
            lanes |= g.lanes;
            g.wait = Group::None;
            g.pc++;
        }
        if (!lanes) continue;
        released |= 1u << w.id;
        if (l.race && lanes == w.live) l.shared_race.rested(b.clock, w.id);
    }
    for (Warp &w : warps) {
        if (l.race && (released >> w.id & 1)) l.shared_race.leave(b.clock, w.id);
    }
}

} // namespace emu
