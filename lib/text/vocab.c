/* lib/text/vocab.c - filling a vocabulary from a file that may lie about its ids; looking up.
 * Read next: lib/text/vocab_json.c, lib/text/wordpiece.c. */
#include "lib/text/vocab.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"

/* A longer chain of used slots is no accident but a file made to be slow. */
enum { MAX_CHAIN = 2000, FIRST_SLOTS = 512 };

static inline uint64_t extend(uint64_t hash, char byte)
{
    return (hash ^ (unsigned char)byte) * UINT64_C(0x9e3779b97f4a7c15);
}

static uint64_t hash_of(uint64_t hash, const char *text, size_t nbytes)
{
    for (size_t i = 0; i < nbytes; i++) hash = extend(hash, text[i]);
    return hash;
}

pe_vocab_start pe_vocab_begin(const char *prefix, size_t nbytes)
{
    return (pe_vocab_start){
        .hash = hash_of(UINT64_C(0x243f6a8885a308d3), prefix, nbytes),
        .prefix = prefix,
        .nbytes = nbytes,
    };
}

/* The strings have no NUL inside, so one at the right place settles the length. */
static bool is_token(const pe_vocab *v, int32_t id, const pe_vocab_start *start, const char *text,
                     size_t nbytes)
{
    const char *token = v->token[id];
    size_t at = (size_t)(token - v->blob), total = start->nbytes + nbytes;
    return total < v->blob_used - at && !token[total] &&
           !memcmp(token + start->nbytes, text, nbytes) &&
           (!start->nbytes || !memcmp(token, start->prefix, start->nbytes));
}

/* The slot of start + text, or the free one where it would go; NULL when there is no end of it. */
static pe_vocab_slot *probe(const pe_vocab *v, uint64_t hash, const pe_vocab_start *start,
                            const char *text, size_t nbytes)
{
    size_t at = (size_t)(hash >> v->shift);
    for (size_t n = 0; n < MAX_CHAIN; n++, at = (at + 1) & (v->nslots - 1)) {
        pe_vocab_slot *s = &v->slot[at];
        if (s->id < 0) return s;
        if (s->tag == (uint32_t)hash && is_token(v, s->id, start, text, nbytes)) return s;
    }
    return NULL;
}

static pe_status collide(pe_error *err)
{
    return pe_fail(err, PE_E_INPUT, "vocabulary: more than %d of its tokens have the same hash",
                   (int)MAX_CHAIN);
}

static pe_status resize(pe_vocab *v, size_t nslots, pe_error *err)
{
    pe_vocab_slot *slot = malloc(nslots * sizeof *slot);
    if (!slot) return pe_fail_nomem(err, "the vocabulary", nslots * sizeof *slot);
    memset(slot, 0xff, nslots * sizeof *slot);
    free(v->slot);
    v->slot = slot;
    v->nslots = nslots;
    v->shift = 64 - (unsigned)__builtin_ctzl(nslots);
    pe_vocab_start start = pe_vocab_begin("", 0);
    for (size_t i = 0; i < v->nids; i++) {
        if (!v->token[i] || !*v->token[i]) continue;
        size_t n = strlen(v->token[i]);
        uint64_t hash = hash_of(start.hash, v->token[i], n);
        pe_vocab_slot *s = probe(v, hash, &start, v->token[i], n);
        if (!s) return collide(err);
        *s = (pe_vocab_slot){ .tag = (uint32_t)hash, .id = (int32_t)i };
    }
    return PE_OK;
}

pe_status pe_vocab_reserve(pe_vocab *v, size_t ntokens, size_t nbytes, pe_error *err)
{
    size_t nslots = FIRST_SLOTS;
    v->blob_nbytes = nbytes + ntokens; /* each with its NUL */
    v->blob = malloc(v->blob_nbytes + 1);
    if (!v->blob) return pe_fail_nomem(err, "the vocabulary", v->blob_nbytes);
    while (nslots < 2 * ntokens && nslots < 2 * PE_VOCAB_MAX_IDS) nslots *= 2;
    return resize(v, nslots, err);
}

static pe_status grow_ids(pe_vocab *v, size_t nids, pe_error *err)
{
    if (nids > v->capacity) {
        size_t capacity = v->capacity ? v->capacity : 1024;
        while (capacity < nids) capacity *= 2;
        char **token = realloc(v->token, capacity * sizeof *token);
        if (!token) return pe_fail_nomem(err, "the vocabulary", capacity * sizeof *token);
        memset(token + v->capacity, 0, (capacity - v->capacity) * sizeof *token);
        v->token = token;
        v->capacity = capacity;
    }
    if (nids > v->nids) v->nids = nids;
    return PE_OK;
}

/* The string into its slot; an id that it had before becomes free. */
static pe_status enter(pe_vocab *v, const char *token, size_t nbytes, int32_t id, pe_error *err)
{
    pe_vocab_start start = pe_vocab_begin("", 0);
    uint64_t hash = hash_of(start.hash, token, nbytes);
    pe_status st = PE_OK;
    if (2 * (v->ntokens + 1) > v->nslots) st = resize(v, 2 * v->nslots, err);
    pe_vocab_slot *s = st ? NULL : probe(v, hash, &start, token, nbytes);
    if (!s) return st ? st : collide(err);
    if (s->id >= 0) v->token[s->id] = NULL;
    else v->ntokens++;
    *s = (pe_vocab_slot){ .tag = (uint32_t)hash, .id = id };
    if (nbytes > v->longest) v->longest = nbytes;
    return PE_OK;
}

pe_status pe_vocab_add(pe_vocab *v, const char *token, size_t nbytes, int64_t id, pe_error *err)
{
    if (id < 0 || id >= PE_VOCAB_MAX_IDS)
        return pe_fail(err, PE_E_INPUT, "vocabulary: \"%.40s\": found id %lld, expected 0 to %d",
                       token, (long long)id, PE_VOCAB_MAX_IDS - 1);
    if (nbytes > PE_VOCAB_MAX_TOKEN || nbytes + 1 > v->blob_nbytes - v->blob_used)
        return pe_fail(err, PE_E_INPUT,
                       "vocabulary: \"%.40s\"...: a token of %zu bytes, expected at most %d", token,
                       nbytes, PE_VOCAB_MAX_TOKEN);
    if ((size_t)id < v->nids && v->token[id])
        return pe_fail(err, PE_E_INPUT, "vocabulary: \"%.40s\" and \"%.40s\" have the same id %lld",
                       v->token[id], token, (long long)id);
    pe_status st = grow_ids(v, (size_t)id + 1, err);
    if (!st && nbytes) st = enter(v, token, nbytes, (int32_t)id, err);
    if (st) return st;
    v->ntokens += !nbytes;
    char *copy = v->blob + v->blob_used;
    memcpy(copy, token, nbytes);
    copy[nbytes] = '\0';
    v->blob_used += nbytes + 1;
    v->token[id] = copy;
    return PE_OK;
}

void pe_vocab_release(pe_vocab *v)
{
    free(v->slot);
    free(v->token);
    free(v->blob);
    memset(v, 0, sizeof *v);
}

static int32_t find(const pe_vocab *v, uint64_t hash, const pe_vocab_start *start, const char *text,
                    size_t nbytes)
{
    const pe_vocab_slot *s = probe(v, hash, start, text, nbytes);
    return s ? s->id : -1;
}

int32_t pe_vocab_find(const pe_vocab *v, const char *token, size_t nbytes)
{
    pe_vocab_start start = pe_vocab_begin("", 0);
    if (!nbytes || !v->nslots) return -1;
    return find(v, hash_of(start.hash, token, nbytes), &start, token, nbytes);
}

/* For strings too long to keep the hash of each beginning: the last match on the way counts. */
static int32_t longest_forward(size_t *nmatch, const pe_vocab *v, const pe_vocab_start *start,
                               const char *text, size_t most)
{
    int32_t best = -1;
    uint64_t hash = start->hash;
    for (size_t n = 1; n <= most; n++) {
        hash = extend(hash, text[n - 1]);
        int32_t id = find(v, hash, start, text, n);
        if (id < 0) continue;
        best = id;
        *nmatch = n;
    }
    return best;
}

int32_t pe_vocab_longest(size_t *nmatch, const pe_vocab *v, const pe_vocab_start *start,
                         const char *text, size_t nbytes)
{
    uint64_t hash[128];
    if (v->longest <= start->nbytes) return -1;
    size_t most = v->longest - start->nbytes;
    if (most > nbytes) most = nbytes;
    if (most > sizeof hash / sizeof *hash) return longest_forward(nmatch, v, start, text, most);
    uint64_t h = start->hash;
    for (size_t n = 0; n < most; n++) hash[n] = h = extend(h, text[n]);
    for (size_t n = most; n > 0; n--) {
        if (n < nbytes && ((unsigned char)text[n] & 0xc0) == 0x80)
            continue; /* inside a character */
        int32_t id = find(v, hash[n - 1], start, text, n);
        if (id < 0) continue;
        *nmatch = n;
        return id;
    }
    return -1;
}
