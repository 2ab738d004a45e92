/* lib/recipe/plan.c - checks what a recipe names and tells what a run would do.
 * Read next: lib/recipe/run.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pe/model.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/recipe/run_impl.h"

/* The model loads and can do the gate's task. */
static pe_status check_model(json_t **out, const pe_recipe *r, pe_pool *pool, pe_error *err)
{
    pe_model_params mp = { .tune_file = "", .pool = pool };
    pe_model *m = NULL;
    const pe_model_info *info;
    pe_status st = pe_model_open(&m, r->model, &mp, err);

    if (st) return pe_recipe_prefix(err, st, r, r->model_at);
    info = pe_model_get_info(m);
    *out = json_pack("{s:s, s:s, s:I}", "family", info->family, "weights", info->weights,
                     "parameters", (json_int_t)info->nparams);
    pe_model_close(m);
    return *out ? PE_OK : pe_fail_nomem(err, "plan", 256);
}

static pe_status check_data(json_t *files, const pe_recipe *r, const pe_data_ref *d, bool labelled,
                            pe_error *err)
{
    pe_data_params p = { .text = r->text_column,
                         .text2 = r->text2_column,
                         .label = r->label_column,
                         .format = r->format };
    pe_dataset *data = NULL;
    pe_status st;

    if (!d->path || json_object_get(files, d->path)) return PE_OK;
    st = pe_dataset_open(&data, d->path, &p, err);
    if (st) return pe_recipe_prefix(err, st, r, d->at);
    if (pe_dataset_nrows(data) == 0)
        st = pe_recipe_fail(err, PE_E_INPUT, r, d->at, "%s: found no rows", d->path);
    else if (labelled && !pe_dataset_row(data, 0)->label && !r->text2_column)
        st = pe_recipe_fail(err, PE_E_INPUT, r, d->at,
                            "%s: found no label column, expected one to judge by; name it under "
                            "columns: {label: ...}",
                            d->path);
    if (!st)
        json_object_set_new(files, d->path,
                            json_pack("{s:I, s:s}", "rows", (json_int_t)pe_dataset_nrows(data),
                                      "digest", pe_dataset_digest(data)));
    pe_dataset_close(data);
    return st;
}

static pe_status check_judge(json_t *files, const pe_recipe *r, const pe_judge *j, pe_error *err)
{
    pe_status st = PE_OK;

    for (size_t i = 0; !st && j->at && i < j->data.n; i++)
        st = check_data(files, r, &j->data.v[i], true, err);
    return st;
}

static pe_status check_steps(json_t *files, const pe_recipe *r, pe_error *err)
{
    pe_status st = PE_OK;

    for (size_t i = 0; !st && i < r->nsteps; i++) {
        const pe_step *s = &r->steps[i];
        st = pe_step_check_picks(r, s, r->model, err);
        if (!st) st = check_data(files, r, &s->calib, false, err);
        if (!st) st = check_judge(files, r, &s->gate, err);
        if (!st) st = check_judge(files, r, &s->eval, err);
    }
    return st ? st : check_judge(files, r, &r->gate, err);
}

/* A step on its real input where the cache has it, else on the dense model. */
static pe_status plan_step(json_t *list, pe_chain *c, const pe_step *s, pe_pool *pool,
                           pe_error *err)
{
    char *text = NULL;
    json_t *plan = NULL, *one;
    bool known = c->digest[0] != 0, cached = false;
    pe_status st = PE_OK;

    if (known) st = pe_chain_look(&cached, c, s, err);
    if (!st && s->op != PE_STEP_EVAL)
        st = pe_step_run(&text, c->r, s, known ? c->at : c->r->model, NULL, NULL, pool,
                         (pe_progress){ 0 }, err);
    if (!st && text) st = pe_json_parse(&plan, text, strlen(text), "plan", err);
    free(text);
    if (st) return st;
    one = json_pack("{s:s, s:O, s:b, s:s, s:b}", "step", pe_step_name(s->op), "params", s->params,
                    "cached", cached, "planned_on", known ? "input" : "model", "gate",
                    s->gate.at != NULL);
    if (known && s->op != PE_STEP_EVAL) json_object_set_new(one, "key", json_string(c->key));
    if (plan) json_object_set_new(one, "plan", plan);
    json_array_append_new(list, one);
    pe_chain_advance(c, s, cached);
    return PE_OK;
}

static void add_note(json_t *notes, const char *text)
{
    if (text) json_array_append_new(notes, json_string(text));
}

static bool judges_by(const pe_recipe *r, const char *path)
{
    for (size_t i = 0; i < r->gate.data.n; i++)
        if (strcmp(r->gate.data.v[i].path, path) == 0) return true;
    return false;
}

/* What a careful reader would ask about. */
static void add_notes(json_t *notes, const pe_recipe *r)
{
    bool quantized = false;
    char text[256];

    if (!r->gate.at) add_note(notes, "no gate: the final checkpoint is written unjudged");
    for (size_t i = 0; i < r->nsteps; i++) {
        const pe_step *s = &r->steps[i];
        if (s->op == PE_STEP_QUANTIZE) quantized = true;
        if (s->op == PE_STEP_PRUNE && quantized)
            add_note(notes, "prune after quantize: float weights are the better ones to rank");
        if (s->calib.path && judges_by(r, s->calib.path)) {
            snprintf(text, sizeof text, "%.120s: the gate's rows also calibrate; take others",
                     s->calib.name);
            add_note(notes, text);
        }
    }
}

static pe_status plan_all(json_t *o, pe_chain *c, json_t *git, json_t *notes, pe_pool *pool,
                          pe_error *err)
{
    json_t *steps = json_array();
    pe_status st = PE_OK;

    for (size_t i = 0; !st && i < c->r->nsteps; i++)
        st = plan_step(steps, c, &c->r->steps[i], pool, err);
    json_object_set_new(o, "steps", steps);
    json_object_set(o, "git", git);
    json_object_set(o, "notes", notes);
    return st;
}

pe_status pe_recipe_plan(char **json, const pe_recipe *r, pe_pool *pool, pe_error *err)
{
    json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:[], s:{}}", "schema", "pe.plan/1", "recipe",
                          r->path, "model", r->model, "seed", (json_int_t)r->seed, "notes", "data"),
           *notes = json_object_get(o, "notes"), *model = NULL, *git = NULL;
    char *note = NULL;
    pe_chain c = { 0 };
    pe_status st = o ? PE_OK : pe_fail_nomem(err, "plan", 256);

    if (!st) st = check_model(&model, r, pool, err);
    if (!st) json_object_set_new(o, "model_info", model);
    if (!st) st = check_steps(json_object_get(o, "data"), r, err);
    if (!st) st = pe_recipe_git(&git, &note, r, err);
    if (!st) add_note(notes, note);
    if (!st) add_notes(notes, r);
    if (!st) st = pe_chain_open(&c, r, git, NULL, false, "", err);
    if (!st) st = plan_all(o, &c, git, notes, pool, err);
    if (!st && r->gate.at)
        json_object_set_new(o, "gate",
                            json_pack("{s:s?, s:f}", "metric", r->gate.metric, "max_drop",
                                      r->gate.max_drop));
    if (!st && !(*json = pe_json_text(o, 2))) st = pe_fail_nomem(err, "plan", 256);
    pe_chain_close(&c);
    free(note);
    json_decref(git);
    json_decref(o);
    return st;
}
