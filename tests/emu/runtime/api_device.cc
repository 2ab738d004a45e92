/* api_device.cc - the emulated device: how many, how large, what it can do. Read next: api.hh,
 * attributes.def. */
#include "tests/emu/runtime/api.hh"

#include <algorithm>
#include <cstdio>

namespace emu
{

static thread_local int current;

int current_device()
{
    return current;
}

static bool exists(int device)
{
    return device >= 0 && device < options().devices;
}

/* Few multiprocessors, so that code that sizes grids by them makes small ones. */
Device device()
{
    bool large = options().cc == 80 || options().cc / 10 == 9 || options().cc / 10 == 10;
    u32 optin = options().cc == 80 ? 163 : large ? 227 : 99;
    return { 4, 2048, 32, 48 << 10, optin << 10, (optin + 1) << 10 };
}

static bool attribute(cudaDeviceAttr which, int *value)
{
    Device d = device();
    switch (which) {
#define EMU_ATTRIBUTE(name, v) \
    case cudaDevAttr##name:    \
        *value = (int)(v);     \
        return true;
#include "tests/emu/runtime/attributes.def"
#undef EMU_ATTRIBUTE
    default: return false;
    }
}

static void describe(cudaDeviceProp *p)
{
    Device d = device();
    *p = {};
    snprintf(p->name, sizeof p->name, "emu (PTX on the CPU, compute capability %d.%d)",
             options().cc / 10, options().cc % 10);
    p->totalGlobalMem = options().memory;
    p->sharedMemPerBlock = d.shared_per_block;
    p->sharedMemPerBlockOptin = d.shared_optin;
    p->sharedMemPerMultiprocessor = d.shared_per_sm;
    p->reservedSharedMemPerBlock = 1024;
    p->regsPerBlock = p->regsPerMultiprocessor = 65536;
    p->warpSize = 32;
    p->memPitch = 0x7fffffff;
    p->maxThreadsPerBlock = 1024;
    p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
    p->maxThreadsDim[2] = 64;
    p->maxGridSize[0] = 0x7fffffff;
    p->maxGridSize[1] = p->maxGridSize[2] = 65535;
    p->totalConstMem = 65536;
    p->major = options().cc / 10;
    p->minor = options().cc % 10;
    p->multiProcessorCount = d.sms;
    p->maxThreadsPerMultiProcessor = d.threads_per_sm;
    p->maxBlocksPerMultiProcessor = d.blocks_per_sm;
    p->canMapHostMemory = p->concurrentKernels = p->asyncEngineCount = p->unifiedAddressing = 1;
    p->l2CacheSize = 4 << 20;
    p->memoryBusWidth = 512;
    p->streamPrioritiesSupported = p->hostRegisterSupported = p->memoryPoolsSupported = 1;
}

} // namespace emu

using emu::Call;

extern "C" {

cudaError_t cudaGetDeviceCount(int *count)
{
    if (count) *count = 0;
    Call call("cudaGetDeviceCount");
    if (call.refused()) return call.error();
    if (!count) return call.done(cudaErrorInvalidValue);
    *count = emu::options().devices;
    return call.done(cudaSuccess);
}

cudaError_t cudaGetDevice(int *device)
{
    Call call("cudaGetDevice");
    if (call.refused()) return call.error();
    if (!device) return call.done(cudaErrorInvalidValue);
    *device = emu::current;
    return call.done(cudaSuccess);
}

cudaError_t cudaSetDevice(int device)
{
    Call call("cudaSetDevice");
    if (call.refused()) return call.error();
    if (!emu::exists(device)) return call.done(cudaErrorInvalidDevice);
    emu::current = device;
    return call.done(cudaSuccess);
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attr, int device)
{
    Call call("cudaDeviceGetAttribute");
    if (call.refused()) return call.error();
    if (!emu::exists(device)) return call.done(cudaErrorInvalidDevice);
    if (!value || !emu::attribute(attr, value)) return call.done(cudaErrorInvalidValue);
    return call.done(cudaSuccess);
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *prop, int device)
{
    Call call("cudaGetDeviceProperties");
    if (call.refused()) return call.error();
    if (!emu::exists(device)) return call.done(cudaErrorInvalidDevice);
    if (!prop) return call.done(cudaErrorInvalidValue);
    emu::describe(prop);
    return call.done(cudaSuccess);
}

cudaError_t cudaDeviceGetPCIBusId(char *id, int nbytes, int device)
{
    Call call("cudaDeviceGetPCIBusId");
    if (call.refused()) return call.error();
    if (!emu::exists(device)) return call.done(cudaErrorInvalidDevice);
    if (!id || nbytes < (int)sizeof "0000:00:00.0") return call.done(cudaErrorInvalidValue);
    (void)snprintf(id, (size_t)nbytes, "0000:%02x:00.0", device);
    return call.done(cudaSuccess);
}

cudaError_t cudaDeviceSynchronize(void)
{
    Call call("cudaDeviceSynchronize");
    if (call.refused()) return call.error();
    emu::run_everything();
    emu::shrink_pools();
    return call.done(cudaSuccess);
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
    if (emu::fails_now("cudaRuntimeGetVersion")) return cudaErrorUnknown;
    if (!version) return cudaErrorInvalidValue;
    *version = CUDART_VERSION;
    return cudaSuccess;
}

/* 0 where there is no driver at all, as documented. */
cudaError_t cudaDriverGetVersion(int *version)
{
    if (emu::fails_now("cudaDriverGetVersion")) return cudaErrorUnknown;
    if (!version) return cudaErrorInvalidValue;
    *version = emu::options().old_driver ? 11000 : emu::options().devices ? CUDART_VERSION : 0;
    return cudaSuccess;
}

static cudaError_t not_found(void **function, enum cudaDriverEntryPointQueryResult *status)
{
    if (!function) return cudaErrorInvalidValue;
    *function = nullptr;
    if (status) *status = cudaDriverEntryPointSymbolNotFound;
    return cudaSuccess;
}

/* There is no driver below this runtime. */
cudaError_t cudaGetDriverEntryPoint(const char *symbol, void **function, unsigned long long,
                                    enum cudaDriverEntryPointQueryResult *status)
{
    Call call("cudaGetDriverEntryPoint");
    if (call.refused()) return call.error();
    return call.done(symbol ? not_found(function, status) : cudaErrorInvalidValue);
}

cudaError_t cudaGetDriverEntryPointByVersion(const char *symbol, void **function, unsigned int,
                                             unsigned long long,
                                             enum cudaDriverEntryPointQueryResult *status)
{
    Call call("cudaGetDriverEntryPointByVersion");
    if (call.refused()) return call.error();
    return call.done(symbol ? not_found(function, status) : cudaErrorInvalidValue);
}

} // extern "C"
