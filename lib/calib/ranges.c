/* lib/calib/ranges.c - see ranges.h.
 * Read next: tests/golden/test_quant.c. */
#include "lib/calib/ranges.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

float pe_range_scale(float absmax, float qmax)
{
    float scale = absmax / qmax;

    if (absmax == 0) return 1;
    return scale > 0 ? scale : FLT_TRUE_MIN;
}

void pe_range_asymmetric(float *scale, int32_t *zero, float lo, float hi)
{
    double at;

    lo = lo < 0 ? lo : 0;
    hi = hi > 0 ? hi : 0;
    *scale = (float)(((double)hi - (double)lo) / 255);
    *zero = 0;
    if (lo == 0 && hi == 0) *scale = 1;
    if (*scale == 0) *scale = FLT_TRUE_MIN;
    at = -128 - (double)lo / (double)*scale;
    at = at < -128 ? -128 : at > 127 ? 127 : at;
    *zero = (int32_t)rint(at);
}

static bool one_sided(float lo, float hi)
{
    const float most = 0.25f; /* of the larger side */
    float a = lo < 0 ? -lo : 0, b = hi > 0 ? hi : 0;

    return a <= most * b || b <= most * a;
}

bool pe_range_static(float *scale, int32_t *zero, float lo, float hi, float clip, bool may)
{
    lo = fmaxf(lo, -clip);
    hi = fminf(hi, clip);
    *zero = 0;
    *scale = pe_range_scale(clip, 127);
    if (!may || !one_sided(lo, hi)) return false;
    pe_range_asymmetric(scale, zero, lo, hi);
    return true;
}

/* Place of the percentile among n ordered values. */
static double place_of(double p, uint64_t n)
{
    return p / 100 * (double)(n - 1);
}

uint64_t pe_range_percentile_need(double p, uint64_t n)
{
    if (n == 0) return 0;
    return n - (uint64_t)floor(place_of(p, n));
}

static int descending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x < y) - (x > y);
}

double pe_range_percentile(float *top, size_t ntop, double p, uint64_t n)
{
    double place = place_of(p, n), part = place - floor(place);
    uint64_t below = (uint64_t)floor(place);
    size_t i = (size_t)(n - 1 - below); /* counted from the largest */

    if (n == 0 || ntop == 0) return 0;
    qsort(top, ntop, sizeof *top, descending);
    if (i >= ntop) i = ntop - 1;
    if (i == 0) return (double)top[0];
    return (double)top[i] + part * ((double)top[i - 1] - (double)top[i]);
}

float pe_mse_clip(int i, float absmax)
{
    return (float)((1 - 0.01 * i) * (double)absmax);
}

static double clip_error(const float *x, size_t n, double scale, double qmax)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        double code = rint((double)x[i] / scale);

        code = code < -qmax ? -qmax : code > qmax ? qmax : code;
        sum += (code * scale - (double)x[i]) * (code * scale - (double)x[i]);
    }
    return sum;
}

double pe_mse_scale(int i, float absmax, float qmax)
{
    return (1 - 0.01 * i) * (double)absmax / (double)qmax;
}

int pe_mse_least(const double error[PE_MSE_CLIPS])
{
    double best = INFINITY;
    int at = 0;

    for (int i = 0; i < PE_MSE_CLIPS; i++) {
        if (!(error[i] < best)) continue;
        best = error[i];
        at = i;
    }
    return at;
}

int pe_range_mse(double *error, const float *x, size_t n, float absmax, float qmax)
{
    double each[PE_MSE_CLIPS] = { 0 };
    int at;

    for (int i = 0; absmax > 0 && i < PE_MSE_CLIPS; i++)
        each[i] = clip_error(x, n, pe_mse_scale(i, absmax, qmax), (double)qmax);
    at = pe_mse_least(each);
    if (error != NULL) *error = each[at];
    return at;
}
