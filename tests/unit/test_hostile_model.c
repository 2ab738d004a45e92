/* tests/unit/test_hostile_model.c - checkpoints that lie, configs that ask for what pe lacks,
 * inputs out of range: the status of docs/cli.md and a message that names file and place. Read
 * next: lib/model/weights.c, lib/model/config.c, tests/ckpt_edit.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pe/model.h>

#include "lib/base/file.h"
#include "tests/ckpt_edit.h"
#include "tests/scratch.h"

#define GOLDEN "tests/golden/data/models/"
#define QUERY  "bert.encoder.layer.0.attention.self.query"

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

/* Opening must fail so, and say these words. */
static void refuse(const char *path, pe_status want, const char *word, const char *word2)
{
    pe_model *m = NULL;
    pe_error err = { 0 };
    pe_model_params p = { .tune_file = "" };
    pe_status st = pe_model_open(&m, path, &p, &err);
    if (st != want) fail_msg("status %d, expected %d: %s", st, want, err.text);
    if (!strstr(err.text, word)) fail_msg("'%s' does not say '%s'", err.text, word);
    if (word2 && !strstr(err.text, word2)) fail_msg("'%s' does not say '%s'", err.text, word2);
    assert_int_equal(err.status, want);
    assert_null(m);
}

static void refuse_edit(const char *from, ckpt_edit e, pe_status want, const char *word,
                        const char *word2)
{
    char source[200];
    const char *path = scratch_path(folder, "edited");
    snprintf(source, sizeof source, GOLDEN "%s", from);
    ckpt_edit_write(source, path, &e);
    refuse(path, want, word, word2);
}

static void test_tensors(void **state)
{
    (void)state;
    refuse_edit("bert_cls", (ckpt_edit){ .drop = QUERY ".weight" }, PE_E_INPUT, "missing",
                "self.query.weight");
    refuse_edit("bert_cls", (ckpt_edit){ .drop = "classifier.bias" }, PE_E_INPUT, "missing",
                "classifier.bias");
    refuse_edit("bert_cls", (ckpt_edit){ .drop = "bert.pooler.dense.bias" }, PE_E_INPUT, "missing",
                "pooler.dense.bias");
    refuse_edit("bert_cls", (ckpt_edit){ .rename = { QUERY ".bias", QUERY ".bios" } }, PE_E_INPUT,
                "query.bias", "query.bios");
    refuse_edit("bert_cls", (ckpt_edit){ .shorten = QUERY ".weight" }, PE_E_INPUT, QUERY ".weight",
                "[48, 48]");
    refuse_edit("bert_cls", (ckpt_edit){ .shorten = "bert.embeddings.word_embeddings.weight" },
                PE_E_INPUT, "word_embeddings", "[97, 48]");
    refuse_edit("bert_cls", (ckpt_edit){ .poison = QUERY ".weight" }, PE_E_INPUT, QUERY ".weight",
                "NaN");
    refuse_edit("bert_cls", (ckpt_edit){ .poison = "bert.embeddings.LayerNorm.weight" }, PE_E_INPUT,
                "LayerNorm", "NaN");
    refuse_edit("bert_cls", (ckpt_edit){ .poison = "bert.embeddings.word_embeddings.weight" },
                PE_E_INPUT, "word_embeddings", "NaN");
    refuse_edit("roberta_cls", (ckpt_edit){ .drop = "classifier.out_proj.weight" }, PE_E_INPUT,
                "out_proj.weight", NULL);
    refuse_edit("distilbert_cls", (ckpt_edit){ .drop = "pre_classifier.weight" }, PE_E_INPUT,
                "pre_classifier", NULL);
    refuse_edit("ernie_cls", (ckpt_edit){ .drop = "ernie.embeddings.task_type_embeddings.weight" },
                PE_E_INPUT, "task_type", NULL);
    refuse_edit("bert_gamma",
                (ckpt_edit){ .rename = { "bert.embeddings.LayerNorm.beta",
                                         "bert.embeddings.LayerNorm.weight" } },
                PE_E_INPUT, "LayerNorm.gamma", "LayerNorm.weight");
}

static void test_config(void **state)
{
    static const struct {
        const char *config, *word;
        pe_status want;
    } rows[] = {
        { "{\"model_type\": \"mamba\"}", "mamba", PE_E_UNSUPPORTED },
        { "{\"model_type\": null}", "model_type", PE_E_INPUT },
        { "{\"model_type\": 7}", "model_type", PE_E_INPUT },
        { "{\"architectures\": [\"BertForQuestionAnswering\"]}", "BertForQuestionAnswering",
          PE_E_UNSUPPORTED },
        { "{\"hidden_act\": \"quick_gelu\"}", "quick_gelu", PE_E_UNSUPPORTED },
        { "{\"position_embedding_type\": \"relative_key\"}", "position_embedding_type",
          PE_E_UNSUPPORTED },
        { "{\"is_decoder\": true}", "is_decoder", PE_E_UNSUPPORTED },
        { "{\"add_cross_attention\": true}", "add_cross_attention", PE_E_UNSUPPORTED },
        { "{\"pruned_heads\": {\"0\": [0]}}", "pruned_heads", PE_E_UNSUPPORTED },
        { "{\"embedding_size\": 24}", "embedding_size", PE_E_UNSUPPORTED },
        { "{\"hidden_size\": null}", "hidden_size", PE_E_INPUT },
        { "{\"hidden_size\": -48}", "hidden_size", PE_E_INPUT },
        { "{\"hidden_size\": 48.5}", "hidden_size", PE_E_INPUT },
        { "{\"num_attention_heads\": 5}", "heads", PE_E_INPUT },
        { "{\"num_hidden_layers\": 3}", "layer.2", PE_E_INPUT },
        { "{\"num_hidden_layers\": 1}", "layer.1", PE_E_INPUT },
        { "{\"num_hidden_layers\": 1000000}", "1000000", PE_E_UNSUPPORTED },
        { "{\"intermediate_size\": 51}", "[51", PE_E_INPUT },
        { "{\"vocab_size\": 96}", "word_embeddings", PE_E_INPUT },
        { "{\"layer_norm_eps\": -1}", "layer_norm_eps", PE_E_INPUT },
        { "{\"id2label\": {\"0\": \"a\", \"5\": \"b\", \"2\": \"c\"}}", "id2label", PE_E_INPUT },
        { "{\"id2label\": {\"0\": \"a\", \"1\": \"b\"}}", "classifier", PE_E_INPUT },
        { "{\"problem_type\": \"regression\"}", "regression", PE_E_UNSUPPORTED },
        { "{\"quantization_config\": {\"quant_method\": \"gptq\"}}", "gptq", PE_E_UNSUPPORTED },
        { "{\"quantization_config\": {\"quant_method\": \"compressed-tensors\", \"format\": "
          "\"pack-quantized\"}}",
          "pack-quantized", PE_E_UNSUPPORTED },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        refuse_edit("bert_cls", (ckpt_edit){ .config = rows[i].config }, rows[i].want, rows[i].word,
                    NULL);
}

#define GROUP(weights, input)                                                                \
    "{\"quantization_config\": {\"format\": \"int-quantized\", \"config_groups\": {\"g\": {" \
    "\"targets\": [\"Linear\"], \"weights\": {" weights "}, \"input_activations\": " input "}}}}"

static void test_quantized(void **state)
{
    static const struct {
        const char *config, *word;
        pe_status want;
    } rows[] = {
        { "{\"quantization_config\": null}", "quantization_config", PE_E_INPUT },
        { GROUP("\"num_bits\": 4", "null"), "weights of 4 bits", PE_E_UNSUPPORTED },
        { GROUP("\"strategy\": \"group\"", "null"), "group", PE_E_UNSUPPORTED },
        { GROUP("\"symmetric\": false", "null"), "asymmetric", PE_E_UNSUPPORTED },
        { GROUP("\"type\": \"float\"", "null"), "float", PE_E_UNSUPPORTED },
        { GROUP("\"num_bits\": 8", "{\"dynamic\": true, \"strategy\": \"tensor\"}"), "tensor",
          PE_E_UNSUPPORTED },
        { GROUP("\"num_bits\": 8", "{\"dynamic\": false, \"strategy\": \"tensor\"}"), "input_scale",
          PE_E_INPUT },
        { "{\"quantization_config\": {\"config_groups\": {\"g\": {\"targets\": [\"re:(a+)+$\"]}}}}",
          "re:(a+)+$", PE_E_UNSUPPORTED },
        { "{\"quantization_config\": {\"config_groups\": {\"g\": {\"targets\": [\"Conv1d\"]}}}}",
          "no group", PE_E_INPUT },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        refuse_edit("bert_cls", (ckpt_edit){ .int8 = CKPT_DYNAMIC, .config = rows[i].config },
                    rows[i].want, rows[i].word, NULL);
    refuse_edit("bert_cls",
                (ckpt_edit){ .scale = QUERY ".weight_scale", .factor = -1, .int8 = CKPT_DYNAMIC },
                PE_E_INPUT, QUERY ".weight_scale", "negative scale");
    refuse_edit("bert_cls", (ckpt_edit){ .poison = "classifier.bias", .int8 = CKPT_DYNAMIC },
                PE_E_INPUT, "classifier.bias", "NaN");
    refuse_edit("bert_cls",
                (ckpt_edit){ .int8 = CKPT_DYNAMIC, .config = "{\"pe_attention\": \"int4\"}" },
                PE_E_UNSUPPORTED, "config.json: pe_attention 'int4'", NULL);
    refuse_edit("bert_cls", (ckpt_edit){ .int8 = CKPT_DYNAMIC, .config = "{\"pe_attention\": 8}" },
                PE_E_INPUT, "config.json", "pe_attention");
}

static void put(const char *path, const char *name, const char *text)
{
    assert_int_equal(pe_write_atomic(scratch_path(path, name), text, strlen(text), NULL), PE_OK);
}

/* modules.json: other pooling, other modules, a path that leaves the folder. */
static void test_pooling(void **state)
{
    const char *dir = scratch_path(folder, "embed");
    char path[4096];
    (void)state;
    snprintf(path, sizeof path, "%s", dir);
    ckpt_edit_write(GOLDEN "bert_embed", path, &(ckpt_edit){ 0 });
    put(path, "1_Pooling/config.json", "{\"pooling_mode_max_tokens\": true}");
    refuse(path, PE_E_UNSUPPORTED, "pooling_mode_max_tokens", NULL);
    put(path, "1_Pooling/config.json",
        "{\"pooling_mode_mean_tokens\": true, \"pooling_mode_cls_token\": true}");
    refuse(path, PE_E_UNSUPPORTED, "2 pooling modes", NULL);
    put(path, "modules.json",
        "[{\"type\": \"sentence_transformers.models.Dense\", \"path\": \"2_Dense\"}]");
    refuse(path, PE_E_UNSUPPORTED, "Dense", NULL);
    put(path, "modules.json",
        "[{\"type\": \"sentence_transformers.models.Pooling\", \"path\": \"../../etc\"}]");
    refuse(path, PE_E_INPUT, "../../etc", NULL);
    put(path, "modules.json", "{}");
    refuse(path, PE_E_INPUT, "modules.json", "list");
}

static void test_paths(void **state)
{
    (void)state;
    refuse(scratch_path(folder, "nothing-here"), PE_E_NOTFOUND, "nothing-here", NULL);
    refuse(GOLDEN "bert_cls/model.safetensors", PE_E_INPUT, "config.json", NULL);
}

/* ---- inputs -----------------------------------------------------------------------------------
 */

static void refuse_batch(const pe_model *m, pe_batch b, const char *word, const char *word2)
{
    pe_ctx *c;
    pe_output o;
    pe_error err = { 0 };
    assert_int_equal(pe_ctx_new(&c, m, NULL, &err), PE_OK);
    assert_int_equal(pe_forward(&o, c, &b, &err), PE_E_INPUT);
    if (!strstr(err.text, word)) fail_msg("'%s' does not say '%s'", err.text, word);
    if (word2 && !strstr(err.text, word2)) fail_msg("'%s' does not say '%s'", err.text, word2);
    pe_ctx_free(c);
}

static void test_inputs(void **state)
{
    pe_model *m;
    pe_error err = { 0 };
    uint32_t begin[] = { 0, 2, 5 }, empty[] = { 0, 2, 2 }, wide[] = { 0, 41 };
    int32_t good[41] = { 0 }, high[] = { 1, 2, 3, 97, 4 }, low[] = { 1, -1, 3, 4, 4 },
            types[] = { 0, 1, 1, 0, 2 };
    int32_t pos[] = { 0, 1, 0, 1, 40 };
    pe_lead lead[] = { { .id = -1 }, { .id = 97 } };
    (void)state;
    assert_int_equal(pe_model_open(&m, GOLDEN "bert_cls", NULL, &err), PE_OK);
    refuse_batch(m, (pe_batch){ .nrows = 2, .row_begin = begin, .ids = high }, "row 1, place 1",
                 "97");
    refuse_batch(m, (pe_batch){ .nrows = 2, .row_begin = begin, .ids = low }, "row 0, place 1",
                 "-1");
    refuse_batch(m, (pe_batch){ .nrows = 2, .row_begin = begin, .ids = good, .type_ids = types },
                 "row 1, place 2", "token type 2");
    refuse_batch(m, (pe_batch){ .nrows = 2, .row_begin = begin, .ids = good, .pos_ids = pos },
                 "row 1, place 2", "position 40");
    refuse_batch(m, (pe_batch){ .nrows = 2, .row_begin = begin, .ids = good, .lead = lead },
                 "row 1", "97");
    refuse_batch(m, (pe_batch){ .nrows = 2, .row_begin = empty, .ids = good }, "row 1",
                 "no tokens");
    refuse_batch(m, (pe_batch){ .nrows = 1, .row_begin = wide, .ids = good }, "41 tokens", "40");
    pe_model_close(m);
}

/* Finite weights whose products are not: the op is named, nothing is answered. */
static void test_overflow(void **state)
{
    pe_model *m;
    pe_error err = { 0 };
    uint32_t begin[] = { 0, 3 };
    int32_t ids[] = { 2, 5, 3 };
    static const char *const names[] = { "bert.encoder.layer.0.intermediate.dense", QUERY };
    static const ckpt_int8 kinds[] = { CKPT_FLOAT, CKPT_DYNAMIC };
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        char tensor[96];
        const char *path = scratch_path(folder, "edited");
        snprintf(tensor, sizeof tensor, "%s.weight", names[i / 2]);
        ckpt_edit_write(GOLDEN "bert_cls", path,
                        &(ckpt_edit){ .scale = tensor, .factor = 3e38f, .int8 = kinds[i % 2] });
        if (pe_model_open(&m, path, NULL, &err)) fail_msg("%s", err.text);
        refuse_batch(m, (pe_batch){ .nrows = 1, .row_begin = begin, .ids = ids }, "NaN or Inf",
                     names[i / 2]);
        pe_model_close(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tensors),   cmocka_unit_test(test_config),
        cmocka_unit_test(test_quantized), cmocka_unit_test(test_pooling),
        cmocka_unit_test(test_paths),     cmocka_unit_test(test_inputs),
        cmocka_unit_test(test_overflow),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
