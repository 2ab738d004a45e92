/* tests/golden/test_models.c - every encoder of the golden set against what transformers gave.
 * Read next: lib/model/encoder.c, tests/golden/make/bin_to_safetensors.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pe/model.h>

#include "tests/goldfile.h"

#define MODELS "tests/golden/data/models/"

/* A padded case as ragged rows: masked tokens are left out, positions counted on the padded row. */
typedef struct ragged {
    size_t nrows, width, ntokens;
    uint32_t *row_begin, *from; /* from: place of each token in the padded case */
    int32_t *ids, *types, *tasks, *pos;
    pe_lead *lead;
} ragged;

static const int32_t *input_of(gold_tensors t, const char *label, const char *what, size_t *n)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%s", label, what);
    return json_object_get(t.head, name) ? gold_tensor(t, name, n) : NULL;
}

static ragged make_ragged(const pe_model *m, gold_tensors t, const char *label)
{
    ragged r = { 0 };
    size_t n = 0, k;
    char name[64];
    const int32_t *ids = input_of(t, label, "input_ids", &n),
                  *mask = input_of(t, label, "attention_mask", &k);
    const int32_t *types = input_of(t, label, "token_type_ids", &k),
                  *tasks = input_of(t, label, "task_type_ids", &k);
    snprintf(name, sizeof name, "%s.input_ids", label);
    json_t *shape = json_object_get(json_object_get(t.head, name), "shape");
    r.nrows = (size_t)json_integer_value(json_array_get(shape, 0));
    r.width = n / r.nrows;
    r.row_begin = calloc(r.nrows + 1, sizeof *r.row_begin);
    r.lead = calloc(r.nrows, sizeof *r.lead);
    int32_t *pos = calloc(n, sizeof *pos);
    r.from = calloc(n, sizeof *r.from);
    int32_t **fields[] = { &r.ids, &r.types, &r.tasks, &r.pos };
    for (size_t i = 0; i < 4; i++) *fields[i] = calloc(n, sizeof(int32_t));
    for (size_t row = 0; row < r.nrows; row++) {
        size_t at = row * r.width;
        pe_model_positions(m, pos + at, ids + at, r.width);
        r.lead[row] = (pe_lead){ mask[at] ? -1 : ids[at], types ? types[at] : 0,
                                 tasks ? tasks[at] : 0, pos[at] };
        for (size_t i = row * r.width; i < (row + 1) * r.width; i++) {
            if (!mask[i]) continue;
            r.from[r.ntokens] = (uint32_t)i;
            r.ids[r.ntokens] = ids[i];
            r.types[r.ntokens] = types ? types[i] : 0;
            r.tasks[r.ntokens] = tasks ? tasks[i] : 0;
            r.pos[r.ntokens++] = pos[i];
        }
        r.row_begin[row + 1] = (uint32_t)r.ntokens;
    }
    free(pos);
    return r;
}

static void drop_ragged(ragged *r)
{
    free(r->row_begin);
    free(r->from);
    free(r->ids);
    free(r->types);
    free(r->tasks);
    free(r->pos);
    free(r->lead);
}

/* Rows of width d: tokens[i] is compared with the padded row from[i] (NULL: row i). 0 = no such
 * tensor. */
static int compare(gold_tensors want, const char *label, const char *what, const float *got,
                   const uint32_t *from, size_t rows, double tolerance)
{
    char name[64];
    size_t n;
    snprintf(name, sizeof name, "%s.%s", label, what);
    json_t *entry = json_object_get(want.head, name);
    if (!entry) return 0;
    assert_non_null(got);
    const float *expected = gold_tensor(want, name, &n);
    json_t *shape = json_object_get(entry, "shape");
    size_t d = (size_t)json_integer_value(json_array_get(shape, json_array_size(shape) - 1));
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < d; j++)
            gold_near((double)got[i * d + j], (double)expected[(from ? from[i] : i) * d + j],
                      tolerance, tolerance, name);
    return 1;
}

static int compare_all(gold_tensors want, const char *label, const pe_output *out, const ragged *r,
                       const pe_model_info *info, double tolerance)
{
    char name[32];
    int n = 0;
    bool by_token = info->head == PE_HEAD_TOKENS || info->head == PE_HEAD_MLM;
    n += compare(want, label, "logits", out->logits, by_token ? r->from : NULL,
                 by_token ? r->ntokens : r->nrows, tolerance);
    n += compare(want, label, "pooler_output", out->pooled, NULL, r->nrows, tolerance);
    n += compare(want, label, "last_hidden_state", out->hidden, r->from, r->ntokens, tolerance);
    n += compare(want, label, "mean_pooled_normalized", out->embedding, NULL, r->nrows, tolerance);
    for (uint32_t i = 0; out->hidden_all && i <= info->nlayers; i++) {
        snprintf(name, sizeof name, "hidden_%u", i);
        n += compare(want, label, name, out->hidden_all[i], r->from, r->ntokens, tolerance);
    }
    return n;
}

/* keep: the plan with every hidden state; else the lean one, whose answers must be the same
 * bits. */
static void run_case(const pe_model *m, gold_tensors inputs, gold_tensors want, const char *label,
                     double tolerance)
{
    const pe_model_info *info = pe_model_get_info(m);
    ragged r = make_ragged(m, inputs, label);
    pe_batch batch = { .nrows = r.nrows,
                       .row_begin = r.row_begin,
                       .ids = r.ids,
                       .type_ids = r.types,
                       .task_ids = r.tasks,
                       .pos_ids = r.pos,
                       .lead = r.lead };
    pe_ctx *full, *lean;
    pe_output kept, out;
    pe_error err = { 0 };
    assert_int_equal(pe_ctx_new(&full, m, NULL, &err), PE_OK);
    assert_int_equal(pe_ctx_new(&lean, m, NULL, &err), PE_OK);
    pe_ctx_keep_hidden(full, true);
    if (pe_forward(&kept, full, &batch, &err) || pe_forward(&out, lean, &batch, &err))
        fail_msg("%s", err.text);
    assert_true(compare_all(want, label, &kept, &r, info, tolerance) >= (int)info->nlayers + 1);
    assert_int_equal(kept.width, out.width);
    bool by_token = info->head == PE_HEAD_TOKENS || info->head == PE_HEAD_MLM;
    if (out.logits)
        assert_memory_equal(kept.logits, out.logits,
                            (by_token ? r.ntokens : r.nrows) * out.width * sizeof(float));
    if (out.embedding)
        assert_memory_equal(kept.embedding, out.embedding, r.nrows * info->hidden * sizeof(float));
    pe_ctx_free(full);
    pe_ctx_free(lean);
    drop_ragged(&r);
}

static void run_model(const char *name)
{
    char path[160], file[200];
    pe_model *m;
    pe_error err = { 0 };
    snprintf(path, sizeof path, MODELS "%s", name);
    if (pe_model_open(&m, path, NULL, &err)) fail_msg("%s", err.text);
    snprintf(file, sizeof file, "%s/inputs.safetensors", path);
    gold_tensors inputs = gold_tensors_open(file);
    snprintf(file, sizeof file, "%s/expected.safetensors", path);
    gold_tensors want = gold_tensors_open(file);
    snprintf(file, sizeof file, "%s/manifest.json", path);
    json_t *manifest = gold_load(file), *entry;
    double tolerance = gold_num(json_object_get(manifest, "tolerance"), "atol");
    const char *label;
    json_object_foreach(json_object_get(manifest, "cases"), label, entry)
        run_case(m, inputs, want, label, tolerance);
    json_decref(manifest);
    gold_tensors_close(inputs);
    gold_tensors_close(want);
    pe_model_close(m);
}

#define MODEL_TEST(name)                  \
    static void test_##name(void **state) \
    {                                     \
        (void)state;                      \
        run_model(#name);                 \
    }
MODEL_TEST(bert_cls)
MODEL_TEST(bert_embed)
MODEL_TEST(bert_f16)
MODEL_TEST(bert_gamma)
MODEL_TEST(bert_mlm)
MODEL_TEST(bert_tok)
MODEL_TEST(distilbert_cls)
MODEL_TEST(ernie_cls)
MODEL_TEST(roberta_cls)
MODEL_TEST(xlm_roberta_tok)

/* Other families are named, not run by the nearest builder. */
static void test_refused(void **state)
{
    static const char *const names[] = { "albert", "electra" };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char path[160];
        pe_model *m = NULL;
        pe_error err = { 0 };
        snprintf(path, sizeof path, MODELS "%s_cls", names[i]);
        assert_int_equal(pe_model_open(&m, path, NULL, &err), PE_E_UNSUPPORTED);
        assert_non_null(strstr(err.text, names[i]));
        assert_null(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bert_cls),       cmocka_unit_test(test_bert_embed),
        cmocka_unit_test(test_bert_f16),       cmocka_unit_test(test_bert_gamma),
        cmocka_unit_test(test_bert_mlm),       cmocka_unit_test(test_bert_tok),
        cmocka_unit_test(test_distilbert_cls), cmocka_unit_test(test_ernie_cls),
        cmocka_unit_test(test_roberta_cls),    cmocka_unit_test(test_xlm_roberta_tok),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
