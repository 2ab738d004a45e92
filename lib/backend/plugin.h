/* lib/backend/plugin.h - what a device plugin gives the library that loads it: one exported
 * function, one table. Nothing of CUDA is seen here. Read next: lib/backend/loader.c (finds and
 * loads it), lib/backend/cuda/plugin_cuda.c (fills the table). */
#ifndef PE_BACKEND_PLUGIN_H
#define PE_BACKEND_PLUGIN_H

#include "lib/backend/backend.h"
#include "lib/backend/device_pass.h"

/* Changes when a field changes meaning; new fields are added at the end and found by struct_size.
 */
#define PE_PLUGIN_ABI   1
#define PE_PLUGIN_ENTRY "pe_plugin_entry_v1"

typedef struct pe_device_info {
    char name[96], arch[16]; /* "NVIDIA H200", "sm_90" */
    uint64_t total_nbytes, free_nbytes;
    int driver, runtime; /* CUDA versions, as 13000 */
    int multiprocessors;
    int busy_percent;     /* of the GPU just now, -1 = not known */
    char driver_name[32]; /* "580.65.06", "" = not known */
    char advice[256];     /* "" or why this device cannot be used, and what to do */
} pe_device_info;

typedef struct pe_plugin {
    size_t struct_size;
    uint32_t abi;
    const char *kind;  /* "cuda" */
    const char *built; /* toolkit and architectures it was built for, for people */
    /* Devices that are there, usable or not. PE_E_UNSUPPORTED: none can be seen, and why. */
    pe_status (*count)(int *n, pe_error *err);
    pe_status (*describe)(pe_device_info *out, int device, pe_error *err);
    /* The backend of a device; the same one for every call. It lives as long as the process. name:
     * what errors call it. */
    pe_status (*open)(const pe_backend **out, const char *name, int device, uint64_t max_nbytes,
                      pe_error *err);
    /* Device time of the work queued between the two calls; the second waits for it. One pair at a
     * time. */
    pe_status (*start_clock)(pe_queue *q, pe_error *err);
    pe_status (*stop_clock)(double *us, pe_queue *q, pe_error *err);
    /* Work on weights; called with the backend that open gave. */
    const pe_device_pass *pass;
    /* Most bytes of the device's memory that were in use at once so far. */
    uint64_t (*high_water)(const pe_backend *b);
    /* A line for people about how work was done so far, NULL: as planned. */
    const char *(*note)(const pe_backend *b);
} pe_plugin;

typedef const pe_plugin *pe_plugin_entry_fn(void);

/* kind "cuda" or "emu", loaded once. PE_E_UNSUPPORTED with where it was looked for. */
pe_status pe_plugin_load(const pe_plugin **out, const char *kind, pe_error *err);
/* What measured times belong to. */
typedef struct pe_identity {
    char text[160]; /* the CPU's level, or the GPU's name and driver; letters, digits, '-' */
    char device[96], driver[64]; /* as people write them; "" for the CPU */
} pe_identity;
void pe_backend_identity(pe_identity *out, const pe_backend *b);
/* The plugin behind a backend, NULL for the CPU. */
const pe_plugin *pe_plugin_of(const pe_backend *b);

#endif
