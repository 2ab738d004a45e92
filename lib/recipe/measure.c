/* lib/recipe/measure.c - bytes and milliseconds of a checkpoint, for the table of a run.
 * Read next: lib/recipe/run.c. */
#include <stdlib.h>
#include <string.h>

#include <pe/bench.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/io/ckpt.h"
#include "lib/model/roles.h"
#include "lib/recipe/judge.h"

/* A matrix of a layer, or what quantization put beside it. */
static bool is_layer_matrix(const pe_array *a)
{
    const char *dot = strrchr(a->name, '.');
    char module[512];
    size_t n = dot ? (size_t)(dot - a->name) : 0;

    if (n == 0 || n >= sizeof module || strncmp(dot, ".weight", 7) != 0) return false;
    memcpy(module, a->name, n);
    module[n] = 0;
    return pe_module_role(module) == PE_ROLE_LINEAR;
}

pe_status pe_measure_bytes(json_t **out, const char *model, pe_error *err)
{
    uint64_t all = 0, matrices = 0;
    pe_ckpt *c = NULL;
    pe_status st = pe_ckpt_open(&c, model, err);

    if (st) return st;
    for (size_t i = 0; i < pe_ckpt_narrays(c); i++) {
        const pe_array *a = pe_ckpt_array(c, i);
        all += a->nbytes;
        if (is_layer_matrix(a)) matrices += a->nbytes;
    }
    pe_ckpt_close(c);
    *out = json_pack("{s:I, s:I}", "weights", (json_int_t)all, "matrices", (json_int_t)matrices);
    return *out ? PE_OK : pe_fail_nomem(err, "sizes", 64);
}

static double field(const json_t *row, const char *key)
{
    return json_number_value(json_object_get(row, key));
}

static pe_status read_times(json_t **out, const json_t *bench, bool dense, pe_error *err)
{
    const json_t *rows = json_object_get(bench, "rows");
    json_t *row;
    size_t i;

    *out = json_array();
    if (!*out) return pe_fail_nomem(err, "times", 64);
    json_array_foreach((json_t *)rows, i, row)
    {
        double ms = field(row, "min_ms"), base = field(json_object_get(row, "baseline"), "min_ms");
        json_t *one = json_pack("{s:O, s:O, s:o}", "batch", json_object_get(row, "batch"), "length",
                                json_object_get(row, "length"), "ms", pe_json_real(ms));
        if (!dense && base > 0 && ms > 0) {
            json_object_set_new(one, "dense_ms", pe_json_real(base));
            json_object_set_new(one, "speedup", pe_json_real(base / ms));
        }
        json_array_append_new(*out, one);
    }
    return PE_OK;
}

pe_status pe_measure_time(json_t **out, const char *model, const char *dense, pe_pool *pool,
                          pe_progress progress, pe_error *err)
{
    static const uint32_t batch[] = { 1, 32 }, length[] = { 32 };
    pe_bench_params p = { .batch = batch,
                          .length = length,
                          .nbatch = 2,
                          .nlength = 1,
                          .repeats = 40,
                          .baseline = dense,
                          .pool = pool,
                          .progress = progress };
    json_t *bench = NULL;
    char *text = NULL;
    pe_status st = pe_bench_model(&text, model, &p, err);

    if (!st) st = pe_json_parse(&bench, text, strlen(text), "bench", err);
    if (!st) st = read_times(out, bench, dense == NULL, err);
    json_decref(bench);
    free(text);
    return st;
}
