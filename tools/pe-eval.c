/* tools/pe-eval.c - how good is a model on labelled rows, and is it worse than its baseline.
 * Read next: lib/include/pe/eval.h, docs/pe-eval.md. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pe/eval.h>

#include "tools/common/tool.h"

static struct {
    pe_strings data;
    const char *text, *text2, *label, *format, *task, *baseline, *metric, *records, *exec_layout,
        *tune_file, *pool;
    double max_drop, confidence;
    int64_t batch, max_length, limit;
    bool normalize;
} opt = { .max_drop = -1 };

static const pe_option options[] = {
    { "data", 'd', PE_OPT_STRINGS, &opt.data, "FILE", "rows to evaluate, repeatable", 0, 0 },
    { "text", 0, PE_OPT_STRING, &opt.text, "COLUMN", "column of the text (default text)", 0, 0 },
    { "text2", 0, PE_OPT_STRING, &opt.text2, "COLUMN", "column of the second text", 0, 0 },
    { "label", 0, PE_OPT_STRING, &opt.label, "COLUMN", "column of the label (default label)", 0,
      0 },
    { "format", 0, PE_OPT_STRING, &opt.format, "NAME", "tsv, csv, jsonl or txt (default: by name)",
      0, 0 },
    { "limit", 0, PE_OPT_INT, &opt.limit, "N", "first N rows of each file only", 1, 1e15 },
    { "task", 0, PE_OPT_STRING, &opt.task, "TASK",
      "classify, multilabel, regress, tokens or embed (default: the model's)", 0, 0 },
    { "baseline", 'b', PE_OPT_STRING, &opt.baseline, "MODEL", "compare row by row with this model",
      0, 0 },
    { "metric", 0, PE_OPT_STRING, &opt.metric, "NAME",
      "metric of the gate (default: the task's first)", 0, 0 },
    { "max-drop", 0, PE_OPT_NUMBER, &opt.max_drop, "X",
      "gate: largest loss of the metric that passes", 0, 1e9 },
    { "confidence", 0, PE_OPT_NUMBER, &opt.confidence, "P", "of the gate, one-sided (default 0.95)",
      0.5, 0.999999 },
    { "records", 0, PE_OPT_STRING, &opt.records, "FILE", "write one JSON line a row", 0, 0 },
    { "batch", 0, PE_OPT_INT, &opt.batch, "N", "rows a batch (default 32)", 1, 4096 },
    { "max-length", 0, PE_OPT_INT, &opt.max_length, "N",
      "tokens a row at most (default: the model's)", 2, 1e6 },
    { "pool", 0, PE_OPT_STRING, &opt.pool, "HOW", "mean or cls: embeddings of bare encoders", 0,
      0 },
    { "normalize", 0, PE_OPT_FLAG, &opt.normalize, 0, "with --pool: embeddings of length 1", 0, 0 },
    { "exec-layout", 0, PE_OPT_STRING, &opt.exec_layout, "NAME", "force how matrices are executed",
      0, 0 },
    { "tune-file", 0, PE_OPT_STRING, &opt.tune_file, "FILE",
      "measured times to choose execution by", 0, 0 },
    { "seed", 0, PE_OPT_INT, &pe_common_opts.seed, "N", "of the resampling (default 0)", 0, 9e15 },
    PE_PRECISION_OPTION,
    PE_COMMON_OPTIONS,
};

static const pe_command command = {
    .name = "pe-eval",
    .usage = "MODEL --data FILE [--baseline MODEL --max-drop X] [options]",
    .summary = "Evaluate a model on labelled rows, alone or against a baseline.",
    .examples = "  pe-eval model --data dev.tsv\n"
                "  pe-eval out --data dev.tsv --data test.tsv --baseline model --max-drop 0.02\n"
                "  pe-eval out --data pairs.tsv --text2 text2 --label score --json\n",
    .options = options,
    .noptions = sizeof options / sizeof *options,
    .min_operands = 1,
    .max_operands = 1,
};

static double number(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static void format_value(char buf[32], const json_t *v)
{
    if (json_is_number(v)) snprintf(buf, 32, "%.4f", json_number_value(v));
    else snprintf(buf, 32, "-");
}

static void format_interval(char buf[32], const json_t *metric)
{
    const json_t *ci = json_object_get(metric, "ci95"), *lo = json_array_get(ci, 0),
                 *hi = json_array_get(ci, 1);

    if (json_is_number(lo) && json_is_number(hi))
        snprintf(buf, 32, "%.4f .. %.4f", json_number_value(lo), json_number_value(hi));
    else snprintf(buf, 32, "-");
}

/* Metrics in the library's order of importance; JSON keeps them sorted by name. */
static void print_metrics(const json_t *o)
{
    static const char *const order[] = { "accuracy", "macro_f1", "micro_f1", "mcc",
                                         "pearson",  "spearman", "mse",      "cosine",
                                         "nll",      "ece",      "brier" };
    static const char *const heads[] = { "metric", "value", "95 % interval", "baseline",
                                         "its interval" };
    const json_t *m = json_object_get(o, "metrics"),
                 *b = json_object_get(json_object_get(o, "baseline"), "metrics");
    pe_table *t = pe_table_new(heads, b ? 5 : 3);

    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        const json_t *one = json_object_get(m, order[i]), *other = json_object_get(b, order[i]);
        char value[32], ci[32], bvalue[32], bci[32];
        const char *cells[] = { order[i], value, ci, bvalue, bci };
        if (!one) continue;
        format_value(value, json_object_get(one, "value"));
        format_interval(ci, one);
        format_value(bvalue, json_object_get(other, "value"));
        format_interval(bci, other);
        pe_table_row(t, cells);
    }
    pe_table_print(t);
}

static void print_files(const json_t *files)
{
    size_t i;
    json_t *f;

    if (json_array_size(files) < 2) return;
    printf("\n");
    json_array_foreach((json_t *)files, i, f)
    {
        const json_t *m = json_object_get(f, "metrics");
        const char *name = json_object_get(m, "accuracy")  ? "accuracy"
                           : json_object_get(m, "pearson") ? "pearson"
                                                           : "cosine";
        char value[32];
        format_value(value, json_object_get(json_object_get(m, name), "value"));
        printf("%s: %lld rows, %s %s\n", json_string_value(json_object_get(f, "file")),
               (long long)json_integer_value(json_object_get(f, "n")), name, value);
    }
}

static void print_paired(const json_t *p)
{
    if (!p) return;
    printf("\n");
    if (json_object_get(p, "agree"))
        printf(
            "same answer as the baseline in %.2f %% of rows; right to wrong %lld, wrong to right "
            "%lld (mid-p McNemar %.3g)\n",
            100 * number(p, "agree"),
            (long long)json_integer_value(json_object_get(p, "right_to_wrong")),
            (long long)json_integer_value(json_object_get(p, "wrong_to_right")),
            number(p, "mcnemar_mid_p"));
    if (json_object_get(p, "kl_mean"))
        printf("divergence from the baseline: mean %.4g, largest %.4g nats\n", number(p, "kl_mean"),
               number(p, "kl_max"));
    if (json_object_get(p, "cosine_mean"))
        printf("cosine to the baseline: mean %.6f, least %.6f\n", number(p, "cosine_mean"),
               number(p, "cosine_min"));
    if (json_object_get(p, "rank_agreement"))
        printf("ranks of all pairs of %lld texts agree by %.4f (Spearman); same nearest text in "
               "%.1f %%\n",
               (long long)json_integer_value(json_object_get(p, "ranked_rows")),
               number(p, "rank_agreement"), 100 * number(p, "same_nearest"));
    if (json_object_get(p, "max_abs_diff"))
        printf("outputs: Pearson %.6f with the baseline's, mean difference %.4g, largest %.4g\n",
               number(p, "pearson"), number(p, "mean_abs_diff"), number(p, "max_abs_diff"));
}

static void print_gate(const json_t *g)
{
    double confidence = 100 * number(g, "confidence");
    const json_t *rows = json_object_get(g, "rows_to_decide");
    char lower[32], upper[32];

    if (!g) return;
    snprintf(lower, sizeof lower, "lower%g", confidence);
    snprintf(upper, sizeof upper, "upper%g", confidence);
    printf("\ngate: %s dropped by %.4f, with %g %% confidence at least %.4f, at most %.4f; allowed "
           "%g: %s\n",
           json_string_value(json_object_get(g, "metric")), number(g, "drop"), confidence,
           number(g, lower), number(g, upper), number(g, "max_drop"),
           json_string_value(json_object_get(g, "verdict")));
    if (json_is_integer(rows))
        printf("about %lld rows would decide at the rates seen here\n",
               (long long)json_integer_value(rows));
}

static void print_report(const char *text)
{
    json_t *o = json_loads(text, 0, NULL);
    const json_t *m = json_object_get(o, "model");
    long long cut = json_integer_value(json_object_get(o, "truncated_rows"));

    printf("%s: %s, weights %s; task %s, %lld rows\n\n",
           json_string_value(json_object_get(m, "path")),
           json_string_value(json_object_get(m, "family")),
           json_string_value(json_object_get(m, "weights")),
           json_string_value(json_object_get(o, "task")),
           (long long)json_integer_value(json_object_get(o, "n")));
    print_metrics(o);
    print_files(json_object_get(o, "files"));
    if (cut) printf("%lld rows were longer than the limit and were cut\n", cut);
    print_paired(json_object_get(o, "paired"));
    print_gate(json_object_get(o, "gate"));
    json_decref(o);
}

int main(int argc, char **argv)
{
    pe_strings operands = pe_tool_start(&command, argc, argv);
    pe_error err = { 0 };
    char *json = NULL;
    pe_status st;
    pe_eval_params p = {
        .columns = { opt.text, opt.text2, opt.label, opt.format, (size_t)opt.limit },
        .task = opt.task,
        .baseline = opt.baseline,
        .metric = opt.metric,
        .max_drop = opt.max_drop,
        .confidence = opt.confidence,
        .batch = (size_t)opt.batch,
        .max_length = (size_t)opt.max_length,
        .seed = (uint64_t)pe_common_opts.seed,
        .records = opt.records,
        .exec_layout = opt.exec_layout,
        .tune_file = opt.tune_file,
    };

    if (opt.data.n == 0) pe_tool_usage("found no --data FILE, expected at least one");
    if (opt.max_drop >= 0 && !opt.baseline)
        pe_tool_usage("--max-drop needs --baseline MODEL to compare with");
    if (opt.pool && strcmp(opt.pool, "mean") == 0) p.pooling = PE_POOL_MEAN;
    else if (opt.pool && strcmp(opt.pool, "cls") == 0) p.pooling = PE_POOL_CLS;
    else if (opt.pool) pe_tool_usage("--pool: found '%s', expected mean or cls", opt.pool);
    p.normalize = opt.normalize;
    p.device = pe_common_opts.device;
    p.max_vram = pe_common_opts.max_vram;
    p.precision = pe_common_opts.precision;
    p.data = opt.data.v;
    p.ndata = opt.data.n;
    p.pool = pe_tool_pool();
    p.progress = pe_tool_progress();
    st = pe_eval_model(&json, operands.v[0], &p, &err);
    if (!json) pe_tool_fail(&err);
    if (pe_common_opts.json) fputs(json, stdout);
    else print_report(json);
    free(json);
    if (st && st != PE_E_NEGATIVE && st != PE_E_INCONCLUSIVE) pe_tool_fail(&err);
    return pe_tool_finish(st);
}
