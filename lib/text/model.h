/* lib/text/model.h - the step that cuts a word into tokens, one implementation a file.
 * A new one (BPE, Unigram) is a file like wordpiece.c and a row in load_json.c. */
#ifndef PE_TEXT_MODEL_H
#define PE_TEXT_MODEL_H

#include "lib/text/tokens.h"
#include "lib/text/vocab.h"

typedef struct pe_text_model pe_text_model;
struct pe_text_model {
    /* Appends the tokens of a word (valid UTF-8, nbytes > 0), offsets in bytes of the word.
     * false: no memory. Called from many threads. */
    bool (*encode)(pe_token_list *out, const pe_text_model *m, const char *word, size_t nbytes);
    const pe_vocab *vocab; /* borrowed */
    int32_t unk;
    /* WordPiece: */
    pe_vocab_start outside, inside; /* a word's first token, the others with their prefix */
    char *prefix;
    size_t max_chars; /* longer words are unk */
};

/* max_chars and prefix as in tokenizer.json; the vocabulary is complete. PE_E_INPUT: no unk. */
pe_status pe_wordpiece_init(pe_text_model *m, const pe_vocab *v, const char *unk,
                            const char *prefix, size_t max_chars, pe_error *err);
void pe_text_model_release(pe_text_model *m);

#endif
