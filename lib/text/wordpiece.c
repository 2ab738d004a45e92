/* lib/text/wordpiece.c - greedy longest match from the left; a word that cannot be covered is unk.
 * Read next: lib/text/trie.h. Source: Schuster and Nakajima 2012; BERT (Devlin et al. 2018). */
#include "lib/base/error.h"
#include "lib/text/model.h"

#include <string.h>

static size_t count_chars(const char *word, size_t nbytes)
{
    size_t n = 0;
    for (size_t i = 0; i < nbytes; i++) n += ((unsigned char)word[i] & 0xc0) != 0x80;
    return n;
}

/* Every vocabulary string is whole UTF-8, so a match of bytes never ends inside a character. */
static bool encode(pe_token_list *out, const pe_text_model *m, const char *word, size_t nbytes)
{
    const pe_trie *t = &m->vocab->trie;
    size_t first = out->n, begin = 0;
    if (nbytes > m->max_chars && count_chars(word, nbytes) > m->max_chars)
        return pe_token_push(out, m->unk, 0, nbytes);
    while (begin < nbytes) {
        uint32_t node = begin ? m->inside : PE_TRIE_ROOT, best = 0;
        size_t end = begin;
        for (size_t i = begin; i < nbytes; i++) {
            uint32_t e = pe_trie_step(t, node, (unsigned char)word[i]);
            if (!e) break;
            node = e >> 1;
            if (e & 1) {
                best = node;
                end = i + 1;
            }
        }
        if (!best) {
            out->n = first;
            return pe_token_push(out, m->unk, 0, nbytes);
        }
        if (!pe_token_push(out, t->value[best], begin, end)) return false;
        begin = end;
    }
    return true;
}

pe_status pe_wordpiece_init(pe_text_model *m, const pe_vocab *v, const char *unk,
                            const char *prefix, size_t max_chars, pe_error *err)
{
    int32_t id = pe_trie_find(&v->trie, unk, strlen(unk));
    if (id < 0)
        return pe_fail(err, PE_E_INPUT, "model: unk_token \"%.40s\" is not in the vocabulary", unk);
    *m = (pe_text_model){ .encode = encode,
                          .vocab = v,
                          .unk = id,
                          .inside = pe_trie_walk(&v->trie, PE_TRIE_ROOT, prefix, strlen(prefix)),
                          .max_chars = max_chars };
    return PE_OK;
}
