/* lib/eval/correlate.c - Pearson and Spearman correlation, of all rows or of a resample.
 * Read next: lib/eval/stats.h. */
#include <math.h>
#include <stdlib.h>

#include "lib/base/error.h"
#include "lib/eval/stats.h"

static double times_of(const uint32_t *times, size_t i)
{
    return times ? (double)times[i] : 1.0;
}

double pe_pearson(const double *x, const double *y, const uint32_t *times, size_t n)
{
    double rows = 0, mx = 0, my = 0, xx = 0, yy = 0, xy = 0, r;

    for (size_t i = 0; i < n; i++) {
        double t = times_of(times, i);
        rows += t;
        mx += t * x[i];
        my += t * y[i];
    }
    if (rows < 2) return NAN;
    mx /= rows;
    my /= rows;
    for (size_t i = 0; i < n; i++) {
        double t = times_of(times, i), dx = x[i] - mx, dy = y[i] - my;
        xx += t * dx * dx;
        yy += t * dy * dy;
        xy += t * dx * dy;
    }
    /* A constant vector leaves only the rounding of its mean behind. */
    if (xx <= rows * mx * mx * 1e-30 || yy <= rows * my * my * 1e-30) return NAN;
    r = xy / sqrt(xx) / sqrt(yy);
    return r > 1.0 ? 1.0 : r < -1.0 ? -1.0 : r;
}

static bool before(const double *x, uint32_t a, uint32_t b)
{
    return x[a] < x[b] || (x[a] == x[b] && a < b);
}

static void sift(uint32_t *order, const double *x, size_t root, size_t n)
{
    for (;;) {
        size_t child = 2 * root + 1;
        uint32_t t;
        if (child >= n) return;
        if (child + 1 < n && before(x, order[child], order[child + 1])) child++;
        if (!before(x, order[root], order[child])) return;
        t = order[root];
        order[root] = order[child];
        order[child] = t;
        root = child;
    }
}

/* Heap sort: no scratch, and the order is total, so stability does not matter. */
void pe_sort_order(uint32_t *order, const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
    for (size_t i = n / 2; i > 0; i--) sift(order, x, i - 1, n);
    for (size_t end = n; end > 1; end--) {
        uint32_t t = order[0];
        order[0] = order[end - 1];
        order[end - 1] = t;
        sift(order, x, 0, end - 1);
    }
}

void pe_ranks(double *rank, const double *x, const uint32_t *order, const uint32_t *times, size_t n)
{
    double seen = 0;

    for (size_t i = 0; i < n;) {
        size_t end = i;
        double rows = 0;
        while (end < n && x[order[end]] == x[order[i]]) rows += times_of(times, order[end++]);
        for (size_t k = i; k < end; k++) rank[order[k]] = seen + (rows + 1.0) / 2.0;
        seen += rows;
        i = end;
    }
}

pe_status pe_spearman(double *out, const double *x, const double *y, size_t n, pe_error *err)
{
    uint32_t *order = malloc((n + 1) * sizeof *order);
    double *rank = malloc((2 * n + 1) * sizeof *rank);
    pe_status st = PE_OK;

    if (!order || !rank) {
        st = pe_fail_nomem(err, "ranks", n * 20);
    } else {
        pe_sort_order(order, x, n);
        pe_ranks(rank, x, order, NULL, n);
        pe_sort_order(order, y, n);
        pe_ranks(rank + n, y, order, NULL, n);
        *out = pe_pearson(rank, rank + n, NULL, n);
    }
    free(order);
    free(rank);
    return st;
}
