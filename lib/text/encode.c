/* lib/text/encode.c - text to ids: cut out added tokens, encode the rest, truncate, apply the
 * template.
 * Read next: lib/text/piece.c. */
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/utf8.h"
#include "lib/text/tokenizer.h"
#include "lib/text/truncate.h"

enum { MAX_TEXT_NBYTES = INT32_MAX }; /* offsets are 32 bits inside */

static pe_status check_text(const char *text, size_t nbytes, const char *which, pe_error *err)
{
    if (nbytes > MAX_TEXT_NBYTES)
        return pe_fail(err, PE_E_INPUT, "%s: %zu bytes, expected at most %d; split it", which,
                       nbytes, (int)MAX_TEXT_NBYTES);
    size_t valid = pe_utf8_valid(text, nbytes);
    if (valid == nbytes) return PE_OK;
    return pe_fail(err, PE_E_INPUT, "%s: byte 0x%02x at offset %zu is not UTF-8", which,
                   (unsigned char)text[valid], valid);
}

static bool encode_gap(pe_token_list *out, pe_text_work *w, const pe_tokenizer *t, const char *text,
                       size_t begin, size_t end)
{
    if (begin >= end) return true;
    if (t->ascii) return pe_ascii_encode(out, w, t, text, begin, end);
    return pe_piece_encode(out, w, t, text, begin, end);
}

static bool encode_text(pe_token_list *out, pe_text_work *w, const pe_tokenizer *t,
                        const char *text, size_t nbytes)
{
    pe_added_scan scan = { 0 };
    const pe_added_token *a;
    size_t at = 0, begin, end;
    out->n = 0;
    while ((a = pe_added_next(&scan, &begin, &end, &t->added, &t->added.raw, text, nbytes))) {
        if (!encode_gap(out, w, t, text, at, begin) || !pe_token_push(out, a->id, begin, end))
            return false;
        at = end;
    }
    return encode_gap(out, w, t, text, at, nbytes);
}

static bool reserve(pe_encoding *out, size_t n)
{
    if (n <= out->capacity) return true;
    size_t capacity = n + n / 2 + 16;
    int32_t *ids = realloc(out->ids, capacity * sizeof *ids);
    if (ids) out->ids = ids;
    int32_t *types = realloc(out->type_ids, capacity * sizeof *types);
    if (types) out->type_ids = types;
    void *offsets = realloc(out->offsets, capacity * sizeof *out->offsets);
    if (offsets) out->offsets = offsets;
    uint8_t *special = realloc(out->special, capacity);
    if (special) out->special = special;
    if (!ids || !types || !offsets || !special) return false;
    out->capacity = capacity;
    return true;
}

static void put(pe_encoding *out, int32_t id, int32_t type_id, size_t begin, size_t end,
                bool special)
{
    size_t i = out->n++;
    out->ids[i] = id;
    out->type_ids[i] = type_id;
    out->offsets[i][0] = begin;
    out->offsets[i][1] = end;
    out->special[i] = special;
}

/* keep[s] tokens of text s, from its start or, cut on the left, from its end. */
static pe_status assemble(pe_encoding *out, const pe_text_work *w, const pe_template *tp,
                          const size_t keep[2], const pe_encode_params *p, pe_error *err)
{
    size_t total = 0;
    for (size_t i = 0; i < tp->nitems; i++)
        total += tp->item[i].special ? 1 : keep[tp->item[i].sequence];
    if (!reserve(out, total)) return pe_fail_nomem(err, "encoding", total * 25);
    out->n = 0;
    for (size_t i = 0; i < tp->nitems; i++) {
        const pe_template_item *it = &tp->item[i];
        if (it->special) {
            if (!p->no_special) put(out, it->id, it->type_id, 0, 0, true);
            continue;
        }
        const pe_token_list *l = &w->tokens[it->sequence];
        size_t from = p->truncate_left ? l->n - keep[it->sequence] : 0;
        for (size_t k = from; k < from + keep[it->sequence]; k++)
            put(out, l->v[k].id, it->type_id, l->v[k].begin, l->v[k].end, false);
    }
    return PE_OK;
}

pe_status pe_tokenizer_encode(pe_encoding *out, const pe_tokenizer *t, const char *text,
                              size_t nbytes, const char *text2, size_t nbytes2,
                              const pe_encode_params *p, pe_error *err)
{
    const pe_encode_params none = { 0 };
    if (!p) p = &none;
    if (!out->work) out->work = calloc(1, sizeof(pe_text_work));
    pe_text_work *w = out->work;
    if (!w) return pe_fail_nomem(err, "encoding", sizeof *w);
    pe_status st = check_text(text, nbytes, text2 ? "first text" : "text", err);
    if (!st && text2) st = check_text(text2, nbytes2, "second text", err);
    if (st) return st;
    w->tokens[1].n = 0;
    bool ok = encode_text(&w->tokens[0], w, t, text, nbytes);
    if (ok && text2) ok = encode_text(&w->tokens[1], w, t, text2, nbytes2);
    if (!ok) return pe_fail_nomem(err, "encoding", nbytes + nbytes2);
    const pe_template *tp = text2 ? &t->pair : &t->single;
    size_t keep[2] = { w->tokens[0].n, w->tokens[1].n };
    st = pe_truncate_counts(keep, p->no_special ? 0 : tp->nspecial, text2 != NULL, p, err);
    if (!st) st = assemble(out, w, tp, keep, p, err);
    if (!st) out->truncated = w->tokens[0].n + w->tokens[1].n - keep[0] - keep[1];
    return st;
}

void pe_encoding_release(pe_encoding *e)
{
    pe_text_work *w = e->work;
    if (w) {
        free(w->tokens[0].v);
        free(w->tokens[1].v);
        free(w->chars.v);
        free(w->spare.v);
        free(w->bytes);
        free(w->char_of);
        free(w);
    }
    free(e->ids);
    free(e->type_ids);
    free(e->offsets);
    free(e->special);
    memset(e, 0, sizeof *e);
}
