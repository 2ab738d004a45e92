/* pe/base.h - status codes, error messages, thread pools and progress: what every call shares.
 * Read next: pe/model.h to run a checkpoint, pe/prune.h and pe/quant.h to change one. */
#ifndef PE_BASE_H
#define PE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define PE_API               __attribute__((visibility("default")))
#define PE_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define PE_API
#define PE_PRINTF(fmt, args)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Result of every call that can fail. A value is the negated exit code that the
 * tools give for it, so there is one table to know (docs/cli.md, section 5). */
typedef enum pe_status {
    PE_OK = 0,
    PE_E_NEGATIVE = -1,     /* a gate or a verification said no */
    PE_E_ARG = -2,          /* wrong option or argument */
    PE_E_INPUT = -3,        /* invalid or corrupt input */
    PE_E_NOTFOUND = -4,     /* not found, or no permission */
    PE_E_WRITE = -5,        /* output could not be written */
    PE_E_NOMEM = -6,        /* out of memory */
    PE_E_UNSUPPORTED = -7,  /* format, family, op or device that pe does not have */
    PE_E_INCONCLUSIVE = -8, /* too few rows to decide */
    PE_E_NETWORK = -9,      /* network or server */
    PE_E_CANCELLED = -130   /* the progress callback asked to stop */
} pe_status;

/* Message of a failed call, owned by the caller; no global state, nothing stale.
 * Reads "object: what was found, what was expected; what to try". Any function
 * accepts NULL in its place. Untouched on PE_OK. */
typedef struct pe_error {
    pe_status status;
    char text[1024];
} pe_error;

/* "0.1.0"; static. */
PE_API const char *pe_version(void);
/* Name of the CPU level that kernels run at ("ref", "avx2", "avxvnni", "avx512", "vnni",
 * "vbmi2", "amx"), after PE_CPU; static. */
PE_API const char *pe_cpu_level(void);

/* A set of threads that calls share. Create one per process and pass it on; one
 * call at a time uses it, others wait. Results never depend on its size. */
typedef struct pe_pool pe_pool;
/* nthreads counts the caller; 0 = one per physical core this process may use.
 * *out is owned by the caller. PE_E_ARG, PE_E_NOMEM. */
PE_API pe_status pe_pool_new(pe_pool **out, int nthreads, pe_error *err);
PE_API void pe_pool_free(pe_pool *pool);          /* NULL is fine */
PE_API int pe_pool_nthreads(const pe_pool *pool); /* 1 for NULL */

/* Progress of a long call: `done` of `total` units (bytes or rows), at most some
 * ten times a second, from one thread at a time. Return false to stop the call,
 * which then yields PE_E_CANCELLED and leaves no output. */
typedef struct pe_progress {
    bool (*fn)(void *user, const char *what, uint64_t done, uint64_t total);
    void *user;
} pe_progress;

/* For signal handlers of a process that ends now: removes the unfinished output of every running
 * call, and none can be started after. Async-signal-safe. */
PE_API void pe_outdir_abort_all(void);

/* One --only or --skip in the order given; plain data so that recipes and tools can build it. */
typedef struct pe_pick {
    const char *glob; /* borrowed */
    bool skip;
} pe_pick;

#ifdef __cplusplus
}
#endif
#endif
