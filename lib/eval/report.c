/* lib/eval/report.c - puts an evaluation together: metrics, files, baseline, comparison, gate.
 * Read next: lib/eval/evaluate.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/eval/report.h"

json_t *pe_metrics_json(const pe_view *v, const double *value, const pe_interval *ci)
{
    json_t *out = json_object();

    for (size_t m = 0; m < v->nmetrics; m++) {
        json_t *one = json_pack("{s:o}", "value", pe_json_real(value[m]));
        if (ci)
            json_object_set_new(one, "ci95",
                                json_pack("[o, o]", pe_json_real(ci[m].lower),
                                          pe_json_real(ci[m].upper)));
        json_object_set_new(out, v->metric[m].name, one);
    }
    return out;
}

static pe_status files_json(json_t **out, const pe_eval_set *set, const pe_view *v, pe_error *err)
{
    uint32_t *times = calloc(set->nrows, sizeof *times);
    double *scratch = malloc((pe_view_nscratch(v) + 1) * sizeof *scratch), value[PE_MAX_METRICS];

    *out = json_array();
    if (!times || !scratch || !*out) {
        free(times);
        free(scratch);
        return pe_fail_nomem(err, "per-file metrics", set->nrows * sizeof *times);
    }
    for (size_t f = 0; f < set->nfiles; f++) {
        size_t n = set->first[f + 1] - set->first[f];
        json_t *one = json_pack("{s:s, s:s, s:I}", "file", set->paths[f], "digest",
                                pe_dataset_digest(set->data[f]), "n", (json_int_t)n);
        for (size_t r = 0; r < set->nrows; r++) times[r] = set->file[r] == f;
        pe_view_metrics(value, scratch, v, times);
        if (v->nmetrics) json_object_set_new(one, "metrics", pe_metrics_json(v, value, NULL));
        json_array_append_new(*out, one);
    }
    free(times);
    free(scratch);
    return PE_OK;
}

/* Precision, recall and F1 of every label. */
static json_t *classes_json(const pe_view *v)
{
    const pe_scores *s = v->s;
    uint32_t n = s->nlabels;
    double *tally = calloc(6 * (size_t)n + 1, sizeof *tally), *f1;
    json_t *out = json_array();

    if (!tally || !out) {
        free(tally);
        json_decref(out);
        return NULL;
    }
    f1 = tally + 3 * (size_t)n;
    for (size_t u = 0; u < s->nunits; u++) pe_tally_add(tally, n, s->gold[u], v->pred[u], 1.0);
    pe_tally_per_class(f1, f1 + n, f1 + 2 * (size_t)n, tally, n);
    for (uint32_t i = 0; i < n; i++)
        json_array_append_new(out, json_pack("{s:s, s:I, s:o, s:o, s:o}", "label", s->labels[i],
                                             "n", (json_int_t)tally[i], "f1", pe_json_real(f1[i]),
                                             "precision", pe_json_real(f1[n + i]), "recall",
                                             pe_json_real(f1[2 * (size_t)n + i])));
    free(tally);
    return out;
}

static json_t *system_json(const pe_scores *s)
{
    return json_pack("{s:s, s:s, s:s, s:I}", "path", s->path, "family", s->family, "weights",
                     s->weights, "parameters", (json_int_t)s->nparams);
}

/* The baseline must have been asked the same questions. */
static pe_status check_pair(const pe_scores *s, const pe_scores *base, pe_error *err)
{
    if (s->task != base->task)
        return pe_fail(err, PE_E_ARG, "%s: found task %s, expected %s as in the model", base->path,
                       pe_task_name(base->task), pe_task_name(s->task));
    if (s->task == PE_TASK_EMBED || s->task == PE_TASK_REGRESS) return PE_OK;
    if (s->nlabels != base->nlabels)
        return pe_fail(err, PE_E_ARG, "%s: found %u labels, expected %u as in the model",
                       base->path, base->nlabels, s->nlabels);
    for (uint32_t i = 0; i < s->nlabels; i++) {
        if (strcmp(s->labels[i], base->labels[i]) != 0)
            return pe_fail(err, PE_E_ARG,
                           "%s: found label %u '%.40s', expected '%.40s' as in the model; the two "
                           "must name their labels alike",
                           base->path, i, base->labels[i], s->labels[i]);
    }
    return PE_OK;
}

typedef struct work {
    pe_view *v, *base;
    int gate;
    double confidence;
    pe_result r;
} work;

static pe_status measure(work *w, const pe_scores *s, const pe_scores *base,
                         const pe_eval_params *p, pe_arena *arena, pe_error *err)
{
    pe_status st = base ? check_pair(s, base, err) : PE_OK;

    w->gate = -1;
    w->confidence = p->confidence > 0 ? p->confidence : 0.95;
    if (!st) st = pe_view_new(&w->v, s, base, arena, err);
    if (!st && base) st = pe_view_new(&w->base, base, NULL, arena, err);
    if (!st && (p->metric || (base && p->max_drop >= 0)))
        st = pe_gate_metric(&w->gate, w->v, p->metric, err);
    if (!st && !(base && p->max_drop >= 0)) w->gate = -1;
    if (!st) st = pe_result_of(&w->r, w->v, w->base, w->gate, w->confidence, p->seed, p->pool, err);
    return st;
}

static json_t *head_json(const pe_eval_set *set, const work *w)
{
    const pe_scores *s = w->v->s;
    json_t *o =
        json_pack("{s:s, s:s, s:I, s:o, s:o, s:I, s:I}", "schema", "pe.eval/1", "task",
                  pe_task_name(s->task), "n", (json_int_t)set->nrows, "model", system_json(s),
                  "metrics", pe_metrics_json(w->v, w->r.value, w->r.ci), "truncated_rows",
                  (json_int_t)s->truncated, "resamples", (json_int_t)w->r.resamples);

    if (!o) return NULL;
    if (s->match) json_object_set_new(o, "labels_matched_by", json_string(s->match));
    if (s->task == PE_TASK_TOKENS)
        json_object_set_new(o, "units", json_integer((json_int_t)s->nunits));
    if (w->v->pred) json_object_set_new(o, "classes", classes_json(w->v));
    return o;
}

pe_status pe_eval_report(json_t **out, const pe_eval_set *set, const pe_scores *s,
                         const pe_scores *base, const pe_eval_params *p, pe_error *err)
{
    pe_arena *arena = NULL;
    json_t *o = NULL, *part = NULL, *gate = NULL;
    work w = { 0 };
    pe_status st = pe_arena_new(&arena, 1 << 16, err), verdict = PE_OK;

    if (!st) st = measure(&w, s, base, p, arena, err);
    if (!st && !(o = head_json(set, &w))) st = pe_fail_nomem(err, "report", 4096);
    if (!st) st = files_json(&part, set, w.v, err);
    if (!st) json_object_set_new(o, "files", part);
    if (!st && base) {
        part = pe_metrics_json(w.base, w.r.base_value, w.r.base_ci);
        json_object_set_new(o, "baseline",
                            json_pack("{s:o, s:o}", "model", system_json(base), "metrics", part));
        st = pe_paired_json(&part, w.v, w.base, err);
        if (!st) json_object_set_new(o, "paired", part);
    }
    if (!st && p->records) st = pe_records_write(p->records, set, w.v, w.base, err);
    if (!st && w.gate >= 0) {
        verdict = pe_gate_json(&gate, w.v, &w.r, w.gate, p->max_drop, w.confidence, err);
        if (gate) json_object_set_new(o, "gate", gate);
        else st = verdict;
    }
    pe_arena_free(arena);
    if (st) json_decref(o);
    else *out = o;
    return st ? st : verdict;
}
