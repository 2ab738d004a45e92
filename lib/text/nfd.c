/* lib/text/nfd.c - canonical decomposition and ordering of marks (Unicode 9 data, UAX 15).
 * Read next: lib/text/unicode.h. */
#include <stdlib.h>
#include <string.h>

#include "lib/text/normalizer.h"
#include "lib/text/unicode.h"

/* Until the order is final, `begin` of a decomposed character says whether it is an extra one:
 * not the first of its decomposition. */
static size_t decompose(pe_nchar *out, const pe_nchars *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        uint32_t part[PE_UNI_NFD_MAX];
        size_t nparts = pe_uni_nfd(part, c->v[i].cp);
        for (size_t k = 0; k < nparts; k++) out[n++] = (pe_nchar){ .cp = part[k], .begin = k > 0 };
    }
    return n;
}

static void insertion_sort(pe_nchar *v, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        pe_nchar at = v[i];
        unsigned class = pe_uni(at.cp)->ccc;
        size_t j = i;
        for (; j > 0 && pe_uni(v[j - 1].cp)->ccc > class; j--) v[j] = v[j - 1];
        v[j] = at;
    }
}

static bool counting_sort(pe_nchar *v, size_t n)
{
    size_t start[257] = { 0 };
    pe_nchar *copy = malloc(n * sizeof *copy);
    if (!copy) return false;
    memcpy(copy, v, n * sizeof *copy);
    for (size_t i = 0; i < n; i++) start[pe_uni(v[i].cp)->ccc + 1]++;
    for (size_t k = 1; k < 257; k++) start[k] += start[k - 1];
    for (size_t i = 0; i < n; i++) v[start[pe_uni(copy[i].cp)->ccc]++] = copy[i];
    free(copy);
    return true;
}

/* Stable order by combining class within each run of marks. */
static bool order_marks(pe_nchar *v, size_t n)
{
    enum { SHORT_RUN = 32 };
    for (size_t i = 0; i < n;) {
        size_t end = i;
        while (end < n && pe_uni(v[end].cp)->ccc) end++;
        if (end - i > SHORT_RUN) {
            if (!counting_sort(v + i, end - i)) return false;
        } else if (end - i > 1) {
            insertion_sort(v + i, end - i);
        }
        i = end + 1;
    }
    return true;
}

bool pe_normalize_nfd(pe_nchars *c, pe_nchars *spare)
{
    bool needed = false;
    for (size_t i = 0; !needed && i < c->n; i++) {
        const pe_uni_record *r = pe_uni(c->v[i].cp);
        needed = (r->flags & PE_UNI_NFD) || r->ccc;
    }
    if (!needed) return true;
    if (!pe_nchars_room(spare, c->n * PE_UNI_NFD_MAX)) return false;
    size_t n = decompose(spare->v, c), source = 0;
    if (!order_marks(spare->v, n)) return false;
    for (size_t i = 0; i < n; i++) {
        if (!spare->v[i].begin) source++; /* an extra one shares the origin of the one before */
        const pe_nchar *from = &c->v[source ? source - 1 : 0];
        spare->v[i].begin = from->begin;
        spare->v[i].end = from->end;
    }
    spare->n = n;
    pe_nchars t = *c;
    *c = *spare;
    *spare = t;
    return true;
}
