/* tools/pe-inspect.c - `pe-inspect MODEL`: what is in a checkpoint, and whether it is sound.
 * Read next: docs/pe-inspect.md, lib/convert/inspect.c. */
#include <pe/convert.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/common/pass_report.h"

static bool show_tensors, verify, devices;

static const pe_option options[] = {
    { "tensors", 't', PE_OPT_FLAG, &show_tensors, 0, "every stored tensor, not only matrices", 0,
      0 },
    { "verify", 0, PE_OPT_FLAG, &verify, 0,
      "check digests, layouts, values, shapes against config.json", 0, 0 },
    { "devices", 0, PE_OPT_FLAG, &devices, 0, "what can execute models on this machine", 0, 0 },
    PE_COMMON_OPTIONS,
};

static const pe_command command = {
    .name = "pe-inspect",
    .usage = "MODEL [--tensors] [--verify] | --devices",
    .summary = "Show what is in a model: family, matrices, layouts, zeros, bytes, history.",
    .examples = "  pe-inspect model\n"
                "  pe-inspect out --verify && echo sound\n"
                "  pe-inspect model --tensors --json | jq '.tensors[].name'\n"
                "  pe-inspect --devices\n",
    .options = options,
    .noptions = sizeof options / sizeof *options,
    .min_operands = 0,
    .max_operands = 1,
};

static const char *text_of(const json_t *o, const char *key, const char *otherwise)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : otherwise;
}

static void show_shape(char text[96], const json_t *shape)
{
    size_t n = json_array_size(shape), used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < n && used < 64; i++)
        used += (size_t)snprintf(text + used, 96 - used, "%s%lld", i ? " x " : "",
                                 (long long)json_integer_value(json_array_get(shape, i)));
    if (!n) strcpy(text, "scalar");
}

/* Names come from the file: no control byte reaches the terminal. */
static void show_name(char text[200], const json_t *name)
{
    const char *s = json_string_value(name);
    size_t n = json_string_length(name);
    if (n > 190) n = 190;
    for (size_t i = 0; i < n; i++)
        text[i] = (unsigned char)s[i] < 0x20 || s[i] == 0x7f ? '?' : s[i];
    text[n] = '\0';
}

static void show_rows(const json_t *rows, bool modules)
{
    static const char *const heads[] = { "module", "role", "shape", "dtype",
                                         "layout", "size", "zero" };
    static const char *const plain[] = { "tensor", "shape", "dtype", "layout", "size" };
    if (!json_array_size(rows)) {
        printf("no matrices%s\n", modules ? " (--tensors lists everything)" : "");
        return;
    }
    pe_table *t = modules ? pe_table_new(heads, 7) : pe_table_new(plain, 5);
    const json_t *m;
    size_t i;
    json_array_foreach(rows, i, m)
    {
        char name[200], shape[96], size[16], zero[16] = "-";
        const json_t *sparsity = json_object_get(m, "sparsity");
        show_name(name, json_object_get(m, "name"));
        show_shape(shape, json_object_get(m, "shape"));
        pe_human_bytes(size, (uint64_t)json_integer_value(json_object_get(m, "bytes")));
        if (sparsity) snprintf(zero, sizeof zero, "%.2f %%", 100 * json_number_value(sparsity));
        const char *dtype = text_of(m, "dtype", "?"), *layout = text_of(m, "layout", "?");
        const char *full[] = { name, text_of(m, "role", "?"), shape, dtype, layout, size, zero };
        const char *short_row[] = { name, shape, dtype, layout, size };
        pe_table_row(t, modules ? full : short_row);
    }
    pe_table_print(t);
}

static void show_history(const json_t *history)
{
    const json_t *step;
    size_t i;
    json_array_foreach(history, i, step)
    {
        char *params = json_dumps(json_object_get(step, "params"),
                                  JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(9));
        printf("step %zu: %s %s %s\n        input %s\n", i + 1, text_of(step, "tool", "?"),
               text_of(step, "version", "?"), params ? params : "", text_of(step, "input", "?"));
        free(params);
    }
}

static void show(const char *json)
{
    json_t *o = json_loads(json, JSON_ALLOW_NUL, NULL);
    char size[16];
    const json_t *class = json_array_get(json_object_get(o, "architectures"), 0);
    printf("%s\n", text_of(o, "path", "?"));
    printf("family %s%s%s; %lld parameters in %lld tensors, %s", text_of(o, "family", "unknown"),
           class ? ", " : "", class ? json_string_value(class) : "",
           (long long)json_integer_value(json_object_get(o, "parameters")),
           (long long)json_integer_value(json_object_get(o, "ntensors")),
           pe_human_bytes(size, (uint64_t)json_integer_value(json_object_get(o, "bytes"))));
    printf("; %.2f %% of the matrices' values are zero\n",
           100 * json_number_value(json_object_get(o, "sparsity")));
    show_rows(json_object_get(o, show_tensors ? "tensors" : "modules"), !show_tensors);
    show_history(json_object_get(o, "history"));
    json_decref(o);
}

static void show_checks(const char *json)
{
    json_t *o = json_loads(json, JSON_ALLOW_NUL, NULL);
    const json_t *check;
    size_t i;
    json_array_foreach(json_object_get(o, "checks"), i, check)
    {
        const char *what = text_of(check, "what", NULL);
        printf("%-4s  %s%s%s\n", text_of(check, "verdict", "?"), text_of(check, "check", "?"),
               what ? ": " : "", what ? what : "");
    }
    json_decref(o);
}

static void show_cpu(const json_t *d)
{
    const json_t *f;
    size_t k;
    printf("cpu: level %s, %lld cores; features", text_of(d, "level", "?"),
           (long long)json_integer_value(json_object_get(d, "cores")));
    json_array_foreach(json_object_get(d, "features"), k, f) printf(" %s", json_string_value(f));
    printf("\n");
}

static const char *count_text(char text[32], const json_t *o, const char *key)
{
    double n = json_number_value(json_object_get(o, key));
    snprintf(text, 32, n < 1e9 ? "%.0f million" : "%.1f billion", n < 1e9 ? n / 1e6 : n / 1e9);
    return text;
}

static void show_fits(const json_t *fits)
{
    char f32[32], half[32], int8[32];
    if (!fits) return;
    printf(
        "        room for the weights of %s parameters in f32, %s in bf16 or f16, %s in int8, less "
        "what a batch takes\n",
        count_text(f32, fits, "f32"), count_text(half, fits, "bf16"),
        count_text(int8, fits, "int8"));
}

static void show_gpu(const json_t *d)
{
    char memory[32], available[32];
    const char *driver = text_of(d, "driver", "");
    pe_human_bytes(memory, (uint64_t)json_integer_value(json_object_get(d, "memory")));
    pe_human_bytes(available, (uint64_t)json_integer_value(json_object_get(d, "free")));
    printf("%s: %s, %s, %s of %s free", text_of(d, "device", "?"), text_of(d, "name", "?"),
           text_of(d, "level", "?"), available, memory);
    if (json_object_get(d, "busy_percent"))
        printf(", %lld %% busy", (long long)json_integer_value(json_object_get(d, "busy_percent")));
    printf("; driver %s%sCUDA %s, plugin CUDA %s\n", driver, *driver ? ", " : "",
           text_of(d, "driver_cuda", "?"), text_of(d, "runtime_cuda", "?"));
    show_fits(json_object_get(d, "fits"));
}

static void show_devices(const char *json)
{
    json_t *o = json_loads(json, JSON_ALLOW_NUL, NULL);
    const json_t *d;
    size_t i;
    json_array_foreach(json_object_get(o, "devices"), i, d)
    {
        if (!json_is_true(json_object_get(d, "available")))
            printf("%s: not available: %s\n", text_of(d, "device", "?"), text_of(d, "why", "?"));
        else if (json_object_get(d, "memory")) show_gpu(d);
        else show_cpu(d);
    }
    json_decref(o);
}

int main(int argc, char **argv)
{
    pe_strings operands = pe_tool_start(&command, argc, argv);
    pe_error err = { 0 };
    char *json = NULL;
    pe_status st;

    if (devices == (operands.n > 0)) pe_tool_usage("expected a model, or --devices alone");
    if (devices) st = pe_list_devices(&json, &err);
    else if (verify) st = pe_verify_checkpoint(&json, operands.v[0], pe_tool_pool(), &err);
    else st = pe_inspect_checkpoint(&json, operands.v[0], show_tensors, pe_tool_pool(), &err);
    if (json && pe_common_opts.json) fputs(json, stdout);
    else if (json && !pe_common_opts.quiet)
        (devices ? show_devices : verify ? show_checks : show)(json);
    free(json);
    if (st) pe_tool_fail(&err);
    return pe_tool_finish(PE_OK);
}
