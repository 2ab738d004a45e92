/* lib/text/pretokenizer.h - cuts normalized characters into words.
 * Read next: lib/text/model.h. */
#ifndef PE_TEXT_PRETOKENIZER_H
#define PE_TEXT_PRETOKENIZER_H

#include "lib/text/tokens.h"

typedef enum pe_pretokenizer {
    PE_PRETOK_NONE,  /* all of it is one word */
    PE_PRETOK_SPACE, /* WhitespaceSplit */
    PE_PRETOK_BERT   /* white space goes, punctuation stands alone */
} pe_pretokenizer;

/* The next word [*begin, *end) of c[*end, limit); false when there is none. Start with *end. */
bool pe_pretokenize_next(size_t *begin, size_t *end, const pe_nchars *c, size_t limit,
                         pe_pretokenizer kind);

#endif
