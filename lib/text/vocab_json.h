/* lib/text/vocab_json.h - the vocabulary of tokenizer.json without a JSON tree: 30,000 entries are
 * most of the file, and most of the time it would take to start. Read next: lib/text/load_json.c.
 */
#ifndef PE_TEXT_VOCAB_JSON_H
#define PE_TEXT_VOCAB_JSON_H

#include "lib/text/vocab.h"

/* The span of the object at model.vocab, braces included. false: there is none, or the text is not
 * JSON that far; a parser will say what is wrong with it. */
bool pe_vocab_json_find(size_t *begin, size_t *end, const char *text, size_t nbytes);
/* Reads the object: {"token": id, ...}. PE_E_INPUT: not JSON (with the place in the span), a token
 * twice, or an id as pe_vocab_add() refuses it. */
pe_status pe_vocab_json_read(pe_vocab *v, const char *span, size_t nbytes, pe_error *err);

#endif
