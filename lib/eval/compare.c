/* lib/eval/compare.c - row by row against the baseline: flips, divergence, ranks of neighbours.
 * Read next: lib/eval/gate.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/eval/report.h"

#define RANKED_ROWS 1000 /* all pairs of so many texts */

static json_t *flips_json(uint64_t n, uint64_t agree, uint64_t lost, uint64_t won)
{
    return json_pack("{s:o, s:I, s:I, s:o}", "agree", pe_json_real((double)agree / (double)n),
                     "right_to_wrong", (json_int_t)lost, "wrong_to_right", (json_int_t)won,
                     "mcnemar_mid_p", pe_json_real(pe_mcnemar_mid_p(lost, won)));
}

static json_t *class_pairs(const pe_view *v, const pe_view *base)
{
    const pe_scores *s = v->s, *b = base->s;
    uint64_t agree = 0, lost = 0, won = 0;
    double kl = 0, worst = 0;
    json_t *out;

    for (size_t u = 0; u < s->nunits; u++) {
        bool now = v->pred[u] == s->gold[u], before = base->pred[u] == s->gold[u];
        double d = pe_kl_logits(b->out + u * s->width, s->out + u * s->width, s->width);
        agree += v->pred[u] == base->pred[u];
        lost += before && !now;
        won += now && !before;
        kl += d;
        worst = fmax(worst, d);
    }
    out = flips_json(s->nunits, agree, lost, won);
    if (!out) return NULL;
    json_object_set_new(out, "kl_mean", pe_json_real(kl / (double)s->nunits));
    json_object_set_new(out, "kl_max", pe_json_real(worst));
    return out;
}

static json_t *multi_pairs(const pe_view *v, const pe_view *base)
{
    const pe_scores *s = v->s;
    uint64_t agree = 0, lost = 0, won = 0;
    size_t w = s->width;

    for (size_t r = 0; r < s->nrows; r++) {
        const uint8_t *gold = s->gold_multi + r * w;
        bool now = memcmp(v->multi + r * w, gold, w) == 0;
        bool before = memcmp(base->multi + r * w, gold, w) == 0;
        agree += memcmp(v->multi + r * w, base->multi + r * w, w) == 0;
        lost += before && !now;
        won += now && !before;
    }
    return flips_json(s->nrows, agree, lost, won);
}

static pe_status value_pairs(json_t **out, const pe_view *v, const pe_view *base, pe_error *err)
{
    size_t n = v->s->nrows;
    double sum = 0, worst = 0, spearman;
    pe_status st = pe_spearman(&spearman, v->value, base->value, n, err);

    if (st) return st;
    for (size_t r = 0; r < n; r++) {
        double d = fabs(v->value[r] - base->value[r]);
        sum += d;
        worst = fmax(worst, d);
    }
    *out = json_pack("{s:o, s:o, s:o, s:o}", "pearson",
                     pe_json_real(pe_pearson(v->value, base->value, NULL, n)), "spearman",
                     pe_json_real(spearman), "mean_abs_diff", pe_json_real(sum / (double)n),
                     "max_abs_diff", pe_json_real(worst));
    return *out ? PE_OK : pe_fail_nomem(err, "comparison", 256);
}

/* Cosines of all pairs of the first n texts. */
static void all_pairs(double *out, const pe_scores *s, size_t n)
{
    size_t at = 0;

    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++)
            out[at++] = pe_cosine(s->out + i * s->width, s->out + j * s->width, s->width);
}

/* The text most similar to i; pair (a, b), a < b, lies at a n - a (a + 1) / 2 + b - a - 1. */
static size_t nearest(const double *pairs, size_t n, size_t i)
{
    size_t best = i;
    double top = -INFINITY;

    for (size_t j = 0; j < n; j++) {
        size_t a = i < j ? i : j, b = i < j ? j : i;
        double c;
        if (i == j) continue;
        c = pairs[a * n - a * (a + 1) / 2 + b - a - 1];
        if (c > top) {
            top = c;
            best = j;
        }
    }
    return best;
}

static pe_status rank_pairs(json_t *out, const pe_scores *s, const pe_scores *b, pe_error *err)
{
    size_t n = s->nrows < RANKED_ROWS ? s->nrows : RANKED_ROWS, npairs = n * (n - 1) / 2, same = 0;
    double *x = malloc((2 * npairs + 1) * sizeof *x), agreement = NAN;
    pe_status st = x ? PE_OK : pe_fail_nomem(err, "pairs", 2 * npairs * sizeof *x);

    if (!st) {
        all_pairs(x, s, n);
        all_pairs(x + npairs, b, n);
        st = pe_spearman(&agreement, x, x + npairs, npairs, err);
    }
    for (size_t i = 0; !st && i < n; i++) same += nearest(x, n, i) == nearest(x + npairs, n, i);
    free(x);
    if (st) return st;
    json_object_set_new(out, "rank_agreement", pe_json_real(agreement));
    json_object_set_new(out, "same_nearest", pe_json_real((double)same / (double)n));
    json_object_set_new(out, "ranked_rows", json_integer((json_int_t)n));
    return PE_OK;
}

static pe_status embed_pairs(json_t **out, const pe_view *v, const pe_view *base, pe_error *err)
{
    double sum = 0, least = INFINITY;
    size_t n = v->s->nrows;

    *out = json_object();
    if (!*out) return pe_fail_nomem(err, "comparison", 256);
    if (v->cosine) {
        for (size_t r = 0; r < n; r++) {
            sum += v->cosine[r];
            least = fmin(least, v->cosine[r]);
        }
        json_object_set_new(*out, "cosine_mean", pe_json_real(sum / (double)n));
        json_object_set_new(*out, "cosine_min", pe_json_real(least));
    }
    return n < 2 ? PE_OK : rank_pairs(*out, v->s, base->s, err);
}

pe_status pe_paired_json(json_t **out, const pe_view *v, const pe_view *base, pe_error *err)
{
    switch (v->s->task) {
    case PE_TASK_REGRESS: return value_pairs(out, v, base, err);
    case PE_TASK_EMBED: return embed_pairs(out, v, base, err);
    case PE_TASK_MULTILABEL: *out = multi_pairs(v, base); break;
    default: *out = class_pairs(v, base);
    }
    return *out ? PE_OK : pe_fail_nomem(err, "comparison", 256);
}
