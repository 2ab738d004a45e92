/* lib/text/decoder.h - token strings back to text.
 * Read next: lib/text/model.h. */
#ifndef PE_TEXT_DECODER_H
#define PE_TEXT_DECODER_H

#include <pe/base.h>

typedef struct pe_decoder {
    enum { PE_DECODER_NONE, PE_DECODER_WORDPIECE } kind; /* none: tokens with a space between */
    bool cleanup; /* takes the space before punctuation and English contractions away */
    char *prefix; /* of word-inner tokens */
} pe_decoder;

/* Growing text; all-zero is empty. */
typedef struct pe_text_out {
    char *v;
    size_t n, capacity;
} pe_text_out;

/* Appends token number `index` of the sequence and a NUL behind it. false: no memory. */
bool pe_decoder_add(pe_text_out *out, const pe_decoder *d, const char *token, size_t index);

#endif
