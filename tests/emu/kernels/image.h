/* tests/emu/kernels/image.h - an output on both sides with a guard before and after it: the
 * device's must equal the host's byte for byte, gaps between rows and guards included. Read next:
 * tests/emu/kernels/device.h. */
#ifndef PE_TESTS_EMU_KERNELS_IMAGE_H
#define PE_TESTS_EMU_KERNELS_IMAGE_H

#include <stdlib.h>
#include <string.h>

#include "tests/emu/kernels/device.h"

enum { IMAGE_GUARD = 64, IMAGE_FILL = 0x5a };

typedef struct image {
    unsigned char *whole, *whole_dev;
    size_t nbytes;    /* of all */
    void *host, *dev; /* where the output begins: 64-byte aligned, plus `off` bytes */
} image;

/* nbytes of fill, or of what `from` holds. */
static inline image image_of(const void *from, size_t nbytes, size_t off)
{
    image im = { .nbytes = nbytes + off + 2 * IMAGE_GUARD };
    im.whole = host_new(im.nbytes);
    memset(im.whole, IMAGE_FILL, im.nbytes);
    im.host = im.whole + IMAGE_GUARD + off;
    if (from && nbytes) memcpy(im.host, from, nbytes);
    im.whole_dev = dev_of(im.whole, im.nbytes);
    im.dev = im.whole_dev + IMAGE_GUARD + off;
    return im;
}

/* The host's side is what is wanted. Releases it. */
static inline void image_same(image *im, const char *what)
{
    unsigned char *got = host_new(im->nbytes);
    dev_get(got, im->whole_dev, im->nbytes);
    same_bytes(got, im->whole, im->nbytes, what);
    free(got);
    free(im->whole);
}

/* Floats that show mistakes: mostly ordinary, some zeros of both signs, denormals and large ones.
 */
static inline float odd_float(pe_rng *r)
{
    float x = (float)(2 * pe_rng_unit(r) - 1);
    switch (pe_rng_below(r, 64)) {
    case 0: return 0.0f;
    case 1: return -0.0f;
    case 2: return x * 1e-39f;
    case 3: return x * 1e-20f;
    case 4: return x * 1e4f;
    default: return x;
    }
}

static inline float *odd_floats(pe_rng *r, size_t n)
{
    float *x = host_new(n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = odd_float(r);
    return x;
}

/* Kernels that walk in strides of the grid have at most this many blocks (launch.cuh). */
enum { GRID_BLOCKS = 4093 };

/* n floats on the device, off bytes past an aligned address. */
static inline float *floats_at(const float *host, size_t n, size_t off)
{
    unsigned char *p = dev_new(n * sizeof *host + off + 1);
    if (n) DEV(cudaMemcpy(p + off, host, n * sizeof *host, cudaMemcpyHostToDevice));
    return (float *)(p + off);
}

#endif
