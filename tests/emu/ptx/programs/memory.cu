/* memory.cu - device memory, pools, pinned memory, the limit, and what other stand-ins see of it
 * (emu.h). Run with PE_EMU_MEM=64M. Read next: program.cuh, tests/emu/emu.h, runtime/heap.cc. */
#include "program.cuh"

#include "tests/emu/emu.h"

#include <cstring>

constexpr size_t MIB = 1 << 20;

__global__ void doubled(const int *from, int *to)
{
    to[threadIdx.x] = 2 * from[threadIdx.x];
}

static void the_limit_holds()
{
    void *p = &p, *q;
    size_t available, total;
    CALL(cudaMemGetInfo(&available, &total));
    EXPECT(total == 64 * MIB && available == total);
    EXPECT(cudaMalloc(&p, 65 * MIB) == cudaErrorMemoryAllocation);
    EXPECT(p == nullptr);
    EXPECT(cudaGetLastError() == cudaErrorMemoryAllocation);
    CALL(cudaMalloc(&p, 40 * MIB));
    EXPECT(cudaMalloc(&q, 30 * MIB) == cudaErrorMemoryAllocation);
    cudaGetLastError();
    CALL(cudaMemGetInfo(&available, &total));
    EXPECT(available == 24 * MIB);
    EXPECT(emu::live_bytes() == 40 * MIB && emu::live_allocations() == 1);
    CALL(cudaFree(p));
    EXPECT(cudaFree(p) == cudaErrorInvalidValue);
    EXPECT(emu::live_bytes() == 0 && emu::live_allocations() == 0);
    cudaGetLastError();
    CALL(cudaMalloc(&p, 0));
    EXPECT(p == nullptr);
    /* addresses are used again when there are no new ones */
    for (int i = 0; i < 24; i++) {
        CALL(cudaMalloc(&p, 60 * MIB));
        CALL(cudaFree(p));
    }
    finish("the_limit_holds");
}

static size_t free_bytes()
{
    size_t available = 0, total = 0;
    CALL(cudaMemGetInfo(&available, &total));
    return available;
}

static void pools()
{
    cudaMemPool_t pool, other;
    cudaStream_t s;
    unsigned long long value = 5 * MIB;
    void *p, *q;
    CALL(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
    CALL(cudaDeviceGetDefaultMemPool(&pool, 0));
    CALL(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &value));
    value = 0;
    CALL(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &value));
    EXPECT(value == 5 * MIB);
    cudaMemPoolProps props = {};
    props.allocType = cudaMemAllocationTypePinned;
    props.location.type = cudaMemLocationTypeDevice;
    CALL(cudaMemPoolCreate(&other, &props));
    CALL(cudaMallocFromPoolAsync(&p, 50 * MIB, other, s));
    CALL(cudaMemPoolGetAttribute(other, cudaMemPoolAttrUsedMemCurrent, &value));
    EXPECT(value == 50 * MIB);
    CALL(cudaFreeAsync(p, s));
    CALL(cudaMallocAsync(&q, 50 * MIB, s)); /* fits only when the first is freed */
    CALL(cudaMemPoolGetAttribute(other, cudaMemPoolAttrUsedMemCurrent, &value));
    EXPECT(value == 0);
    CALL(cudaMemPoolGetAttribute(other, cudaMemPoolAttrUsedMemHigh, &value));
    EXPECT(value == 50 * MIB);
    CALL(cudaFreeAsync(q, s));
    CALL(cudaStreamSynchronize(s));
    CALL(cudaMemPoolTrimTo(pool, 0));
    value = 20 * MIB; /* of 30 freed it keeps so much after a wait, and all of it before */
    CALL(cudaMemPoolSetAttribute(other, cudaMemPoolAttrReleaseThreshold, &value));
    CALL(cudaMallocFromPoolAsync(&p, 30 * MIB, other, s));
    CALL(cudaFreeAsync(p, s));
    CALL(cudaMemPoolTrimTo(other, 0));
    EXPECT(free_bytes() == 34 * MIB);
    CALL(cudaMallocFromPoolAsync(&p, 25 * MIB, other, s)); /* the same bytes, in order */
    EXPECT(free_bytes() == 34 * MIB);
    CALL(cudaFreeAsync(p, s));
    CALL(cudaStreamSynchronize(s));
    CALL(cudaMemPoolGetAttribute(other, cudaMemPoolAttrReservedMemCurrent, &value));
    EXPECT(value == 20 * MIB && free_bytes() == 44 * MIB);
    EXPECT(cudaMalloc(&p, 50 * MIB) == cudaErrorMemoryAllocation);
    CALL(cudaMemPoolTrimTo(other, 0));
    EXPECT(free_bytes() == 64 * MIB);
    CALL(cudaMemPoolDestroy(other));
    EXPECT(cudaMemPoolTrimTo(other, 0) == cudaErrorInvalidValue);
    EXPECT(cudaMallocFromPoolAsync(&p, 4, other, s) == cudaErrorInvalidValue);
    EXPECT(cudaFreeAsync(q, s) == cudaErrorInvalidValue);
    EXPECT(emu::live_bytes() == 0);
    CALL(cudaStreamDestroy(s));
    cudaGetLastError();
    finish("pools");
}

static void pinned_memory()
{
    int *host, *device, *registered = (int *)malloc(4096);
    CALL(cudaHostAlloc(&host, 128, cudaHostAllocMapped));
    CALL(cudaHostGetDevicePointer((void **)&device, host, 0));
    cudaPointerAttributes a;
    CALL(cudaPointerGetAttributes(&a, host));
    EXPECT(a.type == cudaMemoryTypeHost);
    CALL(cudaPointerGetAttributes(&a, registered));
    EXPECT(a.type == cudaMemoryTypeUnregistered);
    CALL(cudaHostRegister(registered, 4096, cudaHostRegisterDefault));
    EXPECT(cudaHostRegister(registered, 4096, cudaHostRegisterDefault) ==
           cudaErrorHostMemoryAlreadyRegistered);
    for (int i = 0; i < 32; i++) registered[i] = i;
    doubled<<<1, 32>>>(registered, device); /* kernels reach pinned memory */
    CALL(cudaDeviceSynchronize());
    EXPECT(host[31] == 62);
    CALL(cudaHostUnregister(registered));
    EXPECT(cudaHostUnregister(registered) == cudaErrorHostMemoryNotRegistered);
    CALL(cudaFreeHost(host));
    EXPECT(cudaFreeHost(host) == cudaErrorInvalidValue);
    Device<int> d(4);
    CALL(cudaPointerGetAttributes(&a, d.p));
    EXPECT(a.type == cudaMemoryTypeDevice && a.device == 0);
    cudaGetLastError();
    free(registered);
    finish("pinned_memory");
}

static void rectangles_and_fills()
{
    std::vector<unsigned char> host(64);
    for (int i = 0; i < 64; i++) host[i] = (unsigned char)i;
    Device<unsigned char> d(100);
    CALL(cudaMemset(d, 0xab, 100));
    CALL(cudaMemcpy2D(d + 1, 20, host.data(), 16, 5, 4, cudaMemcpyHostToDevice));
    std::vector<unsigned char> got = d.get();
    for (int i = 0; i < 100; i++) {
        int row = (i - 1) / 20, col = (i - 1) % 20;
        EXPECT(got[i] == (i > 0 && row < 4 && col < 5 ? row * 16 + col : 0xab));
    }
    std::vector<unsigned char> back(40);
    CALL(cudaMemcpy2DAsync(back.data(), 10, d + 1, 20, 5, 4, cudaMemcpyDeviceToHost, 0));
    CALL(cudaStreamSynchronize(0));
    EXPECT(back[31] == 49 && back[35] == 0);
    Device<unsigned char> e(100);
    CALL(cudaMemcpyAsync(e, d, 100, cudaMemcpyDeviceToDevice, 0));
    CALL(cudaMemsetAsync(e + 50, 1, 50, 0));
    got = e.get();
    EXPECT(got[3] == 2 && got[99] == 1);
    finish("rectangles_and_fills");
}

static void other_libraries_use_the_memory()
{
    Device<int> d(64);
    EXPECT(emu::covers(d, 256) && !emu::covers(d, 257) && emu::covers(d + 63, 4) &&
           !emu::covers(d + 64, 0));
    EXPECT(!emu::covers(&d, 4) && !emu::initialized(d, 4));
    CALL(cudaMemset(d, 0, 128));
    EXPECT(!emu::initialized(d, 128)); /* it has not run yet */
    CALL(cudaDeviceSynchronize());
    EXPECT(emu::initialized(d, 128) && !emu::initialized(d, 129) && !emu::initialized(d + 32, 4));
    int *p = d, ran = 0;
    CALL(emu::enqueue(0, "a product", [=, &ran] {
        for (int i = 0; i < 64; i++) p[i] = i * 3;
        emu::mark_initialized(p, 256);
        ran = 1;
    }));
    EXPECT(!ran);
    EXPECT(d.get()[21] == 63 && ran);
    EXPECT(emu::initialized(d, 256) && emu::violations() == 0);
    EXPECT(emu::enqueue((cudaStream_t)&ran, "x", [] {}) == cudaErrorInvalidResourceHandle);
    EXPECT(!emu::fails_now("something"));
    finish("other_libraries_use_the_memory");
}

static void a_violation_is_for_ever()
{
    int *d; /* not freed: after the violation nothing works any more */
    CALL(cudaMalloc(&d, 16));
    CALL(emu::enqueue(0, "bad work", [] { emu::violation("rule %d is broken", 7); }));
    EXPECT(emu::violations() == 0);
    EXPECT(cudaDeviceSynchronize() == cudaErrorLaunchFailure);
    EXPECT(emu::violations() == 1);
    EXPECT(cudaMemset(d, 0, 4) == cudaErrorLaunchFailure);
    EXPECT(cudaGetLastError() == cudaErrorLaunchFailure);
    EXPECT(cudaGetLastError() == cudaErrorLaunchFailure);
    doubled<<<1, 4>>>(d, d);
    EXPECT(cudaGetLastError() == cudaErrorLaunchFailure);
    EXPECT(emu::enqueue(0, "more", [] {}) == cudaErrorLaunchFailure);
    finish("a_violation_is_for_ever");
}

int main()
{
    the_limit_holds();
    pools();
    pinned_memory();
    rectangles_and_fills();
    other_libraries_use_the_memory();
    a_violation_is_for_ever();
    return failed;
}
