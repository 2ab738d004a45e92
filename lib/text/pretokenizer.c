/* lib/text/pretokenizer.c - words by white space and punctuation.
 * Read next: lib/text/unicode.h. */
#include "lib/text/pretokenizer.h"

#include "lib/text/unicode.h"

bool pe_pretokenize_next(size_t *begin, size_t *end, const pe_nchars *c, size_t limit,
                         pe_pretokenizer kind)
{
    unsigned gap = kind == PE_PRETOK_NONE ? 0 : PE_UNI_WS;
    unsigned alone = kind == PE_PRETOK_BERT ? PE_UNI_PUNCT : 0;
    size_t i = *end;
    while (i < limit && (pe_uni(c->v[i].cp)->flags & gap)) i++;
    if (i == limit) return false;
    *begin = i;
    if (pe_uni(c->v[i].cp)->flags & alone) i++;
    else
        while (i < limit && !(pe_uni(c->v[i].cp)->flags & (gap | alone))) i++;
    *end = i;
    return true;
}
