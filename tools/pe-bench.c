/* tools/pe-bench.c - `pe-bench MODEL`: latency and throughput, by layer on request, and --tune.
 * Read next: docs/pe-bench.md, lib/eval/bench.c. */
#include <pe/bench.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/common/tool.h"

static pe_bench_params params;
static pe_ints batches, lengths;
static int64_t repeats, warmup;
static bool tune;

static const pe_option options[] = {
    { "batch", 'b', PE_OPT_INTS, &batches, "N,..", "rows at a time (default 1,32)", 1, 1 << 20 },
    { "length", 'l', PE_OPT_INTS, &lengths, "N,..", "tokens a row (default 16,128)", 1, 1 << 20 },
    { "baseline", 0, PE_OPT_STRING, &params.baseline, "MODEL", "another model, timed in turns", 0,
      0 },
    { "layers", 0, PE_OPT_FLAG, &params.layers, 0, "time of each op of the largest cell, too", 0,
      0 },
    { "tune", 0, PE_OPT_FLAG, &tune, 0,
      "measure how each matrix is best executed here and remember it", 0, 0 },
    { "tune-file", 0, PE_OPT_STRING, &params.tune_file, "FILE",
      "where the times are kept (default: the cache; '' = none)", 0, 0 },
    { "exec-layout", 0, PE_OPT_STRING, &params.exec_layout, "NAME",
      "force dense, csr, bitmask, block4, bsr, blocked-ell or int8-weights where admitted", 0, 0 },
    { "repeats", 'r', PE_OPT_INT, &repeats, "N", "runs a cell (default: for 1 s)", 1, 1000000 },
    { "warmup", 'w', PE_OPT_INT, &warmup, "N", "runs before them (default 2)", 1, 1000000 },
    PE_PRECISION_OPTION,
    PE_COMMON_OPTIONS,
};

static const pe_command command = {
    .name = "pe-bench",
    .usage = "MODEL [options]",
    .summary =
        "Measure latency and throughput of a model over batch x length, or tune its execution.",
    .examples = "  pe-bench model --batch 1,8,32 --length 16,128\n"
                "  pe-bench pruned --baseline model --batch 1,32 --length 128\n"
                "  pe-bench model --tune\n"
                "  pe-bench model --batch 1 --length 128 --layers --json\n",
    .options = options,
    .noptions = sizeof options / sizeof *options,
    .min_operands = 1,
    .max_operands = 1,
};

static double number(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}
static const char *text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static void show_rows(const json_t *root)
{
    const char *heads[] = { "batch",    "length",      "median ms",   "min ms",  "p95 ms",
                            "tokens/s", "peak memory", "baseline ms", "speed-up" };
    bool both = json_object_get(root, "baseline") != NULL;
    pe_table *t = pe_table_new(heads, both ? 9 : 7);
    json_t *row;
    size_t i;
    json_array_foreach(json_object_get(root, "rows"), i, row)
    {
        char cell[9][32];
        const char *cells[9];
        snprintf(cell[0], 32, "%.0f", number(row, "batch"));
        snprintf(cell[1], 32, "%.0f", number(row, "length"));
        snprintf(cell[2], 32, "%.3f", number(row, "median_ms"));
        snprintf(cell[3], 32, "%.3f", number(row, "min_ms"));
        snprintf(cell[4], 32, "%.3f", number(row, "p95_ms"));
        snprintf(cell[5], 32, "%.0f", number(row, "tokens_per_s"));
        pe_human_bytes(cell[6], (uint64_t)number(row, "peak_rss"));
        snprintf(cell[7], 32, "%.3f", number(json_object_get(row, "baseline"), "median_ms"));
        snprintf(cell[8], 32, "%.2fx", number(row, "speedup"));
        for (int c = 0; c < 9; c++) cells[c] = cell[c];
        pe_table_row(t, cells);
    }
    pe_table_print(t);
}

static void show_ops(const json_t *root)
{
    const char *heads[] = { "op", "module", "ms", "share", "executed", "GMAC/s" };
    const json_t *ops = json_object_get(root, "ops");
    json_t *op;
    size_t i;
    if (!ops) return;
    pe_table *t = pe_table_new(heads, 6);
    json_array_foreach(ops, i, op)
    {
        char ms[32], share[32], rate[32] = "";
        snprintf(ms, sizeof ms, "%.4f", number(op, "ms"));
        snprintf(share, sizeof share, "%.1f %%", 100 * number(op, "share"));
        if (json_object_get(op, "gmac_per_s"))
            snprintf(rate, sizeof rate, "%.1f", number(op, "gmac_per_s"));
        const char *cells[] = {
            text(op, "op"), text(op, "name"), ms, share, text(op, "exec"), rate
        };
        pe_table_row(t, cells);
    }
    printf("\n");
    pe_table_print(t);
}

static void show_tuned(const json_t *root)
{
    const char *heads[] = { "module", "shape", "zero", "1-4 tokens", "5-48", "more", "speed-up" };
    pe_table *t = pe_table_new(heads, 7);
    json_t *l;
    size_t i;
    json_array_foreach(json_object_get(root, "layers"), i, l)
    {
        char shape[48], zero[16], gain[48];
        const json_t *chosen = json_object_get(l, "chosen"),
                     *faster = json_object_get(l, "speedup");
        snprintf(shape, sizeof shape, "%.0f x %.0f", number(l, "n"), number(l, "k"));
        snprintf(zero, sizeof zero, "%.0f %%", 100 * number(l, "sparsity"));
        snprintf(gain, sizeof gain, "%.2f %.2f %.2f", json_number_value(json_array_get(faster, 0)),
                 json_number_value(json_array_get(faster, 1)),
                 json_number_value(json_array_get(faster, 2)));
        const char *cells[] = { text(l, "name"),
                                shape,
                                zero,
                                json_string_value(json_array_get(chosen, 0)),
                                json_string_value(json_array_get(chosen, 1)),
                                json_string_value(json_array_get(chosen, 2)),
                                gain };
        pe_table_row(t, cells);
    }
    pe_table_print(t);
    pe_tool_note("times kept in %s", text(root, "file"));
}

static void show_note(const json_t *model)
{
    if (*text(model, "note")) pe_tool_note("%s", text(model, "note"));
}

static void show(const char *json)
{
    json_t *root = json_loads(json, 0, NULL);
    show_note(root);
    show_note(json_object_get(root, "model"));
    show_note(json_object_get(root, "baseline"));
    if (pe_common_opts.json) fputs(json, stdout);
    else if (tune) show_tuned(root);
    else {
        printf("%s, %s, %.0f threads, executed as %s\n\n", text(root, "machine"), text(root, "cpu"),
               number(root, "threads"), text(json_object_get(root, "model"), "weights"));
        show_rows(root);
        show_ops(root);
    }
    json_decref(root);
}

int main(int argc, char **argv)
{
    static uint32_t batch[] = { 1, 32 }, length[] = { 16, 128 };
    pe_error err = { 0 };
    char *json = NULL;
    pe_strings operands = pe_tool_start(&command, argc, argv);
    params.batch = batches.n ? batches.v : batch;
    params.nbatch = batches.n ? batches.n : 2;
    params.length = lengths.n ? lengths.v : length;
    params.nlength = lengths.n ? lengths.n : 2;
    params.repeats = (uint32_t)repeats;
    params.warmup = (uint32_t)warmup;
    params.device = pe_common_opts.device;
    params.max_vram = pe_common_opts.max_vram;
    params.precision = pe_common_opts.precision;
    params.pool = pe_tool_pool();
    params.progress = pe_tool_progress();
    pe_status st = tune ? pe_tune_model(&json, operands.v[0], &params, &err)
                        : pe_bench_model(&json, operands.v[0], &params, &err);
    if (st) pe_tool_fail(&err);
    show(json);
    free(json);
    return pe_tool_finish(PE_OK);
}
