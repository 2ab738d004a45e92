/* lib/eval/gate.c - passes, fails or cannot tell: a drop against the margin that was allowed.
 * Read next: lib/eval/paired.c. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/eval/report.h"

pe_status pe_gate_metric(int *out, const pe_view *v, const char *name, pe_error *err)
{
    char names[128] = "";
    size_t at = 0;

    if (!name && v->s->task == PE_TASK_EMBED) name = v->cosine ? "cosine" : "spearman";
    if (!name) name = v->metric[0].name;
    for (size_t m = 0; m < v->nmetrics; m++) {
        int n;
        if (strcmp(v->metric[m].name, name) == 0) {
            *out = (int)m;
            return PE_OK;
        }
        n = snprintf(names + at, sizeof names - at, "%s%s", m ? ", " : "", v->metric[m].name);
        if (n > 0 && at + (size_t)n < sizeof names) at += (size_t)n;
    }
    return pe_fail(err, PE_E_ARG, "metric: found '%.40s', expected one of %s for task %s", name,
                   names[0] ? names : "none", pe_task_name(v->s->task));
}

static pe_status verdict_status(pe_verdict verdict, const char *metric, const pe_result *r,
                                double max_drop, uint64_t rows, size_t n, double confidence,
                                pe_error *err)
{
    if (verdict == PE_VERDICT_PASS) return PE_OK;
    if (verdict == PE_VERDICT_FAIL)
        return pe_fail(err, PE_E_NEGATIVE,
                       "gate: %s dropped by %.4f, at least %.4f with %g %% confidence, expected at "
                       "most %g; change less of the model or allow more",
                       metric, r->drop, r->bounds.lower, 100.0 * confidence, max_drop);
    if (rows > 0)
        return pe_fail(err, PE_E_INCONCLUSIVE,
                       "gate: %s dropped by %.4f, between %.4f and %.4f, expected at most %g: %zu "
                       "rows cannot tell; about %llu rows would decide at the rates seen here",
                       metric, r->drop, r->bounds.lower, r->bounds.upper, max_drop, n,
                       (unsigned long long)rows);
    return pe_fail(
        err, PE_E_INCONCLUSIVE,
        "gate: %s dropped by %.4f, expected at most %g: %zu rows cannot tell, and at the "
        "rates seen here no number of rows would",
        metric, r->drop, max_drop, n);
}

pe_status pe_gate_json(json_t **out, const pe_view *v, const pe_result *r, int metric,
                       double max_drop, double confidence, pe_error *err)
{
    pe_verdict verdict = pe_verdict_of(r->bounds, max_drop);
    size_t n = v->s->nrows;
    uint64_t rows = 0;
    char lower[32], upper[32];
    json_t *g;

    if (verdict == PE_VERDICT_INCONCLUSIVE)
        rows = r->tango ? pe_tango_rows((double)n, r->b, r->c, confidence, max_drop)
                        : pe_interval_rows(n, r->drop, r->bounds, max_drop);
    snprintf(lower, sizeof lower, "lower%g", 100.0 * confidence);
    snprintf(upper, sizeof upper, "upper%g", 100.0 * confidence);
    g = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:s, s:s}", "metric", v->metric[metric].name,
                  "max_drop", pe_json_real(max_drop), "drop", pe_json_real(r->drop), lower,
                  pe_json_real(r->bounds.lower), upper, pe_json_real(r->bounds.upper), "confidence",
                  pe_json_real(confidence), "method", r->tango ? "tango" : "bootstrap", "verdict",
                  pe_verdict_name(verdict));
    if (!g) return pe_fail_nomem(err, "gate", 256);
    if (verdict == PE_VERDICT_INCONCLUSIVE)
        json_object_set_new(g, "rows_to_decide",
                            rows ? json_integer((json_int_t)rows) : json_null());
    *out = g;
    return verdict_status(verdict, v->metric[metric].name, r, max_drop, rows, n, confidence, err);
}
