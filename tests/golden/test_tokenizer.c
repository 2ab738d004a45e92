/* tests/golden/test_tokenizer.c - ids, offsets, decoding, pairs and truncation against what the
 * Hugging Face tokenizers 0.23.3 gave. Read next: tests/unit/test_tokenizer_bad.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <pe/text.h>

#include "tests/goldfile.h"
#include "tests/scratch.h"
#include "tests/textlines.h"

#define DATA "tests/golden/data/tokenizers"

/* Offsets in code points become offsets in bytes. */
static size_t byte_of(const char *text, size_t ncp)
{
    size_t i = 0;
    for (; ncp; ncp--)
        for (i++; ((unsigned char)text[i] & 0xc0) == 0x80;) i++;
    return i;
}

static void open_tokenizer(pe_tokenizer **t, const char *path)
{
    pe_error err;
    if (pe_tokenizer_open(t, path, &err)) fail_msg("%s", err.text);
}

static void check_decoded(const pe_tokenizer *t, const pe_encoding *e, const json_t *row)
{
    const char *plain = json_string_value(json_object_get(row, "decoded"));
    const char *with = json_string_value(json_object_get(row, "decoded_with_special"));
    char *got = NULL;
    assert_int_equal(pe_tokenizer_decode(&got, t, e->ids, e->n, true, NULL), PE_OK);
    assert_string_equal(got, plain);
    free(got);
    assert_int_equal(pe_tokenizer_decode(&got, t, e->ids, e->n, false, NULL), PE_OK);
    assert_string_equal(got, with ? with : plain);
    free(got);
}

static void check_encoded(const pe_encoding *e, const json_t *row, const char *text)
{
    const json_t *ids = json_object_get(row, "ids"), *offsets = json_object_get(row, "offsets");
    size_t before = (size_t)gold_num(row, "n_before"), after = (size_t)gold_num(row, "n_after");
    assert_int_equal(e->n, json_array_size(ids));
    assert_int_equal(e->truncated, 0);
    for (size_t i = 0; i < e->n; i++) {
        assert_int_equal(e->ids[i], json_integer_value(json_array_get(ids, i)));
        assert_int_equal(e->type_ids[i], 0);
        bool special = i == 0 || i == e->n - 1;
        assert_int_equal(e->special[i], special);
        if (special) assert_true(!e->offsets[i][0] && !e->offsets[i][1]);
        /* The file counts [CLS] at the very start of a text with the ones before it. */
        if (i < before || i >= e->n - after) continue;
        size_t k = 2 * (i - before);
        for (size_t side = 0; side < 2; side++) {
            size_t cp = (size_t)json_integer_value(json_array_get(offsets, k + side));
            assert_int_equal(e->offsets[i][side], byte_of(text, cp));
        }
    }
}

static void one_tokenizer(const char *name)
{
    char path[256];
    pe_tokenizer *t = NULL;
    pe_encoding e = { 0 };
    snprintf(path, sizeof path, DATA "/%s/tokenizer.json", name);
    open_tokenizer(&t, path);
    json_t *strings = text_lines(DATA "/strings.jsonl");
    snprintf(path, sizeof path, DATA "/%s/encode.jsonl", name);
    json_t *rows = text_lines(path);
    assert_int_equal(json_array_size(strings), 300);
    assert_int_equal(json_array_size(rows), 300);
    for (size_t i = 0; i < 300; i++) {
        const json_t *s = json_object_get(json_array_get(strings, i), "text"),
                     *row = json_array_get(rows, i);
        const char *text = json_string_value(s);
        assert_int_equal(
            pe_tokenizer_encode(&e, t, text, json_string_length(s), NULL, 0, NULL, NULL), PE_OK);
        check_encoded(&e, row, text);
        check_decoded(t, &e, row);
    }
    json_decref(strings);
    json_decref(rows);
    pe_encoding_release(&e);
    pe_tokenizer_close(t);
}

static void golden_strings(void **state)
{
    (void)state;
    one_tokenizer("wp_uncased");
    one_tokenizer("wp_cased");
    one_tokenizer("wp_lower_accents");
    one_tokenizer("wp_cased_strip");
}

static int64_t at(const json_t *row, const char *key, size_t i)
{
    return json_integer_value(json_array_get(json_object_get(row, key), i));
}

/* Padding is not ours: only positions with a 1 in the attention mask are compared. */
static void check_row(const pe_encoding *e, const json_t *row, const char *const text[2])
{
    size_t n = json_array_size(json_object_get(row, "ids")), k = 0;
    for (size_t i = 0; i < n; i++) {
        if (!at(row, "attention_mask", i)) continue;
        assert_true(k < e->n);
        assert_int_equal(e->ids[k], at(row, "ids", i));
        assert_int_equal(e->type_ids[k], at(row, "type_ids", i));
        assert_int_equal(e->special[k], at(row, "special_tokens_mask", i));
        const char *from = text[e->type_ids[k]];
        for (size_t side = 0; side < 2; side++)
            assert_int_equal(e->offsets[k][side],
                             byte_of(from, (size_t)at(row, "offsets", 2 * i + side)));
        k++;
    }
    assert_int_equal(k, e->n);
}

/* Returns how many of the batch's rows could not be truncated as asked. */
static size_t one_batch(const pe_tokenizer *t, const json_t *o)
{
    pe_encoding e = { 0 };
    pe_encode_params p = { .max_length = (size_t)gold_num(o, "max_length"),
                           .strategy = json_string_value(json_object_get(o, "strategy")),
                           .truncate_left =
                               !strcmp(json_string_value(json_object_get(o, "truncate")), "left") };
    const json_t *batch = json_object_get(o, "batch"), *out = json_object_get(o, "out");
    size_t nbad = 0;
    for (size_t i = 0; i < json_array_size(batch); i++) {
        const json_t *b = json_array_get(batch, i), *first = b, *second = NULL;
        if (json_is_array(b)) {
            first = json_array_get(b, 0);
            second = json_array_get(b, 1);
        }
        const char *text[2] = { json_string_value(first), json_string_value(second) };
        pe_status st = pe_tokenizer_encode(&e, t, text[0], json_string_length(first), text[1],
                                           json_string_length(second), &p, NULL);
        nbad += st != PE_OK;
        if (st || !out) continue;
        check_row(&e, json_array_get(out, i), text);
        size_t cut = e.truncated;
        p.max_length = 0;
        size_t kept = e.n;
        assert_int_equal(pe_tokenizer_encode(&e, t, text[0], json_string_length(first), text[1],
                                             json_string_length(second), &p, NULL),
                         PE_OK);
        assert_int_equal(kept + cut, e.n);
        p.max_length = (size_t)gold_num(o, "max_length");
    }
    pe_encoding_release(&e);
    return nbad;
}

static void golden_pairs(void **state)
{
    (void)state;
    const char *const name[] = { "wp_uncased", "wp_cased_strip" };
    for (size_t k = 0; k < 2; k++) {
        char path[256];
        pe_tokenizer *t = NULL;
        snprintf(path, sizeof path, DATA "/%s/tokenizer.json", name[k]);
        open_tokenizer(&t, path);
        snprintf(path, sizeof path, DATA "/%s/pairs.jsonl", name[k]);
        json_t *rows = text_lines(path);
        assert_int_equal(json_array_size(rows), 40);
        for (size_t i = 0; i < json_array_size(rows); i++) {
            const json_t *o = json_array_get(rows, i);
            size_t nbad = one_batch(t, o);
            assert_int_equal(nbad > 0, json_object_get(o, "error") != NULL);
        }
        json_decref(rows);
        pe_tokenizer_close(t);
    }
}

/* tests/golden/make/text_digest.py gave these. */
static void long_texts(void **state)
{
    (void)state;
    static const struct {
        const char *model, *by_line, *as_one;
        bool mixed;
    } want[] = {
        { "recipes/sentiment/model", "e8876ae119d5eda64c5729f6a7c0f486",
          "850bdf3fe8f0c858a3032a79c1c18456", false },
        { "recipes/sentiment/model", "5647cda7c2d87cb53d541d0ac5577366",
          "78ebe3797e870db3fc705ab3816a918e", true },
        { DATA "/wp_cased", "7fb0c2ebaf2cd101176b65f3b045a525", "ba6eaa27a755072f3cd6b0c0de43ef22",
          true },
        { DATA "/wp_cased_strip", "fda221a1d3cdd61f073048e84c242a73",
          "24bf24efe42fd248d2fc485750f0e31e", true },
        { DATA "/wp_lower_accents", "08929572c6dbb46951a8eb80015175d6",
          "ec4b03d3158b007988de220d3b488704", true },
        { DATA "/wp_uncased", "358d9a881a3dabf242ae25e29d85da65",
          "0ceaa53f89dc0501b52a125c32905979", true },
    };
    size_t nplain = 0, nmixed = 0;
    char *plain = text_unpacked(&nplain, "recipes/sentiment/data/sentiment-train.tsv.gz");
    char *mixed = text_mixed(&nmixed, plain, nplain);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        pe_tokenizer *t = NULL;
        char hex[PE_DIGEST_TEXT];
        open_tokenizer(&t, want[i].model);
        const char *text = want[i].mixed ? mixed : plain;
        size_t n = want[i].mixed ? nmixed : nplain;
        text_digest(hex, t, text, n, true);
        assert_string_equal(hex, want[i].by_line);
        text_digest(hex, t, text, n, false);
        assert_string_equal(hex, want[i].as_one);
        pe_tokenizer_close(t);
    }
    free(plain);
    free(mixed);
}

/* The same model from vocab.txt and tokenizer_config.json, and from tokenizer.json. */
static void from_vocab(void **state)
{
    (void)state;
    pe_tokenizer *t = NULL;
    size_t n = 0;
    char here[128];
    assert_non_null(getcwd(here, sizeof here));
    char hex[PE_DIGEST_TEXT], *folder = scratch_new();
    assert_non_null(folder);
    static const char *const name[] = { "vocab.txt", "tokenizer_config.json" };
    for (size_t i = 0; i < 2; i++) {
        char from[256];
        snprintf(from, sizeof from, "%s/recipes/sentiment/model/%s", here, name[i]);
        assert_int_equal(symlink(from, scratch_path(folder, name[i])), 0);
    }
    open_tokenizer(&t, folder);
    char *text = text_unpacked(&n, "recipes/sentiment/data/sentiment-train.tsv.gz");
    text_digest(hex, t, text, n, true);
    assert_string_equal(hex, "e8876ae119d5eda64c5729f6a7c0f486");
    assert_int_equal(pe_tokenizer_max_length(t), 128);
    assert_int_equal(pe_tokenizer_nvocab(t), 7000);
    assert_int_equal(pe_tokenizer_id(t, "[CLS]"), 2);
    assert_string_equal(pe_tokenizer_token(t, 3), "[SEP]");
    assert_null(pe_tokenizer_token(t, 7000));
    assert_null(pe_tokenizer_token(t, -1));
    assert_int_equal(pe_tokenizer_id(t, "no such token"), -1);
    free(text);
    pe_tokenizer_close(t);
    assert_int_equal(scratch_drop(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_strings),
        cmocka_unit_test(golden_pairs),
        cmocka_unit_test(long_texts),
        cmocka_unit_test(from_vocab),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
