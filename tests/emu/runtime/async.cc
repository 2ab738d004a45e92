/* async.cc - cp.async: the bytes arrive when the thread waits for them, as late as hardware may be.
 * Read next: lower_memory.cc, reach.cc. */
#include "tests/emu/runtime/ops.hh"

namespace emu
{

static u64 address_of(const Warp &w, s32 slot, s32 bits, s64 offset, u32 lane)
{
    if (bits == 64) return ((const u64 *)(w.r + slot))[lane] + (u64)offset;
    if (bits == 32) return (u32)(w.r[slot + (s32)lane] + (u32)offset);
    return (u64)offset;
}

/* The place must be free to be written now; it counts as written only at the wait. */
static void check_place(Warp &w, u64 to, u32 nbytes, int lane)
{
    u8 *state = w.block->shared_state, before[16] = {};
    bool inside = to + nbytes <= w.block->k.dynamic_at + w.block->l.dynamic;
    if (inside) memcpy(before, state + to, nbytes);
    reach_shared(w, to, nbytes, lane, { Access::Store });
    if (inside) memcpy(state + to, before, nbytes);
}

/* Only the bytes that are copied have to exist. */
static void check_source(Warp &w, u64 from, u32 nbytes, u32 valid, int lane)
{
    if (from & (nbytes - 1)) {
        w.fail(lane,
               format("misaligned cp.async of %u bytes from 0x%llx", nbytes,
                      (unsigned long long)from),
               cudaErrorMisalignedAddress);
    }
    for (u32 i = 0; i < valid;) {
        u32 n = valid == nbytes ? nbytes : valid - i >= 4 ? 4 : 1;
        reach_global(w, from + i, n, lane, { Access::Load });
        i += n;
    }
}

/* To: i.a, i.x, i.imm. i.list: from's slot, bits and offset; bytes; slot of the source size or 0;
 * predicate that says "ignore the source" or -1. */
void run_copy_async(Warp &w, const Inst &i, u32 mask)
{
    const s32 *p = i.list;
    u32 nbytes = (u32)p[3], ignored = p[5] < 0 ? 0 : w.pred(p[5], i.flags & NEGATED);
    w.block->l.shared_race.next_instruction();
    for (; mask; mask &= mask - 1) {
        u32 lane = (u32)__builtin_ctz(mask);
        Copy c;
        c.lane = lane;
        c.group = w.committed[lane];
        c.nbytes = nbytes;
        c.valid = p[4] ? (w.r + p[4])[lane] : nbytes;
        if (c.valid > nbytes) {
            w.fail((int)lane,
                   format("cp.async of %u bytes with a source size of %u", nbytes, c.valid));
        }
        if (ignored >> lane & 1) c.valid = 0;
        u64 to = address_of(w, i.a, i.x, i.imm, lane);
        c.to = (u32)to;
        c.from = address_of(w, p[0], p[1], p[2], lane);
        check_source(w, c.from, nbytes, c.valid, (int)lane);
        check_place(w, to, nbytes, (int)lane);
        w.copies.push_back(c);
    }
}

void run_copy_commit(Warp &w, const Inst &, u32 mask)
{
    for (; mask; mask &= mask - 1) w.committed[__builtin_ctz(mask)]++;
}

static void land(Warp &w, const Copy &c)
{
    u8 *to = reach_shared(w, c.to, c.nbytes, (int)c.lane, { Access::Store });
    if (c.valid == 16) { /* the usual one */
        memcpy(to, (const void *)c.from, 16);
        return;
    }
    memcpy(to, (const void *)c.from, c.valid);
    memset(to + c.valid, 0, c.nbytes - c.valid);
}

/* i.x: how many of the last groups may stay under way; -1: none, and what was not committed too */
void run_copy_wait(Warp &w, const Inst &i, u32 mask)
{
    w.block->l.shared_race.next_instruction();
    size_t kept = 0;
    for (size_t n = 0; n < w.copies.size(); n++) {
        const Copy &c = w.copies[n];
        bool stays =
            !(mask >> c.lane & 1) || (i.x >= 0 && c.group + (u32)i.x >= w.committed[c.lane]);
        if (!stays) land(w, c);
        else if (kept++ != n) w.copies[kept - 1] = c;
    }
    w.copies.resize(kept);
}

} // namespace emu
