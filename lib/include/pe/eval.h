/* pe/eval.h - how good is a model on labelled rows, and is it worse than another one, proven.
 * Statistics: Tango (1998) score interval for paired proportions, mid-p McNemar (Fagerland 2013),
 * Wilson (1927), percentile bootstrap with Philox streams. */
#ifndef PE_EVAL_H
#define PE_EVAL_H

#include <pe/base.h>
#include <pe/data.h>
#include <pe/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pe_eval_params {
    const char *const *data; /* files, evaluated together */
    size_t ndata;
    pe_data_params columns;
    const char *task;     /* NULL = from the model: classify, multilabel, regress, tokens, embed */
    const char *baseline; /* model directory, NULL = none */
    /* Of the gate; NULL = the first of the task's:
     *   classify, tokens  accuracy macro_f1 micro_f1 mcc nll ece brier
     *   multilabel        accuracy (all labels right) macro_f1 micro_f1 nll
     *   regress           pearson spearman mse
     *   embed             cosine (to the baseline's embedding), spearman pearson (of pairs) */
    const char *metric;
    double max_drop;          /* gate: largest loss that passes; < 0 or no baseline = no gate */
    double confidence;        /* 0 = 0.95, one-sided for the gate */
    size_t batch, max_length; /* 0 = 32 and the model's */
    uint64_t seed;
    const char *records; /* JSONL of per-row results, NULL = none */
    pe_pooling pooling;  /* of bare encoders that do not say how they make embeddings */
    bool normalize;      /* with pooling: embeddings of length 1 */
    const char *device, *exec_layout, *tune_file, *precision; /* as pe_model_params */
    uint64_t max_vram;
    pe_pool *pool;
    pe_progress progress;
} pe_eval_params;

/* *json: "pe.eval/1" of docs/cli.md, from malloc, set also when the gate fails.
 * PE_OK pass or no gate; PE_E_NEGATIVE fail; PE_E_INCONCLUSIVE with the rows that would decide. */
PE_API pe_status pe_eval_model(char **json, const char *model, const pe_eval_params *p,
                               pe_error *err);

#ifdef __cplusplus
}
#endif
#endif
