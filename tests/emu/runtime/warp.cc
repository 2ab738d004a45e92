/* warp.cc - one warp: lanes run together while they are at the same instruction, part at branches
 * and meet again where their ways do. Read next: block.cc, warp.hh. */
#include "tests/emu/runtime/warp.hh"

#include <algorithm>

namespace emu
{

constexpr u64 SLICE = 4096; /* a group that runs longer lets another one run: it may spin on it */

void Warp::start(u32 lanes, const Kernel &k)
{
    existing = live = lanes;
    if (file.empty()) {
        file.resize((size_t)(k.nconst + k.nregs));
        r = file.data() + k.nconst;
        for (const Constant &c : k.constants) {
            u64 *wide = (u64 *)(r + c.slot);
            if (c.wide) std::fill_n(wide, 32, c.value);
            else std::fill_n(r + c.slot, 32, (u32)c.value);
        }
    }
    memset(r, 0xff, (size_t)k.nregs * sizeof *r);
    preds.assign((size_t)k.npreds, 0);
    groups[0] = { Group::None, 0, 0, lanes };
    ngroups = 1;
    copies.clear();
    memset(committed, 0, sizeof committed);
}

bool Warp::runnable() const
{
    for (u32 g = 0; g < ngroups; g++) {
        if (groups[g].wait == Group::None) return true;
    }
    return false;
}

std::string Warp::where(int lane) const
{
    const u32 *at_block = block->at, *n = block->l.threads;
    u32 t = id * 32 + (u32)lane;
    std::string text =
        format("kernel %s block (%u,%u,%u) thread (%u,%u,%u)", block->k.name.c_str(), at_block[0],
               at_block[1], at_block[2], t % n[0], t / n[0] % n[1], t / n[0] / n[1]);
    if (at) text += format(", PTX line %u: ", at->line) + block->k.text(*at);
    return text;
}

void Warp::fail(int lane, const std::string &what, cudaError_t code) const
{
    throw Fault{ code, what + "; " + where(lane) };
}

void Warp::complain(int kind, int lane, const std::string &what) const
{
    Launch &l = block->l;
    if (!l.complained.insert({ block->k.index(*at), kind }).second || ++l.complaints > 20) return;
    report(cudaErrorLaunchFailure, what + "; " + where(lane));
}

std::string Warp::waiting() const
{
    std::string text;
    for (u32 g = 0; g < ngroups; g++) {
        const Inst &i = block->k.code[groups[g].pc];
        text += format("%s warp %u lanes %08x at line %u: ", text.empty() ? "" : ",", id,
                       groups[g].lanes, i.line) +
                block->k.text(i);
    }
    return text;
}

void Warp::stuck()
{
    bool at_barrier = false;
    for (u32 g = 0; g < ngroups; g++) {
        at_barrier |= block->k.code[groups[g].pc].flow == Flow::Barrier;
    }
    at = nullptr;
    fail(__builtin_ctz(groups[0].lanes),
         std::string(at_barrier ? "barrier in divergent code"
                                : "lanes wait for others that never come") +
             ":" + waiting() + format("; live lanes %08x", live));
}

void Warp::add_group(u32 pc, u32 lanes)
{
    if (lanes) groups[ngroups++] = { Group::None, 0, pc, lanes };
}

/* Lanes that an exit or an arrival may have set free look again. */
void Warp::wake()
{
    for (u32 g = 0; g < ngroups; g++) {
        if (groups[g].wait == Group::Lanes) groups[g].wait = Group::None;
    }
}

/* Groups at one instruction become one. */
void Warp::merge()
{
    u32 n = 0;
    for (u32 g = 0; g < ngroups; g++) {
        if (!groups[g].lanes) continue;
        u32 same = 0;
        while (same < n && !(groups[same].pc == groups[g].pc && groups[same].wait != Group::Block &&
                             groups[g].wait != Group::Block)) {
            same++;
        }
        if (same == n) {
            groups[n++] = groups[g];
            continue;
        }
        bool both = groups[same].wait == Group::Lanes && groups[g].wait == Group::Lanes;
        groups[same].lanes |= groups[g].lanes;
        groups[same].wait = both ? Group::Lanes : Group::None;
    }
    ngroups = n;
}

/* The group that is furthest behind: others wait for it where ways meet. */
int Warp::pick()
{
    int best = -1;
    u32 start = turn;
    turn = 0;
    if (block->l.sched == Sched::Random && ngroups > 1 && block->l.random.below(4) == 0) {
        start = 1 + block->l.random.below(ngroups);
    }
    for (u32 n = 0; n < ngroups; n++) {
        u32 g = (start + n) % ngroups;
        if (groups[g].wait != Group::None) continue;
        if (start) return (int)g;
        if (best < 0 || groups[g].pc < groups[best].pc) best = (int)g;
    }
    return best;
}

void Warp::run(u64 budget)
{
    merge(); /* a barrier may have let several groups go */
    while (budget) {
        int g = pick();
        if (g < 0) break;
        run_group((u32)g, &budget);
        merge();
    }
    if (runnable()) return;
    bool lanes = false, barrier = false;
    for (u32 g = 0; g < ngroups; g++) {
        lanes |= groups[g].wait == Group::Lanes;
        barrier |= groups[g].wait == Group::Block;
    }
    if (lanes && !barrier) stuck();
}

/* Where this group should stop to meet another one. */
u32 Warp::next_meeting(const Group &g) const
{
    u32 pc = ~0u;
    for (u32 o = 0; o < ngroups; o++) {
        const Group &other = groups[o];
        if (&other != &g && other.wait != Group::Block && other.pc > g.pc) {
            pc = std::min(pc, other.pc);
        }
    }
    return pc;
}

void Warp::run_group(u32 index, u64 *budget)
{
    Group &g = groups[index];
    const Inst *code = block->k.code.data();
    u32 meeting = next_meeting(g);
    u64 most = ngroups > 1 ? std::min(*budget, SLICE) : *budget, n = 0;
    u64 threads = 0;
    bool alone = ngroups == 1, go = true;
    while (go && n < most) {
        const Inst &i = code[g.pc];
        u32 em = g.lanes;
        if (i.guard >= 0) em &= pred(i.guard, i.guard_negated);
        at = &i;
        n++;
        threads += (u32)__builtin_popcount(em);
        if (i.flow == Flow::Plain) {
            if (em) i.run(*this, i, em);
            g.pc++;
        } else if (!em) {
            g.pc++;
        } else {
            u32 before = g.pc;
            go = control(g, i, em) && (alone || g.pc == before + 1);
        }
        if (g.pc == meeting) break;
    }
    if (n == most && !alone) turn = index + 1;
    *budget -= n;
    steps += n;
    block->steps += n;
    block->l.k.thread_steps += threads;
    if (block->steps > options().steps) {
        fail(__builtin_ctz(existing),
             format("the block did not end within %llu warp instructions (PE_EMU_STEPS): it loops "
                    "for ever, or waits for another block",
                    (unsigned long long)options().steps),
             cudaErrorLaunchTimeout);
    }
}

bool Warp::control(Group &g, const Inst &i, u32 em)
{
    switch (i.flow) {
    case Flow::Branch:
        if (em == g.lanes) {
            g.pc = (u32)i.target;
            return true;
        }
        add_group((u32)i.target, em);
        g.lanes &= ~em;
        g.pc++;
        return false;
    case Flow::Indexed: indexed(g, i, em); return false;
    case Flow::Exit:
        live &= ~em;
        g.lanes &= ~em;
        g.pc++;
        wake();
        return false;
    case Flow::Aligned:
        if (em != live) {
            hold(g, em);
            return false;
        }
        if (live != ALL_LANES) {
            fail(__builtin_ctz(em), format("needs all 32 lanes of the warp, has %08x", live));
        }
        i.run(*this, i, em);
        g.pc++;
        return true;
    case Flow::Barrier: return barrier(g, i, em);
    default: return collective(g, i, em);
    }
}

void Warp::indexed(Group &g, const Inst &i, u32 em)
{
    const u32 *index = r + i.a;
    for (u32 rest = em; rest; rest &= rest - 1) {
        int l = __builtin_ctz(rest);
        if (index[l] >= (u32)i.x) fail(l, format("branch index %u of %d", index[l], i.x));
        u32 pc = (u32)i.list[index[l]], o = 0;
        while (o < ngroups && !(groups[o].pc == pc && groups[o].wait == Group::None)) o++;
        if (o < ngroups && &groups[o] != &g) groups[o].lanes |= 1u << l;
        else add_group(pc, 1u << l);
    }
    g.lanes &= ~em;
    g.pc++;
}

/* The waiting lanes stay in g; the rest of it goes on. */
void Warp::hold(Group &g, u32 waiting)
{
    add_group(g.pc + 1, g.lanes & ~waiting);
    g.lanes = waiting;
    g.wait = Group::Lanes;
}

/* Lanes here with the same member mask as the first of `lanes`, after a look at that mask. */
u32 Warp::members_here(const Inst &i, u32 lanes, u32 *member_mask) const
{
    const u32 *masks = r + i.b;
    int first = __builtin_ctz(lanes);
    u32 m = masks[first], here = 0;
    for (u32 l = 0; l < 32; l++) here |= (u32)(masks[l] == m) << l;
    here &= lanes;
    if (here & ~m) {
        fail(__builtin_ctz(here & ~m), format("lane not in its own member mask %08x", m));
    }
    if (m & ~live) {
        fail(first,
             format("member mask %08x names lanes %08x that exited or do not exist", m, m & ~live));
    }
    *member_mask = m;
    return here;
}

/* Lanes that wait at other bar.warp.sync instructions with this mask. */
u32 Warp::at_warpsync(u32 member_mask, bool release)
{
    u32 found = 0;
    for (u32 o = 0, n = ngroups; o < n; o++) {
        const Inst &i = block->k.code[groups[o].pc];
        if (groups[o].wait != Group::Lanes || i.flow != Flow::WarpSync) continue;
        u32 lanes = 0;
        for (u32 l = 0; l < 32; l++) lanes |= (u32)((r + i.b)[l] == member_mask) << l;
        lanes &= groups[o].lanes;
        found |= lanes;
        if (!release || !lanes) continue;
        groups[o].lanes &= ~lanes;
        add_group(groups[o].pc + 1, lanes);
    }
    return found;
}

bool Warp::collective(Group &g, const Inst &i, u32 em)
{
    u32 ready = 0;
    for (u32 rest = em; rest;) {
        u32 m, here = members_here(i, rest, &m), all = here;
        rest &= ~here;
        if (i.flow == Flow::WarpSync) all |= at_warpsync(m, false);
        if (m & ~all) continue;
        i.run(*this, i, m);
        ready |= here;
        if (all != here) at_warpsync(m, true);
    }
    if (ready == em) {
        g.pc++;
        return i.flow != Flow::WarpSync || ngroups == 1;
    }
    hold(g, em & ~ready);
    return false;
}

bool Warp::barrier(Group &g, const Inst &i, u32 em)
{
    bool is_aligned = i.flags & TRANS;
    if (is_aligned && em != live) {
        hold(g, em);
        return false;
    }
    u32 which;
    if (!block->arrive(*this, i, em, &which)) {
        g.pc++;
        return true;
    }
    add_group(g.pc + 1, g.lanes & ~em);
    g.lanes = em;
    g.wait = Group::Block;
    g.barrier = (u8)which;
    block->try_release(which);
    return false;
}

} // namespace emu
