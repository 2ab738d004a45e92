/* lib/eval/dist.c - normal, binomial and beta distributions, and intervals of a proportion.
 * Read next: lib/eval/paired.c. */
#include <math.h>

#include "lib/eval/stats.h"

double pe_normal_cdf(double z)
{
    return 0.5 * erfc(-z / sqrt(2.0));
}

/* Abramowitz and Stegun 26.2.23 gives three digits of the upper quantile; Halley's steps on erfc,
 * which keeps its relative accuracy in the tail, give the rest. */
static double upper_quantile(double p)
{
    double t = sqrt(-2.0 * log(p));
    double num = 2.515517 + t * (0.802853 + t * 0.010328);
    double z = t - num / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308)));

    for (int i = 0; i < 4; i++) {
        double density = exp(-0.5 * z * z) / sqrt(2.0 * M_PI);
        double step = (0.5 * erfc(z / sqrt(2.0)) - p) / density;
        z += step / (1.0 - 0.5 * z * step);
    }
    return z;
}

double pe_normal_quantile(double p)
{
    if (!(p >= 0.0 && p <= 1.0)) return NAN;
    if (p == 0.0) return -INFINITY;
    if (p == 1.0) return INFINITY;
    if (p == 0.5) return 0.0;
    return p < 0.5 ? -upper_quantile(p) : upper_quantile(1.0 - p);
}

static double log_gamma(double x)
{
    int sign;
    return lgamma_r(x, &sign);
}

double pe_binomial_pmf(uint64_t n, uint64_t k, double p)
{
    double dn = (double)n, dk = (double)k;

    if (k > n) return 0.0;
    if (p <= 0.0) return k == 0 ? 1.0 : 0.0;
    if (p >= 1.0) return k == n ? 1.0 : 0.0;
    return exp(log_gamma(dn + 1.0) - log_gamma(dk + 1.0) - log_gamma(dn - dk + 1.0) + dk * log(p) +
               (dn - dk) * log1p(-p));
}

/* Sum of P(X = i) for i = k, k-1 .. 0; the terms fall once i is under the mean. */
static double lower_tail(uint64_t n, uint64_t k, double p)
{
    double term = pe_binomial_pmf(n, k, p), sum = term;

    for (uint64_t i = k; i > 0; i--) {
        term *= (double)i / (double)(n - i + 1) * ((1.0 - p) / p);
        sum += term;
        if (term < sum * 1e-18) break;
    }
    return sum;
}

double pe_binomial_cdf(uint64_t n, uint64_t k, double p)
{
    double sum;

    if (k >= n || p <= 0.0) return 1.0;
    if (p >= 1.0) return 0.0;
    if ((double)k <= (double)n * p) return lower_tail(n, k, p);
    sum = 1.0 - lower_tail(n, n - k - 1, 1.0 - p); /* P(X >= k + 1), mirrored */
    return sum < 0.0 ? 0.0 : sum;
}

/* Continued fraction of I_x(a, b) by the modified Lentz method (DLMF 8.17.22). */
static double beta_fraction(double x, double a, double b)
{
    const double tiny = 1e-300;
    double c = 1.0, d = 1.0 - (a + b) * x / (a + 1.0), h;

    if (fabs(d) < tiny) d = tiny;
    d = 1.0 / d;
    h = d;
    for (int m = 1; m < 100000; m++) {
        double dm = m, change = 1.0;
        for (int odd = 0; odd < 2; odd++) {
            double num = odd ? -(a + dm) * (a + b + dm) * x / ((a + 2 * dm) * (a + 2 * dm + 1.0))
                             : dm * (b - dm) * x / ((a + 2 * dm - 1.0) * (a + 2 * dm));
            d = 1.0 + num * d;
            c = 1.0 + num / c;
            if (fabs(d) < tiny) d = tiny;
            if (fabs(c) < tiny) c = tiny;
            d = 1.0 / d;
            change = c * d;
            h *= change;
        }
        if (fabs(change - 1.0) < 1e-16) break;
    }
    return h;
}

double pe_beta_inc(double x, double a, double b)
{
    double front;

    if (!(a > 0.0 && b > 0.0) || isnan(x)) return NAN;
    if (x <= 0.0) return 0.0;
    if (x >= 1.0) return 1.0;
    front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1.0) / (a + b + 2.0)) return front * beta_fraction(x, a, b) / a;
    return 1.0 - front * beta_fraction(1.0 - x, b, a) / b;
}

pe_interval pe_wilson(uint64_t n, uint64_t k, double level)
{
    double z = pe_normal_quantile(0.5 + 0.5 * level), dn = (double)n, p = (double)k / dn;
    double scale = 1.0 / (1.0 + z * z / dn), mid = p + z * z / (2.0 * dn);
    double half = z * sqrt(p * (1.0 - p) / dn + z * z / (4.0 * dn * dn));
    pe_interval r = { scale * (mid - half), scale * (mid + half) };

    if (k == 0) r.lower = 0.0;
    if (k == n) r.upper = 1.0;
    return r;
}

/* x with I_x(a, b) = target; the function grows with x, and 200 halvings leave no bit open. */
static double beta_quantile(double target, double a, double b)
{
    double lo = 0.0, hi = 1.0;

    for (int i = 0; i < 200; i++) {
        double mid = 0.5 * (lo + hi);
        if (mid <= lo || mid >= hi) break;
        if (pe_beta_inc(mid, a, b) < target) lo = mid;
        else hi = mid;
    }
    return 0.5 * (lo + hi);
}

pe_interval pe_clopper_pearson(uint64_t n, uint64_t k, double level)
{
    double tail = 0.5 * (1.0 - level), dn = (double)n, dk = (double)k;
    pe_interval r = { 0.0, 1.0 };

    if (k > 0) r.lower = beta_quantile(tail, dk, dn - dk + 1.0);
    if (k < n) r.upper = beta_quantile(1.0 - tail, dk + 1.0, dn - dk);
    return r;
}
