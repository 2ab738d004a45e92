/* common.hh - integer names, options from the environment and the two ways to say that a rule was
 * broken. Read next: tests/emu/README.md, report.cc. */
#ifndef PE_TESTS_EMU_COMMON_HH
#define PE_TESTS_EMU_COMMON_HH

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string>

#include <driver_types.h>

#include "tests/emu/emu.h"

namespace emu
{

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

constexpr u32 ALL_LANES = 0xffffffffu;

enum class Sched : u8 { Forward, Reverse, Random };

/* PE_EMU_*, read once. Tests may change them between launches. */
struct Options {
    int cc = 90;         /* PE_EMU_CC: compute capability, times ten */
    u64 memory;          /* PE_EMU_MEM: bytes of device memory */
    int devices = 1;     /* PE_EMU_DEVICES */
    cudaError_t failure; /* PE_EMU_ERROR: what calls say that PE_EMU_FAIL names */
    bool reuse;          /* PE_EMU_REUSE: freed addresses are handed out again at once */
    bool old_driver;     /* PE_EMU_DRIVER=old */
    bool race = true;    /* PE_EMU_RACE */
    int init = 1; /* PE_EMU_INIT: 1 finds loads of bytes that were never written, 2 copies too */
    Sched sched;  /* PE_EMU_SCHED */
    u64 seed = 1; /* PE_EMU_SEED */
    u64 steps;    /* PE_EMU_STEPS: warp instructions of one block before it counts as hung */
    bool stats = false; /* PE_EMU_STATS: instructions and speed of every kernel, at exit */
};
Options &options();

/* A broken rule that ends the work: what a kernel or a queued copy throws. */
struct Fault {
    cudaError_t code;
    std::string text;
};

std::string format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
[[noreturn]] void fault(cudaError_t code, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Prints "emu: text", counts it and sets the sticky error, unless one is set already. */
void report(cudaError_t code, const std::string &text);

/* The error of this process that no call clears, and the last one of this thread. */
cudaError_t sticky_error();
void forget_errors(); /* for tests and cudaDeviceReset */

/* The device of this thread. They share one memory; streams and events belong to one of them. */
int current_device();

/* One lock for all of the runtime's state. Recursive: calls use each other. */
std::recursive_mutex &runtime_mutex();

/* splitmix64: schedules are drawn from it, so that a seed gives the same run everywhere. */
struct Random {
    u64 state;
    u64 next()
    {
        u64 z = state += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        return z ^ z >> 31;
    }
    u32 below(u32 n) { return (u32)(next() % n); }
};

template <class T> T align_up(T n, T to)
{
    return (n + to - 1) / to * to;
}

} // namespace emu

#endif
