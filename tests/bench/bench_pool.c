/* tests/bench/bench_pool.c - what a parallel loop costs: empty, and with 50 us of work in all.
 * Read next: lib/base/pool.c. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/pool.h"

enum { ROUNDS = 4000 };

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

/* arg points at the number of dependent additions that a task makes. */
static void spin(void *arg, size_t index, int worker)
{
    (void)index;
    (void)worker;
    volatile uint64_t x = 0;
    for (long i = *(const long *)arg; i > 0; i--) x++;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const char *what, pe_pool *pool, size_t ntasks, long adds, long pause_us)
{
    static double us[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        double start = now_us();
        while (now_us() - start < (double)pause_us) { /* serial work between loops */
        }
        start = now_us();
        pe_pool_run(pool, ntasks, spin, &adds);
        us[i] = now_us() - start;
    }
    qsort(us, ROUNDS, sizeof *us, by_value);
    printf("  %-44s median %7.2f us, p99 %8.1f\n", what, us[ROUNDS / 2], us[ROUNDS * 99 / 100]);
}

int main(void)
{
    long adds = 10000, none = 0;
    double start = now_us();
    for (int i = 0; i < 100; i++) spin(&adds, 0, 0);
    long adds_50us = (long)(50.0 / ((now_us() - start) / 100 / (double)adds));
    for (int nthreads = 1; nthreads <= 4; nthreads *= 2) {
        pe_pool *pool = NULL;
        if (pe_pool_new(&pool, nthreads, NULL)) return 1;
        printf("%d threads\n", nthreads);
        measure("empty loop of 2 tasks", pool, 2, none, 0);
        measure("50 us in 2 tasks", pool, 2, adds_50us / 2, 0);
        measure("50 us in 16 tasks", pool, 16, adds_50us / 16, 0);
        measure("50 us in 16 tasks after 20 us alone", pool, 16, adds_50us / 16, 20);
        measure("50 us in 16 tasks after 200 us alone", pool, 16, adds_50us / 16, 200);
        pe_pool_free(pool);
    }
    return 0;
}
