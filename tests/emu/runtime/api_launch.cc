/* api_launch.cc - registration of programs, launches and what is known of kernels.
 * Read next: registry.cc, launch.cc. */
#include "tests/emu/runtime/api.hh"

#include "tests/emu/runtime/registry.hh"
#include "tests/emu/runtime/warp.hh"

#include <algorithm>

namespace emu
{

/* The limits of the CUDA C++ Programming Guide, "Technical Specifications per Compute Capability".
 */
static bool dimensions_fit(dim3 g, dim3 b)
{
    bool grid = g.x && g.y && g.z && g.x <= 0x7fffffff && g.y <= 65535 && g.z <= 65535;
    bool block = b.x && b.y && b.z && b.x <= 1024 && b.y <= 1024 && b.z <= 64;
    return grid && block && (u64)b.x * b.y * b.z <= 1024;
}

static cudaError_t check_launch(const Kernel &k, dim3 g, dim3 b, size_t dynamic)
{
    Device d = device();
    if (!dimensions_fit(g, b)) return cudaErrorInvalidConfiguration;
    if (b.x * b.y * b.z > k.max_threads) return cudaErrorInvalidValue;
    bool other = k.required[0] != b.x || k.required[1] != b.y || k.required[2] != b.z;
    if (k.required[0] && other) return cudaErrorInvalidValue;
    u64 shared = k.shared_nbytes + (u64)dynamic;
    if (shared > d.shared_per_block && dynamic > k.max_dynamic) return cudaErrorInvalidValue;
    return shared > d.shared_optin ? cudaErrorInvalidValue : cudaSuccess;
}

static cudaError_t launch(const void *function, dim3 g, dim3 b, void **args, size_t dynamic,
                          cudaStream_t stream)
{
    auto s = stream_here(stream);
    if (!s) return cudaErrorInvalidResourceHandle;
    Kernel *k;
    cudaError_t e = find_kernel(function, &k);
    if (e == cudaSuccess) e = check_launch(*k, g, b, dynamic);
    if (e != cudaSuccess) return e;
    if (!args && !k->params.empty()) return cudaErrorInvalidValue;
    auto params = std::make_shared<std::vector<u8>>(std::max(k->param_nbytes, 1u));
    for (size_t i = 0; i < k->params.size(); i++) {
        memcpy(params->data() + k->params[i].offset, args[i], k->params[i].nbytes);
    }
    auto module = k->module->shared_from_this(); /* the program may be unloaded meanwhile */
    put(s, { k->name,
             [=] {
                 (void)module;
                 u32 grid[3] = { g.x, g.y, g.z }, threads[3] = { b.x, b.y, b.z };
                 run_launch(*k, grid, threads, (u32)dynamic, params->data());
             },
             true,
             {} });
    return cudaSuccess;
}

static cudaError_t set_attribute(Kernel &k, cudaFuncAttribute attr, int value)
{
    switch (attr) {
    case cudaFuncAttributeMaxDynamicSharedMemorySize:
        if (value < 0 || (u64)value + k.shared_nbytes > device().shared_optin)
            return cudaErrorInvalidValue;
        k.max_dynamic = (u32)value;
        return cudaSuccess;
    case cudaFuncAttributePreferredSharedMemoryCarveout:
        return value >= -1 && value <= 100 ? cudaSuccess : cudaErrorInvalidValue;
    default: return cudaErrorInvalidValue;
    }
}

static void get_attributes(const Kernel &k, cudaFuncAttributes *a)
{
    u32 most =
        std::max(device().shared_per_block - std::min(k.shared_nbytes, device().shared_per_block),
                 k.max_dynamic);
    *a = {};
    a->sharedSizeBytes = k.shared_nbytes;
    a->localSizeBytes = k.local_nbytes;
    a->maxThreadsPerBlock = (int)k.max_threads;
    a->numRegs = 32; /* there are none to count */
    a->ptxVersion = a->binaryVersion = k.module->arch;
    a->maxDynamicSharedSizeBytes = (int)most;
    a->preferredShmemCarveout = -1;
}

/* By threads, blocks and shared memory; registers are not modelled. */
static cudaError_t occupancy(int *blocks, const void *function, int threads, size_t dynamic)
{
    Kernel *k;
    cudaError_t e = find_kernel(function, &k);
    if (e != cudaSuccess) return e;
    if (!blocks || threads <= 0) return cudaErrorInvalidValue;
    Device d = device();
    u64 shared = k->shared_nbytes + (u64)dynamic, reserved = 1024;
    bool fits = (u32)threads <= k->max_threads && shared <= d.shared_optin;
    u64 by_shared = d.shared_per_sm / (shared + reserved);
    u64 by_threads = (u64)d.threads_per_sm / align_up((u64)threads, (u64)32);
    *blocks = fits ? (int)std::min({ by_shared, by_threads, (u64)d.blocks_per_sm }) : 0;
    return cudaSuccess;
}

struct Configuration {
    dim3 grid, block;
    size_t dynamic;
    cudaStream_t stream;
};
static thread_local std::vector<Configuration> configurations;

} // namespace emu

using namespace emu;

extern "C" {

void **__cudaRegisterFatBinary(void *wrapper)
{
    struct Wrapper {
        int magic, version;
        const void *data;
        void *unused;
    };
    std::lock_guard<std::recursive_mutex> hold(runtime_mutex());
    return (void **)add_fat_binary(((Wrapper *)wrapper)->data);
}

void __cudaRegisterFatBinaryEnd(void **) {}

void __cudaUnregisterFatBinary(void **handle)
{
    std::lock_guard<std::recursive_mutex> hold(runtime_mutex());
    remove_fat_binary((FatBinary *)handle);
}

void __cudaRegisterFunction(void **handle, const char *host, char *, const char *name, int, uint3 *,
                            uint3 *, dim3 *, dim3 *, int *)
{
    std::lock_guard<std::recursive_mutex> hold(runtime_mutex());
    add_function((FatBinary *)handle, host, name);
}

void __cudaRegisterVar(void **handle, char *host, char *, const char *name, int, size_t nbytes, int,
                       int)
{
    std::lock_guard<std::recursive_mutex> hold(runtime_mutex());
    add_variable((FatBinary *)handle, host, name, nbytes);
}

char __cudaInitModule(void **)
{
    return 1;
}

unsigned int __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t dynamic,
                                         struct CUstream_st *s)
{
    configurations.push_back({ grid, block, dynamic, s });
    return 0;
}

cudaError_t __cudaPopCallConfiguration(dim3 *grid, dim3 *block, size_t *dynamic, void *stream)
{
    if (configurations.empty()) return cudaErrorMissingConfiguration;
    Configuration c = configurations.back();
    configurations.pop_back();
    *grid = c.grid;
    *block = c.block;
    *dynamic = c.dynamic;
    *(cudaStream_t *)stream = c.stream;
    return cudaSuccess;
}

cudaError_t __cudaGetKernel(cudaKernel_t *kernel, const void *function)
{
    std::lock_guard<std::recursive_mutex> hold(runtime_mutex());
    *kernel = (cudaKernel_t)function_handle(function);
    return *kernel ? cudaSuccess : cudaErrorInvalidDeviceFunction;
}

cudaError_t cudaLaunchKernel(const void *function, dim3 grid, dim3 block, void **args,
                             size_t dynamic, cudaStream_t s)
{
    Call call("cudaLaunchKernel");
    if (call.refused()) return call.error();
    return call.done(launch(function, grid, block, args, dynamic, s));
}

/* What kernel<<<...>>>() becomes; PE_EMU_FAIL knows it by the name of the public call. */
cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void **args,
                               size_t dynamic, cudaStream_t s)
{
    return cudaLaunchKernel((const void *)kernel, grid, block, args, dynamic, s);
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t *config, const void *function, void **args)
{
    Call call("cudaLaunchKernelExC");
    if (call.refused()) return call.error();
    if (!config) return call.done(cudaErrorInvalidValue);
    for (unsigned int i = 0; i < config->numAttrs; i++) {
        cudaLaunchAttributeID id = config->attrs[i].id;
        bool harmless = id == cudaLaunchAttributeIgnore || id == cudaLaunchAttributePriority ||
                        id == cudaLaunchAttributeProgrammaticStreamSerialization;
        if (!harmless) return call.done(cudaErrorNotSupported);
    }
    return call.done(launch(function, config->gridDim, config->blockDim, args,
                            config->dynamicSmemBytes, config->stream));
}

cudaError_t cudaFuncSetAttribute(const void *function, enum cudaFuncAttribute attr, int value)
{
    Call call("cudaFuncSetAttribute");
    if (call.refused()) return call.error();
    Kernel *k;
    cudaError_t e = find_kernel(function, &k);
    return call.done(e == cudaSuccess ? set_attribute(*k, attr, value) : e);
}

cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *attributes, const void *function)
{
    Call call("cudaFuncGetAttributes");
    if (call.refused()) return call.error();
    Kernel *k;
    if (!attributes) return call.done(cudaErrorInvalidValue);
    cudaError_t e = find_kernel(function, &k);
    if (e == cudaSuccess) get_attributes(*k, attributes);
    return call.done(e);
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, const void *function,
                                                          int threads, size_t dynamic)
{
    Call call("cudaOccupancyMaxActiveBlocksPerMultiprocessor");
    if (call.refused()) return call.error();
    return call.done(occupancy(blocks, function, threads, dynamic));
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks,
                                                                   const void *function,
                                                                   int threads, size_t dynamic,
                                                                   unsigned int flags)
{
    Call call("cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags");
    if (call.refused()) return call.error();
    if (flags > cudaOccupancyDisableCachingOverride) return call.done(cudaErrorInvalidValue);
    return call.done(occupancy(blocks, function, threads, dynamic));
}

cudaError_t cudaOccupancyAvailableDynamicSMemPerBlock(size_t *dynamic, const void *function,
                                                      int blocks, int threads)
{
    Call call("cudaOccupancyAvailableDynamicSMemPerBlock");
    if (call.refused()) return call.error();
    Kernel *k;
    cudaError_t e = find_kernel(function, &k);
    if (e != cudaSuccess) return call.done(e);
    if (!dynamic || blocks <= 0 || threads <= 0) return call.done(cudaErrorInvalidValue);
    u64 each = device().shared_per_sm / (u64)blocks, taken = 1024 + k->shared_nbytes;
    *dynamic =
        std::min<u64>(each > taken ? each - taken : 0, device().shared_optin - k->shared_nbytes);
    return call.done(cudaSuccess);
}

} // extern "C"
