/* lib/eval/stats.h - the numbers behind a verdict: distributions, intervals, paired tests, metrics.
 * Read next: lib/eval/scores.h, which turns a model's outputs into the inputs of these. */
#ifndef PE_EVAL_STATS_H
#define PE_EVAL_STATS_H

#include <pe/base.h>

/* ---- distributions (dist.c) ---- */
double pe_normal_cdf(double z);
double pe_normal_quantile(double p); /* -inf at 0, inf at 1, NaN outside */
/* P(X = k) and P(X <= k) for X ~ Binomial(n, p); the tail is summed from its large end. */
double pe_binomial_pmf(uint64_t n, uint64_t k, double p);
double pe_binomial_cdf(uint64_t n, uint64_t k, double p);
/* Regularized incomplete beta function I_x(a, b), a and b > 0. */
double pe_beta_inc(double x, double a, double b);

typedef struct pe_interval {
    double lower, upper;
} pe_interval;
/* Two-sided intervals of a proportion, k right of n > 0, at `level` (0.95). */
pe_interval pe_wilson(uint64_t n, uint64_t k, double level);          /* Wilson (1927) */
pe_interval pe_clopper_pearson(uint64_t n, uint64_t k, double level); /* exact */

/* ---- paired proportions (paired.c) ----
 * n pairs; b of them right under the first system and wrong under the second, c the reverse.
 * The difference is (b - c) / n: what the second one loses. */
/* One-sided score bounds, each at `level` (Tango, Stat. Med. 17, 1998). Real counts are meant:
 * planning scales them. n > 0. */
pe_interval pe_tango(double n, double b, double c, double level);
/* Two-sided mid-p value of McNemar's test (Fagerland et al., BMC Med. Res. Methodol. 13:91). */
double pe_mcnemar_mid_p(uint64_t b, uint64_t c);

typedef enum pe_verdict { PE_VERDICT_PASS, PE_VERDICT_FAIL, PE_VERDICT_INCONCLUSIVE } pe_verdict;
const char *pe_verdict_name(pe_verdict v);
/* Is a drop within `margin`? PASS: the upper bound is; FAIL: the lower bound is beyond it. */
pe_verdict pe_verdict_of(pe_interval bounds, double margin);
/* Rows at which the observed rates of b and c would decide; 0: no number of rows does (the observed
 * drop is the margin itself), or more than 10^12. */
uint64_t pe_tango_rows(double n, double b, double c, double level, double margin);
/* Same for an interval whose width shrinks with the square root of the rows. */
uint64_t pe_interval_rows(uint64_t n, double point, pe_interval bounds, double margin);

/* ---- bootstrap (resample.c) ----
 * Resample r draws n rows with replacement: draw j is (u32 * n) >> 32 of word j of the Philox
 * stream (seed, stream, r). times[i] is how often row i came; the same rows serve every system. */
typedef void pe_statistic_fn(double *out /* [nstats] */, double *scratch /* [nscratch] */,
                             const void *arg, const uint32_t *times);
typedef struct pe_resampling {
    size_t n, resamples, nstats, nscratch; /* n up to 2^31 */
    uint64_t seed;
    uint32_t stream;
    pe_pool *pool;
} pe_resampling;
/* values [nstats * resamples]: each statistic's values, sorted, undefined ones (NaN) last. */
pe_status pe_bootstrap(double *values, const pe_resampling *r, pe_statistic_fn *fn, const void *arg,
                       pe_error *err);
void pe_resample_indices(uint32_t *out /* [n] */, const pe_resampling *r, uint32_t index);
/* Position p * (n - 1) of sorted values, linear between neighbours. */
double pe_percentile(const double *sorted, size_t n, double p);
/* Percentile bounds, each at `level` one-sided. NaN if over one value in a hundred is undefined. */
pe_interval pe_bootstrap_bounds(const double *sorted, size_t n, double level);

/* ---- correlation (correlate.c) ----
 * NaN for a constant vector. times NULL = every row once. */
double pe_pearson(const double *x, const double *y, const uint32_t *times, size_t n);
/* order[i] = index of the i-th smallest (ties: by index). PE_E_NOMEM never: sorts in place. */
void pe_sort_order(uint32_t *order, const double *x, size_t n);
/* Average ranks of the rows that times[] selects, 1-based; rank[i] of an absent row is untouched.
 */
void pe_ranks(double *rank, const double *x, const uint32_t *order, const uint32_t *times,
              size_t n);
/* Pearson of average ranks. PE_E_NOMEM. */
pe_status pe_spearman(double *out, const double *x, const double *y, size_t n, pe_error *err);

/* ---- classification (classmetric.c) ---- */
/* First of equal maxima. */
uint32_t pe_argmax(const float *x, size_t n);
/* p[n] = softmax in double; returns log(sum exp(x - max)) + max. */
double pe_softmax_f64(double *p, const float *x, size_t n);
/* Rows per class: tally [3 * nclasses] = gold, predicted, right; added to what is there. */
void pe_tally_add(double *tally, uint32_t nclasses, uint32_t gold, uint32_t pred, double times);
typedef struct pe_class_metrics {
    double accuracy, macro_f1, micro_f1, mcc;
} pe_class_metrics;
/* A class without gold and predictions counts 0 in the macro average; mcc 0 if undefined (it is the
 * multiclass coefficient of Gorodkin, Comput. Biol. Chem. 28, 2004). */
pe_class_metrics pe_tally_metrics(const double *tally, uint32_t nclasses);
/* f1, precision, recall [nclasses], each may be NULL; 0 where undefined. */
void pe_tally_per_class(double *f1, double *precision, double *recall, const double *tally,
                        uint32_t nclasses);
#define PE_ECE_BINS 15
/* Bin of a confidence: equal bins (lo, hi]. */
uint32_t pe_ece_bin(double confidence);
/* Per bin: rows, right ones, sum of confidence. */
double pe_ece(const double rows[PE_ECE_BINS], const double right[PE_ECE_BINS],
              const double confidence[PE_ECE_BINS]);
/* KL(p || q) in nats of softmax(x) against softmax(y). */
double pe_kl_logits(const float *x, const float *y, size_t n);

#endif
