/* tests/bench/bench_f32.c - how fast the f32 kernels are, per level, against the FMA peak of one
 * core as measured here. Best of many runs, so a busy machine shows less. Usage: bench_f32
 * [gemm|csr|rows] [threads]. Read next: kernels/body/gemm_body.h. */
#include <immintrin.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/cpu.h"
#include "kernels/kernels.h"
#include "lib/base/rng.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *floats(size_t n, pe_rng *r)
{
    float *x = aligned_alloc(64, (n * sizeof *x + 127) / 64 * 64);
    if (!x) exit(6);
    for (size_t i = 0; i < n; i++) x[i] = (float)(2 * pe_rng_unit(r) - 1);
    return x;
}

/* Flops a second of twelve independent chains of 256-bit FMAs; the 512-bit peak is that or twice
 * it. */
__attribute__((target("avx2,fma"))) static double peak_avx2(void)
{
    double best = 1e9;
    enum { CHAINS = 12, STEPS = 200000 };
    for (int run = 0; run < 40; run++) {
        __m256 a[CHAINS], m = _mm256_set1_ps(0.999f);
        for (int i = 0; i < CHAINS; i++) a[i] = _mm256_set1_ps((float)i);
        double t = now();
        for (int s = 0; s < STEPS; s++) {
#pragma GCC unroll 12
            for (int i = 0; i < CHAINS; i++) a[i] = _mm256_fmadd_ps(a[i], m, m);
        }
        t = now() - t;
        float sink[8], total = 0;
        for (int i = 0; i < CHAINS; i++) {
            _mm256_storeu_ps(sink, a[i]);
            total += sink[0];
        }
        if (total < 1e9f && t < best) best = t;
    }
    return 2.0 * 8 * CHAINS * STEPS / best;
}

/* Best seconds of one call; about 0.4 s a line. */
typedef void body_fn(void *arg);
static double best_of(body_fn *fn, void *arg)
{
    fn(arg);
    double best = 1e9, end = now() + 0.4;
    for (int i = 0; i < 5 || now() < end; i++) {
        double t = now();
        fn(arg);
        t = now() - t;
        if (t < best) best = t;
    }
    return best;
}

typedef struct linear {
    const pe_linear_form *form;
    pe_linear_call call;
} linear;
static void run_linear(void *arg)
{
    linear *l = arg;
    l->form->run(&l->call);
}

static double time_linear(const pe_kernels *k, pe_form form, size_t m, size_t n, size_t kk,
                          const float *w, pe_act act, pe_pool *pool, pe_rng *r)
{
    linear l = { .form = k->form[form] };
    pe_matrix mat = { .n = n, .k = kk, .f32 = w };
    void *packed = aligned_alloc(64, (l.form->packed_nbytes(&mat) + 127) / 64 * 64);
    void *scratch = aligned_alloc(
        64, (l.form->scratch_nbytes(m, n, kk, pe_pool_nthreads(pool)) + 127) / 64 * 64);
    float *x = floats(m * kk, r), *y = floats(m * n, r), *bias = floats(n, r);
    if (!packed || !scratch) exit(6);
    l.form->pack(packed, &mat);
    l.call = (pe_linear_call){ .y = y,
                               .x = x,
                               .ldy = n,
                               .ldx = kk,
                               .m = m,
                               .n = n,
                               .k = kk,
                               .packed = packed,
                               .bias = bias,
                               .act = act,
                               .scratch = scratch,
                               .pool = pool };
    double t = best_of(run_linear, &l);
    free(packed), free(scratch), free(x), free(y), free(bias);
    return t;
}

static void bench_gemm(const pe_kernels *k, pe_pool *pool, double peak)
{
    static const size_t nk[][2] = { { 1152, 384 }, { 384, 384 }, { 1536, 384 }, { 384, 1536 } };
    static const size_t ms[] = { 1, 2, 4, 8, 16, 128, 1024, 4096 };
    pe_rng r;
    pe_rng_init(&r, 1, 1, 0);
    for (size_t s = 0; s < 4; s++) {
        size_t n = nk[s][0], kk = nk[s][1];
        float *w = floats(n * kk, &r);
        for (size_t i = 0; i < sizeof ms / sizeof ms[0]; i++) {
            pe_act act = n == 1536 ? PE_ACT_GELU_ERF : PE_ACT_NONE;
            double t = time_linear(k, PE_FORM_F32_DENSE, ms[i], n, kk, w, act, pool, &r);
            double rate = 2.0 * (double)(ms[i] * n * kk) / t;
            printf("%-8s dense m=%4zu n=%4zu k=%4zu%s  %9.1f us  %6.1f GF/s  %5.1f %% of peak\n",
                   k->level, ms[i], n, kk, act ? " gelu" : "     ", t * 1e6, rate * 1e-9,
                   100 * rate / peak);
        }
        free(w);
    }
}

static void bench_csr(const pe_kernels *k, pe_pool *pool)
{
    static const size_t nk[][2] = { { 384, 384 }, { 1536, 384 }, { 384, 1536 }, { 3072, 768 } };
    static const size_t ms[] = { 1, 16, 128, 1024 };
    pe_rng r;
    pe_rng_init(&r, 1, 2, 0);
    for (size_t s = 0; s < 4; s++) {
        size_t n = nk[s][0], kk = nk[s][1];
        for (unsigned sparse = 50; sparse <= 90; sparse += 20) {
            float *w = floats(n * kk, &r);
            for (size_t i = 0; i < n * kk; i++)
                if (pe_rng_below(&r, 100) < sparse) w[i] = 0;
            for (size_t i = 0; i < 4; i++) {
                double d =
                    time_linear(k, PE_FORM_F32_DENSE, ms[i], n, kk, w, PE_ACT_NONE, pool, &r);
                double t = time_linear(k, PE_FORM_F32_CSR, ms[i], n, kk, w, PE_ACT_NONE, pool, &r);
                printf("%-8s csr   m=%4zu n=%4zu k=%4zu %u %% zero  %9.1f us  %5.2f times dense\n",
                       k->level, ms[i], n, kk, sparse, t * 1e6, d / t);
            }
            free(w);
        }
    }
}

typedef struct rows {
    const pe_kernels *k;
    float *x, *y;
    const float *res, *gamma;
    size_t m, d;
    pe_act act;
    pe_attention_call att;
    uint16_t *half;
    pe_pool *pool;
} rows;
static void run_layernorm(void *arg)
{
    rows *a = arg;
    a->k->layernorm(a->y, a->x, a->res, a->gamma, a->gamma, 1e-12f, a->m, a->d, a->pool);
}
static void run_activate(void *arg)
{
    rows *a = arg;
    memcpy(a->y, a->x, a->m * a->d * sizeof *a->y);
    a->k->activate(a->y, a->m * a->d, a->act, a->pool);
}
static void run_softmax(void *arg)
{
    rows *a = arg;
    memcpy(a->y, a->x, a->m * a->d * sizeof *a->y);
    a->k->softmax_rows(a->y, a->m, a->d);
}
static void run_bf16(void *arg)
{
    rows *a = arg;
    a->k->bf16_to_f32(a->y, a->half, a->m * a->d);
}
static void run_finite(void *arg)
{
    rows *a = arg;
    if (!a->k->all_finite(a->x, a->m * a->d, a->pool)) exit(1);
}
static void run_attention(void *arg)
{
    rows *a = arg;
    a->k->attention(&a->att);
}

static void bench_attention(const pe_kernels *k, pe_pool *pool, double peak)
{
    static const size_t shape[][4] = { { 1, 16, 12, 32 },   { 1, 128, 12, 32 }, { 1, 512, 12, 32 },
                                       { 32, 128, 12, 32 }, { 64, 16, 12, 32 }, { 256, 4, 12, 32 },
                                       { 8, 128, 12, 64 },  { 1, 512, 12, 64 } };
    pe_rng r;
    pe_rng_init(&r, 1, 3, 0);
    for (size_t s = 0; s < 8; s++) {
        size_t nrows = shape[s][0], len = shape[s][1], heads = shape[s][2], hd = shape[s][3],
               d = heads * hd;
        size_t T = nrows * len;
        uint32_t begin[512];
        for (size_t i = 0; i <= nrows; i++) begin[i] = (uint32_t)(i * len);
        float *qkv = floats(T * 3 * d, &r), *out = floats(T * d, &r);
        size_t nscratch = k->attention_scratch(len, hd, pe_pool_nthreads(pool));
        void *scratch = aligned_alloc(64, (nscratch + 127) / 64 * 64);
        rows a = { .k = k,
                   .att = { .out = out,
                            .q = qkv,
                            .k = qkv + d,
                            .v = qkv + 2 * d,
                            .ldo = d,
                            .ldq = 3 * d,
                            .ldkv = 3 * d,
                            .heads = heads,
                            .head_dim = hd,
                            .nrows = nrows,
                            .row_begin = begin,
                            .scale = 1 / sqrtf((float)hd),
                            .scratch = scratch,
                            .pool = pool } };
        double t = best_of(run_attention, &a);
        double rate = 4.0 * (double)(T * len * d) / t;
        printf(
            "%-8s attention %3zu rows of %3zu, %zu x %zu  %9.1f us  %6.1f GF/s  %5.1f %% of peak\n",
            k->level, nrows, len, heads, hd, t * 1e6, rate * 1e-9, 100 * rate / peak);
        free(qkv), free(out), free(scratch);
    }
}

static void bench_rows(const pe_kernels *k, pe_pool *pool, double peak)
{
    pe_rng r;
    pe_rng_init(&r, 1, 4, 0);
    size_t m = 128, d = 384;
    float *res = floats(m * d, &r), *gamma = floats(d, &r);
    rows a = { .k = k,
               .x = floats(m * d, &r),
               .y = floats(m * d, &r),
               .res = res,
               .gamma = gamma,
               .m = m,
               .d = d,
               .half = calloc(m * d, 2),
               .pool = pool };
    static const struct {
        const char *name;
        body_fn *fn;
        pe_act act;
    } op[] = { { "layernorm", run_layernorm, 0 },
               { "gelu erf", run_activate, PE_ACT_GELU_ERF },
               { "gelu tanh", run_activate, PE_ACT_GELU_TANH },
               { "tanh", run_activate, PE_ACT_TANH },
               { "softmax", run_softmax, 0 },
               { "bf16 to f32", run_bf16, 0 },
               { "all finite", run_finite, 0 } };
    for (size_t i = 0; i < sizeof op / sizeof op[0]; i++) {
        a.act = op[i].act;
        double t = best_of(op[i].fn, &a);
        printf("%-8s %-12s %zu x %zu  %8.1f us  %6.2f G elements/s\n", k->level, op[i].name, m, d,
               t * 1e6, (double)(m * d) / t * 1e-9);
    }
    free(a.x), free(a.y), free(res), free(gamma), free(a.half);
    bench_attention(k, pool, peak);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int nthreads = argc > 2 ? atoi(argv[2]) : 1;
    unsigned have = pe_cpu_detect();
    if (!(have & PE_CPU_AVX2)) return puts("skip bench_f32: no AVX2"), 0;
    pe_pool *pool = NULL;
    if (pe_pool_new(&pool, nthreads, NULL)) return 6;
    double peak = peak_avx2() * nthreads;
    printf("256-bit FMA peak of %d threads: %.1f GF/s\n", nthreads, peak * 1e-9);
    unsigned levels[] = { have & PE_CPU_AVX2, have & (PE_CPU_AVX2 | PE_CPU_AVX512) };
    for (int i = 0; i < 2 && !(i && levels[1] == levels[0]); i++) {
        pe_kernels k;
        pe_kernels_select(&k, levels[i]);
        if (!*what || !strcmp(what, "gemm")) bench_gemm(&k, pool, peak);
        if (!*what || !strcmp(what, "csr")) bench_csr(&k, pool);
        if (!*what || !strcmp(what, "rows")) bench_rows(&k, pool, peak);
    }
    pe_pool_free(pool);
    return 0;
}
