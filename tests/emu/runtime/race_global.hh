/* race_global.hh - finds accesses of two blocks of one launch to the same byte of device memory,
 * where one writes and nothing orders them. Read next: race_global.cc, memory.cc. */
#ifndef PE_TESTS_EMU_RACE_GLOBAL_HH
#define PE_TESTS_EMU_RACE_GLOBAL_HH

#include <unordered_map>
#include <vector>

#include "tests/emu/runtime/common.hh"

namespace emu
{

/* Every 4 bytes have two words: who wrote last and who read last in this launch. A word is
 * stamp << 5 | flag << 4 | mask of the bytes. The flag of a writer: only by atomic (strong)
 * operations, which do not race with each other; of a reader: more than one block.
 *
 * A block has a stamp, and a new one after each fence. Blocks run one after the other, so stamps
 * of this launch that are below the block's own first one belong to other blocks. They are ordered
 * before this one only if it has acquired them: their block fenced, then did a strong write, and
 * this block did a strong read or atomic of the same address. (An atomic acquires without a fence
 * of its own: the usual "last block" code has none.)
 *
 * A plain load does not race with atomics: the usual loops of compare-and-swap begin with one. */
class GlobalRace
{
  public:
    GlobalRace();
    void begin_launch();
    void begin_block(u64 block); /* its linear index, for messages */
    void fence();

    /* 0, or the stamp of an access by another block that this one races with. */
    u32 read(u64 at, u32 nbytes, bool strong);
    u32 write(u64 at, u32 nbytes, bool strong);
    void release(u64 at);
    void acquire(u64 at);

    u64 block_of(u32 stamp) const;
    const char *doing() const; /* what the other block did: "wrote" or "read" */

    /* For whole words read by one block after another, the fast way; false: use read(). The words
     * must lie in one row. Needs the arrays, hence the pointers. */
    u32 *writers, *readers;
    u64 base;
    u32 launch_first = 1, block_first = 1, now = 0;

  private:
    struct Split {
        u64 word;
        u32 writer[4], reader[4];
    };
    struct Range {
        u32 first, last;
    };
    static void add(std::vector<Range> *set, Range r);
    bool acquired(u32 stamp) const;
    bool other(u32 stamp) const { return stamp - launch_first < block_first - launch_first; }
    Split *split(u64 word, bool make);
    u32 access(u32 *writer, u32 *reader, u32 mask, bool write, bool strong, bool *mixed);
    u32 one_word(u64 word, u32 mask, bool write, bool strong);
    u32 some_words(u64 at, u32 nbytes, bool write, bool strong);
    void forget_all();

    std::vector<Split> splits_;
    std::vector<Range> acquired_;
    std::unordered_map<u64, std::vector<Range>> released_;
    std::vector<std::pair<u32, u64>> blocks_; /* first stamp, block */
    u32 fenced_ = 0;
    bool wrote_last_ = false;
};

} // namespace emu

#endif
