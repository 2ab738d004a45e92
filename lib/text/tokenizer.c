/* lib/text/tokenizer.c - opening a tokenizer, looking tokens up, decoding.
 * Read next: lib/text/tokenizer.h, lib/text/encode.c. */
#include "lib/text/tokenizer.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/json.h"

enum { MAX_CONFIG = 64 << 20, PATH = 4096, MAX_SANE_LENGTH = 1 << 24 };

static bool is_there(char path[PATH], const char *dir, const char *name)
{
    snprintf(path, PATH, "%s/%s", dir, name);
    return !pe_path_is_absent(path);
}

/* A limit beyond any model means "none": 1e30 is what transformers writes then. */
static pe_status read_max_length(pe_tokenizer *t, const json_t *config, pe_error *err)
{
    double n = 0;
    pe_status st =
        config ? pe_json_num(&n, config, "model_max_length", false, "tokenizer_config.json", err)
               : PE_OK;
    if (!st && n >= 1 && n <= MAX_SANE_LENGTH) t->max_length = (size_t)n;
    return st;
}

static pe_status load_dir(pe_tokenizer *t, const char *dir, pe_error *err)
{
    char path[PATH];
    json_t *config = NULL;
    pe_status st = PE_OK;
    if (is_there(path, dir, "tokenizer_config.json"))
        st = pe_json_load(&config, path, MAX_CONFIG, err);
    if (!st) st = read_max_length(t, config, err);
    if (!st) {
        if (is_there(path, dir, "tokenizer.json")) st = pe_tokenizer_load_json(t, path, err);
        else if (is_there(path, dir, "vocab.txt"))
            st = pe_tokenizer_load_vocab(t, path, config, err);
        else
            st = pe_fail(err, PE_E_NOTFOUND,
                         "%s: no tokenizer.json or vocab.txt in it; pe-run --ids takes "
                         "ids instead of text",
                         dir);
    }
    json_decref(config);
    return st;
}

pe_status pe_tokenizer_open(pe_tokenizer **out, const char *path, pe_error *err)
{
    struct stat sb;
    if (stat(path, &sb)) return pe_fail_errno(err, PE_E_INPUT, "%s", path);
    pe_tokenizer *t = calloc(1, sizeof *t);
    if (!t) return pe_fail_nomem(err, path, sizeof *t);
    pe_status st =
        S_ISDIR(sb.st_mode) ? load_dir(t, path, err) : pe_tokenizer_load_json(t, path, err);
    if (st) {
        pe_tokenizer_close(t);
        return st;
    }
    pe_ascii_prepare(t);
    *out = t;
    return PE_OK;
}

void pe_tokenizer_close(pe_tokenizer *t)
{
    if (!t) return;
    pe_added_release(&t->added);
    pe_text_model_release(&t->model);
    pe_vocab_release(&t->vocab);
    free(t->decoder.prefix);
    free(t);
}

const char *pe_tokenizer_token(const pe_tokenizer *t, int32_t id)
{
    const pe_added_token *a = pe_added_by_id(&t->added, id);
    if (a) return a->shown ? a->shown : a->content;
    return id >= 0 && (size_t)id < t->vocab.nids ? t->vocab.token[id] : NULL;
}

int32_t pe_tokenizer_id(const pe_tokenizer *t, const char *token)
{
    const pe_added_token *a = pe_added_by_name(&t->added, token);
    return a ? a->id : pe_vocab_find(&t->vocab, token, strlen(token));
}

size_t pe_tokenizer_nvocab(const pe_tokenizer *t)
{
    return t->vocab.nids > t->added.nids ? t->vocab.nids : t->added.nids;
}

size_t pe_tokenizer_max_length(const pe_tokenizer *t)
{
    return t->max_length;
}

pe_status pe_tokenizer_decode(char **out, const pe_tokenizer *t, const int32_t *ids, size_t n,
                              bool skip_special, pe_error *err)
{
    pe_text_out text = { 0 };
    bool ok = pe_text_room(&text.v, &text.capacity, 1, 1);
    size_t index = 0;
    if (ok) text.v[0] = '\0';
    for (size_t i = 0; ok && i < n; i++) {
        const char *token = pe_tokenizer_token(t, ids[i]);
        if (!token) continue; /* an id of padding rows above the vocabulary says nothing */
        const pe_added_token *a = skip_special ? pe_added_by_name(&t->added, token) : NULL;
        if (a && a->special) continue;
        ok = pe_decoder_add(&text, &t->decoder, token, index++);
    }
    if (!ok) {
        free(text.v);
        return pe_fail_nomem(err, "decoded text", text.capacity * 2);
    }
    *out = text.v;
    return PE_OK;
}
