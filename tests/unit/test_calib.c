/* tests/unit/test_calib.c - what an observer keeps of the inputs of a layer, the error of a layer,
 * and the search for values that are not finite. Read next: lib/calib/observer.c,
 * lib/io/weight_reader.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/rng.h"
#include "lib/calib/layer_error.h"
#include "lib/calib/observer.h"
#include "lib/calib/ranges.h"
#include "lib/io/weight_reader.h"

enum { K = 24 };

static float *noise(size_t n, uint32_t stream)
{
    float *x = malloc(n * sizeof *x);
    pe_rng r;

    pe_rng_init(&r, 3, stream, 0);
    for (size_t i = 0; i < n; i++) x[i] = (float)(pe_rng_unit(&r) * pe_rng_unit(&r) * 4 - 1);
    return x;
}

/* The same tokens in pieces of any size, with a distance between rows, give the same. */
static void observe(pe_observer *o, const char *rule_text, const float *x, size_t ntokens,
                    size_t piece)
{
    pe_range_rule rule;
    float rows[64][K + 3];

    assert_int_equal(pe_range_parse(&rule, rule_text, NULL), PE_OK);
    assert_int_equal(pe_observer_init(o, K, &rule, (uint64_t)ntokens * K, NULL), PE_OK);
    for (size_t t = 0; t < ntokens; t += piece) {
        size_t n = ntokens - t < piece ? ntokens - t : piece;

        for (size_t i = 0; i < n; i++) memcpy(rows[i], x + (t + i) * K, K * sizeof(float));
        pe_observer_add(o, rows[0], K + 3, n);
    }
}

static float clip_of(pe_observer *o, const pe_range_rule *rule)
{
    float clip = -1;

    assert_int_equal(pe_observer_clip(&clip, o, rule, NULL, NULL), PE_OK);
    return clip;
}

static void observer_ranges(void **state)
{
    static const size_t pieces[] = { 1, 7, 64 };
    size_t ntokens = 3000, n = ntokens * K;
    float *x = noise(n, 1), *a = malloc(n * sizeof *a), lo = x[0], hi = x[0];
    (void)state;

    for (size_t i = 0; i < n; i++) {
        a[i] = fabsf(x[i]);
        lo = fminf(lo, x[i]);
        hi = fmaxf(hi, x[i]);
    }
    for (size_t p = 0; p < 3; p++) {
        pe_range_rule percentile = { PE_RANGE_PERCENTILE, 99.9 }, absmax = { PE_RANGE_ABSMAX, 0 };
        pe_observer o;
        float want;

        observe(&o, "percentile:99.9", x, ntokens, pieces[p]);
        assert_true(o.lo == lo && o.hi == hi);
        assert_int_equal(o.ntokens, ntokens);
        want = (float)pe_range_percentile(a, n, 99.9, n);
        assert_true(clip_of(&o, &percentile) == want);
        pe_observer_release(&o);
        observe(&o, NULL, x, ntokens, pieces[p]);
        assert_true(clip_of(&o, &absmax) == fmaxf(-lo, hi));
        pe_observer_release(&o);
    }
    free(x);
    free(a);
}

static void observer_sample(void **state)
{
    static const size_t counts[] = { 5, PE_CALIB_TOKENS, PE_CALIB_TOKENS + 1, 3000 };
    float *x = noise((size_t)3000 * K, 2);
    (void)state;

    for (size_t c = 0; c < 4; c++) {
        pe_observer o;

        observe(&o, NULL, x, counts[c], 16);
        assert_in_range(o.nsample,
                        counts[c] < PE_CALIB_TOKENS / 2 ? counts[c] : PE_CALIB_TOKENS / 2,
                        PE_CALIB_TOKENS);
        for (size_t i = 0; i < o.nsample;
             i++) /* every stride-th token, from the first to the last */
            assert_memory_equal(o.sample + i * K, x + i * o.stride * K, K * sizeof *x);
        assert_true(o.nsample * o.stride + o.stride > counts[c]);
        pe_observer_release(&o);
    }
    free(x);
}

static void observer_mse(void **state)
{
    pe_range_rule rule = { PE_RANGE_MSE, 0 };
    float *x = noise((size_t)64 * K, 4), absmax;
    pe_observer o;
    (void)state;

    x[100] = 40; /* one outlier: clipping it costs less than the steps that it forces */
    observe(&o, "mse", x, 64, 16);
    absmax = fmaxf(-o.lo, o.hi);
    assert_true(absmax == 40);
    int i = pe_range_mse(NULL, x, (size_t)64 * K, 40, 127);
    assert_true(i > 0); /* the clip is i percent below the largest */
    assert_true(clip_of(&o, &rule) == (float)((1 - 0.01 * i) * 40));
    pe_observer_release(&o);
    free(x);
}

static void rules_parse(void **state)
{
    static const char *const bad[] = { "percentile",
                                       "percentile:",
                                       "percentile:98.9",
                                       "percentile:100.1",
                                       "percentile:nan",
                                       "percentile:99 ",
                                       "max",
                                       "" };
    pe_range_rule r;
    (void)state;

    assert_int_equal(pe_range_parse(&r, "percentile:99", NULL), PE_OK);
    assert_true(r.kind == PE_RANGE_PERCENTILE && r.percentile == 99);
    assert_int_equal(pe_range_parse(&r, "percentile:100", NULL), PE_OK);
    assert_int_equal(pe_range_parse(&r, "absmax", NULL), PE_OK);
    assert_int_equal(r.kind, PE_RANGE_ABSMAX);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(pe_range_parse(&r, bad[i], NULL), PE_E_ARG);
}

/* A layer whose weights and inputs are codes already has no error; rounding has a small one. */
static void layer_error(void **state)
{
    float w[2 * K], scales[2], sample[4 * K];
    int8_t codes[2 * K];
    pe_calib_layer l = { .name = (char *)(uintptr_t) "x", .k = K, .ntokens = 4, .sample = sample };
    pe_input_rule rule = { .int8 = true, .fixed = true, .scale = 0.5f };
    pe_layer_error e;
    (void)state;

    for (int i = 0; i < 2 * K; i++) {
        codes[i] = (int8_t)(i * 5 - 120);
        scales[i / K] = 0.25f;
        w[i] = (float)codes[i] * 0.25f;
    }
    for (int i = 0; i < 4 * K; i++) sample[i] = (float)(i - 40) * 0.5f;
    assert_int_equal(pe_layer_error_of(&e, &l, w, codes, scales, 2, &rule, NULL, NULL), PE_OK);
    assert_true(e.relative == 0 && e.saturated == 0);
    rule = (pe_input_rule){ .int8 = false };
    assert_int_equal(pe_layer_error_of(&e, &l, w, codes, scales, 2, &rule, NULL, NULL), PE_OK);
    assert_true(e.relative == 0);
    rule = (pe_input_rule){ .int8 = true };
    assert_int_equal(pe_layer_error_of(&e, &l, w, codes, scales, 2, &rule, NULL, NULL), PE_OK);
    assert_true(e.relative > 0 && e.relative < 0.02);
    rule = (pe_input_rule){
        .int8 = true, .fixed = true, .asymmetric = true, .scale = 0.25f, .zero = 10
    };
    assert_int_equal(pe_layer_error_of(&e, &l, w, codes, scales, 2, &rule, NULL, NULL), PE_OK);
    assert_true(e.saturated == 0 && e.relative == 0);
    rule.scale =
        0.125f; /* codes 4 * (i - 40) + 10: up to 127 for i <= 69, from -128 on for i >= 6 */
    assert_int_equal(pe_layer_error_of(&e, &l, w, codes, scales, 2, &rule, NULL, NULL), PE_OK);
    assert_true(fabs(e.saturated - (96 - 64) / 96.0) < 1e-12);
    assert_true(e.relative > 0.02);
}

/* Every place of a buffer, every float type: found, and named from `begin` on. */
static void not_finite(void **state)
{
    static const struct {
        pe_dtype t;
        uint64_t good[3], bad[3];
    } rows[] = {
        { PE_F32, { 0x7f7fffff, 0xff7fffff, 0x80000001 }, { 0x7f800000, 0xff800000, 0x7fc00001 } },
        { PE_BF16, { 0x7f7f, 0xff7f, 0x8001 }, { 0x7f80, 0xff80, 0xffc1 } },
        { PE_F16, { 0x7bff, 0xfbff, 0x8001 }, { 0x7c00, 0xfc00, 0x7e01 } },
        { PE_F64,
          { 0x7fefffffffffffff, 0xffefffffffffffff, 1 },
          { 0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000001 } },
    };
    (void)state;

    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        size_t n = 37, elem = pe_dtype_nbytes(rows[r].t);
        unsigned char buf[37 * 8];

        for (size_t i = 0; i < n; i++) memcpy(buf + i * elem, &rows[r].good[i % 3], elem);
        assert_int_equal(pe_weights_check(buf, rows[r].t, n, "f", "w", 0, NULL), PE_OK);
        for (size_t i = 0; i < n; i++) {
            pe_error err = { 0 };
            char want[40];

            memcpy(buf + i * elem, &rows[r].bad[i % 3], elem);
            assert_int_equal(pe_weights_check(buf, rows[r].t, n, "f", "w", 1000, &err), PE_E_INPUT);
            snprintf(want, sizeof want, "f: tensor w, element %zu:", 1000 + i);
            assert_non_null(strstr(err.text, want));
            memcpy(buf + i * elem, &rows[r].good[i % 3], elem);
        }
    }
    assert_int_equal(pe_weights_check("\377\377\377\377", PE_I8, 4, "f", "w", 0, NULL), PE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(observer_ranges), cmocka_unit_test(observer_sample),
        cmocka_unit_test(observer_mse),    cmocka_unit_test(rules_parse),
        cmocka_unit_test(layer_error),     cmocka_unit_test(not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
