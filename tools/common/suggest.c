/* tools/common/suggest.c - edit distance with transpositions over short words.
 * Read next: tools/common/suggest.h. */
#include "tools/common/suggest.h"

#include <string.h>

enum { MAX_WORD = 48 };

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Insertions, deletions, changes and swaps of neighbours that turn a into b. */
static size_t distance(const char *a, size_t na, const char *b, size_t nb)
{
    size_t d[MAX_WORD + 1][MAX_WORD + 1];
    for (size_t i = 0; i <= na; i++) d[i][0] = i;
    for (size_t j = 0; j <= nb; j++) d[0][j] = j;
    for (size_t i = 1; i <= na; i++) {
        for (size_t j = 1; j <= nb; j++) {
            d[i][j] =
                min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i][j] > d[i - 2][j - 2] + 1)
                d[i][j] = d[i - 2][j - 2] + 1;
        }
    }
    return d[na][nb];
}

const char *pe_suggest(const char *wrong, const char *const *words, size_t nwords)
{
    size_t n = strlen(wrong), best = (n <= 3 ? 1 : n / 3) + 1; /* farther is no help */
    const char *found = NULL;
    if (!n || n > MAX_WORD) return NULL;
    for (size_t i = 0; i < nwords; i++) {
        size_t m = strlen(words[i]);
        if (m > MAX_WORD) continue;
        if (n >= 2 && !strncmp(words[i], wrong, n)) return words[i];
        size_t d = distance(wrong, n, words[i], m);
        if (d < best && d < m) {
            best = d;
            found = words[i];
        }
    }
    return found;
}
