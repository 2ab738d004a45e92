/* lib/eval/metrics.h - metrics of a task from scores, with intervals, alone or next to a baseline.
 * Read next: lib/eval/stats.h for the arithmetic. */
#ifndef PE_EVAL_METRICS_H
#define PE_EVAL_METRICS_H

#include <jansson.h>

#include "lib/eval/scores.h"
#include "lib/eval/stats.h"

#define PE_MAX_METRICS 8

typedef struct pe_metric_info {
    const char *name;
    bool lower_better;
} pe_metric_info;
/* Metrics of a task in the order of reports. paired: "cosine" against a baseline is among them;
 * labelled: embeddings have a gold similarity. */
size_t pe_task_metrics(pe_metric_info out[PE_MAX_METRICS], pe_eval_task task, bool labelled,
                       bool paired);

/* What the metrics of one system need of each unit or row, computed once and resampled often. */
typedef struct pe_view {
    const pe_scores *s;
    size_t nmetrics;
    pe_metric_info metric[PE_MAX_METRICS];
    uint32_t *pred;               /* [nunits] */
    double *nll, *brier;          /* [nunits] classify, tokens; nll [nrows] multilabel */
    double *confidence;           /* [nunits] */
    uint8_t *bin;                 /* [nunits] of the confidence */
    uint8_t *multi;               /* [nrows, nlabels] predictions */
    double *value;                /* [nrows] regress: output; embed: cosine of the pair */
    uint32_t *order, *gold_order; /* [nrows] for ranks */
    double *cosine;               /* [nrows] embed: to the baseline's embedding */
} pe_view;
/* base: the baseline's scores over the same rows, or NULL. */
pe_status pe_view_new(pe_view **out, const pe_scores *s, const pe_scores *base, pe_arena *arena,
                      pe_error *err);
size_t pe_view_nscratch(const pe_view *v);
/* Values of v's metrics over rows that come times[r] times each (NULL: once). */
void pe_view_metrics(double *out, double *scratch, const pe_view *v, const uint32_t *times);
double pe_cosine(const float *a, const float *b, size_t n); /* NaN when one is zero */

/* Everything about a system and its baseline that depends on resampling. */
typedef struct pe_result {
    size_t resamples;
    double value[PE_MAX_METRICS], base_value[PE_MAX_METRICS];
    pe_interval ci[PE_MAX_METRICS], base_ci[PE_MAX_METRICS]; /* 95 %, two-sided */
    double drop;        /* of the gate's metric; what the baseline has more of */
    pe_interval bounds; /* of the drop, each one-sided at `confidence` */
    bool tango;
    double b, c; /* tango: units right only in the baseline, only in the model */
} pe_result;
/* gate: index of the gate's metric, or -1. base NULL: no baseline. */
pe_status pe_result_of(pe_result *out, const pe_view *v, const pe_view *base, int gate,
                       double confidence, uint64_t seed, pe_pool *pool, pe_error *err);

#endif
