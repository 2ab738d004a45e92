/* lib/text/decoder.c - the WordPiece decoder and its clean-up of English spacing.
 * Read next: lib/text/decoder.h. */
#include "lib/text/decoder.h"

#include <string.h>

#include "lib/text/tokens.h"

/* Replaces every `from` by `to`, which is not longer, in text[0, n); returns the new length. */
static size_t replace(char *text, size_t n, const char *from, const char *to)
{
    size_t nfrom = strlen(from), nto = strlen(to), used = 0;
    for (size_t i = 0; i < n;) {
        if (n - i >= nfrom && !memcmp(text + i, from, nfrom)) {
            memcpy(text + used, to, nto);
            used += nto;
            i += nfrom;
        } else {
            text[used++] = text[i++];
        }
    }
    return used;
}

/* One after the other, in this order, on each token by itself. */
static size_t clean_up(char *text, size_t n)
{
    static const char *const pair[][2] = {
        { " .", "." },   { " ?", "?" },     { " !", "!" },     { " ,", "," },
        { " ' ", "'" },  { " n't", "n't" }, { " 'm", "'m" },   { " do not", " don't" },
        { " 's", "'s" }, { " 've", "'ve" }, { " 're", "'re" },
    };
    for (size_t i = 0; i < sizeof pair / sizeof *pair; i++)
        n = replace(text, n, pair[i][0], pair[i][1]);
    return n;
}

bool pe_decoder_add(pe_text_out *out, const pe_decoder *d, const char *token, size_t index)
{
    size_t nbytes = strlen(token), begin = out->n;
    if (!pe_text_room(&out->v, &out->capacity, out->n + nbytes + 2, 1)) return false;
    size_t nprefix = d->kind == PE_DECODER_WORDPIECE ? strlen(d->prefix) : 0;
    if (index && d->kind == PE_DECODER_WORDPIECE && !strncmp(token, d->prefix, nprefix)) {
        token += nprefix;
        nbytes -= nprefix;
    } else if (index) {
        out->v[out->n++] = ' ';
    }
    memcpy(out->v + out->n, token, nbytes);
    out->n += nbytes;
    if (d->kind == PE_DECODER_WORDPIECE && d->cleanup)
        out->n = begin + clean_up(out->v + begin, out->n - begin);
    out->v[out->n] = '\0';
    return true;
}
