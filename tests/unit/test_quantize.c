/* tests/unit/test_quantize.c - a whole checkpoint to int8: every scale and code against the float
 * weights it came from, and what a damaged weight does. Read next: lib/quant/quant_rows.c. */
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

#include "lib/io/ckpt.h"
#include "tests/ckpt_edit.h"
#include "tests/scratch.h"

#define MODEL "tests/golden/data/models/bert_cls"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code),
        cmocka_unit_test(not_a_number),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
