/* lib/convert/inspect.c - pe_inspect_checkpoint: what is in a checkpoint, as JSON.
 * Read next: docs/pe-inspect.md. */
#include <stdlib.h>
#include <string.h>

#include "formats/safetensors.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/convert/convert_job.h"
#include "lib/convert/survey.h"
#include "lib/io/provenance.h"
#include "lib/model/roles.h"

typedef struct inspector {
    const pe_ckpt *c;
    pe_survey_row *rows;
    bool ok; /* memory for JSON */
    uint64_t parameters, bytes, matrix_elems, matrix_zeros;
} inspector;

static void put(inspector *s, json_t *o, const char *key, json_t *value)
{
    if (!o || !value || json_object_set_new(o, key, value)) s->ok = false;
}

static void put_int(inspector *s, json_t *o, const char *key, uint64_t v)
{
    put(s, o, key, json_integer((json_int_t)v));
}

static json_t *dims_json(const uint64_t *dim, int rank)
{
    json_t *list = json_array();
    for (int i = 0; i < rank; i++) json_array_append_new(list, json_integer((json_int_t)dim[i]));
    return list;
}

static json_t *module_json(inspector *s, const pe_array *a, const pe_survey_row *row,
                           const pe_int8 *q)
{
    char *module = pe_module_name(a->name);
    const uint64_t packed[2] = { q->n, q->k };
    json_t *o = json_object();
    put(s, o, "name", module ? pe_st_name_json(module) : NULL);
    put(s, o, "role", module ? json_string(pe_role_name(pe_module_role(module))) : NULL);
    put(s, o, "layout", json_string(pe_layout_name(a->layout.layout)));
    if (a->layout.layout >= PE_LAYOUT_BSR)
        put_int(s, o, "block", a->layout.block ? a->layout.block : 16);
    put(s, o, "dtype", json_string(q->packed ? "I8" : a->dtype_name));
    put(s, o, "shape", dims_json(q->packed ? packed : a->shape, 2));
    put_int(s, o, "bytes", a->nbytes + (q->scale ? q->scale->nbytes : 0));
    if (!row->status && !q->packed)
        put(s, o, "sparsity", json_real(a->nelem ? (double)row->zeros / (double)a->nelem : 0));
    if (row->trouble) put(s, o, "trouble", json_string(row->trouble));
    free(module);
    return o;
}

/* Matrices are modules; codes with a scale beside them are one module with it. */
static json_t *modules_json(inspector *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < pe_ckpt_narrays(s->c); i++) {
        const pe_array *a = pe_ckpt_array(s->c, i);
        const char *dot = strrchr(a->name, '.');
        pe_int8 q;
        if (pe_int8_find(&q, s->c, a, NULL)) q = (pe_int8){ .codes = a };
        bool packed = q.packed && q.scale;
        s->bytes += a->nbytes;
        if (!dot || !pe_int8_is_aside(dot + 1)) s->parameters += packed ? q.n * q.k : a->nelem;
        bool matrix = a->rank == 2 && dot && (!strcmp(dot, ".weight") || packed);
        if (!matrix && a->layout.layout == PE_LAYOUT_DENSE) continue;
        q.packed = packed;
        json_array_append_new(list, module_json(s, a, &s->rows[i], &q));
        if (s->rows[i].status || packed) continue;
        s->matrix_elems += a->nelem;
        s->matrix_zeros += s->rows[i].zeros;
    }
    return list;
}

static json_t *parts_json(inspector *s, const pe_array *a, const pe_survey_row *row)
{
    json_t *list = json_array();
    for (int i = 0; i < a->nparts; i++) {
        char text[PE_DIGEST_TEXT];
        json_t *o = json_object();
        pe_digest_format(text, &row->digest[i]);
        put(s, o, "suffix", json_string(a->part[i].suffix));
        put_int(s, o, "offset", a->offset[i]);
        put_int(s, o, "bytes", a->part[i].nbytes);
        if (!row->status) put(s, o, "xxh3_128", json_string(text));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *tensors_json(inspector *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < pe_ckpt_narrays(s->c); i++) {
        const pe_array *a = pe_ckpt_array(s->c, i);
        json_t *o = json_object();
        put(s, o, "name", pe_st_name_json(a->name));
        put(s, o, "dtype", json_string(a->dtype_name));
        put(s, o, "shape", dims_json(a->shape, a->rank));
        put(s, o, "layout", json_string(pe_layout_name(a->layout.layout)));
        put_int(s, o, "bytes", a->nbytes);
        put(s, o, "file", json_string(pe_ckpt_file(s->c, a->file)));
        put(s, o, "parts", parts_json(s, a, &s->rows[i]));
        json_array_append_new(list, o);
    }
    return list;
}

/* Where config.json says what the model is. */
static void add_model(inspector *s, json_t *o)
{
    const json_t *config = pe_ckpt_config(s->c), *type = json_object_get(config, "model_type");
    const json_t *classes = json_object_get(config, "architectures"),
                 *q = pe_ckpt_quantization(s->c);
    put(s, o, "family", json_is_string(type) ? json_copy((json_t *)type) : json_null());
    if (json_is_array(classes)) put(s, o, "architectures", json_deep_copy(classes));
    if (q) put(s, o, "quantization", json_deep_copy(q));
    const json_t *attention = json_object_get(config, "pe_attention");
    if (q && json_is_string(attention)) put(s, o, "attention", json_copy((json_t *)attention));
}

static pe_status add_history(inspector *s, json_t *o, pe_error *err)
{
    json_t *p = NULL, *history;
    pe_status st = pe_provenance_read(&p, s->c, err);
    if (st) return st;
    history = json_object_get(p, "history");
    put(s, o, "history", history ? json_incref(history) : json_array());
    if (pe_provenance_content(p)) put(s, o, "content", json_string(pe_provenance_content(p)));
    json_decref(p);
    return PE_OK;
}

static pe_status describe(json_t **out, inspector *s, bool tensors, pe_error *err)
{
    json_t *o = *out = json_object(), *files = json_array();
    for (size_t i = 0; i < pe_ckpt_nfiles(s->c); i++)
        json_array_append_new(files, json_string(pe_ckpt_file(s->c, i)));
    put(s, o, "schema", json_string("pe.inspect/1"));
    put(s, o, "path", json_string(pe_ckpt_path(s->c)));
    put(s, o, "files", files);
    add_model(s, o);
    put(s, o, "modules", modules_json(s));
    put_int(s, o, "parameters", s->parameters);
    put_int(s, o, "bytes", s->bytes);
    put_int(s, o, "ntensors", pe_ckpt_narrays(s->c));
    put(s, o, "sparsity",
        json_real(s->matrix_elems ? (double)s->matrix_zeros / (double)s->matrix_elems : 0));
    if (tensors) put(s, o, "tensors", tensors_json(s));
    pe_status st = add_history(s, o, err);
    return st ? st : s->ok ? PE_OK : pe_fail_nomem(err, "description", 0);
}

pe_status pe_inspect_checkpoint(char **json, const char *path, bool tensors, pe_pool *pool,
                                pe_error *err)
{
    pe_ckpt *c = NULL;
    json_t *o = NULL;
    inspector s = { .ok = true };
    *json = NULL;
    pe_status st = pe_ckpt_open(&c, path, err);
    size_t n = st ? 0 : pe_ckpt_narrays(c);
    s.c = c;
    if (!st && !(s.rows = calloc(n + 1, sizeof *s.rows)))
        st = pe_fail_nomem(err, "tensor list", n * sizeof *s.rows);
    if (!st) st = pe_survey(s.rows, c, pool, err);
    if (!st) st = describe(&o, &s, tensors, err);
    if (!st && !(*json = pe_json_text(o, 2))) st = pe_fail_nomem(err, "description", 0);
    json_decref(o);
    pe_survey_release(s.rows, n);
    pe_ckpt_close(c);
    return st;
}
