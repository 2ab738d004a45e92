/* tests/emu/kernels/layer_case.h - a random int8 layer on both sides: codes, scales, zero points,
 * bias, guarded outputs. Read next: tests/emu/kernels/image.h. */
#ifndef PE_TESTS_EMU_KERNELS_LAYER_CASE_H
#define PE_TESTS_EMU_KERNELS_LAYER_CASE_H

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/checked.h"
#include "tests/emu/kernels/image.h"

enum { WITH_ZERO = 1, WITH_BIAS = 2, WITH_GAPS = 4 };

typedef struct layer_case {
    size_t m, n, k;
    unsigned kind; /* WITH_ ... */
    pe_act act;
    unsigned sparse; /* percent of zero weights */
    pe_linear_call host, dev;
    int8_t *w; /* [n, k] */
    image y;
} layer_case;

static inline int8_t odd_code(pe_rng *r)
{
    static const int8_t extremes[] = { 127, -127, -128, -1, 1 };
    if (pe_rng_below(r, 4) == 0) return extremes[pe_rng_below(r, 5)];
    return (int8_t)((int)pe_rng_below(r, 256) - 128);
}

/* Codes up to k, zeros to the next multiple of 64, something else in a gap after it. */
static inline int8_t *layer_inputs(pe_rng *r, const layer_case *l, size_t ldx)
{
    int8_t *x = host_new(l->m * ldx);
    size_t padded = pe_round_up(l->k, 64);
    for (size_t t = 0; t < l->m; t++)
        for (size_t i = 0; i < ldx; i++) x[t * ldx + i] = i < l->k || i >= padded ? odd_code(r) : 0;
    return x;
}

/* Now and then a row of zeros, or one without any. */
static inline void layer_weights(pe_rng *r, layer_case *l)
{
    l->w = host_new(l->n * l->k);
    for (size_t n = 0; n < l->n; n++) {
        uint32_t way = pe_rng_below(r, 9);
        unsigned sparse = !l->sparse ? 0 : way == 0 ? 100 : way == 1 ? 0 : l->sparse;
        for (size_t i = 0; i < l->k; i++)
            l->w[n * l->k + i] = pe_rng_below(r, 100) < sparse ? 0 : odd_code(r);
    }
}

static inline int32_t *layer_zeros(pe_rng *r, size_t m)
{
    int32_t *zero = host_new(m * sizeof *zero);
    for (size_t t = 0; t < m; t++) zero[t] = (int32_t)pe_rng_below(r, 256) - 128;
    return zero;
}

static inline int32_t *layer_sums(const layer_case *l)
{
    int32_t *sum = host_new(l->n * sizeof *sum);
    for (size_t i = 0; i < l->n * l->k; i++) sum[i / l->k] += l->w[i];
    return sum;
}

/* *l has the sizes, kind, act and sparse. Everything else is made. */
static inline void layer_init(layer_case *l, pe_rng *r)
{
    size_t gap = l->kind & WITH_GAPS ? 1 : 0, ldx = pe_round_up(l->k, 64) + 64 * gap;
    pe_linear_call *h = &l->host, *d = &l->dev;
    layer_weights(r, l);
    h->xq = layer_inputs(r, l, ldx);
    h->xscale = random_floats(r, l->m, 1e-3f);
    h->wscale = random_floats(r, l->n, 1e-2f);
    h->bias = l->kind & WITH_BIAS ? odd_floats(r, l->n) : NULL;
    h->xzero = l->kind & WITH_ZERO ? layer_zeros(r, l->m) : NULL;
    h->wsum = layer_sums(l);
    h->packed = l->w;
    h->ldx = ldx, h->ldy = l->n + 3 * gap;
    h->m = l->m, h->n = l->n, h->k = l->k;
    h->act = l->act;
    l->y = image_of(NULL, l->m * h->ldy * 4, 0);
    h->y = l->y.host;
    *d = *h;
    d->y = l->y.dev;
    d->xq = dev_of(h->xq, l->m * ldx);
    d->xscale = dev_of(h->xscale, l->m * 4), d->wscale = dev_of(h->wscale, l->n * 4);
    d->bias = h->bias ? dev_of(h->bias, l->n * 4) : NULL;
    d->xzero = h->xzero ? dev_of(h->xzero, l->m * 4) : NULL;
    d->wsum = l->kind & WITH_ZERO ? dev_of(h->wsum, l->n * 4) : NULL;
}

/* The weights as the kernels want them: [n, ldw], zero from k on. */
static inline int8_t *layer_padded(const layer_case *l, size_t ldw)
{
    int8_t *w = host_new(l->n * ldw), *dev;
    for (size_t n = 0; n < l->n; n++)
        if (l->k) memcpy(w + n * ldw, l->w + n * l->k, l->k);
    dev = dev_of(w, l->n * ldw);
    free(w);
    return dev;
}

/* Releases it all. */
static inline void layer_same(layer_case *l, const char *kernel)
{
    char what[160];
    snprintf(what, sizeof what, "%s m=%zu n=%zu k=%zu kind=%u act=%d", kernel, l->m, l->n, l->k,
             l->kind, (int)l->act);
    image_same(&l->y, what);
    pe_linear_call *h = &l->host;
    free((void *)h->xq), free((void *)h->xscale), free((void *)h->wscale), free((void *)h->bias);
    free((void *)h->xzero), free((void *)h->wsum), free(l->w);
    dev_drop_all();
}

#endif
