/* lib/text/tokenizer.h - what a tokenizer is made of, in the order in which text meets it.
 * Read next: lib/text/encode.c. */
#ifndef PE_TEXT_TOKENIZER_H
#define PE_TEXT_TOKENIZER_H

#include <jansson.h>
#include <pe/text.h>

#include "lib/text/added.h"
#include "lib/text/decoder.h"
#include "lib/text/model.h"
#include "lib/text/normalizer.h"
#include "lib/text/pretokenizer.h"
#include "lib/text/template.h"

struct pe_tokenizer {
    pe_added added;
    pe_normalizer normalizer;
    pe_pretokenizer pretokenizer;
    pe_vocab vocab;
    pe_text_model model;
    pe_template single, pair;
    pe_decoder decoder;
    size_t max_length;
    bool ascii; /* runs of plain ASCII need not go through the stages: see ascii.h */
    uint8_t ascii_class[256], ascii_lower[256];
};

/* Scratch of one encoding: pe_encoding.work. */
typedef struct pe_text_work {
    pe_token_list tokens[2]; /* of each text */
    pe_nchars chars, spare;
    char *bytes; /* of a word or of a normalized piece */
    size_t bytes_capacity;
    uint32_t *char_of; /* [bytes] the character that a byte belongs to */
    size_t char_of_capacity;
} pe_text_work;

/* ---- loading: tokenizer.json (load_json.c, load_parts.c) or vocab.txt (load_vocab.c) ---- */
pe_status pe_tokenizer_load_json(pe_tokenizer *t, const char *path, pe_error *err);
/* config: tokenizer_config.json, NULL = none. */
pe_status pe_tokenizer_load_vocab(pe_tokenizer *t, const char *path, const json_t *config,
                                  pe_error *err);
/* An entry of added_tokens or added_tokens_decoder; `content` NULL = its own. */
pe_status pe_tokenizer_load_added(pe_tokenizer *t, const json_t *o, const char *where,
                                  pe_error *err);
pe_status pe_load_normalizer(pe_normalizer *z, const json_t *o, const char *path, pe_error *err);
pe_status pe_load_pretokenizer(pe_pretokenizer *out, const json_t *o, const char *path,
                               pe_error *err);
pe_status pe_load_postprocessor(pe_tokenizer *t, const json_t *o, const char *path, pe_error *err);
pe_status pe_load_decoder(pe_decoder *d, const json_t *o, const char *path, pe_error *err);
/* The steps of a BertNormalizer. */
typedef struct pe_bert_norm {
    bool clean_text, chinese, strip_accents, lowercase;
} pe_bert_norm;
pe_status pe_normalizer_bert(pe_normalizer *z, const pe_bert_norm *o, pe_error *err);
/* CLS A SEP and CLS A SEP B SEP, the second text and its SEP with type 1. */
pe_status pe_template_bert(pe_tokenizer *t, int32_t cls, int32_t sep, pe_error *err);

/* ---- encoding ---- */
/* ASCII classes of the fast path; sets t->ascii. */
void pe_ascii_prepare(pe_tokenizer *t);
/* Tokens of text[begin, end), in which there is no added token; the fast path of BERT. */
bool pe_ascii_encode(pe_token_list *out, pe_text_work *w, const pe_tokenizer *t, const char *text,
                     size_t begin, size_t end);
/* The same through all stages, added tokens of the normalized text included. */
bool pe_piece_encode(pe_token_list *out, pe_text_work *w, const pe_tokenizer *t, const char *text,
                     size_t begin, size_t end);

#endif
