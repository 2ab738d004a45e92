/* tests/emu/libtests/fakecudart.cc - as much of a CUDA runtime as the tests of the stand-in
 * libraries need: a guarded heap, streams that run when something waits, and what tests/emu/emu.h
 * promises. It keeps those tests apart from the interpreter. Read next: tests/emu/emu.h,
 * harness.cc. */
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <sys/mman.h>
#include <vector>

#include "../emu.h"

struct CUstream_st {
    std::deque<std::function<void()>> work;
};

namespace
{

const size_t ARENA = (size_t)1 << 31, GUARD = 4096, ALIGN = 256;

struct Block {
    size_t nbytes;
    std::vector<bool> written;
};

struct Runtime {
    char *arena = nullptr;
    size_t top = 0;
    int open = 0; /* queues that are running */
    std::map<const char *, Block> blocks;
    std::set<CUstream_st *> streams;
    CUstream_st ordinary;
    std::map<std::string, long> calls;
    unsigned long nviolations = 0;
    cudaError_t sticky = cudaSuccess;
};

Runtime &runtime()
{
    static Runtime *r = new Runtime;
    if (!r->arena)
        r->arena = (char *)mmap(nullptr, ARENA, PROT_NONE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return *r;
}

void protect(int protection)
{
    mprotect(runtime().arena, ARENA, protection);
}

void with_heap(const std::function<void()> &body)
{
    if (runtime().open++ == 0) protect(PROT_READ | PROT_WRITE);
    body();
    if (--runtime().open == 0) protect(PROT_NONE);
}

/* The block that holds p, with p's place in it. */
Block *block_of(const void *p, size_t *at)
{
    auto &blocks = runtime().blocks;
    auto after = blocks.upper_bound((const char *)p);
    if (after == blocks.begin()) return nullptr;
    --after;
    *at = (size_t)((const char *)p - after->first);
    return *at <= after->second.nbytes ? &after->second : nullptr;
}

CUstream_st *stream_of(cudaStream_t s)
{
    if (!s || s == cudaStreamLegacy) return &runtime().ordinary;
    return runtime().streams.count(s) ? s : nullptr;
}

void drain(CUstream_st *s)
{
    while (!s->work.empty()) {
        std::function<void()> next = s->work.front();
        s->work.pop_front();
        with_heap(next);
    }
}

cudaError_t drain_all()
{
    drain(&runtime().ordinary);
    for (CUstream_st *s : runtime().streams) drain(s);
    return runtime().sticky;
}

int capability()
{
    const char *wanted = getenv("PE_EMU_CC");
    return wanted ? atoi(wanted) : 90;
}

int device_count()
{
    const char *wanted = getenv("PE_EMU_DEVICES");
    return wanted ? atoi(wanted) : 1;
}

} // namespace

namespace emu
{

cudaError_t enqueue(cudaStream_t s, const char *, std::function<void()> work)
{
    CUstream_st *stream = stream_of(s);
    if (runtime().sticky) return runtime().sticky;
    if (!stream) return cudaErrorInvalidResourceHandle;
    stream->work.push_back(std::move(work));
    return cudaSuccess;
}

bool covers(const void *p, std::size_t nbytes, bool)
{
    size_t at;
    Block *b = block_of(p, &at);
    return b && nbytes <= b->nbytes - at;
}

bool initialized(const void *p, std::size_t nbytes)
{
    size_t at;
    Block *b = block_of(p, &at);
    if (!b || nbytes > b->nbytes - at) return false;
    for (size_t i = 0; i < nbytes; i++)
        if (!b->written[at + i]) return false;
    return true;
}

void mark_initialized(const void *p, std::size_t nbytes)
{
    size_t at;
    Block *b = block_of(p, &at);
    for (size_t i = 0; b && i < nbytes && at + i < b->nbytes; i++) b->written[at + i] = true;
}

void violation(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "emu: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    runtime().nviolations++;
    runtime().sticky = cudaErrorLaunchFailure;
}

unsigned long violations()
{
    return runtime().nviolations;
}

bool fails_now(const char *function)
{
    const char *wanted = getenv("PE_EMU_FAIL");
    std::string call = std::string(function) + ":" + std::to_string(++runtime().calls[function]);
    if (!wanted) return false;
    return ("," + std::string(wanted) + ",").find("," + call + ",") != std::string::npos;
}

} // namespace emu

extern "C" {

cudaError_t cudaGetDeviceCount(int *count)
{
    *count = device_count();
    return *count ? cudaSuccess : cudaErrorNoDevice;
}

cudaError_t cudaGetDevice(int *device)
{
    *device = 0;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int)
{
    if (attribute == cudaDevAttrComputeCapabilityMajor) *value = capability() / 10;
    else if (attribute == cudaDevAttrComputeCapabilityMinor) *value = capability() % 10;
    else return cudaErrorInvalidValue;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int)
{
    memset(properties, 0, sizeof *properties);
    strcpy(properties->name, "fake");
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *free_nbytes, size_t *total)
{
    *total = ARENA;
    *free_nbytes = ARENA - runtime().top;
    return cudaSuccess;
}

cudaError_t cudaMalloc(void **p, size_t nbytes)
{
    Runtime &r = runtime();
    if (nbytes > ARENA - r.top - GUARD) return cudaErrorMemoryAllocation;
    char *start = r.arena + r.top;
    r.top += (nbytes + ALIGN - 1) / ALIGN * ALIGN + GUARD;
    r.blocks[start] = { nbytes, std::vector<bool>(nbytes, false) };
    with_heap([=] { memset(start, 0xff, nbytes); });
    *p = start;
    return r.sticky;
}

cudaError_t cudaFree(void *p)
{
    cudaError_t error = drain_all();
    runtime().blocks.erase((const char *)p);
    return error;
}

cudaError_t cudaFreeAsync(void *p, cudaStream_t s)
{
    return emu::enqueue(s, "cudaFreeAsync", [=] { runtime().blocks.erase((const char *)p); });
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t nbytes, cudaMemcpyKind kind)
{
    cudaError_t error = drain_all();
    if (nbytes) with_heap([=] { memcpy(to, from, nbytes); });
    if (kind == cudaMemcpyHostToDevice) emu::mark_initialized(to, nbytes);
    return error;
}

cudaError_t cudaStreamCreate(cudaStream_t *s)
{
    *s = new CUstream_st;
    runtime().streams.insert(*s);
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t s)
{
    return runtime().streams.erase(s) ? cudaSuccess : cudaErrorInvalidResourceHandle;
}

cudaError_t cudaStreamSynchronize(cudaStream_t s)
{
    CUstream_st *stream = stream_of(s);
    if (!stream) return cudaErrorInvalidResourceHandle;
    drain(stream);
    return runtime().sticky;
}

cudaError_t cudaDeviceSynchronize(void)
{
    return drain_all();
}

} // extern "C"
