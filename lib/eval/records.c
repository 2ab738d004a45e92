/* lib/eval/records.c - what was said of every row, one JSON object a line.
 * Read next: docs/pe-eval.md. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/eval/report.h"

typedef struct text {
    char *bytes;
    size_t n, capacity;
} text;

static pe_status add_line(text *t, const json_t *row, pe_error *err)
{
    char *line = pe_json_text(row, 0);
    size_t n = line ? strlen(line) : 0;
    pe_status st = line ? PE_OK : pe_fail_nomem(err, "record", 256);

    if (!st && t->n + n > t->capacity) {
        size_t capacity = 2 * (t->n + n);
        char *bytes = realloc(t->bytes, capacity);
        if (!bytes) st = pe_fail_nomem(err, "records", capacity);
        else {
            t->bytes = bytes;
            t->capacity = capacity;
        }
    }
    if (!st) memcpy(t->bytes + t->n, line, n);
    if (!st) t->n += n;
    free(line);
    return st;
}

static json_t *floats(const float *x, size_t n)
{
    json_t *a = json_array();

    for (size_t i = 0; i < n; i++) json_array_append_new(a, pe_json_real(x[i]));
    return a;
}

/* A label, or under tokens and multilabel a list of them. */
static json_t *names(const pe_scores *s, size_t row, const uint32_t *class_of, const uint8_t *multi)
{
    json_t *a;

    if (s->task == PE_TASK_CLASSIFY) return json_string(s->labels[class_of[row]]);
    a = json_array();
    if (multi) {
        for (uint32_t i = 0; i < s->nlabels; i++)
            if (multi[row * s->nlabels + i]) json_array_append_new(a, json_string(s->labels[i]));
    } else {
        for (size_t u = s->unit[row]; u < s->unit[row + 1]; u++)
            json_array_append_new(a, json_string(s->labels[class_of[u]]));
    }
    return a;
}

/* What one system said of a row; the gold label is in it when `gold`. */
static json_t *row_json(const pe_view *v, size_t row, bool gold)
{
    const pe_scores *s = v->s;
    json_t *o = json_object();
    double nll = 0;

    if (s->task == PE_TASK_REGRESS || s->task == PE_TASK_EMBED) {
        const char *key = s->task == PE_TASK_REGRESS ? "value" : "similarity";
        if (v->value) json_object_set_new(o, key, pe_json_real(v->value[row]));
        if (gold && s->gold_value)
            json_object_set_new(o, "label", pe_json_real(s->gold_value[row]));
        if (v->cosine) json_object_set_new(o, "cosine", pe_json_real(v->cosine[row]));
        return o;
    }
    json_object_set_new(o, "pred", names(s, row, v->pred, v->multi));
    if (gold) json_object_set_new(o, "label", names(s, row, s->gold, s->gold_multi));
    if (v->multi) {
        nll = v->nll[row];
    } else {
        for (size_t u = s->unit[row]; u < s->unit[row + 1]; u++) nll += v->nll[u];
    }
    json_object_set_new(o, "nll", pe_json_real(nll));
    if (s->task != PE_TASK_TOKENS)
        json_object_set_new(o, "logits", floats(s->out + row * s->width, s->width));
    return o;
}

pe_status pe_records_write(const char *path, const pe_eval_set *set, const pe_view *v,
                           const pe_view *base, pe_error *err)
{
    pe_status st = PE_OK;
    text t = { 0 };

    for (size_t r = 0; !st && r < set->nrows; r++) {
        json_t *row = row_json(v, r, true);
        if (!row) return pe_fail_nomem(err, "record", 256);
        json_object_set_new(row, "file", json_string(set->paths[set->file[r]]));
        json_object_set_new(row, "line", json_integer((json_int_t)set->row[r]->line));
        if (base) json_object_set_new(row, "baseline", row_json(base, r, false));
        st = add_line(&t, row, err);
        json_decref(row);
    }
    if (!st) st = pe_write_atomic(path, t.bytes, t.n, err);
    free(t.bytes);
    return st;
}
