/* lib/eval/evaluate.c - pe_eval_model: a model, rows and perhaps a baseline in, a report out.
 * Read next: lib/eval/score.c. */
#include <stdlib.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/eval/report.h"

static pe_status check_params(const pe_eval_params *p, pe_error *err)
{
    if (!p->baseline && p->max_drop > 0)
        return pe_fail(err, PE_E_ARG,
                       "max_drop: found a gate without a baseline, expected --baseline MODEL");
    if (!(p->confidence >= 0 && p->confidence < 1))
        return pe_fail(err, PE_E_ARG, "confidence: found %g, expected more than 0 and less than 1",
                       p->confidence);
    return PE_OK;
}

pe_status pe_eval_model(char **json, const char *model, const pe_eval_params *p, pe_error *err)
{
    pe_eval_set *set = NULL;
    pe_scores *s = NULL, *base = NULL;
    json_t *o = NULL;
    pe_status st = check_params(p, err);

    if (!st) st = pe_eval_set_open(&set, p->data, p->ndata, &p->columns, err);
    if (!st) st = pe_scores_new(&s, model, set, p, "evaluating", err);
    if (!st && p->baseline) st = pe_scores_new(&base, p->baseline, set, p, "baseline", err);
    if (!st) st = pe_eval_report(&o, set, s, base, p, err);
    if (o) {
        *json = pe_json_text(o, 2);
        if (!*json) st = pe_fail_nomem(err, "report", 4096);
        json_decref(o);
    }
    pe_scores_free(base);
    pe_scores_free(s);
    pe_eval_set_close(set);
    return st;
}
