/* api_memory.cc - device memory, pools, pinned memory. Read next: heap.hh, api_copy.cc. */
#include "tests/emu/runtime/api.hh"

#include <cstdlib>
#include <map>

/* The type behind cudaMemPool_t. What was freed in a stream can be had again at once, but goes back
 * to the card only when the stream has come that far: until then its block lives. */
struct CUmemPoolHandle_st {
    emu::u64 release_threshold = 0, used = 0, used_high = 0, live = 0;
    emu::u64 reserved = 0, reserved_high = 0;
    int reuse[3] = { 1, 1, 1 };
};

namespace emu
{

static cudaMemPool_t default_pool()
{
    static CUmemPoolHandle_st *pool = new CUmemPoolHandle_st;
    return pool;
}

static std::map<cudaMemPool_t, bool> &pools()
{
    static auto *p = new std::map<cudaMemPool_t, bool>{ { default_pool(), true } };
    return *p;
}

struct PoolBlock {
    cudaMemPool_t pool;
    u64 nbytes;
    bool freed; /* in the order of a stream */
};
static std::map<void *, PoolBlock> &from_pools()
{
    static auto *m = new std::map<void *, PoolBlock>;
    return *m;
}

static cudaError_t allocate(void **p, u64 nbytes, bool reserved = false)
{
    if (!p) return cudaErrorInvalidValue;
    *p = nullptr;
    if (!nbytes) return cudaSuccess;
    *p = heap().take(nbytes, "", reserved);
    return *p ? cudaSuccess : cudaErrorMemoryAllocation;
}

/* Down to `keep`, as far as blocks do not live there. */
static void shrink(cudaMemPool_t pool, u64 keep)
{
    keep = std::max(keep, pool->live);
    if (pool->reserved <= keep) return;
    heap().hold(-(s64)(pool->reserved - keep));
    pool->reserved = keep;
}

void shrink_pools()
{
    for (auto &p : pools()) shrink(p.first, p.first->release_threshold);
}

static bool reserve_in(cudaMemPool_t pool, u64 nbytes)
{
    if (nbytes <= pool->reserved) return true;
    if (nbytes - pool->reserved > heap().room()) return false;
    heap().hold((s64)(nbytes - pool->reserved));
    pool->reserved = nbytes;
    pool->reserved_high = std::max(pool->reserved_high, nbytes);
    return true;
}

/* Memory of a pool: what streams have not freed yet may have to be waited for. */
static cudaError_t allocate_from(cudaMemPool_t pool, void **p, u64 nbytes, cudaStream_t s)
{
    if (!stream_of(s)) return cudaErrorInvalidResourceHandle;
    if (!p || !pools().count(pool) || !nbytes) return cudaErrorInvalidValue;
    *p = nullptr;
    if (!reserve_in(pool, pool->used + nbytes)) {
        run_everything();
        shrink_pools();
        if (!reserve_in(pool, pool->used + nbytes)) return cudaErrorMemoryAllocation;
    }
    cudaError_t e = allocate(p, nbytes, true);
    if (e != cudaSuccess) return e;
    from_pools()[*p] = { pool, nbytes, false };
    heap().hold(-(s64)nbytes);
    pool->live += nbytes;
    pool->used += nbytes;
    pool->used_high = std::max(pool->used_high, pool->used);
    return e;
}

static void free_in_order(void *p)
{
    auto i = from_pools().find(p);
    if (i == from_pools().end() || i->second.freed) return;
    i->second.freed = true;
    i->second.pool->used -= i->second.nbytes;
}

static void forget_pool_block(void *p)
{
    auto i = from_pools().find(p);
    if (i == from_pools().end()) return;
    free_in_order(p);
    i->second.pool->live -= i->second.nbytes;
    heap().hold((s64)i->second.nbytes);
    from_pools().erase(i);
}

static bool is_allocation(void *p)
{
    const Allocation *a = heap().covering((u64)p, 0);
    return a && a->at == (u64)p && a->name.empty();
}

static cudaError_t pin_new(void **p, size_t nbytes)
{
    if (!p) return cudaErrorInvalidValue;
    *p = nullptr;
    if (!nbytes) return cudaSuccess;
    *p = aligned_alloc(4096, align_up(nbytes, (size_t)4096));
    if (!*p) return cudaErrorMemoryAllocation;
    memset(*p, 0xff, nbytes);
    pin(*p, nbytes);
    return cudaSuccess;
}

} // namespace emu

using namespace emu;

extern "C" {

cudaError_t cudaMalloc(void **p, size_t nbytes)
{
    Call call("cudaMalloc");
    if (call.refused()) return call.error();
    return call.done(allocate(p, nbytes));
}

/* Waits for all work, as the real one does. */
cudaError_t cudaFree(void *p)
{
    Call call("cudaFree");
    if (call.refused()) return call.error();
    if (!p) return call.done(cudaSuccess);
    run_everything();
    if (!is_allocation(p)) return call.done(cudaErrorInvalidValue);
    heap().give(p); /* first, or it would count twice */
    forget_pool_block(p);
    return call.done(cudaSuccess);
}

cudaError_t cudaMallocAsync(void **p, size_t nbytes, cudaStream_t s)
{
    Call call("cudaMallocAsync");
    if (call.refused()) return call.error();
    return call.done(allocate_from(default_pool(), p, nbytes, s));
}

cudaError_t cudaMallocFromPoolAsync(void **p, size_t nbytes, cudaMemPool_t pool, cudaStream_t s)
{
    Call call("cudaMallocFromPoolAsync");
    if (call.refused()) return call.error();
    return call.done(allocate_from(pool, p, nbytes, s));
}

cudaError_t cudaFreeAsync(void *p, cudaStream_t s)
{
    Call call("cudaFreeAsync");
    if (call.refused()) return call.error();
    auto stream = stream_of(s);
    if (!stream) return call.done(cudaErrorInvalidResourceHandle);
    if (!p) return call.done(cudaSuccess);
    if (!is_allocation(p)) return call.done(cudaErrorInvalidValue);
    free_in_order(p);
    put(stream, { "cudaFreeAsync",
                  [p] {
                      if (!is_allocation(p)) violation("cudaFreeAsync: %p was freed before", p);
                      heap().give(p); /* first, or it would count twice */
                      forget_pool_block(p);
                  },
                  false,
                  {} });
    return call.done(cudaSuccess);
}

cudaError_t cudaMemGetInfo(size_t *free, size_t *total)
{
    Call call("cudaMemGetInfo");
    if (call.refused()) return call.error();
    if (!free || !total) return call.done(cudaErrorInvalidValue);
    *total = options().memory;
    *free = heap().room();
    return call.done(cudaSuccess);
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t *pool, int device)
{
    Call call("cudaDeviceGetDefaultMemPool");
    if (call.refused()) return call.error();
    if (device < 0 || device >= options().devices) return call.done(cudaErrorInvalidDevice);
    if (!pool) return call.done(cudaErrorInvalidValue);
    *pool = default_pool();
    return call.done(cudaSuccess);
}

cudaError_t cudaMemPoolCreate(cudaMemPool_t *pool, const struct cudaMemPoolProps *props)
{
    Call call("cudaMemPoolCreate");
    if (call.refused()) return call.error();
    bool fits = pool && props && props->allocType == cudaMemAllocationTypePinned &&
                props->location.type == cudaMemLocationTypeDevice && props->location.id >= 0 &&
                props->location.id < options().devices;
    if (!fits) return call.done(cudaErrorInvalidValue);
    *pool = new CUmemPoolHandle_st;
    pools()[*pool] = true;
    return call.done(cudaSuccess);
}

cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool)
{
    Call call("cudaMemPoolDestroy");
    if (call.refused()) return call.error();
    if (pool == default_pool() || !pools().count(pool)) return call.done(cudaErrorInvalidValue);
    shrink(pool, 0);
    pools().erase(pool); /* its memory lives on until it is freed, and the counts with it */
    return call.done(cudaSuccess);
}

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t keep)
{
    Call call("cudaMemPoolTrimTo");
    if (call.refused()) return call.error();
    if (!pools().count(pool)) return call.done(cudaErrorInvalidValue);
    shrink(pool, keep);
    return call.done(cudaSuccess);
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, enum cudaMemPoolAttr attr, void *value)
{
    Call call("cudaMemPoolSetAttribute");
    if (call.refused()) return call.error();
    if (!value || !pools().count(pool)) return call.done(cudaErrorInvalidValue);
    bool high = attr == cudaMemPoolAttrReservedMemHigh || attr == cudaMemPoolAttrUsedMemHigh;
    if (attr == cudaMemPoolAttrReleaseThreshold) {
        pool->release_threshold = *(u64 *)value;
    } else if (attr >= cudaMemPoolReuseFollowEventDependencies &&
               attr <= cudaMemPoolReuseAllowInternalDependencies) {
        pool->reuse[attr - cudaMemPoolReuseFollowEventDependencies] = *(int *)value != 0;
    } else if (high && *(u64 *)value == 0) {
        if (attr == cudaMemPoolAttrUsedMemHigh) pool->used_high = pool->used;
        else pool->reserved_high = pool->reserved;
    } else {
        return call.done(cudaErrorInvalidValue);
    }
    return call.done(cudaSuccess);
}

cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, enum cudaMemPoolAttr attr, void *value)
{
    Call call("cudaMemPoolGetAttribute");
    if (call.refused()) return call.error();
    if (!value || !pools().count(pool)) return call.done(cudaErrorInvalidValue);
    switch (attr) {
    case cudaMemPoolReuseFollowEventDependencies:
    case cudaMemPoolReuseAllowOpportunistic:
    case cudaMemPoolReuseAllowInternalDependencies:
        *(int *)value = pool->reuse[attr - cudaMemPoolReuseFollowEventDependencies];
        break;
    case cudaMemPoolAttrReleaseThreshold: *(u64 *)value = pool->release_threshold; break;
    case cudaMemPoolAttrReservedMemCurrent: *(u64 *)value = pool->reserved; break;
    case cudaMemPoolAttrUsedMemCurrent: *(u64 *)value = pool->used; break;
    case cudaMemPoolAttrReservedMemHigh: *(u64 *)value = pool->reserved_high; break;
    case cudaMemPoolAttrUsedMemHigh: *(u64 *)value = pool->used_high; break;
    default: return call.done(cudaErrorInvalidValue);
    }
    return call.done(cudaSuccess);
}

cudaError_t cudaMallocHost(void **p, size_t nbytes)
{
    Call call("cudaMallocHost");
    if (call.refused()) return call.error();
    return call.done(pin_new(p, nbytes));
}

cudaError_t cudaHostAlloc(void **p, size_t nbytes, unsigned int flags)
{
    Call call("cudaHostAlloc");
    if (call.refused()) return call.error();
    unsigned int known = cudaHostAllocPortable | cudaHostAllocMapped | cudaHostAllocWriteCombined;
    if (flags & ~known) return call.done(cudaErrorInvalidValue);
    return call.done(pin_new(p, nbytes));
}

cudaError_t cudaFreeHost(void *p)
{
    Call call("cudaFreeHost");
    if (call.refused()) return call.error();
    if (!p) return call.done(cudaSuccess);
    run_everything();
    if (!unpin(p)) return call.done(cudaErrorInvalidValue);
    free(p);
    return call.done(cudaSuccess);
}

cudaError_t cudaHostRegister(void *p, size_t nbytes, unsigned int flags)
{
    Call call("cudaHostRegister");
    if (call.refused()) return call.error();
    unsigned int known =
        cudaHostRegisterPortable | cudaHostRegisterMapped | cudaHostRegisterReadOnly;
    if (!p || !nbytes || (flags & ~known) || heap().inside((u64)p))
        return call.done(cudaErrorInvalidValue);
    if (pinned_start((u64)p)) return call.done(cudaErrorHostMemoryAlreadyRegistered);
    pin(p, nbytes);
    return call.done(cudaSuccess);
}

cudaError_t cudaHostUnregister(void *p)
{
    Call call("cudaHostUnregister");
    if (call.refused()) return call.error();
    if (!p) return call.done(cudaErrorInvalidValue);
    run_everything();
    return call.done(unpin(p) ? cudaSuccess : cudaErrorHostMemoryNotRegistered);
}

cudaError_t cudaHostGetDevicePointer(void **device, void *host, unsigned int flags)
{
    Call call("cudaHostGetDevicePointer");
    if (call.refused()) return call.error();
    if (!device || flags || !pinned_start((u64)host)) return call.done(cudaErrorInvalidValue);
    *device = host;
    return call.done(cudaSuccess);
}

cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *attributes, const void *p)
{
    Call call("cudaPointerGetAttributes");
    if (call.refused()) return call.error();
    if (!attributes) return call.done(cudaErrorInvalidValue);
    bool on_device = heap().covering((u64)p, 0), in_host = pinned_start((u64)p);
    *attributes = {};
    attributes->type = on_device ? cudaMemoryTypeDevice
                       : in_host ? cudaMemoryTypeHost
                                 : cudaMemoryTypeUnregistered;
    attributes->device = on_device || in_host ? 0 : -2;
    attributes->devicePointer = on_device || in_host ? (void *)p : nullptr;
    attributes->hostPointer = on_device ? nullptr : (void *)p;
    return call.done(cudaSuccess);
}

} // extern "C"
