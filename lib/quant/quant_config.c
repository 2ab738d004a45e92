/* lib/quant/quant_config.c - quantization_config as compressed-tensors 0.10 and later read it, with
 * the minimal keys: older loaders refuse unknown ones. Read next: docs/formats.md. */
#include <string.h>

#include "lib/base/error.h"
#include "lib/quant/quant_job.h"

static json_t *weights_args(void)
{
    return json_pack("{s:i, s:s, s:b, s:s, s:b}", "num_bits", 8, "type", "int", "symmetric", 1,
                     "strategy", "channel", "dynamic", 0);
}

static json_t *input_args(const pe_quant_job *j, bool asymmetric)
{
    if (!j->int8_inputs) return json_null();
    return json_pack("{s:i, s:s, s:b, s:s, s:b}", "num_bits", 8, "type", "int", "symmetric",
                     !asymmetric, "strategy", j->static_inputs ? "tensor" : "token", "dynamic",
                     !j->static_inputs);
}

/* The format is said again: loaders else guess one that packs weights without int8 inputs. */
static json_t *group(json_t *targets, json_t *inputs)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:n}", "format", "int-quantized", "targets", targets,
                     "weights", weights_args(), "input_activations", inputs, "output_activations");
}

/* Names of the selected modules of a kind. */
static json_t *names_of(const pe_quant_job *j, bool embeddings, bool asymmetric)
{
    json_t *names = json_array();

    for (size_t i = 0; i < j->nmodules; i++) {
        const pe_quant_module *m = &j->modules[i];

        if (!m->selected || (m->role == PE_ROLE_EMBEDDING) != embeddings ||
            m->rule.asymmetric != asymmetric)
            continue;
        json_array_append_new(names, json_string(m->name));
    }
    return names;
}

/* Decoders of masked language models that share the word table: linear modules without a tensor. */
static void ignore_tied(const pe_quant_job *j, json_t *ignore)
{
    static const struct {
        const char *sign, *decoder;
    } rows[] = {
        { "cls.predictions.transform.dense", "cls.predictions.decoder" },
        { "lm_head.dense", "lm_head.decoder" },
        { "vocab_transform", "vocab_projector" },
    };

    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        bool sign = false, stored = false;

        for (size_t i = 0; i < j->nmodules; i++) {
            sign |= strcmp(j->modules[i].name, rows[r].sign) == 0;
            stored |= strcmp(j->modules[i].name, rows[r].decoder) == 0;
        }
        if (sign && !stored) json_array_append_new(ignore, json_string(rows[r].decoder));
    }
}

/* Linear modules that stay float. */
static json_t *ignore_list(const pe_quant_job *j)
{
    json_t *ignore = json_array();

    for (size_t i = 0; i < j->nmodules; i++) {
        const pe_quant_module *m = &j->modules[i];

        if (!m->selected && m->role != PE_ROLE_EMBEDDING && m->role != PE_ROLE_NORM)
            json_array_append_new(ignore, json_string(m->name));
    }
    ignore_tied(j, ignore);
    return ignore;
}

/* One group for all linear modules by their class; two by name, so that no module has both. */
static void add_linear_groups(const pe_quant_job *j, json_t *groups)
{
    json_t *even = names_of(j, false, false), *odd = names_of(j, false, true);
    bool mixed = json_array_size(odd) > 0;

    if (!mixed) {
        json_decref(even);
        even = json_pack("[s]", "Linear");
    }
    if (json_array_size(even) > 0)
        json_object_set_new(groups, "group_0", group(json_incref(even), input_args(j, false)));
    if (mixed) json_object_set_new(groups, "group_1", group(json_incref(odd), input_args(j, true)));
    json_decref(even);
    json_decref(odd);
}

pe_status pe_quant_config(json_t **out, const pe_quant_job *j, pe_error *err)
{
    json_t *groups = json_object(), *tables = names_of(j, true, false);
    json_t *config = json_deep_copy(pe_ckpt_config(j->in)), *q;

    if (config == NULL) config = json_object();
    add_linear_groups(j, groups);
    if (json_array_size(tables) > 0)
        json_object_set_new(groups, "group_2", group(json_incref(tables), json_null()));
    json_decref(tables);
    q = json_pack("{s:s, s:s, s:s, s:o, s:o}", "quant_method", "compressed-tensors", "format",
                  "int-quantized", "quantization_status", "compressed", "ignore", ignore_list(j),
                  "config_groups", groups);
    if (q == NULL || json_object_set_new(config, "quantization_config", q) != 0) {
        json_decref(config);
        return pe_fail_nomem(err, "config.json", 0);
    }
    /* Beside it, where other loaders keep what they do not know. */
    json_object_del(config, "pe_attention");
    if (j->int8_attention && json_object_set_new(config, "pe_attention", json_string("int8"))) {
        json_decref(config);
        return pe_fail_nomem(err, "config.json", 0);
    }
    *out = config;
    return PE_OK;
}
