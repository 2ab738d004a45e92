/* lib/text/load_vocab.c - vocab.txt of a BERT tokenizer, with the options of tokenizer_config.json.
 * Gives what the fast tokenizer made from the same files would. Read next: lib/text/load_json.c. */
#include <stdio.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/utf8.h"
#include "lib/text/tokenizer.h"
#include "lib/text/unicode.h"

enum { MAX_FILE = 128 << 20, CHARS_PER_WORD = 100 };
static const char config_name[] = "tokenizer_config.json";

static size_t trimmed(const char *line, size_t nbytes)
{
    while (nbytes > 0) {
        uint32_t cp;
        size_t at = pe_utf8_back(line, nbytes);
        pe_utf8_get(&cp, line + at);
        if (!(pe_uni(cp)->flags & PE_UNI_WS)) break;
        nbytes = at;
    }
    return nbytes;
}

/* A token a line, ids from 0; of equal ones the last counts. */
static pe_status add_lines(pe_vocab *v, const char *text, size_t nbytes, pe_error *err)
{
    int64_t id = 0;
    size_t nlines = 1;
    for (size_t i = 0; i < nbytes; i++) nlines += text[i] == '\n';
    pe_status st = pe_vocab_reserve(v, nlines, nbytes, err);
    for (size_t at = 0; !st && at < nbytes; id++) {
        const char *eol = memchr(text + at, '\n', nbytes - at);
        size_t end = eol ? (size_t)(eol - text) : nbytes;
        if (memchr(text + at, '\0', end - at))
            return pe_fail(err, PE_E_INPUT, "line %lld: a NUL byte", (long long)id + 1);
        st = pe_vocab_add(v, text + at, trimmed(text + at, end - at), id, err);
        at = end + 1;
    }
    return st;
}

static pe_status load_lines(pe_tokenizer *t, const char *path, pe_error *err)
{
    char *text = NULL;
    size_t nbytes = 0;
    pe_status st = pe_file_slurp(&text, &nbytes, path, MAX_FILE, err);
    if (st) return st;
    size_t valid = pe_utf8_valid(text, nbytes);
    if (valid < nbytes)
        st = pe_fail(err, PE_E_INPUT, "%s: byte 0x%02x at offset %zu is not UTF-8", path,
                     (unsigned char)text[valid], valid);
    if (!st) {
        st = add_lines(&t->vocab, text, nbytes, err);
        if (st) st = pe_fail_prefix(err, st, "%s", path);
    }
    free(text);
    return st;
}

/* The content of a special token in the config: a string, or an object as in added_tokens. */
static pe_status special_name(const char **out, const json_t *config, const char *key,
                              pe_error *err)
{
    const json_t *v = json_object_get(config, key);
    if (json_is_object(v)) return pe_json_str(out, v, "content", true, config_name, err);
    return config ? pe_json_str(out, config, key, false, config_name, err) : PE_OK;
}

static pe_status add_special(int32_t *id, pe_tokenizer *t, const char *key, const char *otherwise,
                             const json_t *config, pe_error *err)
{
    pe_added_token a = { .special = true };
    const char *name = otherwise;
    pe_status st = special_name(&name, config, key, err);
    if (st) return st;
    a.content = (char *)name; /* copied, not changed */
    st = pe_added_add(&t->added, &a, &t->vocab, err);
    const pe_added_token *in = pe_added_by_name(&t->added, name);
    if (!st && !in) st = pe_fail(err, PE_E_INPUT, "%s: \"%s\" is empty", config_name, key);
    if (!st) *id = in->id;
    return st;
}

static pe_status add_listed(pe_tokenizer *t, const json_t *config, pe_error *err)
{
    const json_t *list = json_object_get(config, "added_tokens_decoder"), *o;
    const char *key;
    char where[128];
    pe_status st = PE_OK;
    if (!json_is_object(list)) return PE_OK;
    json_object_foreach((json_t *)list, key, o)
    {
        snprintf(where, sizeof where, "%s: added_tokens_decoder[\"%.40s\"]", config_name, key);
        if (!st) st = pe_tokenizer_load_added(t, o, where, err);
    }
    return st;
}

static pe_status add_specials(pe_tokenizer *t, const json_t *config, pe_error *err)
{
    int32_t unk = 0, sep = 0, pad = 0, cls = 0, mask = 0;
    pe_status st = add_listed(t, config, err);
    if (!st) st = add_special(&unk, t, "unk_token", "[UNK]", config, err);
    if (!st) st = add_special(&sep, t, "sep_token", "[SEP]", config, err);
    if (!st) st = add_special(&pad, t, "pad_token", "[PAD]", config, err);
    if (!st) st = add_special(&cls, t, "cls_token", "[CLS]", config, err);
    if (!st) st = add_special(&mask, t, "mask_token", "[MASK]", config, err);
    if (!st) st = pe_added_finish(&t->added, &t->normalizer, err);
    return st ? st : pe_template_bert(t, cls, sep, err);
}

static pe_status load_options(pe_bert_norm *b, const json_t *config, pe_error *err)
{
    *b = (pe_bert_norm){
        .clean_text = true, .chinese = true, .strip_accents = true, .lowercase = true
    };
    if (!config) return PE_OK;
    pe_status st = pe_json_bool(&b->lowercase, config, "do_lower_case", false, config_name, err);
    b->strip_accents = b->lowercase;
    if (!st) st = pe_json_bool(&b->strip_accents, config, "strip_accents", false, config_name, err);
    if (!st)
        st = pe_json_bool(&b->chinese, config, "tokenize_chinese_chars", false, config_name, err);
    return st;
}

pe_status pe_tokenizer_load_vocab(pe_tokenizer *t, const char *path, const json_t *config,
                                  pe_error *err)
{
    pe_bert_norm options;
    const char *unk = "[UNK]";
    t->pretokenizer = PE_PRETOK_BERT;
    t->decoder =
        (pe_decoder){ .kind = PE_DECODER_WORDPIECE, .cleanup = true, .prefix = strdup("##") };
    if (!t->decoder.prefix) return pe_fail_nomem(err, path, 3);
    pe_status st = load_lines(t, path, err);
    if (!st) st = load_options(&options, config, err);
    if (!st) st = pe_normalizer_bert(&t->normalizer, &options, err);
    if (!st) st = special_name(&unk, config, "unk_token", err);
    if (!st) {
        st = pe_wordpiece_init(&t->model, &t->vocab, unk, "##", CHARS_PER_WORD, err);
        if (st) st = pe_fail_prefix(err, st, "%s", path);
    }
    return st ? st : add_specials(t, config, err);
}
