/* lib/prune/prune_report.c - what a run did (pe-report.json), or would do (--dry-run).
 * Read next: docs/pe-prune.md, which explains the keys. */
#include <math.h>

#include "lib/base/error.h"
#include "lib/prune/prune_job.h"

/* Bytes of weights a second that a run is expected to work through on one thread; --dry-run. */
#define EXPECTED_RATE 0.7e9

static const char *scope_name(pe_prune_scope s)
{
    static const char *const names[] = { "layer", "global", "row" };
    return names[s];
}

/* Adds value under key; the first failure sticks. */
static void put(bool *ok, json_t *o, const char *key, json_t *value)
{
    if (json_object_set_new(o, key, value) != 0) *ok = false;
}

static json_t *shape_json(const pe_array *a)
{
    json_t *shape = json_array();

    for (int i = 0; i < a->rank; i++)
        json_array_append_new(shape, json_integer((json_int_t)a->shape[i]));
    return shape;
}

static double share(uint64_t part, uint64_t all)
{
    return all ? (double)part / (double)all : 0;
}

pe_status pe_prune_params_json(json_t **out, const pe_prune_job *j, pe_error *err)
{
    const pe_prune_params *p = j->params;
    json_t *o = json_object(), *picks = json_array();
    bool ok = o != NULL && picks != NULL;

    put(&ok, o, "method", json_string(p->method != NULL ? p->method : "magnitude"));
    if (j->pattern.kind != PE_PATTERN_NM) put(&ok, o, "sparsity", json_real(p->sparsity));
    if (j->pattern.kind != PE_PATTERN_NM) put(&ok, o, "scope", json_string(scope_name(j->scope)));
    if (j->pattern.kind != PE_PATTERN_ANY) put(&ok, o, "pattern", json_string(p->pattern));
    put(&ok, o, "layout", json_string(j->choose_layout ? "auto" : pe_layout_name(j->layout)));
    for (size_t i = 0; i < p->npicks; i++) {
        const char *key = p->picks[i].skip ? "skip" : "only";
        json_array_append_new(picks, json_pack("{s:s}", key, p->picks[i].glob));
    }
    if (p->npicks > 0) put(&ok, o, "pick", picks);
    else json_decref(picks);
    *out = o;
    return ok ? PE_OK : pe_fail_nomem(err, "parameters", 0);
}

static json_t *module_json(const pe_prune_job *j, const pe_prune_module *m, uint64_t after,
                           bool *ok)
{
    json_t *o = json_object();
    const pe_pattern *p = &j->pattern;

    put(ok, o, "name", json_string(m->name));
    put(ok, o, "dtype", json_string(m->array->dtype_name));
    put(ok, o, "shape", shape_json(m->array));
    put(ok, o, "bytes_before", json_integer((json_int_t)m->array->nbytes));
    put(ok, o, "bytes_after", json_integer((json_int_t)after));
    if (p->kind == PE_PATTERN_NM) put(ok, o, "asked", json_real(1 - (double)p->keep / p->of));
    else if (j->scope != PE_SCOPE_GLOBAL) put(ok, o, "asked", json_real(j->params->sparsity));
    return o;
}

/* What was measured while writing. */
static void add_result(const pe_prune_job *j, const pe_prune_module *m, json_t *o, bool *ok)
{
    put(ok, o, "layout", json_string(pe_layout_name(m->item->layout.layout)));
    put(ok, o, "zeros", json_integer((json_int_t)m->zeros));
    put(ok, o, "sparsity", json_real(share(m->zeros, m->array->nelem)));
    if (j->pattern.kind == PE_PATTERN_BLOCK)
        put(ok, o, "block_sparsity", json_real(share(m->gone, m->nscores)));
}

static void add_skipped(const pe_prune_job *j, json_t *o, bool *ok)
{
    json_t *list = json_array();

    for (size_t i = 0; i < j->nmodules; i++) {
        const pe_prune_module *m = &j->modules[i];
        json_t *row;

        if (m->selected) continue;
        row = json_object();
        put(ok, row, "name", json_string(m->name));
        put(ok, row, "why",
            json_string(m->role == PE_ROLE_LINEAR ? "not picked" : pe_role_name(m->role)));
        json_array_append_new(list, row);
    }
    put(ok, o, "skipped", list);
}

static void add_warnings(const pe_prune_job *j, json_t *o, bool *ok)
{
    uint64_t dense = 0, stored = 0;
    json_t *list = json_array();

    for (size_t i = 0; i < j->nmodules; i++) {
        const pe_prune_module *m = &j->modules[i];

        if (!m->selected) continue;
        dense += m->array->nelem * pe_dtype_nbytes(m->array->dtype);
        stored += m->item->nbytes;
    }
    if (!j->choose_layout && stored > dense)
        json_array_append_new(
            list, json_sprintf("layout %s takes %llu bytes for the pruned matrices, dense takes "
                               "%llu; --layout auto stores the fewest",
                               pe_layout_name(j->layout), (unsigned long long)stored,
                               (unsigned long long)dense));
    put(ok, o, "warnings", list);
}

/* Everything that is not a pruned module. */
static uint64_t other_nbytes(const pe_prune_job *j)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < j->nitems; i++) sum += j->items[i].from->nbytes;
    for (size_t i = 0; i < j->nmodules; i++) {
        if (j->modules[i].selected) sum -= j->modules[i].array->nbytes;
    }
    return sum;
}

static json_t *start(const pe_prune_job *j, bool *ok, pe_error *err)
{
    json_t *o = json_object(), *params = NULL;

    if (o == NULL || pe_prune_params_json(&params, j, err)) *ok = false;
    put(ok, o, "schema", json_string("pe.prune/1"));
    put(ok, o, "params", params);
    return o;
}

pe_status pe_prune_report(json_t **out, const pe_prune_job *j, pe_error *err)
{
    bool ok = true;
    json_t *o = start(j, &ok, err), *list = json_array();
    uint64_t before = other_nbytes(j), after = before, zeros = 0, weights = 0;

    for (size_t i = 0; i < j->nmodules; i++) {
        const pe_prune_module *m = &j->modules[i];
        json_t *row;

        if (!m->selected) continue;
        row = module_json(j, m, m->item->nbytes, &ok);
        add_result(j, m, row, &ok);
        json_array_append_new(list, row);
        before += m->array->nbytes;
        after += m->item->nbytes;
        zeros += m->zeros;
        weights += m->array->nelem;
    }
    put(&ok, o, "modules", list);
    put(&ok, o, "bytes_before", json_integer((json_int_t)before));
    put(&ok, o, "bytes_after", json_integer((json_int_t)after));
    put(&ok, o, "zeros", json_integer((json_int_t)zeros));
    put(&ok, o, "weights", json_integer((json_int_t)weights));
    put(&ok, o, "sparsity", json_real(share(zeros, weights)));
    add_skipped(j, o, &ok);
    add_warnings(j, o, &ok);
    *out = o;
    return ok ? PE_OK : pe_fail_nomem(err, "report", 0);
}

/* Bytes of a module that will be as sparse as asked, its zeros spread evenly. */
static uint64_t expected_nbytes(const pe_prune_job *j, const pe_prune_module *m)
{
    const pe_pattern *p = &j->pattern;
    uint32_t elem = (uint32_t)pe_dtype_nbytes(m->array->dtype);
    double s = p->kind == PE_PATTERN_NM ? 1 - (double)p->keep / p->of : j->params->sparsity;
    double empty4 = p->kind == PE_PATTERN_BLOCK && p->cols % 4 == 0 ? s : pow(s, 4);
    uint64_t blocks = m->n * ((m->k + 3) / 4), least = m->array->nelem * elem;
    bool two_of_four = p->kind == PE_PATTERN_NM && p->of == 4 && p->keep <= 2;
    const double count[PE_NLAYOUTS] = {
        [PE_LAYOUT_BITMASK] = (1 - s) * (double)m->array->nelem,
        [PE_LAYOUT_CSR] = (1 - s) * (double)m->array->nelem,
        [PE_LAYOUT_BLOCK4] = (1 - empty4) * (double)blocks,
    };

    for (int l = PE_LAYOUT_DENSE; l < PE_NLAYOUTS; l++) {
        pe_layout_spec spec = { (pe_layout)l, 0 };
        pe_part parts[PE_MAX_PARTS];
        int nparts;
        bool wanted = j->choose_layout ? l < PE_LAYOUT_BSR && (l != PE_LAYOUT_2OF4 || two_of_four)
                                       : (pe_layout)l == j->layout && l < PE_LAYOUT_BSR;

        if (!wanted ||
            pe_layout_parts(parts, &nparts, spec, m->n, m->k, elem, (uint64_t)count[l], NULL))
            continue;
        if (!j->choose_layout || pe_parts_nbytes(parts, nparts) < least)
            least = pe_parts_nbytes(parts, nparts);
    }
    return least;
}

pe_status pe_prune_plan(json_t **out, const pe_prune_job *j, pe_error *err)
{
    bool ok = true;
    json_t *o = start(j, &ok, err), *list = json_array();
    uint64_t before = other_nbytes(j), after = before, work = before;

    for (size_t i = 0; i < j->nmodules; i++) {
        const pe_prune_module *m = &j->modules[i];
        uint64_t expected;

        if (!m->selected) continue;
        expected = expected_nbytes(j, m);
        json_array_append_new(list, module_json(j, m, expected, &ok));
        before += m->array->nbytes;
        after += expected;
        work += m->array->nelem * pe_dtype_nbytes(m->array->dtype) * (j->choose_layout ? 3 : 2);
    }
    put(&ok, o, "dry_run", json_true());
    put(&ok, o, "modules", list);
    put(&ok, o, "bytes_before", json_integer((json_int_t)before));
    put(&ok, o, "bytes_after", json_integer((json_int_t)after));
    put(&ok, o, "peak_bytes", json_integer((json_int_t)pe_prune_peak_nbytes(j)));
    put(&ok, o, "seconds", json_real((double)work / EXPECTED_RATE / j->nthreads));
    add_skipped(j, o, &ok);
    *out = o;
    return ok ? PE_OK : pe_fail_nomem(err, "plan", 0);
}
