/* lib/eval/scores.h - labelled rows, and what one model says of each of them.
 * Read next: lib/eval/metrics.h, which turns scores into numbers with intervals. */
#ifndef PE_EVAL_SCORES_H
#define PE_EVAL_SCORES_H

#include <pe/eval.h>

#include "lib/base/arena.h"

typedef enum pe_eval_task {
    PE_TASK_CLASSIFY,
    PE_TASK_MULTILABEL,
    PE_TASK_REGRESS,
    PE_TASK_TOKENS,
    PE_TASK_EMBED,
    PE_NTASKS
} pe_eval_task;
const char *pe_task_name(pe_eval_task t);
pe_status pe_task_parse(pe_eval_task *out, const char *name, pe_error *err);

/* Several files as one list of rows. */
typedef struct pe_eval_set {
    size_t nfiles, nrows;
    pe_dataset **data;  /* [nfiles] */
    const char **paths; /* [nfiles], copied */
    size_t *first;      /* [nfiles + 1] rows of file f: first[f] .. first[f + 1] - 1 */
    const pe_row **row; /* [nrows] */
    uint32_t *file;     /* [nrows] */
    pe_arena *arena;
} pe_eval_set;
/* PE_E_INPUT: no rows at all. columns->limit counts per file. */
pe_status pe_eval_set_open(pe_eval_set **out, const char *const *paths, size_t npaths,
                           const pe_data_params *columns, pe_error *err);
void pe_eval_set_close(pe_eval_set *set);
/* Fills *err with "file:line: message". */
pe_status pe_eval_row_fail(pe_error *err, const pe_eval_set *set, size_t row, const char *fmt, ...)
    PE_PRINTF(4, 5);

/* Outputs of one model over a set. A unit is what is right or wrong: a row, or under `tokens` a
 * word of a row. */
typedef struct pe_scores {
    pe_eval_task task;
    size_t nrows, nunits, width;
    const size_t *unit; /* [nrows + 1] units of row r: unit[r] .. unit[r + 1] - 1 */
    float *out;         /* [nunits, width] logits; embed: [nrows, width] embeddings of text */
    float *out2;        /* embed: embeddings of text2, NULL without */
    uint32_t nlabels;
    const char **labels; /* [nlabels] */
    const char *match;   /* how labels were understood: "names", "ids", "names, case ignored",
                          * "numbers", NULL without labels */
    uint32_t *gold;      /* [nunits] classify, tokens */
    uint8_t *gold_multi; /* [nrows, nlabels] multilabel */
    double *gold_value;  /* [nrows] regress; embed where labelled */
    size_t truncated;    /* rows that the length limit cut */
    const char *path, *family, *weights;
    uint64_t nparams;
    pe_arena *arena;
} pe_scores;

/* Loads the model, matches the labels with its own and runs all rows, longest together. Of p only
 * task, batch, max_length, pooling, normalize, device, exec_layout, tune_file, pool and progress
 * are read. `what` is the word of the progress. */
pe_status pe_scores_new(pe_scores **out, const char *model, const pe_eval_set *set,
                        const pe_eval_params *p, const char *what, pe_error *err);
void pe_scores_free(pe_scores *s); /* NULL is fine */
/* Labels and units of s (task, nlabels and labels are set): gold*, unit, nunits, match. */
pe_status pe_gold_match(pe_scores *s, const pe_eval_set *set, pe_error *err);

#endif
