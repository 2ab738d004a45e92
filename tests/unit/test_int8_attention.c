/* tests/unit/test_int8_attention.c - which layers attend between int8 codes: those whose query, key
 * and value are int8 in a model that asks for it and whose rows are not too long; and where GELU is
 * as exact as codes need.
 * Read next: lib/model/encoder.c, lib/quant/quant_config.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <pe/convert.h>
#include <pe/quant.h>

#include "lib/model/model_impl.h"
#include "tests/ckpt_edit.h"
#include "tests/scratch.h"

#define MODEL "tests/golden/data/models/bert_cls"
enum { NLABELS = 3, NROWS = 3, NLAYERS = 2 };

static char *folder;

static int make_folder(void **state)
{
    (void)state;
    return (folder = scratch_new()) ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    return scratch_drop(folder);
}

/* An int8 copy of `from`; NULL: as by default. The path is good until the next call of this name.
 */
static const char *quantized(const char *from, const char *name, const char *attention,
                             const char *keep_float)
{
    const char *path = scratch_path(folder, name);
    pe_pick keep = { .glob = keep_float };
    pe_quant_params p = { .attention = attention, .replace = true };
    pe_error err = { 0 };
    if (keep_float) p.keep_float = &keep, p.nkeep_float = 1;
    if (pe_quantize_checkpoint(NULL, from, path, &p, &err)) fail_msg("%s", err.text);
    return path;
}

static pe_model *open_model(const char *path)
{
    pe_model *m;
    pe_error err = { 0 };
    pe_model_params p = { .tune_file = "" };
    if (pe_model_open(&m, path, &p, &err)) fail_msg("%s", err.text);
    return m;
}

typedef struct answers {
    float logits[NROWS][NLABELS];
    int int8; /* attention ops between codes of both plans */
    int gelu; /* GELU ops as exact as codes need */
} answers;

static int count_int8(const pe_plan *p)
{
    int n = 0, all = 0;
    for (int i = 0; i < p->nops; i++) {
        all += p->ops[i].kind == PE_OPK_attention;
        n += p->ops[i].kind == PE_OPK_attention && p->ops[i].s8;
    }
    assert_int_equal(all, NLAYERS);
    return n;
}

static int count_gelu(const pe_plan *p)
{
    int n = 0, all = 0;
    for (int i = 0; i < p->nops; i++) {
        all += p->ops[i].act == PE_ACT_GELU_CODES || p->ops[i].act == PE_ACT_GELU_ERF;
        n += p->ops[i].act == PE_ACT_GELU_CODES;
    }
    assert_int_equal(all, NLAYERS);
    return n;
}

static answers run(const char *path)
{
    static const int32_t ids[] = { 2, 5, 9, 3, 2, 7, 3, 2, 61, 33, 34, 90, 11, 50, 3 };
    static const uint32_t begin[NROWS + 1] = { 0, 4, 7, 15 };
    answers a = { 0 };
    pe_model *m = open_model(path);
    pe_ctx *c;
    pe_output o;
    pe_error err = { 0 };
    pe_batch b = { .nrows = NROWS, .row_begin = begin, .ids = ids };
    assert_int_equal(pe_ctx_new(&c, m, NULL, &err), PE_OK);
    if (pe_forward(&o, c, &b, &err)) fail_msg("%s", err.text);
    memcpy(a.logits, o.logits, sizeof a.logits);
    a.int8 = count_int8(&m->lean) + count_int8(&m->full);
    a.gelu = count_gelu(&m->lean) + count_gelu(&m->full);
    pe_ctx_free(c);
    pe_model_close(m);
    return a;
}

static bool same(const answers *a, const answers *b)
{
    return memcmp(a->logits, b->logits, sizeof a->logits) == 0;
}

static void test_default(void **state)
{
    (void)state;
    answers plain = run(quantized(MODEL, "default", NULL, NULL));
    answers int8 = run(quantized(MODEL, "int8", "int8", NULL));
    answers flt = run(quantized(MODEL, "float", "float", NULL));
    assert_int_equal(plain.int8, 2 * NLAYERS);
    assert_int_equal(flt.int8, 0);
    assert_int_equal(plain.gelu, 2 * NLAYERS);
    assert_int_equal(flt.gelu, 0);
    assert_true(same(&plain, &int8));
    assert_false(same(&plain, &flt));
    for (size_t r = 0; r < NROWS; r++)
        for (size_t i = 0; i < NLABELS; i++)
            assert_true(plain.logits[r][i] - flt.logits[r][i] < 0.1f &&
                        flt.logits[r][i] - plain.logits[r][i] < 0.1f);
}

/* A float query, key or value has no codes: the layer attends as with --attention float. */
static void test_keep_float(void **state)
{
    static const char *const parts[] = { "query", "key", "value" };
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char glob[64];
        snprintf(glob, sizeof glob, "*attention.self.%s", parts[i]);
        answers int8 = run(quantized(MODEL, "int8", "int8", glob));
        answers flt = run(quantized(MODEL, "float", "float", glob));
        if (int8.int8 || !same(&int8, &flt)) fail_msg("%s is float, attention is not", parts[i]);
    }
    answers one = run(quantized(MODEL, "int8", NULL, "*layer.0.attention.self.key"));
    assert_int_equal(one.int8, 2 * (NLAYERS - 1));
    assert_int_equal(one.gelu, 2 * (NLAYERS - 1));
}

/* GELU is exact where what is before or after it is float. */
static void test_keep_float_around_gelu(void **state)
{
    static const char *const around[] = { "*layer.0.intermediate.dense", "*layer.0.output.dense" };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        answers a = run(quantized(MODEL, "int8", NULL, around[i]));
        assert_int_equal(a.int8, 2 * NLAYERS);
        assert_int_equal(a.gelu, 2 * (NLAYERS - 1));
    }
}

/* With more keys than PE_S8_KEYS the sums of a row would not be exact. */
static void test_long_rows(void **state)
{
    pe_model *m = open_model(quantized(MODEL, "default", NULL, NULL));
    (void)state;
    for (uint32_t more = 0; more < 2; more++) {
        pe_error err = { 0 };
        pe_plan_release(&m->lean);
        pe_plan_release(&m->full);
        m->cfg.npositions = PE_S8_KEYS + more;
        if (pe_encoder_build(m, &err)) fail_msg("%s", err.text);
        assert_int_equal(count_int8(&m->lean), more ? 0 : NLAYERS);
        assert_int_equal(count_int8(&m->full), more ? 0 : NLAYERS);
    }
    pe_model_close(m);
}

/* The key of config.json, or NULL. */
static bool has_key(const char *path)
{
    pe_ckpt *c;
    assert_int_equal(pe_ckpt_open(&c, path, NULL), PE_OK);
    const json_t *key = json_object_get(pe_ckpt_config(c), "pe_attention");
    bool int8 = key && strcmp(json_string_value(key), "int8") == 0;
    assert_true(int8 || !key);
    assert_null(json_object_get(pe_ckpt_quantization(c), "pe_attention"));
    pe_ckpt_close(c);
    return int8;
}

/* Beside quantization_config, where other loaders keep it, and only where it means something. */
static void test_key(void **state)
{
    char old[4096], plain[4096];
    pe_convert_params to = { .dtype = "f32", .replace = true };
    pe_error err = { 0 };
    (void)state;
    assert_true(has_key(quantized(MODEL, "default", NULL, NULL)));
    assert_false(has_key(quantized(MODEL, "float", "float", NULL)));
    snprintf(plain, sizeof plain, "%s", scratch_path(folder, "plain"));
    if (pe_convert_checkpoint(NULL, scratch_path(folder, "default"), plain, &to, &err))
        fail_msg("%s", err.text);
    assert_false(has_key(plain));
    snprintf(old, sizeof old, "%s", scratch_path(folder, "old"));
    ckpt_edit_write(MODEL, old, &(ckpt_edit){ .config = "{\"pe_attention\": \"int8\"}" });
    assert_true(has_key(old));
    assert_false(has_key(quantized(old, "float", "float", NULL)));
    answers kept = run(scratch_path(folder, "float"));
    assert_int_equal(kept.int8, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default),
        cmocka_unit_test(test_keep_float),
        cmocka_unit_test(test_keep_float_around_gelu),
        cmocka_unit_test(test_long_rows),
        cmocka_unit_test(test_key),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
