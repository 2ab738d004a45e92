/* tests/unit/test_tokenizer_bad.c - tokenizer files and texts that are wrong, hostile or not
 * supported, and what pe makes of odd but good ones. Read next: lib/text/load_json.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <pe/text.h>

#include "tests/scratch.h"

static char *folder;

static int make_folder(void **state)
{
    (void)state;
    folder = scratch_new();
    return folder ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    return scratch_drop(folder);
}

static const char *store(const char *name, const char *text)
{
    size_t nbytes = strlen(text);
    const char *path = scratch_path(folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, nbytes, f), nbytes);
    assert_int_equal(fclose(f), 0);
    return path;
}

#define VOCAB \
    "{\"[UNK]\": 0, \"[CLS]\": 1, \"[SEP]\": 2, \"a\": 3, \"##a\": 4, \"b\": 5, \"\\u00e9\": 6}"
#define MODEL(vocab) \
    "\"model\": {\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", \"vocab\": " vocab "}"
#define BERT                                                                         \
    "\"normalizer\": {\"type\": \"BertNormalizer\"}, \"pre_tokenizer\": {\"type\": " \
    "\"BertPreTokenizer\"}"
#define FILE_OF(parts) "{\"version\": \"1.0\", " parts "}"

static pe_tokenizer *good(const char *text)
{
    pe_tokenizer *t = NULL;
    pe_error err = { 0 };
    if (pe_tokenizer_open(&t, store("tokenizer.json", text), &err)) fail_msg("%s", err.text);
    return t;
}

static void bad(const char *text, pe_status st, const char *part)
{
    pe_tokenizer *t = NULL;
    pe_error err = { 0 };
    assert_int_equal(pe_tokenizer_open(&t, store("tokenizer.json", text), &err), st);
    assert_null(t);
    if (!strstr(err.text, part)) fail_msg("\"%s\" lacks \"%s\"", err.text, part);
    if (!strstr(err.text, "tokenizer.json")) fail_msg("\"%s\" names no file", err.text);
}

static void encodes(const pe_tokenizer *t, const char *text, const int32_t *ids, size_t n)
{
    pe_encoding e = { 0 };
    pe_error err = { 0 };
    if (pe_tokenizer_encode(&e, t, text, strlen(text), NULL, 0, NULL, &err))
        fail_msg("%s", err.text);
    assert_int_equal(e.n, n);
    for (size_t i = 0; i < n; i++) assert_int_equal(e.ids[i], ids[i]);
    pe_encoding_release(&e);
}
#define ENCODES(t, text, ...) \
    encodes(t, text, (const int32_t[]){ __VA_ARGS__ }, sizeof((int32_t[]){ __VA_ARGS__ }) / 4)

static void test_bad_json(void **state)
{
    (void)state;
    bad("", PE_E_INPUT, "not valid JSON");
    bad("[]", PE_E_INPUT, "version");
    bad("{\"version\": \"1.0\"", PE_E_INPUT, "not valid JSON");
    bad(FILE_OF("\"model\": []"), PE_E_INPUT, "model: ");
    bad("{\"version\": \"2.0\", " MODEL(VOCAB) "}", PE_E_UNSUPPORTED, "version \"2.0\"");
    bad(FILE_OF(MODEL("[1]")), PE_E_INPUT, "\"vocab\" is not");
    bad(FILE_OF(MODEL("{}")), PE_E_INPUT, "unk_token \"[UNK]\" is not in the vocabulary");
    bad(FILE_OF(MODEL(VOCAB) ", " MODEL(VOCAB)), PE_E_INPUT, "not valid JSON");
    bad(FILE_OF(MODEL(VOCAB) ",\n\n\"x\": }"), PE_E_INPUT, "tokenizer.json:3:");
    bad(FILE_OF(MODEL("{\n\"[UNK]\": 0\n}") ",\n\"x\": }"), PE_E_INPUT, "tokenizer.json:4:");
    char *deep = malloc(200001);
    assert_non_null(deep);
    memset(deep, '[', 200000);
    deep[200000] = '\0';
    bad(deep, PE_E_INPUT, "nested deeper");
    free(deep);
}

static void test_bad_vocab(void **state)
{
    (void)state;
    bad(FILE_OF(MODEL("{\"[UNK]\": 0, \"a\": 0}")), PE_E_INPUT,
        "\"[UNK]\" and \"a\" have the same id 0");
    bad(FILE_OF(MODEL("{\"[UNK]\": 0, \"a\": -1}")), PE_E_INPUT, "a whole number");
    bad(FILE_OF(MODEL("{\"[UNK]\": 0, \"a\": 1.5}")), PE_E_INPUT, "expected a comma");
    bad(FILE_OF(MODEL("{\"[UNK]\": 0, \"a\": 01}")), PE_E_INPUT, "a whole number");
    bad(FILE_OF(MODEL("{\"[UNK]\": 0, \"a\": \"1\"}")), PE_E_INPUT, "a whole number");
    bad(FILE_OF(MODEL("{\"[UNK]\": 0, \"a\": 2147483648}")), PE_E_INPUT, "\"a\": found id");
    bad(FILE_OF(MODEL("{\"[UNK]\": 0, \"a\": 99999999999999999999999999}")), PE_E_INPUT,
        "\"a\": found id");
    bad(FILE_OF(MODEL("{\"[UNK]\": 0, \"a\": 1, \"a\": 2}")), PE_E_INPUT, "\"a\" is in it twice");
    bad(FILE_OF(MODEL("{\"[UNK]\": 0,}")), PE_E_INPUT, "a token in quotes");
    bad(FILE_OF(MODEL("{\"[UNK]\" 0}")), PE_E_INPUT, "a colon");
    bad(FILE_OF(MODEL("{\"[UNK]\": 0 \"a\": 1}")), PE_E_INPUT, "a comma or a brace");
    bad(FILE_OF(MODEL("{\"[UNK]\": 0, \"\\u0000\": 1}")), PE_E_INPUT, "a token in quotes");
    bad(FILE_OF(MODEL("{\"[UNK]\": 0, \"\\ud800\": 1}")), PE_E_INPUT, "a token in quotes");
    bad(FILE_OF(MODEL("{\"[UNK]\": 0, \"\\ud800\\u0041\": 1}")), PE_E_INPUT, "a token in quotes");
    bad(FILE_OF(MODEL("{\"[UNK]\": 0, \"\\x\": 1}")), PE_E_INPUT, "a token in quotes");
    bad(FILE_OF(MODEL("{\"[UNK]\": 0, \"\n\": 1}")), PE_E_INPUT, "a token in quotes");
    bad(FILE_OF(MODEL("{\"[UNK]\": 0, \"\xff\": 1}")), PE_E_INPUT, "expected UTF-8");
    size_t n = 70000;
    char *text = malloc(n + 200);
    assert_non_null(text);
    int at =
        sprintf(text, "{\"version\": \"1.0\", \"model\": {\"type\": \"WordPiece\", \"vocab\": {\"");
    memset(text + at, 'x', n);
    strcpy(text + at + n, "\": 1}}}");
    bad(text, PE_E_INPUT, "a token of 70000 bytes");
    free(text);
}

static void test_bad_parts(void **state)
{
    (void)state;
    static const char *const unsupported[][2] = {
        { "\"model\": {\"type\": \"BPE\", \"vocab\": {}, \"merges\": []}",
          "model: found type \"BPE\"" },
        { "\"model\": {\"type\": \"Unigram\", \"vocab\": []}", "model: found type \"Unigram\"" },
        { MODEL(VOCAB) ", \"normalizer\": {\"type\": \"Precompiled\"}",
          "normalizer: found type \"Precompiled\"" },
        { MODEL(VOCAB) ", \"pre_tokenizer\": {\"type\": \"ByteLevel\"}",
          "pre_tokenizer: found type \"ByteLevel\"" },
        { MODEL(VOCAB) ", \"decoder\": {\"type\": \"Metaspace\"}",
          "decoder: found type \"Metaspace\"" },
        { MODEL(VOCAB) ", \"post_processor\": {\"type\": \"ByteLevel\"}",
          "post_processor: found type" },
        { MODEL(VOCAB) ", \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": "
                       "\"NFKC\"}]}",
          "normalizer: found type \"NFKC\"" },
    };
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++) {
        char text[1024];
        snprintf(text, sizeof text, "{\"version\": \"1.0\", %s}", unsupported[i][0]);
        bad(text, PE_E_UNSUPPORTED, unsupported[i][1]);
    }
#define POST  "\"post_processor\": {\"type\": \"TemplateProcessing\", "
#define SEQ_A "{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}"
#define SEQ_B "{\"Sequence\": {\"id\": \"B\", \"type_id\": 1}}"
    static const char *const wrong[][2] = {
        { "\"added_tokens\": {}", "\"added_tokens\" is not a list" },
        { "\"added_tokens\": [{\"id\": 1}]", "added_tokens[0]: \"content\" is missing" },
        { "\"added_tokens\": [{\"content\": \"x\", \"lstrip\": 1}]",
          "added_tokens[0]: \"lstrip\"" },
        { BERT ", \"added_tokens\": [{\"content\": \"\\u0301\", \"normalized\": true}]",
          "nothing is left" },
        { POST "\"single\": [" SEQ_A "]}", "no list \"pair\"" },
        { POST "\"single\": [" SEQ_A "], \"pair\": [" SEQ_A "]}", "the sequences A and B" },
        { POST "\"single\": [" SEQ_B "], \"pair\": [" SEQ_A "," SEQ_B "]}", "sequence A alone" },
        { POST "\"single\": [{\"SpecialToken\": {\"id\": \"[CLS]\", \"type_id\": 0}}]}",
          "has no ids" },
        { POST
          "\"special_tokens\": {\"x\": {\"ids\": [77]}}, \"single\": [{\"SpecialToken\": {\"id\": "
          "\"x\", \"type_id\": 0}}]}",
          "found id 77" },
        { "\"post_processor\": {\"type\": \"BertProcessing\", \"cls\": [\"[CLS]\", 1], \"sep\": "
          "[\"x\", 9]}",
          "found id 9" },
        { "\"normalizer\": {\"type\": \"BertNormalizer\", \"lowercase\": 3}", "\"lowercase\"" },
        { "\"normalizer\": {\"type\": \"Sequence\"}", "without the list" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[1024];
        snprintf(text, sizeof text, "{\"version\": \"1.0\", " MODEL(VOCAB) ", %s}", wrong[i][0]);
        bad(text, PE_E_INPUT, wrong[i][1]);
    }
    bad(FILE_OF("\"model\": {\"type\": \"WordPiece\", \"max_input_chars_per_word\": 1000000000, "
                "\"vocab\": " VOCAB "}"),
        PE_E_INPUT, "max_input_chars_per_word");
}

static void test_folder(void **state)
{
    (void)state;
    pe_tokenizer *t = NULL;
    pe_error err = { 0 };
    assert_int_equal(pe_tokenizer_open(&t, scratch_path(folder, "none"), &err), PE_E_NOTFOUND);
    remove(scratch_path(folder, "tokenizer.json"));
    assert_int_equal(pe_tokenizer_open(&t, folder, &err), PE_E_NOTFOUND);
    assert_non_null(strstr(err.text, "no tokenizer.json or vocab.txt"));
    store("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a\na\n");
    assert_int_equal(pe_tokenizer_open(&t, folder, &err), PE_OK);
    assert_int_equal(pe_tokenizer_id(t, "a"), 7); /* of equal lines the last counts */
    assert_null(pe_tokenizer_token(t, 5));
    ENCODES(t, "Aa [MASK]", 2, 7, 6, 4, 3);
    pe_tokenizer_close(t);
    store("vocab.txt", "[UNK]\n\xff\n");
    assert_int_equal(pe_tokenizer_open(&t, folder, &err), PE_E_INPUT);
    assert_non_null(strstr(err.text, "vocab.txt: byte 0xff at offset 6"));
    store("vocab.txt", "a\nb\n");
    assert_int_equal(pe_tokenizer_open(&t, folder, &err), PE_E_INPUT);
    assert_non_null(strstr(err.text, "unk_token"));
    store("tokenizer_config.json", "{\"model_max_length\": 1000000000000000019884624838656}");
    store("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
    assert_int_equal(pe_tokenizer_open(&t, folder, &err), PE_OK);
    assert_int_equal(pe_tokenizer_max_length(t), 0);
    pe_tokenizer_close(t);
    store("tokenizer_config.json", "{\"do_lower_case\": 1}");
    assert_int_equal(pe_tokenizer_open(&t, folder, &err), PE_E_INPUT);
    assert_non_null(strstr(err.text, "do_lower_case"));
    remove(scratch_path(folder, "tokenizer_config.json"));
    remove(scratch_path(folder, "vocab.txt"));
}

static void test_bad_text(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t nbytes, offset;
    } cases[] = {
        { "ab\xff", 3, 2 },         { "\xc0\x80", 2, 0 },         { "a\xe0\x80\x80", 4, 1 },
        { "\xed\xa0\x80", 3, 0 },   { "\xf4\x90\x80\x80", 4, 0 }, { "x\xe2\x82", 3, 1 },
        { "12345678\x80z", 10, 8 }, { "\xf0\x8f\xbf\xbf", 4, 0 }, { "\xc3(", 2, 0 },
    };
    pe_tokenizer *t = good(FILE_OF(MODEL(VOCAB) ", " BERT));
    pe_encoding e = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pe_error err = { 0 };
        char want[32];
        snprintf(want, sizeof want, "offset %zu ", cases[i].offset);
        assert_int_equal(pe_tokenizer_encode(&e, t, cases[i].text, cases[i].nbytes, NULL, 0, NULL,
                                             &err),
                         PE_E_INPUT);
        assert_non_null(strstr(err.text, want));
        assert_int_equal(pe_tokenizer_encode(&e, t, "a", 1, cases[i].text, cases[i].nbytes, NULL,
                                             &err),
                         PE_E_INPUT);
        assert_non_null(strstr(err.text, "second text: "));
    }
    pe_encode_params p = { .strategy = "shortest_first" };
    assert_int_equal(pe_tokenizer_encode(&e, t, "a", 1, NULL, 0, &p, NULL), PE_E_ARG);
    p = (pe_encode_params){ .max_length = 1, .strategy = "only_second" };
    assert_int_equal(pe_tokenizer_encode(&e, t, "a b", 3, NULL, 0, &p, NULL), PE_E_ARG);
    pe_encoding_release(&e);
    pe_tokenizer_close(t);
}

/* Parts that the golden tokenizers do not have. */
static void test_odd_but_good(void **state)
{
    (void)state;
    pe_tokenizer *t = good(FILE_OF(MODEL(VOCAB))); /* no pre-tokenizer: all of it is one word */
    ENCODES(t, "aa", 3, 4);
    ENCODES(t, "a a", 0);
    encodes(t, "", NULL, 0);
    char *text = NULL;
    assert_int_equal(pe_tokenizer_decode(&text, t, (int32_t[]){ 3, 4, 99, -1, 5 }, 5, false, NULL),
                     PE_OK);
    assert_string_equal(text, "a ##a b"); /* no decoder */
    free(text);
    pe_tokenizer_close(t);
    t = good(FILE_OF(MODEL(VOCAB) ", \"pre_tokenizer\": {\"type\": \"WhitespaceSplit\"}"));
    ENCODES(t, " a  b a.", 3, 5, 0);
    pe_tokenizer_close(t);
    t = good(FILE_OF(MODEL(VOCAB) ", " BERT ", \"post_processor\": {\"type\": \"BertProcessing\", "
                                  "\"cls\": [\"[CLS]\", 1], \"sep\": [\"[SEP]\", 2]}"));
    ENCODES(t, "A\xc3\x89", 1, 0, 2);
    ENCODES(t, "a.b", 1, 3, 0, 5, 2);
    pe_encoding e = { 0 };
    pe_encode_params p = { .no_special = true };
    assert_int_equal(pe_tokenizer_encode(&e, t, "a", 1, "b", 1, &p, NULL), PE_OK);
    assert_int_equal(e.n, 2);
    assert_int_equal(e.type_ids[1], 1);
    pe_encoding_release(&e);
    pe_tokenizer_close(t);
    t = good(FILE_OF(
        MODEL(VOCAB) ", " BERT ", \"added_tokens\": [{\"content\": \"X Y\", \"special\": true}]"));
    ENCODES(t, "aX Yb", 3, 7, 5); /* the next free id */
    assert_int_equal(pe_tokenizer_nvocab(t), 8);
    pe_tokenizer_close(t);
}

/* Long words, runs of marks and of opening brackets: time grows with the length, not its square. */
static void test_linear(void **state)
{
    (void)state;
    static const char *const unit[] = { "a", "\xcc\x81\xcc\xa3", "\xc3\xa9", "[", "[CLS",
                                        ".", "\xe4\xb8\xad" };
    pe_tokenizer *t = good(FILE_OF(
        MODEL(VOCAB) ", " BERT ", \"added_tokens\": [{\"content\": \"[CLS]\", \"special\": true}, "
                     "{\"content\": \"[[[[[[[[[[\", \"normalized\": true}]"));
    size_t total = 1 << 20;
    char *text = malloc(total);
    assert_non_null(text);
    pe_encoding e = { 0 };
    clock_t begin = clock();
    for (size_t k = 0; k < sizeof unit / sizeof *unit; k++) {
        size_t n = strlen(unit[k]), used = 0;
        for (; used + n <= total; used += n) memcpy(text + used, unit[k], n);
        assert_int_equal(pe_tokenizer_encode(&e, t, text, used, NULL, 0, NULL, NULL), PE_OK);
    }
    assert_true((double)(clock() - begin) / CLOCKS_PER_SEC <
                20); /* seconds were it quadratic: hours */
    pe_encoding_release(&e);
    free(text);
    pe_tokenizer_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_json),  cmocka_unit_test(test_bad_vocab),
        cmocka_unit_test(test_bad_parts), cmocka_unit_test(test_folder),
        cmocka_unit_test(test_bad_text),  cmocka_unit_test(test_odd_but_good),
        cmocka_unit_test(test_linear),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
