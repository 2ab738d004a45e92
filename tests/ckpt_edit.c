/* tests/ckpt_edit.c - reads every tensor as f32 and writes what the edit makes of it.
 * Read next: tests/ckpt_edit.h. */
#include "tests/ckpt_edit.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/io/ckpt.h"
#include "lib/model/roles.h"

typedef struct out_tensor {
    char name[200];
    pe_dtype dtype;
    int rank;
    uint64_t shape[PE_MAX_RANK], nbytes;
    void *data;
    size_t index;
} out_tensor;

typedef struct edit_job {
    const ckpt_edit *e;
    out_tensor t[1024];
    size_t n;
    bool matched;
} edit_job;

static void must(pe_status st, const pe_error *err)
{
    if (st) fail_msg("%s", err->text);
}

static out_tensor *add(edit_job *j, const char *name, pe_dtype dtype, int rank,
                       const uint64_t *shape)
{
    out_tensor *t = &j->t[j->n++];
    assert_true(j->n < sizeof j->t / sizeof *j->t);
    *t = (out_tensor){ .dtype = dtype, .rank = rank, .nbytes = pe_dtype_nbytes(dtype) };
    snprintf(t->name, sizeof t->name, "%s", name);
    for (int i = 0; i < rank; i++) t->nbytes *= t->shape[i] = shape[i];
    t->data = calloc(1, t->nbytes + 1);
    assert_non_null(t->data);
    return t;
}

static bool is(const char *want, const char *name)
{
    return want && strcmp(want, name) == 0;
}

/* Which blocks are zero follows from their place alone. */
static void zero_blocks(float *w, size_t n, size_t k, int of_10)
{
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < k; c++)
            if ((int)((r * 7 + c / 4 * 3 + (c / 4 * r) % 5) % 10) < of_10) w[r * k + c] = 0;
}

static void add_scalar(edit_job *j, const char *module, const char *leaf, pe_dtype dtype,
                       const void *value)
{
    char name[200];
    uint64_t one = 1;
    snprintf(name, sizeof name, "%s.%s", module, leaf);
    memcpy(add(j, name, dtype, 1, &one)->data, value, pe_dtype_nbytes(dtype));
}

static void add_quantized(edit_job *j, const char *module, const float *w, const uint64_t *shape)
{
    char name[200];
    uint64_t column[2] = { j->e->one_scale ? 1 : shape[0], 1 };
    size_t len = j->e->one_scale ? shape[0] * shape[1] : shape[1]; /* weights of a scale */
    snprintf(name, sizeof name, "%s.weight", module);
    int8_t *q = add(j, name, PE_I8, 2, shape)->data;
    snprintf(name, sizeof name, "%s.weight_scale", module);
    float *scale = add(j, name, PE_F32, 2, column)->data;
    for (size_t r = 0; r < column[0]; r++) {
        float most = 0;
        for (size_t i = 0; i < len; i++) most = fmaxf(most, fabsf(w[r * len + i]));
        scale[r] = most > 0 ? most / 127.0f : 1.0f;
        for (size_t i = 0; i < len; i++) q[r * len + i] = (int8_t)rintf(w[r * len + i] / scale[r]);
        if (is(j->e->scale, name)) scale[r] *= j->e->factor, j->matched = true;
    }
    float input = 0.06f;
    int8_t zero = -9;
    snprintf(name, sizeof name, "%s.input_scale", module);
    if (is(j->e->scale, name)) input *= j->e->factor, j->matched = true;
    if (j->e->int8 == CKPT_STATIC || j->e->int8 == CKPT_ASYMMETRIC)
        add_scalar(j, module, "input_scale", PE_F32, &input);
    if (j->e->int8 == CKPT_ASYMMETRIC) add_scalar(j, module, "input_zero_point", PE_I8, &zero);
}

/* As add_quantized, but the products of codes and scales are stored. */
static void add_rounded(edit_job *j, const char *module, const float *w, const uint64_t *shape)
{
    char name[200];
    size_t first = j->n, k = shape[1];
    add_quantized(j, module, w, shape);
    const int8_t *q = j->t[first].data;
    const float *scale = j->t[first + 1].data;
    snprintf(name, sizeof name, "%s.weight", module);
    float *out = add(j, name, PE_F32, 2, shape)->data;
    for (size_t i = 0; i < shape[0] * k; i++)
        out[i] = (float)q[i] * scale[j->e->one_scale ? 0 : i / k];
    free(j->t[first].data);
    free(j->t[first + 1].data);
    j->t[first] = j->t[first + 2];
    j->n = first + 1;
}

static void edit_one(edit_job *j, const pe_ckpt *c, const pe_array *a)
{
    const ckpt_edit *e = j->e;
    pe_error err = { 0 };
    char *module = NULL;
    float *w = malloc(a->nelem * sizeof *w + 8);
    assert_non_null(w);
    must(pe_ckpt_read_f32(c, a, w, &err), &err);
    must(pe_module_of_tensor(&module, a->name, &err), &err);
    bool linear = module && a->rank == 2 && pe_module_role(module) != PE_ROLE_EMBEDDING;
    if (linear && e->zero_blocks_of_10)
        zero_blocks(w, a->shape[0], a->shape[1], e->zero_blocks_of_10);
    if (is(e->scale, a->name))
        for (uint64_t i = 0; i < a->nelem; i++) w[i] *= e->factor;
    if (is(e->poison, a->name)) w[a->nelem - 1] = NAN;
    j->matched |= is(e->drop, a->name) || is(e->rename[0], a->name) || is(e->poison, a->name) ||
                  is(e->shorten, a->name) || is(e->scale, a->name);
    if (linear && e->int8 && !is(e->keep_float, module)) {
        if (e->int8 == CKPT_ROUNDED) add_rounded(j, module, w, a->shape);
        else add_quantized(j, module, w, a->shape);
    } else if (!is(e->drop, a->name)) {
        uint64_t shape[PE_MAX_RANK];
        memcpy(shape, a->shape, sizeof shape);
        if (is(e->shorten, a->name)) shape[0]--;
        out_tensor *t =
            add(j, is(e->rename[0], a->name) ? e->rename[1] : a->name, PE_F32, a->rank, shape);
        memcpy(t->data, w, t->nbytes);
    }
    free(module);
    free(w);
}

static json_t *quantization(ckpt_int8 kind)
{
    json_t *weights = json_pack("{s:i, s:s, s:b, s:s}", "num_bits", 8, "type", "int", "symmetric",
                                1, "strategy", "channel");
    json_t *input = json_null();
    if (kind != CKPT_WEIGHTS_ONLY)
        input = json_pack("{s:i, s:s, s:b, s:b, s:s}", "num_bits", 8, "type", "int", "dynamic",
                          kind == CKPT_DYNAMIC, "symmetric", kind != CKPT_ASYMMETRIC, "strategy",
                          kind == CKPT_DYNAMIC ? "token" : "tensor");
    return json_pack("{s:s, s:s, s:s, s:[], s:{s:{s:[s], s:o, s:o}}}", "quant_method",
                     "compressed-tensors", "format", "int-quantized", "quantization_status",
                     "compressed", "ignore", "config_groups", "group_0", "targets", "Linear",
                     "weights", weights, "input_activations", input);
}

static json_t *edit_config(const pe_ckpt *c, const ckpt_edit *e)
{
    json_t *config = json_deep_copy(pe_ckpt_config(c)), *value;
    const char *key;
    if (e->int8 && e->int8 != CKPT_ROUNDED)
        (void)json_object_set_new(config, "quantization_config", quantization(e->int8));
    json_t *changes = e->config ? json_loads(e->config, 0, NULL) : json_object();
    assert_non_null(changes);
    json_object_foreach(changes, key, value)
    {
        if (json_is_null(value)) (void)json_object_del(config, key);
        else (void)json_object_set(config, key, value);
    }
    json_decref(changes);
    return config;
}

void ckpt_edit_write(const char *from, const char *to, const ckpt_edit *e)
{
    pe_error err = { 0 };
    pe_ckpt *c;
    pe_ckptw *w;
    edit_job *j = calloc(1, sizeof *j);
    assert_non_null(j);
    j->e = e;
    must(pe_ckpt_open(&c, from, &err), &err);
    for (size_t i = 0; i < pe_ckpt_narrays(c); i++) edit_one(j, c, pe_ckpt_array(c, i));
    assert_true(j->matched || !(e->drop || e->rename[0] || e->poison || e->shorten || e->scale));
    json_t *config = edit_config(c, e);
    must(pe_ckptw_open(&w, to, c, true, &err), &err);
    for (size_t i = 0; i < j->n; i++) {
        out_tensor *t = &j->t[i];
        must(pe_ckptw_add(w, &t->index, t->name, t->dtype, t->rank, t->shape, (pe_layout_spec){ 0 },
                          NULL, 0, &err),
             &err);
    }
    must(pe_ckptw_begin(w, &err), &err);
    for (size_t i = 0; i < j->n; i++) {
        must(pe_ckptw_write(w, j->t[i].index, 0, 0, j->t[i].data, j->t[i].nbytes, &err), &err);
        free(j->t[i].data);
    }
    must(pe_ckptw_commit(w, config, NULL, NULL, &err), &err);
    json_decref(config);
    pe_ckpt_close(c);
    free(j);
}
