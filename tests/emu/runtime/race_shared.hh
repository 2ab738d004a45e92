/* race_shared.hh - finds accesses of two threads of a block to the same byte of shared memory,
 * where one writes and nothing orders them. Read next: race_shared.cc, memory.cc. */
#ifndef PE_TESTS_EMU_RACE_SHARED_HH
#define PE_TESTS_EMU_RACE_SHARED_HH

#include <unordered_map>
#include <vector>

#include "tests/emu/runtime/common.hh"

namespace emu
{

/* Time is a count of memory instructions. Every warp knows up to which time it is ordered after
 * each other warp (a vector clock); barriers, and fences with flags, bring that forward. Lanes of
 * one warp are ordered by bar.warp.sync and barriers only; accesses of one instruction do not race
 * with each other. Volatile and atomic (strong) accesses do not race among themselves. */
class SharedRace
{
  public:
    typedef u32 Clock[32];

    SharedRace();
    void begin_block(u32 warps);
    void next_instruction() { now_++; }

    struct Cell { /* of 4 bytes, or of one */
        u32 wtick, rtick, rwarps, split;
        u8 wwarp, wlane, wstrong, rwarp, rlane;
    };
    /* What ops/quick.hh needs to pass the usual access without a call. */
    struct View {
        Cell *words, *bytes;
        u32 *word_ticks, *byte_ticks;
        u32 now, start, safe; /* safe: the warp is ordered after all accesses up to this time */
        bool partial;         /* some of its lanes met without the others */
    };
    View view(u32 warp) const
    {
        const Warp &w = warps_[warp];
        return { words_,
                 bytes_,
                 word_ticks_,
                 byte_ticks_,
                 now_,
                 start_,
                 w.floor < w.lanes ? w.floor : w.lanes,
                 w.partial };
    }
    static constexpr u32 MANY = 32; /* as the lane of a reader */

    /* False: a race; other() says with whom. */
    bool read(u32 at, u32 nbytes, u32 warp, u32 lane, bool strong);
    bool write(u32 at, u32 nbytes, u32 warp, u32 lane, bool strong);
    std::string other() const;

    void sync_lanes(u32 warp, u32 lanes, u32 live);
    void arrive(Clock bar, u32 warp) const;
    void rested(Clock bar, u32 warp) const { bar[warp] = now_; } /* all of it waited till now */
    void leave(const Clock bar, u32 warp);
    void fence(u32 warp);
    void release(u32 warp, u64 at, bool now); /* now: the store itself is a release */
    void acquire(u32 warp, u64 at, bool now);

  private:
    struct Warp {
        Clock seen, fenced, pending;
        u32 floor; /* the least of seen */
        u32 lanes; /* all lanes are ordered after this */
        bool has_fenced, has_pending, partial;
    };
    bool before(u32 pwarp, u32 plane, u32 ptick, u32 warp, u32 lane) const;
    bool access(u32 at, u32 nbytes, bool write, bool strong);
    bool check(Cell &c, u32 *ticks, bool write, bool strong);
    bool readers_before(const Cell &c, const u32 *ticks) const;
    void note_read(Cell &c, u32 *ticks);
    bool bytes_of(u32 word, u32 from, u32 to, bool write, bool strong);
    bool conflict(u32 warp, u32 lane, const char *did);

    Cell *words_, *bytes_;
    u32 *word_ticks_, *byte_ticks_; /* 32 a cell: when each warp read it, where several did */
    u32 now_ = 0, start_ = 0;       /* start_: before this block */
    u32 warp_ = 0, lane_ = 0;       /* of the access being checked */
    u32 nwarps_ = 0;
    std::vector<Warp> warps_;
    std::vector<u32> known_; /* [warp][lane][lane], for warps with partial */
    std::unordered_map<u64, std::vector<u32>> flags_;
    u32 other_warp_ = 0, other_lane_ = 0;
    const char *other_did_ = "";
};

} // namespace emu

#endif
