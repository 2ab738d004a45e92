/* lib/recipe/stepparams.c - hands a step's parameters to the pass it names.
 * Read next: lib/recipe/run.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/digest.h"
#include "lib/base/error.h"
#include "lib/base/glob.h"
#include "lib/base/json.h"
#include "lib/io/ckpt.h"
#include "lib/model/roles.h"
#include "lib/recipe/recipe_impl.h"

static pe_data_params columns_of(const pe_recipe *r)
{
    return (pe_data_params){ .text = r->text_column,
                             .text2 = r->text2_column,
                             .label = r->label_column,
                             .format = r->format };
}

static pe_status run_prune(char **report, const pe_recipe *r, const pe_step *s, const char *in,
                           const char *out, const char *git, pe_pool *pool, pe_progress progress,
                           pe_error *err)
{
    pe_prune_params p = s->prune;

    p.picks = s->picks.v;
    p.npicks = s->picks.n;
    p.seed = (uint64_t)r->seed;
    p.replace = true;
    p.dry_run = !out;
    p.recipe = git;
    p.pool = pool;
    p.progress = progress;
    return pe_prune_checkpoint(report, in, out, &p, err);
}

static pe_status run_quantize(char **report, const pe_recipe *r, const pe_step *s, const char *in,
                              const char *out, const char *git, pe_pool *pool, pe_progress progress,
                              pe_error *err)
{
    pe_quant_params p = s->quant;

    p.calib = s->calib.path;
    p.calib_data = columns_of(r);
    p.calib_rows = (size_t)s->calib_rows;
    p.keep_float = s->keep_float.v;
    p.nkeep_float = s->keep_float.n;
    p.picks = s->picks.v;
    p.npicks = s->picks.n;
    p.seed = (uint64_t)r->seed;
    p.replace = true;
    p.dry_run = !out;
    p.recipe = git;
    p.pool = pool;
    p.progress = progress;
    return pe_quantize_checkpoint(report, in, out, &p, err);
}

static pe_status run_convert(char **report, const pe_step *s, const char *in, const char *out,
                             const char *git, pe_pool *pool, pe_progress progress, pe_error *err)
{
    pe_convert_params p = s->convert;

    p.block = (uint32_t)s->block;
    p.picks = s->picks.v;
    p.npicks = s->picks.n;
    p.replace = true;
    p.dry_run = !out;
    p.recipe = git;
    p.pool = pool;
    p.progress = progress;
    return pe_convert_checkpoint(report, in, out, &p, err);
}

pe_status pe_step_run(char **report, const pe_recipe *r, const pe_step *s, const char *in,
                      const char *out, const char *git, pe_pool *pool, pe_progress progress,
                      pe_error *err)
{
    pe_status st = PE_OK;

    if (s->op == PE_STEP_PRUNE) st = run_prune(report, r, s, in, out, git, pool, progress, err);
    else if (s->op == PE_STEP_QUANTIZE)
        st = run_quantize(report, r, s, in, out, git, pool, progress, err);
    else if (s->op == PE_STEP_CONVERT)
        st = run_convert(report, s, in, out, git, pool, progress, err);
    return st && st != PE_E_CANCELLED ? pe_recipe_prefix(err, st, r, s->at) : st;
}

static pe_status check_list(const pe_recipe *r, const pe_pick_list *list, const char *const *names,
                            size_t n, pe_error *err)
{
    for (size_t i = 0; i < list->n; i++) {
        size_t k = 0;
        while (k < n && !pe_glob_match(list->v[i].glob, names[k])) k++;
        if (k == n)
            return pe_recipe_fail(err, PE_E_INPUT, r, list->at[i],
                                  "found pattern '%.80s', expected one that matches a module; "
                                  "pe-inspect lists them",
                                  list->v[i].glob);
    }
    return PE_OK;
}

pe_status pe_step_check_picks(const pe_recipe *r, const pe_step *s, const char *model,
                              pe_error *err)
{
    pe_ckpt *c = NULL;
    char **names = NULL;
    size_t n = 0, narrays;
    pe_status st;

    if (s->picks.n == 0 && s->keep_float.n == 0) return PE_OK;
    st = pe_ckpt_open(&c, model, err);
    if (st) return st;
    narrays = pe_ckpt_narrays(c);
    names = calloc(narrays + 1, sizeof *names);
    if (!names) st = pe_fail_nomem(err, "module names", narrays * sizeof *names);
    for (size_t i = 0; !st && i < narrays; i++) {
        st = pe_module_of_tensor(&names[n], pe_ckpt_array(c, i)->name, err);
        if (!st && names[n]) n++;
    }
    if (!st) st = check_list(r, &s->picks, (const char *const *)names, n, err);
    if (!st) st = check_list(r, &s->keep_float, (const char *const *)names, n, err);
    for (size_t i = 0; i < n; i++) free(names[i]);
    free(names);
    pe_ckpt_close(c);
    return st;
}

pe_status pe_step_key(char key[33], const pe_recipe *r, const pe_step *s, const char *input_digest,
                      const char *git, pe_error *err)
{
    char calib[PE_DIGEST_TEXT] = "", *text;
    json_t *o;
    pe_digest d;

    if (s->calib.path) {
        pe_status st = pe_tree_digest(calib, s->calib.path, err);
        if (st) return pe_recipe_prefix(err, st, r, s->calib.at);
    }
    o = json_pack("{s:s, s:i, s:s, s:O, s:s, s:s, s:I, s:s, s:[s?, s?, s?]}", "op",
                  pe_step_name(s->op), "version", PE_STEP_VERSION, "pe", pe_version(), "params",
                  s->params, "input", input_digest, "calib", calib, "seed", (json_int_t)r->seed,
                  "recipe", git ? git : "", "columns", r->text_column, r->text2_column, r->format);
    text = o ? json_dumps(o, JSON_SORT_KEYS | JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(o);
    if (!text) return pe_fail_nomem(err, "step key", 256);
    d = pe_digest_of(text, strlen(text));
    pe_digest_format(key, &d);
    free(text);
    return PE_OK;
}

void pe_judge_params(pe_eval_params *out, const pe_recipe *r, const pe_judge *j)
{
    *out = (pe_eval_params){ .columns = columns_of(r),
                             .task = j->task,
                             .metric = j->metric,
                             .max_drop = j->max_drop,
                             .confidence = j->confidence,
                             .batch = (size_t)j->batch,
                             .max_length = (size_t)j->max_length,
                             .seed = (uint64_t)r->seed };
    out->columns.limit = (size_t)j->limit;
}

/* Adds a path that is not in the list yet. */
static size_t add_path(const char **list, size_t n, const char *path)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], path) == 0) return n;
    list[n] = path;
    return n + 1;
}

static size_t add_judge(const char **list, size_t n, const pe_judge *j)
{
    for (size_t i = 0; i < j->data.n; i++) n = add_path(list, n, j->data.v[i].path);
    return n;
}

pe_status pe_recipe_inputs(const char ***out, size_t *n, const pe_recipe *r, pe_error *err)
{
    size_t most = 1 + r->gate.data.n, k = 0;
    const char **list;

    for (size_t i = 0; i < r->nsteps; i++)
        most += 1 + r->steps[i].gate.data.n + r->steps[i].eval.data.n;
    list = malloc(most * sizeof *list);
    if (!list) return pe_fail_nomem(err, "inputs", most * sizeof *list);
    k = add_path(list, k, r->model);
    for (size_t i = 0; i < r->nsteps; i++) {
        const pe_step *s = &r->steps[i];
        if (s->calib.path) k = add_path(list, k, s->calib.path);
        k = add_judge(list, k, &s->gate);
        k = add_judge(list, k, &s->eval);
    }
    k = add_judge(list, k, &r->gate);
    *out = list;
    *n = k;
    return PE_OK;
}
