/* warp.hh - a launch while it runs: its blocks, one at a time, and their warps.
 * Read next: launch.cc, block.cc, warp.cc. */
#ifndef PE_TESTS_EMU_WARP_HH
#define PE_TESTS_EMU_WARP_HH

#include <set>

#include "tests/emu/runtime/heap.hh"
#include "tests/emu/runtime/ptx.hh"
#include "tests/emu/runtime/race_global.hh"
#include "tests/emu/runtime/race_shared.hh"

namespace emu
{

struct Block;

/* Lanes of a warp that are at the same instruction. */
struct Group {
    enum Wait : u8 {
        None,
        Lanes, /* for other lanes of the warp, at a collective instruction */
        Block, /* at a barrier of the block */
    } wait;
    u8 barrier;
    u32 pc, lanes;
};

/* A cp.async that has not arrived. */
struct Copy {
    u32 lane, group, to, nbytes, valid;
    u64 from;
};

struct Warp {
    u32 *r = nullptr; /* slot 0 of the register file */
    std::vector<u32> preds;
    Block *block = nullptr;
    u32 id = 0;
    u32 live = 0;             /* lanes that have not exited */
    u32 existing = 0;         /* lanes that the block has at all */
    const Inst *at = nullptr; /* being executed, for messages */
    u64 steps = 0;            /* warp instructions of this block */

    Group groups[64]; /* at most 32, and some while they are sorted */
    u32 ngroups = 0;
    u32 turn = 0; /* which group goes on after one that ran for long */

    std::vector<Copy> copies;
    u32 committed[32];     /* cp.async groups of each lane */
    std::vector<u32> file; /* what r points into */

    /* Runs lanes until all wait or have exited, or for about `budget` instructions. */
    void run(u64 budget);
    bool runnable() const;
    void start(u32 lanes, const Kernel &k);
    u32 pred(s32 number, bool negated) const
    {
        return negated ? ~preds[(u32)number] : preds[(u32)number];
    }
    void set_pred(s32 number, u32 bits, u32 mask)
    {
        u32 &p = preds[(u32)number];
        p = (p & ~mask) | (bits & mask);
    }
    /* "kernel k block (0,0,0) thread (5,0,0), PTX line 12: ld.global.u32 %r1, [%rd2]" */
    std::string where(int lane) const;
    [[noreturn]] void fail(int lane, const std::string &what,
                           cudaError_t code = cudaErrorLaunchFailure) const;
    /* A broken rule that lets the kernel go on; once an instruction and kind. */
    void complain(int kind, int lane, const std::string &what) const;
    /* "lanes 0000ffff at line 30: bar.sync 0;" for each group */
    std::string waiting() const;

  private:
    int pick();
    void run_group(u32 index, u64 *budget);
    /* What an instruction that is not Plain does to the group; false: look for the next group. */
    bool control(Group &g, const Inst &i, u32 em);
    void indexed(Group &g, const Inst &i, u32 em);
    bool collective(Group &g, const Inst &i, u32 em);
    bool barrier(Group &g, const Inst &i, u32 em);
    u32 members_here(const Inst &i, u32 lanes, u32 *member_mask) const;
    u32 at_warpsync(u32 member_mask, bool release);
    void hold(Group &g, u32 waiting);
    void add_group(u32 pc, u32 lanes);
    void merge();
    void wake();
    u32 next_meeting(const Group &g) const;
    [[noreturn]] void stuck();
};

struct Barrier {
    u32 expected = 0; /* threads; 0: all of the block */
    u32 threads = 0;  /* that have come */
    u32 rounded = 0;  /* in whole warps */
    u32 trues = 0;    /* whose predicate was true, for bar.red */
    bool in_use = false;
    SharedRace::Clock clock;
};

struct Launch {
    Kernel &k;
    u32 grid[3], threads[3];
    u32 dynamic = 0; /* bytes of dynamic shared memory */
    const u8 *params = nullptr;
    bool race, race_global, init;
    Sched sched;
    Random random;
    GlobalRace &global_race;
    SharedRace &shared_race;
    std::set<std::pair<u32, int>> complained; /* instruction, kind of complaint */
    u64 complaints = 0;
};

struct Block {
    explicit Block(Launch &l);
    void run(u64 index);

    Launch &l;
    const Kernel &k;
    u32 at[3]; /* %ctaid */
    u32 nthreads;
    u8 *shared, *shared_state;
    std::vector<u8> local;
    std::vector<Warp> warps;
    Barrier barriers[16];
    u64 steps = 0;

    u32 live_threads() const;
    /* Whether a barrier is complete; releases its threads then. */
    void try_release(u32 id);
    /* A warp comes to the barrier of instruction i; true: these lanes have to wait. */
    bool arrive(Warp &w, const Inst &i, u32 lanes, u32 *id);
    [[noreturn]] void fail(const std::string &what) const;
    u8 *local_of(const Warp &w, u32 lane)
    {
        return local.data() + (u64)(w.id * 32 + lane) * k.local_nbytes;
    }

  private:
    void reset();
    bool round(); /* false: no warp could run */
    void release(u32 id);
    [[noreturn]] void deadlock();
    std::vector<u32> order_;
};

/* Runs all blocks. Throws Fault. */
void run_launch(Kernel &k, const u32 grid[3], const u32 threads[3], u32 dynamic, const u8 *params);

} // namespace emu

#endif
