/* tests/emu/kernels/pass_case.h - what the tests of passes share: arrays with guard bytes around
 * them at any alignment, weights with ties and odd zeros, sizes around every width.
 * Read next: tests/emu/kernels/test_pass_weights.c. */
#ifndef PE_TESTS_EMU_KERNELS_PASS_CASE_H
#define PE_TESTS_EMU_KERNELS_PASS_CASE_H

#include <stdlib.h>
#include <math.h>
#include <string.h>

#include "tests/emu/kernels/device.h"

static const size_t SIZES[] = { 1,  2,  3,  7,   15,  16,  17,  31,  32,  33,
                                63, 64, 65, 127, 128, 129, 130, 500, 1000 };
enum { NSIZES = sizeof SIZES / sizeof *SIZES, GUARD = 64, GUARD_BYTE = 0xa5 };

/* Device memory between guards, `offset` bytes beyond an address of 64 bytes. */
typedef struct guarded {
    unsigned char *base;
    void *at;
    size_t nbytes, offset;
} guarded;

/* host NULL: filled with the guard's byte, too. */
static inline guarded guard_of(const void *host, size_t nbytes, size_t offset)
{
    size_t all = nbytes + offset + 2 * GUARD;
    unsigned char *copy = memset(host_new(all), GUARD_BYTE, all);
    guarded g = { .nbytes = nbytes, .offset = offset };
    if (host != NULL && nbytes > 0) memcpy(copy + GUARD + offset, host, nbytes);
    g.base = dev_of(copy, all);
    g.at = g.base + GUARD + offset;
    free(copy);
    return g;
}

static inline guarded guard_new(size_t nbytes, size_t offset)
{
    return guard_of(NULL, nbytes, offset);
}

/* The content, from malloc; fails the test when a guard was written. Not inlined: gcc then imagines
 * sizes that wrap around. */
static __attribute__((noinline, unused)) void *guard_get(const guarded *g, const char *what)
{
    size_t all = g->nbytes + g->offset + 2 * GUARD;
    unsigned char *copy = host_new(all);
    dev_get(copy, g->base, all);
    for (size_t i = 0; i < all; i++) {
        bool inside = i >= GUARD + g->offset && i < GUARD + g->offset + g->nbytes;
        if (!inside && copy[i] != GUARD_BYTE) {
            test_fail("%s: byte %td of %zu was written", what,
                      (ptrdiff_t)i - (ptrdiff_t)(GUARD + g->offset), g->nbytes);
            break;
        }
    }
    memmove(copy, copy + GUARD + g->offset, g->nbytes);
    return copy;
}

static inline void guard_same(const guarded *g, const void *want, const char *what)
{
    void *got = guard_get(g, what);
    same_bytes(got, want, g->nbytes, what);
    free(got);
}

static inline void *copy_of(const void *p, size_t nbytes)
{
    void *copy = host_new(nbytes);
    if (nbytes > 0) memcpy(copy, p, nbytes);
    return copy;
}

/* An array for reading that ends where its memory ends, so that reading further is seen. */
static inline void *dev_tight(const void *host, size_t nbytes, size_t offset)
{
    unsigned char *copy = host_new(nbytes + offset), *p;
    if (nbytes > 0) memcpy(copy + offset, host, nbytes);
    p = dev_of(copy, nbytes + offset);
    free(copy);
    return p ? p + offset : NULL;
}

/* What a number in device memory is afterwards. */
static inline uint64_t dev_u64(const void *p)
{
    uint64_t v;
    dev_get(&v, p, sizeof v);
    return v;
}

typedef enum kind { RANDOM, TIES, ZEROS, SPARSE, DENORMALS, NKINDS } kind;
static const char *const KINDS[] = { "random", "ties", "zeros", "sparse", "denormals" };

/* Weights of a kind, from malloc; every one but DENORMALS and RANDOM has zeros of both signs. */
static inline float *weights_of(pe_rng *r, size_t n, kind what)
{
    float *x = random_floats(r, n, 0.25f);
    for (size_t i = 0; i < n; i++) {
        float sign = pe_rng_below(r, 2) ? -1.0f : 1.0f;
        switch (what) {
        case TIES: x[i] = sign * (float)pe_rng_below(r, 4) / 8; break;
        case ZEROS: x[i] = sign * 0.0f; break;
        case SPARSE: x[i] = pe_rng_below(r, 4) ? sign * 0.0f : x[i]; break;
        case DENORMALS: x[i] = sign * (float)(1 + pe_rng_below(r, 9)) * 0x1p-149f; break;
        default: break;
        }
    }
    return x;
}

#endif
