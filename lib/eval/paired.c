/* lib/eval/paired.c - two systems on the same rows: is the second one worse by more than a margin?
 * Read next: lib/eval/gate.c. */
#include <math.h>

#include "lib/eval/stats.h"

/* Tango's score statistic at difference d; it falls as d grows. q is the constrained
 * maximum-likelihood probability of "second right, first wrong" and solves 2n q^2 + B q + C = 0;
 * the branch avoids cancellation. */
static double score(double n, double b, double c, double d)
{
    double qa = 2.0 * n, qb = -b - c + (2.0 * n - b + c) * d, qc = -c * d * (1.0 - d);
    double root = sqrt(fmax(qb * qb - 4.0 * qa * qc, 0.0));
    double q = qb > 0.0 ? -2.0 * qc / (qb + root) : (root - qb) / (2.0 * qa);
    double var = n * (2.0 * q + d * (1.0 - d)), num = b - c - n * d;

    if (var <= 0.0) return num > 0.0 ? INFINITY : num < 0.0 ? -INFINITY : 0.0;
    return num / sqrt(var);
}

/* The difference at which the score falls to `target`. */
static double solve(double n, double b, double c, double target)
{
    double lo = -1.0, hi = 1.0;

    for (int i = 0; i < 200; i++) {
        double mid = 0.5 * (lo + hi);
        if (mid <= lo || mid >= hi) break;
        if (score(n, b, c, mid) > target) lo = mid;
        else hi = mid;
    }
    return 0.5 * (lo + hi);
}

pe_interval pe_tango(double n, double b, double c, double level)
{
    double z = pe_normal_quantile(level);
    pe_interval r = { solve(n, b, c, z), solve(n, b, c, -z) };

    return r;
}

double pe_mcnemar_mid_p(uint64_t b, uint64_t c)
{
    uint64_t n = b + c, least = b < c ? b : c;
    double p;

    if (b == c) return 1.0;
    p = 2.0 * pe_binomial_cdf(n, least, 0.5) - pe_binomial_pmf(n, least, 0.5);
    return p > 1.0 ? 1.0 : p;
}

const char *pe_verdict_name(pe_verdict v)
{
    static const char *const names[] = { "PASS", "FAIL", "INCONCLUSIVE" };

    return names[v];
}

pe_verdict pe_verdict_of(pe_interval bounds, double margin)
{
    if (bounds.upper <= margin) return PE_VERDICT_PASS;
    if (bounds.lower > margin) return PE_VERDICT_FAIL;
    return PE_VERDICT_INCONCLUSIVE; /* also for bounds that are not a number */
}

static bool decides(double rows, double n, double b, double c, double level, double margin)
{
    double f = rows / n;

    return pe_verdict_of(pe_tango(rows, b * f, c * f, level), margin) != PE_VERDICT_INCONCLUSIVE;
}

uint64_t pe_tango_rows(double n, double b, double c, double level, double margin)
{
    double lo = 0.0, hi = n;

    while (!decides(hi, n, b, c, level, margin)) {
        lo = hi;
        hi *= 2.0;
        if (hi > 1e12) return 0;
    }
    while (hi - lo > 1.0) {
        double mid = floor(0.5 * (lo + hi));
        if (mid <= lo) break;
        if (decides(mid, n, b, c, level, margin)) hi = mid;
        else lo = mid;
    }
    return (uint64_t)ceil(hi);
}

uint64_t pe_interval_rows(uint64_t n, double point, pe_interval bounds, double margin)
{
    double width = point < margin ? bounds.upper - point : point - bounds.lower;
    double ratio = width / (margin - point), rows = ceil((double)n * ratio * ratio);

    if (!(rows >= 1.0 && rows <= 1e12)) return 0;
    return (uint64_t)rows;
}
