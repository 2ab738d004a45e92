/* tools/pe-recipe.c - `pe-recipe run R.yaml -o OUT`: passes in order, evaluated and gated.
 * Read next: lib/include/pe/recipe.h, docs/pe-recipe.md. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pe/recipe.h>

#include "tools/common/tool.h"

static pe_recipe_run_params params;

static const pe_option options[] = {
    { "no-cache", 0, PE_OPT_FLAG, &params.no_cache, 0, "make every step anew, keep none", 0, 0 },
    { "cache", 0, PE_OPT_STRING, &params.cache, "DIR",
      "results of steps (default $XDG_CACHE_HOME/pe/steps)", 0, 0 },
    { "keep-steps", 0, PE_OPT_FLAG, &params.keep_steps, 0,
      "copies of every step's checkpoint in OUT.steps/", 0, 0 },
    { "no-timing", 0, PE_OPT_FLAG, &params.no_timing, 0, "neither measure latency nor tune", 0, 0 },
    { "output", 'o', PE_OPT_STRING, &pe_common_opts.output, "DIR", "new checkpoint directory", 0,
      0 },
    { "force", 'f', PE_OPT_FLAG, &pe_common_opts.force, 0, "replace an existing output", 0, 0 },
    PE_COMMON_OPTIONS,
};

static const pe_command command = {
    .name = "pe-recipe",
    .usage = "run|plan|lint RECIPE [-o OUT] [options]",
    .summary = "Run, plan or check a recipe: passes in order, evaluated and gated.",
    .examples = "  pe-recipe lint recipes/sentiment/recipe.yaml\n"
                "  pe-recipe plan recipes/sentiment/recipe.yaml\n"
                "  pe-recipe run recipes/sentiment/recipe.yaml -o out\n"
                "  pe-recipe run recipes/sentiment/recipe.yaml -o out -f --json > run.json\n",
    .options = options,
    .noptions = sizeof options / sizeof *options,
    .min_operands = 2,
    .max_operands = 2,
};

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : "-";
}

static double number(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

/* The metric that the table shows: the gate's, or the first there is. */
static const char *shown_metric(const json_t *eval, const char *wanted)
{
    static const char *const order[] = { "accuracy", "pearson", "cosine", "spearman" };
    const json_t *m = json_object_get(eval, "metrics");

    if (wanted && json_object_get(m, wanted)) return wanted;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (json_object_get(m, order[i])) return order[i];
    return NULL;
}

static const json_t *eval_of(const json_t *row)
{
    const json_t *eval = json_object_get(row, "eval");

    return eval ? eval : json_object_get(row, "gate_eval");
}

/* Metric of the gate anywhere in the run. */
static const char *gate_metric(const json_t *steps)
{
    size_t i;
    json_t *row;

    json_array_foreach((json_t *)steps, i, row)
    {
        const json_t *gate = json_object_get(eval_of(row), "gate");
        if (gate) return text_of(gate, "metric");
    }
    return NULL;
}

typedef struct cells {
    char step[32], value[16], interval[32], weights[16], matrices[16], one[16], many[16], speed[24];
} cells;

static void fill_quality(cells *c, const json_t *row, const char *metric)
{
    const json_t *eval = eval_of(row);
    const char *name = eval ? shown_metric(eval, metric) : NULL;
    const json_t *m = name ? json_object_get(json_object_get(eval, "metrics"), name) : NULL,
                 *ci = json_object_get(m, "ci95");

    strcpy(c->value, "-");
    strcpy(c->interval, "-");
    if (!json_is_number(json_object_get(m, "value"))) return;
    snprintf(c->value, sizeof c->value, "%.4f", number(m, "value"));
    if (json_is_number(json_array_get(ci, 0)))
        snprintf(c->interval, sizeof c->interval, "%.4f .. %.4f",
                 json_number_value(json_array_get(ci, 0)),
                 json_number_value(json_array_get(ci, 1)));
}

static void fill_cost(cells *c, const json_t *row)
{
    const json_t *bytes = json_object_get(row, "bytes"), *time = json_object_get(row, "time"),
                 *one = json_array_get(time, 0), *many = json_array_get(time, 1);

    strcpy(c->weights, "-");
    strcpy(c->matrices, "-");
    strcpy(c->one, "-");
    strcpy(c->many, "-");
    strcpy(c->speed, "-");
    if (bytes) pe_human_bytes(c->weights, (uint64_t)number(bytes, "weights"));
    if (bytes) pe_human_bytes(c->matrices, (uint64_t)number(bytes, "matrices"));
    if (one) snprintf(c->one, sizeof c->one, "%.2f", number(one, "ms"));
    if (many) snprintf(c->many, sizeof c->many, "%.2f", number(many, "ms"));
    if (many && json_object_get(many, "speedup"))
        snprintf(c->speed, sizeof c->speed, "%.2fx, %.2fx", number(one, "speedup"),
                 number(many, "speedup"));
    else if (one) strcpy(c->speed, "1x");
}

static void print_table(const json_t *o)
{
    const json_t *steps = json_object_get(o, "steps");
    const char *metric = gate_metric(steps), *shown = metric;
    bool timed = json_object_get(json_array_get(steps, 0), "time") != NULL;
    const char *heads[] = { "step",    "metric",   "95 % interval", "weights", "matrices",
                            "1x32 ms", "32x32 ms", "speed-up",      "verdict" };
    pe_table *t;
    size_t i;
    json_t *row;

    if (!shown) shown = shown_metric(eval_of(json_array_get(steps, 0)), NULL);
    if (shown) heads[1] = shown;
    if (!timed) heads[5] = heads[8];
    t = pe_table_new(heads, timed ? 9 : 6);
    json_array_foreach((json_t *)steps, i, row)
    {
        cells c;
        const char *list[] = { c.step,    c.value,    c.interval,
                               c.weights, c.matrices, c.one,
                               c.many,    c.speed,    text_of(row, "verdict") };
        snprintf(c.step, sizeof c.step, "%s", text_of(row, "step"));
        fill_quality(&c, row, metric);
        fill_cost(&c, row);
        if (!timed) list[5] = list[8];
        pe_table_row(t, list);
    }
    pe_table_print(t);
}

static void print_gate(const json_t *o, const pe_error *why)
{
    const json_t *steps = json_object_get(o, "steps");
    const json_t *last = json_array_get(steps, json_array_size(steps) - 1),
                 *gate = json_object_get(eval_of(last), "gate"),
                 *n = json_object_get(eval_of(last), "n");
    char upper[32];

    if (gate && !why->status) {
        double confidence = 100 * number(gate, "confidence");
        snprintf(upper, sizeof upper, "upper%g", confidence);
        printf("\n%s: %s dropped by %.4f over %lld rows, by at most %.4f with %g %% confidence; "
               "allowed %g\n",
               text_of(gate, "verdict"), text_of(gate, "metric"), number(gate, "drop"),
               (long long)json_integer_value(n), number(gate, upper), confidence,
               number(gate, "max_drop"));
    } else if (why->status) {
        printf("\n%s: %s\n", text_of(o, "verdict"), why->text);
    }
    if (json_is_string(json_object_get(o, "output"))) printf("wrote %s\n", text_of(o, "output"));
    else printf("wrote nothing; --keep-steps keeps every step's checkpoint to look into\n");
}

static void say_notes(const json_t *o)
{
    size_t i;
    json_t *note;

    json_array_foreach(json_object_get(o, "notes"), i, note)
        pe_tool_note("%s", json_string_value(note));
}

/* One line a step while the run goes on. */
static void on_step(void *user, const char *text)
{
    json_t *row = json_loads(text, 0, NULL);
    const json_t *eval = eval_of(row);
    const char *name = eval ? shown_metric(eval, NULL) : NULL;
    const char *cached = json_is_true(json_object_get(row, "cached")) ? " (from the cache)" : "";

    (void)user;
    if (name)
        pe_tool_note("%s%s: %s %.4f", text_of(row, "step"), cached, name,
                     number(json_object_get(json_object_get(eval, "metrics"), name), "value"));
    else pe_tool_note("%s%s: done", text_of(row, "step"), cached);
    json_decref(row);
}

static int do_run(const pe_recipe *r)
{
    pe_error err = { 0 };
    char *json = NULL;
    json_t *o;
    pe_status st;

    if (!pe_common_opts.output) pe_tool_usage("where to? expected -o OUT");
    params.out = pe_common_opts.output;
    params.replace = pe_common_opts.force;
    params.pool = pe_tool_pool();
    params.progress = pe_tool_progress();
    params.on_step = on_step;
    st = pe_recipe_run(&json, r, &params, &err);
    if (!json) pe_tool_fail(&err);
    o = json_loads(json, 0, NULL);
    say_notes(o);
    if (pe_common_opts.json) {
        fputs(json, stdout);
        if (st) pe_tool_note("%s", err.text);
    } else {
        print_table(o);
        print_gate(o, &err);
    }
    json_decref(o);
    free(json);
    return pe_tool_finish(st);
}

static void print_plan(const json_t *o)
{
    const json_t *model = json_object_get(o, "model_info"), *gate = json_object_get(o, "gate");
    size_t i;
    json_t *step;

    printf("%s: %s, %lld parameters, weights %s\n", text_of(o, "model"), text_of(model, "family"),
           (long long)json_integer_value(json_object_get(model, "parameters")),
           text_of(model, "weights"));
    json_array_foreach(json_object_get(o, "steps"), i, step)
    {
        char *p =
            json_dumps(json_object_get(step, "params"), JSON_SORT_KEYS | JSON_REAL_PRECISION(9));
        printf("%zu. %s %s%s%s\n", i + 1, text_of(step, "step"), p ? p : "",
               json_is_true(json_object_get(step, "gate")) ? ", with a gate of its own" : "",
               json_is_true(json_object_get(step, "cached")) ? ", in the cache" : "");
        free(p);
    }
    if (gate)
        printf("gate: %s may drop by %g\n",
               json_is_string(json_object_get(gate, "metric")) ? text_of(gate, "metric")
                                                               : "the task's first metric",
               number(gate, "max_drop"));
}

static int do_plan(const pe_recipe *r, bool lint)
{
    pe_error err = { 0 };
    char *json = NULL;
    json_t *o;

    if (pe_recipe_plan(&json, r, pe_tool_pool(), &err)) pe_tool_fail(&err);
    o = json_loads(json, 0, NULL);
    say_notes(o);
    if (pe_common_opts.json) fputs(json, stdout);
    else if (lint) printf("%s: ok\n", text_of(o, "recipe"));
    else print_plan(o);
    json_decref(o);
    free(json);
    return pe_tool_finish(PE_OK);
}

int main(int argc, char **argv)
{
    pe_strings operands = pe_tool_start(&command, argc, argv);
    const char *verb = operands.v[0];
    pe_error err = { 0 };
    pe_recipe *r = NULL;
    int code;

    if (strcmp(verb, "run") != 0 && strcmp(verb, "plan") != 0 && strcmp(verb, "lint") != 0)
        pe_tool_usage("found verb '%s', expected run, plan or lint", verb);
    if (strcmp(pe_common_opts.device, "cpu") != 0 && strcmp(pe_common_opts.device, "auto") != 0) {
        snprintf(err.text, sizeof err.text, "device '%s': recipes run on 'cpu' only; leave it out",
                 pe_common_opts.device);
        err.status = PE_E_UNSUPPORTED;
        pe_tool_fail(&err);
    }
    if (pe_recipe_open(&r, operands.v[1], &err)) pe_tool_fail(&err);
    code = strcmp(verb, "run") == 0 ? do_run(r) : do_plan(r, strcmp(verb, "lint") == 0);
    pe_recipe_close(r);
    return code;
}
