/* lib/recipe/run.c - runs a recipe: step, evaluate, gate, next; what passed goes out.
 * Read next: lib/recipe/chain.c, lib/recipe/judge.c. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pe/bench.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/recipe/judge.h"
#include "lib/recipe/run_impl.h"

typedef struct run {
    const pe_recipe *r;
    const pe_recipe_run_params *p;
    pe_chain chain;
    pe_court final; /* of the gate at the end */
    json_t *rows, *notes;
    pe_status verdict; /* of the gate that ended the run */
    pe_error why;
    char *kept; /* last checkpoint that passed a gate of its own */
    char kept_digest[33];
} run;

static bool is_verdict(pe_status st)
{
    return st == PE_OK || st == PE_E_NEGATIVE || st == PE_E_INCONCLUSIVE;
}

static const char *verdict_word(pe_status st)
{
    return pe_verdict_name(st == PE_OK           ? PE_VERDICT_PASS
                           : st == PE_E_NEGATIVE ? PE_VERDICT_FAIL
                                                 : PE_VERDICT_INCONCLUSIVE);
}

static pe_status finish_row(run *q, json_t *row, pe_error *err)
{
    char *text = NULL;

    json_array_append_new(q->rows, row);
    if (!q->p->on_step) return PE_OK;
    text = pe_json_text(row, 0);
    if (!text) return pe_fail_nomem(err, "row", 256);
    q->p->on_step(q->p->user, text);
    free(text);
    return PE_OK;
}

/* Bytes and times of a checkpoint into its row. */
static pe_status measure(run *q, json_t *row, const char *model, bool dense, pe_error *err)
{
    json_t *part = NULL;
    pe_status st = pe_measure_bytes(&part, model, err);

    if (!st) json_object_set_new(row, "bytes", part);
    if (st || q->p->no_timing) return st;
    st = pe_measure_time(&part, model, dense ? NULL : q->r->model, q->p->pool, q->p->progress, err);
    if (!st) json_object_set_new(row, "time", part);
    return st;
}

static pe_status dense_row(run *q, pe_error *err)
{
    json_t *row = json_pack("{s:s, s:s}", "step", "dense", "digest", q->chain.digest), *eval = NULL;
    pe_status st = row ? PE_OK : pe_fail_nomem(err, "row", 256);

    if (!st)
        st = pe_court_judge(&eval, &q->final, q->r, NULL, false, NULL, q->p->pool, q->p->progress,
                            err);
    if (!st && eval) json_object_set_new(row, "eval", eval);
    if (!st) st = measure(q, row, q->r->model, true, err);
    if (st) {
        json_decref(row);
        return st;
    }
    return finish_row(q, row, err);
}

/* The checkpoint on the final gate's rows, judged by it when it is the last one. */
static pe_status judge_final(run *q, json_t *row, bool last, pe_scores **scores, pe_error *err)
{
    json_t *eval = NULL;
    pe_status st = pe_court_judge(&eval, &q->final, q->r, q->chain.at, last, scores, q->p->pool,
                                  q->p->progress, last ? &q->why : err);

    if (eval) json_object_set_new(row, "eval", eval);
    if (!is_verdict(st)) {
        if (last && err) *err = q->why;
        return st;
    }
    if (!last || !eval) return PE_OK;
    q->verdict = st;
    json_object_set_new(row, "verdict", json_string(verdict_word(st)));
    return PE_OK;
}

/* A step's own gate; *stop when it did not pass. */
static pe_status judge_own(run *q, json_t *row, const pe_judge *j, bool gate, pe_scores **scores,
                           bool *stop, pe_error *err)
{
    json_t *eval = NULL;
    pe_error why = { 0 };
    pe_court court;
    pe_status st = pe_court_open(&court, q->r, j, &q->final, q->p->pool, q->p->progress, err);

    if (st || !court.judge) return st;
    st = pe_court_judge(&eval, &court, q->r, q->chain.at, gate, court.borrowed ? scores : NULL,
                        q->p->pool, q->p->progress, &why);
    pe_court_close(&court);
    if (eval) json_object_set_new(row, gate ? "gate_eval" : "eval", eval);
    if (!is_verdict(st)) {
        if (err) *err = why;
        return st;
    }
    if (!gate) return PE_OK;
    json_object_set_new(row, "verdict", json_string(verdict_word(st)));
    if (st) {
        *stop = true;
        q->verdict = st;
        q->why = why;
        return PE_OK;
    }
    free(q->kept);
    q->kept = strdup(q->chain.at);
    memcpy(q->kept_digest, q->chain.digest, sizeof q->kept_digest);
    return q->kept ? PE_OK : pe_fail_nomem(err, "path", strlen(q->chain.at));
}

/* Measures the final checkpoint's execution here, so that it is run the fastest way from now on. */
static void tune(run *q)
{
    pe_error err = { 0 };
    char *json = NULL, text[1200];
    pe_bench_params bench = { .pool = q->p->pool, .progress = q->p->progress };

    if (q->p->no_timing) return;
    if (pe_tune_model(&json, q->chain.at, &bench, &err)) {
        snprintf(text, sizeof text, "not tuned: %s", err.text);
        json_array_append_new(q->notes, json_string(text));
    }
    free(json);
}

static pe_status keep_step(const run *q, const pe_step *s, pe_error *err)
{
    char *path = NULL;
    pe_status st;

    if (!q->p->keep_steps || s->op == PE_STEP_EVAL) return PE_OK;
    if (asprintf(&path, "%s.steps/%zu-%s", q->p->out, q->chain.index, pe_step_name(s->op)) < 0)
        return pe_fail_nomem(err, "path", strlen(q->p->out));
    *strrchr(path, '/') = 0;
    st = pe_make_dirs(path, err);
    path[strlen(path)] = '/';
    if (!st) st = pe_tree_publish(q->chain.at, path, q->chain.digest, true, err);
    free(path);
    return st;
}

static pe_status make_step(run *q, json_t *row, const pe_step *s, pe_error *err)
{
    bool cached = false;
    char *report = NULL;
    pe_status st = pe_chain_look(&cached, &q->chain, s, err);

    if (!st && !cached && s->op != PE_STEP_EVAL)
        st = pe_chain_make(&report, &q->chain, s, q->p->pool, q->p->progress, err);
    free(report);
    if (st) return st;
    pe_chain_advance(&q->chain, s, true);
    json_object_set_new(row, "cached", json_boolean(cached));
    json_object_set_new(row, "digest", json_string(q->chain.digest));
    return keep_step(q, s, err);
}

static pe_status run_step(run *q, size_t i, bool *stop, pe_error *err)
{
    const pe_step *s = &q->r->steps[i];
    bool last = i == q->chain.last, judged = s->op != PE_STEP_EVAL;
    json_t *row = json_pack("{s:s, s:O}", "step", pe_step_name(s->op), "params", s->params);
    pe_scores *scores = NULL;
    pe_status st = row ? make_step(q, row, s, err) : pe_fail_nomem(err, "row", 256);

    if (!st && judged) st = judge_final(q, row, last, &scores, err);
    if (!st && !judged) st = judge_own(q, row, &s->eval, false, NULL, stop, err);
    if (!st && s->gate.at) st = judge_own(q, row, &s->gate, true, &scores, stop, err);
    pe_scores_free(scores);
    if (!st && last && !*stop) tune(q);
    if (!st && judged) st = measure(q, row, q->chain.at, false, err);
    if (st) {
        json_decref(row);
        return st;
    }
    return finish_row(q, row, err);
}

/* What passed goes out; after a step's gate stopped the run, the last that had passed before. */
static pe_status publish(run *q, json_t *o, pe_error *err)
{
    const char *from = q->verdict ? q->kept : q->chain.at;
    const char *digest = q->verdict ? q->kept_digest : q->chain.digest;
    pe_status st;

    json_object_set_new(o, "output", json_null());
    if (!from) return PE_OK;
    st = pe_tree_publish(from, q->p->out, digest, q->p->replace, err);
    if (st) return st;
    json_object_set_new(o, "output", json_string(q->p->out));
    json_object_set_new(o, "output_digest", json_string(digest));
    return PE_OK;
}

/* What would go wrong at the end is told at the start. */
static pe_status check_out(const pe_recipe *r, const pe_recipe_run_params *p, pe_error *err)
{
    char a[PATH_MAX], b[PATH_MAX];
    const char *slash;

    if (!p->out || !p->out[0]) return pe_fail(err, PE_E_ARG, "output: found none, expected -o DIR");
    slash = strrchr(p->out, '/');
    snprintf(a, sizeof a, "%.*s", slash ? (int)(slash - p->out) + 1 : 1, slash ? p->out : ".");
    if (access(a, W_OK) != 0)
        return pe_fail_errno(err, PE_E_WRITE, "%s: the folder of the output", a);
    if (realpath(p->out, a) && realpath(r->model, b) && strcmp(a, b) == 0)
        return pe_fail(err, PE_E_ARG, "%s: found the recipe's own model, expected a new name",
                       p->out);
    if (!p->replace && access(p->out, F_OK) == 0)
        return pe_fail(err, PE_E_ARG,
                       "%s: found it there already, expected a new name; -f replaces", p->out);
    return PE_OK;
}

static pe_status prepare(run *q, json_t *o, pe_error *err)
{
    json_t *git = NULL;
    char *note = NULL;
    pe_status st = check_out(q->r, q->p, err);

    for (size_t i = 0; !st && i < q->r->nsteps; i++)
        st = pe_step_check_picks(q->r, &q->r->steps[i], q->r->model, err);
    if (!st) st = pe_recipe_git(&git, &note, q->r, err);
    if (!st && note) json_array_append_new(q->notes, json_string(note));
    if (!st) json_object_set(o, "git", git);
    if (!st) st = pe_chain_open(&q->chain, q->r, git, q->p->cache, q->p->no_cache, q->p->out, err);
    if (!st)
        st = pe_court_open(&q->final, q->r, &q->r->gate, NULL, q->p->pool, q->p->progress, err);
    json_decref(git);
    free(note);
    return st;
}

pe_status pe_recipe_run(char **json, const pe_recipe *r, const pe_recipe_run_params *p,
                        pe_error *err)
{
    pe_recipe_run_params own = *p; /* with `out` without slashes at its end */
    char *out = strdup(p->out ? p->out : "");
    run q = { .r = r, .p = &own, .rows = json_array(), .notes = json_array() };
    json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:O, s:O}", "schema", "pe.recipe/1", "recipe",
                          r->path, "model", r->model, "seed", (json_int_t)r->seed, "steps", q.rows,
                          "notes", q.notes);
    pe_status st = o && out ? PE_OK : pe_fail_nomem(err, "report", 256);
    bool stop = false;

    for (size_t n = st ? 0 : strlen(out); n > 1 && out[n - 1] == '/'; n--) out[n - 1] = 0;
    own.out = out;
    if (!st) st = prepare(&q, o, err);
    if (!st) st = dense_row(&q, err);
    for (size_t i = 0; !st && !stop && i < r->nsteps; i++) st = run_step(&q, i, &stop, err);
    if (!st) st = publish(&q, o, err);
    if (!st) {
        if (r->gate.at || q.verdict || q.kept)
            json_object_set_new(o, "verdict", json_string(verdict_word(q.verdict)));
        *json = pe_json_text(o, 2);
        if (!*json) st = pe_fail_nomem(err, "report", 4096);
    }
    if (!st && q.verdict) {
        st = q.verdict;
        if (err) *err = q.why;
    }
    pe_court_close(&q.final);
    pe_chain_close(&q.chain);
    json_decref(q.rows);
    json_decref(q.notes);
    json_decref(o);
    free(q.kept);
    free(out);
    return st;
}
