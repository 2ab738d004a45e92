/* lib/eval/report.h - the JSON of an evaluation, its verdict and its per-row records.
 * Read next: docs/pe-eval.md for what the fields mean. */
#ifndef PE_EVAL_REPORT_H
#define PE_EVAL_REPORT_H

#include "lib/eval/metrics.h"

/* "pe.eval/1" of scores s over a set, next to a baseline (NULL: none) and with a gate when
 * p->max_drop >= 0 and there is a baseline. Of p also metric, confidence, seed, records and pool
 * are read. *out is set also when the gate does not pass; PE_E_NEGATIVE and PE_E_INCONCLUSIVE say
 * why. */
pe_status pe_eval_report(json_t **out, const pe_eval_set *set, const pe_scores *s,
                         const pe_scores *base, const pe_eval_params *p, pe_error *err);

/* The parts of it. */
json_t *pe_metrics_json(const pe_view *v, const double *value, const pe_interval *ci);
pe_status pe_paired_json(json_t **out, const pe_view *v, const pe_view *base, pe_error *err);
/* Index of the gate's metric: `name` or the task's own; PE_E_ARG lists what there is. */
pe_status pe_gate_metric(int *out, const pe_view *v, const char *name, pe_error *err);
/* The gate of the report; status and message as the verdict. */
pe_status pe_gate_json(json_t **out, const pe_view *v, const pe_result *r, int metric,
                       double max_drop, double confidence, pe_error *err);
/* One JSON object a row, atomically to `path`. */
pe_status pe_records_write(const char *path, const pe_eval_set *set, const pe_view *v,
                           const pe_view *base, pe_error *err);

#endif
