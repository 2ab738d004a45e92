/* race_global.cc - who touched which bytes of device memory in this launch. Read next:
 * race_global.hh, race_shared.cc. */
#include "tests/emu/runtime/race_global.hh"

#include "tests/emu/runtime/heap.hh"

#include <algorithm>
#include <sys/mman.h>

namespace emu
{

constexpr u32 FLAG = 16, MASK = 15, SHIFT = 5, LAST_STAMP = (1u << 27) - 2;
constexpr u32 SPLIT = 0xffffffffu; /* as a writer: the reader is an index of splits_ */

GlobalRace::GlobalRace()
{
    base = heap().base();
    writers = (u32 *)reserve(heap().span());
    readers = (u32 *)reserve(heap().span());
}

void GlobalRace::forget_all()
{
    madvise(writers, heap().span(), MADV_DONTNEED);
    madvise(readers, heap().span(), MADV_DONTNEED);
    now = 0;
}

void GlobalRace::begin_launch()
{
    if (now > LAST_STAMP / 2) forget_all();
    launch_first = now + 1;
    splits_.clear();
    released_.clear();
    blocks_.clear();
}

void GlobalRace::begin_block(u64 block)
{
    if (now >= LAST_STAMP) { /* a launch of 67 million blocks: its first ones are forgotten */
        forget_all();
        begin_launch();
    }
    block_first = ++now;
    fenced_ = 0;
    acquired_.clear();
    blocks_.push_back({ block_first, block });
}

void GlobalRace::fence()
{
    fenced_ = now;
    if (now < LAST_STAMP) now++;
}

/* Sets of stamps are sorted ranges that do not touch. */
void GlobalRace::add(std::vector<Range> *set, Range r)
{
    std::vector<Range> all;
    for (const Range &old : *set) {
        if (old.last + 1 < r.first || r.last + 1 < old.first) {
            all.push_back(old);
        } else {
            r.first = std::min(r.first, old.first);
            r.last = std::max(r.last, old.last);
        }
    }
    auto after = [](const Range &a, const Range &b) { return a.first < b.first; };
    all.insert(std::upper_bound(all.begin(), all.end(), r, after), r);
    set->swap(all);
}

void GlobalRace::release(u64 at)
{
    if (!fenced_) return;
    std::vector<Range> &r = released_[at];
    add(&r, { block_first, fenced_ });
    for (const Range &known : acquired_) add(&r, known);
}

void GlobalRace::acquire(u64 at)
{
    auto r = released_.find(at);
    if (r == released_.end()) return;
    for (const Range &known : r->second) add(&acquired_, known);
}

bool GlobalRace::acquired(u32 stamp) const
{
    for (const Range &r : acquired_) {
        if (stamp >= r.first && stamp <= r.last) return true;
    }
    return false;
}

u64 GlobalRace::block_of(u32 stamp) const
{
    u64 block = 0;
    for (auto &b : blocks_) {
        if (b.first <= stamp) block = b.second;
    }
    return block;
}

const char *GlobalRace::doing() const
{
    return wrote_last_ ? "wrote" : "read";
}

/* One pair of words. *mixed is set, and nothing changed, when they cannot hold what would have to
 * be remembered: different bytes by different blocks. */
u32 GlobalRace::access(u32 *writer, u32 *reader, u32 mask, bool write, bool strong, bool *mixed)
{
    u32 w = *writer, r = *reader, ws = w >> SHIFT, rs = r >> SHIFT;
    bool w_other = other(ws), r_here = rs - launch_first <= now - launch_first;
    bool r_other = r_here && (other(rs) || (r & FLAG));
    if (w_other && !acquired(ws)) {
        bool both_strong = strong && (w & FLAG);
        bool plain_load = !write && (w & FLAG);
        if ((w & mask) && !both_strong && !plain_load) {
            wrote_last_ = true;
            return ws;
        }
        if (write && !both_strong && !(w & mask)) {
            *mixed = true;
            return 0;
        }
    }
    if (!write) {
        if (strong) return 0;
        if (r_here && other(rs)) {
            if ((r & MASK) != mask && !acquired(rs)) {
                *mixed = true;
                return 0;
            }
            *reader = now << SHIFT | FLAG | mask;
        } else {
            *reader = r_here ? r | mask : now << SHIFT | mask;
        }
        return 0;
    }
    if (r_other && (r & mask) && !strong && !acquired(rs)) {
        wrote_last_ = false;
        return rs;
    }
    bool mine = ws >= block_first && ws <= now;
    u32 flag = strong && (!mine || (w & FLAG)) ? FLAG : 0u;
    u32 keep = mine || (w_other && strong) ? w & MASK : 0;
    *writer = now << SHIFT | flag | keep | mask;
    return 0;
}

GlobalRace::Split *GlobalRace::split(u64 word, bool make)
{
    u32 index = readers[word];
    if (writers[word] == SPLIT && index < splits_.size() && splits_[index].word == word) {
        return &splits_[index];
    }
    if (!make) return nullptr;
    Split s;
    s.word = word;
    for (u32 i = 0; i < 4; i++) {
        u32 w = writers[word], r = readers[word];
        s.writer[i] = w >> i & 1 ? (w & ~MASK) | 1 : 0;
        s.reader[i] = r >> i & 1 ? (r & ~MASK) | 1 : 0;
    }
    writers[word] = SPLIT;
    readers[word] = (u32)splits_.size();
    splits_.push_back(s);
    return &splits_.back();
}

u32 GlobalRace::one_word(u64 word, u32 mask, bool write, bool strong)
{
    Split *s = nullptr;
    if (writers[word] == SPLIT) {
        s = split(word, false);
        if (!s) writers[word] = readers[word] = 0; /* of an earlier launch */
    }
    bool mixed = false;
    if (!s) {
        u32 stamp = access(&writers[word], &readers[word], mask, write, strong, &mixed);
        if (stamp || !mixed) return stamp;
        s = split(word, true);
    }
    for (u32 i = 0; i < 4; i++) {
        if (!(mask >> i & 1)) continue;
        u32 stamp = access(&s->writer[i], &s->reader[i], 1, write, strong, &mixed);
        if (stamp) return stamp;
    }
    return 0;
}

u32 GlobalRace::some_words(u64 at, u32 nbytes, bool write, bool strong)
{
    u64 offset = at - base, end = offset + nbytes;
    for (u64 word = offset / 4; word * 4 < end; word++) {
        u32 mask = MASK;
        if (word * 4 < offset) mask = mask << (offset - word * 4) & MASK;
        if (word * 4 + 4 > end) mask &= MASK >> (word * 4 + 4 - end);
        if (u32 stamp = one_word(word, mask, write, strong)) return stamp;
    }
    return 0;
}

u32 GlobalRace::read(u64 at, u32 nbytes, bool strong)
{
    return some_words(at, nbytes, false, strong);
}

u32 GlobalRace::write(u64 at, u32 nbytes, bool strong)
{
    return some_words(at, nbytes, true, strong);
}

} // namespace emu
