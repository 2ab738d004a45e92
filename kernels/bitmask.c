/* kernels/bitmask.c - packs an int8 matrix as bits and non-zero codes.
 * Read next: kernels/bitmask.h. */
#include "kernels/bitmask.h"

#include <string.h>

#include "lib/base/checked.h"

enum { ROWS = PE_BITMASK_ROWS, OVERREAD = 64 };

static size_t ngroups_of(size_t n)
{
    return pe_round_up(n, 16) / ROWS;
}
static size_t nwords_of(size_t k)
{
    return (k + 63) / 64;
}
static size_t values_at(size_t n, size_t k)
{
    return (ngroups_of(n) + 1 + ngroups_of(n) * nwords_of(k) * ROWS) * sizeof(uint64_t);
}

size_t pe_bitmask_nbytes(const pe_matrix *w)
{
    size_t nonzero = 0;
    for (size_t i = 0; i < w->n * w->k; i++) nonzero += w->s8[i] != 0;
    return values_at(w->n, w->k) + nonzero + OVERREAD;
}

/* The mask of 64 inputs from i on of row n; its codes that are not zero go to values. */
static uint64_t pack_word(int8_t *values, const pe_matrix *w, size_t n, size_t i)
{
    uint64_t mask = 0;
    for (size_t j = 0; n < w->n && j < 64 && i + j < w->k; j++) {
        int8_t code = w->s8[n * w->k + i + j];
        if (!code) continue;
        mask |= 1ull << j;
        *values++ = code;
    }
    return mask;
}

void pe_bitmask_pack(void *packed, const pe_matrix *w)
{
    size_t ngroups = ngroups_of(w->n), nwords = nwords_of(w->k);
    uint64_t *begin = packed, *mask = begin + ngroups + 1, at = 0;
    int8_t *values = (int8_t *)packed + values_at(w->n, w->k);
    for (size_t g = 0; g < ngroups; g++) {
        begin[g] = at;
        for (size_t i = 0; i < nwords; i++)
            for (size_t r = 0; r < ROWS; r++, mask++) {
                *mask = pack_word(values + at, w, g * ROWS + r, 64 * i);
                at += (uint64_t)__builtin_popcountll(*mask);
            }
    }
    begin[ngroups] = at;
    memset(values + at, 0, OVERREAD);
}

pe_bitmask pe_bitmask_view(const void *packed, size_t n, size_t k)
{
    const uint64_t *begin = packed;
    return (pe_bitmask){ nwords_of(k), begin, begin + ngroups_of(n) + 1,
                         (const int8_t *)packed + values_at(n, k) };
}
