/* lib/text/vocab.c - filling a vocabulary from a file that may lie about its ids.
 * Read next: lib/text/load_json.c. */
#include "lib/text/vocab.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"

pe_status pe_vocab_reserve(pe_vocab *v, size_t ntokens, size_t nbytes, pe_error *err)
{
    v->blob_nbytes = nbytes + ntokens; /* each with its NUL */
    v->blob = malloc(v->blob_nbytes + 1);
    if (!v->blob) return pe_fail_nomem(err, "the vocabulary", v->blob_nbytes);
    return pe_trie_reserve(&v->trie, nbytes / 2, err);
}

static pe_status grow_ids(pe_vocab *v, size_t nids, pe_error *err)
{
    if (nids > v->capacity) {
        size_t capacity = v->capacity ? v->capacity : 1024;
        while (capacity < nids) capacity *= 2;
        char **token = realloc(v->token, capacity * sizeof *token);
        if (!token) return pe_fail_nomem(err, "the vocabulary", capacity * sizeof *token);
        memset(token + v->capacity, 0, (capacity - v->capacity) * sizeof *token);
        v->token = token;
        v->capacity = capacity;
    }
    if (nids > v->nids) v->nids = nids;
    return PE_OK;
}

pe_status pe_vocab_add(pe_vocab *v, const char *token, size_t nbytes, int64_t id, pe_error *err)
{
    if (id < 0 || id >= PE_VOCAB_MAX_IDS)
        return pe_fail(err, PE_E_INPUT, "vocabulary: \"%.40s\": found id %lld, expected 0 to %d",
                       token, (long long)id, PE_VOCAB_MAX_IDS - 1);
    if (nbytes > PE_VOCAB_MAX_TOKEN || nbytes + 1 > v->blob_nbytes - v->blob_used)
        return pe_fail(err, PE_E_INPUT,
                       "vocabulary: \"%.40s\"...: a token of %zu bytes, expected at most %d", token,
                       nbytes, PE_VOCAB_MAX_TOKEN);
    if ((size_t)id < v->nids && v->token[id])
        return pe_fail(err, PE_E_INPUT, "vocabulary: \"%.40s\" and \"%.40s\" have the same id %lld",
                       v->token[id], token, (long long)id);
    pe_status st = grow_ids(v, (size_t)id + 1, err);
    int32_t old = -1;
    if (!st && nbytes) st = pe_trie_add(&v->trie, &old, token, nbytes, (int32_t)id, err);
    if (st) return st;
    if (old >= 0) v->token[old] = NULL;
    else v->ntokens++;
    char *copy = v->blob + v->blob_used;
    memcpy(copy, token, nbytes);
    copy[nbytes] = '\0';
    v->blob_used += nbytes + 1;
    v->token[id] = copy;
    return PE_OK;
}

void pe_vocab_release(pe_vocab *v)
{
    pe_trie_release(&v->trie);
    free(v->token);
    free(v->blob);
    memset(v, 0, sizeof *v);
}
