/* lib/recipe/schema.c - which keys a recipe has, and what they fill.
 * Read next: lib/recipe/fields.c for the values, docs/pe-recipe.md for their meaning. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/recipe/recipe_impl.h"

#define COUNT(a)   (sizeof(a) / sizeof *(a))
#define AT(member) offsetof(pe_step, member)

static const pe_field prune_fields[] = {
    { "method", PE_FIELD_TEXT, AT(prune.method), 0, 0, NULL },
    { "sparsity", PE_FIELD_SHARE, AT(prune.sparsity), 0, 1, NULL },
    { "scope", PE_FIELD_CHOICE, AT(prune.scope), 0, 0, "layer global row" },
    { "pattern", PE_FIELD_PATTERN, AT(prune.pattern), 0, 0, NULL },
    { "layout", PE_FIELD_LAYOUT, AT(prune.layout), 0, 0, NULL },
    { "only", PE_FIELD_ONLY, AT(picks), 0, 0, NULL },
    { "skip", PE_FIELD_SKIP, AT(picks), 0, 0, NULL },
    { "gradual", PE_FIELD_LATER, 0, 0, 0, "training" },
    { "calib", PE_FIELD_LATER, 0, 0, 0, "a calibrated pruning method" },
};

static const pe_field quantize_fields[] = {
    { "scheme", PE_FIELD_CHOICE, AT(quant.scheme), 0, 0, "w8a8 w8a16" },
    { "activations", PE_FIELD_CHOICE, AT(quant.activations), 0, 0, "dynamic static" },
    { "attention", PE_FIELD_CHOICE, AT(quant.attention), 0, 0, "int8 float" },
    { "calib", PE_FIELD_DATA, AT(calib), 0, 0, NULL },
    { "calib_rows", PE_FIELD_INT, AT(calib_rows), 1, 1e9, NULL },
    { "range", PE_FIELD_RANGE, AT(quant.range), 0, 0, NULL },
    { "symmetric", PE_FIELD_BOOL, AT(quant.symmetric), 0, 0, NULL },
    { "embeddings", PE_FIELD_BOOL, AT(quant.embeddings), 0, 0, NULL },
    { "keep_float", PE_FIELD_ONLY, AT(keep_float), 0, 0, NULL },
    { "max_error", PE_FIELD_NUMBER, AT(quant.max_error), 0, 1, NULL },
    { "layout", PE_FIELD_LAYOUT, AT(quant.layout), 0, 0, NULL },
    { "only", PE_FIELD_ONLY, AT(picks), 0, 0, NULL },
    { "skip", PE_FIELD_SKIP, AT(picks), 0, 0, NULL },
};

static const pe_field convert_fields[] = {
    { "layout", PE_FIELD_LAYOUT, AT(convert.layout), 0, 0, NULL },
    { "dtype", PE_FIELD_CHOICE, AT(convert.dtype), 0, 0, "f32 bf16 f16" },
    { "block", PE_FIELD_INT, AT(block), 1, 1024, NULL },
    { "only", PE_FIELD_ONLY, AT(picks), 0, 0, NULL },
    { "skip", PE_FIELD_SKIP, AT(picks), 0, 0, NULL },
};

#undef AT
#define AT(member) offsetof(pe_judge, member)
#define TASKS      "classify multilabel regress tokens embed"

/* gate: and eval: share all keys but those of the verdict. */
static const pe_field judge_fields[] = {
    { "task", PE_FIELD_CHOICE, AT(task), 0, 0, TASKS },
    { "data", PE_FIELD_DATA_LIST, AT(data), 0, 0, NULL },
    { "limit", PE_FIELD_INT, AT(limit), 1, 1e15, NULL },
    { "batch", PE_FIELD_INT, AT(batch), 1, 4096, NULL },
    { "max_length", PE_FIELD_INT, AT(max_length), 2, 1e6, NULL },
    { "metric", PE_FIELD_TEXT, AT(metric), 0, 0, NULL },
    { "max_drop", PE_FIELD_NUMBER, AT(max_drop), 0, 1e9, NULL },
    { "confidence", PE_FIELD_SHARE, AT(confidence), 0.5, 1, NULL },
};

static const struct {
    const char *name;
    const pe_field *fields;
    size_t nfields;
} ops[PE_NSTEPOPS] = {
    [PE_STEP_PRUNE] = { "prune", prune_fields, COUNT(prune_fields) },
    [PE_STEP_QUANTIZE] = { "quantize", quantize_fields, COUNT(quantize_fields) },
    [PE_STEP_CONVERT] = { "convert", convert_fields, COUNT(convert_fields) },
    [PE_STEP_EVAL] = { "eval", judge_fields, COUNT(judge_fields) },
};

const char *pe_step_name(pe_step_op op)
{
    return ops[op].name;
}

static pe_status need(const pe_recipe *r, const pe_yaml *map, const char *key, const char *what,
                      pe_error *err)
{
    if (pe_yaml_get(map, key)) return PE_OK;
    return pe_recipe_fail(err, PE_E_INPUT, r, map, "%s: found no '%s', expected it", what, key);
}

static pe_status read_judge(pe_judge *j, json_t *given, const pe_recipe *r, const pe_yaml *map,
                            const char *what, pe_error *err)
{
    bool gate = strcmp(what, "gate") == 0;
    pe_status st;

    j->at = map;
    j->max_drop = -1;
    st = pe_fields_read(j, given, r, map, judge_fields, COUNT(judge_fields), what, err);
    if (!st) st = need(r, map, "data", what, err);
    if (!st && gate) st = need(r, map, "max_drop", what, err);
    if (!st && !gate && j->max_drop >= 0)
        st = pe_recipe_fail(err, PE_E_INPUT, r, map,
                            "eval: found max_drop, expected it in a gate: of the step");
    return st;
}

/* Combinations that cannot work, told before anything runs. */
static pe_status check_step(const pe_recipe *r, const pe_step *s, const pe_yaml *map, pe_error *err)
{
    bool n_of_m = s->prune.pattern && strchr(s->prune.pattern, ':');

    if (s->op == PE_STEP_PRUNE && n_of_m && pe_yaml_get(map, "sparsity"))
        return pe_recipe_fail(err, PE_E_INPUT, r, pe_yaml_get(map, "sparsity"),
                              "prune: found a sparsity with pattern %s, expected one of the two; "
                              "the pattern decides",
                              s->prune.pattern);
    if (s->op == PE_STEP_PRUNE && !n_of_m && !pe_yaml_get(map, "sparsity"))
        return pe_recipe_fail(err, PE_E_INPUT, r, map,
                              "prune: found no 'sparsity', expected it (or a pattern like 2:4)");
    if (s->op == PE_STEP_QUANTIZE && !s->calib.path &&
        ((s->quant.activations && strcmp(s->quant.activations, "static") == 0) ||
         s->quant.max_error > 0))
        return pe_recipe_fail(err, PE_E_INPUT, r, map,
                              "quantize: found %s without 'calib', expected data to calibrate with",
                              s->quant.max_error > 0 ? "max_error" : "static activations");
    if (s->op == PE_STEP_QUANTIZE && s->quant.attention && s->quant.scheme &&
        strcmp(s->quant.attention, "int8") == 0 && strcmp(s->quant.scheme, "w8a16") == 0)
        return pe_recipe_fail(err, PE_E_INPUT, r, pe_yaml_get(map, "attention"),
                              "quantize: found attention int8 with scheme w8a16, expected w8a8");
    if (s->op == PE_STEP_CONVERT && !s->convert.layout && !s->convert.dtype)
        return pe_recipe_fail(err, PE_E_INPUT, r, map,
                              "convert: found neither 'layout' nor 'dtype', expected one");
    return PE_OK;
}

static pe_status read_op(pe_step *s, const pe_recipe *r, const pe_yaml *key, const pe_yaml *map,
                         pe_error *err)
{
    pe_status st;

    if (strcmp(key->text, "distill") == 0)
        return pe_recipe_fail(err, PE_E_UNSUPPORTED, r, key,
                              "found step 'distill', which this version does not have (training "
                              "comes later); expected prune, quantize, convert or eval");
    for (int op = 0; op < PE_NSTEPOPS; op++) {
        if (strcmp(key->text, ops[op].name) != 0) continue;
        s->op = (pe_step_op)op;
        s->at = key;
        s->params = json_object();
        if (!s->params) return pe_fail_nomem(err, "step", 64);
        if (op == PE_STEP_EVAL) return read_judge(&s->eval, s->params, r, map, "eval", err);
        st = pe_fields_read(s, s->params, r, map, ops[op].fields, ops[op].nfields, ops[op].name,
                            err);
        return st ? st : check_step(r, s, map, err);
    }
    return pe_recipe_fail(err, PE_E_INPUT, r, key,
                          "found step '%.60s', expected prune, quantize, convert or eval",
                          key->text);
}

/* {prune: {...}} and perhaps a gate: beside it. */
static pe_status read_step(pe_step *s, const pe_recipe *r, const pe_yaml *at, pe_error *err)
{
    pe_status st = PE_OK;

    if (at->kind != PE_YAML_MAP)
        return pe_recipe_fail(err, PE_E_INPUT, r, at,
                              "steps: found a bare value, expected a step like prune: {...}");
    for (size_t i = 0; !st && i < at->n; i++) {
        if (strcmp(at->key[i]->text, "gate") == 0)
            st = read_judge(&s->gate, NULL, r, at->item[i], "gate", err);
        else if (s->at)
            st = pe_recipe_fail(err, PE_E_INPUT, r, at->key[i],
                                "found '%.60s' beside '%s', expected one step an item; put a dash "
                                "in front",
                                at->key[i]->text, pe_step_name(s->op));
        else st = read_op(s, r, at->key[i], at->item[i], err);
    }
    if (!st && !s->at)
        st = pe_recipe_fail(err, PE_E_INPUT, r, at,
                            "found no step, expected prune, quantize, convert or eval");
    return st;
}

static pe_status read_steps(pe_recipe *r, const pe_yaml *at, pe_error *err)
{
    pe_status st = PE_OK;

    if (at->kind != PE_YAML_LIST || at->n == 0)
        return pe_recipe_fail(err, PE_E_INPUT, r, at, "steps: expected a list of one step or more");
    r->steps = pe_arena_zalloc(r->arena, at->n, sizeof *r->steps);
    if (!r->steps) return pe_fail_nomem(err, "steps", at->n * sizeof *r->steps);
    for (size_t i = 0; !st && i < at->n; i++) {
        r->nsteps = i + 1; /* counted before it is read: what it holds is released either way */
        st = read_step(&r->steps[i], r, at->item[i], err);
    }
    if (!st && r->steps[r->nsteps - 1].op == PE_STEP_EVAL && r->nsteps == 1)
        st = pe_recipe_fail(err, PE_E_INPUT, r, at,
                            "steps: found only eval, expected a step that "
                            "changes the model; pe-eval judges one");
    return st;
}

static pe_status read_data_map(pe_recipe *r, const pe_yaml *at, pe_error *err)
{
    pe_status st = PE_OK;

    if (at->kind != PE_YAML_MAP)
        return pe_recipe_fail(err, PE_E_INPUT, r, at,
                              "data: expected names and files, as {dev: data/dev.tsv}");
    r->data.v = pe_arena_zalloc(r->arena, at->n + 1, sizeof *r->data.v);
    if (!r->data.v) return pe_fail_nomem(err, "data list", at->n * sizeof *r->data.v);
    for (size_t i = 0; !st && i < at->n; i++) {
        pe_data_ref *d = &r->data.v[i];
        const char *path;
        d->name = at->key[i]->text;
        d->at = at->item[i];
        st = pe_field_text(&path, r, at->item[i], d->name, err);
        if (!st && !(d->path = pe_recipe_resolve(r, path)))
            st = pe_fail_nomem(err, "path", strlen(path));
    }
    r->data.n = at->n;
    return st;
}

#undef AT
#define AT(member) offsetof(pe_recipe, member)
static const pe_field column_fields[] = {
    { "text", PE_FIELD_TEXT, AT(text_column), 0, 0, NULL },
    { "text2", PE_FIELD_TEXT, AT(text2_column), 0, 0, NULL },
    { "label", PE_FIELD_TEXT, AT(label_column), 0, 0, NULL },
    { "format", PE_FIELD_CHOICE, AT(format), 0, 0, "tsv csv jsonl txt" },
};

static pe_status read_head(pe_recipe *r, const pe_yaml *root, pe_error *err)
{
    const pe_yaml *v = pe_yaml_get(root, "version"), *m = pe_yaml_get(root, "model"),
                  *d = pe_yaml_get(root, "data"), *c = pe_yaml_get(root, "columns"),
                  *seed = pe_yaml_get(root, "seed");
    const char *model = NULL;
    int64_t version = 0;
    pe_status st = need(r, root, "version", "recipe", err);

    if (!st) st = pe_field_int(&version, r, v, 1, 1, "version", err);
    if (!st) st = need(r, root, "model", "recipe", err);
    if (!st) st = pe_field_text(&model, r, m, "model", err);
    if (!st && !(r->model = pe_recipe_resolve(r, model)))
        st = pe_fail_nomem(err, "path", strlen(model));
    r->model_at = m;
    if (!st && seed) st = pe_field_int(&r->seed, r, seed, 0, INT64_MAX, "seed", err);
    if (!st && d) st = read_data_map(r, d, err);
    if (!st && c)
        st = pe_fields_read(r, NULL, r, c, column_fields, COUNT(column_fields), "columns", err);
    return st;
}

pe_status pe_recipe_read(pe_recipe *r, const pe_yaml *root, pe_error *err)
{
    static const char *const keys[] = { "version", "model", "data", "columns",
                                        "seed",    "steps", "gate" };
    pe_status st;

    if (root->kind != PE_YAML_MAP)
        return pe_recipe_fail(err, PE_E_INPUT, r, root,
                              "expected a map with version, model, steps");
    for (size_t i = 0; i < root->n; i++) {
        size_t k = 0;
        while (k < COUNT(keys) && strcmp(keys[k], root->key[i]->text) != 0) k++;
        if (k == COUNT(keys))
            return pe_recipe_fail(err, PE_E_INPUT, r, root->key[i],
                                  "found key '%.60s', expected one of version, model, data, "
                                  "columns, seed, steps, gate",
                                  root->key[i]->text);
    }
    st = read_head(r, root, err);
    if (!st) st = need(r, root, "steps", "recipe", err);
    if (!st) st = read_steps(r, pe_yaml_get(root, "steps"), err);
    if (!st && pe_yaml_get(root, "gate"))
        st = read_judge(&r->gate, NULL, r, pe_yaml_get(root, "gate"), "gate", err);
    return st;
}

static pe_status set_paths(pe_recipe *r, const char *path, pe_error *err)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;

    r->path = pe_arena_strndup(r->arena, path, strlen(path));
    r->folder = !slash ? "." : n == 0 ? "/" : pe_arena_strndup(r->arena, path, n);
    return r->path && r->folder ? PE_OK : pe_fail_nomem(err, "path", strlen(path));
}

pe_status pe_recipe_parse(pe_recipe **out, const char *text, size_t nbytes, const char *path,
                          pe_error *err)
{
    pe_arena *arena = NULL;
    pe_recipe *r;
    pe_yaml *root = NULL;
    pe_status st = pe_arena_new(&arena, 1 << 14, err);

    if (st) return st;
    r = pe_arena_zalloc(arena, 1, sizeof *r);
    if (!r) {
        pe_arena_free(arena);
        return pe_fail_nomem(err, "recipe", sizeof *r);
    }
    r->arena = arena;
    r->gate.max_drop = -1;
    r->text = pe_arena_strndup(arena, text, nbytes);
    r->nbytes = nbytes;
    st = r->text ? set_paths(r, path, err) : pe_fail_nomem(err, "recipe", nbytes);
    if (!st) st = pe_yaml_parse(&root, arena, r->text, nbytes, r->path, err);
    if (!st) st = pe_recipe_read(r, root, err);
    if (st) pe_recipe_close(r);
    else *out = r;
    return st;
}

pe_status pe_recipe_open(pe_recipe **out, const char *path, pe_error *err)
{
    char *text = NULL;
    size_t nbytes = 0;
    pe_status st = pe_file_slurp(&text, &nbytes, path, 1 << 20, err);

    if (!st) st = pe_recipe_parse(out, text, nbytes, path, err);
    free(text);
    return st;
}

void pe_recipe_close(pe_recipe *r)
{
    if (!r) return;
    for (size_t i = 0; i < r->nsteps; i++) json_decref(r->steps[i].params);
    pe_arena_free(r->arena);
}
