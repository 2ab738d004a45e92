/* lib/model/head.c - what a model answers: head by architecture, labels, sentence pooling.
 * Read next: lib/model/encoder.c, which builds the head's ops. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/model/family.h"

#define MAX_LABELS 65536

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static const char *architecture(const json_t *config)
{
    return json_string_value(json_array_get(json_object_get(config, "architectures"), 0));
}

static pe_status pick_head(pe_config *c, const char *arch, const char *where, pe_error *err)
{
    if (!arch || ends_with(arch, "Model")) c->head = PE_HEAD_NONE;
    else if (ends_with(arch, "ForSequenceClassification")) c->head = PE_HEAD_CLASSIFY;
    else if (ends_with(arch, "ForTokenClassification")) c->head = PE_HEAD_TOKENS;
    else if (ends_with(arch, "ForMaskedLM") || ends_with(arch, "ForPreTraining"))
        c->head = PE_HEAD_MLM;
    else
        return pe_fail(err, PE_E_UNSUPPORTED,
                       "%s: architecture '%.80s' has a head that pe lacks; it has sequence and "
                       "token classification, masked LM and the bare encoder",
                       where, arch);
    return PE_OK;
}

static pe_status count_labels(pe_config *c, const json_t *config, const char *where, pe_error *err)
{
    const json_t *names = json_object_get(config, "id2label");
    int64_t n = 2;
    pe_status st = pe_json_int(&n, config, "num_labels", 1, MAX_LABELS, false, where, err);
    if (st) return st;
    if (json_is_object(names) && json_object_size(names)) n = (int64_t)json_object_size(names);
    if (n > MAX_LABELS)
        return pe_fail(err, PE_E_INPUT, "%s: %lld labels, at most %d", where, (long long)n,
                       MAX_LABELS);
    c->nlabels = (uint32_t)n;
    return PE_OK;
}

static pe_status name_labels(pe_config *c, const json_t *config, const char *where, pe_error *err)
{
    const json_t *names = json_object_get(config, "id2label");
    c->labels = calloc(c->nlabels, sizeof *c->labels);
    if (!c->labels) return pe_fail_nomem(err, "labels", c->nlabels * sizeof *c->labels);
    for (uint32_t i = 0; i < c->nlabels; i++) {
        char key[16], other[24];
        snprintf(key, sizeof key, "%u", i);
        snprintf(other, sizeof other, "LABEL_%u", i);
        const json_t *v =
            json_is_object(names) && json_object_size(names) ? json_object_get(names, key) : NULL;
        if (json_is_object(names) && json_object_size(names) && !json_is_string(v))
            return pe_fail(err, PE_E_INPUT, "%s: id2label has %u entries, but no name for \"%s\"",
                           where, c->nlabels, key);
        c->labels[i] = strdup(v ? json_string_value(v) : other);
        if (!c->labels[i]) return pe_fail_nomem(err, "labels", sizeof other);
    }
    return PE_OK;
}

static pe_status pick_problem(pe_config *c, const json_t *config, const char *where, pe_error *err)
{
    const char *problem = NULL;
    const json_t *v = json_object_get(config, "problem_type");
    if (v && !json_is_null(v)) {
        pe_status st = pe_json_str(&problem, config, "problem_type", false, where, err);
        if (st) return st;
    }
    if (problem && strcmp(problem, "multi_label_classification") == 0) c->head = PE_HEAD_MULTILABEL;
    else if (c->nlabels == 1) c->head = PE_HEAD_REGRESS;
    else if (problem && strcmp(problem, "single_label_classification") != 0)
        return pe_fail(err, PE_E_UNSUPPORTED,
                       "%s: problem_type '%.60s' with %u labels; pe has regression with one, "
                       "single_label_classification and multi_label_classification",
                       where, problem, c->nlabels);
    return PE_OK;
}

pe_status pe_config_read_head(pe_config *c, const json_t *config, const char *where, pe_error *err)
{
    pe_status st = pick_head(c, architecture(config), where, err);
    if (st || c->head == PE_HEAD_NONE || c->head == PE_HEAD_MLM) return st;
    st = count_labels(c, config, where, err);
    if (!st) st = name_labels(c, config, where, err);
    if (!st && c->head == PE_HEAD_CLASSIFY) st = pick_problem(c, config, where, err);
    return st;
}

void pe_config_release(pe_config *c)
{
    for (uint32_t i = 0; c->labels && i < c->nlabels; i++) free(c->labels[i]);
    free(c->labels);
    c->labels = NULL;
}

/* ---- sentence-transformers ------------------------------------------------------------------- */

static pe_status load_beside(json_t **out, char *path, size_t size, const char *dir,
                             const char *name, pe_error *err)
{
    *out = NULL;
    int n = snprintf(path, size, "%s/%s", dir, name);
    if (n < 0 || (size_t)n >= size) return pe_fail(err, PE_E_ARG, "%s: the path is too long", dir);
    return pe_path_is_absent(path) ? PE_OK : pe_json_load(out, path, 1 << 20, err);
}

static pe_status read_mode(pe_config *c, const json_t *pooling, const char *where, pe_error *err)
{
    static const char *const known[] = { "pooling_mode_cls_token", "pooling_mode_mean_tokens" };
    const char *key;
    json_t *value;
    int on = 0;
    json_object_foreach((json_t *)(uintptr_t)pooling, key, value)
    {
        if (strncmp(key, "pooling_mode", 12) != 0 || !json_is_true(value)) continue;
        if (strcmp(key, known[0]) == 0) c->pooling = PE_POOL_CLS;
        else if (strcmp(key, known[1]) == 0) c->pooling = PE_POOL_MEAN;
        else
            return pe_fail(err, PE_E_UNSUPPORTED,
                           "%s: key '%s': pe pools by mean or by the first token", where, key);
        on++;
    }
    if (on != 1)
        return pe_fail(err, PE_E_UNSUPPORTED, "%s: %d pooling modes are on; pe takes exactly one",
                       where, on);
    return PE_OK;
}

/* modules.json lists Transformer, Pooling and Normalize by class name; anything else is refused. */
static pe_status read_module(pe_config *c, const json_t *module, const char *dir, const char *where,
                             pe_error *err)
{
    const char *type = NULL, *folder = "";
    char path[4096], name[512];
    pe_status st = pe_json_str(&type, module, "type", true, where, err);
    if (!st) st = pe_json_str(&folder, module, "path", false, where, err);
    if (st || ends_with(type, ".Transformer")) return st;
    if (ends_with(type, ".Normalize")) {
        c->normalize = true;
        return PE_OK;
    }
    if (!ends_with(type, ".Pooling"))
        return pe_fail(err, PE_E_UNSUPPORTED,
                       "%s: module '%.120s'; pe has Transformer, Pooling and Normalize", where,
                       type);
    if (strstr(folder, "..") || folder[0] == '/' || strlen(folder) > 200)
        return pe_fail(err, PE_E_INPUT, "%s: path '%.200s' leaves the model's directory", where,
                       folder);
    json_t *pooling;
    snprintf(name, sizeof name, "%s/config.json", folder);
    st = load_beside(&pooling, path, sizeof path, dir, name, err);
    if (!st && !pooling)
        st = pe_fail(err, PE_E_NOTFOUND, "%s: not found, though %s names it", path, where);
    if (!st) st = read_mode(c, pooling, path, err);
    json_decref(pooling);
    return st;
}

pe_status pe_config_read_pooling(pe_config *c, const char *dir, pe_error *err)
{
    char path[4096];
    json_t *modules, *module;
    size_t i;
    if (c->head != PE_HEAD_NONE) return PE_OK;
    pe_status st = load_beside(&modules, path, sizeof path, dir, "modules.json", err);
    if (!st && modules && !json_is_array(modules))
        st = pe_fail(err, PE_E_INPUT, "%s: expected a list", path);
    json_array_foreach(modules, i, module)
    {
        if (!st) st = read_module(c, module, dir, path, err);
    }
    json_decref(modules);
    if (!st && c->normalize && c->pooling == PE_POOL_NONE)
        st = pe_fail(err, PE_E_UNSUPPORTED, "%s: Normalize without Pooling", path);
    return st;
}
