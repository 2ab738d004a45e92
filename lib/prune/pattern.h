/* lib/prune/pattern.h - where zeros may lie: anywhere, N of every M inputs, whole blocks.
 * Read next: lib/prune/lowest.h (thresholds), lib/prune/prune_modules.h. */
#ifndef PE_PRUNE_PATTERN_H
#define PE_PRUNE_PATTERN_H

#include "kernels/kernels.h"

#define PE_PATTERN_MAX 1024 /* M, R and C */

typedef enum pe_pattern_kind { PE_PATTERN_ANY, PE_PATTERN_NM, PE_PATTERN_BLOCK } pe_pattern_kind;
typedef struct pe_pattern {
    pe_pattern_kind kind;
    uint32_t keep, of;   /* N:M: the largest `keep` of every `of` inputs stay */
    uint32_t rows, cols; /* RxC */
} pe_pattern;

/* "N:M" with 0 < N <= M, "RxC"; NULL or "" = anywhere. PE_E_ARG. */
pe_status pe_pattern_parse(pe_pattern *out, const char *text, pe_error *err);
/* Rows that must be seen together: R for blocks, else 1. */
uint64_t pe_pattern_rows(const pe_pattern *p);
/* Blocks of a matrix [n, k]; an edge that a block overlaps counts as one. */
uint64_t pe_pattern_nblocks(const pe_pattern *p, uint64_t n, uint64_t k);
/* Scores of the blocks of nrows rows (whole block rows, but for the last of the matrix), row-major:
 * the sum of |w| in double in row-major order; an edge block its mean times the full size. */
void pe_pattern_scores(double *out, const pe_pattern *p, const float *w, size_t nrows, size_t k);
/* Zeroes blocks below the threshold, and those equal to it after the first keep_equal; returns how
 * many equal ones stay. */
uint64_t pe_pattern_zero_blocks(float *w, const pe_pattern *p, const double *scores, size_t nrows,
                                size_t k, double threshold, uint64_t keep_equal);
/* Same for single weights: |w| below the threshold. -0 becomes +0. */
uint64_t pe_pattern_zero_below(const pe_kernels *kern, float *w, size_t n, float threshold,
                               uint64_t keep_equal);
/* The floor(sparsity * k + 0.5) lowest of every row; ties zero the higher column. keys: room for
 * k. */
void pe_pattern_zero_rows(float *w, size_t nrows, size_t k, double sparsity, uint32_t *keys);

#endif
