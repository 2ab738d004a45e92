/* tools/common/suggest.h - "did you mean": the nearest of a list of words.
 * Read next: tools/common/options.c. */
#ifndef PE_TOOLS_SUGGEST_H
#define PE_TOOLS_SUGGEST_H

#include <stddef.h>

/* The word that `wrong` most likely stands for (a prefix, or few edits away), NULL when none is
 * near. */
const char *pe_suggest(const char *wrong, const char *const *words, size_t nwords);

#endif
