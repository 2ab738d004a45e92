/* pe/recipe.h - the file that joins passes: read, checked, planned, run, gated.
 * Lives in libpe-recipe, so that libpe.so links neither libyaml nor libgit2. */
#ifndef PE_RECIPE_H
#define PE_RECIPE_H

#include <pe/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pe_recipe pe_recipe;
/* Errors carry file:line:column. Nothing but the recipe is read. */
PE_API pe_status pe_recipe_open(pe_recipe **out, const char *path, pe_error *err);
PE_API void pe_recipe_close(pe_recipe *r);
/* Model, data and every step's modules checked; JSON of the plan ("pe.plan/1") from malloc. */
PE_API pe_status pe_recipe_plan(char **json, const pe_recipe *r, pe_pool *pool, pe_error *err);

typedef struct pe_recipe_run_params {
    const char *out; /* directory of the final checkpoint */
    bool replace, no_cache;
    bool keep_steps;   /* copies of the steps' checkpoints as OUT.steps/1-prune .. */
    bool no_timing;    /* neither measure latency nor tune the final checkpoint */
    const char *cache; /* NULL = $XDG_CACHE_HOME/pe/steps */
    pe_pool *pool;
    pe_progress progress;
    /* Called after every step with its row of the table as JSON. */
    void (*on_step)(void *user, const char *json);
    void *user;
} pe_recipe_run_params;
/* *json: "pe.recipe/1": steps with metrics, sizes, latency and verdict, from malloc, also when a
 * gate did not pass. Status as the final gate's, or of the step's own gate that stopped the run.
 * `out` appears only with a checkpoint that passed: the final one, or after a step's gate stopped
 * the run the last one that had passed a gate of its own. */
PE_API pe_status pe_recipe_run(char **json, const pe_recipe *r, const pe_recipe_run_params *p,
                               pe_error *err);

#ifdef __cplusplus
}
#endif
#endif
