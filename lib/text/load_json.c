/* lib/text/load_json.c - tokenizer.json: added tokens, vocabulary and model; the parts around them
 * are in load_parts.c. Read next: lib/text/tokenizer.h. */
#include <stdio.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/text/tokenizer.h"
#include "lib/text/vocab_json.h"

enum { MAX_FILE = 128 << 20, MAX_CHARS_PER_WORD = 10000, DEFAULT_CHARS_PER_WORD = 100 };

/* The vocabulary's text, taken out of the file before the rest of it is parsed. */
typedef struct vocab_text {
    char *v; /* NULL: there is none */
    size_t nbytes;
} vocab_text;

static pe_status load_model(pe_tokenizer *t, const json_t *o, const vocab_text *vocab,
                            const char *path, pe_error *err)
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
    if (!vocab->v)
        return pe_fail(err, PE_E_INPUT, "%s: \"vocab\" is not an object of token: id", where);
    st = pe_json_str(&unk, o, "unk_token", false, where, err);
    if (!st) st = pe_json_str(&prefix, o, "continuing_subword_prefix", false, where, err);
    if (!st)
        st = pe_json_int(&max_chars, o, "max_input_chars_per_word", 1, MAX_CHARS_PER_WORD, false,
                         where, err);
    if (st) return st;
    st = pe_vocab_json_read(&t->vocab, vocab->v, vocab->nbytes, err);
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

static pe_status load_parts(pe_tokenizer *t, const json_t *doc, const vocab_text *vocab,
                            const char *path, pe_error *err)
{
    const char *version = NULL;
    pe_status st = pe_json_str(&version, doc, "version", true, path, err);
    if (!st && strcmp(version, "1.0") != 0)
        st = pe_fail(err, PE_E_UNSUPPORTED, "%s: version \"%.40s\", expected 1.0", path, version);
    if (!st) st = load_model(t, json_object_get(doc, "model"), vocab, path, err);
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

/* Moves the vocabulary from text to *out and leaves an empty object, with as many line ends, so
 * that the places in messages stay right. */
static pe_status take_vocab(vocab_text *out, char *text, size_t *nbytes, pe_error *err)
{
    size_t begin, end;
    if (!pe_vocab_json_find(&begin, &end, text, *nbytes)) return PE_OK;
    out->nbytes = end - begin;
    out->v = malloc(out->nbytes);
    if (!out->v) return pe_fail_nomem(err, "the vocabulary", out->nbytes);
    memcpy(out->v, text + begin, out->nbytes);
    size_t to = begin + 1;
    for (size_t i = begin; i < end; i++)
        if (text[i] == '\n') text[to++] = '\n';
    text[to++] = '}';
    memmove(text + to, text + end, *nbytes - end);
    *nbytes -= end - to;
    return PE_OK;
}

pe_status pe_tokenizer_load_json(pe_tokenizer *t, const char *path, pe_error *err)
{
    json_t *doc = NULL;
    char *text = NULL;
    size_t nbytes = 0;
    vocab_text vocab = { 0 };
    pe_status st = pe_file_slurp(&text, &nbytes, path, MAX_FILE, err);
    if (!st) st = take_vocab(&vocab, text, &nbytes, err);
    if (!st) st = pe_json_parse(&doc, text, nbytes, path, err);
    if (!st) st = load_parts(t, doc, &vocab, path, err);
    json_decref(doc);
    free(vocab.v);
    free(text);
    return st;
}
