/* reach.cc - one access of one lane to a state space, with all its checks. Read next: ops.hh,
 * ops/memory.cc (rows of lanes at once). */
#include "tests/emu/runtime/ops.hh"

#include "tests/emu/runtime/body.hh"

namespace emu
{

static const char *name_of(Access a)
{
    return a == Access::Load ? "load" : a == Access::Store ? "store" : "atomic operation";
}

static void check_alignment(Warp &w, u64 at, u32 nbytes, int lane, Access access)
{
    if (at & (nbytes - 1)) {
        w.fail(lane,
               format("misaligned %s of %u bytes at 0x%llx", name_of(access), nbytes,
                      (unsigned long long)at),
               cudaErrorMisalignedAddress);
    }
}

/* Whether all bytes are live, and whether all were written. */
static bool live(const u8 *state, u32 nbytes, bool *written)
{
    u8 all = LIVE | WRITTEN;
    for (u32 i = 0; i < nbytes; i++) all &= state[i];
    *written = all & WRITTEN;
    return all & LIVE;
}

void race_on_global(Warp &w, u64 at, u32 nbytes, int lane, Access access, u32 stamp)
{
    Launch &l = w.block->l;
    u64 block = l.global_race.block_of(stamp);
    const u32 *g = l.grid;
    w.complain(RACE, lane,
               format("race between blocks: %s of %u bytes at %s, which block (%u,%u,%u) %s in the "
                      "same launch",
                      name_of(access), nbytes, heap().describe(at).c_str(), (u32)(block % g[0]),
                      (u32)(block / g[0] % g[1]), (u32)(block / g[0] / g[1]),
                      l.global_race.doing()));
}

static u32 check_race(GlobalRace &race, u64 at, u32 nbytes, AccessKind kind)
{
    if (kind.access == Access::Load) return race.read(at, nbytes, kind.strong);
    return race.write(at, nbytes, kind.strong);
}

u8 *reach_global(Warp &w, u64 at, u32 nbytes, int lane, AccessKind kind)
{
    check_alignment(w, at, nbytes, lane, kind.access);
    Heap &h = heap();
    bool written = true, inside = h.inside(at) && h.inside(at + nbytes - 1);
    if (!inside && pinned(at, nbytes)) return (u8 *)at;
    u8 *state = inside ? h.state(at) : nullptr;
    if (!inside || !live(state, nbytes, &written)) {
        w.fail(lane,
               format("%s of %u bytes outside every allocation, at %s", name_of(kind.access),
                      nbytes, h.describe(at).c_str()),
               cudaErrorIllegalAddress);
    }
    if (kind.access != Access::Store && !written && w.block->l.init) {
        w.complain(UNWRITTEN, lane,
                   format("%s of device memory that was never written, at %s", name_of(kind.access),
                          h.describe(at).c_str()));
    }
    if (kind.access != Access::Load) memset(state, LIVE | WRITTEN, nbytes);
    if (w.block->l.race_global) {
        u32 stamp = check_race(w.block->l.global_race, at, nbytes, kind);
        if (stamp) race_on_global(w, at, nbytes, lane, kind.access, stamp);
    }
    return (u8 *)at;
}

/* Constants: no kernel writes them. */
u8 *reach_const(Warp &w, u64 at, u32 nbytes, int lane)
{
    check_alignment(w, at, nbytes, lane, Access::Load);
    bool written;
    if (!heap().inside(at) || !live(heap().state(at), nbytes, &written)) {
        w.fail(lane,
               format("load of %u bytes outside every constant variable, at %s", nbytes,
                      heap().describe(at).c_str()),
               cudaErrorIllegalAddress);
    }
    return (u8 *)at;
}

u8 *reach_shared(Warp &w, u64 at, u32 nbytes, int lane, AccessKind kind)
{
    check_alignment(w, at, nbytes, lane, kind.access);
    Block &b = *w.block;
    u32 dynamic_end = b.k.dynamic_at + b.l.dynamic;
    bool written = true, inside = at + nbytes <= dynamic_end;
    u8 *state = b.shared_state + (inside ? at : 0);
    if (!inside || !live(state, nbytes, &written)) {
        bool dynamic = at >= b.k.dynamic_at;
        w.fail(lane,
               format("%s of %u bytes outside every shared variable, at %s offset %llu "
                      "(static %u bytes, dynamic %u bytes)",
                      name_of(kind.access), nbytes, dynamic ? "dynamic" : "static",
                      (unsigned long long)(dynamic ? at - b.k.dynamic_at : at), b.k.shared_nbytes,
                      b.l.dynamic),
               cudaErrorIllegalAddress);
    }
    if (kind.access != Access::Store && !written && b.l.init) {
        w.complain(UNWRITTEN, lane,
                   format("%s of shared memory that this block never wrote, at "
                          "offset %llu",
                          name_of(kind.access), (unsigned long long)at));
    }
    if (kind.access != Access::Load) memset(state, LIVE | WRITTEN, nbytes);
    if (b.l.race) {
        SharedRace &race = b.l.shared_race;
        bool fine = kind.access == Access::Load
                        ? race.read((u32)at, nbytes, w.id, (u32)lane, kind.strong)
                        : race.write((u32)at, nbytes, w.id, (u32)lane, kind.strong);
        if (!fine) {
            w.complain(RACE, lane,
                       format("race on shared memory: %s of %u bytes at offset %llu, %s "
                              "with nothing between that orders them",
                              name_of(kind.access), nbytes, (unsigned long long)at,
                              race.other().c_str()));
        }
    }
    return b.shared + at;
}

u8 *reach_local(Warp &w, u64 at, u32 nbytes, int lane)
{
    check_alignment(w, at, nbytes, lane, Access::Load);
    if (at + nbytes > w.block->k.local_nbytes || at + nbytes < at) {
        w.fail(lane,
               format("access of %u bytes outside local memory, at offset %llu of %u", nbytes,
                      (unsigned long long)at, w.block->k.local_nbytes),
               cudaErrorIllegalAddress);
    }
    return w.block->local_of(w, (u32)lane) + at;
}

u8 *reach_param(Warp &w, u64 at, u32 nbytes, int lane)
{
    check_alignment(w, at, nbytes, lane, Access::Load);
    if (at + nbytes > w.block->k.param_nbytes || at + nbytes < at) {
        w.fail(lane,
               format("load of %u bytes outside the parameters, at offset %llu of %u", nbytes,
                      (unsigned long long)at, w.block->k.param_nbytes),
               cudaErrorIllegalAddress);
    }
    return (u8 *)w.block->l.params + at;
}

u8 *reach(Warp &w, Space space, u64 at, u32 nbytes, int lane, AccessKind kind)
{
    if (space == Space::Generic) {
        u64 window = at & WINDOW_MASK;
        space = window == SHARED_WINDOW  ? Space::Shared
                : window == LOCAL_WINDOW ? Space::Local
                : window == PARAM_WINDOW ? Space::Param
                                         : Space::Global;
        if (space != Space::Global) at &= ~WINDOW_MASK;
    }
    switch (space) {
    case Space::Shared: return reach_shared(w, at, nbytes, lane, kind);
    case Space::Local: return reach_local(w, at, nbytes, lane);
    case Space::Const: return reach_const(w, at, nbytes, lane);
    case Space::Param:
        if (kind.access != Access::Load) w.fail(lane, "a kernel's parameters cannot be written");
        return reach_param(w, at, nbytes, lane);
    default: return reach_global(w, at, nbytes, lane, kind);
    }
}

void order_strong(Warp &w, Space space, u64 at, u32 flags, Access access)
{
    Launch &l = w.block->l;
    if (!l.race) return;
    if (space == Space::Shared) at |= SHARED_WINDOW;
    bool reads = access != Access::Store, writes = access != Access::Load;
    if (reads) l.shared_race.acquire(w.id, at, (flags & ACQUIRE) || writes);
    if (writes) l.shared_race.release(w.id, at, flags & RELEASE);
    if (!l.race_global || space == Space::Shared) return;
    if (reads) l.global_race.acquire(at);
    if (writes && (flags & RELEASE)) l.global_race.fence();
    if (writes) l.global_race.release(at);
}

} // namespace emu
