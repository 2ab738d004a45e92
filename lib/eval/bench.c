/* lib/eval/bench.c - latency of a model over batch x length, alone or alternating with another one.
 * Read next: lib/eval/bench_clock.c, docs/pe-bench.md. */
#include "lib/eval/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/backend/plugin.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/rng.h"
#include "lib/model/ctx.h"

#define CELL_NS    1000000000u /* a cell runs this long: shorter ones see one clock speed only */
#define CELL_RUNS  10000
#define LEAST_RUNS 5

typedef struct subject {
    pe_model *model;
    pe_ctx *ctx;
    pe_times times;
} subject;

typedef struct bench {
    const pe_bench_params *p;
    subject s[2]; /* the model, the baseline */
    int n;
    int32_t *ids;
    uint32_t *begin;
} bench;

static pe_status open_subject(subject *s, const char *path, const pe_bench_params *p, pe_error *err)
{
    pe_model_params mp = { .exec_layout = p->exec_layout,
                           .tune_file = p->tune_file,
                           .device = p->device,
                           .max_vram = p->max_vram,
                           .precision = p->precision,
                           .pool = p->pool };
    pe_status st = pe_model_open(&s->model, path, &mp, err);
    return st ? st : pe_ctx_new(&s->ctx, s->model, p->pool, err);
}

static void close_bench(bench *b)
{
    for (int i = 0; i < 2; i++) {
        pe_ctx_free(b->s[i].ctx);
        pe_model_close(b->s[i].model);
        free(b->s[i].times.ms);
    }
    free(b->ids);
    free(b->begin);
}

/* Ids drawn by a fixed seed from what every subject has; padding is left out, it would change how
 * some families count positions. */
static pe_status draw_batch(pe_batch *out, bench *b, uint32_t batch, uint32_t length, pe_error *err)
{
    size_t n = (size_t)batch * length;
    uint32_t vocab = UINT32_MAX;
    pe_rng r;
    for (int i = 0; i < b->n; i++) {
        const pe_model_info *info = pe_model_get_info(b->s[i].model);
        if (length > info->max_length)
            return pe_fail(err, PE_E_ARG, "length %u: %s takes at most %u tokens", length,
                           info->path, info->max_length);
        if (info->vocab < vocab) vocab = info->vocab;
    }
    free(b->ids);
    free(b->begin);
    b->ids = malloc((n ? n : 1) * sizeof *b->ids);
    b->begin = malloc(((size_t)batch + 1) * sizeof *b->begin);
    if (!b->ids || !b->begin) return pe_fail_nomem(err, "token ids", n * sizeof *b->ids);
    pe_rng_init(&r, 1, batch, length);
    for (size_t i = 0; i < n; i++) {
        int32_t pad = (int32_t)pe_model_get_info(b->s[0].model)->pad_id;
        b->ids[i] = (int32_t)pe_rng_below(&r, vocab);
        if (b->ids[i] == pad) b->ids[i] = pad ? pad - 1 : (int32_t)vocab - 1;
    }
    for (uint32_t i = 0; i <= batch; i++) b->begin[i] = i * length;
    *out = (pe_batch){ .nrows = batch, .row_begin = b->begin, .ids = b->ids };
    return PE_OK;
}

static pe_status run_once(subject *s, const pe_batch *batch, bool record, pe_error *err)
{
    pe_output out;
    uint64_t start = pe_bench_now_ns();
    pe_status st = pe_forward(&out, s->ctx, batch, err);
    double ms = (double)(pe_bench_now_ns() - start) / 1e6;
    return st || !record ? st : pe_times_add(&s->times, ms, err);
}

/* Subjects take turns, so that a disturbance of the machine meets both. */
static pe_status time_cell(bench *b, const pe_batch *batch, pe_error *err)
{
    uint32_t warmup = b->p->warmup ? b->p->warmup : 2,
             most = b->p->repeats ? b->p->repeats : CELL_RUNS;
    uint64_t limit = CELL_NS * (uint64_t)b->n;
    pe_status st = PE_OK;
    for (int i = 0; i < b->n; i++) b->s[i].times.n = 0;
    for (uint32_t k = 0; !st && k < warmup * (uint32_t)b->n; k++)
        st = run_once(&b->s[k % (uint32_t)b->n], batch, false, err);
    uint64_t start = pe_bench_now_ns();
    for (uint32_t k = 0; !st && k < most; k++) {
        if (!b->p->repeats && k >= LEAST_RUNS && pe_bench_now_ns() - start > limit) break;
        for (int i = 0; !st && i < b->n; i++) st = run_once(&b->s[i], batch, true, err);
    }
    for (int i = 0; !st && i < b->n; i++) pe_times_sort(&b->s[i].times);
    return st;
}

static json_t *times_json(const pe_times *t, double tokens)
{
    double median = pe_times_quantile(t, 0.5);
    return json_pack("{s:f, s:f, s:f, s:f, s:I}", "median_ms", median, "min_ms", t->ms[0], "p95_ms",
                     pe_times_quantile(t, 0.95), "tokens_per_s", tokens / median * 1e3, "repeats",
                     (json_int_t)t->n);
}

static pe_status add_row(json_t *rows, bench *b, uint32_t batch, uint32_t length, pe_error *err)
{
    pe_batch data;
    pe_bench_reset_rss();
    pe_status st = draw_batch(&data, b, batch, length, err);
    if (!st) st = time_cell(b, &data, err);
    if (st) return st;
    double tokens = (double)batch * length;
    json_t *row = times_json(&b->s[0].times, tokens);
    (void)json_object_set_new(row, "batch", json_integer(batch));
    (void)json_object_set_new(row, "length", json_integer(length));
    (void)json_object_set_new(row, "peak_rss", json_integer((json_int_t)pe_bench_peak_rss()));
    const pe_backend *device = pe_model_backend(b->s[0].model);
    const pe_plugin *plugin = pe_plugin_of(device);
    if (plugin)
        (void)json_object_set_new(row, "peak_device",
                                  json_integer((json_int_t)plugin->high_water(device)));
    if (b->n > 1) {
        json_t *base = times_json(&b->s[1].times, tokens);
        double speedup =
            pe_times_quantile(&b->s[1].times, 0.5) / pe_times_quantile(&b->s[0].times, 0.5);
        (void)json_object_set_new(row, "baseline", base);
        (void)json_object_set_new(row, "speedup", json_real(speedup));
    }
    return json_array_append_new(rows, row) ? pe_fail_nomem(err, "results", 0) : PE_OK;
}

/* ---- by layer -------------------------------------------------------------------------------- */

static json_t *op_json(const pe_op *op, double ms, double share, size_t tokens)
{
    json_t *o = json_pack("{s:s, s:s, s:f, s:f}", "op", pe_op_kind_name(op->kind), "name", op->name,
                          "ms", ms, "share", share);
    if (op->kind == PE_OPK_linear) {
        const pe_linear *l = op->linear;
        double macs = (double)l->n * l->k * (double)tokens;
        (void)json_object_set_new(o, "exec",
                                  json_string(pe_form_name(l->form[pe_bucket_of(tokens)])));
        (void)json_object_set_new(o, "int8", json_boolean(l->int8));
        (void)json_object_set_new(o, "gmac_per_s", json_real(macs / ms / 1e6));
    }
    return o;
}

/* Ops of the largest cell, one after the other; the best of the runs each. */
static pe_status add_layers(json_t *root, bench *b, pe_error *err)
{
    const pe_plan *plan = pe_model_lean_plan(b->s[0].model);
    uint32_t batch = b->p->batch[b->p->nbatch - 1], length = b->p->length[b->p->nlength - 1];
    uint64_t *ns = calloc((size_t)plan->nops * 2, sizeof *ns), *best = ns ? ns + plan->nops : NULL,
             total = 0;
    pe_batch data;
    pe_output out;
    if (!ns) return pe_fail_nomem(err, "times of ops", (size_t)plan->nops * 2 * sizeof *ns);
    pe_status st = draw_batch(&data, b, batch, length, err);
    pe_ctx_time_ops(b->s[0].ctx, ns);
    for (int run = 0; !st && run < 12; run++) {
        memset(ns, 0, (size_t)plan->nops * sizeof *ns);
        st = pe_forward(&out, b->s[0].ctx, &data, err);
        for (int i = 0; i < plan->nops; i++)
            if (run == 2 || (run > 2 && ns[i] < best[i])) best[i] = ns[i];
    }
    pe_ctx_time_ops(b->s[0].ctx, NULL);
    for (int i = 0; i < plan->nops; i++) total += best[i];
    json_t *list = json_array();
    for (int i = 0; !st && i < plan->nops; i++) {
        bool per_row = plan->values[plan->ops[i].out].extent == PE_PER_ROW;
        size_t tokens = per_row ? batch : (size_t)batch * length;
        double ms = (double)best[i] / 1e6;
        (void)json_array_append_new(list,
                                    op_json(&plan->ops[i], ms,
                                            (double)best[i] / (double)(total ? total : 1), tokens));
    }
    free(ns);
    if (st) json_decref(list);
    else if (json_object_set_new(root, "ops", list)) st = pe_fail_nomem(err, "results", 0);
    return st;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static json_t *subject_json(const subject *s)
{
    const pe_model_info *info = pe_model_get_info(s->model);
    json_t *forms = json_object();
    for (size_t i = 0; i < pe_model_nlayers_info(s->model); i++) {
        const pe_layer_info *l = pe_model_get_layer(s->model, i);
        (void)json_object_set_new(forms, l->name,
                                  json_pack("[s, s, s]", l->exec[0], l->exec[1], l->exec[2]));
    }
    const char *why = pe_model_get_layer(s->model, 0)->why;
    json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:s, s:o}", "path", info->path, "family",
                          info->family, "weights", info->weights, "parameters",
                          (json_int_t)info->nparams, "chosen_by", why, "exec", forms);
    if (info->note) (void)json_object_set_new(o, "note", json_string(info->note));
    return o;
}

/* What the device has to say of how it did the work. */
static void add_note(json_t *root, const pe_backend *device)
{
    const pe_plugin *plugin = pe_plugin_of(device);
    const char *note = plugin ? plugin->note(device) : NULL;
    if (note) (void)json_object_set_new(root, "note", json_string(note));
}

static pe_status run_grid(json_t *root, bench *b, pe_error *err)
{
    const pe_bench_params *p = b->p;
    json_t *rows = json_object_get(root, "rows");
    size_t done = 0, total = p->nbatch * p->nlength;
    pe_status st = PE_OK;
    for (size_t i = 0; i < p->nbatch; i++)
        for (size_t j = 0; !st && j < p->nlength; j++) {
            st = add_row(rows, b, p->batch[i], p->length[j], err);
            if (!st && p->progress.fn &&
                !p->progress.fn(p->progress.user, "measuring", ++done, total))
                st = pe_fail(err, PE_E_CANCELLED, "stopped");
        }
    return st;
}

pe_status pe_bench_model(char **json, const char *model, const pe_bench_params *p, pe_error *err)
{
    bench b = { .p = p, .n = p->baseline ? 2 : 1 };
    char machine[128];
    json_t *root = NULL;
    if (!p->nbatch || !p->nlength)
        return pe_fail(err, PE_E_ARG, "expected at least one batch and one length");
    for (size_t i = 0; i < p->nbatch; i++)
        if (!p->batch[i] || p->batch[i] > 1 << 20)
            return pe_fail(err, PE_E_ARG, "batch %u: expected 1 to 1048576", p->batch[i]);
    for (size_t i = 0; i < p->nlength; i++)
        if (!p->length[i]) return pe_fail(err, PE_E_ARG, "length 0: expected at least 1");
    pe_status st = open_subject(&b.s[0], model, p, err);
    if (!st && p->baseline) st = open_subject(&b.s[1], p->baseline, p, err);
    pe_bench_machine(machine, sizeof machine);
    if (!st) {
        root = json_pack("{s:s, s:s, s:s, s:i, s:o, s:[]}", "schema", "pe.bench/1", "cpu",
                         pe_cpu_level(), "machine", machine, "threads", pe_pool_nthreads(p->pool),
                         "model", subject_json(&b.s[0]), "rows");
        if (!root) st = pe_fail_nomem(err, "results", 0);
    }
    if (!st && p->baseline) (void)json_object_set_new(root, "baseline", subject_json(&b.s[1]));
    if (!st) st = run_grid(root, &b, err);
    if (!st && p->layers) st = add_layers(root, &b, err);
    if (!st) add_note(root, pe_model_backend(b.s[0].model));
    if (!st && !(*json = pe_json_text(root, 0))) st = pe_fail_nomem(err, "results", 0);
    json_decref(root);
    close_bench(&b);
    return st;
}
