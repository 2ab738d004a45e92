/* lib/recipe/judge.h - checkpoints of a run next to the dense model: quality, bytes, time.
 * Read next: lib/recipe/run.c. */
#ifndef PE_RECIPE_JUDGE_H
#define PE_RECIPE_JUDGE_H

#include "lib/eval/report.h"
#include "lib/recipe/recipe_impl.h"

/* A gate's or eval step's data, read once, and the dense model's answers to it. */
typedef struct pe_court {
    const pe_judge *judge; /* NULL: nothing to judge by */
    pe_eval_set *set;
    pe_scores *base; /* of the dense model */
    bool borrowed;   /* set and base belong to another court over the same rows */
} pe_court;

/* like: a court whose rows are taken over when the data are the same; NULL = none. */
pe_status pe_court_open(pe_court *out, const pe_recipe *r, const pe_judge *j, const pe_court *like,
                        pe_pool *pool, pe_progress progress, pe_error *err);
void pe_court_close(pe_court *c);
/* "pe.eval/1" of a model; model NULL: the dense one on its own, from the answers that are there.
 * gate: judge it, else compare only. *out NULL: the court has nothing to judge by.
 * `scores` (NULL = none): answers of the same model for a court over the same rows, used instead of
 * running it again; what was run is left there. PE_E_NEGATIVE and PE_E_INCONCLUSIVE as the gate. */
pe_status pe_court_judge(json_t **out, const pe_court *c, const pe_recipe *r, const char *model,
                         bool gate, pe_scores **scores, pe_pool *pool, pe_progress progress,
                         pe_error *err);

/* {"weights", "matrices"}: stored bytes of all tensors, of the matrices of the layers. */
pe_status pe_measure_bytes(json_t **out, const char *model, pe_error *err);
/* Time of batches of 1 and of 32 rows of 32 tokens, best of some runs: [{"batch", "length", "ms",
 * "dense_ms", "speedup"}]; the dense model takes turns with it (NULL: it is the dense one). */
pe_status pe_measure_time(json_t **out, const char *model, const char *dense, pe_pool *pool,
                          pe_progress progress, pe_error *err);

#endif
