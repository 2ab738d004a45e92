/* tests/emu/libs/span.hh - which bytes of device memory a matrix occupies, gaps between columns
 * left out. Read next: ltmatmul.cc and spcheck.cc, which ask. */
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace emulib
{

/* `count` runs of `nbytes`, `stride` apart, and the whole of it `batch` times, `batch_stride` apart
 * (bytes). A packed array is one run. Runs may lie in each other's gaps, as the heads of an
 * attention do. */
struct Span {
    const char *start = nullptr;
    int64_t nbytes = 0, count = 0, stride = 0;
    int64_t batch = 1, batch_stride = 0;

    static Span array(const void *p, int64_t nbytes);
    bool empty() const { return nbytes <= 0 || count <= 0 || batch <= 0; }
    int64_t extent() const;                   /* bytes from the first to the last, gaps included */
    std::vector<const char *> starts() const; /* of its runs, ascending, without repetition */
};

/* One live allocation holds it all. */
bool covered(const Span &s);
/* Every byte of every run was written once. */
bool written(const Span &s);
void mark_written(const Span &s);
/* A byte belongs to both. */
bool overlap(const Span &a, const Span &b);
/* A byte belongs to two runs of one span: a matrix that overwrites itself. */
bool overlaps_itself(const Span &s);

} // namespace emulib
