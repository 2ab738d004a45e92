/* lib/text/trie.c - insertion into the edge table, which doubles when half full.
 * Read next: lib/text/trie.h. */
#include "lib/text/trie.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"

static void put_edge(pe_trie *t, uint64_t e)
{
    uint32_t key = (uint32_t)(e >> 32);
    size_t i = key * UINT32_C(2654435769) >> t->shift;
    while (t->edge[i]) i = (i + 1) & (t->nslots - 1);
    t->edge[i] = e;
}

static pe_status resize(pe_trie *t, size_t nslots, pe_error *err)
{
    uint64_t *edge = calloc(nslots, sizeof *edge), *old = t->edge;
    if (!edge) return pe_fail_nomem(err, "added tokens", nslots * sizeof *edge);
    size_t nold = t->nslots;
    t->edge = edge;
    t->nslots = nslots;
    t->shift = 32 - (unsigned)__builtin_ctzl(nslots);
    for (size_t i = 0; i < nold; i++)
        if (old[i]) put_edge(t, old[i]);
    free(old);
    return PE_OK;
}

static pe_status new_node(pe_trie *t, uint32_t *out, pe_error *err)
{
    if (t->nnodes >= PE_TRIE_MAX_NODES)
        return pe_fail(err, PE_E_INPUT, "added_tokens: they need more than %d trie nodes",
                       (int)PE_TRIE_MAX_NODES);
    if (t->nnodes == t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : 256;
        int32_t *value = realloc(t->value, capacity * sizeof *value);
        if (!value) return pe_fail_nomem(err, "added tokens", capacity * sizeof *value);
        t->value = value;
        t->capacity = capacity;
    }
    t->value[t->nnodes] = -1;
    *out = (uint32_t)t->nnodes++;
    return PE_OK;
}

/* The child of node along byte, made when missing. */
static pe_status descend(pe_trie *t, uint32_t *node, unsigned char byte, pe_error *err)
{
    uint32_t e = pe_trie_step(t, *node, byte);
    if (e) {
        *node = e >> 1;
        return PE_OK;
    }
    uint32_t child = 0;
    pe_status st = PE_OK;
    if (2 * (t->nedges + 1) > t->nslots) st = resize(t, t->nslots ? 2 * t->nslots : 512, err);
    if (!st) st = new_node(t, &child, err);
    if (st) return st;
    put_edge(t, (uint64_t)(*node << 8 | byte) << 32 | child << 1);
    t->nedges++;
    *node = child;
    return PE_OK;
}

/* Sets the ends-here bit of the edge from parent along byte. */
static void mark_end(pe_trie *t, uint32_t parent, unsigned char byte)
{
    uint32_t key = parent << 8 | byte;
    size_t i = key * UINT32_C(2654435769) >> t->shift;
    while (t->edge[i] >> 32 != key || !t->edge[i]) i = (i + 1) & (t->nslots - 1);
    t->edge[i] |= 1;
}

pe_status pe_trie_add(pe_trie *t, const char *text, size_t nbytes, int32_t value, pe_error *err)
{
    pe_status st = PE_OK;
    uint32_t node = PE_TRIE_ROOT, parent = PE_TRIE_ROOT;
    if (!t->nnodes) st = new_node(t, &node, err);
    for (size_t i = 0; !st && i < nbytes; i++) {
        parent = node;
        st = descend(t, &node, (unsigned char)text[i], err);
    }
    if (st) return st;
    if (t->value[node] < 0) mark_end(t, parent, (unsigned char)text[nbytes - 1]);
    t->value[node] = value;
    return PE_OK;
}

void pe_trie_release(pe_trie *t)
{
    free(t->edge);
    free(t->value);
    memset(t, 0, sizeof *t);
}

int32_t pe_trie_find(const pe_trie *t, const char *text, size_t nbytes)
{
    uint32_t node = PE_TRIE_ROOT;
    for (size_t i = 0; i < nbytes; i++) {
        uint32_t e = pe_trie_step(t, node, (unsigned char)text[i]);
        if (!e) return -1;
        node = e >> 1;
    }
    return nbytes ? t->value[node] : -1;
}
