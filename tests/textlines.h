/* tests/textlines.h - JSON lines whose strings may hold NUL characters, and generated texts.
 * Read next: tests/golden/test_tokenizer.c. */
#ifndef PE_TESTS_TEXTLINES_H
#define PE_TESTS_TEXTLINES_H

#include <jansson.h>

/* A list of the file's lines; json_decref. Fails the test when a line cannot be read. */
json_t *text_lines(const char *path);

#endif
