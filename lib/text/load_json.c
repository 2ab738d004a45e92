/* lib/text/load_json.c - tokenizer.json: added tokens, vocabulary and model; the parts around them
 * are in load_parts.c. Read next: lib/text/tokenizer.h. */
#include <stdio.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/text/tokenizer.h"

enum { MAX_FILE = 128 << 20, MAX_CHARS_PER_WORD = 10000, DEFAULT_CHARS_PER_WORD = 100 };

static pe_status load_vocab(pe_vocab *v, const json_t *vocab, pe_error *err)
{
    const char *key;
    const json_t *id;
    size_t nbytes = 0;
    json_object_foreach((json_t *)vocab, key, id) nbytes += strlen(key);
    pe_status st = pe_vocab_reserve(v, json_object_size(vocab), nbytes, err);
    if (st) return st;
    json_object_foreach((json_t *)vocab, key, id)
    {
        if (!json_is_integer(id))
            return pe_fail(err, PE_E_INPUT, "vocabulary: \"%.40s\": expected an integer as its id",
                           key);
        st = pe_vocab_add(v, key, strlen(key), json_integer_value(id), err);
        if (st) return st;
    }
    return PE_OK;
}

static pe_status load_model(pe_tokenizer *t, const json_t *o, const char *path, pe_error *err)
{
    char where[512];
    const char *type = NULL, *unk = "[UNK]", *prefix = "##";
    int64_t max_chars = DEFAULT_CHARS_PER_WORD;
    snprintf(where, sizeof where, "%s: model", path);
    pe_status st = pe_json_str(&type, o, "type", true, where, err);
    if (st) return st;
    if (strcmp(type, "WordPiece") != 0)
        return pe_fail(err, PE_E_UNSUPPORTED, "%s: found type \"%.40s\", pe knows WordPiece", where,
                       type);
    const json_t *vocab = json_object_get(o, "vocab");
    if (!json_is_object(vocab))
        return pe_fail(err, PE_E_INPUT, "%s: \"vocab\" is not an object of token: id", where);
    st = pe_json_str(&unk, o, "unk_token", false, where, err);
    if (!st) st = pe_json_str(&prefix, o, "continuing_subword_prefix", false, where, err);
    if (!st)
        st = pe_json_int(&max_chars, o, "max_input_chars_per_word", 1, MAX_CHARS_PER_WORD, false,
                         where, err);
    if (st) return st;
    st = load_vocab(&t->vocab, vocab, err);
    if (!st) st = pe_wordpiece_init(&t->model, &t->vocab, unk, prefix, (size_t)max_chars, err);
    return st ? pe_fail_prefix(err, st, "%s", path) : PE_OK;
}

pe_status pe_tokenizer_load_added(pe_tokenizer *t, const json_t *o, const char *where,
                                  pe_error *err)
{
    pe_added_token a = { 0 };
    const char *content = NULL;
    pe_status st = pe_json_str(&content, o, "content", true, where, err);
    if (!st) st = pe_json_bool(&a.single_word, o, "single_word", false, where, err);
    if (!st) st = pe_json_bool(&a.lstrip, o, "lstrip", false, where, err);
    if (!st) st = pe_json_bool(&a.rstrip, o, "rstrip", false, where, err);
    if (!st) st = pe_json_bool(&a.special, o, "special", false, where, err);
    a.normalized = !a.special;
    if (!st) st = pe_json_bool(&a.normalized, o, "normalized", false, where, err);
    if (st) return st;
    a.content = (char *)content; /* copied, not changed */
    st = pe_added_add(&t->added, &a, &t->vocab, err);
    return st ? pe_fail_prefix(err, st, "%s", where) : PE_OK;
}

static pe_status load_added(pe_tokenizer *t, const json_t *list, const char *path, pe_error *err)
{
    pe_status st = PE_OK;
    char where[512];
    if (!list || json_is_null(list)) return PE_OK;
    if (!json_is_array(list))
        return pe_fail(err, PE_E_INPUT, "%s: \"added_tokens\" is not a list", path);
    for (size_t i = 0; !st && i < json_array_size(list); i++) {
        snprintf(where, sizeof where, "%s: added_tokens[%zu]", path, i);
        st = pe_tokenizer_load_added(t, json_array_get(list, i), where, err);
    }
    return st;
}

static pe_status load_parts(pe_tokenizer *t, const json_t *doc, const char *path, pe_error *err)
{
    const char *version = NULL;
    pe_status st = pe_json_str(&version, doc, "version", true, path, err);
    if (!st && strcmp(version, "1.0") != 0)
        st = pe_fail(err, PE_E_UNSUPPORTED, "%s: version \"%.40s\", expected 1.0", path, version);
    if (!st) st = load_model(t, json_object_get(doc, "model"), path, err);
    if (!st) st = pe_load_normalizer(&t->normalizer, json_object_get(doc, "normalizer"), path, err);
    if (!st)
        st = pe_load_pretokenizer(&t->pretokenizer, json_object_get(doc, "pre_tokenizer"), path,
                                  err);
    if (!st) st = load_added(t, json_object_get(doc, "added_tokens"), path, err);
    if (!st) {
        st = pe_added_finish(&t->added, &t->normalizer, err);
        if (st) st = pe_fail_prefix(err, st, "%s", path);
    }
    if (!st) st = pe_load_postprocessor(t, json_object_get(doc, "post_processor"), path, err);
    return st ? st : pe_load_decoder(&t->decoder, json_object_get(doc, "decoder"), path, err);
}

pe_status pe_tokenizer_load_json(pe_tokenizer *t, const char *path, pe_error *err)
{
    json_t *doc = NULL;
    pe_status st = pe_json_load(&doc, path, MAX_FILE, err);
    if (!st) st = load_parts(t, doc, path, err);
    json_decref(doc);
    return st;
}
