/* tests/golden/test_dequantize.c - int8 checkpoints that compressed-tensors wrote, turned into
 * floats: every value as the library itself decompresses it. Read next: lib/convert/int8.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pe/convert.h>

#include "lib/io/ckpt.h"

#define DATA "tests/golden/data/prune_quant/"

static char scratch[] = "/tmp/pe-dequantize-XXXXXX";

static float *read_f32(const pe_ckpt *c, const char *name, uint64_t *n)
{
    const pe_array *a = pe_ckpt_find(c, name);
    if (!a) fail_msg("%s is missing", name);
    float *x = malloc((size_t)a->nelem * 4 + 4);
    assert_int_equal(pe_ckpt_read_f32(c, a, x, NULL), PE_OK);
    *n = a->nelem;
    return x;
}

static size_t compare(const char *out, const char *expected)
{
    static const char prefix[] = "dequantized.";
    pe_ckpt *c = NULL, *e = NULL;
    size_t checked = 0;
    assert_int_equal(pe_ckpt_open(&c, out, NULL), PE_OK);
    assert_int_equal(pe_ckpt_open(&e, expected, NULL), PE_OK);
    for (size_t i = 0; i < pe_ckpt_narrays(e); i++) {
        const char *name = pe_ckpt_array(e, i)->name;
        uint64_t n, m;
        if (strncmp(name, prefix, sizeof prefix - 1)) continue;
        float *want = read_f32(e, name, &n), *got = read_f32(c, name + sizeof prefix - 1, &m);
        assert_int_equal(n, m);
        for (uint64_t j = 0; j < n; j++) /* -0 == +0: the expected values were rounded as floats */
            if (!(want[j] == got[j]))
                fail_msg("%s: element %d: %g, expected %g", name, (int)j, got[j], want[j]);
        free(want);
        free(got);
        checked++;
    }
    for (size_t i = 0; i < pe_ckpt_narrays(c); i++)
        assert_null(strstr(pe_ckpt_array(c, i)->name, "weight_"));
    assert_null(pe_ckpt_quantization(c));
    pe_ckpt_close(c);
    pe_ckpt_close(e);
    return checked;
}

static void test_checkpoints(void **state)
{
    static const char *const names[] = { "ct_w8a8", "ct_w8a16" };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char in[256], out[256], expected[256];
        pe_convert_params p = { .dtype = "f32" };
        pe_error err = { 0 };
        snprintf(in, sizeof in, DATA "%s", names[i]);
        snprintf(out, sizeof out, "%s/%s", scratch, names[i]);
        snprintf(expected, sizeof expected, DATA "%s/expected.safetensors", names[i]);
        if (pe_convert_checkpoint(NULL, in, out, &p, &err)) fail_msg("%s", err.text);
        assert_int_equal(compare(out, expected), 7);
    }
}

/* One module stays int8: its codes and scale are copied, the others are named to be ignored. */
static void test_part_of_a_model(void **state)
{
    static const pe_pick picks[] = { { "*.q_proj", true } };
    pe_convert_params p = { .dtype = "bf16", .picks = picks, .npicks = 1 };
    char out[256];
    pe_ckpt *c = NULL;
    pe_error err = { 0 };
    (void)state;
    snprintf(out, sizeof out, "%s/part", scratch);
    if (pe_convert_checkpoint(NULL, DATA "ct_w8a8", out, &p, &err)) fail_msg("%s", err.text);
    assert_int_equal(pe_ckpt_open(&c, out, NULL), PE_OK);
    assert_int_equal(pe_ckpt_find(c, "model.layers.0.self_attn.q_proj.weight")->dtype, PE_I8);
    assert_int_equal(pe_ckpt_find(c, "model.layers.0.self_attn.q_proj.weight_scale")->dtype,
                     PE_F32);
    assert_int_equal(pe_ckpt_find(c, "model.layers.0.self_attn.k_proj.weight")->dtype, PE_BF16);
    assert_null(pe_ckpt_find(c, "model.layers.0.self_attn.k_proj.weight_scale"));
    assert_int_equal(json_array_size(json_object_get(pe_ckpt_quantization(c), "ignore")), 1 + 6);
    pe_ckpt_close(c);
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
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_checkpoints),
                                        cmocka_unit_test(test_part_of_a_model) };
    if (!mkdtemp(scratch)) return 1;
    return cmocka_run_group_tests(tests, NULL, remove_scratch);
}
