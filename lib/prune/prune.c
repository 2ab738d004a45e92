/* lib/prune/prune.c - pe_prune_checkpoint: list the modules, find the thresholds, stream the
 * checkpoint through them. Read next: lib/prune/prune_job.h, then prune_cut.c. */
#include <pe/prune.h>

#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/pool.h"
#include "lib/io/provenance.h"
#include "lib/prune/prune_job.h"

static const struct criterion_row {
    const char *name;
    bool needs_stats;
} criteria[] = {
#define PE_CRITERION(name, needs_stats, text) { #name, needs_stats },
#include "lib/prune/criteria.def"
#undef PE_CRITERION
};

static pe_status check_method(const char *method, pe_error *err)
{
    size_t n = sizeof criteria / sizeof *criteria;

    for (size_t i = 0; i < n; i++) {
        if (method == NULL || strcmp(method, criteria[i].name) == 0) return PE_OK;
    }
    return pe_fail(err, PE_E_ARG, "method \"%s\": unknown; expected %s", method, criteria[0].name);
}

static pe_status parse_scope(pe_prune_scope *out, const char *scope, pe_error *err)
{
    static const char *const names[] = { "layer", "global", "row" };

    *out = PE_SCOPE_LAYER;
    for (int i = 0; scope != NULL && i < 3; i++) {
        if (strcmp(scope, names[i]) != 0) continue;
        *out = (pe_prune_scope)i;
        return PE_OK;
    }
    if (scope == NULL) return PE_OK;
    return pe_fail(err, PE_E_ARG, "scope \"%s\": expected layer, global or row", scope);
}

static pe_status parse_layout(pe_prune_job *j, const char *layout, pe_error *err)
{
    j->choose_layout = layout == NULL || strcmp(layout, "auto") == 0;
    return j->choose_layout ? PE_OK : pe_layout_parse(&j->layout, layout, err);
}

static pe_status check_params(pe_prune_job *j, pe_error *err)
{
    const pe_prune_params *p = j->params;
    pe_status st = check_method(p->method, err);

    if (!st) st = parse_scope(&j->scope, p->scope, err);
    if (!st) st = pe_pattern_parse(&j->pattern, p->pattern, err);
    if (!st) st = parse_layout(j, p->layout, err);
    if (st) return st;
    if (!(p->sparsity >= 0 && p->sparsity < 1))
        return pe_fail(err, PE_E_ARG,
                       "sparsity %g: expected a share of at least 0 and below 1, as 0.6",
                       p->sparsity);
    if (j->pattern.kind == PE_PATTERN_NM && p->sparsity != 0)
        return pe_fail(err, PE_E_ARG,
                       "sparsity %g with pattern %s: the pattern already says how many weights "
                       "stay; leave the sparsity out",
                       p->sparsity, p->pattern);
    if (j->pattern.kind != PE_PATTERN_ANY && j->scope == PE_SCOPE_ROW)
        return pe_fail(err, PE_E_ARG,
                       "scope row with pattern %s: rows decide alone only without a pattern",
                       p->pattern);
    if (j->pattern.kind == PE_PATTERN_NM && j->scope == PE_SCOPE_GLOBAL)
        return pe_fail(err, PE_E_ARG,
                       "scope global with pattern %s: every group of %u inputs decides alone; "
                       "leave the scope out",
                       p->pattern, j->pattern.of);
    return PE_OK;
}

/* Transposed linear layers would be pruned along the wrong axis. */
static pe_status check_family(const pe_ckpt *c, pe_error *err)
{
    const char *type = json_string_value(json_object_get(pe_ckpt_config(c), "model_type"));

    if (type == NULL || strcmp(type, "gpt2") != 0) return PE_OK;
    return pe_fail(err, PE_E_UNSUPPORTED,
                   "%s: family gpt2 stores its linear layers as [in, out]; "
                   "pruning expects [out, in]",
                   pe_ckpt_path(c));
}

/* One item an array: selected modules are pruned, the rest is copied. */
static pe_status make_items(pe_prune_job *j, pe_error *err)
{
    j->nitems = pe_ckpt_narrays(j->in);
    j->items = calloc(j->nitems ? j->nitems : 1, sizeof *j->items);
    j->copies = calloc(j->nitems ? j->nitems : 1, sizeof *j->copies);
    if (j->items == NULL || j->copies == NULL)
        return pe_fail_nomem(err, "list of tensors", j->nitems * sizeof *j->items);
    for (size_t i = 0; i < j->nitems; i++)
        pe_weights_copy_item(&j->items[i], &j->copies[i], j->in, pe_ckpt_array(j->in, i));
    for (size_t i = 0; i < j->nmodules; i++) {
        pe_prune_module *m = &j->modules[i];

        for (size_t a = 0; a < j->nitems; a++) {
            if (j->items[a].from == m->array) m->item = &j->items[a];
        }
        if (!m->selected) continue;
        m->item->keep_layout = false;
        m->item->rows = j->device != NULL ? pe_prune_device_rows : pe_prune_rows;
        m->item->in_place = true;
        m->item->user = m;
        m->item->choose = j->choose_layout;
        m->item->layout = (pe_layout_spec){ j->layout, 0 };
        m->item->row_step = pe_pattern_rows(&j->pattern);
    }
    return PE_OK;
}

static pe_status write_out(json_t **report, pe_prune_job *j, const char *out, pe_error *err)
{
    const pe_prune_params *p = j->params;
    pe_ckptw *w = NULL;
    json_t *step = NULL, *params = NULL;
    pe_digest input;
    pe_status st = pe_rewrite_plan(j->items, j->nitems, j->in, j->pool, p->progress, err);

    if (!st) st = pe_ckptw_open(&w, out, j->in, p->replace, err);
    if (!st && p->sha256) pe_ckptw_sha256(w);
    if (!st) st = pe_rewrite_declare(w, j->items, j->nitems, err);
    if (!st) st = pe_ckptw_begin(w, err);
    if (!st) st = pe_rewrite_run(&input, w, j->items, j->nitems, j->in, j->pool, p->progress, err);
    if (!st) st = pe_prune_report(report, j, err);
    if (!st) st = pe_prune_params_json(&params, j, err);
    if (!st) st = pe_step_new(&step, "pe-prune", params, p->seed, &input, p->recipe, err);
    if (!st) {
        st = pe_ckptw_commit(w, pe_ckpt_config(j->in), step, *report, err);
        w = NULL;
    }
    if (w != NULL) pe_ckptw_abort(w);
    json_decref(step);
    return st;
}

static pe_status run(json_t **report, pe_prune_job *j, const char *out, pe_error *err)
{
    const pe_prune_params *p = j->params;
    pe_status st = check_params(j, err);

    if (!st) st = check_family(j->in, err);
    if (!st && !p->dry_run) st = pe_prune_device_open(j, err);
    if (!st) st = pe_prune_list(j, err);
    if (!st) st = pe_prune_alloc(j, err);
    if (!st && p->max_ram != 0 && pe_prune_peak_nbytes(j) > p->max_ram)
        st = pe_fail(err, PE_E_NOMEM, "%s: pruning needs about %llu MiB, --max-ram allows %llu MiB",
                     pe_ckpt_path(j->in), (unsigned long long)(pe_prune_peak_nbytes(j) >> 20),
                     (unsigned long long)(p->max_ram >> 20));
    if (!st) st = pe_weights_new(&j->weights, j->in, err);
    if (!st) st = make_items(j, err);
    if (!st && p->dry_run) return pe_prune_plan(report, j, err);
    if (!st)
        st = j->device != NULL ? pe_prune_device_find_cuts(j, err) : pe_prune_find_cuts(j, err);
    if (!st) st = write_out(report, j, out, err);
    return st;
}

pe_status pe_prune_checkpoint(char **report, const char *in, const char *out,
                              const pe_prune_params *p, pe_error *err)
{
    pe_prune_job j = { .params = p, .pool = p->pool, .nthreads = pe_pool_nthreads(p->pool) };
    pe_ckpt *c = NULL;
    json_t *made = NULL;
    pe_status st = PE_OK;

    if (report != NULL) *report = NULL;
    j.kern = pe_kernels_get(err);
    if (j.kern == NULL) return PE_E_ARG;
    st = pe_ckpt_open(&c, in, err);
    j.in = c;
    if (!st) st = run(&made, &j, out, err);
    if (!st && report != NULL) {
        *report = pe_json_text(made, 2);
        if (*report == NULL) st = pe_fail_nomem(err, "report", 0);
    }
    json_decref(made);
    pe_weights_free(j.weights);
    pe_prune_release(&j);
    if (c != NULL) pe_ckpt_close(c);
    return st;
}
