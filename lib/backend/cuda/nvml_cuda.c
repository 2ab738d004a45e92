/* lib/backend/cuda/nvml_cuda.c - utilization, free memory and the driver's name from NVML, which a
 * machine may lack. Read next: lib/backend/cuda/plugin_cuda.c. */
#include <dlfcn.h>
#include <string.h>

#include "lib/backend/cuda/cuda_impl.h"

/* The part of NVML's binary interface that is used, version 2; toolkits need not ship its header.
 */
typedef struct nvml_rates {
    unsigned gpu, memory; /* percent of the last sample period */
} nvml_rates;
typedef struct nvml_memory {
    unsigned long long total, free, used;
} nvml_memory;
enum { NVML_OK = 0 };

typedef struct nvml_api {
    int (*init)(void);
    int (*shutdown)(void);
    int (*handle)(const char *bus, void **out);
    int (*rates)(void *device, nvml_rates *out);
    int (*memory)(void *device, nvml_memory *out);
    int (*driver)(char *out, unsigned n);
} nvml_api;

static bool find(void *out, void *library, const char *name)
{
    *(void **)out = dlsym(library, name);
    return *(void **)out != NULL;
}

static bool load(nvml_api *a, void *library)
{
    return find(&a->init, library, "nvmlInit_v2") && find(&a->shutdown, library, "nvmlShutdown") &&
           find(&a->handle, library, "nvmlDeviceGetHandleByPciBusId_v2") &&
           find(&a->rates, library, "nvmlDeviceGetUtilizationRates") &&
           find(&a->memory, library, "nvmlDeviceGetMemoryInfo") &&
           find(&a->driver, library, "nvmlSystemGetDriverVersion");
}

void pe_nvml_describe(pe_device_info *info, int device)
{
    nvml_api a;
    void *h;
    nvml_rates rates;
    nvml_memory memory;
    char bus[32];
    void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) return;
    if (load(&a, library) && a.init() == NVML_OK) {
        if (a.driver(info->driver_name, sizeof info->driver_name) != NVML_OK)
            info->driver_name[0] = 0;
        /* Numbers of NVML and of the runtime differ under CUDA_VISIBLE_DEVICES; the bus does not.
         */
        if (cudaDeviceGetPCIBusId(bus, sizeof bus, device) == cudaSuccess &&
            a.handle(bus, &h) == NVML_OK) {
            if (a.rates(h, &rates) == NVML_OK) info->busy_percent = (int)rates.gpu;
            /* of a slice of a GPU NVML tells what the whole one has */
            if (a.memory(h, &memory) == NVML_OK && memory.free <= info->total_nbytes)
                info->free_nbytes = memory.free;
        }
        (void)a.shutdown();
    }
    (void)dlclose(library);
}
