/* tests/kernels/test_math_f32.c - how far exp, tanh and gelu are from libm in double, over all
 * floats in steps; special values; the activations of every level at the edges of their pieces.
 * Read next: kernels/ref/ref_math.h. */
#include <float.h>
#include <math.h>

#include "kernels/ref/ref_math.h"
#include "tests/kernels/levels.h"

enum { STEP = 4099 }; /* about half a million floats of each sign */

/* |got - want| in units of the last place of a float at want. */
static double ulps(double got, double want)
{
    float f = (float)fabs(want);
    double ulp = f < FLT_MIN ? 0x1p-149 : (double)nextafterf(f, INFINITY) - (double)f;
    return fabs(got - want) / ulp;
}

/* The one constant log2 e makes the relative error grow with |x|: a softmax never sees it. */
static void exp_is_close(void **state)
{
    (void)state;
    double worst = 0;
    for (uint32_t u = 0; u < 0x42ae0000u; u += STEP) { /* up to 87 */
        double x = (double)ref_float(u), allowed = 1e-7 + 1.4e-8 * x;
        worst = fmax(worst, fabs((double)ref_exp((float)x) / exp(x) - 1) / allowed);
        worst = fmax(worst, fabs((double)ref_exp((float)-x) / exp(-x) - 1) / allowed);
    }
    print_message("exp: %.2f of the bound 1e-7 + 1.4e-8 |x|\n", worst);
    assert_true(worst < 1);
}

static void tanh_is_close(void **state)
{
    (void)state;
    double worst = 0;
    for (uint32_t u = 0; u < 0x7f800000u; u += STEP) {
        float x = ref_float(u);
        worst = fmax(worst, ulps((double)ref_tanh(x), tanh((double)x)));
        assert_true(ref_tanh(-x) == -ref_tanh(x));
    }
    print_message("tanh: %.2f ulp\n", worst);
    assert_true(worst < 1.5);
}

/* Error over max(1, |gelu|): what a sum of such terms sees. */
static double gelu_error(float x, bool erf_form)
{
    double d = (double)x, want = 0.5 * d * erfc(-d * 0.70710678118654752440);
    if (!erf_form) want = 0.5 * d * (1 + tanh(0.79788456080286535588 * (d + 0.044715 * d * d * d)));
    double got = (double)(erf_form ? ref_gelu_erf(x) : ref_gelu_tanh(x));
    return fabs(got - want) / fmax(1, fabs(want));
}

static void gelu_is_close(void **state)
{
    (void)state;
    double worst[2] = { 0, 0 };
    for (uint32_t u = 0; u < 0x7149f2cau; u += STEP) { /* up to 1e30: x^3 fits a double */
        for (int form = 0; form < 2; form++) {
            worst[form] = fmax(worst[form], gelu_error(ref_float(u), form));
            worst[form] = fmax(worst[form], gelu_error(-ref_float(u), form));
        }
    }
    print_message("gelu: erf form %.2e, tanh form %.2e\n", worst[1], worst[0]);
    assert_true(worst[1] < 1.2e-7);
    assert_true(worst[0] < 1.2e-7);
}

/* As close as its codes need, anywhere. */
static void gelu_of_codes_is_close(void **state)
{
    (void)state;
    double worst = 0;
    for (uint32_t u = 0; u < 0x7149f2cau; u += STEP)
        for (int sign = -1; sign < 2; sign += 2) {
            float x = (float)sign * ref_float(u);
            double d = (double)x, want = 0.5 * d * erfc(-d * 0.70710678118654752440);
            worst = fmax(worst, fabs((double)ref_gelu_codes(x) - want) / fmax(1, fabs(want)));
        }
    print_message("gelu of codes: %.2e\n", worst);
    assert_true(worst < 1.4e-4);
    assert_true(ref_gelu_codes(0.0f) == 0.0f && ref_gelu_codes(50.0f) > 49.999f);
    assert_true(isnan(ref_gelu_codes(NAN)) && ref_gelu_codes(INFINITY) == INFINITY);
}

static void special_values(void **state)
{
    (void)state;
    assert_true(ref_exp(0.0f) == 1.0f && ref_exp(-0.0f) == 1.0f);
    assert_true(ref_exp(-INFINITY) == ref_exp(-87.0f) && ref_exp(-1e30f) < 2e-38f);
    assert_true(ref_tanh(INFINITY) == 1.0f && ref_tanh(-INFINITY) == -1.0f &&
                ref_tanh(1e-30f) == 1e-30f);
    assert_true(isnan(ref_exp(NAN)) && isnan(ref_tanh(NAN)) && isnan(ref_gelu_erf(NAN)) &&
                isnan(ref_gelu_tanh(NAN)));
    assert_true(ref_gelu_erf(0.0f) == 0.0f && ref_gelu_erf(INFINITY) == INFINITY &&
                ref_gelu_erf(50.0f) == 50.0f);
    assert_true(fabsf(ref_gelu_erf(-3e38f)) < 1e-12f && ref_act(-2.0f, PE_ACT_RELU) == 0.0f);
}

/* Every activation of every level on floats from all over the line and around each seam. */
static void levels_equal_reference(void **state)
{
    static const float seam[] = { PE_TANH_SPLIT, PE_TANH_MAX, -PE_GELU_MIN, -PE_GELU_S8_MIN,
                                  0.5f,          1.0f,        5.5f,         88.0f,
                                  0.0f,          INFINITY,    NAN };
    enum { N = 300000, AROUND = 40 };
    (void)state;
    float *x = malloc(N * sizeof *x), *want = malloc(N * sizeof *x), *got = malloc(N * sizeof *x);
    size_t n = 0;
    for (size_t i = 0; i < sizeof seam / sizeof seam[0]; i++)
        for (int j = -AROUND; j <= AROUND; j++) {
            x[n] = ref_float(ref_bits(seam[i]) + (uint32_t)j);
            x[n + 1] = -x[n];
            n += 2;
        }
    pe_rng r;
    pe_rng_init(&r, 6, 1, 0);
    while (n < N) x[n++] = ref_float(pe_rng_u32(&r));
    char level[32], what[96];
    pe_kernels ref, k;
    pe_kernels_select(&ref, 0);
    for (size_t l = 0; l < pe_cpu_nlevels; l++) {
        if (!level_table(&k, level, l)) continue;
        for (int act = 0; act < PE_NACTS; act++) {
            memcpy(want, x, N * sizeof *x);
            memcpy(got, x, N * sizeof *x);
            ref.activate(want, N, (pe_act)act, NULL);
            k.activate(got, N, (pe_act)act, NULL);
            snprintf(what, sizeof what, "%s activation %d", level, act);
            same_floats(what, got, want, N);
        }
    }
    free(x), free(want), free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_is_close),   cmocka_unit_test(tanh_is_close),
        cmocka_unit_test(gelu_is_close),  cmocka_unit_test(gelu_of_codes_is_close),
        cmocka_unit_test(special_values), cmocka_unit_test(levels_equal_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
