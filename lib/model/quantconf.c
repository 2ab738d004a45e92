/* lib/model/quantconf.c - quantization_config, group by group; what pe cannot execute is named.
 * Read next: lib/model/quantconf.h. */
#include "lib/model/quantconf.h"

#include <math.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/glob.h"
#include "lib/base/json.h"
#include "lib/io/provenance.h"

static pe_status find_own(bool *own, const pe_ckpt *ckpt, pe_error *err)
{
    json_t *history, *step;
    size_t i;
    *own = false;
    pe_status st = pe_provenance_history(&history, ckpt, err);
    if (st) return st;
    json_array_foreach(history, i, step)
    {
        const char *tool = json_string_value(json_object_get(step, "tool"));
        if (tool && strcmp(tool, "pe-quantize") == 0) *own = true;
    }
    json_decref(history);
    return PE_OK;
}

/* Our own key; other tools' models compute attention in float. */
static pe_status read_attention(bool *int8, const json_t *config, const char *where, pe_error *err)
{
    const char *how = "float";
    pe_status st = pe_json_str(&how, config, "pe_attention", false, where, err);
    *int8 = strcmp(how, "int8") == 0;
    if (!st && !*int8 && strcmp(how, "float") != 0)
        st = pe_fail(err, PE_E_UNSUPPORTED, "%s: pe_attention '%.60s'; pe executes int8 and float",
                     where, how);
    return st;
}

pe_status pe_quantconf_open(pe_quantconf *out, const pe_ckpt *ckpt, const char *where,
                            pe_error *err)
{
    const char *method = "compressed-tensors", *format = "int-quantized";
    *out = (pe_quantconf){ .config = pe_ckpt_quantization(ckpt), .where = where };
    if (!out->config) return PE_OK;
    pe_status st = pe_json_str(&method, out->config, "quant_method", false, where, err);
    if (!st) st = pe_json_str(&format, out->config, "format", false, where, err);
    if (st) return st;
    if (strcmp(method, "compressed-tensors") != 0)
        return pe_fail(err, PE_E_UNSUPPORTED,
                       "%s: quant_method '%.60s'; pe executes compressed-tensors int-quantized",
                       where, method);
    if (strcmp(format, "int-quantized") != 0 && strcmp(format, "naive-quantized") != 0)
        return pe_fail(err, PE_E_UNSUPPORTED,
                       "%s: quantization format '%.60s'; pe executes int-quantized", where, format);
    st = read_attention(&out->int8_attention, pe_ckpt_config(ckpt), where, err);
    return st ? st : find_own(&out->own, ckpt, err);
}

/* A target is a class ("Linear", "Embedding"), a module's name or its last parts, or "re:" with a
 * pattern of literals and ".*". */
static pe_status target_matches(bool *yes, const char *target, const pe_module *mod,
                                const char *where, pe_error *err)
{
    const char *kind = mod->kind == PE_KIND_TABLE ? "Embedding" : "Linear";
    char glob[300];
    size_t n = 0;
    if (strncmp(target, "re:", 3) != 0) {
        size_t len = strlen(target), full = strlen(mod->name);
        bool tail = full > len && mod->name[full - len - 1] == '.' &&
                    strcmp(mod->name + full - len, target) == 0;
        *yes = strcmp(target, kind) == 0 || strcmp(target, mod->name) == 0 || tail;
        return PE_OK;
    }
    const char *p = target + 3;
    if (*p == '^') p++;
    for (; *p && n + 2 < sizeof glob; p++) {
        if (p[0] == '.' && p[1] == '*') glob[n++] = '*', p++;
        else if (p[0] == '\\' && p[1] == '.') glob[n++] = '.', p++;
        else if (p[0] == '$' && !p[1]) break;
        else if (strchr("\\[](){}+?|^$*", *p)) break;
        else glob[n++] = *p;
    }
    if (*p && !(p[0] == '$' && !p[1]))
        return pe_fail(err, PE_E_UNSUPPORTED,
                       "%s: quantization target '%.150s'; pe reads names and patterns of literals "
                       "and '.*'",
                       where, target);
    if (p[0] != '$') glob[n++] = '*'; /* re.match need not reach the end */
    glob[n] = '\0';
    *yes = pe_glob_match(glob, mod->name);
    return PE_OK;
}

static pe_status find_group(const json_t **out, const pe_quantconf *qc, const pe_module *mod,
                            pe_error *err)
{
    const char *name;
    json_t *group, *target;
    size_t i;
    *out = NULL;
    json_object_foreach(json_object_get(qc->config, "config_groups"), name, group)
    {
        json_array_foreach(json_object_get(group, "targets"), i, target)
        {
            bool yes = false;
            const char *text = json_string_value(target);
            pe_status st = text ? target_matches(&yes, text, mod, qc->where, err) : PE_OK;
            if (st) return st;
            if (yes) *out = group;
        }
    }
    return PE_OK;
}

/* int8 by type, bits and symmetry; strategies that pe has. */
static pe_status check_args(const json_t *args, const char *what, const char *const *strategies,
                            const pe_quantconf *qc, const pe_module *mod, pe_error *err)
{
    int64_t bits = 8;
    const char *type = "int", *strategy = strategies[0];
    pe_status st = pe_json_int(&bits, args, "num_bits", 1, 64, false, qc->where, err);
    if (!st) st = pe_json_str(&type, args, "type", false, qc->where, err);
    if (!st) st = pe_json_str(&strategy, args, "strategy", false, qc->where, err);
    if (st) return st;
    bool known = false;
    for (int i = 0; strategies[i]; i++) known |= strcmp(strategies[i], strategy) == 0;
    if (bits != 8 || strcmp(type, "int") != 0 || !known)
        return pe_fail(
            err, PE_E_UNSUPPORTED,
            "%s: module %.150s: %s of %lld bits, type '%.20s', strategy '%.20s'; pe executes "
            "8-bit integers by %s or %s",
            qc->where, mod->name, what, (long long)bits, type, strategy, strategies[0],
            strategies[1]);
    return PE_OK;
}

/* The zero points of symmetric weights, when they are stored, must all be zero. */
static pe_status check_weight_zero(const pe_quantconf *qc, const pe_module *mod,
                                   const pe_ckpt *ckpt, pe_error *err)
{
    int8_t chunk[4096];
    const pe_array *a = mod->weight_zero;
    for (uint64_t at = 0; a && at < a->nbytes; at += sizeof chunk) {
        size_t n = a->nbytes - at < sizeof chunk ? (size_t)(a->nbytes - at) : sizeof chunk;
        pe_status st = pe_ckpt_read(ckpt, a, 0, at, chunk, n, err);
        if (st) return st;
        for (size_t i = 0; i < n; i++)
            if (chunk[i])
                return pe_fail(
                    err, PE_E_UNSUPPORTED,
                    "%s: module %.150s: weights with a zero point; pe executes symmetric "
                    "weights",
                    qc->where, mod->name);
    }
    return PE_OK;
}

static pe_status read_zero(int32_t *out, const pe_array *a, const pe_ckpt *ckpt, pe_error *err)
{
    int32_t wide = 0;
    int64_t wider = 0;
    int8_t v = 0;
    uint8_t u = 0;
    pe_status st = PE_OK;
    switch (a->dtype) {
    case PE_I8: st = pe_ckpt_read(ckpt, a, 0, 0, &v, 1, err), wide = v; break;
    case PE_U8: st = pe_ckpt_read(ckpt, a, 0, 0, &u, 1, err), wide = u; break;
    case PE_I32: st = pe_ckpt_read(ckpt, a, 0, 0, &wide, 4, err); break;
    case PE_I64:
        st = pe_ckpt_read(ckpt, a, 0, 0, &wider, 8, err),
        wide = wider < -128 || wider > 127 ? 128 : (int32_t)wider;
        break;
    default:
        return pe_fail(err, PE_E_INPUT, "%s: tensor '%.150s': dtype %s, expected I8",
                       pe_ckpt_path(ckpt), a->name, a->dtype_name);
    }
    if (!st && (wide < -128 || wide > 127))
        return pe_fail(err, PE_E_INPUT, "%s: tensor '%.150s': zero point outside of -128..127",
                       pe_ckpt_path(ckpt), a->name);
    *out = wide;
    return st;
}

static pe_status read_static(pe_act_quant *aq, const pe_quantconf *qc, const pe_module *mod,
                             const pe_ckpt *ckpt, bool symmetric, pe_error *err)
{
    if (!mod->input_scale)
        return pe_fail(err, PE_E_INPUT,
                       "%s: module %.150s: static activations without '%s.input_scale'",
                       pe_ckpt_path(ckpt), mod->name, mod->name);
    pe_status st = pe_ckpt_read_f32(ckpt, mod->input_scale, &aq->scale, err);
    if (!st && !(aq->scale > 0))
        st = pe_fail(err, PE_E_INPUT, "%s: tensor '%.150s': scale %g, expected a positive number",
                     pe_ckpt_path(ckpt), mod->input_scale->name, (double)aq->scale);
    if (!st && mod->input_zero) st = read_zero(&aq->zero, mod->input_zero, ckpt, err);
    if (!st && symmetric && aq->zero)
        st = pe_fail(err, PE_E_INPUT, "%s: module %.150s: symmetric activations with zero point %d",
                     pe_ckpt_path(ckpt), mod->name, (int)aq->zero);
    aq->full_range = !symmetric || !qc->own;
    return st;
}

pe_status pe_quantconf_for(bool *int8, pe_act_quant *aq, const pe_quantconf *qc,
                           const pe_module *mod, const pe_ckpt *ckpt, pe_error *err)
{
    static const char *const by_weight[] = { "channel", "tensor", NULL }, *const by_input[] = {
        "token", "tensor", NULL
    };
    const json_t *group = NULL;
    bool dynamic = true, symmetric = true;
    *int8 = false;
    *aq = (pe_act_quant){ 0 };
    if (!qc->config)
        return pe_fail(err, PE_E_INPUT,
                       "%s: module %.150s holds I8 weights, but there is no quantization_config",
                       qc->where, mod->name);
    pe_status st = find_group(&group, qc, mod, err);
    if (!st && !group)
        st = pe_fail(
            err, PE_E_INPUT,
            "%s: module %.150s holds I8 weights, but no group of quantization_config names it",
            qc->where, mod->name);
    const json_t *weights = json_object_get(group, "weights"),
                 *input = json_object_get(group, "input_activations");
    if (!st && json_is_object(weights))
        st = check_args(weights, "weights", by_weight, qc, mod, err);
    if (!st && json_is_object(weights))
        st = pe_json_bool(&symmetric, weights, "symmetric", false, qc->where, err);
    if (!st && !symmetric)
        st = pe_fail(err, PE_E_UNSUPPORTED,
                     "%s: module %.150s: asymmetric weights; pe executes symmetric ones", qc->where,
                     mod->name);
    if (!st) st = check_weight_zero(qc, mod, ckpt, err);
    if (st || !json_is_object(input) || mod->kind != PE_KIND_LINEAR) return st;
    *int8 = true;
    symmetric = true;
    st = check_args(input, "activations", by_input, qc, mod, err);
    if (!st) st = pe_json_bool(&dynamic, input, "dynamic", false, qc->where, err);
    if (!st) st = pe_json_bool(&symmetric, input, "symmetric", false, qc->where, err);
    if (st) return st;
    if (!dynamic) return read_static(aq, qc, mod, ckpt, symmetric, err);
    const char *strategy = "token";
    st = pe_json_str(&strategy, input, "strategy", false, qc->where, err);
    if (!st && (strcmp(strategy, "token") != 0 || !symmetric))
        st = pe_fail(
            err, PE_E_UNSUPPORTED,
            "%s: module %.150s: dynamic activations by '%.20s'%s; pe executes them by token, "
            "symmetric",
            qc->where, mod->name, strategy, symmetric ? "" : ", asymmetric");
    aq->div = qc->own ? 127.0f : 127.5f;
    aq->full_range = !qc->own;
    return st;
}
