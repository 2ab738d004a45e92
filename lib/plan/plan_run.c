/* lib/plan/plan_run.c - places a plan's values in a lane's memory and runs its ops in order.
 * Read next: lib/plan/plan_ops.c. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/checked.h"
#include "lib/base/error.h"
#include "lib/base/first_error.h"
#include "lib/plan/plan.h"

void pe_lane_init(pe_lane *lane, const pe_backend *b, pe_pool *pool)
{
    *lane = (pe_lane){ .queue = { .backend = b, .pool = pool } };
}

static void drop_memory(pe_lane *lane)
{
    const pe_backend *b = lane->queue.backend;
    if (b) b->release(b, lane->memory);
    lane->memory = NULL;
    lane->nbytes = 0;
}

void pe_lane_release(pe_lane *lane)
{
    drop_memory(lane);
    free(lane->at);
    lane->at = NULL;
    lane->nat = 0;
}

/* How a run lies in memory: the values that everyone sees, scratch of the ops that mix tokens, then
 * for each worker the local values and the scratch of a block of tokens. */
typedef struct extents {
    size_t ntokens, nrows, longest;
    size_t block; /* tokens that go through a stretch together */
    int nworkers; /* that take blocks of their own; 1: the threads share each op */
    int nthreads; /* of an op that mixes tokens */
    size_t scratch_at, workers_at, worker_scratch_at, worker_nbytes, flags_at; /* see lay_out */
} extents;

enum {
    /* With 64 tokens the widest value of a base model is 0.75 MiB, and products are at full speed.
     */
    BLOCK_TOKENS = 64,
    LEAST_TOKENS = 32 /* of a thread that takes a block: with fewer, weights are read too often */
};

static size_t block_tokens(const pe_lane *lane, size_t ntokens, int *nworkers)
{
    size_t n = (size_t)pe_pool_nthreads(lane->queue.pool);
    *nworkers = 1;
    if (!lane->queue.backend->host || lane->tap.fn || lane->op_ns) return ntokens;
    if (ntokens < (n > 1 ? n * LEAST_TOKENS : BLOCK_TOKENS * 3 / 2)) return ntokens;
    *nworkers = (int)n;
    size_t rounds = (ntokens + n * BLOCK_TOKENS - 1) / (n * BLOCK_TOKENS);
    return pe_round_up((ntokens + n * rounds - 1) / (n * rounds), 16);
}

static size_t value_nbytes(const pe_value *v, const extents *e)
{
    size_t tokens = v->local ? e->block : e->ntokens;
    size_t rows = v->extent == PE_PER_TOKEN ? tokens : e->nrows;
    size_t nbytes = v->codes ? pe_codes_nbytes(rows, v->width) : rows * v->width * sizeof(float);
    return pe_round_up(nbytes, 64);
}

/* Offset of each slot into offsets[nslots]; returns the sum. */
static size_t place_slots(const pe_plan *p, const extents *e, bool local, size_t *offsets)
{
    size_t total = 0;
    for (int s = 0; s < (local ? p->nlocal : p->nslots); s++) {
        size_t most = 0;
        for (int v = 0; v < p->nvalues; v++) {
            bool here = p->values[v].slot == s && p->values[v].local == local;
            size_t need = here ? value_nbytes(&p->values[v], e) : 0;
            most = need > most ? need : most;
        }
        if (offsets) offsets[s] = total;
        total += most;
    }
    return total;
}

/* Scratch of the ops in stretches, or of the others. */
static size_t scratch_nbytes(const pe_plan *p, const pe_backend *b, const extents *e, bool stretch)
{
    size_t most = 0;
    int nthreads = stretch && e->nworkers > 1 ? 1 : e->nthreads;
    for (int i = 0; i < p->nops; i++) {
        const pe_op *op = &p->ops[i];
        size_t need = 0, rows = stretch ? e->block : e->nrows;
        if ((op->stretch >= 0) != stretch) continue;
        if (op->kind == PE_OPK_linear) need = pe_linear_scratch(op->linear, b, rows, nthreads);
        if (op->pair) {
            size_t pair = pe_linear_pair_scratch(op->linear, op[2].linear, b, rows, nthreads);
            need = pair > need ? pair : need;
        }
        if (op->kind == PE_OPK_attention)
            need = b->attention_scratch(b, e->longest, op->head_dim, nthreads);
        most = need > most ? need : most;
    }
    return pe_round_up(most, 64);
}

/* Fills the offsets of e; returns the bytes of the whole. */
static size_t lay_out(const pe_plan *p, const pe_backend *b, extents *e)
{
    e->scratch_at = place_slots(p, e, false, NULL);
    e->workers_at = e->scratch_at + scratch_nbytes(p, b, e, false);
    e->worker_scratch_at = place_slots(p, e, true, NULL);
    e->worker_nbytes = e->worker_scratch_at + scratch_nbytes(p, b, e, true);
    e->flags_at = e->workers_at + (size_t)e->nworkers * e->worker_nbytes;
    return e->flags_at + (b->host ? 0 : (size_t)p->nops * sizeof(uint32_t));
}

static extents extents_of(const pe_lane *lane, const pe_plan_input *in)
{
    extents e = { .ntokens = in->ntokens, .nrows = in->nrows, .longest = in->longest };
    e.nthreads = pe_pool_nthreads(lane->queue.pool);
    e.block = block_tokens(lane, in->ntokens, &e.nworkers);
    return e;
}

size_t pe_plan_nbytes(const pe_plan *p, const pe_backend *b, size_t ntokens, size_t nrows,
                      size_t longest, int nthreads)
{
    extents e = { ntokens, nrows, longest, .block = ntokens, .nworkers = 1, .nthreads = nthreads };
    return lay_out(p, b, &e);
}

static pe_status grow_lane(pe_lane *lane, size_t nbytes, int nvalues, pe_error *err)
{
    const pe_backend *b = lane->queue.backend;
    if (nvalues > lane->nat) {
        void **at = realloc(lane->at, (size_t)nvalues * sizeof *at);
        if (!at) return pe_fail_nomem(err, "activations", (size_t)nvalues * sizeof *at);
        lane->at = at;
        lane->nat = nvalues;
    }
    if (nbytes <= lane->nbytes) return PE_OK;
    drop_memory(lane);
    pe_status st = b->alloc(b, &lane->memory, nbytes, "activations", err);
    if (!st) lane->nbytes = nbytes;
    return st;
}

/* Memory for everything; fills lane->at. */
static pe_status place(const pe_plan *p, pe_lane *lane, extents *e, float *const *out,
                       pe_error *err)
{
    int n = p->nslots + p->nlocal;
    size_t few[32], *offsets = n <= 32 ? few : malloc((size_t)n * sizeof *offsets);
    if (!offsets) return pe_fail_nomem(err, "activations", (size_t)n * sizeof *offsets);
    pe_status st = grow_lane(lane, lay_out(p, lane->queue.backend, e), p->nvalues, err);
    place_slots(p, e, false, offsets);
    place_slots(p, e, true, offsets + p->nslots);
    for (int v = 0; !st && v < p->nvalues; v++) {
        const pe_value *val = &p->values[v];
        uint8_t *memory = lane->memory;
        if (val->slot < 0) lane->at[v] = out[val->out];
        else if (val->local) lane->at[v] = memory + e->workers_at + offsets[p->nslots + val->slot];
        else lane->at[v] = memory + offsets[val->slot];
    }
    if (!st) lane->flags = (void *)((uint8_t *)lane->memory + e->flags_at);
    if (offsets != few) free(offsets);
    return st;
}

static pe_status not_finite(const pe_op *blame, pe_error *err)
{
    return pe_fail(err, PE_E_INPUT,
                   "%s (%s): the result holds NaN or Inf; the weights are too large for their "
                   "inputs or damaged",
                   blame->name, pe_op_kind_name(blame->kind));
}

/* The op whose output is checked after op i, op i itself or one whose check it took over; NULL:
 * none. */
static const pe_op *checked_by(const pe_plan *p, int i)
{
    const pe_op *op = &p->ops[i];
    return op->check ? op : op->checks >= 0 ? &p->ops[op->checks] : NULL;
}

/* At once on the host; a device only raises a flag, which is read when all ops are done. */
static pe_status check_output(const pe_plan_call *c, int i, const pe_op *blame, pe_error *err)
{
    const pe_backend *b = c->queue->backend;
    uint32_t bad = 0;
    if (!blame) return PE_OK;
    pe_check_call call = pe_plan_output(c, &c->plan->ops[i]);
    call.bad = b->host ? &bad : c->lane->flags + i;
    if (!b->check_finite) return pe_backend_missing(b, "check_finite", err);
    pe_status st = b->check_finite(c->queue, &call, err);
    return !st && bad ? not_finite(blame, err) : st;
}

/* All flags down. */
static pe_status clear_flags(const pe_plan *p, pe_lane *lane, pe_error *err)
{
    if (lane->queue.backend->host) return PE_OK;
    uint32_t *zeros = calloc((size_t)p->nops, sizeof *zeros);
    if (!zeros) return pe_fail_nomem(err, "flags", (size_t)p->nops * sizeof *zeros);
    size_t nbytes = (size_t)p->nops * sizeof *zeros;
    pe_status st = lane->queue.backend->upload(&lane->queue, lane->flags, zeros, nbytes, err);
    if (!st) st = lane->queue.backend->sync(&lane->queue, err);
    free(zeros);
    return st;
}

/* After the last op: waits, and reads the flags. */
static pe_status finish(const pe_plan *p, pe_lane *lane, pe_error *err)
{
    const pe_backend *b = lane->queue.backend;
    if (b->host) return PE_OK;
    size_t nbytes = (size_t)p->nops * sizeof *lane->flags;
    uint32_t *flags = malloc(nbytes);
    if (!flags) return pe_fail_nomem(err, "flags", nbytes);
    pe_status st = b->download(&lane->queue, flags, lane->flags, nbytes, err);
    if (!st) st = b->sync(&lane->queue, err);
    for (int i = 0; !st && i < p->nops; i++)
        if (flags[i]) st = not_finite(checked_by(p, i), err);
    free(flags);
    return st;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Op i and its check. */
static pe_status run_op(const pe_plan_call *c, int i, pe_error *err)
{
    pe_status st = pe_plan_forward(c, &c->plan->ops[i], err);
    return st ? st : check_output(c, i, checked_by(c->plan, i), err);
}

/* Ops i to i + 2; the scales of the codes between show, too, what the first would be checked for.
 */
static pe_status run_pair(const pe_plan_call *c, int i, pe_error *err)
{
    const pe_op *blame = checked_by(c->plan, i + 1);
    pe_status st = pe_plan_forward_pair(c, &c->plan->ops[i], err);
    if (!st) st = check_output(c, i + 1, blame ? blame : checked_by(c->plan, i), err);
    return st ? st : check_output(c, i + 2, checked_by(c->plan, i + 2), err);
}

/* Ops i0..i1 on the tokens of the call. */
static pe_status run_ops(const pe_plan_call *c, int i0, int i1, pe_error *err)
{
    pe_status st = PE_OK;
    uint64_t *op_ns = c->lane->op_ns;
    for (int i = i0; !st && i < i1; i++) {
        uint64_t start = op_ns ? now_ns() : 0;
        if (i + 2 < i1 && pe_plan_pairs(c, &c->plan->ops[i])) {
            st = run_pair(c, i, err);
            i += 2;
            continue;
        }
        st = run_op(c, i, err);
        if (!st && op_ns) {
            st = c->queue->backend->sync(c->queue, err);
            op_ns[i] += now_ns() - start;
        }
    }
    return st;
}

typedef struct stretch_work {
    pe_plan_call call; /* of the first worker */
    const extents *e;
    int begin, end;
    pe_first_error failed;
} stretch_work;

static void run_block(void *arg, size_t index, int worker)
{
    stretch_work *w = arg;
    pe_queue alone = { .backend = w->call.queue->backend };
    pe_plan_call c = w->call;
    pe_error err = { 0 };
    size_t left = c.ntokens - index * w->e->block;
    c.queue = &alone;
    c.token0 = index * w->e->block;
    c.ntokens = left < w->e->block ? left : w->e->block;
    c.shift = (size_t)worker * w->e->worker_nbytes;
    c.scratch = (uint8_t *)c.scratch + c.shift;
    pe_first_error_add(&w->failed, index, run_ops(&c, w->begin, w->end, &err), &err);
}

/* Each block of tokens through all ops from `begin` on, by the threads in parallel. */
static pe_status run_stretch(const pe_plan_call *c, const extents *e, int begin, int end,
                             pe_error *err)
{
    if (e->block >= c->ntokens) return run_ops(c, begin, end, err);
    stretch_work w = { .call = *c, .e = e, .begin = begin, .end = end };
    pe_first_error_init(&w.failed);
    pe_pool_run(c->queue->pool, (c->ntokens + e->block - 1) / e->block, run_block, &w);
    return pe_first_error_take(&w.failed, err);
}

pe_status pe_plan_run(const pe_plan *p, pe_lane *lane, const pe_plan_input *in, float *const *out,
                      pe_error *err)
{
    extents e = extents_of(lane, in);
    pe_status st = place(p, lane, &e, out, err);
    if (!st) st = clear_flags(p, lane, err);
    pe_plan_call all = { .plan = p, .lane = lane, .in = in, .queue = &lane->queue };
    all.ntokens = in->ntokens;
    for (int i = 0, end; !st && i < p->nops; i = end) {
        bool stretch = p->ops[i].stretch >= 0;
        end = stretch ? p->ops[i].stretch : i + 1;
        all.scratch =
            (uint8_t *)lane->memory + (stretch ? e.workers_at + e.worker_scratch_at : e.scratch_at);
        st = stretch ? run_stretch(&all, &e, i, end, err) : run_ops(&all, i, end, err);
    }
    if (!st) return finish(p, lane, err);
    /* what is queued still uses the memory that the caller may give back */
    if (!lane->queue.backend->host) (void)lane->queue.backend->sync(&lane->queue, NULL);
    if (st == PE_E_NOMEM) drop_memory(lane); /* the caller may try again with less */
    return st;
}
