/* lib/text/vocab.h - the tokens of a model: string to id, id to string, longest match of a prefix.
 * Read next: lib/text/model.h. */
#ifndef PE_TEXT_VOCAB_H
#define PE_TEXT_VOCAB_H

#include <pe/base.h>

/* Open addressing by a hash that grows with the string byte by byte, so that one walk over a word
 * gives the hash of each of its beginnings. A trie would do for matching, but costs a cache miss a
 * byte to build: five times as long, and a tool that answers one line feels it. */
typedef struct pe_vocab_slot {
    uint32_t tag; /* low half of the hash */
    int32_t id;   /* -1 = free */
} pe_vocab_slot;

typedef struct pe_vocab {
    pe_vocab_slot *slot;
    size_t nslots;  /* a power of two */
    unsigned shift; /* 64 - log2(nslots) */
    char **token;   /* [nids]; NULL = no token has this id */
    size_t nids;    /* highest id + 1 */
    size_t ntokens; /* different strings */
    size_t longest; /* bytes of the longest string */
    size_t capacity;
    char *blob; /* where the strings lie, one after the other */
    size_t blob_used, blob_nbytes;
} pe_vocab;

enum { PE_VOCAB_MAX_IDS = 1 << 22, PE_VOCAB_MAX_TOKEN = 65535 };

/* Room for strings of nbytes in all, some ntokens of them; call once, first. */
pe_status pe_vocab_reserve(pe_vocab *v, size_t ntokens, size_t nbytes, pe_error *err);
/* PE_E_INPUT: id out of range or taken, token too long. A token that is in gets the new id. */
pe_status pe_vocab_add(pe_vocab *v, const char *token, size_t nbytes, int64_t id, pe_error *err);
void pe_vocab_release(pe_vocab *v);
/* -1: not in it. */
int32_t pe_vocab_find(const pe_vocab *v, const char *token, size_t nbytes);

/* What stands before a text when it is looked up: nothing, or the prefix of word-inner tokens. */
typedef struct pe_vocab_start {
    uint64_t hash;
    const char *prefix; /* borrowed */
    size_t nbytes;
} pe_vocab_start;
pe_vocab_start pe_vocab_begin(const char *prefix, size_t nbytes);
/* The id of the longest token that is start + a beginning of text, *nmatch bytes of it; -1: none.
 */
int32_t pe_vocab_longest(size_t *nmatch, const pe_vocab *v, const pe_vocab_start *start,
                         const char *text, size_t nbytes);

#endif
