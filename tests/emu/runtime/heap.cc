/* heap.cc - allocation in the reserved region, the guard against host code, pinned memory.
 * Read next: heap.hh, stream.cc. */
#include "tests/emu/runtime/heap.hh"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>
#include <unistd.h>

namespace emu
{

constexpr u64 GAP = 1 << 16; /* a stride that misses an allocation should land in a gap */
constexpr u64 PAGE = 4096;
constexpr u64 ALIGN = 256;
constexpr size_t KEPT = 1000; /* freed allocations whose addresses are not used again yet */

void *reserve(u64 nbytes)
{
    void *p = mmap(nullptr, nbytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        fprintf(stderr, "emu: cannot reserve %llu bytes of address space\n",
                (unsigned long long)nbytes);
        abort();
    }
    return p;
}

static struct sigaction before;

/* Host code touched the closed region: say so and stop, it would be a crash on a GPU too. */
static void on_segv(int number, siginfo_t *info, void *context)
{
    u64 at = (u64)info->si_addr;
    if (heap().inside(at)) {
        std::string text = "emu: host code touched device memory " + heap().describe(at) + "\n";
        if (write(STDERR_FILENO, text.data(), text.size()) < 0) abort();
        signal(SIGABRT, SIG_DFL);
        abort();
    }
    if (before.sa_flags & SA_SIGINFO) {
        before.sa_sigaction(number, info, context);
    } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
        before.sa_handler(number);
    } else {
        signal(number, SIG_DFL); /* comes again, and ends the process */
    }
}

static void print_most()
{
    fprintf(stderr, "emu: at most %llu bytes of device memory\n",
            (unsigned long long)heap().most());
}

Heap::Heap()
{
    span_ = 4 * options().memory + ((u64)1 << 30);
    /* Always at the same place where that is free, so that runs can be compared. */
    void *p = mmap((void *)0x200000000000, span_, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        fprintf(stderr, "emu: cannot reserve %llu bytes for device memory\n",
                (unsigned long long)span_);
        abort();
    }
    base_ = top_ = (u64)p;
    state_ = (u8 *)reserve(span_);
    struct sigaction action = {};
    action.sa_sigaction = on_segv;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGSEGV, &action, &before);
    if (options().stats) atexit(print_most);
}

Heap &heap()
{
    static Heap *h = new Heap;
    return *h;
}

/* The pages that an allocation lies in are its own. */
static u64 first_page(u64 at)
{
    return at / PAGE * PAGE;
}
static u64 pages_nbytes(const Allocation &a)
{
    return align_up(a.at + a.nbytes, PAGE) - first_page(a.at);
}

/* Fresh addresses, until many were freed or there are none; then those freed the longest ago. */
u64 Heap::place(u64 nbytes)
{
    const size_t kept = options().reuse ? 0 : KEPT;
    u64 need = align_up(nbytes + ALIGN, PAGE) + GAP;
    bool fresh = top_ + need <= base_ + span_;
    for (auto i = oldest_.begin(); i != oldest_.end() && (!fresh || freed_.size() > kept); i++) {
        auto f = freed_.find(*i);
        if (pages_nbytes(f->second) + GAP < need) continue;
        u64 at = f->first;
        freed_.erase(f);
        oldest_.erase(i);
        return at;
    }
    if (!fresh) return 0;
    u64 at = top_ + ALIGN;
    top_ += need;
    return at;
}

u64 Heap::room() const
{
    s64 left = (s64)options().memory - (s64)used_ - held_;
    return left > 0 ? (u64)left : 0;
}

void Heap::hold(s64 nbytes)
{
    held_ += nbytes;
    note_most();
}

void *Heap::take(u64 nbytes, const std::string &variable, bool reserved)
{
    bool counts = variable.empty();
    if (counts && !reserved && nbytes > room()) return nullptr;
    u64 at = place(nbytes);
    if (!at) return nullptr;
    open();
    if (depth_ > 1) mprotect((void *)base_, top_ - base_, PROT_READ | PROT_WRITE);
    memset((void *)at, 0xff, nbytes);
    memset(state(at), LIVE, nbytes);
    close();
    live_[at] = { at, nbytes, ++numbers_, variable };
    if (counts) {
        used_ += nbytes;
        count_++;
        if (!reserved) note_most(); /* else the pool noted it */
    }
    return (void *)at;
}

bool Heap::give(void *p)
{
    auto i = live_.find((u64)p);
    if (i == live_.end()) return false;
    Allocation a = i->second;
    live_.erase(i);
    memset(state(a.at), 0, a.nbytes);
    madvise((void *)first_page(a.at), pages_nbytes(a), MADV_DONTNEED);
    if (a.name.empty()) {
        used_ -= a.nbytes;
        count_--;
    }
    freed_[a.at] = a;
    oldest_.push_back(a.at);
    return true;
}

const Allocation *Heap::covering(u64 at, u64 nbytes) const
{
    auto i = live_.upper_bound(at);
    if (i == live_.begin()) return nullptr;
    const Allocation &a = (--i)->second;
    u64 offset = at - a.at;
    if (offset > a.nbytes || (offset == a.nbytes && a.nbytes)) return nullptr;
    return nbytes <= a.nbytes - offset ? &a : nullptr;
}

bool Heap::written(u64 at, u64 nbytes) const
{
    const u8 *s = state(at);
    for (u64 i = 0; i < nbytes; i++) {
        if (s[i] != (LIVE | WRITTEN)) return false;
    }
    return true;
}

static std::string call_it(const Allocation &a, const char *state)
{
    std::string what = a.name.empty() ? format("allocation %llu", (unsigned long long)a.number)
                                      : "variable " + a.name;
    return format("%s%s (0x%llx, %llu bytes)", state, what.c_str(), (unsigned long long)a.at,
                  (unsigned long long)a.nbytes);
}

std::string Heap::describe(u64 at) const
{
    const Allocation *nearest = nullptr;
    const char *state = "";
    auto consider = [&](const std::map<u64, Allocation> &all, const char *called) {
        auto i = all.upper_bound(at);
        if (i == all.begin()) return;
        const Allocation &a = (--i)->second;
        if (nearest && nearest->at >= a.at) return;
        nearest = &a;
        state = called;
    };
    consider(live_, "");
    consider(freed_, "freed ");
    std::string where = format("0x%llx: ", (unsigned long long)at);
    if (!inside(at)) return where + "not an address of device memory";
    if (!nearest) return where + "nothing was ever allocated there";
    u64 offset = at - nearest->at;
    std::string name = call_it(*nearest, state);
    if (offset < nearest->nbytes) {
        return where + format("byte %llu of %s", (unsigned long long)offset, name.c_str());
    }
    return where + format("%llu bytes past the end of %s",
                          (unsigned long long)(offset - nearest->nbytes), name.c_str());
}

void Heap::open()
{
    if (depth_++ == 0 && top_ > base_) {
        mprotect((void *)base_, top_ - base_, PROT_READ | PROT_WRITE);
    }
}

void Heap::close()
{
    if (--depth_ == 0 && top_ > base_) mprotect((void *)base_, top_ - base_, PROT_NONE);
}

static std::map<u64, u64> &pins()
{
    static auto *m = new std::map<u64, u64>;
    return *m;
}

void pin(void *p, u64 nbytes)
{
    pins()[(u64)p] = nbytes;
}
bool unpin(void *p)
{
    return pins().erase((u64)p) > 0;
}

void *pinned_start(u64 at)
{
    auto i = pins().upper_bound(at);
    if (i == pins().begin()) return nullptr;
    --i;
    return at - i->first < i->second ? (void *)i->first : nullptr;
}

bool pinned(u64 at, u64 nbytes)
{
    void *start = pinned_start(at);
    return start && nbytes <= pins()[(u64)start] - (at - (u64)start);
}

bool covers(const void *p, size_t nbytes, bool host)
{
    std::lock_guard<std::recursive_mutex> hold(runtime_mutex());
    return heap().covering((u64)p, nbytes) || (host && pinned((u64)p, nbytes));
}

bool initialized(const void *p, size_t nbytes)
{
    std::lock_guard<std::recursive_mutex> hold(runtime_mutex());
    if (heap().covering((u64)p, nbytes)) return heap().written((u64)p, nbytes);
    return pinned((u64)p, nbytes);
}

void mark_initialized(const void *p, size_t nbytes)
{
    std::lock_guard<std::recursive_mutex> hold(runtime_mutex());
    if (heap().covering((u64)p, nbytes)) heap().mark((u64)p, nbytes);
}

size_t live_bytes()
{
    std::lock_guard<std::recursive_mutex> hold(runtime_mutex());
    return heap().used();
}

size_t live_allocations()
{
    std::lock_guard<std::recursive_mutex> hold(runtime_mutex());
    return heap().count();
}

} // namespace emu
