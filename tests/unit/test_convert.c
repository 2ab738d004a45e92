/* tests/unit/test_convert.c - conversions of small made-up checkpoints: types, int8 variants, what
 * is refused. Read next: lib/convert/int8.c, lib/convert/convert_tensors.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <pe/convert.h>

#include "lib/io/ckpt.h"

static char scratch[] = "/tmp/pe-convert-XXXXXX";
static char in[64], out[64];

typedef struct tensor {
    const char *name;
    pe_dtype dtype;
    int rank;
    uint64_t shape[2];
    const void *data;
} tensor;

/* A checkpoint of these tensors at `in`. */
static void make(const tensor *t, size_t n)
{
    pe_ckptw *w = NULL;
    pe_error err = { 0 };
    if (pe_ckptw_open(&w, in, NULL, true, &err)) fail_msg("%s", err.text);
    for (size_t i = 0, index; i < n; i++)
        assert_int_equal(pe_ckptw_add(w, &index, t[i].name, t[i].dtype, t[i].rank, t[i].shape,
                                      (pe_layout_spec){ 0 }, NULL, 0, &err),
                         PE_OK);
    assert_int_equal(pe_ckptw_begin(w, &err), PE_OK);
    for (size_t i = 0; i < n; i++) {
        size_t nbytes = pe_dtype_nbytes(t[i].dtype);
        for (int d = 0; d < t[i].rank; d++) nbytes *= t[i].shape[d];
        assert_int_equal(pe_ckptw_write(w, i, 0, 0, t[i].data, nbytes, &err), PE_OK);
    }
    if (pe_ckptw_commit(w, NULL, NULL, NULL, &err)) fail_msg("%s", err.text);
}

static pe_status convert(const char *layout, const char *dtype, pe_error *err)
{
    pe_convert_params p = { .layout = layout, .dtype = dtype, .replace = true };
    return pe_convert_checkpoint(NULL, in, out, &p, err);
}

static void refused(pe_status want, const char *layout, const char *dtype, const char *says)
{
    pe_error err = { 0 };
    pe_status st = convert(layout, dtype, &err);
    if (st != want) fail_msg("status %d, expected %d (%s): %s", st, want, says, err.text);
    if (!strstr(err.text, says)) fail_msg("\"%s\" does not say \"%s\"", err.text, says);
}

static void expect_f32(const char *name, const float *want, size_t n)
{
    pe_ckpt *c = NULL;
    pe_error err = { 0 };
    float got[64];
    if (pe_ckpt_open(&c, out, &err)) fail_msg("%s", err.text);
    const pe_array *a = pe_ckpt_find(c, name);
    assert_non_null(a);
    assert_int_equal(a->nelem, n);
    if (pe_ckpt_read_f32(c, a, got, &err)) fail_msg("%s", err.text);
    for (size_t i = 0; i < n; i++) assert_true(got[i] == want[i]);
    pe_ckpt_close(c);
}

#define MATRIX(name, dtype, n, k, data) \
    {                                   \
        name, dtype, 2, { n, k }, data  \
    }
#define VECTOR(name, dtype, n, data)   \
    {                                  \
        name, dtype, 1, { n, 0 }, data \
    }
#define MAKE(...) \
    make((const tensor[]){ __VA_ARGS__ }, sizeof((const tensor[]){ __VA_ARGS__ }) / sizeof(tensor))

static const int8_t codes[6] = { 1, -2, 3, 0, -127, 127 };
static const float scales[2] = { 0.5f, 2 }, one_scale[1] = { 4 };

static void test_scale_shapes(void **state)
{
    (void)state;
    MAKE(MATRIX("m.weight", PE_I8, 2, 3, codes), MATRIX("m.weight_scale", PE_F32, 2, 1, scales));
    assert_int_equal(convert(NULL, "f32", NULL), PE_OK);
    expect_f32("m.weight", (const float[]){ .5f, -1, 1.5f, 0, -254, 254 }, 6);
    MAKE(MATRIX("m.weight", PE_I8, 2, 3, codes), VECTOR("m.weight_scale", PE_F32, 2, scales));
    assert_int_equal(convert("bitmask", "bf16", NULL), PE_OK); /* and sparse at the same time */
    expect_f32("m.weight", (const float[]){ .5f, -1, 1.5f, 0, -254, 254 }, 6);
    MAKE(MATRIX("m.weight", PE_I8, 2, 3, codes), VECTOR("m.weight_scale", PE_F32, 1, one_scale));
    assert_int_equal(convert(NULL, "f16", NULL), PE_OK);
    expect_f32("m.weight", (const float[]){ 4, -8, 12, 0, -508, 508 }, 6);
}

static void test_zero_points(void **state)
{
    static const int8_t zeros[2] = { 1, -3 };
    (void)state;
    MAKE(MATRIX("m.weight", PE_I8, 2, 3, codes), MATRIX("m.weight_scale", PE_F32, 2, 1, scales),
         MATRIX("m.weight_zero_point", PE_I8, 2, 1, zeros));
    assert_int_equal(convert(NULL, "f32", NULL), PE_OK);
    expect_f32("m.weight", (const float[]){ 0, -1.5f, 1, 6, -248, 260 }, 6);
    MAKE(MATRIX("m.weight", PE_I8, 2, 3, codes), MATRIX("m.weight_scale", PE_F32, 2, 1, scales),
         MATRIX("m.weight_zero_point", PE_U8, 2, 1, zeros));
    refused(PE_E_UNSUPPORTED, NULL, "f32", "expected I8");
}

/* Five columns in two words: code + 128, lowest byte first. */
static void test_packed(void **state)
{
    static const uint8_t words[8] = { 129, 126, 131, 128, 1, 0, 0, 0 };
    static const int64_t shape[2] = { 1, 5 }, other[2] = { 2, 5 }, wide[2] = { 1, 16 };
    static const float want[5] = { 4, -8, 12, 0, -508 };
    (void)state;
    MAKE(MATRIX("m.weight_packed", PE_I32, 1, 2, words),
         VECTOR("m.weight_scale", PE_F32, 1, one_scale),
         VECTOR("m.weight_shape", PE_I64, 2, shape));
    assert_int_equal(convert(NULL, "f32", NULL), PE_OK);
    expect_f32("m.weight", want, 5);
    MAKE(MATRIX("m.weight_packed", PE_I32, 1, 2, words),
         VECTOR("m.weight_scale", PE_F32, 1, one_scale));
    refused(PE_E_INPUT, NULL, "f32", "no weight_shape");
    MAKE(MATRIX("m.weight_packed", PE_I32, 1, 2, words),
         VECTOR("m.weight_scale", PE_F32, 1, one_scale),
         VECTOR("m.weight_shape", PE_I64, 2, other));
    refused(PE_E_INPUT, NULL, "f32", "not the shape");
    MAKE(MATRIX("m.weight_packed", PE_I32, 1, 2, words),
         VECTOR("m.weight_scale", PE_F32, 1, one_scale), VECTOR("m.weight_shape", PE_I64, 2, wide));
    refused(PE_E_UNSUPPORTED, NULL, "f32", "other than 8 bits");
}

static void test_bad_scales(void **state)
{
    static const float nan_scale[2] = { 1, (float)(0.0 / 0.0) }, groups[4] = { 1, 1, 1, 1 };
    (void)state;
    MAKE(MATRIX("m.weight", PE_I8, 2, 3, codes));
    refused(PE_E_INPUT, NULL, "f32", "without a weight_scale");
    MAKE(MATRIX("m.weight", PE_I8, 2, 3, codes), MATRIX("m.weight_scale", PE_F32, 2, 2, groups));
    refused(PE_E_UNSUPPORTED, NULL, "f32", "by group");
    MAKE(MATRIX("m.weight", PE_I8, 2, 3, codes), VECTOR("m.weight_scale", PE_F32, 3, groups));
    refused(PE_E_INPUT, NULL, "f32", "not one value a row");
    MAKE(MATRIX("m.weight", PE_I8, 2, 3, codes), MATRIX("m.weight_scale", PE_F32, 2, 1, nan_scale));
    refused(PE_E_INPUT, NULL, "f32", "NaN or Inf at element 1");
    MAKE(MATRIX("m.weight", PE_I8, 2, 3, codes), MATRIX("m.weight_scale", PE_I8, 2, 1, codes));
    refused(PE_E_INPUT, NULL, "f32", "dtype I8");
}

static void test_values_that_do_not_fit(void **state)
{
    static const float large[3] = { 1, 70000, 3 }, bad[3] = { 1, 2, (float)(1e308 * 10) };
    static const double wide[2] = { 1, 1e300 };
    static const uint16_t half[2] = { 0x3c00, 0x7c00 };
    (void)state;
    MAKE(VECTOR("m.bias", PE_F32, 3, large));
    refused(PE_E_INPUT, NULL, "f16", "70000 at element 1 is too large for F16");
    assert_int_equal(access(out, F_OK), 0); /* an earlier one: not touched */
    assert_int_equal(convert(NULL, "bf16", NULL), PE_OK);
    MAKE(VECTOR("m.bias", PE_F32, 3, bad));
    refused(PE_E_INPUT, NULL, "bf16", "NaN or Inf at element 2");
    MAKE(VECTOR("m.bias", PE_F64, 2, wide));
    refused(PE_E_INPUT, NULL, "f32", "element 1 is NaN, Inf, or too large for F32");
    MAKE(VECTOR("m.bias", PE_F16, 2, half));
    refused(PE_E_INPUT, NULL, "f32", "element 1");
}

static void test_types(void **state)
{
    static const double wide[2] = { 0.1, -2 };
    static const uint16_t half[4] = { 0x3c00, 0xc000, 0, 0x3555 };
    (void)state;
    MAKE(VECTOR("a.bias", PE_F64, 2, wide), MATRIX("m.weight", PE_F16, 2, 2, half));
    assert_int_equal(convert("csr", "f32", NULL), PE_OK);
    expect_f32("a.bias", (const float[]){ 0.1f, -2 }, 2);
    expect_f32("m.weight", (const float[]){ 1, -2, 0, 0.333251953125f }, 4);
    /* half stays half, sparse, and is widened when it is read */
    MAKE(MATRIX("m.weight", PE_F16, 2, 2, half));
    assert_int_equal(convert("csr", NULL, NULL), PE_OK);
    expect_f32("m.weight", (const float[]){ 1, -2, 0, 0.333251953125f }, 4);
}

/* A matrix of elements that no layout holds: kept dense by auto, refused when it is forced. */
static void test_wide_elements(void **state)
{
    static const double wide[4] = { 0 };
    (void)state;
    MAKE(MATRIX("m.weight", PE_F64, 2, 2, wide));
    assert_int_equal(convert("auto", NULL, NULL), PE_OK);
    refused(PE_E_UNSUPPORTED, "bitmask", NULL, "elements of 8 bytes");
}

static void test_writer_refuses(void **state)
{
    pe_ckptw *w = NULL;
    pe_error err = { 0 };
    size_t index;
    const uint64_t shape[2] = { 2, 2 }, huge[2] = { UINT64_MAX, 2 };
    const pe_layout_spec dense = { 0 }, csr = { PE_LAYOUT_CSR, 0 };
    (void)state;
    assert_int_equal(pe_ckptw_open(&w, out, NULL, true, &err), PE_OK);
    assert_int_equal(pe_ckptw_add(w, &index, "a", PE_F32, 2, huge, dense, NULL, 0, &err), PE_E_ARG);
    pe_ckptw_abort(w);
    assert_int_equal(pe_ckptw_open(&w, out, NULL, true, &err), PE_OK);
    assert_int_equal(pe_ckptw_add(w, &index, "a", PE_DTYPE_OTHER, 2, shape, dense, NULL, 0, &err),
                     PE_E_ARG);
    assert_int_equal(pe_ckptw_add(w, &index, "a", PE_F32, 1, shape, csr, NULL, 0, &err), PE_E_ARG);
    assert_int_equal(pe_ckptw_add(w, &index, "a", PE_F32, 2, shape, dense, NULL, 0, &err), PE_OK);
    assert_int_equal(pe_ckptw_add(w, &index, "a", PE_F32, 2, shape, dense, NULL, 0, &err), PE_OK);
    assert_int_equal(pe_ckptw_begin(w, &err), PE_E_ARG); /* twice the same name */
    pe_ckptw_abort(w);
    assert_int_equal(pe_ckptw_open(&w, out, NULL, true, &err), PE_OK);
    assert_int_equal(pe_ckptw_add(w, &index, "a", PE_F32, 2, shape, dense, NULL, 0, &err), PE_OK);
    assert_int_equal(pe_ckptw_begin(w, &err), PE_OK);
    assert_int_equal(pe_ckptw_write(w, index, 0, 8, codes, 9, &err), PE_E_ARG); /* past its end */
    assert_int_equal(pe_ckptw_write(w, index, 0, 0, codes, 6, &err), PE_OK);
    assert_int_equal(pe_ckptw_commit(w, NULL, NULL, NULL, &err), PE_E_ARG); /* not all of it */
    assert_non_null(strstr(err.text, "6 of 16 bytes"));
}

static int remove_scratch(void **state)
{
    char command[300];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", scratch);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scale_shapes),
        cmocka_unit_test(test_zero_points),
        cmocka_unit_test(test_packed),
        cmocka_unit_test(test_bad_scales),
        cmocka_unit_test(test_values_that_do_not_fit),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_wide_elements),
        cmocka_unit_test(test_writer_refuses),
    };
    if (!mkdtemp(scratch)) return 1;
    snprintf(in, sizeof in, "%s/in", scratch);
    snprintf(out, sizeof out, "%s/out", scratch);
    return cmocka_run_group_tests(tests, NULL, remove_scratch);
}
