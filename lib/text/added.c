/* lib/text/added.c - the list of added tokens and the search for them.
 * Read next: lib/text/encode.c, which cuts the text at the matches. */
#include "lib/text/added.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/utf8.h"
#include "lib/text/unicode.h"

const pe_added_token *pe_added_by_name(const pe_added *a, const char *content)
{
    int32_t i = pe_trie_find(&a->by_name, content, strlen(content));
    return i < 0 ? NULL : &a->v[i];
}

const pe_added_token *pe_added_by_id(const pe_added *a, int32_t id)
{
    if (id < 0 || (size_t)id >= a->nids || a->by_id[id] < 0) return NULL;
    return &a->v[a->by_id[id]];
}

static pe_status next_id(int32_t *id, const pe_added *a, const pe_vocab *v, pe_error *err)
{
    size_t next = a->nids > v->ntokens ? a->nids : v->ntokens;
    if (next >= PE_VOCAB_MAX_IDS)
        return pe_fail(err, PE_E_INPUT, "added_tokens: no id below %d is left", PE_VOCAB_MAX_IDS);
    *id = (int32_t)next;
    return PE_OK;
}

pe_status pe_added_add(pe_added *a, const pe_added_token *t, const pe_vocab *v, pe_error *err)
{
    size_t nbytes = strlen(t->content);
    if (!nbytes) return PE_OK; /* as the library does */
    if (nbytes > PE_ADDED_MAX_NBYTES)
        return pe_fail(err, PE_E_INPUT,
                       "added_tokens: \"%.40s\"...: %zu bytes, expected at most %d", t->content,
                       nbytes, PE_ADDED_MAX_NBYTES);
    pe_added_token copy = *t;
    int32_t old = pe_trie_find(&a->by_name, t->content, nbytes);
    copy.id = old >= 0 ? a->v[old].id : pe_vocab_find(v, t->content, nbytes);
    if (copy.id < 0) {
        pe_status st = next_id(&copy.id, a, v, err);
        if (st) return st;
    }
    if (old >= 0) {
        copy.content = a->v[old].content;
        a->v[old] = copy;
        return PE_OK;
    }
    if (!pe_text_room(&a->v, &a->capacity, a->n + 1, sizeof *a->v))
        return pe_fail_nomem(err, "added tokens", (a->n + 1) * sizeof *a->v);
    copy.content = strdup(t->content);
    if (!copy.content) return pe_fail_nomem(err, "added tokens", nbytes + 1);
    a->v[a->n++] = copy;
    if ((size_t)copy.id >= a->nids) a->nids = (size_t)copy.id + 1;
    return pe_trie_add(&a->by_name, copy.content, nbytes, (int32_t)(a->n - 1), err);
}

static pe_status put(pe_added_set *s, const char *text, size_t nbytes, size_t index, pe_error *err)
{
    unsigned char c = (unsigned char)text[0];
    s->nfirst += !s->first[c];
    s->first[c] = true;
    s->only = c;
    return pe_trie_add(&s->trie, text, nbytes, (int32_t)index, err);
}

/* The form of the content that the normalized text will have. */
static pe_status put_normalized(pe_added_set *s, pe_added_token *t, size_t index,
                                const pe_normalizer *z, pe_error *err)
{
    pe_nchars c = { 0 }, spare = { 0 };
    size_t nbytes = 0;
    char *text = NULL;
    pe_status st = PE_OK;
    if (pe_normalize_read(&c, t->content, 0, strlen(t->content)) && pe_normalize(&c, &spare, z))
        text = malloc(4 * c.n + 1);
    if (!text) st = pe_fail_nomem(err, "added tokens", 4 * c.n + 1);
    for (size_t i = 0; !st && i < c.n; i++) nbytes += pe_utf8_put(text + nbytes, c.v[i].cp);
    if (!st && !nbytes)
        st = pe_fail(err, PE_E_INPUT,
                     "added_tokens: \"%.40s\": nothing is left of it when normalized; "
                     "expected \"normalized\": false",
                     t->content);
    if (!st) st = put(s, text, nbytes, index, err);
    if (!st) text[nbytes] = '\0';
    t->shown = text;
    free(c.v);
    free(spare.v);
    return st;
}

pe_status pe_added_finish(pe_added *a, const pe_normalizer *z, pe_error *err)
{
    pe_status st = PE_OK;
    a->by_id = malloc((a->nids + 1) * sizeof *a->by_id);
    if (!a->by_id) return pe_fail_nomem(err, "added tokens", a->nids * sizeof *a->by_id);
    for (size_t i = 0; i < a->nids; i++) a->by_id[i] = -1;
    for (size_t i = 0; !st && i < a->n; i++) {
        pe_added_token *t = &a->v[i];
        a->by_id[t->id] = (int32_t)i;
        if (t->normalized) st = put_normalized(&a->normalized, t, i, z, err);
        else st = put(&a->raw, t->content, strlen(t->content), i, err);
    }
    return st;
}

void pe_added_release(pe_added *a)
{
    for (size_t i = 0; i < a->n; i++) {
        free(a->v[i].content);
        free(a->v[i].shown);
    }
    free(a->v);
    free(a->by_id);
    pe_trie_release(&a->by_name);
    pe_trie_release(&a->raw.trie);
    pe_trie_release(&a->normalized.trie);
    memset(a, 0, sizeof *a);
}

/* Leftmost-longest match at or after *at. */
static const pe_added_token *find(size_t *at, size_t *end, const pe_added *a,
                                  const pe_added_set *set, const char *text, size_t nbytes)
{
    for (size_t i = *at; i < nbytes; i++) {
        if (set->nfirst == 1) {
            const char *hit = memchr(text + i, set->only, nbytes - i);
            if (!hit) return NULL;
            i = (size_t)(hit - text);
        } else {
            while (i < nbytes && !set->first[(unsigned char)text[i]]) i++;
        }
        uint32_t node = PE_TRIE_ROOT, best = 0, e;
        for (size_t k = i;
             k < nbytes && (e = pe_trie_step(&set->trie, node, (unsigned char)text[k])); k++) {
            node = e >> 1;
            if (!(e & 1)) continue;
            best = node;
            *end = k + 1;
        }
        *at = i;
        if (best) return &a->v[set->trie.value[best]];
    }
    return NULL;
}

static unsigned flags_before(const char *text, size_t at)
{
    uint32_t cp;
    pe_utf8_get(&cp, text + pe_utf8_back(text, at));
    return pe_uni(cp)->flags;
}

static unsigned flags_after(const char *text, size_t at, size_t *len)
{
    uint32_t cp;
    *len = pe_utf8_get(&cp, text + at);
    return pe_uni(cp)->flags;
}

const pe_added_token *pe_added_next(pe_added_scan *s, size_t *begin, size_t *end, const pe_added *a,
                                    const pe_added_set *set, const char *text, size_t nbytes)
{
    const pe_added_token *t;
    size_t len = 0, b = s->at, e = 0;
    if (!set->nfirst) return NULL;
    for (;; b = e) {
        t = find(&b, &e, a, set, text, nbytes);
        if (!t) return NULL;
        if (!t->single_word) break;
        bool free_left = b == 0 || !(flags_before(text, b) & PE_UNI_WORD);
        if (free_left && (e == nbytes || !(flags_after(text, e, &len) & PE_UNI_WORD))) break;
    }
    s->at = e;
    if (t->lstrip) { /* white space that the match before took stays with it */
        size_t left = b;
        while (left > 0 && (flags_before(text, left) & PE_UNI_WS)) left = pe_utf8_back(text, left);
        b = left > s->done ? left : s->done;
    }
    if (t->rstrip)
        while (e < nbytes && (flags_after(text, e, &len) & PE_UNI_WS)) e += len;
    s->done = e;
    *begin = b;
    *end = e;
    return t;
}
