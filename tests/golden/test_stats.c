/* tests/golden/test_stats.c - statistics against mpmath, scipy, scikit-learn and numpy.
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

#include "lib/eval/stats.h"
#include "tests/goldfile.h"

#define DIR "tests/golden/data/stats/"

static void test_normal(void **state)
{
    json_t *d = gold_load(DIR "distributions.json"), *row;
    size_t i;

    (void)state;
    json_array_foreach(json_object_get(d, "normal_quantile"), i, row) gold_near(
        pe_normal_quantile(gold_num(row, "p")), gold_num(row, "z"), 1e-12, 1e-9, "quantile");
    assert_true(i == 32);
    json_array_foreach(json_object_get(d, "normal_cdf"), i, row)
        gold_near(pe_normal_cdf(gold_num(row, "z")), gold_num(row, "p"), 0, 1e-9, "cdf");
    assert_true(i == 33);
    assert_true(isinf(pe_normal_quantile(0.0)) && pe_normal_quantile(0.0) < 0);
    assert_true(isinf(pe_normal_quantile(1.0)) && pe_normal_quantile(1.0) > 0);
    assert_true(pe_normal_quantile(0.5) == 0.0);
    assert_true(isnan(pe_normal_quantile(-0.1)) && isnan(pe_normal_quantile(1.1)));
    json_decref(d);
}

static void near_interval(pe_interval got, const json_t *want, const char *what)
{
    gold_near(got.lower, json_number_value(json_array_get(want, 0)), 1e-12, 1e-9, what);
    gold_near(got.upper, json_number_value(json_array_get(want, 1)), 1e-12, 1e-9, what);
}

static void test_binomial(void **state)
{
    json_t *d = gold_load(DIR "distributions.json"), *row;
    size_t i;

    (void)state;
    json_array_foreach(json_object_get(d, "binomial"), i, row)
    {
        uint64_t n = (uint64_t)gold_num(row, "n"), k = (uint64_t)gold_num(row, "k");
        gold_near(pe_binomial_cdf(n, k, 0.5), gold_num(row, "cdf_half"), 0, 1e-9, "binomial cdf");
        gold_near(pe_binomial_pmf(n, k, 0.5), gold_num(row, "pmf_half"), 0, 1e-9, "binomial pmf");
        near_interval(pe_clopper_pearson(n, k, 0.95), json_object_get(row, "clopper_pearson_95"),
                      "exact");
        near_interval(pe_wilson(n, k, 0.95), json_object_get(row, "wilson_95"), "wilson");
    }
    assert_true(i == 40);
    json_decref(d);
    /* B(5, 0.3), by hand */
    gold_near(pe_binomial_cdf(5, 1, 0.3), 0.52822, 1e-12, 0, "cdf");
    gold_near(pe_binomial_cdf(5, 3, 0.3), 0.96922, 1e-12, 0, "cdf");
    assert_true(pe_binomial_pmf(5, 0, 0.0) == 1.0 && pe_binomial_pmf(5, 1, 0.0) == 0.0);
    assert_true(pe_binomial_pmf(5, 5, 1.0) == 1.0 && pe_binomial_pmf(5, 6, 0.5) == 0.0);
    assert_true(pe_binomial_cdf(5, 4, 1.0) == 0.0 && pe_binomial_cdf(5, 5, 1.0) == 1.0);
    /* I_x(a, b) with a + b - 1 trials is a binomial tail; I_x(1, 1) = x */
    gold_near(pe_beta_inc(0.25, 1, 1), 0.25, 1e-15, 0, "beta");
    gold_near(pe_beta_inc(0.3, 2, 4), 1.0 - pe_binomial_cdf(5, 1, 0.3), 1e-14, 0, "beta");
    assert_true(isnan(pe_beta_inc(0.5, 0, 1)));
}

static void test_paired(void **state)
{
    json_t *d = gold_load(DIR "paired_proportions.json"), *row;
    size_t i;

    (void)state;
    json_array_foreach(json_object_get(d, "rows"), i, row)
    {
        double n = gold_num(row, "n"), b = gold_num(row, "b"), c = gold_num(row, "c");
        pe_interval t95 = pe_tango(n, b, c, 0.95), t99 = pe_tango(n, b, c, 0.99);
        gold_near(t95.lower, gold_num(row, "lower_0.95"), 1e-9, 0, "Tango lower 95");
        gold_near(t95.upper, gold_num(row, "upper_0.95"), 1e-9, 0, "Tango upper 95");
        gold_near(t99.lower, gold_num(row, "lower_0.99"), 1e-9, 0, "Tango lower 99");
        gold_near(t99.upper, gold_num(row, "upper_0.99"), 1e-9, 0, "Tango upper 99");
        gold_near(pe_mcnemar_mid_p((uint64_t)b, (uint64_t)c), gold_num(row, "mcnemar_mid_p"), 1e-12,
                  1e-9, "mid-p");
    }
    assert_true(i == 40);
    json_decref(d);
}

static void test_verdict(void **state)
{
    uint64_t rows = pe_tango_rows(200, 3, 1, 0.95, 0.02);

    (void)state;
    assert_int_equal(pe_verdict_of((pe_interval){ -0.01, 0.02 }, 0.02), PE_VERDICT_PASS);
    assert_int_equal(pe_verdict_of((pe_interval){ 0.021, 0.03 }, 0.02), PE_VERDICT_FAIL);
    assert_int_equal(pe_verdict_of((pe_interval){ 0.02, 0.03 }, 0.02), PE_VERDICT_INCONCLUSIVE);
    assert_int_equal(pe_verdict_of((pe_interval){ NAN, NAN }, 0.02), PE_VERDICT_INCONCLUSIVE);
    assert_string_equal(pe_verdict_name(PE_VERDICT_INCONCLUSIVE), "INCONCLUSIVE");
    /* the number given decides, one row fewer does not */
    assert_true(rows > 200);
    assert_true(pe_tango((double)rows, 3 * (double)rows / 200, (double)rows / 200, 0.95).upper <=
                0.02);
    assert_true(
        pe_tango((double)rows - 1, 3 * ((double)rows - 1) / 200, ((double)rows - 1) / 200, 0.95)
            .upper > 0.02);
    rows = pe_tango_rows(100, 10, 2, 0.95, 0.05); /* worse than the margin: enough rows say FAIL */
    assert_true(rows > 100 &&
                pe_tango((double)rows, 0.1 * (double)rows, 0.02 * (double)rows, 0.95).lower > 0.05);
    assert_true(pe_tango_rows(100, 4, 2, 0.95, 0.02) == 0);
    assert_int_equal(pe_interval_rows(100, 0.25, (pe_interval){ -0.25, 0.75 }, 0.5), 400);
    assert_int_equal(pe_interval_rows(100, 0.75, (pe_interval){ 0.25, 1.25 }, 0.5), 400);
    assert_int_equal(pe_interval_rows(100, 0.03, (pe_interval){ 0.01, 0.05 }, 0.03), 0);
}

static void test_correlation(void **state)
{
    json_t *d = gold_load(DIR "correlation.json"), *row;
    double same[3] = { 0.1, 0.1, 0.1 }, up[3] = { 1, 2, 3 }, got = 0;
    uint32_t times[4] = { 2, 0, 1, 1 };
    double x[4] = { 3, 9, 1, 2 }, y[4] = { 1, 0, 5, 4 }, x2[4] = { 3, 3, 1, 2 },
           y2[4] = { 1, 1, 5, 4 };
    size_t i;

    (void)state;
    json_array_foreach(json_object_get(d, "rows"), i, row)
    {
        const json_t *jx = json_object_get(row, "x"), *jy = json_object_get(row, "y");
        size_t n = json_array_size(jx);
        double *v = malloc(2 * n * sizeof *v), s;
        for (size_t k = 0; k < n; k++) {
            v[k] = json_number_value(json_array_get(jx, k));
            v[n + k] = json_number_value(json_array_get(jy, k));
        }
        gold_near(pe_pearson(v, v + n, NULL, n), gold_num(row, "pearson"), 1e-12, 0, "pearson");
        assert_int_equal(pe_spearman(&s, v, v + n, n, NULL), PE_OK);
        gold_near(s, gold_num(row, "spearman"), 1e-12, 0, "spearman");
        free(v);
    }
    assert_true(i == 10);
    json_decref(d);
    assert_true(isnan(pe_pearson(same, up, NULL, 3)) && isnan(pe_pearson(up, same, NULL, 3)));
    assert_int_equal(pe_spearman(&got, same, up, 3, NULL), PE_OK);
    assert_true(isnan(got));
    gold_near(pe_pearson(x, y, times, 4), pe_pearson(x2, y2, NULL, 4), 1e-15, 0,
              "weighted pearson");
}

static void class_case(const json_t *c, gold_tensors t)
{
    size_t nl, n;
    uint32_t k = (uint32_t)gold_num(c, "classes");
    const float *logits = gold_tensor(t, json_string_value(json_object_get(c, "logits")), &nl);
    const int32_t *gold = gold_tensor(t, json_string_value(json_object_get(c, "labels")), &n);
    double *tally = calloc(3 * (size_t)k, sizeof *tally), *p = malloc(k * sizeof *p), f1[8], pre[8],
           rec[8];
    double rows[PE_ECE_BINS] = { 0 }, right[PE_ECE_BINS] = { 0 }, sum[PE_ECE_BINS] = { 0 },
           brier = 0, nll = 0;
    pe_class_metrics m;

    assert_true(k <= 8 && nl == n * k);
    for (size_t i = 0; i < n; i++) {
        uint32_t pred = pe_argmax(logits + i * k, k), g = (uint32_t)gold[i];
        nll += pe_softmax_f64(p, logits + i * k, k) - (double)logits[i * k + g];
        pe_tally_add(tally, k, g, pred, 1.0);
        for (uint32_t j = 0; j < k; j++) brier += (p[j] - (j == g)) * (p[j] - (j == g));
        rows[pe_ece_bin(p[pred])] += 1;
        right[pe_ece_bin(p[pred])] += pred == g;
        sum[pe_ece_bin(p[pred])] += p[pred];
    }
    m = pe_tally_metrics(tally, k);
    gold_near(m.accuracy, gold_num(c, "accuracy"), 1e-9, 0, "accuracy");
    gold_near(m.macro_f1, gold_num(c, "f1_macro"), 1e-9, 0, "macro F1");
    gold_near(m.micro_f1, gold_num(c, "f1_micro"), 1e-9, 0, "micro F1");
    gold_near(m.mcc, gold_num(c, "mcc"), 1e-9, 0, "MCC");
    gold_near(pe_ece(rows, right, sum), gold_num(c, "ece_15"), 1e-9, 0, "ECE");
    gold_near(brier / (double)n, gold_num(c, "brier"), 1e-9, 0, "Brier");
    gold_near(nll / (double)n, gold_num(c, "nll"), 1e-9, 0, "NLL");
    pe_tally_per_class(f1, pre, rec, tally, k);
    for (uint32_t j = 0; j < k; j++) {
        gold_near(f1[j], json_number_value(json_array_get(json_object_get(c, "f1_per_class"), j)),
                  1e-9, 0, "F1");
        gold_near(pre[j],
                  json_number_value(json_array_get(json_object_get(c, "precision_per_class"), j)),
                  1e-9, 0, "precision");
        gold_near(rec[j],
                  json_number_value(json_array_get(json_object_get(c, "recall_per_class"), j)),
                  1e-9, 0, "recall");
    }
    free(tally);
    free(p);
}

static void test_classification(void **state)
{
    json_t *d = gold_load(DIR "classification.json"), *c;
    gold_tensors t = gold_tensors_open(DIR "classification.safetensors");
    const float tie[3] = { 1, 2, 2 };
    size_t i;

    (void)state;
    json_array_foreach(json_object_get(d, "cases"), i, c) class_case(c, t);
    assert_true(i == 5);
    assert_int_equal(pe_argmax(tie, 3), 1);
    assert_int_equal(pe_ece_bin(0.0), 0);
    assert_int_equal(pe_ece_bin(5.0 / 15), 4);
    assert_int_equal(pe_ece_bin(1.0), 14);
    gold_tensors_close(t);
    json_decref(d);
}

/* KL, NLL and agreement of two sets of logits: what the paired comparison of classifiers uses. */
static void test_language(void **state)
{
    json_t *d = gold_load(DIR "language.json"), *c;
    gold_tensors t = gold_tensors_open(DIR "language.safetensors");
    size_t i;

    (void)state;
    json_array_foreach(json_object_get(d, "cases"), i, c)
    {
        size_t nb, no, n;
        const float *base = gold_tensor(t, json_string_value(json_object_get(c, "base")), &nb);
        const float *opt = gold_tensor(t, json_string_value(json_object_get(c, "optimized")), &no);
        const int32_t *label = gold_tensor(t, json_string_value(json_object_get(c, "labels")), &n);
        size_t k = nb / n;
        double *p = malloc((n + k) * sizeof *p), kl = 0, agree = 0, *kls = malloc(n * sizeof *kls);
        uint32_t *order = malloc(n * sizeof *order);
        for (size_t r = 0; r < n; r++) {
            double lb = pe_softmax_f64(p, base + r * k, k) - (double)base[r * k + (size_t)label[r]];
            double lo = pe_softmax_f64(p, opt + r * k, k) - (double)opt[r * k + (size_t)label[r]];
            gold_near(lb,
                      json_number_value(json_array_get(json_object_get(c, "token_nll_base"), r)),
                      1e-12, 1e-9, "NLL");
            gold_near(lo, json_number_value(json_array_get(json_object_get(c, "token_nll_opt"), r)),
                      1e-12, 1e-9, "NLL");
            kls[r] = pe_kl_logits(base + r * k, opt + r * k, k);
            gold_near(kls[r], json_number_value(json_array_get(json_object_get(c, "token_kl"), r)),
                      1e-12, 1e-9, "KL");
            kl += kls[r];
            agree += pe_argmax(base + r * k, k) == pe_argmax(opt + r * k, k);
        }
        gold_near(kl / (double)n, gold_num(c, "kl_mean"), 1e-12, 1e-9, "KL mean");
        gold_near(agree / (double)n, gold_num(c, "top1_agreement"), 1e-12, 0, "agreement");
        pe_sort_order(order, kls, n);
        for (size_t r = 0; r < n; r++) p[r] = kls[order[r]];
        gold_near(pe_percentile(p, n, 0.5), gold_num(c, "kl_median"), 1e-12, 1e-9, "KL median");
        gold_near(pe_percentile(p, n, 0.99), gold_num(c, "kl_p99"), 1e-12, 1e-9, "KL p99");
        free(p);
        free(kls);
        free(order);
    }
    assert_true(i == 4);
    gold_tensors_close(t);
    json_decref(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normal),      cmocka_unit_test(test_binomial),
        cmocka_unit_test(test_paired),      cmocka_unit_test(test_verdict),
        cmocka_unit_test(test_correlation), cmocka_unit_test(test_classification),
        cmocka_unit_test(test_language),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
