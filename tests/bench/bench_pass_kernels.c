/* tests/bench/bench_pass_kernels.c - GB/s of input of the kernels that quantize and prune whole
 * tensors, one thread, weights in memory, beside a plain read of them. Usage: bench_pass_kernels
 * [MiB]. Read next: kernels/avx2/passes_avx2.c, kernels/avx2/quantize_avx2.c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/cpu.h"
#include "kernels/kernels.h"
#include "lib/base/rng.h"

enum { ROW = 4096 };

typedef struct tensor {
    size_t n;
    float *x, *mid;
    int8_t *q;
    float threshold;
    double sink;
} tensor;

typedef void body_fn(const pe_kernels *k, tensor *t);

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Sums of 64-bit words in eight chains: as fast as one core reads. */
static void read_all(const pe_kernels *k, tensor *t)
{
    const uint64_t *p = (const uint64_t *)(const void *)t->x;
    uint64_t sum[32] = { 0 };
    (void)k;
    for (size_t i = 0; i < t->n / 2; i += 32)
        for (size_t j = 0; j < 32; j++) sum[j] ^= p[i + j];
    for (size_t j = 0; j < 32; j++) t->sink += (double)(sum[j] & 1);
}
static void absmax(const pe_kernels *k, tensor *t)
{
    t->sink += (double)k->absmax_f32(t->x, t->n);
}
/* One scale a row of 4096: the row is read twice, the second time from a cache. */
static void quantize(const pe_kernels *k, tensor *t)
{
    for (size_t i = 0; i < t->n; i += ROW)
        k->quantize_weights(t->q + i, t->x + i, ROW, k->absmax_f32(t->x + i, ROW) / 127);
}
static void quantize_rows(const pe_kernels *k, tensor *t)
{
    pe_quantize_call c = { .q = t->q,
                           .scale = t->mid,
                           .x = t->x,
                           .ldq = ROW,
                           .ldx = ROW,
                           .m = t->n / ROW,
                           .k = ROW,
                           .div = 127 };
    k->quantize_rows(&c);
}
/* A bracket that holds half a percent of the weights, as one sampled from a million does. */
static void bracket(const pe_kernels *k, tensor *t)
{
    size_t nmid = 0;
    t->sink += (double)k->magnitude_bracket(t->mid, &nmid, t->x, t->n, t->threshold,
                                            t->threshold * 1.006f);
}
static void zero_below(const pe_kernels *k, tensor *t)
{
    t->sink += (double)k->zero_below(t->x, t->n, t->threshold);
}
static void prune_2of4(const pe_kernels *k, tensor *t)
{
    k->prune_nm(t->x, t->n, 2, 4);
}
static void prune_4of8(const pe_kernels *k, tensor *t)
{
    k->prune_nm(t->x, t->n, 4, 8);
}
static void count_zero(const pe_kernels *k, tensor *t)
{
    t->sink += (double)k->count_zero(t->x, t->n, 4);
}

/* Twelve uniforms make nearly a normal, as weights are. */
static void fill(tensor *t)
{
    enum { PERIOD = 1 << 20 };
    pe_rng r;
    pe_rng_init(&r, 4, 4, 4);
    for (size_t i = 0; i < t->n; i++) {
        double sum = -6;
        for (int j = 0; i < PERIOD && j < 12; j++) sum += pe_rng_unit(&r);
        t->x[i] = i < PERIOD ? (float)(0.02 * sum) : t->x[i - PERIOD];
    }
}

static double best_of(body_fn *fn, const pe_kernels *k, tensor *t)
{
    double best = 1e9;
    for (int i = 0; i < 5; i++) {
        double begin = now(), took;
        fn(k, t);
        took = now() - begin;
        if (took < best) best = took;
    }
    return best;
}

static const struct pass {
    const char *name;
    body_fn *fn;
} passes[] = {
    { "absmax", absmax },
    { "quantize weights (absmax + codes)", quantize },
    { "quantize rows of activations", quantize_rows },
    { "magnitude bracket", bracket },
    { "count zeros", count_zero },
    { "zero below a threshold, in place", zero_below },
    { "2:4 in place", prune_2of4 },
    { "4:8 in place", prune_4of8 },
};

int main(int argc, char **argv)
{
    size_t mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 256;
    tensor t = { .n = mib << 18, .threshold = 0.0207f }; /* 70 % are smaller */
    unsigned have = pe_cpu_detect(), before = 0;
    t.x = aligned_alloc(64, t.n * sizeof *t.x + 64);
    t.mid = aligned_alloc(64, t.n * sizeof *t.mid + 64);
    t.q = aligned_alloc(64, t.n + 64);
    if (!mib || !t.x || !t.mid || !t.q) return 6;
    memset(t.mid, 0, t.n * sizeof *t.mid);
    fill(&t);
    double nbytes = (double)t.n * sizeof *t.x, plain = nbytes / best_of(read_all, NULL, &t) * 1e-9;
    printf("pass kernels, %zu MiB of f32, one thread; plain read %.1f GB/s\n", mib, plain);
    for (size_t i = 1; i < pe_cpu_nlevels; i++) {
        unsigned features = have & pe_cpu_levels[i].features;
        pe_kernels k;
        if (features == before) continue;
        before = features;
        pe_kernels_select(&k, features);
        for (size_t p = 0; p < sizeof passes / sizeof *passes; p++) {
            double rate = nbytes / best_of(passes[p].fn, &k, &t) * 1e-9;
            printf("%-8s %-36s %6.1f GB/s of input, %3.0f %% of a read\n", k.level, passes[p].name,
                   rate, 100 * rate / plain);
        }
        fill(&t);
    }
    free(t.x);
    free(t.mid);
    free(t.q);
    return t.sink < 0;
}
