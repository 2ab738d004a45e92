/* lib/model/config.c - config.json to pe_config: keys by the family's map, everything else guarded.
 * Read next: lib/model/head.c (what the model answers), lib/model/keys.def. */
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/model/family.h"

static const pe_family families[] = {
#define PE_FAMILY(type, prefix, names, head, eps, pos, flags) \
    { type, prefix, PE_NAMES_##names, PE_NAMES_##head##_HEAD, eps, PE_POSITIONS_##pos, flags },
#include "lib/model/families.def"
#undef PE_FAMILY
};

static const struct key_row {
    pe_name_set names;
    size_t field;
    const char *key;
    bool required;
    uint32_t otherwise;
} keys[] = {
#define PE_KEY(names, field, key, required, otherwise) \
    { PE_NAMES_##names, offsetof(pe_config, field), key, required, otherwise },
#define PE_ACT(name, act)
#define PE_GUARD(key, value)
#include "lib/model/keys.def"
#undef PE_KEY
#undef PE_ACT
#undef PE_GUARD
};

static const struct act_row {
    const char *name;
    pe_act act;
} acts[] = {
#define PE_KEY(names, field, key, required, otherwise)
#define PE_ACT(name, act) { name, act },
#define PE_GUARD(key, value)
#include "lib/model/keys.def"
#undef PE_KEY
#undef PE_ACT
#undef PE_GUARD
};

static const struct guard_row {
    const char *key, *value;
} guards[] = {
#define PE_KEY(names, field, key, required, otherwise)
#define PE_ACT(name, act)
#define PE_GUARD(key, value) { key, value },
#include "lib/model/keys.def"
#undef PE_KEY
#undef PE_ACT
#undef PE_GUARD
};

#define COUNT(a) (sizeof(a) / sizeof *(a))

static pe_status find_family(const pe_family **out, const json_t *config, const char *where,
                             pe_error *err)
{
    const char *type = NULL;
    pe_status st = pe_json_str(&type, config, "model_type", true, where, err);
    if (st) return st;
    for (size_t i = 0; i < COUNT(families); i++)
        if (strcmp(families[i].type, type) == 0) {
            *out = &families[i];
            return PE_OK;
        }
    return pe_fail(
        err, PE_E_UNSUPPORTED,
        "%s: model_type '%.60s' is not a family that pe has; it has bert, distilbert, roberta, "
        "xlm-roberta and ernie",
        where, type);
}

static pe_status read_sizes(pe_config *c, const json_t *config, const char *where, pe_error *err)
{
    pe_status st = PE_OK;
    for (size_t i = 0; !st && i < COUNT(keys); i++) {
        if (keys[i].names != c->family->names) continue;
        int64_t v = keys[i].otherwise;
        st = pe_json_int(&v, config, keys[i].key, 1, 1 << 24, keys[i].required, where, err);
        *(uint32_t *)(void *)((char *)c + keys[i].field) = (uint32_t)v;
    }
    if (st) return st;
    if (c->hidden % c->heads)
        return pe_fail(err, PE_E_INPUT, "%s: hidden size %u is not a multiple of %u heads", where,
                       c->hidden, c->heads);
    if (c->layers > 1024 || c->hidden > 65536 || c->ffn > 65536)
        return pe_fail(err, PE_E_UNSUPPORTED,
                       "%s: %u layers of width %u and %u; pe takes at most 1024 layers and "
                       "widths of 65536",
                       where, c->layers, c->hidden, c->ffn);
    return PE_OK;
}

/* Keys that pe reads by their value: a harmless default passes, anything else is named. */
static pe_status check_guards(const json_t *config, const char *where, pe_error *err)
{
    for (size_t i = 0; i < COUNT(guards); i++) {
        const json_t *v = json_object_get(config, guards[i].key);
        if (!v || json_is_null(v)) continue;
        json_t *want = json_loads(guards[i].value, JSON_DECODE_ANY, NULL);
        bool same = want && json_equal(v, want);
        json_decref(want);
        if (!same)
            return pe_fail(err, PE_E_UNSUPPORTED,
                           "%s: key '%s' changes what the model computes in a way that pe "
                           "does not have; expected %s or no such key",
                           where, guards[i].key, guards[i].value);
    }
    int64_t width = 0, hidden = 0;
    pe_status st = pe_json_int(&width, config, "embedding_size", 0, INT32_MAX, false, where, err);
    if (!st) st = pe_json_int(&hidden, config, "hidden_size", 0, INT32_MAX, false, where, err);
    if (!st && width && width != hidden)
        st = pe_fail(err, PE_E_UNSUPPORTED,
                     "%s: key 'embedding_size' %lld differs from hidden_size %lld; pe has no "
                     "factorized embeddings",
                     where, (long long)width, (long long)hidden);
    return st;
}

static pe_status read_act(pe_config *c, const json_t *config, const char *where, pe_error *err)
{
    const char *key = c->family->names == PE_NAMES_DISTIL ? "activation" : "hidden_act",
               *name = "gelu";
    pe_status st = pe_json_str(&name, config, key, false, where, err);
    if (st) return st;
    for (size_t i = 0; i < COUNT(acts); i++)
        if (strcmp(acts[i].name, name) == 0) {
            c->act = acts[i].act;
            return PE_OK;
        }
    return pe_fail(err, PE_E_UNSUPPORTED,
                   "%s: %s '%.60s' is not an activation that pe has; it has gelu, gelu_python, "
                   "gelu_new, gelu_pytorch_tanh and relu",
                   where, key, name);
}

static pe_status read_rest(pe_config *c, const json_t *config, const char *where, pe_error *err)
{
    double eps = c->family->eps;
    bool padded = c->family->positions == PE_POSITIONS_PADDED;
    int64_t pad = padded ? 1 : 0;
    c->tied = true;
    pe_status st = PE_OK;
    if (c->family->names == PE_NAMES_BERT)
        st = pe_json_num(&eps, config, "layer_norm_eps", false, where, err);
    if (!st) st = pe_json_bool(&c->tied, config, "tie_word_embeddings", false, where, err);
    if (!st && (c->family->flags & PE_FAM_TASKS))
        st = pe_json_bool(&c->has_tasks, config, "use_task_id", false, where, err);
    const json_t *v = json_object_get(config, "pad_token_id");
    if (!st && v && !json_is_null(v))
        st = pe_json_int(&pad, config, "pad_token_id", 0, INT32_MAX, false, where, err);
    if (st) return st;
    if (!(eps > 0 && eps < 1))
        return pe_fail(err, PE_E_INPUT, "%s: layer_norm_eps %g, expected a small positive number",
                       where, eps);
    c->eps = (float)eps;
    c->pad_id = (uint32_t)pad;
    uint32_t unused = padded ? c->pad_id + 1 : 0;
    if (unused >= c->npositions)
        return pe_fail(err, PE_E_INPUT,
                       "%s: max_position_embeddings %u leaves no place after pad_token_id %u",
                       where, c->npositions, c->pad_id);
    c->max_length = c->npositions - unused;
    return PE_OK;
}

pe_status pe_config_read(pe_config *out, const json_t *config, const char *where, pe_error *err)
{
    *out = (pe_config){ 0 };
    pe_status st = find_family(&out->family, config, where, err);
    if (!st) st = check_guards(config, where, err);
    if (!st) st = read_sizes(out, config, where, err);
    if (!st) st = read_act(out, config, where, err);
    if (!st) st = read_rest(out, config, where, err);
    if (!st) st = pe_config_read_head(out, config, where, err);
    return st;
}
