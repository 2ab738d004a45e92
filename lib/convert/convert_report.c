/* lib/convert/convert_report.c - what a conversion did, and config.json of its output.
 * Read next: tools/pe-convert.c. */
#include <string.h>

#include "lib/base/error.h"
#include "lib/convert/convert_job.h"
#include "lib/io/row_stream.h"

#define EXPECTED_RATE 0.7e9 /* bytes a second and thread, to estimate */

static void put(bool *ok, json_t *o, const char *key, json_t *value)
{
    if (!o || !value || json_object_set_new(o, key, value)) *ok = false;
}

static json_t *picks_json(const pe_convert_params *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->npicks; i++)
        json_array_append_new(list, json_pack("{ss}", p->picks[i].skip ? "skip" : "only",
                                              p->picks[i].glob));
    return list;
}

json_t *pe_convert_params_json(const pe_convert_job *j)
{
    bool ok = true;
    json_t *o = json_object();
    const char *layout = j->choose ? "auto" : pe_layout_name(j->layout.layout);
    if (j->relayout) put(&ok, o, "layout", json_string(layout));
    if (j->relayout && !j->choose && j->layout.layout >= PE_LAYOUT_BSR)
        put(&ok, o, "block", json_integer(j->layout.block));
    if (j->redtype) put(&ok, o, "dtype", json_string(j->params->dtype));
    if (j->params->npicks) put(&ok, o, "picks", picks_json(j->params));
    if (ok) return o;
    json_decref(o);
    return NULL;
}

static uint64_t dense_nbytes(const pe_convert_tensor *t)
{
    return pe_item_nelem(t->item) * pe_dtype_nbytes(t->item->dtype);
}

static json_t *shape_json(const pe_convert_tensor *t)
{
    json_t *shape = json_array();
    for (int i = 0; i < t->array->rank; i++)
        json_array_append_new(
            shape, json_integer((json_int_t)(i == 1 ? pe_item_cols(t->item) : t->array->shape[i])));
    return shape;
}

static json_t *module_json(const pe_convert_tensor *t, bool *ok)
{
    const pe_rewrite_item *item = t->item;
    json_t *o = json_object();
    put(ok, o, "name", json_string(t->module));
    put(ok, o, "shape", shape_json(t));
    put(ok, o, "dtype_before", json_string(t->array->dtype_name));
    put(ok, o, "dtype",
        json_string(item->rows ? pe_dtype_name(item->dtype) : t->array->dtype_name));
    put(ok, o, "layout_before", json_string(pe_layout_name(t->array->layout.layout)));
    put(ok, o, "layout", json_string(pe_layout_name(item->layout.layout)));
    put(ok, o, "bytes_before", json_integer((json_int_t)t->array->nbytes));
    put(ok, o, "bytes_after", json_integer((json_int_t)item->nbytes));
    return o;
}

static void add_warnings(const pe_convert_job *j, json_t *o, bool *ok)
{
    uint64_t dense = 0, stored = 0;
    json_t *list = json_array();
    for (size_t i = 0; i < j->ntensors; i++) {
        const pe_convert_tensor *t = &j->tensors[i];
        if (!t->item || t->item->layout.layout == PE_LAYOUT_DENSE || t->item->keep_layout) continue;
        dense += dense_nbytes(t);
        stored += t->item->nbytes;
    }
    if (!j->choose && stored > dense)
        json_array_append_new(
            list, json_sprintf("layout %s takes %llu bytes for these matrices, dense takes %llu; "
                               "--layout auto stores the fewest",
                               pe_layout_name(j->layout.layout), (unsigned long long)stored,
                               (unsigned long long)dense));
    put(ok, o, "warnings", list);
}

static uint64_t peak_nbytes(const pe_convert_job *j)
{
    uint64_t whole = 0;
    for (size_t i = 0; i < j->nitems; i++) {
        uint64_t need = j->items[i].keep_layout ? 0 : pe_row_stream_nbytes(&j->items[i]);
        whole = need > whole ? need : whole;
    }
    return whole + 4 * pe_ckpt_header_nbytes(j->in) +
           ((uint64_t)pe_pool_nthreads(j->params->pool) << 21);
}

pe_status pe_convert_report(json_t **out, const pe_convert_job *j, pe_error *err)
{
    bool ok = true;
    json_t *o = json_object(), *list = json_array();
    uint64_t before = 0, after = 0;
    for (size_t i = 0; i < j->ntensors; i++) {
        const pe_convert_tensor *t = &j->tensors[i];
        before += t->array->nbytes;
        if (!t->item) continue;
        after += t->item->nbytes;
        bool changed = t->item->rows || t->item->layout.layout != t->array->layout.layout;
        if (t->array->rank == 2 && changed) json_array_append_new(list, module_json(t, &ok));
    }
    put(&ok, o, "schema", json_string("pe.convert/1"));
    put(&ok, o, "params", pe_convert_params_json(j));
    put(&ok, o, "modules", list);
    put(&ok, o, "bytes_before", json_integer((json_int_t)before));
    put(&ok, o, "bytes_after", json_integer((json_int_t)after));
    add_warnings(j, o, &ok);
    if (j->params->dry_run) {
        put(&ok, o, "dry_run", json_true());
        put(&ok, o, "peak_bytes", json_integer((json_int_t)peak_nbytes(j)));
        put(&ok, o, "seconds",
            json_real((double)(before + after) / EXPECTED_RATE /
                      pe_pool_nthreads(j->params->pool)));
    }
    *out = o;
    return ok ? PE_OK : pe_fail_nomem(err, "report", 0);
}

/* What transformers calls the type. */
static const char *torch_name(pe_dtype t)
{
    return t == PE_F32 ? "float32" : t == PE_BF16 ? "bfloat16" : "float16";
}

/* Modules that are floats now are no longer quantized: all of them gone, or named to be ignored. */
static bool update_quantization(json_t *config, const pe_convert_job *j)
{
    static const char *const keys[] = { "quantization_config", "pe_quantization" };
    bool ok = true;
    for (size_t k = 0; k < 2 && j->nfloated; k++) {
        json_t *q = json_object_get(config, keys[k]);
        if (!q) continue;
        if (j->nfloated == j->nquantized) {
            json_object_del(config, keys[k]);
            json_object_del(config, "pe_attention");
            continue;
        }
        json_t *ignore = json_object_get(q, "ignore");
        if (!json_is_array(ignore)) put(&ok, q, "ignore", ignore = json_array());
        for (size_t i = 0; i < j->ntensors; i++)
            if (j->tensors[i].scale)
                json_array_append_new(ignore, json_string(j->tensors[i].module));
    }
    return ok;
}

pe_status pe_convert_config(json_t **out, const pe_convert_job *j, pe_error *err)
{
    const json_t *config = pe_ckpt_config(j->in);
    *out = config ? json_deep_copy(config) : NULL;
    if (!config) return PE_OK;
    bool ok = *out && update_quantization(*out, j);
    if (ok && j->redtype && !j->params->npicks) { /* a model of mixed types keeps the name it had */
        const char *key = json_object_get(*out, "torch_dtype") ? "torch_dtype" : "dtype";
        put(&ok, *out, key, json_string(torch_name(j->dtype)));
    }
    return ok ? PE_OK : pe_fail_nomem(err, "config.json", 0);
}
