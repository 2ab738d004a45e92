/* lib/prune/pattern.c - see pattern.h.
 * Read next: lib/prune/lowest.c. */
#include "lib/prune/pattern.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/prune/lowest.h"

/* Digits up to PE_PATTERN_MAX at *s; 0 when there are none or too many. */
static uint32_t parse_count(const char **s)
{
    uint32_t v = 0;

    while (**s >= '0' && **s <= '9' && v <= PE_PATTERN_MAX) v = v * 10 + (uint32_t)(*(*s)++ - '0');
    return v <= PE_PATTERN_MAX ? v : 0;
}

pe_status pe_pattern_parse(pe_pattern *out, const char *text, pe_error *err)
{
    const char *s = text;
    uint32_t a, b;
    char mid;

    memset(out, 0, sizeof *out);
    if (text == NULL || *text == 0) return PE_OK;
    a = parse_count(&s);
    mid = *s;
    if (mid != 0) s++;
    b = parse_count(&s);
    if (a == 0 || b == 0 || *s != 0 || (mid != ':' && mid != 'x'))
        return pe_fail(err, PE_E_ARG,
                       "pattern \"%s\": expected N:M or RxC with numbers of 1 to %d, "
                       "as 2:4 or 1x4",
                       text, PE_PATTERN_MAX);
    if (mid == ':' && a > b)
        return pe_fail(err, PE_E_ARG,
                       "pattern \"%s\": cannot keep %u of every %u inputs; "
                       "N:M needs N no larger than M",
                       text, a, b);
    out->kind = mid == ':' ? PE_PATTERN_NM : PE_PATTERN_BLOCK;
    out->keep = out->rows = a;
    out->of = out->cols = b;
    return PE_OK;
}

uint64_t pe_pattern_rows(const pe_pattern *p)
{
    return p->kind == PE_PATTERN_BLOCK ? p->rows : 1;
}

uint64_t pe_pattern_nblocks(const pe_pattern *p, uint64_t n, uint64_t k)
{
    return (n / p->rows + (n % p->rows != 0)) * (k / p->cols + (k % p->cols != 0));
}

static double block_sum(const float *w, size_t nrows, size_t ncols, size_t k)
{
    double sum = 0;

    for (size_t r = 0; r < nrows; r++) {
        for (size_t c = 0; c < ncols; c++) sum += fabs((double)w[r * k + c]);
    }
    return sum;
}

/* Whole 1x4 blocks of a row, the usual case; the same sums in the same order. */
static double *scores_1x4(double *out, const float *w, size_t nblocks)
{
    for (size_t i = 0; i < nblocks; i++, w += 4) {
        double a = fabs((double)w[0]), b = fabs((double)w[1]);
        double c = fabs((double)w[2]), d = fabs((double)w[3]);

        out[i] = ((a + b) + c) + d;
    }
    return out + nblocks;
}

void pe_pattern_scores(double *out, const pe_pattern *p, const float *w, size_t nrows, size_t k)
{
    size_t full = (size_t)p->rows * p->cols;

    for (size_t r = 0; r < nrows; r += p->rows) {
        size_t h = nrows - r < p->rows ? nrows - r : p->rows;

        if (full == 4 && p->rows == 1) out = scores_1x4(out, w + r * k, k / 4);
        for (size_t c = full == 4 && p->rows == 1 ? k / 4 * 4 : 0; c < k; c += p->cols) {
            size_t b = k - c < p->cols ? k - c : p->cols;
            double sum = block_sum(w + r * k + c, h, b, k);

            *out++ = h * b == full ? sum : sum / (double)(h * b) * (double)full;
        }
    }
}

static void zero_block(float *w, size_t nrows, size_t ncols, size_t k)
{
    for (size_t r = 0; r < nrows; r++) memset(w + r * k, 0, ncols * sizeof *w);
}

uint64_t pe_pattern_zero_blocks(float *w, const pe_pattern *p, const double *scores, size_t nrows,
                                size_t k, double threshold, uint64_t keep_equal)
{
    uint64_t kept = 0;

    for (size_t r = 0; r < nrows; r += p->rows) {
        size_t h = nrows - r < p->rows ? nrows - r : p->rows;

        for (size_t c = 0; c < k; c += p->cols, scores++) {
            bool gone = *scores < threshold;

            if (*scores == threshold) {
                gone = kept == keep_equal;
                kept += !gone;
            }
            if (gone || *scores == 0)
                zero_block(w + r * k + c, h, k - c < p->cols ? k - c : p->cols, k);
        }
    }
    return kept;
}

/* Equal ones after the first `keep`. */
static void zero_equal(float *w, size_t n, float value, uint64_t keep)
{
    for (size_t i = 0; i < n; i++) {
        if (fabsf(w[i]) != value) continue;
        if (keep > 0) keep--;
        else w[i] = 0;
    }
}

uint64_t pe_pattern_zero_below(const pe_kernels *kern, float *w, size_t n, float threshold,
                               uint64_t keep_equal)
{
    uint64_t equal;

    if (threshold == 0) { /* only zeros can be equal to it: all become +0 */
        kern->zero_below(w, n, FLT_TRUE_MIN);
        return 0;
    }
    equal = kern->zero_below(w, n, threshold);
    if (equal <= keep_equal) return equal;
    zero_equal(w, n, threshold, keep_equal);
    return keep_equal;
}

/* The key of rank `rank` (from 0), bit by bit from the top: counts, no moves, no branches. */
static uint32_t key_of_rank(const uint32_t *keys, size_t n, uint64_t rank)
{
    uint32_t key = 0;

    for (int bit = 30; bit >= 0; bit--) {
        uint32_t next = key | (UINT32_C(1) << bit), below = 0;

        for (size_t i = 0; i < n; i++) below += keys[i] < next;
        if (below <= rank) key = next;
    }
    return key;
}

void pe_pattern_zero_rows(float *w, size_t nrows, size_t k, double sparsity, uint32_t *keys)
{
    uint64_t count = pe_select_count(sparsity, k);

    for (size_t r = 0; r < nrows; r++, w += k) {
        uint64_t below = 0, equal = 0;
        uint32_t key;

        memcpy(keys, w, k * sizeof *keys);
        for (size_t i = 0; i < k; i++) {
            keys[i] &= 0x7fffffffu;
            if (keys[i] == 0) w[i] = 0; /* -0 */
        }
        if (count == 0) continue;
        key = key_of_rank(keys, k, count - 1);
        for (size_t i = 0; i < k; i++) {
            below += keys[i] < key;
            equal += keys[i] == key;
        }
        equal = below + equal - count; /* so many of the equal ones stay */
        for (size_t i = 0; i < k; i++) {
            bool gone = keys[i] < key || (keys[i] == key && equal == 0);

            if (keys[i] == key && equal > 0) equal--;
            if (gone) w[i] = 0;
        }
    }
}
