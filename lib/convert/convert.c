/* lib/convert/convert.c - pe_convert_checkpoint: another layout, another float type, floats from
 * int8. Read next: lib/convert/convert_tensors.c. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/convert/convert_job.h"
#include "lib/io/provenance.h"

static pe_status parse_layout(pe_convert_job *j, pe_error *err)
{
    const pe_convert_params *p = j->params;
    j->relayout = p->layout != NULL;
    j->choose = p->layout && !strcmp(p->layout, "auto");
    if (p->layout && !j->choose) {
        pe_status st = pe_layout_parse(&j->layout.layout, p->layout, err);
        if (st) return st;
    }
    if (p->block && j->layout.layout < PE_LAYOUT_BSR)
        return pe_fail(err, PE_E_ARG, "--block %u: only --layout bsr and blocked-ell have blocks",
                       p->block);
    if (p->block > PE_MAX_BLOCK)
        return pe_fail(err, PE_E_ARG, "--block %u: at most %d", p->block, PE_MAX_BLOCK);
    if (j->layout.layout >= PE_LAYOUT_BSR) j->layout.block = p->block ? p->block : 16;
    return PE_OK;
}

static pe_status parse_dtype(pe_convert_job *j, pe_error *err)
{
    static const struct {
        const char *name;
        pe_dtype dtype;
    } types[] = { { "f32", PE_F32 }, { "bf16", PE_BF16 }, { "f16", PE_F16 } };
    const char *want = j->params->dtype;
    j->redtype = want != NULL;
    for (size_t i = 0; want && i < 3; i++) {
        if (strcmp(types[i].name, want)) continue;
        j->dtype = types[i].dtype;
        return PE_OK;
    }
    if (!want) return PE_OK;
    return pe_fail(err, PE_E_ARG,
                   "--dtype %.40s: expected f32, bf16 or f16 (pe-quantize makes int8)", want);
}

static pe_status write_out(json_t **report, pe_convert_job *j, const char *out, pe_error *err)
{
    const pe_convert_params *p = j->params;
    pe_ckptw *w = NULL;
    json_t *step = NULL, *params = NULL, *config = NULL;
    pe_digest input;
    pe_status st = pe_ckptw_open(&w, out, j->in, p->replace, err);
    if (!st && p->sha256) pe_ckptw_sha256(w);
    if (!st) st = pe_rewrite_declare(w, j->items, j->nitems, err);
    if (!st) st = pe_ckptw_begin(w, err);
    if (!st) st = pe_rewrite_run(&input, w, j->items, j->nitems, j->in, p->pool, p->progress, err);
    if (!st) st = pe_convert_report(report, j, err);
    if (!st) st = pe_convert_config(&config, j, err);
    if (!st && !(params = pe_convert_params_json(j))) st = pe_fail_nomem(err, "parameters", 0);
    if (!st) st = pe_step_new(&step, "pe-convert", params, 0, &input, p->recipe, err);
    if (!st) st = pe_ckptw_commit(w, config, step, *report, err);
    else pe_ckptw_abort(w);
    json_decref(config);
    json_decref(step);
    return st;
}

static pe_status run(json_t **report, pe_convert_job *j, const char *out, pe_error *err)
{
    const pe_convert_params *p = j->params;
    pe_status st = parse_layout(j, err);
    if (!st) st = parse_dtype(j, err);
    if (!st) st = pe_convert_list(j, err);
    if (!st) st = pe_rewrite_plan(j->items, j->nitems, j->in, p->pool, p->progress, err);
    if (st) return st;
    return p->dry_run ? pe_convert_report(report, j, err) : write_out(report, j, out, err);
}

pe_status pe_convert_checkpoint(char **report, const char *in, const char *out,
                                const pe_convert_params *p, pe_error *err)
{
    pe_convert_job j = { .params = p };
    pe_ckpt *c = NULL;
    json_t *made = NULL;
    if (report) *report = NULL;
    pe_status st = pe_ckpt_open(&c, in, err);
    j.in = c;
    if (!st) st = run(&made, &j, out, err);
    if (!st && report && !(*report = pe_json_text(made, 2))) st = pe_fail_nomem(err, "report", 0);
    json_decref(made);
    pe_convert_release(&j);
    pe_ckpt_close(c);
    return st;
}
