/* tests/golden/test_resample.c - bootstrap and Philox against numpy and the published vectors.
 * Read next: lib/eval/stats.h. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "lib/base/rng.h"
#include "lib/eval/stats.h"
#include "tests/goldfile.h"

#define DIR "tests/golden/data/stats/"

typedef struct boot {
    size_t n;
    double a[512], b[512];
    int label[512], pa[512], pb[512];
} boot;

static void boot_stats(double *out, double *scratch, const void *arg, const uint32_t *times)
{
    const boot *x = arg;
    double sa = 0, sb = 0, ra = 0, rb = 0, n = (double)x->n;

    (void)scratch;
    for (size_t i = 0; i < x->n; i++) {
        double t = times[i];
        sa += t * x->a[i];
        sb += t * x->b[i];
        ra += t * (x->pa[i] == x->label[i]);
        rb += t * (x->pb[i] == x->label[i]);
    }
    out[0] = (sb - sa) / n;
    out[1] = (rb - ra) / n;
    out[2] = exp(sb / n) / exp(sa / n);
}

static void boot_load(boot *x, const json_t *c)
{
    x->n = (size_t)gold_num(c, "n");
    assert_true(x->n <= 512);
    for (size_t i = 0; i < x->n; i++) {
        x->a[i] = json_number_value(json_array_get(json_object_get(c, "a"), i));
        x->b[i] = json_number_value(json_array_get(json_object_get(c, "b"), i));
        x->label[i] = (int)json_integer_value(json_array_get(json_object_get(c, "label"), i));
        x->pa[i] = (int)json_integer_value(json_array_get(json_object_get(c, "pred_a"), i));
        x->pb[i] = (int)json_integer_value(json_array_get(json_object_get(c, "pred_b"), i));
    }
}

static void boot_case(const json_t *c, pe_pool *pool)
{
    static const char *const names[3] = { "mean_difference", "accuracy_difference",
                                          "ratio_of_exp_means" };
    static boot x;
    pe_resampling r = { .resamples = (size_t)gold_num(c, "resamples"), .nstats = 3, .pool = pool };
    uint32_t idx[512];
    double *v;

    boot_load(&x, c);
    r.n = x.n;
    r.seed = strtoull(json_string_value(json_object_get(c, "seed")), NULL, 10);
    r.stream = (uint32_t)gold_num(c, "stream");
    for (int last = 0; last < 2; last++) {
        const json_t *want = json_object_get(c, last ? "last_indices" : "first_indices"), *e;
        size_t i;
        pe_resample_indices(idx, &r, last ? (uint32_t)r.resamples - 1 : 0);
        json_array_foreach(want, i, e) assert_int_equal(idx[i], json_integer_value(e));
        assert_true(i > 0);
    }
    v = malloc(3 * r.resamples * sizeof *v);
    assert_int_equal(pe_bootstrap(v, &r, boot_stats, &x, NULL), PE_OK);
    for (int s = 0; s < 3; s++) {
        const json_t *want = json_object_get(
                         json_object_get(json_object_get(c, "statistics"), names[s]), "percentile"),
                     *e;
        const char *p;
        json_object_foreach((json_t *)want, p, e)
            gold_near(pe_percentile(v + (size_t)s * r.resamples, r.resamples, atof(p)),
                      json_number_value(e), 1e-9, 1e-9, names[s]);
    }
    free(v);
}

static void test_bootstrap(void **state)
{
    json_t *d = gold_load(DIR "bootstrap.json"), *c;
    pe_pool *pool = NULL;
    double v[101];
    size_t i;

    (void)state;
    assert_int_equal(pe_pool_new(&pool, 3, NULL), PE_OK);
    json_array_foreach(json_object_get(d, "cases"), i, c)
    {
        boot_case(c, NULL);
        boot_case(c, pool);
    }
    assert_true(i == 4);
    pe_pool_free(pool);
    json_decref(d);
    /* bounds with undefined values: one in a hundred is let go, more are not */
    for (i = 0; i < 101; i++) v[i] = (double)i;
    v[100] = NAN;
    gold_near(pe_bootstrap_bounds(v, 101, 0.95).upper, 0.95 * 99, 1e-12, 0, "bound");
    gold_near(pe_bootstrap_bounds(v, 101, 0.95).lower, 0.05 * 99, 1e-9, 0, "bound");
    v[99] = NAN;
    assert_true(isnan(pe_bootstrap_bounds(v, 101, 0.95).upper));
    assert_true(isnan(pe_percentile(v, 0, 0.5)));
}

static void test_philox(void **state)
{
    json_t *d = gold_load(DIR "philox.json"), *v, *s = json_object_get(d, "stream"), *want;
    pe_rng rng;
    size_t i;

    (void)state;
    json_array_foreach(json_object_get(d, "vectors"), i, v)
    {
        uint32_t in[4], key[2], out[4];
        for (size_t k = 0; k < 4; k++)
            in[k] = (uint32_t)json_integer_value(json_array_get(json_object_get(v, "counter"), k));
        for (size_t k = 0; k < 2; k++)
            key[k] = (uint32_t)json_integer_value(json_array_get(json_object_get(v, "key"), k));
        pe_philox4x32(out, in, key);
        for (size_t k = 0; k < 4; k++)
            assert_int_equal(out[k],
                             json_integer_value(json_array_get(json_object_get(v, "out"), k)));
    }
    assert_true(i == 43);
    pe_rng_init(&rng, strtoull(json_string_value(json_object_get(s, "seed")), NULL, 10),
                (uint32_t)gold_num(s, "stream"), (uint32_t)gold_num(s, "index"));
    json_array_foreach(json_object_get(s, "u32"), i, want)
        assert_int_equal(pe_rng_u32(&rng), json_integer_value(want));
    assert_true(i == 64);
    json_decref(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bootstrap),
        cmocka_unit_test(test_philox),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
