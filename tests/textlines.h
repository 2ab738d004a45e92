/* tests/textlines.h - JSON lines whose strings may hold NUL characters, and digests of long texts.
 * Read next: tests/golden/test_tokenizer.c. */
#ifndef PE_TESTS_TEXTLINES_H
#define PE_TESTS_TEXTLINES_H

#include <jansson.h>
#include <pe/text.h>

#include "lib/base/digest.h"

/* A list of the file's lines; json_decref. Fails the test when a line cannot be read. */
json_t *text_lines(const char *path);
/* The bytes of a gzip'd file, from malloc. */
char *text_unpacked(size_t *nbytes, const char *path);
/* XXH3-128 over the tokens of each line in turn, or of the whole text as one: their number, then
 * id, begin and end of each, as little-endian 32-bit words (tests/golden/make/text_digest.py makes
 * the same with the Hugging Face library). Exits the program when a line cannot be encoded. */
void text_digest(char out[PE_DIGEST_TEXT], const pe_tokenizer *t, const char *text, size_t nbytes,
                 bool by_line);

/* 5 MB made of the words of text (split at spaces), added tokens and code points of every kind, as
 * mixed() in that script; from malloc. */
char *text_mixed(size_t *nbytes, const char *text, size_t text_nbytes);

#endif
