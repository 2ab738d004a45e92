/* tests/unit/test_quantize.c - a whole checkpoint to int8: every scale and code against the float
 * weights it came from, the scales of static inputs, and what a damaged weight does. Read next:
 * lib/quant/quant_rows.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <pe/quant.h>

#include "lib/base/file.h"
#include "lib/calib/calib.h"
#include "lib/io/ckpt.h"
#include "tests/ckpt_edit.h"
#include "tests/scratch.h"

#define MODEL      "tests/golden/data/models/bert_cls"
#define CLASSIFIER "tests/golden/data/e2e/bert_classify" /* has a tokenizer */

static char *folder;

static int setup(void **state)
{
    (void)state;
    folder = scratch_new();
    return folder ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return scratch_drop(folder);
}

/* One row: its scale is absmax / 127 in f32, its codes the nearest multiples, ties to even. */
static void check_row(const int8_t *codes, float scale, const float *w, size_t k, const char *name)
{
    float absmax = 0;

    for (size_t i = 0; i < k; i++) absmax = fmaxf(absmax, fabsf(w[i]));
    if (scale != absmax / 127)
        fail_msg("%s: scale %.9g, expected %.9g", name, (double)scale, (double)(absmax / 127));
    for (size_t i = 0; i < k; i++) assert_int_equal(codes[i], (int)rintf(w[i] / scale));
}

static void check_matrix(const pe_ckpt *in, const pe_ckpt *out, const pe_array *a)
{
    char name[256];
    size_t n = (size_t)a->shape[0], k = (size_t)a->shape[1];
    int8_t *codes = malloc(n * k);
    float *scales = malloc(n * sizeof *scales), *w = malloc(n * k * sizeof *w);

    snprintf(name, sizeof name, "%s_scale", a->name);
    const pe_array *s = pe_ckpt_find(out, name), *from = pe_ckpt_find(in, a->name);
    assert_true(s && s->dtype == PE_F32 && s->nelem == n);
    assert_true(from && from->nelem == n * k);
    assert_int_equal(pe_ckpt_read_dense(out, a, codes, NULL), PE_OK);
    assert_int_equal(pe_ckpt_read_dense(out, s, scales, NULL), PE_OK);
    assert_int_equal(pe_ckpt_read_f32(in, from, w, NULL), PE_OK);
    for (size_t r = 0; r < n; r++) check_row(codes + r * k, scales[r], w + r * k, k, a->name);
    free(codes);
    free(scales);
    free(w);
}

static void every_code(void **state)
{
    const char *path = scratch_path(folder, "int8");
    pe_quant_params p = { .replace = true };
    pe_ckpt *in = NULL, *out = NULL;
    pe_error err = { 0 };
    int matrices = 0;

    (void)state;
    if (pe_quantize_checkpoint(NULL, MODEL, path, &p, &err)) fail_msg("%s", err.text);
    assert_int_equal(pe_ckpt_open(&in, MODEL, &err), PE_OK);
    assert_int_equal(pe_ckpt_open(&out, path, &err), PE_OK);
    for (size_t i = 0; i < pe_ckpt_narrays(out); i++) {
        const pe_array *a = pe_ckpt_array(out, i);
        if (a->dtype != PE_I8) continue;
        check_matrix(in, out, a);
        matrices++;
    }
    assert_int_equal(matrices, 12); /* 2 layers of 6 */
    pe_ckpt_close(in);
    pe_ckpt_close(out);
}

static void not_a_number(void **state)
{
    const char *bad = scratch_path(folder, "bad"), *path = scratch_path(folder, "no");
    const char *name = "bert.encoder.layer.1.output.dense.weight";
    pe_quant_params p = { 0 };
    pe_error err = { 0 };

    (void)state;
    ckpt_edit_write(MODEL, bad, &(ckpt_edit){ .poison = name });
    assert_int_equal(pe_quantize_checkpoint(NULL, bad, path, &p, &err), PE_E_INPUT);
    assert_non_null(strstr(err.text, name));
    assert_non_null(strstr(err.text, "NaN"));
    assert_int_not_equal(access(path, F_OK), 0);
}

/* Scale and zero point by the definition: what is left of the range after clipping; one-sided
 * ranges use all codes. True when they have a zero point and the largest value was clipped. */
static bool check_input(const pe_ckpt *out, const char *module, const pe_calib_layer *l)
{
    char name[300];
    float lo = fmaxf(l->lo, -l->clip), hi = fminf(l->hi, l->clip), scale, want = l->clip / 127;
    int8_t zero = 0;
    int want_zero = 0;
    bool one_sided = fminf(-lo, hi) <= 0.25f * fmaxf(-lo, hi);

    if (one_sided) {
        want = (fmaxf(hi, 0) - fminf(lo, 0)) / 255;
        want_zero = (int)lrintf(-128 - fminf(lo, 0) / want);
    }
    snprintf(name, sizeof name, "%s.input_scale", module);
    assert_int_equal(pe_ckpt_read_f32(out, pe_ckpt_find(out, name), &scale, NULL), PE_OK);
    snprintf(name, sizeof name, "%s.input_zero_point", module);
    const pe_array *a = pe_ckpt_find(out, name);
    if (a) assert_int_equal(pe_ckpt_read_dense(out, a, &zero, NULL), PE_OK);
    if (fabsf(scale - want) > 1e-6f * want)
        fail_msg("%s: input scale %.9g, expected %.9g", module, (double)scale, (double)want);
    assert_int_equal(zero, want_zero);
    return one_sided && l->hi > l->clip;
}

/* Static inputs: the tensors that are written, against what a calibration of its own saw. */
static void static_inputs(void **state)
{
    static const char rows[] = "text\na gripping movie\ndull\nnot good , not bad at all\n"
                               "touching performances\nthe worst film of the year\n";
    const char *path = scratch_path(folder, "static"), *data = scratch_path(folder, "rows.tsv");
    pe_quant_params p = { .activations = "static", .range = "percentile:99", .calib = data };
    pe_calib_params cp = { .data = data, .range = { PE_RANGE_PERCENTILE, 99 } };
    pe_calib *seen = NULL;
    pe_ckpt *out = NULL;
    pe_error err = { 0 };
    int inputs = 0, clipped = 0;

    (void)state;
    assert_int_equal(pe_write_atomic(data, rows, sizeof rows - 1, &err), PE_OK);
    if (pe_quantize_checkpoint(NULL, CLASSIFIER, path, &p, &err) ||
        pe_calib_run(&seen, CLASSIFIER, &cp, &err) || pe_ckpt_open(&out, path, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < pe_ckpt_narrays(out); i++) {
        char module[256];
        snprintf(module, sizeof module, "%s", pe_ckpt_array(out, i)->name);
        char *leaf = strstr(module, ".input_scale");
        if (!leaf) continue;
        *leaf = '\0';
        const pe_calib_layer *l = pe_calib_find(seen, module);
        assert_non_null(l);
        clipped += check_input(out, module, l);
        inputs++;
    }
    assert_int_equal(inputs, 12);
    assert_in_range(clipped, 1, 11);
    pe_calib_free(seen);
    pe_ckpt_close(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code),
        cmocka_unit_test(not_a_number),
        cmocka_unit_test(static_inputs),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
