/* lib/text/ascii.c - the short way: words of plain ASCII between ASCII white space and punctuation
 * go to the model at once. Those neighbours are starters that no step changes, so whatever lies
 * between two of them can be normalized by itself. Read next: lib/text/piece.c. */
#include <string.h>

#include "lib/text/tokenizer.h"
#include "lib/text/unicode.h"

enum { OTHER, LETTER, SPACE, PUNCT }; /* OTHER: not ASCII, or removed by clean_text */
enum { LONGEST = 256 };               /* longer words go the long way */

void pe_ascii_prepare(pe_tokenizer *t)
{
    bool clean = pe_normalizer_has(&t->normalizer, PE_NORM_CLEAN);
    bool lower = pe_normalizer_has(&t->normalizer, PE_NORM_LOWER);
    t->ascii = t->pretokenizer != PE_PRETOK_NONE && !t->added.normalized.nfirst;
    for (unsigned c = 0; c < 256; c++) {
        unsigned flags = c < 128 ? pe_uni(c)->flags : 0;
        t->ascii_lower[c] = (uint8_t)(lower && c >= 'A' && c <= 'Z' ? c + 32 : c);
        t->ascii_class[c] = c < 128 ? LETTER : OTHER;
        if (clean && (flags & PE_UNI_DROP)) t->ascii_class[c] = OTHER;
        else if (flags & PE_UNI_WS) t->ascii_class[c] = SPACE;
        else if ((flags & PE_UNI_PUNCT) && t->pretokenizer == PE_PRETOK_BERT)
            t->ascii_class[c] = PUNCT;
    }
}

/* A word of the model, moved to where it stands in the text. */
static bool encode_word(pe_token_list *out, const pe_tokenizer *t, const char *word, size_t nbytes,
                        size_t at)
{
    size_t first = out->n;
    if (!t->model.encode(out, &t->model, word, nbytes)) return false;
    for (size_t i = first; i < out->n; i++) {
        out->v[i].begin += (uint32_t)at;
        out->v[i].end += (uint32_t)at;
    }
    return true;
}

bool pe_ascii_encode(pe_token_list *out, pe_text_work *w, const pe_tokenizer *t, const char *text,
                     size_t begin, size_t end)
{
    const unsigned char *s = (const unsigned char *)text;
    const uint8_t *class = t->ascii_class, *lower = t->ascii_lower;
    char word[LONGEST];
    bool ok = true;
    for (size_t i = begin; ok && i < end;) {
        if (class[s[i]] == SPACE) {
            i++;
            continue;
        }
        if (class[s[i]] == PUNCT) {
            ok = encode_word(out, t, text + i, 1, i);
            i++;
            continue;
        }
        size_t n = 0;
        while (n < LONGEST && i + n < end && class[s[i + n]] == LETTER) {
            word[n] = (char)lower[s[i + n]];
            n++;
        }
        size_t to = i + n;
        if (to == end || class[s[to]] >= SPACE) {
            ok = encode_word(out, t, word, n, i);
        } else {
            while (to < end && class[s[to]] < SPACE) to++;
            ok = pe_piece_encode(out, w, t, text, i, to);
        }
        i = to;
    }
    return ok;
}
