/* tests/emu/kernels/device.h - device memory for kernel tests, and the two sides of a comparison.
 * Read next: kernels/cuda/cuda.h (what is tested), tests/emu/kernels/run.sh (under which
 * schedules). */
#ifndef PE_TESTS_EMU_KERNELS_DEVICE_H
#define PE_TESTS_EMU_KERNELS_DEVICE_H

#include "kernels/cuda/cuda.h"
#include "lib/base/rng.h"

/* Any CUDA error ends the program with the place; NULL for 0 bytes. */
void *dev_new(size_t nbytes);
void *dev_of(const void *host, size_t nbytes); /* a copy of it */
void dev_get(void *host, const void *dev, size_t nbytes);
void dev_drop_all(void); /* everything from dev_new and dev_of */
#define DEV(call) dev_check(call, #call, __FILE__, __LINE__)
void dev_check(cudaError_t e, const char *call, const char *file, int line);

/* Host memory: n floats from [-scale, scale); from malloc, 64-byte aligned. */
float *random_floats(pe_rng *r, size_t n, float scale);
void *host_new(size_t nbytes); /* zeroed, 64-byte aligned */

/* ok NAME / not ok NAME; test_end() gives the exit status. */
void test_begin(const char *name);
void test_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void same_bytes(const void *got, const void *want, size_t nbytes, const char *what);
/* |got - want| <= tolerance * (1 + |want|) everywhere */
void close_floats(const float *got, const float *want, size_t n, double tolerance,
                  const char *what);
int test_end(void);

#endif
