/* lib/model/ctx.c - a batch through a model: checked, cut into chunks of rows, run, put together.
 * Read next: lib/model/batch.c (checks and positions), lib/plan/plan_run.c (one chunk). */
#include "lib/model/ctx.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/first_error.h"
#include "lib/model/batch.h"
#include "lib/model/model_impl.h"
#include "lib/model/sent.h"

/* Tokens that run through the layers together: activations stay in the caches, weights are read
 * once for that many. */
#define CHUNK_TOKENS 192
/* A device has no such caches to mind, but memory: when it does not suffice, half as many. */
#define DEVICE_TOKENS 16384
/* With fewer tokens a thread, threads share each product instead of taking rows of their own. */
#define ROWS_OF_ITS_OWN 48

typedef struct chunk {
    size_t row0, nrows;
} chunk;

struct pe_ctx {
    const pe_model *m;
    pe_pool *pool;
    bool keep;
    pe_inputs in;    /* checked token data with defaults filled in */
    pe_led_rows led; /* a chunk with leads */
    pe_lane shared;  /* all threads on each op */
    pe_lane *own;    /* [nthreads] one thread each */
    int nthreads;
    size_t most;      /* tokens of a chunk */
    pe_sent sent;     /* input of a chunk on a device */
    float **out;      /* [nouts] whole outputs, by pe_out */
    float **host;     /* [nouts] the same where the caller can read them: out, or copies */
    size_t *capacity; /* [nouts] floats */
    size_t nouts;
    chunk *chunks;
    size_t nchunks, chunks_cap;
    uint32_t *begins; /* row_begin of every chunk, starting at 0 each: [nrows + nchunks] */
    size_t begins_cap;
};

pe_status pe_ctx_new(pe_ctx **out, const pe_model *m, pe_pool *pool, pe_error *err)
{
    pe_ctx *c = calloc(1, sizeof *c);
    if (!c) return pe_fail_nomem(err, "context", sizeof *c);
    c->m = m;
    c->pool = pool;
    c->nthreads = pe_pool_nthreads(pool);
    c->nouts = (size_t)PE_OUT_HIDDEN + m->cfg.layers + 1;
    c->own = calloc((size_t)c->nthreads, sizeof *c->own);
    c->out = calloc(c->nouts, sizeof *c->out);
    c->host = m->backend->host ? c->out : calloc(c->nouts, sizeof *c->host);
    c->capacity = calloc(c->nouts, sizeof *c->capacity);
    c->most = m->backend->host ? CHUNK_TOKENS : DEVICE_TOKENS;
    if (!c->own || !c->out || !c->host || !c->capacity) {
        pe_ctx_free(c);
        return pe_fail_nomem(err, "context", c->nouts * sizeof *c->out);
    }
    pe_lane_init(&c->shared, m->backend, pool);
    for (int i = 0; i < c->nthreads; i++) pe_lane_init(&c->own[i], m->backend, NULL);
    pe_status st = m->backend->open_queue ? m->backend->open_queue(&c->shared.queue, err) : PE_OK;
    if (st) pe_ctx_free(c);
    else *out = c;
    return st;
}

void pe_ctx_free(pe_ctx *c)
{
    if (!c) return;
    const pe_backend *b = c->m->backend;
    for (size_t i = 0; c->host && c->host != c->out && i < c->nouts; i++) free(c->host[i]);
    for (size_t i = 0; c->out && i < c->nouts; i++) b->release(b, c->out[i]);
    for (int i = 0; c->own && i < c->nthreads; i++) pe_lane_release(&c->own[i]);
    pe_lane_release(&c->shared);
    if (b->close_queue) b->close_queue(&c->shared.queue);
    pe_sent_release(&c->sent, b);
    if (c->host != c->out) free(c->host);
    pe_inputs_release(&c->in);
    pe_led_rows_release(&c->led);
    free(c->own);
    free(c->out);
    free(c->capacity);
    free(c->chunks);
    free(c->begins);
    free(c);
}

void pe_ctx_keep_hidden(pe_ctx *c, bool keep)
{
    c->keep = keep;
}
void pe_ctx_set_tap(pe_ctx *c, pe_tap tap)
{
    c->shared.tap = tap;
}
void pe_ctx_time_ops(pe_ctx *c, uint64_t *ns)
{
    c->shared.op_ns = ns;
}
const pe_plan *pe_model_lean_plan(const pe_model *m)
{
    return &m->lean;
}

/* ---- outputs --------------------------------------------------------------------------------- */

/* The value behind output o, NULL: this plan has none. */
static const pe_value *find_output(const pe_plan *p, int o)
{
    for (int v = 0; v < p->nvalues; v++)
        if (p->values[v].out == o) return &p->values[v];
    return NULL;
}

static pe_status make_outputs(pe_ctx *c, const pe_plan *p, size_t ntokens, size_t nrows,
                              pe_error *err)
{
    const pe_backend *b = c->m->backend;
    for (size_t o = 0; o < c->nouts; o++) {
        const pe_value *v = find_output(p, (int)o);
        /* Leads follow their chunk's tokens; the next chunk overwrites them, the last has room. */
        size_t need =
            v ? (v->extent == PE_PER_TOKEN ? ntokens + (c->in.lead ? nrows : 0) : nrows) * v->width
              : 0;
        if (need <= c->capacity[o]) continue;
        b->release(b, c->out[o]);
        c->out[o] = NULL;
        c->capacity[o] = 0;
        pe_status st = b->alloc(b, (void **)&c->out[o], need * sizeof(float), "results", err);
        if (st) return st;
        c->capacity[o] = need;
        if (b->host) continue;
        free(c->host[o]);
        c->host[o] = malloc(need * sizeof(float));
        if (!c->host[o]) return pe_fail_nomem(err, "results", need * sizeof(float));
    }
    return PE_OK;
}

/* From the device to where the caller reads them. */
static pe_status fetch_outputs(pe_ctx *c, const pe_plan *p, pe_error *err)
{
    pe_queue *q = &c->shared.queue;
    pe_status st = PE_OK;
    if (q->backend->host) return PE_OK;
    for (size_t o = 0; !st && o < c->nouts; o++) {
        const pe_value *v = find_output(p, (int)o);
        size_t rows = v && v->extent == PE_PER_TOKEN ? c->in.ntokens : c->in.nrows;
        if (v)
            st = q->backend->download(q, c->host[o], c->out[o], rows * v->width * sizeof(float),
                                      err);
    }
    return st ? st : q->backend->sync(q, err);
}

static void describe_output(pe_output *out, const pe_ctx *c, const pe_plan *p)
{
    const pe_value *logits = find_output(p, PE_OUT_LOGITS);
    *out = (pe_output){ .nrows = c->in.nrows, .ntokens = c->in.ntokens };
    if (logits) {
        out->logits = c->host[PE_OUT_LOGITS];
        out->width = logits->width;
    }
    if (find_output(p, PE_OUT_EMBEDDING)) out->embedding = c->host[PE_OUT_EMBEDDING];
    if (find_output(p, PE_OUT_POOLED)) out->pooled = c->host[PE_OUT_POOLED];
    if (find_output(p, (int)c->nouts - 1)) out->hidden = c->host[c->nouts - 1];
    if (c->keep) out->hidden_all = (const float *const *)(c->host + PE_OUT_HIDDEN);
}

/* ---- chunks ---------------------------------------------------------------------------------- */

static size_t length_of(const pe_inputs *in, size_t row)
{
    return in->row_begin[row + 1] - in->row_begin[row];
}

/* Rows in order, as many together as stay within `most` tokens (one row at least). */
static pe_status cut(pe_ctx *c, size_t most, pe_error *err)
{
    const pe_inputs *in = &c->in;
    c->nchunks = 0;
    for (size_t r = 0; r < in->nrows;) {
        size_t n = 1, tokens = length_of(in, r);
        while (r + n < in->nrows && tokens + length_of(in, r + n) <= most)
            tokens += length_of(in, r + n++);
        if (c->nchunks == c->chunks_cap) {
            size_t cap = c->chunks_cap ? c->chunks_cap * 2 : 16;
            chunk *more = realloc(c->chunks, cap * sizeof *more);
            if (!more) return pe_fail_nomem(err, "chunks", cap * sizeof *more);
            c->chunks = more;
            c->chunks_cap = cap;
        }
        c->chunks[c->nchunks++] = (chunk){ r, n };
        r += n;
    }
    return PE_OK;
}

static pe_status make_begins(pe_ctx *c, pe_error *err)
{
    size_t need = c->in.nrows + c->nchunks;
    if (need > c->begins_cap) {
        uint32_t *more = realloc(c->begins, need * sizeof *more);
        if (!more) return pe_fail_nomem(err, "chunks", need * sizeof *more);
        c->begins = more;
        c->begins_cap = need;
    }
    for (size_t i = 0; i < c->nchunks; i++) {
        const chunk *ch = &c->chunks[i];
        uint32_t first = c->in.row_begin[ch->row0];
        for (size_t r = 0; r <= ch->nrows; r++)
            c->begins[ch->row0 + i + r] = c->in.row_begin[ch->row0 + r] - first;
    }
    return PE_OK;
}

/* Share of the threads' time that would be used if each took whole chunks. */
static double balance(const pe_ctx *c)
{
    size_t load[256] = { 0 }, most = 0;
    int n = c->nthreads < 256 ? c->nthreads : 256;
    for (size_t i = 0; i < c->nchunks; i++) {
        int least = 0;
        for (int t = 1; t < n; t++)
            if (load[t] < load[least]) least = t;
        const chunk *ch = &c->chunks[i];
        load[least] += c->in.row_begin[ch->row0 + ch->nrows] - c->in.row_begin[ch->row0];
        if (load[least] > most) most = load[least];
    }
    return (double)c->in.ntokens / ((double)most * c->nthreads);
}

/* Whether threads take chunks of their own; the chunks are cut accordingly. Results are the
 * same. */
static pe_status plan_chunks(bool *own, pe_ctx *c, pe_error *err)
{
    size_t T = c->in.ntokens, n = (size_t)c->nthreads;
    pe_status st = PE_OK;
    *own = false;
    bool may = c->m->backend->host && !c->in.lead && !c->shared.tap.fn && !c->shared.op_ns;
    if (may && n > 1 && T >= n * ROWS_OF_ITS_OWN) {
        size_t rounds = (T + n * CHUNK_TOKENS - 1) / (n * CHUNK_TOKENS);
        st = cut(c, (T + n * rounds - 1) / (n * rounds), err);
        *own = !st && balance(c) >= 0.9;
    }
    if (!st && !*own) st = cut(c, c->most, err);
    return st ? st : make_begins(c, err);
}

/* ---- running --------------------------------------------------------------------------------- */

/* The chunk's rows with their leads in place of the caller's arrays. */
static pe_status lead_chunk(pe_ctx *c, const chunk *ch, pe_plan_input *input, pe_error *err)
{
    pe_led_rows *l = &c->led;
    pe_status st = pe_led_rows_take(l, &c->in, ch->row0, ch->nrows, err);
    if (st) return st;
    input->ids = l->ids;
    input->type_ids = l->type_ids;
    input->pos_ids = l->pos_ids;
    input->task_ids = l->task_ids;
    input->lead_begin = l->lead_begin;
    input->first = l->first;
    input->nlead = l->nlead;
    input->ntokens += l->nlead;
    return PE_OK;
}

static pe_status run_chunk(pe_ctx *c, const pe_plan *p, size_t i, pe_lane *lane, pe_error *err)
{
    const chunk *ch = &c->chunks[i];
    const pe_inputs *in = &c->in;
    uint32_t first = in->row_begin[ch->row0];
    float *few[64], **out = c->nouts <= 64 ? few : malloc(c->nouts * sizeof *out);
    if (!out) return pe_fail_nomem(err, "results", c->nouts * sizeof *out);
    for (size_t o = 0; o < c->nouts; o++) {
        const pe_value *v = find_output(p, (int)o);
        out[o] = v ? c->out[o] + (v->extent == PE_PER_TOKEN ? first : ch->row0) * (size_t)v->width
                   : NULL;
    }
    pe_plan_input input = { .nrows = ch->nrows,
                            .row_begin = c->begins + ch->row0 + i,
                            .ones = in->ones };
    input.first = input.row_begin;
    input.ntokens = input.row_begin[ch->nrows];
    for (size_t r = 0; r < ch->nrows; r++) {
        size_t len = length_of(in, ch->row0 + r);
        input.longest = len > input.longest ? len : input.longest;
    }
    input.ids = in->ids + first;
    input.type_ids = in->type_ids + first;
    input.pos_ids = in->pos_ids + first;
    input.task_ids = in->task_ids + first;
    pe_status st = in->lead ? lead_chunk(c, ch, &input, err) : PE_OK;
    if (!st && !lane->queue.backend->host) st = pe_sent_take(&c->sent, &input, &lane->queue, err);
    if (!st) st = pe_plan_run(p, lane, &input, out, err);
    if (out != few) free(out);
    return st;
}

typedef struct own_work {
    pe_ctx *c;
    const pe_plan *p;
    pe_first_error failed;
} own_work;

static void run_own(void *arg, size_t index, int worker)
{
    own_work *w = arg;
    pe_error err = { 0 };
    pe_first_error_add(&w->failed, index, run_chunk(w->c, w->p, index, &w->c->own[worker], &err),
                       &err);
}

static bool reads_first(const pe_plan *p)
{
    for (int i = 0; i < p->nops; i++)
        if (p->ops[i].kind == PE_OPK_gather) return true;
    return false;
}

static pe_status run_chunks(pe_ctx *c, const pe_plan *p, bool own, pe_error *err)
{
    pe_status st = PE_OK;
    if (own) {
        own_work w = { .c = c, .p = p };
        pe_first_error_init(&w.failed);
        pe_pool_run(c->pool, c->nchunks, run_own, &w);
        return pe_first_error_take(&w.failed, err);
    }
    for (size_t i = 0; !st && i < c->nchunks; i++) st = run_chunk(c, p, i, &c->shared, err);
    return st;
}

/* A device's memory may not suffice for so many tokens at once: half of them, while that is
 * possible. */
static bool fewer(pe_ctx *c, pe_status st)
{
    if (st != PE_E_NOMEM || c->m->backend->host || c->nchunks >= c->in.nrows) return false;
    c->most = (c->most < c->in.ntokens ? c->most : c->in.ntokens) / 2;
    return true;
}

pe_status pe_forward(pe_output *out, pe_ctx *c, const pe_batch *b, pe_error *err)
{
    const pe_plan *p = c->keep ? &c->m->full : &c->m->lean;
    bool own = false;
    pe_status st = pe_inputs_take(&c->in, &c->m->cfg, b, err);
    if (!reads_first(p)) c->in.lead = NULL;
    if (!st) st = make_outputs(c, p, c->in.ntokens, c->in.nrows, err);
    if (st) return st;
    do {
        st = plan_chunks(&own, c, err);
        if (!st) st = run_chunks(c, p, own, err);
    } while (fewer(c, st));
    if (!st) st = fetch_outputs(c, p, err);
    if (st) return pe_fail_prefix(err, st, "%s", c->m->path);
    describe_output(out, c, p);
    return PE_OK;
}

uint64_t pe_model_scratch_nbytes(const pe_model *m, size_t T, size_t L, int nthreads)
{
    size_t together = m->backend->host ? CHUNK_TOKENS : DEVICE_TOKENS;
    size_t most = T < together ? T : together > L ? together : L;
    size_t rows = T / (L ? L : 1) + 1;
    uint64_t chunk_nbytes = pe_plan_nbytes(&m->lean, m->backend, most, most, L, nthreads);
    uint64_t results = (uint64_t)T * m->cfg.hidden + (uint64_t)rows * m->cfg.hidden;
    if (m->cfg.head == PE_HEAD_MLM) results += (uint64_t)T * m->cfg.vocab;
    return chunk_nbytes * (uint64_t)(nthreads > 1 ? nthreads : 1) + results * sizeof(float);
}
