/* lib/eval/metrics.c - metrics of a resample, and the intervals that many resamples give.
 * Read next: lib/eval/gate.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/eval/metrics.h"

size_t pe_view_nscratch(const pe_view *v)
{
    size_t tally = 3 * (size_t)v->s->nlabels;

    return tally + 3 * PE_ECE_BINS + (v->order ? 2 * v->s->nrows : 0);
}

static double times_of(const uint32_t *times, size_t r)
{
    return times ? (double)times[r] : 1.0;
}

static void class_metrics(double *out, double *tally, const pe_view *v, const uint32_t *times)
{
    const pe_scores *s = v->s;
    double *rows = tally + 3 * (size_t)s->nlabels, *right = rows + PE_ECE_BINS,
           *confidence = right + PE_ECE_BINS, n = 0, nll = 0, brier = 0;
    pe_class_metrics m;

    memset(tally, 0, (3 * (size_t)s->nlabels + 3 * PE_ECE_BINS) * sizeof *tally);
    for (size_t r = 0; r < s->nrows; r++) {
        double t = times_of(times, r);
        if (t == 0) continue;
        for (size_t u = s->unit[r]; u < s->unit[r + 1]; u++) {
            pe_tally_add(tally, s->nlabels, s->gold[u], v->pred[u], t);
            n += t;
            nll += t * v->nll[u];
            brier += t * v->brier[u];
            rows[v->bin[u]] += t;
            confidence[v->bin[u]] += t * v->confidence[u];
            if (s->gold[u] == v->pred[u]) right[v->bin[u]] += t;
        }
    }
    m = pe_tally_metrics(tally, s->nlabels);
    out[0] = m.accuracy;
    out[1] = m.macro_f1;
    out[2] = m.micro_f1;
    out[3] = m.mcc;
    out[4] = n > 0 ? nll / n : NAN;
    out[5] = pe_ece(rows, right, confidence);
    out[6] = n > 0 ? brier / n : NAN;
}

static void multi_metrics(double *out, double *tally, const pe_view *v, const uint32_t *times)
{
    const pe_scores *s = v->s;
    size_t w = s->width;
    double *gold = tally, *pred = tally + w, *hit = pred + w, n = 0, exact = 0, nll = 0;
    pe_class_metrics m;

    memset(tally, 0, 3 * w * sizeof *tally);
    for (size_t r = 0; r < s->nrows; r++) {
        const uint8_t *g = s->gold_multi + r * w, *p = v->multi + r * w;
        double t = times_of(times, r);
        for (size_t i = 0; i < w; i++) {
            if (g[i]) gold[i] += t;
            if (p[i]) pred[i] += t;
            if (g[i] && p[i]) hit[i] += t;
        }
        n += t;
        nll += t * v->nll[r];
        if (memcmp(g, p, w) == 0) exact += t;
    }
    m = pe_tally_metrics(tally, s->nlabels);
    out[0] = n > 0 ? exact / n : NAN;
    out[1] = m.macro_f1;
    out[2] = m.micro_f1;
    out[3] = n > 0 ? nll / n : NAN;
}

/* pearson and spearman of value against gold. */
static void correlations(double *pearson, double *spearman, double *rank, const pe_view *v,
                         const uint32_t *times)
{
    size_t n = v->s->nrows;

    *pearson = pe_pearson(v->value, v->s->gold_value, times, n);
    pe_ranks(rank, v->value, v->order, times, n);
    pe_ranks(rank + n, v->s->gold_value, v->gold_order, times, n);
    *spearman = pe_pearson(rank, rank + n, times, n);
}

static double mean_of(const double *x, const double *minus, const uint32_t *times, size_t n)
{
    double sum = 0, rows = 0;

    for (size_t r = 0; r < n; r++) {
        double t = times_of(times, r), d = minus ? x[r] - minus[r] : x[r];
        if (t == 0) continue;
        rows += t;
        sum += t * (minus ? d * d : d);
    }
    return rows > 0 ? sum / rows : NAN;
}

void pe_view_metrics(double *out, double *scratch, const pe_view *v, const uint32_t *times)
{
    const pe_scores *s = v->s;
    double *rank = scratch + 3 * (size_t)s->nlabels + 3 * PE_ECE_BINS;
    size_t at = 0;

    switch (s->task) {
    case PE_TASK_CLASSIFY:
    case PE_TASK_TOKENS: class_metrics(out, scratch, v, times); break;
    case PE_TASK_MULTILABEL: multi_metrics(out, scratch, v, times); break;
    case PE_TASK_REGRESS:
        correlations(&out[0], &out[1], rank, v, times);
        out[2] = mean_of(v->value, s->gold_value, times, s->nrows);
        break;
    default:
        if (v->order) {
            correlations(&out[1], &out[0], rank, v, times);
            at = 2;
        }
        if (v->cosine) out[at] = mean_of(v->cosine, NULL, times, s->nrows);
    }
}

/* ---- model and baseline on the same resamples ---- */

typedef struct pair {
    const pe_view *v, *base;
    int gate;
} pair;

/* The baseline is as close to itself as can be; all else it has measured values for. */
static void base_metrics(double *out, double *scratch, const pair *p, const uint32_t *times)
{
    pe_view_metrics(out, scratch, p->base, times);
    if (p->v->cosine) out[p->v->nmetrics - 1] = 1.0;
}

static double drop_of(const pair *p, const double *value, const double *base)
{
    double d = base[p->gate] - value[p->gate];

    return p->v->metric[p->gate].lower_better ? -d : d;
}

static void pair_statistic(double *out, double *scratch, const void *arg, const uint32_t *times)
{
    const pair *p = arg;
    size_t n = p->v->nmetrics;

    pe_view_metrics(out, scratch, p->v, times);
    if (p->base) base_metrics(out + n, scratch, p, times);
    if (p->gate >= 0) out[2 * n] = drop_of(p, out, out + n);
}

static bool unit_right(const pe_view *v, size_t u)
{
    size_t w = v->s->width;

    if (v->multi) return memcmp(v->multi + u * w, v->s->gold_multi + u * w, w) == 0;
    return v->pred[u] == v->s->gold[u];
}

/* A metric that counts independent rows as right or wrong: exact intervals instead of resamples. */
static bool is_proportion(const pe_view *v, size_t metric)
{
    return metric == 0 && (v->s->task == PE_TASK_CLASSIFY || v->s->task == PE_TASK_MULTILABEL);
}

static pe_interval proportion_ci(const pe_view *v)
{
    uint64_t right = 0;

    for (size_t r = 0; r < v->s->nrows; r++) right += unit_right(v, r);
    return pe_wilson(v->s->nrows, right, 0.95);
}

static void tango_gate(pe_result *out, const pair *p, double confidence)
{
    out->tango = true;
    for (size_t r = 0; r < p->v->s->nrows; r++) {
        bool now = unit_right(p->v, r), before = unit_right(p->base, r);
        out->b += before && !now;
        out->c += now && !before;
    }
    out->bounds = pe_tango((double)p->v->s->nrows, out->b, out->c, confidence);
}

static void read_intervals(pe_result *out, const pair *p, const double *values, double confidence)
{
    size_t n = p->v->nmetrics, k = out->resamples;

    for (size_t m = 0; m < n; m++) {
        out->ci[m] = pe_bootstrap_bounds(values + m * k, k, 0.975);
        if (p->base) out->base_ci[m] = pe_bootstrap_bounds(values + (n + m) * k, k, 0.975);
    }
    if (n > 0 && is_proportion(p->v, 0)) {
        out->ci[0] = proportion_ci(p->v);
        if (p->base) out->base_ci[0] = proportion_ci(p->base);
    }
    if (p->gate < 0) return;
    if (is_proportion(p->v, (size_t)p->gate)) tango_gate(out, p, confidence);
    else out->bounds = pe_bootstrap_bounds(values + 2 * n * k, k, confidence);
}

pe_status pe_result_of(pe_result *out, const pe_view *v, const pe_view *base, int gate,
                       double confidence, uint64_t seed, pe_pool *pool, pe_error *err)
{
    pair p = { v, base, gate };
    size_t n = v->nmetrics, scratch = pe_view_nscratch(v);
    size_t base_scratch = base ? pe_view_nscratch(base) : 0;
    pe_resampling r = { .n = v->s->nrows, .nstats = 2 * n + 1, .seed = seed, .pool = pool };
    double *values, *work;
    pe_status st;

    memset(out, 0, sizeof *out);
    if (n == 0) return PE_OK;
    if (base_scratch > scratch) scratch = base_scratch;
    r.nscratch = scratch;
    r.resamples = out->resamples = v->s->nunits <= 100000 ? 10000 : 1000;
    values = malloc(r.nstats * r.resamples * sizeof *values);
    work = malloc((scratch + 1) * sizeof *work);
    if (!values || !work) {
        st = pe_fail_nomem(err, "resamples", r.nstats * r.resamples * sizeof *values);
    } else {
        pe_view_metrics(out->value, work, v, NULL);
        if (base) base_metrics(out->base_value, work, &p, NULL);
        if (gate >= 0) out->drop = drop_of(&p, out->value, out->base_value);
        st = pe_bootstrap(values, &r, pair_statistic, &p, err);
    }
    if (!st) read_intervals(out, &p, values, confidence);
    free(values);
    free(work);
    return st;
}
