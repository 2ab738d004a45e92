/* lib/prune/score_key.c - how many go, and the k-th of some keys in memory.
 * Read next: lib/prune/lowest.c. */
#include "lib/prune/score_key.h"

#include <math.h>

uint64_t pe_select_count(double s, uint64_t n)
{
    double k = floor(s * (double)n + 0.5);

    if (!(k > 0)) return 0;
    return k >= (double)n ? n : (uint64_t)k;
}

uint64_t pe_select_key(const uint64_t *keys, size_t n, uint64_t lo, uint64_t hi, uint64_t k,
                       uint64_t *hist)
{
    while (lo < hi) {
        unsigned shift = bucket_shift(lo, hi);
        uint64_t end;
        size_t b;

        memset(hist, 0, PE_SELECT_BUCKETS * sizeof *hist);
        for (size_t i = 0; i < n; i++) {
            if (keys[i] >= lo && keys[i] <= hi) hist[(keys[i] - lo) >> shift]++;
        }
        b = find_bucket(hist, &k);
        lo += (uint64_t)b << shift;
        end = lo + ((UINT64_C(1) << shift) - 1);
        if (end < hi) hi = end;
    }
    return lo;
}
