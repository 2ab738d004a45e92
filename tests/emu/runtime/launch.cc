/* launch.cc - one launch: its blocks one after the other, in the order of PE_EMU_SCHED.
 * Read next: block.cc, api_launch.cc. */
#include "tests/emu/runtime/warp.hh"

#include <chrono>
#include <numeric>

namespace emu
{

void run_launch(Kernel &k, const u32 grid[3], const u32 threads[3], u32 dynamic, const u8 *params)
{
    static GlobalRace *global_race = new GlobalRace;
    static SharedRace *shared_race = new SharedRace;
    static u64 launches;
    const Options &o = options();
    u64 blocks = (u64)grid[0] * grid[1] * grid[2];
    bool several = blocks > 1;
    Launch l = { k,
                 { grid[0], grid[1], grid[2] },
                 { threads[0], threads[1], threads[2] },
                 dynamic,
                 params,
                 o.race,
                 o.race && several,
                 o.init > 0,
                 o.sched,
                 Random{ o.seed * 1000003 + launches++ },
                 *global_race,
                 *shared_race,
                 {},
                 0 };
    auto start = std::chrono::steady_clock::now();
    /* Random: i -> i * step + first, which visits every block once. */
    u64 first = 0, step = 1;
    if (l.sched == Sched::Random) {
        first = l.random.next() % blocks;
        do step = 1 + l.random.next() % blocks;
        while (std::gcd(step, blocks) != 1);
    }
    if (l.race_global) l.global_race.begin_launch();
    Block block(l);
    for (u64 i = 0; i < blocks; i++) {
        block.run(l.sched == Sched::Reverse ? blocks - 1 - i : (first + i * step) % blocks);
    }
    k.launches++;
    std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    k.seconds += spent.count();
}

} // namespace emu
