/* tests/golden/test_classify.c - text to ids to logits to label, against transformers: the
 * end-to-end golden classifier and the model that ships with the project. Read next:
 * lib/text/encode.c, lib/model/ctx.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pe/model.h>
#include <pe/text.h>

#include "tests/goldfile.h"

typedef struct classifier {
    pe_model *m;
    pe_ctx *c;
    pe_tokenizer *t;
    pe_encoding e;
} classifier;

static classifier open_classifier(const char *path)
{
    classifier k = { 0 };
    pe_error err = { 0 };
    if (pe_model_open(&k.m, path, NULL, &err) || pe_ctx_new(&k.c, k.m, NULL, &err) ||
        pe_tokenizer_open(&k.t, path, &err))
        fail_msg("%s", err.text);
    return k;
}

static void close_classifier(classifier *k)
{
    pe_encoding_release(&k->e);
    pe_tokenizer_close(k->t);
    pe_ctx_free(k->c);
    pe_model_close(k->m);
}

/* One row: ids exact, logits to the tolerance, the best label by name. */
static void check_row(classifier *k, const json_t *row, const char *ids_key, double tolerance)
{
    const char *text = json_string_value(json_object_get(row, "text"));
    const char *pair = json_string_value(json_object_get(row, "pair"));
    const json_t *ids = json_object_get(row, ids_key), *logits = json_object_get(row, "logits");
    const pe_model_info *info = pe_model_get_info(k->m);
    pe_encode_params p = { .max_length = info->max_length };
    pe_error err = { 0 };
    pe_output o;
    if (pe_tokenizer_encode(&k->e, k->t, text, strlen(text), pair, pair ? strlen(pair) : 0, &p,
                            &err))
        fail_msg("%s", err.text);
    assert_int_equal(k->e.n, json_array_size(ids));
    for (size_t i = 0; i < k->e.n; i++)
        assert_int_equal(k->e.ids[i], json_integer_value(json_array_get(ids, i)));
    uint32_t begin[] = { 0, (uint32_t)k->e.n };
    pe_batch b = { .nrows = 1, .row_begin = begin, .ids = k->e.ids, .type_ids = k->e.type_ids };
    if (pe_forward(&o, k->c, &b, &err)) fail_msg("%s", err.text);
    assert_int_equal(o.width, json_array_size(logits));
    size_t best = 0;
    for (size_t i = 0; i < o.width; i++) {
        gold_near((double)o.logits[i], json_number_value(json_array_get(logits, i)), tolerance, 0,
                  text);
        if (o.logits[i] > o.logits[best]) best = i;
    }
    assert_string_equal(info->labels[best], json_string_value(json_object_get(row, "label")));
}

static void test_golden(void **state)
{
    static char line[1 << 16];
    classifier k = open_classifier("tests/golden/data/e2e/bert_classify");
    FILE *f = fopen("tests/golden/data/e2e/bert_classify/expected.jsonl", "r");
    size_t n = 0;
    (void)state;
    assert_non_null(f);
    for (; fgets(line, sizeof line, f); n++) {
        json_t *row = json_loads(line, 0, NULL);
        assert_non_null(row);
        check_row(&k, row, "ids", 5e-5);
        json_decref(row);
    }
    assert_true(n >= 10);
    (void)fclose(f);
    close_classifier(&k);
}

static void test_shipped(void **state)
{
    classifier k = open_classifier("recipes/sentiment/model");
    json_t *root = gold_load("recipes/sentiment/model/expected.json"), *row;
    size_t i;
    (void)state;
    assert_true(json_array_size(json_object_get(root, "cases")) > 2);
    json_array_foreach(json_object_get(root, "cases"), i, row)
        check_row(&k, row, "input_ids", 1e-5);
    json_decref(root);
    close_classifier(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_shipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
