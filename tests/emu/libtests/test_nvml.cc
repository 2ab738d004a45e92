/* tests/emu/libtests/test_nvml.cc - the stand-in for NVML: its life, its devices, its sizes of
 * buffers and structs. Read next: tests/emu/libs/nvml.cc. */
#include "harness.hh"

#include <cstring>

#include "../libs/nvmlabi.hh"

static const Case life("nothing works before nvmlInit() or after the last nvmlShutdown()", [] {
    unsigned count = 0;
    check_equal(nvmlDeviceGetCount_v2(&count), NVML_ERROR_UNINITIALIZED, "before");
    check_equal(nvmlShutdown(), NVML_ERROR_UNINITIALIZED, "shutdown before");
    check_equal(nvmlInit_v2(), NVML_SUCCESS, "init");
    check_equal(nvmlInit_v2(), NVML_SUCCESS, "init twice");
    check_equal(nvmlShutdown(), NVML_SUCCESS, "shutdown");
    check_equal(nvmlDeviceGetCount_v2(&count), NVML_SUCCESS, "between");
    check_equal(count, 1, "devices");
    check_equal(nvmlShutdown(), NVML_SUCCESS, "shutdown");
    check_equal(nvmlDeviceGetCount_v2(&count), NVML_ERROR_UNINITIALIZED, "after");
});
static const Case device_queries("a device has a name, memory and rates", [] {
    nvmlDevice_t d = nullptr;
    char name[NVML_DEVICE_NAME_V2_BUFFER_SIZE], driver[NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE];
    nvmlMemory_t memory;
    nvmlMemory_v2_t more;
    nvmlUtilization_t rates;
    check_equal(nvmlInit_v2(), NVML_SUCCESS, "init");
    check_equal(nvmlDeviceGetHandleByIndex_v2(0, &d), NVML_SUCCESS, "handle");
    check_equal(nvmlDeviceGetName(d, name, sizeof name), NVML_SUCCESS, "name");
    check(strlen(name) > 0, "a name");
    check_equal(nvmlDeviceGetName(d, name, 1), NVML_ERROR_INSUFFICIENT_SIZE, "a place too small");
    check_equal(nvmlSystemGetDriverVersion(driver, sizeof driver), NVML_SUCCESS, "driver");
    check_equal(nvmlSystemGetDriverVersion(driver, 2), NVML_ERROR_INSUFFICIENT_SIZE,
                "a place too small");
    check_equal(nvmlDeviceGetMemoryInfo(d, &memory), NVML_SUCCESS, "memory");
    check_equal((long long)(memory.free + memory.used), (long long)memory.total, "sum");
    unsigned long long used = memory.used;
    device(1 << 20);
    check_equal(nvmlDeviceGetMemoryInfo(d, &memory), NVML_SUCCESS, "memory");
    check(memory.used >= used + (1 << 20), "a megabyte more");
    more.version = nvmlMemory_v2;
    check_equal(nvmlDeviceGetMemoryInfo_v2(d, &more), NVML_SUCCESS, "memory, version 2");
    check_equal((long long)(more.free + more.used + more.reserved), (long long)more.total, "sum");
    more.version = 1;
    check_equal(nvmlDeviceGetMemoryInfo_v2(d, &more), NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
                "version");
    check_equal(nvmlDeviceGetUtilizationRates(d, &rates), NVML_SUCCESS, "rates");
    check(rates.gpu <= 100 && rates.memory <= 100, "per cent");
});
static const Case arguments("NULL and devices that are not there are invalid", [] {
    nvmlDevice_t d = nullptr;
    nvmlMemory_t memory;
    check_equal(nvmlInit_v2(), NVML_SUCCESS, "init");
    check_equal(nvmlDeviceGetHandleByIndex_v2(1, &d), NVML_ERROR_INVALID_ARGUMENT, "index");
    check_equal(nvmlDeviceGetHandleByIndex_v2(0, nullptr), NVML_ERROR_INVALID_ARGUMENT, "place");
    check_equal(nvmlDeviceGetMemoryInfo(nullptr, &memory), NVML_ERROR_INVALID_ARGUMENT, "device");
    check_equal(nvmlDeviceGetUtilizationRates(nullptr, nullptr), NVML_ERROR_INVALID_ARGUMENT,
                "device");
    check_equal(nvmlDeviceGetCount_v2(nullptr), NVML_ERROR_INVALID_ARGUMENT, "place");
    char name[NVML_DEVICE_NAME_V2_BUFFER_SIZE];
    nvmlUtilization_t rates;
    check_equal(nvmlDeviceGetName(nullptr, name, sizeof name), NVML_ERROR_INVALID_ARGUMENT,
                "device");
    check_equal(nvmlDeviceGetUtilizationRates(nullptr, &rates), NVML_ERROR_INVALID_ARGUMENT,
                "device");
    check_equal(nvmlSystemGetDriverVersion(nullptr, 80), NVML_ERROR_INVALID_ARGUMENT, "place");
    check_equal(nvmlDeviceGetHandleByIndex_v2(0, &d), NVML_SUCCESS, "handle");
    check_equal(nvmlDeviceGetName(d, nullptr, 96), NVML_ERROR_INVALID_ARGUMENT, "place");
    check_equal(nvmlDeviceGetMemoryInfo(d, nullptr), NVML_ERROR_INVALID_ARGUMENT, "place");
    check_equal(nvmlDeviceGetMemoryInfo_v2(d, nullptr), NVML_ERROR_INVALID_ARGUMENT, "place");
    check_equal(nvmlDeviceGetUtilizationRates(d, nullptr), NVML_ERROR_INVALID_ARGUMENT, "place");
    check(!strcmp(nvmlErrorString(NVML_ERROR_DRIVER_NOT_LOADED), "NVIDIA driver is not loaded"),
          "text");
});
static const Case off(
    "PE_EMU_NVML=off is a machine without the driver",
    [] {
        unsigned count;
        check_equal(nvmlInit_v2(), NVML_ERROR_DRIVER_NOT_LOADED, "init");
        check_equal(nvmlDeviceGetCount_v2(&count), NVML_ERROR_UNINITIALIZED, "count");
    },
    "PE_EMU_NVML=off");
static const Case none(
    "no device is 0 devices",
    [] {
        unsigned count = 7;
        nvmlDevice_t d;
        check_equal(nvmlInit_v2(), NVML_SUCCESS, "init");
        check_equal(nvmlDeviceGetCount_v2(&count), NVML_SUCCESS, "count");
        check_equal(count, 0, "devices");
        check_equal(nvmlDeviceGetHandleByIndex_v2(0, &d), NVML_ERROR_INVALID_ARGUMENT, "index");
    },
    "PE_EMU_DEVICES=0");
