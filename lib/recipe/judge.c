/* lib/recipe/judge.c - a step's checkpoint against the dense model, on the rows of a gate.
 * Read next: lib/eval/report.c. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/recipe/judge.h"

static bool same_rows(const pe_judge *a, const pe_judge *b)
{
    const char *ta = a->task ? a->task : "", *tb = b->task ? b->task : "";

    if (a->data.n != b->data.n || a->limit != b->limit || a->max_length != b->max_length ||
        strcmp(ta, tb) != 0)
        return false;
    for (size_t i = 0; i < a->data.n; i++)
        if (strcmp(a->data.v[i].path, b->data.v[i].path) != 0) return false;
    return true;
}

static pe_status open_set(pe_court *c, const pe_recipe *r, const pe_data_params *columns,
                          pe_error *err)
{
    const pe_data_list *d = &c->judge->data;
    const char **paths = malloc((d->n + 1) * sizeof *paths);
    pe_status st;

    if (!paths) return pe_fail_nomem(err, "data files", d->n * sizeof *paths);
    for (size_t i = 0; i < d->n; i++) {
        paths[i] = d->v[i].path;
        if (access(d->v[i].path, R_OK) == 0) continue;
        st = pe_fail_errno(err, PE_E_NOTFOUND, "%s", d->v[i].path);
        free(paths);
        return pe_recipe_prefix(err, st, r, d->v[i].at);
    }
    st = pe_eval_set_open(&c->set, paths, d->n, columns, err);
    free(paths);
    return st ? pe_recipe_prefix(err, st, r, c->judge->at) : PE_OK;
}

pe_status pe_court_open(pe_court *out, const pe_recipe *r, const pe_judge *j, const pe_court *like,
                        pe_pool *pool, pe_progress progress, pe_error *err)
{
    pe_eval_params p;
    pe_status st = PE_OK;

    memset(out, 0, sizeof *out);
    if (!j->at) return PE_OK;
    out->judge = j;
    if (like && like->judge && same_rows(like->judge, j)) {
        out->set = like->set;
        out->base = like->base;
        out->borrowed = true;
        return PE_OK;
    }
    pe_judge_params(&p, r, j);
    p.pool = pool;
    p.progress = progress;
    st = open_set(out, r, &p.columns, err);
    if (!st) {
        st = pe_scores_new(&out->base, r->model, out->set, &p, "dense model", err);
        if (st && st != PE_E_CANCELLED) st = pe_recipe_prefix(err, st, r, j->at);
    }
    if (st) pe_court_close(out);
    return st;
}

void pe_court_close(pe_court *c)
{
    if (!c->borrowed) {
        pe_scores_free(c->base);
        pe_eval_set_close(c->set);
    }
    memset(c, 0, sizeof *c);
}

pe_status pe_court_judge(json_t **out, const pe_court *c, const pe_recipe *r, const char *model,
                         bool gate, pe_scores **scores, pe_pool *pool, pe_progress progress,
                         pe_error *err)
{
    pe_scores *own = NULL, **kept = scores ? scores : &own;
    pe_eval_params p;
    pe_status st = PE_OK;

    *out = NULL;
    if (!c->judge) return PE_OK;
    pe_judge_params(&p, r, c->judge);
    p.pool = pool;
    p.progress = progress;
    if (!gate) p.max_drop = -1;
    if (!model) {
        p.max_drop = -1;
        st = pe_eval_report(out, c->set, c->base, NULL, &p, err);
    } else {
        if (!*kept) st = pe_scores_new(kept, model, c->set, &p, "evaluating", err);
        if (!st) st = pe_eval_report(out, c->set, *kept, c->base, &p, err);
    }
    pe_scores_free(own);
    if (st && st != PE_E_CANCELLED) return pe_recipe_prefix(err, st, r, c->judge->at);
    return st;
}
