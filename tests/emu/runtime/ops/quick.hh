/* ops/quick.hh - the checks of reach.cc for accesses that pass them, which most do: inlined, and in
 * the shape that the compiler vectorizes. What does not pass here is looked at again by reach().
 * Read next: memory.cc, race_global.hh, race_shared.hh. */
#ifndef PE_TESTS_EMU_QUICK_HH
#define PE_TESTS_EMU_QUICK_HH

#include "tests/emu/runtime/ops/lanes.hh"

namespace emu
{
namespace EMU_ISA
{
namespace
{

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

/* Bytes of device memory that pass every check at once; false: ask reach(). */
EMU_INLINE bool quick_heap(Warp &w, u64 at, u64 nbytes, bool store, bool strong)
{
    Heap &h = heap();
    Launch &l = w.block->l;
    if (!h.inside(at) || !h.inside(at + nbytes - 1)) return false;
    u8 *state = h.state(at);
    if (!all_of(state, nbytes, store ? (u8)LIVE : (u8)(LIVE | WRITTEN))) return false;
    if (strong) return false;
    if (l.race_global) {
        if ((at | nbytes) & 3) return false;
        u64 word = (at - h.base()) / 4;
        if (!(store ? row_writable(l.global_race, word, nbytes / 4)
                    : row_readable(l.global_race, word, nbytes / 4))) {
            return false;
        }
    }
    if (store) memset(state, LIVE | WRITTEN, nbytes);
    return true;
}

/* The same for a number of bytes that is known when compiling: a power of two up to 32. */
template <u32 n> EMU_INLINE bool all_n(const u8 *state, u8 want)
{
    constexpr u32 step = n < 8 ? n : 8;
    u64 all = ~(u64)0, pattern = want * (u64)0x0101010101010101;
    for (u32 i = 0; i < n; i += step) {
        u64 v = pattern;
        memcpy(&v, state + i, step);
        all &= v;
    }
    return !(pattern & ~all);
}

/* A load by one lane that is ordered after the last writer, into the record of a word or byte. */
EMU_INLINE bool quick_load(SharedRace::Cell &c, u32 *ticks, const SharedRace::View &v, u32 warp,
                           u32 lane)
{
    u32 me = 1u << warp;
    if (c.wtick > v.safe && !(c.wwarp == warp && c.wlane == lane)) return false;
    if (c.rtick <= v.safe) {
        c.rwarps = me;
        c.rwarp = (u8)warp;
        c.rlane = (u8)lane;
    } else if (c.rwarps == me) {
        if (v.partial) return false;
        c.rlane = c.rlane == lane ? c.rlane : (u8)SharedRace::MANY;
    } else {
        if (!(c.rwarps & (c.rwarps - 1))) ticks[c.rwarp] = c.rtick;
        ticks[warp] = v.now;
        c.rwarps |= me;
        c.rlane = SharedRace::MANY;
    }
    c.rtick = v.now;
    return true;
}

EMU_INLINE bool quick_store(SharedRace::Cell &c, const SharedRace::View &v, u32 warp, u32 lane)
{
    bool my_write = c.wwarp == warp && c.wlane == lane;
    bool my_read = c.rwarps == 1u << warp && c.rlane == lane;
    if ((c.wtick > v.safe && !my_write) || (c.rtick > v.safe && !my_read)) return false;
    c.wtick = v.now;
    c.wwarp = (u8)warp;
    c.wlane = (u8)lane;
    c.wstrong = 0;
    c.rtick = 0;
    return true;
}

/* Shared memory as one warp sees it during one instruction. */
struct SharedView {
    u8 *memory, *state;
    u64 end;
    bool race;
    u32 warp;
    SharedRace::View v = {};

    explicit EMU_INLINE SharedView(Warp &w)
        : memory(w.block->shared), state(w.block->shared_state),
          end(w.block->k.dynamic_at + w.block->l.dynamic), race(w.block->l.race), warp(w.id)
    {
        if (race) v = w.block->l.shared_race.view(warp);
    }

    EMU_INLINE bool cell(SharedRace::Cell *cells, u32 *ticks, u64 index, u32 lane, bool store)
    {
        return store ? quick_store(cells[index], v, warp, lane)
                     : quick_load(cells[index], ticks + index * 32, v, warp, lane);
    }

    template <u32 n> EMU_INLINE bool unraced(u64 at, u32 lane, bool store)
    {
        for (u64 word = at / 4; word * 4 < at + n; word++) {
            bool split = v.words[word].split > v.start;
            if (n < 4 && !split) return false;
            if (!split) {
                if (!cell(v.words, v.word_ticks, word, lane, store)) return false;
                continue;
            }
            for (u64 byte = n < 4 ? at : word * 4, i = 0; i < (n < 4 ? n : 4); i++) {
                if (!cell(v.bytes, v.byte_ticks, byte + i, lane, store)) return false;
            }
        }
        return true;
    }

    template <u32 n> EMU_INLINE bool quick(u64 at, u32 lane, bool store)
    {
        if ((at & (n - 1)) || at + n > end) return false;
        if (!all_n<n>(state + at, store ? (u8)LIVE : (u8)(LIVE | WRITTEN))) return false;
        if (race && !unraced<n>(at, lane, store)) return false;
        if (store) memset(state + at, LIVE | WRITTEN, n);
        return true;
    }
};

} // namespace
} // namespace EMU_ISA
} // namespace emu

#endif
