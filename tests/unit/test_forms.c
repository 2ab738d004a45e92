/* tests/unit/test_forms.c - which form executes a layer: by measured times and by the estimate, a
 * form that is not faster than dense is never taken.
 * Read next: lib/model/tunefile.c, lib/plan/cost.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/cpu.h"
#include "lib/model/tunefile.h"
#include "lib/plan/cost.h"

static bool has_every_form(const pe_backend *b, pe_form form, size_t n, size_t k)
{
    (void)b, (void)form, (void)n, (void)k;
    return true;
}

/* A machine of any level: only what the choice of a form looks at. */
static pe_backend machine(const char *level, bool host)
{
    return (pe_backend){ .level = level, .host = host, .has_form = has_every_form };
}

/* A large layer of which these shares of the weights and of the 1x4 blocks are zero. */
static pe_linear layer(bool int8, double zeros, double empty_blocks)
{
    return (pe_linear){ .part = { "layer" },
                        .n = 2048,
                        .k = 2048,
                        .int8 = int8,
                        .sparsity = zeros,
                        .block4_sparsity = empty_blocks };
}

/* The form taken in the first bucket, or -1 when the times do not cover the layer. */
static int by_times(bool int8, const char *times)
{
    pe_backend b = machine("avx2", true);
    pe_linear l = layer(int8, 0.9, 0.9);
    pe_tunes t = { .root = json_pack("{s:{s:o}}", "layers", "layer", json_loads(times, 0, NULL)) };
    assert_non_null(t.root);
    int form = pe_tunes_apply(&t, &l, &b) ? (int)l.form[0] : -1;
    pe_tunes_release(&t);
    return form;
}

static void test_measured(void **state)
{
    (void)state;
    assert_int_equal(by_times(false, "{\"dense\": [100,1,1], \"csr\": [150,1,1]}"),
                     PE_FORM_F32_DENSE);
    assert_int_equal(by_times(false, "{\"dense\": [100,1,1], \"csr\": [50,1,1]}"), PE_FORM_F32_CSR);
    /* times repeat to a few percent only: a form that seems faster by less is not */
    assert_int_equal(by_times(false, "{\"dense\": [100,1,1], \"csr\": [99,1,1]}"),
                     PE_FORM_F32_DENSE);
    assert_int_equal(by_times(false, "{\"dense\": [100,1,1], \"csr\": [95,1,1]}"), PE_FORM_F32_CSR);
    /* of several the fastest, whatever their order */
    assert_int_equal(
        by_times(true, "{\"dense\": [100,1,1], \"bitmask\": [60,1,1], \"block4\": [40,1,1]}"),
        PE_FORM_S8_BLOCK4);
    assert_int_equal(
        by_times(true, "{\"dense\": [100,1,1], \"bitmask\": [40,1,1], \"block4\": [60,1,1]}"),
        PE_FORM_S8_BITMASK);
    /* a form of the other numeric class, times that are none, a layer not measured */
    assert_int_equal(by_times(true, "{\"dense\": [100,1,1], \"csr\": [1,1,1]}"), PE_FORM_S8_DENSE);
    assert_int_equal(by_times(true, "{\"dense\": [100,1,1], \"block4\": [0,1,1]}"),
                     PE_FORM_S8_DENSE);
    assert_int_equal(by_times(true, "{\"dense\": [100,1,1], \"block4\": [-3,1,1]}"),
                     PE_FORM_S8_DENSE);
    assert_int_equal(by_times(true, "{\"dense\": [100,1], \"block4\": [10,1,1]}"), -1);
    assert_int_equal(by_times(true, "{\"block4\": [10,1,1]}"), -1);
}

/* Blocked-ELL has other numbers: no times and no estimate choose it, its name does. */
static void test_blocked_ell_by_name_only(void **state)
{
    pe_backend b = machine("a GPU", false);
    pe_linear l = layer(false, 0.99, 0.99);
    pe_tunes t = { .root = json_pack("{s:{s:{s:[f,f,f], s:[f,f,f]}}}", "layers", "layer", "dense",
                                     100., 100., 100., "blocked-ell", 1., 1., 1.) };
    (void)state;
    assert_false(pe_linear_admits(&l, &b, PE_FORM_F32_ELL)); /* pe-bench --tune times these */
    assert_true(pe_tunes_apply(&t, &l, &b));
    pe_tunes_release(&t);
    for (int i = 0; i < PE_NBUCKETS; i++) assert_int_equal(l.form[i], PE_FORM_F32_DENSE);
    pe_form_estimate(&l, &b);
    for (int i = 0; i < PE_NBUCKETS; i++) assert_int_not_equal(l.form[i], PE_FORM_F32_ELL);
    assert_int_equal(pe_form_force(&l, &b, "blocked-ell", NULL), PE_OK);
    for (int i = 0; i < PE_NBUCKETS; i++) assert_int_equal(l.form[i], PE_FORM_F32_ELL);
    l.int8 = true;
    assert_int_equal(pe_form_force(&l, &b, "blocked-ell", NULL), PE_OK);
    assert_int_equal(l.form[0], PE_FORM_S8_DENSE);
}

/* Every bucket by its own times. */
static void test_measured_by_bucket(void **state)
{
    pe_backend b = machine("avx2", true);
    pe_linear l = layer(true, 0.9, 0.9), other = l;
    (void)state;
    pe_tunes t = { .root = json_pack("{s:{s:{s:[f,f,f], s:[f,f,f], s:[f,f,f]}}}", "layers", "layer",
                                     "dense", 10., 100., 1000., "bitmask", 5., 200., 2000.,
                                     "block4", 50., 40., 990.) };
    assert_true(pe_tunes_apply(&t, &l, &b));
    assert_int_equal(l.form[0], PE_FORM_S8_BITMASK);
    assert_int_equal(l.form[1], PE_FORM_S8_BLOCK4);
    assert_int_equal(l.form[2], PE_FORM_S8_DENSE);
    other.part[0] = "other";
    assert_false(pe_tunes_apply(&t, &other, &b));
    pe_tunes_release(&t);
}

/* How many of the first buckets are estimated to run in another form than dense. */
static int nsparse(pe_linear l, const pe_backend *b, int nbuckets)
{
    int n = 0;
    pe_form_estimate(&l, b);
    for (int i = 0; i < nbuckets; i++) n += l.form[i] != pe_linear_dense_form(&l);
    return n;
}

/* On every level: a matrix without zeros stays dense for few tokens, one of almost nothing else
 * does not. (For many tokens block4 is as fast as dense products that lack VNNI.) */
static void test_estimate_extremes(void **state)
{
    (void)state;
    assert_true(pe_cpu_nlevels >= 4);
    for (size_t i = 0; i < pe_cpu_nlevels; i++)
        for (int int8 = 0; int8 < 2; int8++) {
            pe_backend b = machine(pe_cpu_levels[i].name, true);
            if (nsparse(layer(int8, 0, 0), &b, 2) != 0)
                fail_msg("%s, int8 %d: a full matrix is not dense", b.level, int8);
            if (nsparse(layer(int8, 0.999, 0.999), &b, PE_NBUCKETS) != PE_NBUCKETS)
                fail_msg("%s, int8 %d: an empty matrix is dense", b.level, int8);
        }
    pe_backend device = machine("a GPU", false);
    assert_int_equal(nsparse(layer(false, 0, 0), &device, PE_NBUCKETS), 0);
    assert_int_equal(nsparse(layer(true, 0, 0), &device, PE_NBUCKETS), 0);
    assert_int_equal(nsparse(layer(false, 0.999, 0.999), &device, PE_NBUCKETS), PE_NBUCKETS);
}

/* Zeros that leave no block empty are nothing to block4; the bitmask wants large matrices. */
static void test_estimate_by_pattern(void **state)
{
    pe_backend avx2 = machine("avx2", true), vbmi2 = machine("vbmi2", true);
    pe_linear scattered = layer(true, 0.95, 0), blocks = layer(true, 0.95, 0.95);
    (void)state;
    assert_int_equal(nsparse(scattered, &avx2, PE_NBUCKETS), 0);
    pe_form_estimate(&blocks, &avx2);
    assert_int_equal(blocks.form[1], PE_FORM_S8_BLOCK4);
    assert_int_equal(blocks.form[2], PE_FORM_S8_BLOCK4);
    pe_form_estimate(&scattered, &vbmi2);
    assert_int_equal(scattered.form[0], PE_FORM_S8_BITMASK);
    assert_int_equal(scattered.form[2], PE_FORM_S8_DENSE);
    scattered.n = 192;
    assert_int_equal(nsparse(scattered, &vbmi2, PE_NBUCKETS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measured),
        cmocka_unit_test(test_measured_by_bucket),
        cmocka_unit_test(test_blocked_ell_by_name_only),
        cmocka_unit_test(test_estimate_extremes),
        cmocka_unit_test(test_estimate_by_pattern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
