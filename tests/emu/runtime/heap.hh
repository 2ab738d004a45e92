/* heap.hh - device memory: one reserved region that host code cannot touch, with the state of every
 * byte beside it. Read next: heap.cc, race_global.hh. */
#ifndef PE_TESTS_EMU_HEAP_HH
#define PE_TESTS_EMU_HEAP_HH

#include <algorithm>
#include <deque>
#include <map>

#include "tests/emu/runtime/common.hh"

namespace emu
{

/* State of a byte of device or shared memory. */
enum : u8 { LIVE = 1, WRITTEN = 2 };

struct Allocation {
    u64 at, nbytes;
    u64 number;       /* 1 is the first of the process */
    std::string name; /* of a device variable, else empty */
};

class Heap
{
  public:
    Heap();
    Heap(const Heap &) = delete;

    /* NULL when the limit does not allow it. Variables do not count against the limit, nor does
     * what a pool has reserved. Fresh memory is 0xff and not written. Alignment is 256 and, on
     * purpose, rarely more. */
    void *take(u64 nbytes, const std::string &variable = "", bool reserved = false);
    bool give(void *p); /* false when p is not the start of a live allocation */

    const Allocation *covering(u64 at, u64 nbytes) const; /* NULL when no live one covers it */
    bool inside(u64 at) const { return at - base_ < span_; }
    u8 *state(u64 at) const { return state_ + (at - base_); }
    void mark(u64 at, u64 nbytes) const { memset(state(at), LIVE | WRITTEN, nbytes); }
    bool written(u64 at, u64 nbytes) const;
    /* Where an address lies: "0x...: 4 bytes past allocation 3 (0x..., 400 bytes)". */
    std::string describe(u64 at) const;

    u64 base() const { return base_; }
    u64 span() const { return span_; }
    u64 used() const { return used_; }        /* bytes, without variables */
    u64 room() const;                         /* bytes of the card that nothing holds */
    void hold(s64 nbytes);                    /* pools: more, or less, that no block uses */
    u64 most() const { return most_; }        /* bytes of the card that were held at once so far */
    u64 count() const { return count_; }      /* allocations, without variables */
    u64 high() const { return top_ - base_; } /* no byte above it was ever handed out */

    /* Device code and copies run between open() and close(); they nest. */
    void open();
    void close();

  private:
    u64 place(u64 nbytes);
    u64 base_, span_, top_;
    u8 *state_;
    int depth_ = 0;
    void note_most() { most_ = std::max(most_, options().memory - room()); }
    u64 used_ = 0, count_ = 0, numbers_ = 0, most_ = 0;
    s64 held_ = 0; /* what pools have reserved, less their blocks that live */
    std::map<u64, Allocation> live_;
    std::map<u64, Allocation> freed_; /* not reused yet, by address */
    std::deque<u64> oldest_;          /* addresses in freed_, first freed first */
};

Heap &heap();

struct HeapOpen {
    HeapOpen() { heap().open(); }
    ~HeapOpen() { heap().close(); }
};

/* Pinned host memory: what device code may also reach. */
void pin(void *p, u64 nbytes);
bool unpin(void *p); /* false when p is not the start of a pinned range */
bool pinned(u64 at, u64 nbytes);
void *pinned_start(u64 at);

/* Memory that is touched rarely: reserved, zero, and only paid for where it is used. */
void *reserve(u64 nbytes);

} // namespace emu

#endif
