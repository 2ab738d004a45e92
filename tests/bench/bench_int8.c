/* tests/bench/bench_int8.c - Gop/s of int8 products by shape, tokens, form and sparsity at every
 * level of this machine, zeros counted, beside the dense form. Best of many runs, weights and
 * activations warm. Usage: bench_int8 [threads] [level]. Read next: kernels/body/s8_dense_body.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/cpu.h"
#include "kernels/kernels.h"
#include "lib/base/checked.h"
#include "lib/base/rng.h"

typedef struct layer {
    size_t n, k, m;
    int8_t *w, *x;
    float *xscale, *wscale, *bias, *y;
    int32_t *wsum;
    pe_pool *pool;
} layer;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *bytes(size_t n)
{
    void *p = aligned_alloc(64, pe_round_up(n + 1, 64));
    if (!p) exit(6);
    memset(p, 0, n);
    return p;
}

static int8_t random_code(pe_rng *r)
{
    int code = (int)pe_rng_below(r, 254) - 127;
    return (int8_t)(code + (code >= 0)); /* never 0 */
}

/* Zeros in whole 1x4 blocks or anywhere. */
static void fill_weights(layer *l, unsigned sparse, bool blocks)
{
    pe_rng r;
    bool zero = false;
    pe_rng_init(&r, 1, 2, 3);
    for (size_t n = 0; n < l->n; n++) {
        l->wsum[n] = 0;
        for (size_t k = 0; k < l->k; k++) {
            if (!blocks || k % 4 == 0) zero = pe_rng_below(&r, 100) < sparse;
            l->w[n * l->k + k] = zero ? 0 : random_code(&r);
            l->wsum[n] += l->w[n * l->k + k];
        }
    }
}

static layer layer_new(size_t n, size_t k, size_t m, pe_pool *pool)
{
    layer l = { .n = n, .k = k, .m = m, .pool = pool };
    pe_rng r;
    pe_rng_init(&r, 1, 1, 1);
    l.w = bytes(n * k);
    l.x = bytes(m * k);
    l.xscale = bytes(m * sizeof(float));
    l.wscale = bytes(n * sizeof(float));
    l.bias = bytes(n * sizeof(float));
    l.wsum = bytes(n * sizeof(int32_t));
    l.y = bytes(m * n * sizeof(float));
    for (size_t i = 0; i < m * k; i++) l.x[i] = random_code(&r);
    for (size_t i = 0; i < m; i++) l.xscale[i] = 0.01f;
    for (size_t i = 0; i < n; i++) l.wscale[i] = 0.01f;
    return l;
}

static void layer_release(layer *l)
{
    free(l->w);
    free(l->x);
    free(l->xscale);
    free(l->wscale);
    free(l->bias);
    free(l->wsum);
    free(l->y);
}

/* Best seconds of a call. */
static double measure(const pe_linear_form *f, const layer *l)
{
    pe_matrix w = { .n = l->n, .k = l->k, .s8 = l->w };
    void *packed = bytes(f->packed_nbytes(&w));
    f->pack(packed, &w);
    void *scratch = bytes(f->scratch_nbytes(l->m, l->n, l->k, pe_pool_nthreads(l->pool)));
    pe_linear_call c = { .y = l->y,
                         .xq = l->x,
                         .xscale = l->xscale,
                         .ldy = l->n,
                         .ldx = l->k,
                         .m = l->m,
                         .n = l->n,
                         .k = l->k,
                         .packed = packed,
                         .wscale = l->wscale,
                         .wsum = l->wsum,
                         .bias = l->bias,
                         .narrow = true,
                         .scratch = scratch,
                         .pool = l->pool };
    double best = 1e9, end = now() + 0.08;
    for (int i = 0; i < 5 || now() < end; i++) {
        double t = now();
        f->run(&c);
        t = now() - t;
        if (t < best) best = t;
    }
    free(packed);
    free(scratch);
    return best;
}

static void bench_layer(const pe_kernels *k, layer *l)
{
    /* 100: inputs brought into tiles, and outputs stored; the product alone is what is above it */
    static const unsigned sparsity[] = { 0, 50, 70, 80, 90, 100 };
    double ops = 2.0 * (double)l->n * (double)l->k * (double)l->m;
    fill_weights(l, 0, false);
    double dense = measure(k->form[PE_FORM_S8_DENSE], l);
    printf("%-8s %4zu x %-4zu m=%-4zu dense %8.1f us %6.0f Gop/s", k->level, l->n, l->k, l->m,
           dense * 1e6, ops / dense * 1e-9);
    for (int blocks = 1; blocks >= 0; blocks--) {
        printf(blocks ? " | block4, 1x4:" : " | block4, unstructured:");
        for (size_t i = blocks ? 0 : 1; i < sizeof sparsity / sizeof *sparsity; i++) {
            fill_weights(l, sparsity[i], blocks);
            double time = measure(k->form[PE_FORM_S8_BLOCK4], l);
            printf(" %u%% %.1f us x%.2f", sparsity[i], time * 1e6, dense / time);
        }
    }
    if (l->m <= 16) printf(" | bitmask:");
    for (size_t i = 0; l->m <= 16 && i < sizeof sparsity / sizeof *sparsity; i++) {
        fill_weights(l, sparsity[i], false);
        printf(" %u%% x%.2f", sparsity[i], dense / measure(k->form[PE_FORM_S8_BITMASK], l));
    }
    printf("\n");
    fflush(stdout);
}

static void bench_level(const pe_kernels *k, pe_pool *pool)
{
    static const size_t shape[][2] = { { 384, 384 },  { 1152, 384 }, { 1536, 384 },
                                       { 384, 1536 }, { 3072, 768 }, { 768, 3072 } };
    static const size_t tokens[] = { 1, 16, 128, 1024 };
    for (size_t s = 0; s < sizeof shape / sizeof *shape; s++)
        for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
            layer l = layer_new(shape[s][0], shape[s][1], tokens[i], pool);
            bench_layer(k, &l);
            layer_release(&l);
        }
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    unsigned have = pe_cpu_detect(), before = 0;
    pe_pool *pool = NULL;
    if (pe_pool_new(&pool, threads, NULL)) return 2;
    printf("int8 products, %d thread(s), y = scale * exact sum + bias, Gop/s counts zeros\n",
           pe_pool_nthreads(pool));
    for (size_t i = 1; i < pe_cpu_nlevels; i++) {
        unsigned features = have & pe_cpu_levels[i].features;
        pe_kernels k;
        bool wanted = argc < 3 || !strcmp(argv[2], pe_cpu_levels[i].name);
        if (features == before || !wanted) continue;
        before = features;
        pe_kernels_select(&k, features);
        bench_level(&k, pool);
    }
    pe_pool_free(pool);
    return 0;
}
