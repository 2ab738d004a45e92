/* tests/emu/kernels/device.c - see device.h. Read next: kernels/cuda/cuda.h. */
#include "tests/emu/kernels/device.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/checked.h"

enum { MOST = 4096 };
static void *held[MOST];
static size_t nheld;
static const char *current;
static int failed, failures;

void dev_check(cudaError_t e, const char *call, const char *file, int line)
{
    if (e == cudaSuccess) return;
    printf("not ok %s: %s:%d: %s: %s\n", current ? current : "set-up", file, line, call,
           cudaGetErrorString(e));
    exit(1);
}

void *dev_new(size_t nbytes)
{
    void *p = NULL;
    if (!nbytes) return NULL;
    DEV(cudaMalloc(&p, nbytes));
    if (nheld == MOST) exit(2);
    return held[nheld++] = p;
}

void *dev_of(const void *host, size_t nbytes)
{
    void *p = dev_new(nbytes);
    if (nbytes) DEV(cudaMemcpy(p, host, nbytes, cudaMemcpyHostToDevice));
    return p;
}

void dev_get(void *host, const void *dev, size_t nbytes)
{
    if (nbytes) DEV(cudaMemcpy(host, dev, nbytes, cudaMemcpyDeviceToHost));
}

void dev_drop_all(void)
{
    DEV(cudaDeviceSynchronize());
    while (nheld) DEV(cudaFree(held[--nheld]));
}

void *host_new(size_t nbytes)
{
    void *p = aligned_alloc(64, pe_round_up(nbytes + 1, 64));
    if (!p) exit(6);
    return memset(p, 0, nbytes);
}

float *random_floats(pe_rng *r, size_t n, float scale)
{
    float *x = host_new(n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = scale * (float)(2 * pe_rng_unit(r) - 1);
    return x;
}

void test_begin(const char *name)
{
    if (current && !failed) printf("ok %s\n", current);
    current = name;
    failed = 0;
}

void test_fail(const char *format, ...)
{
    va_list args;
    if (!failed++) failures++;
    else if (failed > 5) return;
    printf("not ok %s: ", current);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}

void same_bytes(const void *got, const void *want, size_t nbytes, const char *what)
{
    const unsigned char *a = got, *b = want;
    size_t i = 0;
    while (i < nbytes && a[i] == b[i]) i++;
    if (i < nbytes) test_fail("%s differs at byte %zu of %zu", what, i, nbytes);
}

void close_floats(const float *got, const float *want, size_t n, double tolerance, const char *what)
{
    for (size_t i = 0; i < n; i++) {
        double off = fabs((double)got[i] - (double)want[i]);
        if (off <= tolerance * (1 + fabs((double)want[i]))) continue;
        test_fail("%s: element %zu is %.9g, expected %.9g", what, i, (double)got[i],
                  (double)want[i]);
        return;
    }
}

int test_end(void)
{
    test_begin(NULL);
    dev_drop_all();
    return failures ? 1 : 0;
}
