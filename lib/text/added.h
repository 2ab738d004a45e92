/* lib/text/added.h - added tokens: strings that are cut out of the text before anything else.
 * Those with `normalized` are looked for in the normalized text instead. */
#ifndef PE_TEXT_ADDED_H
#define PE_TEXT_ADDED_H

#include "lib/text/normalizer.h"
#include "lib/text/trie.h"
#include "lib/text/vocab.h"

typedef struct pe_added_token {
    char *content;
    char *shown; /* the normalized form, which the id reads as; NULL = the content */
    int32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
} pe_added_token;

/* What is looked for in one kind of text: leftmost, then longest. */
typedef struct pe_added_set {
    pe_trie trie;    /* string -> index of the token */
    bool first[256]; /* bytes that a string begins with */
    size_t nfirst;
    unsigned char only; /* that byte when there is one */
} pe_added_set;

typedef struct pe_added {
    pe_added_token *v;
    size_t n, capacity;
    size_t nids;     /* highest id + 1 */
    int32_t *by_id;  /* [nids] index of the token, -1 = none */
    pe_trie by_name; /* content -> index */
    pe_added_set raw, normalized;
} pe_added;

enum { PE_ADDED_MAX_NBYTES = 4096 };

/* A token of tokenizer.json; `t->content` is copied, `t->id` is assigned as the Hugging Face
 * library does: the vocabulary's id, else the next free one. Known content replaces. */
pe_status pe_added_add(pe_added *a, const pe_added_token *t, const pe_vocab *v, pe_error *err);
/* Call when all are in: builds the two sets. */
pe_status pe_added_finish(pe_added *a, const pe_normalizer *z, pe_error *err);
void pe_added_release(pe_added *a);
const pe_added_token *pe_added_by_name(const pe_added *a, const char *content);
const pe_added_token *pe_added_by_id(const pe_added *a, int32_t id);

/* Walks the matches in text[0, nbytes) from left to right. */
typedef struct pe_added_scan {
    size_t at;   /* where to look on */
    size_t done; /* end of the last match, white space that it took included */
} pe_added_scan;
const pe_added_token *pe_added_next(pe_added_scan *s, size_t *begin, size_t *end, const pe_added *a,
                                    const pe_added_set *set, const char *text, size_t nbytes);

#endif
