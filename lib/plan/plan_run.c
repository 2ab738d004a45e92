/* lib/plan/plan_run.c - places a plan's values in a lane's memory and runs its ops in order.
 * Read next: lib/plan/plan_ops.c. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/checked.h"
#include "lib/base/error.h"
#include "lib/plan/plan.h"

void pe_lane_init(pe_lane *lane, const pe_backend *b, pe_pool *pool)
{
    *lane = (pe_lane){ .queue = { .backend = b, .pool = pool } };
}

void pe_lane_release(pe_lane *lane)
{
    const pe_backend *b = lane->queue.backend;
    if (b) b->release(b, lane->memory);
    free(lane->at);
    lane->memory = NULL;
    lane->at = NULL;
}

typedef struct extents {
    size_t ntokens, nrows, longest;
} extents;

static size_t rows_of(const pe_value *v, const extents *e)
{
    return v->extent == PE_PER_TOKEN ? e->ntokens : e->nrows;
}

static size_t value_nbytes(const pe_value *v, const extents *e)
{
    size_t rows = rows_of(v, e);
    size_t nbytes = v->codes ? pe_codes_nbytes(rows, v->width) : rows * v->width * sizeof(float);
    return pe_round_up(nbytes, 64);
}

/* Offset of each slot into offsets[nslots]; returns the sum. */
static size_t place_slots(const pe_plan *p, const extents *e, size_t *offsets)
{
    size_t total = 0;
    for (int s = 0; s < p->nslots; s++) {
        size_t most = 0;
        for (int v = 0; v < p->nvalues; v++) {
            size_t need = p->values[v].slot == s ? value_nbytes(&p->values[v], e) : 0;
            most = need > most ? need : most;
        }
        if (offsets) offsets[s] = total;
        total += most;
    }
    return total;
}

static size_t scratch_nbytes(const pe_plan *p, const pe_backend *b, const extents *e, int nthreads)
{
    size_t most = 0;
    for (int i = 0; i < p->nops; i++) {
        const pe_op *op = &p->ops[i];
        size_t need = 0;
        if (op->kind == PE_OPK_linear)
            need = pe_linear_scratch(op->linear, b, rows_of(&p->values[op->out], e), nthreads);
        else if (op->kind == PE_OPK_attention)
            need = b->attention_scratch(b, e->longest, op->head_dim, nthreads);
        most = need > most ? need : most;
    }
    return pe_round_up(most, 64);
}

size_t pe_plan_nbytes(const pe_plan *p, const pe_backend *b, size_t ntokens, size_t nrows,
                      size_t longest, int nthreads)
{
    extents e = { ntokens, nrows, longest };
    return place_slots(p, &e, NULL) + scratch_nbytes(p, b, &e, nthreads);
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
    b->release(b, lane->memory);
    lane->memory = NULL;
    lane->nbytes = 0;
    pe_status st = b->alloc(b, &lane->memory, nbytes, "activations", err);
    if (!st) lane->nbytes = nbytes;
    return st;
}

/* Memory for everything; *scratch follows the slots. */
static pe_status place(const pe_plan *p, pe_lane *lane, const extents *e, float *const *out,
                       void **scratch, pe_error *err)
{
    size_t few[16], *offsets = p->nslots <= 16 ? few : malloc((size_t)p->nslots * sizeof *offsets);
    if (!offsets) return pe_fail_nomem(err, "activations", (size_t)p->nslots * sizeof *offsets);
    const pe_backend *b = lane->queue.backend;
    size_t slots = place_slots(p, e, offsets);
    size_t extra = scratch_nbytes(p, b, e, pe_pool_nthreads(lane->queue.pool));
    pe_status st = grow_lane(lane, slots + extra, p->nvalues, err);
    for (int v = 0; !st && v < p->nvalues; v++) {
        const pe_value *val = &p->values[v];
        lane->at[v] = val->slot < 0 ? (void *)out[val->out]
                                    : (void *)((uint8_t *)lane->memory + offsets[val->slot]);
    }
    if (!st) *scratch = (uint8_t *)lane->memory + slots;
    if (offsets != few) free(offsets);
    return st;
}

static pe_status check_output(const pe_plan_call *c, const pe_op *op, pe_error *err)
{
    const pe_value *v = &c->plan->values[op->out];
    extents e = { c->in->ntokens, c->in->nrows, c->in->longest };
    pe_queue *q = &c->lane->queue;
    bool finite = true;
    pe_check_call call = { .x = c->lane->at[op->out],
                           .n = rows_of(v, &e) * v->width,
                           .finite = &finite };
    if (!q->backend->check_finite) return pe_backend_missing(q->backend, "check_finite", err);
    pe_status st = q->backend->check_finite(q, &call, err);
    if (!st) st = q->backend->sync(q, err);
    if (!st && !finite)
        st = pe_fail(err, PE_E_INPUT,
                     "%s (%s): the result holds NaN or Inf; the weights are too large for their "
                     "inputs or damaged",
                     op->name, pe_op_kind_name(op->kind));
    return st;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

pe_status pe_plan_run(const pe_plan *p, pe_lane *lane, const pe_plan_input *in, float *const *out,
                      pe_error *err)
{
    pe_plan_call c = { .plan = p, .lane = lane, .in = in };
    extents e = { in->ntokens, in->nrows, in->longest };
    pe_status st = place(p, lane, &e, out, &c.scratch, err);
    for (int i = 0; !st && i < p->nops; i++) {
        uint64_t start = lane->op_ns ? now_ns() : 0;
        st = pe_plan_forward(&c, &p->ops[i], err);
        if (!st && p->ops[i].check) st = check_output(&c, &p->ops[i], err);
        if (!st && lane->op_ns) {
            st = lane->queue.backend->sync(&lane->queue, err);
            lane->op_ns[i] += now_ns() - start;
        }
    }
    if (!st) st = lane->queue.backend->sync(&lane->queue, err);
    return st;
}
