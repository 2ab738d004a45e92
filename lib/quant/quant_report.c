/* lib/quant/quant_report.c - what a run did (pe-report.json), or would do (--dry-run).
 * Read next: docs/pe-quantize.md, which explains the keys. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/quant/quant_job.h"

/* Bytes of weights a second that a run is expected to work through on one thread; --dry-run. */
#define EXPECTED_RATE 1.5e9

/* Adds value under key; the first failure sticks. */
static void put(bool *ok, json_t *o, const char *key, json_t *value)
{
    if (json_object_set_new(o, key, value) != 0) *ok = false;
}

static void put_picks(bool *ok, json_t *o, const char *key, const pe_pick *picks, size_t n,
                      bool plain)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        json_t *row = plain ? json_string(picks[i].glob)
                            : json_pack("{s:s}", picks[i].skip ? "skip" : "only", picks[i].glob);
        json_array_append_new(list, row);
    }
    if (n > 0) put(ok, o, key, list);
    else json_decref(list);
}

pe_status pe_quant_params_json(json_t **out, const pe_quant_job *j, pe_error *err)
{
    const pe_quant_params *p = j->params;
    json_t *o = json_object();
    bool ok = o != NULL;

    put(&ok, o, "scheme", json_string(p->scheme != NULL ? p->scheme : "w8a8"));
    if (j->int8_inputs)
        put(&ok, o, "activations", json_string(j->static_inputs ? "static" : "dynamic"));
    if (j->static_inputs) put(&ok, o, "range", json_string(p->range != NULL ? p->range : "absmax"));
    if (j->static_inputs) put(&ok, o, "symmetric", json_boolean(p->symmetric));
    if (j->int8_inputs) put(&ok, o, "attention", json_string(j->int8_attention ? "int8" : "float"));
    put(&ok, o, "embeddings", json_boolean(p->embeddings));
    put(&ok, o, "layout", json_string(j->choose_layout ? "auto" : pe_layout_name(j->layout)));
    if (p->calib != NULL)
        put(&ok, o, "calib_rows", json_integer(p->calib_rows ? (json_int_t)p->calib_rows : 512));
    if (p->max_error > 0) put(&ok, o, "max_error", json_real(p->max_error));
    put_picks(&ok, o, "keep_float", p->keep_float, p->nkeep_float, true);
    put_picks(&ok, o, "pick", p->picks, p->npicks, false);
    *out = o;
    return ok ? PE_OK : pe_fail_nomem(err, "parameters", 0);
}

static json_t *module_json(const pe_quant_module *m, uint64_t after, bool *ok)
{
    json_t *o = json_object();

    put(ok, o, "name", json_string(m->name));
    put(ok, o, "dtype", json_string("I8"));
    put(ok, o, "shape", json_pack("[I, I]", (json_int_t)m->n, (json_int_t)m->k));
    put(ok, o, "bytes_before", json_integer((json_int_t)m->array->nbytes));
    put(ok, o, "bytes_after", json_integer((json_int_t)after));
    return o;
}

static uint64_t extra_nbytes(const pe_quant_module *m)
{
    return m->n * sizeof(float) + (m->rule.fixed ? sizeof(float) + m->rule.asymmetric : 0);
}

static void put_inputs(const pe_quant_module *m, json_t *o, bool *ok)
{
    if (m->rule.fixed) {
        put(ok, o, "input_scale", json_real((double)m->rule.scale));
        put(ok, o, "input_zero_point", json_integer(m->rule.zero));
        put(ok, o, "input_min", json_real((double)m->inputs->lo));
        put(ok, o, "input_max", json_real((double)m->inputs->hi));
    }
    if (!m->measured) return;
    put(ok, o, "error", json_real(m->error.relative));
    if (m->rule.fixed) put(ok, o, "saturated", json_real(m->error.saturated));
}

/* Rows of zeros have scale 1 and say nothing: they are left out. */
static json_t *result_json(const pe_quant_module *m, bool *ok)
{
    json_t *o = module_json(m, m->item->nbytes + extra_nbytes(m), ok);
    float lo = 0, hi = 0;

    for (uint64_t i = 0; i < m->n; i++) {
        float s = m->scales[i];

        if (s == 1) continue;
        if (lo == 0 || s < lo) lo = s;
        if (s > hi) hi = s;
    }
    put(ok, o, "layout", json_string(pe_layout_name(m->item->layout.layout)));
    put(ok, o, "scale_min", json_real((double)lo));
    put(ok, o, "scale_max", json_real((double)hi));
    put_inputs(m, o, ok);
    return o;
}

static int by_error(const void *a, const void *b)
{
    const pe_quant_module *const *x = a, *const *y = b;
    double p = (*x)->error.relative, q = (*y)->error.relative;

    if ((*x)->measured && (*y)->measured && p != q) return p < q ? 1 : -1;
    if ((*x)->measured != (*y)->measured) return (*x)->measured ? -1 : 1;
    return strcmp((*x)->name, (*y)->name);
}

static void put_skipped(const pe_quant_job *j, json_t *o, bool *ok)
{
    json_t *list = json_array();

    for (size_t i = 0; i < j->nmodules; i++) {
        const pe_quant_module *m = &j->modules[i];
        json_t *row;

        if (m->selected) continue;
        row = json_object();
        put(ok, row, "name", json_string(m->name));
        put(ok, row, "why", json_string(m->why));
        put_inputs(m, row, ok);
        json_array_append_new(list, row);
    }
    put(ok, o, "skipped", list);
}

static void put_calib(const pe_quant_job *j, json_t *o, bool *ok)
{
    if (j->calib == NULL) return;
    put(ok, o, "calib",
        json_pack("{s:I, s:I, s:I, s:s}", "rows", (json_int_t)pe_calib_nrows(j->calib), "tokens",
                  (json_int_t)pe_calib_ntokens(j->calib), "truncated",
                  (json_int_t)pe_calib_ntruncated(j->calib), "data", pe_calib_digest(j->calib)));
}

static void put_warnings(const pe_quant_job *j, json_t *o, uint64_t stored, uint64_t dense,
                         bool *ok)
{
    json_t *list = json_array();

    if (!j->choose_layout && stored > dense)
        json_array_append_new(
            list,
            json_sprintf("layout %s takes %llu bytes for the int8 matrices, dense takes %llu; "
                         "--layout auto stores the fewest",
                         pe_layout_name(j->layout), (unsigned long long)stored,
                         (unsigned long long)dense));
    if (j->calib != NULL && pe_calib_ntruncated(j->calib) > 0)
        json_array_append_new(
            list, json_sprintf("%zu of %zu calibration rows are longer than the model takes and "
                               "were cut",
                               pe_calib_ntruncated(j->calib), pe_calib_nrows(j->calib)));
    put(ok, o, "warnings", list);
}

static json_t *start(const pe_quant_job *j, bool *ok, pe_error *err)
{
    json_t *o = json_object(), *params = NULL;

    if (o == NULL || pe_quant_params_json(&params, j, err)) *ok = false;
    put(ok, o, "schema", json_string("pe.quantize/1"));
    put(ok, o, "params", params);
    return o;
}

/* Everything that does not become int8. */
static uint64_t other_nbytes(const pe_quant_job *j)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < pe_ckpt_narrays(j->in); i++) sum += pe_ckpt_array(j->in, i)->nbytes;
    for (size_t i = 0; i < j->nmodules; i++) {
        if (j->modules[i].selected) sum -= j->modules[i].array->nbytes;
    }
    return sum;
}

pe_status pe_quant_report(json_t **out, const pe_quant_job *j, pe_error *err)
{
    bool ok = true;
    json_t *o = start(j, &ok, err), *list = json_array();
    const pe_quant_module **ranked = malloc(j->nselected * sizeof *ranked);
    uint64_t before = other_nbytes(j), after = before, stored = 0, dense = 0;
    size_t n = 0;

    if (ranked == NULL) ok = false;
    for (size_t i = 0; ranked != NULL && i < j->nmodules; i++) {
        if (j->modules[i].selected) ranked[n++] = &j->modules[i];
    }
    if (n > 0) qsort(ranked, n, sizeof *ranked, by_error);
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(list, result_json(ranked[i], &ok));
        before += ranked[i]->array->nbytes;
        after += ranked[i]->item->nbytes + extra_nbytes(ranked[i]);
        stored += ranked[i]->item->nbytes;
        dense += ranked[i]->array->nelem;
    }
    free(ranked);
    put(&ok, o, "modules", list);
    put(&ok, o, "bytes_before", json_integer((json_int_t)before));
    put(&ok, o, "bytes_after", json_integer((json_int_t)after));
    put_calib(j, o, &ok);
    put_skipped(j, o, &ok);
    put_warnings(j, o, stored, dense, &ok);
    *out = o;
    return ok ? PE_OK : pe_fail_nomem(err, "report", 0);
}

/* Of a sparse matrix the share of non-zeros stays; a forced layout is not looked into. */
static uint64_t expected_nbytes(const pe_quant_job *j, const pe_quant_module *m)
{
    const pe_array *a = m->array;

    if (!j->choose_layout || a->layout.layout == PE_LAYOUT_DENSE) return a->nelem;
    return a->nbytes / pe_dtype_nbytes(a->dtype) + a->nelem / 8;
}

pe_status pe_quant_plan(json_t **out, const pe_quant_job *j, pe_error *err)
{
    bool ok = true;
    json_t *o = start(j, &ok, err), *list = json_array();
    uint64_t before = other_nbytes(j), after = before, work = before;

    for (size_t i = 0; i < j->nmodules; i++) {
        const pe_quant_module *m = &j->modules[i];
        uint64_t expected;

        if (!m->selected) continue;
        expected = expected_nbytes(j, m) + extra_nbytes(m);
        json_array_append_new(list, module_json(m, expected, &ok));
        before += m->array->nbytes;
        after += expected;
        work += m->array->nelem * pe_dtype_nbytes(m->array->dtype) * (j->choose_layout ? 2 : 1);
    }
    put(&ok, o, "dry_run", json_true());
    put(&ok, o, "modules", list);
    put(&ok, o, "bytes_before", json_integer((json_int_t)before));
    put(&ok, o, "bytes_after", json_integer((json_int_t)after));
    put(&ok, o, "peak_bytes", json_integer((json_int_t)pe_quant_peak_nbytes(j)));
    put(&ok, o, "seconds", json_real((double)work / EXPECTED_RATE / j->nthreads));
    put_skipped(j, o, &ok);
    *out = o;
    return ok ? PE_OK : pe_fail_nomem(err, "plan", 0);
}
