/* lib/text/vocab.h - the tokens of a model: string to id through a trie, id to string.
 * Read next: lib/text/model.h. */
#ifndef PE_TEXT_VOCAB_H
#define PE_TEXT_VOCAB_H

#include "lib/text/trie.h"

typedef struct pe_vocab {
    pe_trie trie;   /* string -> id */
    char **token;   /* [nids]; NULL = no token has this id */
    size_t nids;    /* highest id + 1 */
    size_t ntokens; /* different strings */
    size_t capacity;
    char *blob; /* where the strings lie, one after the other */
    size_t blob_used, blob_nbytes;
} pe_vocab;

enum { PE_VOCAB_MAX_IDS = 1 << 22, PE_VOCAB_MAX_TOKEN = 65535 };

/* Room for strings of nbytes in all; call once, first. */
pe_status pe_vocab_reserve(pe_vocab *v, size_t ntokens, size_t nbytes, pe_error *err);
/* PE_E_INPUT: id out of range or taken, token too long. A token that is in gets the new id. */
pe_status pe_vocab_add(pe_vocab *v, const char *token, size_t nbytes, int64_t id, pe_error *err);
void pe_vocab_release(pe_vocab *v);

#endif
