/* tests/emu/libs/nvml.cc - a stand-in for NVML: the devices and the memory of the stand-in runtime,
 * and made-up rates. PE_EMU_NVML=off is a machine without the driver. Read next: nvmlabi.hh. */
#include "nvmlabi.hh"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include <cuda_runtime_api.h>

#include "refusal.hh"

static std::mutex lock;
static int initialized; /* nvmlInit() calls not yet shut down */
enum { MAX_DEVICES = 16 };
static char devices[MAX_DEVICES]; /* a handle is the address of its device's element */
static const char DRIVER[] = "580.0.emu";

/* UNINITIALIZED comes before all else, as in the library. */
static nvmlReturn_t begin(const char *function)
{
    if (emulib::enter(function)) return NVML_ERROR_UNKNOWN;
    std::lock_guard<std::mutex> hold(lock);
    return initialized ? NVML_SUCCESS : NVML_ERROR_UNINITIALIZED;
}

static int device_count()
{
    int count = 0;
    if (cudaGetDeviceCount(&count) != cudaSuccess) return 0;
    return count < MAX_DEVICES ? count : MAX_DEVICES;
}

static bool is_device(nvmlDevice_t device)
{
    const char *p = (const char *)device;
    return p >= devices && p < devices + device_count();
}

static nvmlReturn_t copy(char *to, unsigned int length, const char *from)
{
    if (!to) return NVML_ERROR_INVALID_ARGUMENT;
    if (strlen(from) + 1 > length) return NVML_ERROR_INSUFFICIENT_SIZE;
    strcpy(to, from);
    return NVML_SUCCESS;
}

static nvmlReturn_t memory_of(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
    size_t free_nbytes, total;
    if (!is_device(device)) return NVML_ERROR_INVALID_ARGUMENT;
    if (cudaMemGetInfo(&free_nbytes, &total) != cudaSuccess) return NVML_ERROR_UNKNOWN;
    memory->total = total;
    memory->reserved = 0;
    memory->free = free_nbytes;
    memory->used = total - free_nbytes;
    return NVML_SUCCESS;
}

extern "C" {

nvmlReturn_t nvmlInit_v2(void)
{
    const char *wanted = getenv("PE_EMU_NVML");
    if (emulib::enter("nvmlInit_v2")) return NVML_ERROR_UNKNOWN;
    if (wanted && !strcmp(wanted, "off")) return NVML_ERROR_DRIVER_NOT_LOADED;
    std::lock_guard<std::mutex> hold(lock);
    initialized++;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlShutdown(void)
{
    nvmlReturn_t status = begin("nvmlShutdown");
    if (status) return status;
    std::lock_guard<std::mutex> hold(lock);
    initialized--;
    return NVML_SUCCESS;
}

const char *nvmlErrorString(nvmlReturn_t result)
{
    switch (result) {
    case NVML_SUCCESS: return "The operation was successful";
    case NVML_ERROR_UNINITIALIZED: return "NVML was not first initialized with nvmlInit()";
    case NVML_ERROR_INVALID_ARGUMENT: return "A supplied argument is invalid";
    case NVML_ERROR_INSUFFICIENT_SIZE: return "An input argument is not large enough";
    case NVML_ERROR_DRIVER_NOT_LOADED: return "NVIDIA driver is not loaded";
    case NVML_ERROR_ARGUMENT_VERSION_MISMATCH: return "The provided version is invalid/unsupported";
    default: return "Unknown Error";
    }
}

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
    nvmlReturn_t status = begin("nvmlSystemGetDriverVersion");
    return status ? status : copy(version, length, DRIVER);
}

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count)
{
    nvmlReturn_t status = begin("nvmlDeviceGetCount_v2");
    if (status) return status;
    if (!count) return NVML_ERROR_INVALID_ARGUMENT;
    *count = (unsigned int)device_count();
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
    nvmlReturn_t status = begin("nvmlDeviceGetHandleByIndex_v2");
    if (status) return status;
    if (!device || index >= (unsigned int)device_count()) return NVML_ERROR_INVALID_ARGUMENT;
    *device = (nvmlDevice_t)&devices[index];
    return NVML_SUCCESS;
}

/* The bus of a device of the runtime is its number. */
nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *bus, nvmlDevice_t *device)
{
    nvmlReturn_t status = begin("nvmlDeviceGetHandleByPciBusId_v2");
    if (status) return status;
    if (!bus || !device) return NVML_ERROR_INVALID_ARGUMENT;
    unsigned int number = 0;
    int end = 0;
    bool read = sscanf(bus, "0000:%2x:00.0%n", &number, &end) == 1 && end > 0 && !bus[end];
    if (!read || number >= (unsigned int)device_count()) return NVML_ERROR_INVALID_ARGUMENT;
    *device = (nvmlDevice_t)&devices[number];
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length)
{
    nvmlReturn_t status = begin("nvmlDeviceGetName");
    static cudaDeviceProp properties;
    if (status) return status;
    if (!is_device(device)) return NVML_ERROR_INVALID_ARGUMENT;
    std::lock_guard<std::mutex> hold(lock);
    if (cudaGetDeviceProperties(&properties, (int)((char *)device - devices)) != cudaSuccess)
        return NVML_ERROR_UNKNOWN;
    return copy(name, length, properties.name);
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
    nvmlReturn_t status = begin("nvmlDeviceGetMemoryInfo");
    nvmlMemory_v2_t all;
    if (!status && !memory) status = NVML_ERROR_INVALID_ARGUMENT;
    if (!status) status = memory_of(device, &all);
    if (status) return status;
    memory->total = all.total;
    memory->free = all.free;
    memory->used = all.used + all.reserved;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
    nvmlReturn_t status = begin("nvmlDeviceGetMemoryInfo_v2");
    if (status) return status;
    if (!memory) return NVML_ERROR_INVALID_ARGUMENT;
    if (memory->version != nvmlMemory_v2) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    return memory_of(device, memory);
}

/* Made up, and the same at every call. */
nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *rates)
{
    nvmlReturn_t status = begin("nvmlDeviceGetUtilizationRates");
    if (status) return status;
    if (!rates || !is_device(device)) return NVML_ERROR_INVALID_ARGUMENT;
    rates->gpu = 37;
    rates->memory = 11;
    return NVML_SUCCESS;
}

} // extern "C"
