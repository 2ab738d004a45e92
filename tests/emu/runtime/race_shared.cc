/* race_shared.cc - vector clocks of the warps of a block against who touched which bytes.
 * Read next: race_shared.hh, warp.hh. */
#include "tests/emu/runtime/race_shared.hh"

#include "tests/emu/runtime/body.hh"
#include "tests/emu/runtime/heap.hh"

#include <algorithm>
#include <sys/mman.h>

namespace emu
{

constexpr u32 SPAN = DYNAMIC_BASE + (512u << 10); /* offsets of shared memory are below */

SharedRace::SharedRace()
{
    words_ = (Cell *)reserve((u64)SPAN / 4 * sizeof(Cell));
    bytes_ = (Cell *)reserve((u64)SPAN * sizeof(Cell));
    word_ticks_ = (u32 *)reserve((u64)SPAN / 4 * 128);
    byte_ticks_ = (u32 *)reserve((u64)SPAN * 128);
}

void SharedRace::begin_block(u32 warps)
{
    if (now_ > 0x80000000u) { /* before the time wraps around */
        madvise(words_, (u64)SPAN / 4 * sizeof(Cell), MADV_DONTNEED);
        madvise(bytes_, (u64)SPAN * sizeof(Cell), MADV_DONTNEED);
        now_ = 0;
    }
    start_ = now_;
    nwarps_ = warps;
    warps_.assign(warps, Warp());
    for (Warp &w : warps_) {
        std::fill_n(w.seen, 32, start_);
        w.floor = warps == 1 ? ~0u : start_; /* no other warp, nothing to wait for */
        w.lanes = start_;
    }
    flags_.clear();
}

bool SharedRace::conflict(u32 warp, u32 lane, const char *did)
{
    other_warp_ = warp;
    other_lane_ = lane;
    other_did_ = did;
    return false;
}

std::string SharedRace::other() const
{
    if (other_lane_ == MANY)
        return format("several threads of warp %u %s", other_warp_, other_did_);
    return format("thread %u %s", other_warp_ * 32 + other_lane_, other_did_);
}

/* Whether an access is ordered before what this lane does now. */
bool SharedRace::before(u32 pwarp, u32 plane, u32 ptick, u32 warp, u32 lane) const
{
    const Warp &w = warps_[warp];
    if (pwarp != warp) return ptick <= w.seen[pwarp];
    if (plane == lane || ptick <= w.lanes) return true;
    return w.partial && plane != MANY && ptick <= known_[(warp * 32 + lane) * 32 + plane];
}

bool SharedRace::readers_before(const Cell &c, const u32 *ticks) const
{
    if (!(c.rwarps & (c.rwarps - 1))) {
        return before(c.rwarp, c.rlane, c.rtick, warp_, lane_) ||
               (c.rwarp == warp_ && c.rtick == now_);
    }
    for (u32 set = c.rwarps; set; set &= set - 1) {
        u32 w = (u32)__builtin_ctz(set);
        if (!before(w, MANY, ticks[w], warp_, lane_)) return false;
    }
    return true;
}

/* A reader that is ordered before this one needs not be remembered any more. */
void SharedRace::note_read(Cell &c, u32 *ticks)
{
    bool one_warp = !(c.rwarps & (c.rwarps - 1));
    bool replace = c.rtick <= start_ ||
                   (one_warp ? before(c.rwarp, c.rlane, c.rtick, warp_, lane_)
                             : c.rtick <= std::min(warps_[warp_].floor, warps_[warp_].lanes));
    if (replace) {
        c.rwarps = 1u << warp_;
        c.rwarp = (u8)warp_;
        c.rlane = (u8)lane_;
    } else if (c.rwarps == 1u << warp_) {
        c.rlane = c.rlane == lane_ ? c.rlane : (u8)MANY;
    } else {
        if (one_warp) ticks[c.rwarp] = c.rtick;
        ticks[warp_] = now_;
        c.rwarps |= 1u << warp_;
        c.rlane = MANY;
    }
    c.rtick = now_;
}

bool SharedRace::check(Cell &c, u32 *ticks, bool write, bool strong)
{
    if (c.wtick > start_ && !(strong && c.wstrong)) {
        bool same = c.wwarp == warp_ && c.wtick == now_;
        if (!same && !before(c.wwarp, c.wlane, c.wtick, warp_, lane_)) {
            return conflict(c.wwarp, c.wlane, "wrote it");
        }
    }
    if (!write) {
        if (!strong) note_read(c, ticks);
        return true;
    }
    if (c.rtick > start_ && !readers_before(c, ticks)) {
        bool one_warp = !(c.rwarps & (c.rwarps - 1));
        return conflict(one_warp ? c.rwarp : (u32)__builtin_ctz(c.rwarps & ~(1u << warp_)), c.rlane,
                        "read it");
    }
    c.wtick = now_;
    c.wwarp = (u8)warp_;
    c.wlane = (u8)lane_;
    c.wstrong = strong;
    c.rtick = 0;
    return true;
}

/* Bytes [from, to) of a word have records of their own from now on. */
bool SharedRace::bytes_of(u32 word, u32 from, u32 to, bool write, bool strong)
{
    Cell &c = words_[word];
    if (c.split <= start_) {
        for (u32 i = 0; i < 4; i++) {
            bytes_[word * 4 + i] = c;
            if (c.rtick > start_ && (c.rwarps & (c.rwarps - 1))) {
                std::copy_n(word_ticks_ + (u64)word * 32, 32,
                            byte_ticks_ + ((u64)word * 4 + i) * 32);
            }
        }
        c.split = now_;
    }
    for (u32 i = from; i < to; i++) {
        u64 byte = (u64)word * 4 + i;
        if (!check(bytes_[byte], byte_ticks_ + byte * 32, write, strong)) return false;
    }
    return true;
}

bool SharedRace::access(u32 at, u32 nbytes, bool write, bool strong)
{
    u32 end = at + nbytes;
    for (u32 word = at / 4; word * 4 < end; word++) {
        u32 from = std::max(at, word * 4) - word * 4, to = std::min(end - word * 4, 4u);
        Cell &c = words_[word];
        bool whole = from == 0 && to == 4 && c.split <= start_;
        if (!(whole ? check(c, word_ticks_ + (u64)word * 32, write, strong)
                    : bytes_of(word, from, to, write, strong))) {
            return false;
        }
    }
    return true;
}

bool SharedRace::read(u32 at, u32 nbytes, u32 warp, u32 lane, bool strong)
{
    warp_ = warp;
    lane_ = lane;
    return access(at, nbytes, false, strong);
}

bool SharedRace::write(u32 at, u32 nbytes, u32 warp, u32 lane, bool strong)
{
    warp_ = warp;
    lane_ = lane;
    return access(at, nbytes, true, strong);
}

static void join(u32 *to, const u32 *from)
{
    for (int i = 0; i < 32; i++) to[i] = std::max(to[i], from[i]);
}

void SharedRace::sync_lanes(u32 warp, u32 lanes, u32 live)
{
    Warp &w = warps_[warp];
    if (!(live & ~lanes)) {
        w.lanes = now_;
        return;
    }
    if (known_.empty()) known_.resize(32 * 32 * 32);
    u32 *known = &known_[warp * 32 * 32];
    if (!w.partial) std::fill_n(known, 32 * 32, start_);
    w.partial = true;
    SharedRace::Clock all = {};
    for (u32 l = 0; l < 32; l++) {
        if (lanes >> l & 1) join(all, known + l * 32);
    }
    for (u32 l = 0; l < 32; l++) {
        if (lanes >> l & 1) all[l] = now_;
    }
    for (u32 l = 0; l < 32; l++) {
        if (lanes >> l & 1) std::copy_n(all, 32, known + l * 32);
    }
}

void SharedRace::arrive(Clock bar, u32 warp) const
{
    join(bar, warps_[warp].seen);
    bar[warp] = now_;
}

void SharedRace::leave(const Clock bar, u32 warp)
{
    Warp &w = warps_[warp];
    join(w.seen, bar);
    w.lanes = now_;
    w.floor = ~0u;
    for (u32 i = 0; i < nwarps_; i++) {
        if (i != warp) w.floor = std::min(w.floor, w.seen[i]);
    }
}

void SharedRace::fence(u32 warp)
{
    Warp &w = warps_[warp];
    if (w.has_pending) join(w.seen, w.pending);
    w.has_pending = false;
    std::copy_n(w.seen, 32, w.fenced);
    w.fenced[warp] = now_;
    w.has_fenced = true;
}

void SharedRace::release(u32 warp, u64 at, bool now)
{
    if (now) fence(warp);
    Warp &w = warps_[warp];
    if (!w.has_fenced) return;
    std::vector<u32> &f = flags_[at];
    f.resize(32);
    join(f.data(), w.fenced);
}

void SharedRace::acquire(u32 warp, u64 at, bool now)
{
    if (flags_.empty()) return;
    auto f = flags_.find(at);
    if (f == flags_.end()) return;
    Warp &w = warps_[warp];
    if (!w.has_pending) std::fill_n(w.pending, 32, 0);
    join(w.pending, f->second.data());
    w.has_pending = !now;
    if (now) join(w.seen, w.pending);
}

} // namespace emu
