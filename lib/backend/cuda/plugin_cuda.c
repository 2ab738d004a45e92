/* lib/backend/cuda/plugin_cuda.c - the plugin's one exported function: what devices are there, and
 * a backend for each. Read next: lib/backend/cuda/memory_cuda.c, lib/backend/cuda/ops_cuda.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/backend/cuda/cuda_impl.h"
#include "lib/base/error.h"

enum { MOST_DEVICES = 16, LEAST_ARCH = 80 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pe_cuda *devices[MOST_DEVICES];

/* Any status but success, and zero devices, mean that there is no GPU. */
static pe_status count(int *n, pe_error *err)
{
    *n = 0;
    cudaError_t e = cudaGetDeviceCount(n);
    if (e == cudaSuccess && *n == 0) e = cudaErrorNoDevice;
    if (*n > MOST_DEVICES) *n = MOST_DEVICES;
    return pe_cuda_check(e, NULL, "looking for GPUs", err);
}

static int arch_of(const struct cudaDeviceProp *p)
{
    return 10 * p->major + p->minor;
}

/* Where NVML does not tell: CUDA makes a context on the device for it, hundreds of megabytes that
 * stay. */
static void ask_for_free(pe_device_info *info, int device)
{
    size_t available = 0, total = 0;
    if (cudaSetDevice(device) == cudaSuccess && cudaMemGetInfo(&available, &total) == cudaSuccess)
        info->free_nbytes = available;
    else (void)cudaGetLastError();
}

static pe_status describe(pe_device_info *info, int device, pe_error *err)
{
    struct cudaDeviceProp p;
    *info = (pe_device_info){ .busy_percent = -1 };
    pe_status st = pe_cuda_check(cudaGetDeviceProperties(&p, device), NULL, "properties", err);
    if (st) return st;
    snprintf(info->name, sizeof info->name, "%.95s", p.name);
    snprintf(info->arch, sizeof info->arch, "sm_%d", arch_of(&p));
    info->total_nbytes = p.totalGlobalMem;
    info->multiprocessors = p.multiProcessorCount;
    (void)cudaDriverGetVersion(&info->driver);
    (void)cudaRuntimeGetVersion(&info->runtime);
    if (arch_of(&p) < LEAST_ARCH)
        snprintf(info->advice, sizeof info->advice,
                 "compute capability %d.%d is too old; pe needs 8.0 (Ampere) or newer", p.major,
                 p.minor);
    else if (info->driver / 1000 < info->runtime / 1000)
        snprintf(info->advice, sizeof info->advice,
                 "the driver speaks CUDA %d.%d, the plugin %d.%d; install a newer driver",
                 info->driver / 1000, info->driver % 1000 / 10, info->runtime / 1000,
                 info->runtime % 1000 / 10);
    pe_nvml_describe(info, device);
    if (!info->free_nbytes) ask_for_free(info, device);
    return PE_OK;
}

static void fill_backend(pe_cuda *d)
{
    pe_backend *b = &d->base;
    b->struct_size = sizeof *b;
    b->abi = PE_BACKEND_ABI;
    b->name = d->name;
    b->level = d->arch;
    b->self = d;
    b->alloc = pe_cuda_alloc;
    b->release = pe_cuda_release;
    b->upload = pe_cuda_upload;
    b->download = pe_cuda_download;
    b->sync = pe_cuda_sync;
    b->open_queue = pe_cuda_open_queue;
    b->close_queue = pe_cuda_close_queue;
    pe_cuda_fill_ops(b);
    pe_cuda_fill_linear(b);
}

static pe_status new_device(pe_cuda **out, const char *name, int index, uint64_t max_nbytes,
                            pe_error *err)
{
    struct cudaDeviceProp p;
    pe_cuda *d = calloc(1, sizeof *d);
    if (!d) return pe_fail_nomem(err, "device", sizeof *d);
    d->index = index;
    snprintf(d->name, sizeof d->name, "%s", name);
    pe_status st = pe_cuda_check(cudaGetDeviceProperties(&p, index), d, "properties", err);
    if (!st && arch_of(&p) < LEAST_ARCH)
        st = pe_fail(err, PE_E_UNSUPPORTED,
                     "device %s: %s has compute capability %d.%d; pe needs 8.0 (Ampere) or newer",
                     d->name, p.name, p.major, p.minor);
    if (!st) snprintf(d->arch, sizeof d->arch, "sm_%d", arch_of(&p));
    if (!st) st = pe_cuda_check(cudaSetDevice(index), d, "start", err);
    if (!st)
        st = pe_cuda_check(cudaStreamCreateWithFlags(&d->stream, cudaStreamNonBlocking), d,
                           "stream", err);
    if (!st) st = pe_cuda_memory_open(d, max_nbytes, err);
    if (!st) fill_backend(d);
    if (!st) {
        *out = d;
        return PE_OK;
    }
    if (d->pool) (void)cudaMemPoolDestroy(d->pool);
    if (d->stream) (void)cudaStreamDestroy(d->stream);
    free(d);
    return st;
}

static pe_status open_device(const pe_backend **out, const char *name, int device,
                             uint64_t max_nbytes, pe_error *err)
{
    pe_status st = PE_OK;
    if (device < 0 || device >= MOST_DEVICES)
        return pe_fail(err, PE_E_ARG, "device %s: expected 0 to %d", name, MOST_DEVICES - 1);
    (void)pthread_mutex_lock(&lock);
    if (!devices[device]) st = new_device(&devices[device], name, device, max_nbytes, err);
    if (!st) *out = &devices[device]->base;
    (void)pthread_mutex_unlock(&lock);
    return st;
}

/* ---- device time ----------------------------------------------------------------------------- */

static pe_status start_clock(pe_queue *q, pe_error *err)
{
    pe_cuda *d = pe_cuda_of(q->backend);
    cudaStream_t s = pe_cuda_stream(q); /* events are made for the device of the thread */
    pe_status st = PE_OK;
    for (int i = 0; !st && i < 2; i++)
        if (!d->clock[i]) st = pe_cuda_check(cudaEventCreate(&d->clock[i]), d, "event", err);
    return st ? st : pe_cuda_check(cudaEventRecord(d->clock[0], s), d, "event", err);
}

static pe_status stop_clock(double *us, pe_queue *q, pe_error *err)
{
    pe_cuda *d = pe_cuda_of(q->backend);
    float ms = 0;
    pe_status st = pe_cuda_check(cudaEventRecord(d->clock[1], pe_cuda_stream(q)), d, "event", err);
    if (!st) st = pe_cuda_check(cudaEventSynchronize(d->clock[1]), d, "event", err);
    if (!st)
        st = pe_cuda_check(cudaEventElapsedTime(&ms, d->clock[0], d->clock[1]), d, "event", err);
    *us = 1e3 * (double)ms;
    return st;
}

static const char *note(const pe_backend *b)
{
    pe_cuda *d = pe_cuda_of(b);
    (void)pthread_mutex_lock(&d->lock);
    bool lacked = d->lacked;
    (void)pthread_mutex_unlock(&d->lock);
    return lacked ? "cuBLASLt had no int8 product for some sizes here; pe's own kernel took them"
                  : NULL;
}

static const pe_plugin plugin = {
    .struct_size = sizeof(pe_plugin),
    .abi = PE_PLUGIN_ABI,
    .kind = "cuda",
    .built = PE_CUDA_BUILT,
    .count = count,
    .describe = describe,
    .open = open_device,
    .start_clock = start_clock,
    .stop_clock = stop_clock,
    .pass = &pe_cuda_pass,
    .high_water = pe_cuda_high_water,
    .note = note,
};

__attribute__((visibility("default"))) const pe_plugin *pe_plugin_entry_v1(void);
const pe_plugin *pe_plugin_entry_v1(void)
{
    return &plugin;
}
