/* tests/emu/kernels/test_pass_stats.c - statistics for calibration against what lib/calib computes.
 * Read next: kernels/cuda/stats.cu, kernels/cuda/mse.cu. */
#include <stdlib.h>

#include "lib/calib/ranges.h"
#include "tests/emu/kernels/pass_case.h"

static pe_kernels ref;

/* A matrix with rows ld apart; what lies between them is NaN. */
static float *with_gaps(const float *x, size_t m, size_t k, size_t ld)
{
    float *out = host_new(m * ld * sizeof *out);
    for (size_t i = 0; i < m * ld; i++) out[i] = NAN;
    for (size_t i = 0; i < m; i++) memcpy(out + i * ld, x + i * k, k * sizeof *x);
    return out;
}

/* Every third row gets something that is not finite. */
static void spoil_rows(pe_rng *r, float *x, size_t m, size_t k)
{
    const float bad[] = { NAN, -NAN, INFINITY, -INFINITY };
    for (size_t i = 1; i < m && k > 0; i += 3)
        x[i * k + pe_rng_below(r, (uint32_t)k)] = bad[i / 3 % 4];
}

/* ---- absmax ---------------------------------------------------------------------------------- */

static void one_absmax(pe_rng *r, size_t m, size_t k, size_t gap, kind what, bool spoilt)
{
    float *x = weights_of(r, m * k, what), *want = host_new(m * sizeof *want), *wide;
    if (spoilt) spoil_rows(r, x, m, k);
    for (size_t i = 0; i < m; i++) want[i] = ref.absmax_f32(x + i * k, k);
    wide = with_gaps(x, m, k, k + gap);
    const float *dx = dev_tight(wide, (m * (k + gap) - gap) * sizeof *x, 4 * gap % 16);
    guarded got = guard_new(m * sizeof *want, 0);
    DEV(pe_cu_absmax_rows(got.at, dx, m, k, k + gap, NULL));
    guard_same(&got, want, "absmax");
    dev_drop_all();
    free(x), free(want), free(wide);
}

static void test_absmax(pe_rng *r)
{
    test_begin("absmax of rows of every size and alignment, not finite ones too");
    for (size_t i = 0; i < NSIZES; i++)
        one_absmax(r, 7, SIZES[i], i % 4, (kind)(i % NKINDS), i % 2);
    for (size_t gap = 0; gap < 4; gap++) one_absmax(r, 19, 129, gap, RANDOM, true);
    test_begin("absmax of rows in several pieces, of nothing");
    one_absmax(r, 5, 2048, 0, RANDOM, true);
    one_absmax(r, 4, 6001, 3, RANDOM, false);
    one_absmax(r, 4, 6001, 2, DENORMALS, true);
    one_absmax(r, 3, 2049, 1, ZEROS, false);
    one_absmax(r, 3, 0, 1, RANDOM, false);
    DEV(pe_cu_absmax_rows(NULL, NULL, 0, 16, 16, NULL));
}

/* ---- range ----------------------------------------------------------------------------------- */

/* As lib/calib/observer.c takes the values, one after another. */
static void range_of(float *lo, float *hi, const float *x, size_t n)
{
    bool finite = true;
    for (size_t i = 0; i < n; i++) {
        *lo = x[i] < *lo ? x[i] : *lo;
        *hi = x[i] > *hi ? x[i] : *hi;
        finite &= isfinite(x[i]) != 0;
    }
    if (!finite) *lo = *hi = NAN;
}

/* The same range over `calls` matrices. `side`: 1 has no negative numbers, -1 no positive ones. */
static void one_range(pe_rng *r, size_t m, size_t k, size_t gap, kind what, int side, int spoilt)
{
    float range[2] = { INFINITY, -INFINITY };
    guarded got = guard_of(range, sizeof range, 0);
    for (int call = 0; call < 3; call++) {
        float *x = weights_of(r, m * k, what), *wide;
        for (size_t i = 0; side != 0 && i < m * k; i++) /* and the first zero is any lane's */
            if (x[i] != 0 || i < m * k / 3) x[i] = (float)side * (fabsf(x[i]) + 0.01f);
        if (call == spoilt && m * k > 0) x[pe_rng_below(r, (uint32_t)(m * k))] = -INFINITY;
        range_of(&range[0], &range[1], x, m * k);
        wide = with_gaps(x, m, k, k + gap);
        const float *dx = dev_tight(wide, (m * (k + gap) - gap) * sizeof *x, 4 * gap % 16);
        guarded scratch = guard_new(pe_cu_range_scratch(m, k), 0);
        DEV(pe_cu_range(got.at, (float *)got.at + 1, dx, m, k, k + gap, scratch.at, NULL));
        free(guard_get(&scratch, "scratch of the range"));
        guard_same(&got, range, "range");
        free(x), free(wide);
    }
    dev_drop_all();
}

static void test_range(pe_rng *r)
{
    test_begin("range over several matrices, of zeros the first one");
    for (size_t i = 0; i < NSIZES; i++)
        one_range(r, 1 + i % 3, SIZES[i], i % 3, (kind)(i % NKINDS), (int)(i % 3) - 1, -1);
    for (int i = 0; i < 24; i++)
        one_range(r, 3, 20 + (size_t)i, (size_t)i % 2, i % 4 ? SPARSE : ZEROS, i % 3 - 1, -1);
    test_begin("range of many pieces");
    one_range(r, 1, 40000, 0, SPARSE, 1, -1);
    one_range(r, 9, 4099, 1, SPARSE, -1, -1);
    test_begin("range: what is not finite makes it NaN for good");
    for (int i = 0; i < 3; i++) one_range(r, 2, 33, 1, RANDOM, 0, i);
}

/* ---- largest magnitudes ---------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void one_above(pe_rng *r, size_t m, size_t k, size_t gap, kind what, float floor, size_t cap)
{
    float *x = weights_of(r, m * k, what), *want = host_new(m * k * sizeof *want), *wide, *top;
    uint32_t n = 2, got_n;
    if (m * k > 3) x[3] = NAN;
    for (size_t i = 0; i < m * k; i++)
        if (fabsf(x[i]) > floor) want[n++ - 2] = fabsf(x[i]);
    wide = with_gaps(x, m, k, k + gap);
    const float *dx = dev_tight(wide, (m * (k + gap) - gap) * sizeof *x, 4 * gap % 16);
    guarded list = guard_new(cap * sizeof *x, 0), count = guard_of(&(uint32_t){ 2 }, 4, 0);
    DEV(pe_cu_above(list.at, count.at, (uint32_t)cap, dx, m, k, k + gap, dev_of(&floor, 4), NULL));
    guard_same(&count, &n, "number of magnitudes");
    top = guard_get(&list, "largest magnitudes");
    got_n = n < cap ? n : (uint32_t)cap; /* the first two places are someone else's */
    if (n <= cap) {
        qsort(top + 2, got_n - 2, sizeof *top, ascending);
        qsort(want, got_n - 2, sizeof *top, ascending);
        same_bytes(top + 2, want, (got_n - 2) * sizeof *top, "largest magnitudes");
    }
    for (size_t i = 4 * (size_t)got_n; i < 4 * cap; i++)
        if (((unsigned char *)top)[i] != GUARD_BYTE) test_fail("byte %zu was written", i);
    for (size_t i = 2; i < got_n; i++)
        if (!(top[i] > floor)) test_fail("place %zu holds %g", i, (double)top[i]);
    dev_drop_all();
    free(x), free(want), free(wide), free(top);
}

static void test_above(pe_rng *r)
{
    test_begin("magnitudes above a floor");
    for (size_t i = 0; i < NSIZES; i++)
        one_above(r, 1 + i % 3, SIZES[i], i % 2, (kind)(i % NKINDS), i % 3 ? 0.125f : -1, 3500);
    one_above(r, 3, 2500, 1, RANDOM, 0.2f, 4000);
    for (size_t k = 40; k < 50; k++) one_above(r, 1, k, 0, TIES, 0.125f, 100); /* some equal it */
    one_above(r, 1, 0, 0, RANDOM, 0, 4);
    test_begin("magnitudes that find no room are counted");
    one_above(r, 2, 1000, 0, RANDOM, -1, 777);
    one_above(r, 1, 100, 0, ZEROS, -1, 2);
}

/* ---- squared errors -------------------------------------------------------------------------- */

enum { CLIPS = PE_MSE_CLIPS };

/* All clips of a sample of every step-th value, in two calls where `halves`. */
static void one_mse(pe_rng *r, size_t n, size_t step, kind what, bool halves)
{
    float *x = weights_of(r, n, what), *sample = host_new((n / step + 1) * sizeof *x), absmax;
    size_t count = 0, half = halves ? n / 2 / step * step : 0;
    double scale[CLIPS], sums[CLIPS] = { 0 }, *got, best;
    for (size_t i = 0; i < n; i += step) sample[count++] = x[i];
    absmax = ref.absmax_f32(sample, count);
    for (int i = 0; i < CLIPS; i++) scale[i] = (1 - 0.01 * i) * (double)absmax / 127;
    int at = pe_range_mse(&best, sample, count, absmax, 127), found = 0;
    guarded out = guard_of(sums, sizeof sums, 0);
    const double *ds = dev_of(scale, sizeof scale);
    DEV(pe_cu_mse(out.at, ds, CLIPS, dev_tight(x, half * sizeof *x, 4), half, step, NULL));
    DEV(pe_cu_mse(out.at, ds, CLIPS, dev_tight(x + half, (n - half) * sizeof *x, 0), n - half, step,
                  NULL));
    got = guard_get(&out, "sums of errors");
    for (int i = 0; i < CLIPS; i++)
        if (got[i] < got[found]) found = i;
    same_bytes(&got[found], &best, sizeof best, "least squared error");
    if (found != at) test_fail("clip %d is best, expected %d", found, at);
    dev_drop_all();
    free(x), free(sample), free(got);
}

static void test_mse(pe_rng *r)
{
    test_begin("squared errors of clipped scales, the CPU's sums");
    const size_t sizes[] = { 1, 2, 17, 1000, 1024, 1025, 2500 };
    for (size_t i = 0; i < 7; i++) one_mse(r, sizes[i], 1 + i % 3, RANDOM, i % 2);
    one_mse(r, 2049, 1, DENORMALS, true);
    one_mse(r, 999, 1, TIES, false);
    DEV(pe_cu_mse(NULL, NULL, 0, NULL, 5, 1, NULL));
    test_begin("squared errors of each scale");
    float *x = weights_of(r, 1100, RANDOM);
    double scale[3] = { 1e-3, 0x1.8p-9, 1e3 }, sums[3] = { 1, 0, -0.0 };
    guarded out = guard_of(sums, sizeof sums, 0);
    DEV(pe_cu_mse(out.at, dev_of(scale, sizeof scale), 3, dev_of(x, 1100 * sizeof *x), 1100, 1,
                  NULL));
    for (int s = 0; s < 3; s++)
        for (size_t i = 0; i < 1100; i++) {
            double code = fmin(fmax(rint((double)x[i] / scale[s]), -127), 127);
            double off = code * scale[s] - (double)x[i];
            sums[s] += off * off;
        }
    guard_same(&out, sums, "sums of errors");
    dev_drop_all();
    free(x);
}

int main(void)
{
    pe_rng r;
    pe_kernels_select(&ref, 0);
    pe_rng_init(&r, 20, 0, 0);
    test_absmax(&r);
    test_range(&r);
    test_above(&r);
    test_mse(&r);
    return test_end();
}
