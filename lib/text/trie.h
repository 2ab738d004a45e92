/* lib/text/trie.h - byte strings to numbers, walked a byte at a time: longest match without copies.
 * Read next: lib/text/added.c. */
#ifndef PE_TEXT_TRIE_H
#define PE_TEXT_TRIE_H

#include <pe/base.h>

/* Edges live in one open-addressing table under the key node << 8 | byte: as fast as a double array
 * here, and built by plain insertion. All-zero is an empty trie. Immutable once built. */
typedef struct pe_trie {
    uint64_t *edge; /* key << 32 | child << 1 | whether a string ends at the child; 0 = free */
    int32_t *value; /* of each node; -1 = no string ends there */
    unsigned shift; /* 32 - log2 of the table size */
    size_t nslots, nedges, nnodes, capacity;
} pe_trie;

enum { PE_TRIE_ROOT = 0, PE_TRIE_MAX_NODES = (1 << 24) - 1 };

/* nbytes > 0. A string that is there already gets the new value. PE_E_INPUT: too many nodes. */
pe_status pe_trie_add(pe_trie *t, const char *text, size_t nbytes, int32_t value, pe_error *err);
void pe_trie_release(pe_trie *t);

/* child << 1 | ends-here, 0 when there is no such edge. */
static inline uint32_t pe_trie_step(const pe_trie *t, uint32_t node, unsigned char byte)
{
    if (!t->nslots) return 0;
    uint32_t key = node << 8 | byte;
    size_t mask = t->nslots - 1;
    for (size_t i = key * UINT32_C(2654435769) >> t->shift;; i = (i + 1) & mask) {
        uint64_t e = t->edge[i];
        if (e >> 32 == key && e) return (uint32_t)e;
        if (!e) return 0;
    }
}

/* The value of the whole string, -1 when it is not in. */
int32_t pe_trie_find(const pe_trie *t, const char *text, size_t nbytes);

#endif
