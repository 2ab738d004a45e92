/* lib/text/wordpiece.c - greedy longest match from the left; a word that cannot be covered is unk.
 * Read next: lib/text/vocab.h. Source: Schuster and Nakajima 2012; BERT (Devlin et al. 2018). */
#include "lib/text/model.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"

static size_t count_chars(const char *word, size_t nbytes)
{
    size_t n = 0;
    for (size_t i = 0; i < nbytes; i++) n += ((unsigned char)word[i] & 0xc0) != 0x80;
    return n;
}

/* Every vocabulary string is whole UTF-8, so a match of bytes never ends inside a character. */
static bool encode(pe_token_list *out, const pe_text_model *m, const char *word, size_t nbytes)
{
    size_t first = out->n, n = 0;
    if (nbytes > m->max_chars && count_chars(word, nbytes) > m->max_chars)
        return pe_token_push(out, m->unk, 0, nbytes);
    for (size_t begin = 0; begin < nbytes; begin += n) {
        const pe_vocab_start *start = begin ? &m->inside : &m->outside;
        int32_t id = pe_vocab_longest(&n, m->vocab, start, word + begin, nbytes - begin);
        if (id < 0) {
            out->n = first;
            return pe_token_push(out, m->unk, 0, nbytes);
        }
        if (!pe_token_push(out, id, begin, begin + n)) return false;
    }
    return true;
}

pe_status pe_wordpiece_init(pe_text_model *m, const pe_vocab *v, const char *unk,
                            const char *prefix, size_t max_chars, pe_error *err)
{
    int32_t id = pe_vocab_find(v, unk, strlen(unk));
    if (id < 0)
        return pe_fail(err, PE_E_INPUT, "model: unk_token \"%.40s\" is not in the vocabulary", unk);
    *m = (pe_text_model){ .encode = encode, .vocab = v, .unk = id, .max_chars = max_chars };
    m->prefix = strdup(prefix);
    if (!m->prefix) return pe_fail_nomem(err, "model", strlen(prefix));
    m->outside = pe_vocab_begin("", 0);
    m->inside = pe_vocab_begin(m->prefix, strlen(prefix));
    return PE_OK;
}

void pe_text_model_release(pe_text_model *m)
{
    free(m->prefix);
    m->prefix = NULL;
}
