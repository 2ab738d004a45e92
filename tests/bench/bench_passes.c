/* tests/bench/bench_passes.c - GB of input weights a second of pe-prune and pe-quantize from and
 * to a folder of a memory file system (/dev/shm), digests included. Read next:
 * docs/benchmarks.md.   bench_passes [--threads N] [--layers 16] [--dtype f32|bf16] [--dir
 * /dev/shm] [--rounds 3]   bench_passes --make FOLDER [--layers N] [--dtype T]     only writes
 * the model */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <pe/prune.h>
#include <pe/quant.h>

#include "lib/base/pool.h"
#include "lib/base/rng.h"
#include "lib/io/ckpt.h"

enum { N = 4096, ROWS = 64 };

static struct options {
    int threads, layers, rounds;
    bool bf16;
    const char *dir, *make;
} opt = { 2, 16, 3, false, "/dev/shm", NULL };

static void die(const pe_error *err)
{
    fprintf(stderr, "bench_passes: %s\n", err->text);
    exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- the model: [4096, 4096] matrices, normal with deviation 0.02 ---------------------------- */

typedef struct maker {
    pe_ckptw *w;
    size_t index[1024];
} maker;

static void fill_normal(float *x, size_t n, pe_rng *r)
{
    for (size_t i = 0; i < n; i += 2) {
        double a = 0.02 * sqrt(-2 * log(1 - pe_rng_unit(r))),
               b = 6.283185307179586 * pe_rng_unit(r);

        x[i] = (float)(a * cos(b));
        x[i + 1] = (float)(a * sin(b));
    }
}

static void make_layer(void *arg, size_t layer, int worker)
{
    maker *m = arg;
    float *x = malloc((size_t)ROWS * N * sizeof *x);
    uint16_t *h = (uint16_t *)(void *)x;
    size_t elem = opt.bf16 ? 2 : 4, nbytes = (size_t)ROWS * N * elem;
    pe_error err = { 0 };
    pe_rng r;
    (void)worker;

    pe_rng_init(&r, 1, 1, (uint32_t)layer);
    for (uint64_t row = 0; row < N; row += ROWS) {
        fill_normal(x, (size_t)ROWS * N, &r);
        for (size_t i = 0; opt.bf16 && i < (size_t)ROWS * N; i++) {
            uint32_t u;
            memcpy(&u, &x[i], sizeof u);
            h[i] = (uint16_t)((u + 0x7fff + ((u >> 16) & 1)) >> 16);
        }
        if (pe_ckptw_write(m->w, m->index[layer], 0, row * N * elem, x, nbytes, &err)) die(&err);
    }
    free(x);
}

static void make_model(const char *path, pe_pool *pool)
{
    static const char letters[] = "qkvo";
    const uint64_t shape[2] = { N, N };
    pe_layout_spec dense = { PE_LAYOUT_DENSE, 0 };
    maker m;
    pe_error err = { 0 };
    pe_status st = pe_ckptw_open(&m.w, path, NULL, true, &err);

    for (int i = 0; !st && i < opt.layers; i++) {
        char name[80];

        snprintf(name, sizeof name, "model.layers.%d.self_attn.%c_proj.weight", i / 4,
                 letters[i % 4]);
        st = pe_ckptw_add(m.w, &m.index[i], name, opt.bf16 ? PE_BF16 : PE_F32, 2, shape, dense,
                          NULL, 0, &err);
    }
    if (!st) st = pe_ckptw_begin(m.w, &err);
    if (st) die(&err);
    pe_pool_run(pool, (size_t)opt.layers, make_layer, &m);
    if (pe_ckptw_commit(m.w, NULL, NULL, NULL, &err)) die(&err);
}

/* ---- the passes ------------------------------------------------------------------------------ */

typedef struct job {
    const char *name;
    double sparsity;
    const char *scope, *pattern, *layout; /* sparsity < 0: quantize */
} job;

static const job jobs[] = {
    { "quantize", -1, NULL, NULL, NULL },
    { "prune 50 % a layer", 0.5, "layer", NULL, "dense" },
    { "prune 50 % global", 0.5, "global", NULL, "dense" },
    { "prune 2:4", 0, NULL, "2:4", "dense" },
    { "prune 80 % 1x4 blocks", 0.8, NULL, "1x4", "dense" },
    { "prune 50 % a layer, auto layout", 0.5, "layer", NULL, "auto" },
};

static double time_job(const job *b, const char *in, const char *out, pe_pool *pool)
{
    pe_prune_params prune = { .sparsity = b->sparsity,
                              .scope = b->scope,
                              .pattern = b->pattern,
                              .layout = b->layout,
                              .replace = true,
                              .pool = pool };
    pe_quant_params quant = { .replace = true, .pool = pool };
    pe_error err = { 0 };
    double start = now();

    if (b->sparsity < 0 ? pe_quantize_checkpoint(NULL, in, out, &quant, &err)
                        : pe_prune_checkpoint(NULL, in, out, &prune, &err))
        die(&err);
    return now() - start;
}

/* Processor time of this process so far, all threads. */
static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void run_jobs(const char *in, const char *out, pe_pool *pool)
{
    double gb = (double)opt.layers * N * N * (opt.bf16 ? 2 : 4) / 1e9;
    struct rusage use;

    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
        double best = INFINITY, least = INFINITY;

        for (int r = 0; r < opt.rounds; r++) {
            double t, cpu;
            char command[4200];

            snprintf(command, sizeof command, "rm -rf '%s'", out);
            if (system(command) != 0) exit(1);
            cpu = cpu_seconds();
            t = time_job(&jobs[i], in, out, pool);
            cpu = cpu_seconds() - cpu;
            if (t < best) best = t;
            if (cpu < least) least = cpu;
        }
        getrusage(RUSAGE_SELF, &use);
        printf("%-34s %6.2f GB/s  %.3f s  %.3f s of processor  peak %ld MiB\n", jobs[i].name,
               gb / best, best, least, use.ru_maxrss >> 10);
        fflush(stdout);
    }
}

static void parse(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";

        if (strcmp(argv[i], "--threads") == 0) opt.threads = atoi(value);
        else if (strcmp(argv[i], "--layers") == 0) opt.layers = atoi(value);
        else if (strcmp(argv[i], "--rounds") == 0) opt.rounds = atoi(value);
        else if (strcmp(argv[i], "--dtype") == 0) opt.bf16 = strcmp(value, "bf16") == 0;
        else if (strcmp(argv[i], "--dir") == 0) opt.dir = value;
        else if (strcmp(argv[i], "--make") == 0) opt.make = value;
        else {
            fprintf(stderr, "bench_passes: unknown option %s\n", argv[i]);
            exit(2);
        }
        i++;
    }
    if (opt.layers < 1 || opt.layers > 1024) exit(2);
}

int main(int argc, char **argv)
{
    char in[4096], out[4096], command[8300];
    pe_pool *pool = NULL;
    pe_error err = { 0 };

    parse(argc, argv);
    if (pe_pool_new(&pool, opt.threads, &err)) die(&err);
    if (opt.make != NULL) {
        make_model(opt.make, pool);
        pe_pool_free(pool);
        return 0;
    }
    snprintf(in, sizeof in, "%s/pe-bench-%ld-in", opt.dir, (long)getpid());
    snprintf(out, sizeof out, "%s/pe-bench-%ld-out", opt.dir, (long)getpid());
    make_model(in, pool);
    printf("%d matrices [%d, %d] %s, %d threads, level %s, best of %d\n", opt.layers, N, N,
           opt.bf16 ? "bf16" : "f32", opt.threads, pe_cpu_level(), opt.rounds);
    run_jobs(in, out, pool);
    snprintf(command, sizeof command, "rm -rf '%s' '%s'", in, out);
    pe_pool_free(pool);
    return system(command) != 0;
}
