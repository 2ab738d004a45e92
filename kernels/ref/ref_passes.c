/* kernels/ref/ref_passes.c - the meaning of the kernels that prune by magnitude and count zeros.
 * Read next: kernels/avx2/passes_avx2.c. */
#include "kernels/variants.h"

#include <math.h>
#include <string.h>

size_t pe_magnitude_bracket_ref(float *mid, size_t *nmid, const float *x, size_t n, float lo,
                                float hi)
{
    size_t below = 0, found = *nmid;
    for (size_t i = 0; i < n; i++) {
        float a = fabsf(x[i]);
        below += a < lo;
        if (a >= lo && a <= hi) mid[found++] = a;
    }
    *nmid = found;
    return below;
}

size_t pe_zero_below_ref(float *x, size_t n, float t)
{
    size_t equal = 0;
    for (size_t i = 0; i < n; i++) {
        equal += fabsf(x[i]) == t;
        if (fabsf(x[i]) < t) x[i] = 0;
    }
    return equal;
}

/* Magnitudes as bits: a total order, NaN above all, so every rank is found whatever the data. */
static uint32_t magnitude(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x7fffffff;
}

/* Rank of element i of a group: how many come before it, larger magnitudes first, then lower
 * indices. */
static int rank_of(const float *g, int of, int i)
{
    int rank = 0;
    uint32_t a = magnitude(g[i]);
    for (int j = 0; j < of; j++) rank += magnitude(g[j]) > a || (magnitude(g[j]) == a && j < i);
    return rank;
}

/* Zeroes everything that comes after the last one to keep. */
static void prune_group(float *g, int keep, int of)
{
    int last = 0;
    while (rank_of(g, of, last) != keep - 1) last++;
    uint32_t a = magnitude(g[last]);
    for (int i = 0; i < of; i++)
        if (magnitude(g[i]) < a || (magnitude(g[i]) == a && i > last)) g[i] = 0;
}

void pe_prune_nm_ref(float *x, size_t n, int keep, int of)
{
    for (size_t i = 0; i + (size_t)of <= n; i += (size_t)of) prune_group(x + i, keep, of);
}

size_t pe_count_zero_ref(const void *x, size_t n, size_t elem_nbytes)
{
    const unsigned char *p = x;
    size_t zeros = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = 0;
        memcpy(&bits, p + i * elem_nbytes, elem_nbytes);
        zeros += bits == 0;
    }
    return zeros;
}
