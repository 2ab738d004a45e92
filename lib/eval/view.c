/* lib/eval/view.c - what every row contributes to the metrics, computed once from the outputs.
 * Read next: lib/eval/metrics.c. */
#include <math.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/eval/metrics.h"

size_t pe_task_metrics(pe_metric_info out[PE_MAX_METRICS], pe_eval_task task, bool labelled,
                       bool paired)
{
    static const pe_metric_info classify[] = { { "accuracy", false }, { "macro_f1", false },
                                               { "micro_f1", false }, { "mcc", false },
                                               { "nll", true },       { "ece", true },
                                               { "brier", true } };
    static const pe_metric_info multi[] = {
        { "accuracy", false }, { "macro_f1", false }, { "micro_f1", false }, { "nll", true }
    };
    static const pe_metric_info regress[] = { { "pearson", false },
                                              { "spearman", false },
                                              { "mse", true } };
    static const pe_metric_info embed[] = { { "spearman", false }, { "pearson", false } };
    static const pe_metric_info cosine = { "cosine", false };
    size_t n = 0;

    switch (task) {
    case PE_TASK_CLASSIFY:
    case PE_TASK_TOKENS:
        n = sizeof classify / sizeof *classify;
        memcpy(out, classify, sizeof classify);
        break;
    case PE_TASK_MULTILABEL:
        n = sizeof multi / sizeof *multi;
        memcpy(out, multi, sizeof multi);
        break;
    case PE_TASK_REGRESS:
        n = sizeof regress / sizeof *regress;
        memcpy(out, regress, sizeof regress);
        break;
    default:
        if (labelled) memcpy(out, embed, sizeof embed);
        n = labelled ? sizeof embed / sizeof *embed : 0;
        if (paired) out[n++] = cosine;
    }
    return n;
}

double pe_cosine(const float *a, const float *b, size_t n)
{
    double ab = 0, aa = 0, bb = 0;

    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa) / sqrt(bb) : NAN;
}

static pe_status view_classes(pe_view *v, pe_arena *arena, pe_error *err)
{
    const pe_scores *s = v->s;
    size_t w = s->width, n = s->nunits;
    double *p = pe_arena_zalloc(arena, w, sizeof *p);

    v->pred = pe_arena_zalloc(arena, n, sizeof *v->pred);
    v->nll = pe_arena_zalloc(arena, n, sizeof *v->nll);
    v->brier = pe_arena_zalloc(arena, n, sizeof *v->brier);
    v->confidence = pe_arena_zalloc(arena, n, sizeof *v->confidence);
    v->bin = pe_arena_zalloc(arena, n, 1);
    if (!p || !v->pred || !v->nll || !v->brier || !v->confidence || !v->bin)
        return pe_fail_nomem(err, "predictions", n * 29);
    for (size_t u = 0; u < n; u++) {
        const float *x = s->out + u * w;
        v->pred[u] = pe_argmax(x, w);
        v->nll[u] = pe_softmax_f64(p, x, w) - (double)x[s->gold[u]];
        v->confidence[u] = p[v->pred[u]];
        v->bin[u] = (uint8_t)pe_ece_bin(v->confidence[u]);
        for (size_t i = 0; i < w; i++) {
            double miss = p[i] - (i == s->gold[u]);
            v->brier[u] += miss * miss;
        }
    }
    return PE_OK;
}

/* Each label on its own: sigmoid, threshold one half; nll is the mean over the labels of a row. */
static pe_status view_multi(pe_view *v, pe_arena *arena, pe_error *err)
{
    const pe_scores *s = v->s;
    size_t w = s->width;

    v->multi = pe_arena_zalloc(arena, s->nrows, w);
    v->nll = pe_arena_zalloc(arena, s->nrows, sizeof *v->nll);
    if (!v->multi || !v->nll) return pe_fail_nomem(err, "predictions", s->nrows * (w + 8));
    for (size_t r = 0; r < s->nrows; r++) {
        for (size_t i = 0; i < w; i++) {
            double x = s->out[r * w + i], sign = s->gold_multi[r * w + i] ? -1.0 : 1.0;
            v->multi[r * w + i] = x > 0;
            v->nll[r] += fmax(sign * x, 0.0) + log1p(exp(-fabs(x)));
        }
        v->nll[r] /= (double)w;
    }
    return PE_OK;
}

static pe_status view_values(pe_view *v, pe_arena *arena, pe_error *err)
{
    const pe_scores *s = v->s;
    size_t n = s->nrows;

    v->value = pe_arena_zalloc(arena, n, sizeof *v->value);
    v->order = pe_arena_zalloc(arena, n, sizeof *v->order);
    v->gold_order = pe_arena_zalloc(arena, n, sizeof *v->gold_order);
    if (!v->value || !v->order || !v->gold_order) return pe_fail_nomem(err, "ranks", n * 16);
    for (size_t r = 0; r < n; r++) {
        if (s->task == PE_TASK_REGRESS) v->value[r] = s->out[r];
        else v->value[r] = pe_cosine(s->out + r * s->width, s->out2 + r * s->width, s->width);
        if (!isfinite(v->value[r]))
            return pe_fail(err, PE_E_INPUT,
                           "%s: found no finite similarity in row %zu, expected embeddings that "
                           "are not zero",
                           s->path, r + 1);
    }
    pe_sort_order(v->order, v->value, n);
    pe_sort_order(v->gold_order, s->gold_value, n);
    return PE_OK;
}

static pe_status view_cosine(pe_view *v, const pe_scores *base, pe_arena *arena, pe_error *err)
{
    const pe_scores *s = v->s;

    v->cosine = pe_arena_zalloc(arena, s->nrows, sizeof *v->cosine);
    if (!v->cosine) return pe_fail_nomem(err, "cosines", s->nrows * sizeof *v->cosine);
    for (size_t r = 0; r < s->nrows; r++)
        v->cosine[r] = pe_cosine(s->out + r * s->width, base->out + r * s->width, s->width);
    return PE_OK;
}

pe_status pe_view_new(pe_view **out, const pe_scores *s, const pe_scores *base, pe_arena *arena,
                      pe_error *err)
{
    pe_view *v = pe_arena_zalloc(arena, 1, sizeof *v);
    bool labelled = s->match != NULL;
    bool cosine = base && s->task == PE_TASK_EMBED && s->width == base->width;
    pe_status st = PE_OK;

    if (!v) return pe_fail_nomem(err, "view", sizeof *v);
    v->s = s;
    if (s->task == PE_TASK_EMBED && labelled && !s->out2)
        return pe_fail(err, PE_E_INPUT,
                       "%s: found no embeddings of the second texts, expected pairs to rank by "
                       "similarity",
                       s->path);
    v->nmetrics = pe_task_metrics(v->metric, s->task, labelled, cosine);
    if (s->task == PE_TASK_CLASSIFY || s->task == PE_TASK_TOKENS) st = view_classes(v, arena, err);
    else if (s->task == PE_TASK_MULTILABEL) st = view_multi(v, arena, err);
    else if (labelled) st = view_values(v, arena, err);
    if (!st && cosine) st = view_cosine(v, base, arena, err);
    if (!st) *out = v;
    return st;
}
