/* lib/quant/quant.c - pe_quantize_checkpoint: list the modules, calibrate where asked, stream the
 * checkpoint to int8. Read next: lib/quant/quant_job.h, then quant_rows.c. */
#include <pe/quant.h>

#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/pool.h"
#include "lib/io/provenance.h"
#include "lib/quant/quant_job.h"

static const struct scheme_row {
    const char *name;
    bool int8_inputs;
} schemes[] = {
#define PE_SCHEME(name, int8_inputs, text) { #name, int8_inputs },
#include "lib/quant/schemes.def"
#undef PE_SCHEME
};

static pe_status parse_scheme(pe_quant_job *j, const char *scheme, pe_error *err)
{
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (scheme != NULL && strcmp(scheme, schemes[i].name) != 0) continue;
        j->int8_inputs = schemes[i].int8_inputs;
        return PE_OK;
    }
    return pe_fail(err, PE_E_ARG, "scheme \"%s\": expected w8a8 or w8a16", scheme);
}

static pe_status parse_activations(pe_quant_job *j, const char *activations, pe_error *err)
{
    if (activations == NULL || strcmp(activations, "dynamic") == 0) return PE_OK;
    if (strcmp(activations, "static") != 0)
        return pe_fail(err, PE_E_ARG, "activations \"%s\": expected dynamic or static",
                       activations);
    if (!j->int8_inputs)
        return pe_fail(err, PE_E_ARG,
                       "activations static: scheme w8a16 keeps activations float; use w8a8");
    j->static_inputs = true;
    return PE_OK;
}

static pe_status parse_attention(pe_quant_job *j, const char *attention, pe_error *err)
{
    j->int8_attention = j->int8_inputs && (!attention || strcmp(attention, "int8") == 0);
    if (!attention || strcmp(attention, "float") == 0 || j->int8_attention) return PE_OK;
    if (strcmp(attention, "int8") != 0)
        return pe_fail(err, PE_E_ARG, "attention \"%s\": expected int8 or float", attention);
    return pe_fail(err, PE_E_ARG, "attention int8: scheme w8a16 keeps activations float; use w8a8");
}

static pe_status check_params(pe_quant_job *j, pe_error *err)
{
    const pe_quant_params *p = j->params;
    pe_status st = parse_scheme(j, p->scheme, err);

    if (!st) st = parse_activations(j, p->activations, err);
    if (!st) st = parse_attention(j, p->attention, err);
    if (!st) st = pe_range_parse(&j->range, p->range, err);
    if (st) return st;
    if (j->static_inputs && p->calib == NULL)
        return pe_fail(err, PE_E_ARG,
                       "activations static: ranges come from data; give --calib FILE");
    if (!j->static_inputs && (p->range != NULL || p->symmetric))
        return pe_fail(err, PE_E_ARG,
                       "%s: only static activations have a range; add --activations static",
                       p->range != NULL ? "range" : "symmetric");
    if (p->max_error > 0 && p->calib == NULL)
        return pe_fail(err, PE_E_ARG,
                       "max-error %g: errors are measured on data; give --calib FILE",
                       p->max_error);
    if (!(p->max_error >= 0))
        return pe_fail(err, PE_E_ARG, "max-error %g: expected a relative error, as 0.02",
                       p->max_error);
    return PE_OK;
}

static pe_status parse_layout(pe_quant_job *j, pe_error *err)
{
    const char *layout = j->params->layout;
    bool sparse = false;

    for (size_t i = 0; i < pe_ckpt_narrays(j->in); i++)
        sparse |= pe_ckpt_array(j->in, i)->layout.layout != PE_LAYOUT_DENSE;
    j->choose_layout = layout == NULL ? sparse : strcmp(layout, "auto") == 0;
    if (j->choose_layout || layout == NULL) return PE_OK;
    return pe_layout_parse(&j->layout, layout, err);
}

/* Not quantized already, and with linear layers that lie as [out, in]. */
static pe_status check_input(const pe_ckpt *c, pe_error *err)
{
    const char *type = json_string_value(json_object_get(pe_ckpt_config(c), "model_type"));

    if (pe_ckpt_quantization(c) != NULL)
        return pe_fail(err, PE_E_INPUT,
                       "%s: quantized already, expected float weights; start from the float model, "
                       "or dequantize it with pe-convert --dtype f32",
                       pe_ckpt_path(c));
    if (type != NULL && strcmp(type, "gpt2") == 0)
        return pe_fail(err, PE_E_UNSUPPORTED,
                       "%s: family gpt2 stores its linear layers as [in, out]; "
                       "quantizing expects [out, in]",
                       pe_ckpt_path(c));
    return PE_OK;
}

/* One item an array: selected modules become int8, the rest is copied. */
static pe_status make_items(pe_quant_job *j, pe_error *err)
{
    j->nitems = pe_ckpt_narrays(j->in);
    j->items = calloc(j->nitems ? j->nitems : 1, sizeof *j->items);
    j->copies = calloc(j->nitems ? j->nitems : 1, sizeof *j->copies);
    if (j->items == NULL || j->copies == NULL)
        return pe_fail_nomem(err, "list of tensors", j->nitems * sizeof *j->items);
    for (size_t i = 0; i < j->nitems; i++)
        pe_weights_copy_item(&j->items[i], &j->copies[i], j->in, pe_ckpt_array(j->in, i));
    for (size_t i = 0; i < j->nmodules; i++) {
        pe_quant_module *m = &j->modules[i];

        for (size_t a = 0; a < j->nitems; a++) {
            if (j->items[a].from == m->array) m->item = &j->items[a];
        }
        if (!m->selected) continue;
        m->item->keep_layout = false;
        m->item->rows = j->device != NULL ? pe_quant_device_rows : pe_quant_rows;
        m->item->done = pe_quant_store_scales;
        m->item->user = m;
        m->item->dtype = PE_I8;
        m->item->choose = j->choose_layout && m->role != PE_ROLE_EMBEDDING;
        m->item->layout =
            (pe_layout_spec){ m->role == PE_ROLE_EMBEDDING ? PE_LAYOUT_DENSE : j->layout, 0 };
    }
    return PE_OK;
}

static pe_status make_step(json_t **step, const pe_quant_job *j, const pe_digest *input,
                           pe_error *err)
{
    json_t *params = NULL;
    pe_status st = pe_quant_params_json(&params, j, err);

    if (!st)
        st = pe_step_new(step, "pe-quantize", params, j->params->seed, input, j->params->recipe,
                         err);
    if (!st && j->calib != NULL)
        json_object_set_new(*step, "data", json_string(pe_calib_digest(j->calib)));
    return st;
}

static pe_status write_out(json_t **report, pe_quant_job *j, const char *out, pe_error *err)
{
    const pe_quant_params *p = j->params;
    pe_ckptw *w = NULL;
    json_t *step = NULL, *config = NULL;
    pe_digest input;
    pe_status st = pe_rewrite_plan(j->items, j->nitems, j->in, j->pool, p->progress, err);

    if (!st) st = pe_ckptw_open(&w, out, j->in, p->replace, err);
    if (!st && p->sha256) pe_ckptw_sha256(w);
    if (!st) st = pe_rewrite_declare(w, j->items, j->nitems, err);
    for (size_t i = 0; !st && i < j->nmodules; i++) {
        if (j->modules[i].selected) st = pe_quant_declare_scales(&j->modules[i], w, err);
    }
    if (!st) st = pe_ckptw_begin(w, err);
    if (!st) st = pe_rewrite_run(&input, w, j->items, j->nitems, j->in, j->pool, p->progress, err);
    if (!st) st = pe_quant_report(report, j, err);
    if (!st) st = make_step(&step, j, &input, err);
    if (!st) st = pe_quant_config(&config, j, err);
    if (!st) {
        st = pe_ckptw_commit(w, config, step, *report, err);
        w = NULL;
    }
    if (w != NULL) pe_ckptw_abort(w);
    json_decref(step);
    json_decref(config);
    return st;
}

static pe_status run(json_t **report, pe_quant_job *j, const char *in, const char *out,
                     pe_error *err)
{
    const pe_quant_params *p = j->params;
    pe_status st = check_params(j, err);

    if (!st) st = check_input(j->in, err);
    if (!st) st = parse_layout(j, err);
    if (!st) st = pe_quant_list(j, err);
    if (!st && p->max_ram != 0 && pe_quant_peak_nbytes(j) > p->max_ram)
        st = pe_fail(err, PE_E_NOMEM,
                     "%s: quantizing needs about %llu MiB, --max-ram allows %llu MiB",
                     pe_ckpt_path(j->in), (unsigned long long)(pe_quant_peak_nbytes(j) >> 20),
                     (unsigned long long)(p->max_ram >> 20));
    for (size_t i = 0; !st && i < j->nmodules; i++)
        j->modules[i].rule.int8 = j->int8_inputs && j->modules[i].role != PE_ROLE_EMBEDDING;
    if (!st && p->dry_run) return pe_quant_plan(report, j, err);
    if (!st) st = pe_quant_device_open(j, err);
    if (!st) st = pe_quant_alloc(j, err);
    if (!st) st = pe_weights_new(&j->weights, j->in, err);
    if (!st && p->calib != NULL) st = pe_quant_calibrate(j, in, err);
    if (!st) st = make_items(j, err);
    if (!st) st = write_out(report, j, out, err);
    return st;
}

pe_status pe_quantize_checkpoint(char **report, const char *in, const char *out,
                                 const pe_quant_params *p, pe_error *err)
{
    pe_quant_job j = { .params = p, .pool = p->pool, .nthreads = pe_pool_nthreads(p->pool) };
    pe_ckpt *c = NULL;
    json_t *made = NULL;
    pe_status st = PE_OK;

    if (report != NULL) *report = NULL;
    j.kern = pe_kernels_get(err);
    if (j.kern == NULL) return PE_E_ARG;
    st = pe_ckpt_open(&c, in, err);
    j.in = c;
    if (!st) st = run(&made, &j, in, out, err);
    if (!st && report != NULL) {
        *report = pe_json_text(made, 2);
        if (*report == NULL) st = pe_fail_nomem(err, "report", 0);
    }
    json_decref(made);
    pe_quant_release(&j);
    if (c != NULL) pe_ckpt_close(c);
    return st;
}
