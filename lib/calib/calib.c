/* lib/calib/calib.c - see calib.h: rows through the float model, one observer a linear layer.
 * Read next: lib/model/ctx.h (the tap), lib/calib/observer.c. */
#include "lib/calib/calib.h"

#include <stdlib.h>
#include <string.h>

#include <pe/text.h>

#include "lib/base/error.h"
#include "lib/base/meter.h"
#include "lib/calib/observer.h"
#include "lib/model/ctx.h"

enum { BATCH_ROWS = 16, DEFAULT_ROWS = 512 };

/* What one linear layer sees; it may join several modules. */
typedef struct watched {
    const pe_linear *linear;
    pe_observer seen;
} watched;

struct pe_calib {
    pe_calib_params params;
    pe_range_rule rule;
    pe_tokenizer *tokenizer;
    pe_dataset *data;
    pe_model *model;
    pe_ctx *ctx;
    watched *watched;
    size_t nwatched, cap;
    pe_calib_layer *layers;
    size_t nlayers;
    /* Token rows of the data that was picked. */
    int32_t *ids, *type_ids;
    uint32_t *row_begin;
    size_t nrows, ntokens, token_cap, ntruncated;
    pe_queue *queue;  /* of the model's context; NULL before the first row */
    pe_status failed; /* in the tap, where nothing can be returned */
    pe_error why;
};

pe_status pe_range_parse(pe_range_rule *out, const char *text, pe_error *err)
{
    char *end = NULL;

    memset(out, 0, sizeof *out);
    if (text == NULL || strcmp(text, "absmax") == 0) return PE_OK;
    if (strcmp(text, "mse") == 0) {
        out->kind = PE_RANGE_MSE;
        return PE_OK;
    }
    out->kind = PE_RANGE_PERCENTILE;
    if (strncmp(text, "percentile:", 11) == 0) out->percentile = strtod(text + 11, &end);
    if (end != NULL && end != text + 11 && *end == 0 && out->percentile >= 99 &&
        out->percentile <= 100)
        return PE_OK;
    return pe_fail(err, PE_E_ARG,
                   "range \"%s\": expected absmax, mse, or percentile:P with P from 99 to 100, "
                   "as percentile:99.99",
                   text);
}

/* ---- rows to tokens -------------------------------------------------------------------------- */

static pe_status add_tokens(pe_calib *c, const pe_encoding *e, pe_error *err)
{
    size_t need = c->ntokens + e->n;

    if (need > UINT32_MAX)
        return pe_fail(err, PE_E_INPUT, "calibration data: more than 2^32 tokens; use fewer rows");
    if (need > c->token_cap) {
        size_t cap = need * 2;
        int32_t *ids = realloc(c->ids, cap * sizeof *ids), *types;

        if (ids != NULL) c->ids = ids;
        types = realloc(c->type_ids, cap * sizeof *types);
        if (types != NULL) c->type_ids = types;
        if (ids == NULL || types == NULL)
            return pe_fail_nomem(err, "calibration tokens", cap * sizeof *ids);
        c->token_cap = cap;
    }
    memcpy(c->ids + c->ntokens, e->ids, e->n * sizeof *e->ids);
    memcpy(c->type_ids + c->ntokens, e->type_ids, e->n * sizeof *e->type_ids);
    c->ntokens = need;
    c->row_begin[++c->nrows] = (uint32_t)need;
    c->ntruncated += e->truncated > 0;
    return PE_OK;
}

static pe_status encode_rows(pe_calib *c, pe_error *err)
{
    size_t total = pe_dataset_nrows(c->data), want = c->params.rows ? c->params.rows : DEFAULT_ROWS;
    pe_encode_params ep = { .max_length = pe_model_get_info(c->model)->max_length };
    pe_encoding e = { 0 };
    pe_status st = PE_OK;

    if (total == 0) return pe_fail(err, PE_E_INPUT, "%s: no rows to calibrate on", c->params.data);
    if (want > total) want = total;
    c->row_begin = calloc(want + 1, sizeof *c->row_begin);
    if (c->row_begin == NULL)
        return pe_fail_nomem(err, "calibration rows", want * sizeof *c->row_begin);
    for (size_t i = 0; !st && i < want; i++) {
        const pe_row *row =
            pe_dataset_row(c->data, (size_t)((double)i * ((double)total / (double)want)));

        st = pe_tokenizer_encode(&e, c->tokenizer, row->text, row->text_nbytes, row->text2,
                                 row->text2_nbytes, &ep, err);
        if (st) pe_fail_prefix(err, st, "%s:%zu", c->params.data, row->line);
        else if (e.n > 0) st = add_tokens(c, &e, err);
    }
    if (!st && c->nrows == 0)
        st = pe_fail(err, PE_E_INPUT, "%s: all rows are empty", c->params.data);
    pe_encoding_release(&e);
    return st;
}

/* ---- the run --------------------------------------------------------------------------------- */

static watched *watch(pe_calib *c, const pe_linear *l)
{
    for (size_t i = 0; i < c->nwatched; i++) {
        if (c->watched[i].linear == l) return &c->watched[i];
    }
    if (c->nwatched == c->cap) {
        size_t cap = c->cap ? 2 * c->cap : 64;
        watched *grown = realloc(c->watched, cap * sizeof *grown);

        if (grown == NULL) {
            c->failed = pe_fail_nomem(&c->why, "calibration", cap * sizeof *grown);
            return NULL;
        }
        c->watched = grown;
        c->cap = cap;
    }
    c->failed = pe_observer_init(&c->watched[c->nwatched].seen, l->k, &c->rule,
                                 (uint64_t)c->ntokens * l->k, &c->why);
    c->watched[c->nwatched].linear = l;
    c->nwatched++; /* also when it failed: released at the end */
    return c->failed ? NULL : &c->watched[c->nwatched - 1];
}

static void on_input(void *user, const pe_linear *l, const float *x, size_t ldx, size_t m,
                     pe_queue *q)
{
    pe_calib *c = user;
    watched *w = c->failed ? NULL : watch(c, l);

    c->queue = q;
    if (w == NULL) return;
    if (q->backend->host) pe_observer_add(&w->seen, x, ldx, m);
    else c->failed = pe_observer_add_device(&w->seen, x, ldx, m, q, &c->why);
}

static pe_status run_batch(pe_calib *c, size_t first, size_t n, pe_error *err)
{
    uint32_t begin[BATCH_ROWS + 1], base = c->row_begin[first];
    pe_batch b = {
        .nrows = n, .row_begin = begin, .ids = c->ids + base, .type_ids = c->type_ids + base
    };
    pe_output out;
    pe_status st;

    for (size_t i = 0; i <= n; i++) begin[i] = c->row_begin[first + i] - base;
    st = pe_forward(&out, c->ctx, &b, err);
    if (st || !c->failed) return st;
    if (err != NULL) *err = c->why;
    return c->failed;
}

static pe_status run_rows(pe_calib *c, pe_error *err)
{
    pe_meter meter;
    pe_status st = PE_OK;

    pe_meter_init(&meter, c->params.progress, "calibrating", c->nrows);
    for (size_t i = 0; !st && i < c->nrows; i += BATCH_ROWS) {
        size_t n = c->nrows - i < BATCH_ROWS ? c->nrows - i : BATCH_ROWS;

        st = run_batch(c, i, n, err);
        if (!st) st = pe_meter_add(&meter, n, err);
    }
    pe_meter_release(&meter);
    return st;
}

/* One entry a module. */
static pe_status name_layers(pe_calib *c, pe_error *err)
{
    c->layers = calloc(c->nwatched * PE_LINEAR_PARTS + 1, sizeof *c->layers);
    if (c->layers == NULL) return pe_fail_nomem(err, "calibration", 0);
    for (size_t i = 0; i < c->nwatched; i++) {
        watched *w = &c->watched[i];
        float clip;
        pe_status st = pe_observer_clip(&clip, &w->seen, &c->rule, c->queue, err);

        if (st) return st;
        for (int p = 0; p < w->linear->nparts; p++) {
            pe_calib_layer *l = &c->layers[c->nlayers];

            l->name = strdup(w->linear->part[p]);
            if (l->name == NULL) return pe_fail_nomem(err, "calibration", 0);
            c->nlayers++;
            l->k = w->seen.k;
            l->nvalues = w->seen.ntokens * w->seen.k;
            l->lo = w->seen.lo;
            l->hi = w->seen.hi;
            l->clip = clip;
            l->ntokens = w->seen.nsample;
            l->sample = w->seen.sample;
        }
    }
    return PE_OK;
}

/* The model itself is not needed afterwards. */
static void drop_model(pe_calib *c)
{
    pe_ctx_free(c->ctx);
    if (c->model != NULL) pe_model_close(c->model);
    if (c->tokenizer != NULL) pe_tokenizer_close(c->tokenizer);
    c->ctx = NULL;
    c->model = NULL;
    c->tokenizer = NULL;
    free(c->ids);
    free(c->type_ids);
    c->ids = c->type_ids = NULL;
}

static pe_status load(pe_calib *c, const char *model, pe_error *err)
{
    pe_model_params mp = { .pool = c->params.pool,
                           .tune_file = "",
                           .device = c->params.device,
                           .max_vram = c->params.max_vram };
    pe_status st = pe_dataset_open(&c->data, c->params.data, &c->params.columns, err);

    if (!st) st = pe_tokenizer_open(&c->tokenizer, model, err);
    if (!st) st = pe_model_open(&c->model, model, &mp, err);
    if (!st) st = pe_ctx_new(&c->ctx, c->model, c->params.pool, err);
    if (!st) st = encode_rows(c, err);
    return st;
}

pe_status pe_calib_run(pe_calib **out, const char *model, const pe_calib_params *p, pe_error *err)
{
    pe_calib *c = calloc(1, sizeof *c);
    pe_status st;

    *out = NULL;
    if (c == NULL) return pe_fail_nomem(err, "calibration", sizeof *c);
    c->params = *p;
    c->rule = p->range;
    st = load(c, model, err);
    if (!st) {
        pe_ctx_set_tap(c->ctx, (pe_tap){ on_input, c });
        st = run_rows(c, err);
    }
    if (!st) st = name_layers(c, err);
    drop_model(c);
    if (st) pe_calib_free(c);
    else *out = c;
    return st;
}

void pe_calib_free(pe_calib *c)
{
    if (c == NULL) return;
    drop_model(c);
    if (c->data != NULL) pe_dataset_close(c->data);
    for (size_t i = 0; i < c->nwatched; i++) pe_observer_release(&c->watched[i].seen);
    for (size_t i = 0; i < c->nlayers; i++) free(c->layers[i].name);
    free(c->watched);
    free(c->layers);
    free(c->row_begin);
    free(c);
}

const pe_calib_layer *pe_calib_find(const pe_calib *c, const char *name)
{
    for (size_t i = 0; i < c->nlayers; i++) {
        if (strcmp(c->layers[i].name, name) == 0) return &c->layers[i];
    }
    return NULL;
}

size_t pe_calib_nrows(const pe_calib *c)
{
    return c->nrows;
}

uint64_t pe_calib_ntokens(const pe_calib *c)
{
    return c->ntokens;
}

size_t pe_calib_ntruncated(const pe_calib *c)
{
    return c->ntruncated;
}

const char *pe_calib_digest(const pe_calib *c)
{
    return pe_dataset_digest(c->data);
}
