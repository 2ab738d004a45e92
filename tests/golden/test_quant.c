/* tests/golden/test_quant.c - scales, codes, percentiles and clips as the golden files have
 * them, and int8 products from f32 rows to f32 results. Read next: lib/calib/ranges.h. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/kernels.h"
#include "lib/calib/ranges.h"
#include "lib/io/ckpt.h"
#include "tests/goldfile.h"

#define DATA "tests/golden/data/prune_quant/"

static pe_ckpt *ckpt;

static const pe_array *find(const char *name)
{
    const pe_array *a = pe_ckpt_find(ckpt, name);

    if (a == NULL) fail_msg("no tensor %s", name);
    return a;
}

static void *load(const char *name)
{
    const pe_array *a = find(name);
    void *p = malloc((size_t)a->nbytes + 1);

    assert_int_equal(pe_ckpt_read_dense(ckpt, a, p, NULL), PE_OK);
    return p;
}

/* Element of a tensor of any float dtype. */
static double value_at(const char *name, size_t i)
{
    const pe_array *a = find(name);
    unsigned char raw[8];
    double d;
    float f;

    assert_int_equal(pe_ckpt_read(ckpt, a, 0, i * pe_dtype_nbytes(a->dtype), raw,
                                  pe_dtype_nbytes(a->dtype), NULL),
                     0);
    memcpy(&d, raw, sizeof d);
    memcpy(&f, raw, sizeof f);
    return a->dtype == PE_F64 ? d : (double)f;
}

static const char *text(const json_t *c, const char *key)
{
    return json_string_value(json_object_get(c, key));
}

static void check_codes(const json_t *c, const float *w, size_t n, size_t k, bool asym)
{
    bool by_row = strcmp(text(c, "scope"), "row") == 0;
    size_t ngroups = by_row ? n : 1, len = by_row ? k : n * k;
    int8_t *want = load(text(c, "codes")), *zp = load(text(c, "zero_point")), *got = malloc(n * k);
    uint8_t *tie = text(c, "near_tie") != NULL ? load(text(c, "near_tie")) : calloc(n * k, 1);
    const pe_kernels *kern = pe_kernels_get(NULL);

    for (size_t g = 0; g < ngroups; g++) {
        const float *x = w + g * len;
        float scale = pe_range_scale(kern->absmax_f32(x, len), 127), lo = 0, hi = 0;
        int32_t zero = 0;

        for (size_t i = 0; i < len; i++) {
            lo = fminf(lo, x[i]);
            hi = fmaxf(hi, x[i]);
        }
        if (asym) pe_range_asymmetric(&scale, &zero, lo, hi);
        gold_near((double)scale, value_at(text(c, "scale"), g), 0, 1e-6, text(c, "scale"));
        assert_int_equal(zero, zp[g]);
        if (!asym) kern->quantize_weights(got + g * len, x, len, scale);
        for (size_t i = 0; asym && i < len; i++)
            got[g * len + i] = (int8_t)fminf(fmaxf(rintf(x[i] / scale) + (float)zero, -128), 127);
    }
    for (size_t i = 0; i < n * k; i++) {
        int off = abs(got[i] - want[i]);
        if (off > (tie[i] ? 1 : 0))
            fail_msg("%s: code %zu is %d, expected %d", text(c, "codes"), i, got[i], want[i]);
    }
    free(want);
    free(zp);
    free(got);
    free(tie);
}

static void check_percentiles(const json_t *c, const float *w, size_t n)
{
    static const struct {
        const char *key;
        double p;
    } rows[] = {
        { "p50", 50 }, { "p99", 99 }, { "p99.9", 99.9 }, { "p99.99", 99.99 }, { "p100", 100 }
    };
    float *a = malloc(n * sizeof *a);

    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        size_t need = (size_t)pe_range_percentile_need(rows[r].p, n);

        for (size_t i = 0; i < n; i++) a[i] = fabsf(w[i]);
        gold_near(pe_range_percentile(a, n, rows[r].p, n), gold_num(c, rows[r].key), 0, 1e-6,
                  rows[r].key);
        assert_in_range(need, 1, n); /* now sorted: the largest `need` must do */
        gold_near(pe_range_percentile(a, need, rows[r].p, n), gold_num(c, rows[r].key), 0, 1e-6,
                  rows[r].key);
    }
    free(a);
}

static void check_mse(const json_t *c, const float *w, size_t n, size_t k)
{
    float qmax = gold_num(c, "bits") == 8 ? 127 : 7;
    int32_t *index = load(text(c, "index"));

    for (size_t r = 0; r < n; r++) {
        const float *x = w + r * k;
        float absmax = pe_kernels_get(NULL)->absmax_f32(x, k);
        double error;
        int i = pe_range_mse(&error, x, k, absmax, qmax);

        gold_near(error, value_at(text(c, "error"), r), 1e-300, 1e-4, text(c, "error"));
        if (gold_num(c, "margin") <= 1e-3) continue;
        assert_int_equal(i, index[r]);
        gold_near((double)pe_range_scale(pe_mse_clip(i, absmax), qmax),
                  value_at(text(c, "scale"), r), 0, 1e-6, "scale");
    }
    free(index);
}

/* Percentiles of all batches of activations together. */
static void check_observers(const json_t *c)
{
    const json_t *want = json_object_get(c, "percentile_abs");
    float *all = NULL, lo = INFINITY, hi = -INFINITY;
    size_t n = 0;

    for (int b = 0; b < 5; b++) {
        char name[16];
        float *x;
        size_t len;

        snprintf(name, sizeof name, "act.%d", b);
        x = load(name);
        len = (size_t)find(name)->nelem;
        all = realloc(all, (n + len) * sizeof *all);
        for (size_t i = 0; i < len; i++) {
            lo = fminf(lo, x[i]);
            hi = fmaxf(hi, x[i]);
            all[n++] = fabsf(x[i]);
        }
        free(x);
    }
    gold_near((double)lo, json_number_value(json_array_get(json_object_get(c, "minmax"), 0)), 0,
              1e-7, "min");
    gold_near((double)hi, json_number_value(json_array_get(json_object_get(c, "minmax"), 1)), 0,
              1e-7, "max");
    gold_near(pe_range_percentile(all, n, 99, n), gold_num(want, "99"), 0, 1e-6, "99");
    gold_near(pe_range_percentile(all, n, 99.9, n), gold_num(want, "99.9"), 0, 1e-6, "99.9");
    gold_near(pe_range_percentile(all, n, 99.99, n), gold_num(want, "99.99"), 0, 1e-6, "99.99");
    free(all);
}

static void ranges(void **state)
{
    json_t *doc = gold_load(DATA "ranges.json");
    const json_t *c;
    size_t i, ncodes = 0, nmse = 0;
    (void)state;

    assert_int_equal(pe_ckpt_open(&ckpt, DATA "ranges.safetensors", NULL), PE_OK);
    json_array_foreach(json_object_get(doc, "cases"), i, c)
    {
        const char *what = text(c, "what"), *scheme = text(c, "scheme");
        const pe_array *a = text(c, "weight") != NULL ? find(text(c, "weight")) : NULL;
        float *w = a != NULL ? load(a->name) : NULL;

        if (a == NULL) check_observers(c);
        else if (what != NULL && strncmp(what, "perc", 4) == 0)
            check_percentiles(c, w, (size_t)a->nelem);
        else if (what != NULL) check_mse(c, w, (size_t)a->shape[0], (size_t)a->shape[1]), nmse++;
        else if (gold_num(c, "bits") == 8 && strcmp(scheme, "full") != 0)
            check_codes(c, w, (size_t)a->shape[0], (size_t)a->shape[1],
                        strcmp(scheme, "asym") == 0),
                ncodes++;
        free(w);
    }
    assert_int_equal(ncodes, 16);
    assert_int_equal(nmse, 8);
    json_decref(doc);
    pe_ckpt_close(ckpt);
}

/* ---- int8 products ---- */

static void *load_key(const json_t *c, const char *key)
{
    return load(text(c, key));
}

/* Codes of the inputs, then y = act-free product with bias, by the kernels of this machine. */
static void product(const json_t *c, bool fixed)
{
    const pe_kernels *kern = pe_kernels_get(NULL);
    const pe_linear_form *form = kern->form[PE_FORM_S8_DENSE];
    const pe_array *a = find(text(c, "x")), *b = find(text(c, "w_q"));
    size_t m = (size_t)a->shape[0], k = (size_t)a->shape[1], n = (size_t)b->shape[0],
           ldq = (k + 63) / 64 * 64;
    float *x = load_key(c, "x"), *wscale = load_key(c, "w_scale"), *bias = load_key(c, "bias");
    float *want = load_key(c, "y"), *y = malloc(m * n * sizeof *y),
          *xscale = malloc(m * sizeof *xscale);
    int8_t *w = load_key(c, "w_q"), *codes = load_key(c, "x_q"), *q = aligned_alloc(64, m * ldq);
    int32_t *wsum = calloc(n, sizeof *wsum), *xzero = malloc(m * sizeof *xzero);
    pe_matrix source = { .n = n, .k = k, .s8 = w };
    pe_quantize_call quantize = { .q = q,
                                  .scale = xscale,
                                  .zero = fixed ? xzero : NULL,
                                  .x = x,
                                  .ldq = ldq,
                                  .ldx = k,
                                  .m = m,
                                  .k = k };
    pe_linear_call call = { .y = y,
                            .xq = q,
                            .xscale = xscale,
                            .xzero = fixed ? xzero : NULL,
                            .ldy = n,
                            .ldx = ldq,
                            .m = m,
                            .n = n,
                            .k = k,
                            .wscale = wscale,
                            .wsum = wsum,
                            .bias = bias };
    void *packed = aligned_alloc(64, form->packed_nbytes(&source) / 64 * 64 + 64);
    void *scratch = aligned_alloc(64, form->scratch_nbytes(m, n, k, 1) / 64 * 64 + 64);

    quantize.div = fixed ? 0 : (float)gold_num(c, "div");
    if (fixed) {
        quantize.static_scale = (float)gold_num(c, "scale");
        quantize.static_zero = (int32_t)gold_num(c, "zero_point");
    }
    for (size_t i = 0; i < n * k; i++) wsum[i / k] += w[i];
    kern->quantize_rows(&quantize);
    for (size_t i = 0; i < m * k; i++) assert_int_equal(q[i / k * ldq + i % k], codes[i]);
    form->pack(packed, &source);
    call.packed = packed;
    call.scratch = scratch;
    form->run(&call);
    for (size_t i = 0; i < m * n; i++)
        gold_near((double)y[i], (double)want[i], 1e-6, 2e-6, text(c, "y"));
    free(x), free(wscale), free(bias), free(want), free(y), free(xscale), free(w), free(codes),
        free(q);
    free(wsum), free(xzero), free(packed), free(scratch);
}

static void int8_products(void **state)
{
    json_t *doc = gold_load(DATA "int8_linear.json");
    const json_t *c;
    size_t i, fixed = 0;
    (void)state;

    assert_int_equal(pe_ckpt_open(&ckpt, DATA "int8_linear.safetensors", NULL), PE_OK);
    json_array_foreach(json_object_get(doc, "cases"), i, c)
    {
        bool is_fixed = strcmp(text(c, "mode"), "static asymmetric") == 0;

        if (is_fixed) {
            float scale;
            int32_t zero;
            const json_t *range = json_object_get(c, "range");

            pe_range_asymmetric(&scale, &zero, (float)json_number_value(json_array_get(range, 0)),
                                (float)json_number_value(json_array_get(range, 1)));
            gold_near((double)scale, gold_num(c, "scale"), 0, 1e-7, "static scale");
            assert_int_equal(zero, (int)gold_num(c, "zero_point"));
        }
        product(c, is_fixed);
        fixed += is_fixed;
    }
    assert_true(i >= 8 && fixed == 1);
    json_decref(doc);
    pe_ckpt_close(ckpt);
}

/* A range far below the smallest normal number still gives codes; a zero row has scale 1. */
static void odd_ranges(void **state)
{
    float scale;
    int32_t zero;
    float some[3] = { 3, 1, 2 };
    (void)state;

    assert_true(pe_range_scale(0, 127) == 1);
    assert_true(pe_range_scale(127, 127) == 1);
    assert_true(pe_range_scale(1e-45f, 127) > 0);
    pe_range_asymmetric(&scale, &zero, 0, 0);
    assert_true(scale == 1 && zero == -128);
    pe_range_asymmetric(&scale, &zero, 2, 5); /* widened to contain 0 */
    assert_true(fabsf(scale - 5.0f / 255) < 1e-7f && zero == -128);
    pe_range_asymmetric(&scale, &zero, -5, -2);
    assert_true(zero == 127);
    pe_range_asymmetric(&scale, &zero, 0, 1e-45f);
    assert_true(scale > 0);
    assert_true(pe_range_percentile(some, 3, 100, 3) == 3);
    assert_true(pe_range_percentile(some, 3, 50, 3) == 2);
    assert_true(pe_range_percentile(some, 1, 99, 1) == 3);
    assert_int_equal(pe_range_percentile_need(99, 101), 2); /* place 99: its value and the next */
    assert_int_equal(pe_range_percentile_need(100, 101), 1);
}

/* The range in float of codes -128..127. */
static void is_range(float scale, int32_t zero, float lo, float hi)
{
    assert_true(fabsf((float)(-128 - zero) * scale - lo) <= scale / 2);
    assert_true(fabsf((float)(127 - zero) * scale - hi) <= scale / 2);
}

/* Outliers beyond the clip do not widen a range, on either side. */
static void static_rules(void **state)
{
    float scale;
    int32_t zero;
    (void)state;

    assert_true(pe_range_static(&scale, &zero, -0.2f, 9, 4, true));
    is_range(scale, zero, -0.2f, 4);
    assert_true(pe_range_static(&scale, &zero, -9, 0.2f, 4, true));
    is_range(scale, zero, -4, 0.2f);
    assert_true(pe_range_static(&scale, &zero, -1, 4, 4, true)); /* a quarter of the larger side */
    assert_false(pe_range_static(&scale, &zero, -1.01f, 4, 4, true));
    assert_true(scale == 4.0f / 127 && zero == 0);
    assert_false(pe_range_static(&scale, &zero, -9, 0.2f, 4, false));
    assert_true(scale == 4.0f / 127 && zero == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges),
        cmocka_unit_test(odd_ranges),
        cmocka_unit_test(static_rules),
        cmocka_unit_test(int8_products),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
