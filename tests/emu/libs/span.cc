/* tests/emu/libs/span.cc - coverage, initialization and overlap of strided device memory.
 * Read next: span.hh, tests/emu/emu.h. */
#include "span.hh"

#include <algorithm>

#include "../emu.h"

namespace emulib
{

Span Span::array(const void *p, int64_t nbytes)
{
    Span s;
    s.start = (const char *)p;
    s.nbytes = nbytes;
    s.count = 1;
    return s;
}

int64_t Span::extent() const
{
    if (empty()) return 0;
    return (batch - 1) * batch_stride + (count - 1) * stride + nbytes;
}

std::vector<const char *> Span::starts() const
{
    std::vector<const char *> all;
    if (empty()) return all;
    for (int64_t b = 0; b < batch; b++)
        for (int64_t i = 0; i < count; i++) all.push_back(start + b * batch_stride + i * stride);
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
}

bool covered(const Span &s)
{
    return s.empty() || (s.start && emu::covers(s.start, (size_t)s.extent()));
}

/* Calls visit(run, nbytes) with neighbouring runs joined, until one answers false. */
template <class Visit> static bool each_run(const Span &s, Visit visit)
{
    std::vector<const char *> starts = s.starts();
    for (size_t i = 0; i < starts.size();) {
        const char *from = starts[i], *to = from + s.nbytes;
        while (++i < starts.size() && starts[i] <= to) to = std::max(to, starts[i] + s.nbytes);
        if (!visit(from, (size_t)(to - from))) return false;
    }
    return true;
}

bool written(const Span &s)
{
    return each_run(s, [](const char *p, size_t nbytes) { return emu::initialized(p, nbytes); });
}

void mark_written(const Span &s)
{
    each_run(s,
             [](const char *p, size_t nbytes) { return emu::mark_initialized(p, nbytes), true; });
}

bool overlap(const Span &a, const Span &b)
{
    if (a.empty() || b.empty()) return false;
    if (a.start + a.extent() <= b.start || b.start + b.extent() <= a.start) return false;
    std::vector<const char *> of_b = b.starts();
    return !each_run(a, [&](const char *p, size_t nbytes) {
        auto after = std::lower_bound(of_b.begin(), of_b.end(), p + nbytes);
        return after == of_b.begin() || *(after - 1) + b.nbytes <= p;
    });
}

bool overlaps_itself(const Span &s)
{
    if (s.empty()) return false;
    std::vector<const char *> starts = s.starts();
    if ((int64_t)starts.size() < s.count * s.batch) return true; /* a stride of 0 */
    for (size_t i = 1; i < starts.size(); i++)
        if (starts[i - 1] + s.nbytes > starts[i]) return true;
    return false;
}

} // namespace emulib
