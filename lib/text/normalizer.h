/* lib/text/normalizer.h - rewrites characters (lower case, accents, spaces), each one remembering
 * the bytes it stands for. Read next: lib/text/nfd.c. */
#ifndef PE_TEXT_NORMALIZER_H
#define PE_TEXT_NORMALIZER_H

#include "lib/text/tokens.h"

typedef enum pe_norm_step {
    PE_NORM_CLEAN, /* controls go, white space becomes ' ' */
    PE_NORM_CJK,   /* ' ' on both sides of an ideograph */
    PE_NORM_NFD,
    PE_NORM_STRIP_MN, /* non-spacing marks go */
    PE_NORM_LOWER
} pe_norm_step;

enum { PE_NORM_MAX_STEPS = 32 };
/* What a tokenizer.json normalizer comes down to: steps in order. */
typedef struct pe_normalizer {
    uint8_t step[PE_NORM_MAX_STEPS];
    size_t nsteps;
} pe_normalizer;

bool pe_normalizer_has(const pe_normalizer *z, pe_norm_step step);
/* The characters of text[begin, end), which is valid UTF-8. false: no memory, here and below. */
bool pe_normalize_read(pe_nchars *out, const char *text, size_t begin, size_t end);
/* Applies the steps to c; spare is scratch, and the two may trade arrays. */
bool pe_normalize(pe_nchars *c, pe_nchars *spare, const pe_normalizer *z);
/* Canonical decomposition and ordering, origins assigned as the Hugging Face library does: in order
 * of the characters, not of their identity. Linear, whatever the run of marks. */
bool pe_normalize_nfd(pe_nchars *c, pe_nchars *spare);

#endif
