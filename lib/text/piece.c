/* lib/text/piece.c - a piece of text through normalizer, pre-tokenizer and model.
 * Read next: lib/text/ascii.c, the short way for plain ASCII. */
#include "lib/base/utf8.h"
#include "lib/text/tokenizer.h"

/* Bytes of chars [begin, end) into w->bytes, the index of each byte's character beside them. */
static bool spell(size_t *nbytes, pe_text_work *w, size_t begin, size_t end)
{
    size_t n = 0, most = 4 * (end - begin);
    if (!pe_text_room(&w->bytes, &w->bytes_capacity, most, 1)) return false;
    if (!pe_text_room(&w->char_of, &w->char_of_capacity, most, sizeof *w->char_of)) return false;
    for (size_t i = begin; i < end; i++) {
        size_t len = pe_utf8_put(w->bytes + n, w->chars.v[i].cp);
        for (size_t k = 0; k < len; k++) w->char_of[n + k] = (uint32_t)i;
        n += len;
    }
    *nbytes = n;
    return true;
}

/* Turns the model's offsets, in bytes of the word, into bytes of the text. */
static void place(pe_token_list *out, size_t first, const pe_text_work *w)
{
    for (size_t i = first; i < out->n; i++) {
        pe_token *k = &out->v[i];
        uint32_t last = w->char_of[k->end - 1];
        k->begin = w->chars.v[w->char_of[k->begin]].begin;
        k->end = w->chars.v[last].end;
    }
}

/* Words of the characters [begin, end). */
static bool encode_words(pe_token_list *out, pe_text_work *w, const pe_tokenizer *t, size_t begin,
                         size_t end)
{
    size_t from, to = begin, nbytes = 0;
    while (pe_pretokenize_next(&from, &to, &w->chars, end, t->pretokenizer)) {
        size_t first = out->n;
        if (!spell(&nbytes, w, from, to)) return false;
        if (!t->model.encode(out, &t->model, w->bytes, nbytes)) return false;
        place(out, first, w);
    }
    return true;
}

typedef struct found {
    size_t begin, end; /* characters */
    int32_t id;
} found;

/* Added tokens of the normalized text, in order; *v from malloc. */
static bool find_added(found **v, size_t *n, pe_text_work *w, const pe_tokenizer *t)
{
    size_t nbytes = 0, capacity = 0, begin, end;
    pe_added_scan scan = { 0 };
    const pe_added_token *a;
    if (!spell(&nbytes, w, 0, w->chars.n)) return false;
    while ((a = pe_added_next(&scan, &begin, &end, &t->added, &t->added.normalized, w->bytes,
                              nbytes))) {
        if (!pe_text_room(v, &capacity, *n + 1, sizeof **v)) return false;
        size_t to = end == nbytes ? w->chars.n : w->char_of[end];
        (*v)[(*n)++] = (found){ .begin = w->char_of[begin], .end = to, .id = a->id };
    }
    return true;
}

bool pe_piece_encode(pe_token_list *out, pe_text_work *w, const pe_tokenizer *t, const char *text,
                     size_t begin, size_t end)
{
    found *hit = NULL;
    size_t nhits = 0, at = 0;
    bool ok = pe_normalize_read(&w->chars, text, begin, end) &&
              pe_normalize(&w->chars, &w->spare, &t->normalizer);
    if (ok && t->added.normalized.nfirst) ok = find_added(&hit, &nhits, w, t);
    for (size_t i = 0; ok && i < nhits; i++) {
        const found *f = &hit[i];
        if (f->begin > at) ok = encode_words(out, w, t, at, f->begin);
        ok =
            ok && pe_token_push(out, f->id, w->chars.v[f->begin].begin, w->chars.v[f->end - 1].end);
        at = f->end;
    }
    if (ok) ok = encode_words(out, w, t, at, w->chars.n);
    free(hit);
    return ok;
}
