/* lib/eval/resample.c - percentile bootstrap over rows, the same at any number of threads.
 * Read next: lib/eval/stats.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/pool.h"
#include "lib/base/rng.h"
#include "lib/eval/stats.h"

#define RESAMPLES_A_TASK 16

static uint32_t draw(pe_rng *rng, size_t n)
{
    return (uint32_t)(((uint64_t)pe_rng_u32(rng) * n) >> 32);
}

void pe_resample_indices(uint32_t *out, const pe_resampling *r, uint32_t index)
{
    pe_rng rng;

    pe_rng_init(&rng, r->seed, r->stream, index);
    for (size_t j = 0; j < r->n; j++) out[j] = draw(&rng, r->n);
}

typedef struct job {
    const pe_resampling *r;
    pe_statistic_fn *fn;
    const void *arg;
    double *values;
    uint32_t *times; /* [nthreads][n] */
    double *stats;   /* [nthreads][nstats + nscratch] */
} job;

static void resample_task(void *arg, size_t task, int worker)
{
    job *j = arg;
    const pe_resampling *r = j->r;
    uint32_t *times = j->times + (size_t)worker * r->n;
    double *stats = j->stats + (size_t)worker * (r->nstats + r->nscratch);
    size_t first = task * RESAMPLES_A_TASK, end = first + RESAMPLES_A_TASK;

    if (end > r->resamples) end = r->resamples;
    for (size_t i = first; i < end; i++) {
        pe_rng rng;
        pe_rng_init(&rng, r->seed, r->stream, (uint32_t)i);
        memset(times, 0, r->n * sizeof *times);
        for (size_t k = 0; k < r->n; k++) times[draw(&rng, r->n)]++;
        j->fn(stats, stats + r->nstats, j->arg, times);
        for (size_t s = 0; s < r->nstats; s++) j->values[s * r->resamples + i] = stats[s];
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    if (isnan(x) || isnan(y)) return (isnan(x) != 0) - (isnan(y) != 0);
    return (x > y) - (x < y);
}

static void sort_task(void *arg, size_t task, int worker)
{
    job *j = arg;

    (void)worker;
    qsort(j->values + task * j->r->resamples, j->r->resamples, sizeof(double), by_value);
}

pe_status pe_bootstrap(double *values, const pe_resampling *r, pe_statistic_fn *fn, const void *arg,
                       pe_error *err)
{
    size_t nthreads = (size_t)pe_pool_nthreads(r->pool);
    job j = { r,
              fn,
              arg,
              values,
              calloc(nthreads * r->n, sizeof(uint32_t)),
              calloc(nthreads * (r->nstats + r->nscratch), sizeof(double)) };
    pe_status st = PE_OK;

    if (!j.times || !j.stats) {
        st = pe_fail_nomem(err, "bootstrap resamples", nthreads * r->n * sizeof(uint32_t));
    } else {
        size_t ntasks = (r->resamples + RESAMPLES_A_TASK - 1) / RESAMPLES_A_TASK;
        pe_pool_run(r->pool, ntasks, resample_task, &j);
        pe_pool_run(r->pool, r->nstats, sort_task, &j);
    }
    free(j.times);
    free(j.stats);
    return st;
}

double pe_percentile(const double *sorted, size_t n, double p)
{
    double place;
    size_t i;

    if (n == 0) return NAN;
    place = p * (double)(n - 1);
    i = (size_t)place;
    if (i + 1 >= n) return sorted[n - 1];
    return sorted[i] + (place - (double)i) * (sorted[i + 1] - sorted[i]);
}

pe_interval pe_bootstrap_bounds(const double *sorted, size_t n, double level)
{
    size_t defined = n;
    pe_interval r = { NAN, NAN };

    while (defined > 0 && isnan(sorted[defined - 1])) defined--;
    if (defined == 0 || n - defined > n / 100) return r;
    r.lower = pe_percentile(sorted, defined, 1.0 - level);
    r.upper = pe_percentile(sorted, defined, level);
    return r;
}
