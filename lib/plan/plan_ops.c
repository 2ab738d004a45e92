/* lib/plan/plan_ops.c - forward of each op kind: values and attributes become one call on the
 * backend.
 * Read next: lib/backend/backend.h (the calls), kernels/kernels.h (what they compute). */
#include "lib/plan/plan.h"

/* The slot of an op in the backend's table, or its absence as an error. */
#define CALL(op, call) \
    (q->backend->op ? q->backend->op(q, &(call), err) : pe_backend_missing(q->backend, #op, err))

static size_t rows_of(const pe_plan_call *c, int value)
{
    return c->plan->values[value].extent == PE_PER_TOKEN ? c->ntokens : c->in->nrows;
}

static size_t width_of(const pe_plan_call *c, int value)
{
    return c->plan->values[value].width;
}

/* Rows of the value before those of this call. */
static size_t first_of(const pe_plan_call *c, int value)
{
    const pe_value *v = &c->plan->values[value];
    return v->local || v->extent != PE_PER_TOKEN ? 0 : c->token0;
}

static void *base_of(const pe_plan_call *c, int value)
{
    return (char *)c->lane->at[value] + (c->plan->values[value].local ? c->shift : 0);
}

static float *floats(const pe_plan_call *c, int value)
{
    return (float *)base_of(c, value) + first_of(c, value) * width_of(c, value);
}

static pe_codes codes_of(const pe_plan_call *c, int value)
{
    bool all = !c->plan->values[value].local &&
               c->plan->values[value].extent == PE_PER_TOKEN; /* not only of this call's tokens */
    size_t m = all ? c->in->ntokens : rows_of(c, value), first = first_of(c, value);
    pe_codes codes = pe_codes_at(base_of(c, value), m, width_of(c, value));
    codes.q += first * codes.ldq;
    codes.scale += first;
    codes.zero += first;
    return codes;
}

static pe_status forward_embed(const pe_plan_call *c, const pe_op *op, pe_error *err)
{
    pe_queue *q = c->queue;
    const pe_tables *t = op->tables;
    pe_embed_call call = { .y = floats(c, op->out),
                           .word = t->word,
                           .word_s8 = t->word_s8,
                           .word_scale = t->word_scale,
                           .type = t->type,
                           .pos = t->pos,
                           .task = t->task };
    call.ids = c->in->ids + c->token0;
    call.type_ids = c->in->type_ids + c->token0;
    call.pos_ids = c->in->pos_ids + c->token0;
    call.task_ids = c->in->task_ids + c->token0;
    call.T = c->ntokens;
    call.d = width_of(c, op->out);
    return CALL(embed, call);
}

static pe_status forward_norm(const pe_plan_call *c, const pe_op *op, pe_error *err)
{
    pe_queue *q = c->queue;
    pe_norm_call call = { .y = floats(c, op->out),
                          .x = floats(c, op->in[0]),
                          .res = op->in[1] >= 0 ? floats(c, op->in[1]) : NULL,
                          .gamma = op->gamma,
                          .beta = op->beta,
                          .eps = op->eps };
    call.m = rows_of(c, op->out);
    call.d = width_of(c, op->out);
    return CALL(layernorm, call);
}

static pe_status forward_quantize(const pe_plan_call *c, const pe_op *op, pe_error *err)
{
    size_t m = rows_of(c, op->out), k = width_of(c, op->out);
    pe_codes codes = codes_of(c, op->out);
    return pe_codes_make(&codes, &op->linear->aq, floats(c, op->in[0]), k, m, k, c->queue, err);
}

static pe_status forward_linear(const pe_plan_call *c, const pe_op *op, pe_error *err)
{
    size_t m = rows_of(c, op->out);
    const pe_linear *l = op->linear;
    if (l->int8) {
        pe_codes codes = codes_of(c, op->in[0]);
        return pe_linear_run(l, floats(c, op->out), l->n, NULL, 0, &codes, m, op->act, c->scratch,
                             c->queue, err);
    }
    const float *x = floats(c, op->in[0]);
    if (c->lane->tap.fn) c->lane->tap.fn(c->lane->tap.user, l, x, l->k, m, c->queue);
    return pe_linear_run(l, floats(c, op->out), l->n, x, l->k, NULL, m, op->act, c->scratch,
                         c->queue, err);
}

bool pe_plan_pairs(const pe_plan_call *c, const pe_op *op)
{
    return op->pair && !c->lane->op_ns && /* whoever takes times wants them one by one */
           pe_linear_pairs(op->linear, op[2].linear, c->queue->backend, rows_of(c, op->out));
}

pe_status pe_plan_forward_pair(const pe_plan_call *c, const pe_op *op, pe_error *err)
{
    pe_codes in = codes_of(c, op->in[0]), mid = codes_of(c, op[1].out);
    return pe_linear_run_pair(op->linear, op->act, op[2].linear, floats(c, op[2].out), &in, &mid,
                              rows_of(c, op->out), c->scratch, c->queue, err);
}

static pe_status attend(pe_queue *q, const pe_op *op, const pe_attention_call *call, pe_error *err)
{
    return op->s8 ? CALL(attention_s8, *call) : CALL(attention, *call);
}

static pe_status forward_attention(const pe_plan_call *c, const pe_op *op, pe_error *err)
{
    pe_queue *q = c->queue;
    bool per_row = c->plan->values[op->in[0]].extent == PE_PER_ROW;
    pe_attention_call call = { .out = floats(c, op->out),
                               .q = floats(c, op->in[0]) + op->q_col,
                               .k = floats(c, op->in[1]) + op->k_col,
                               .v = floats(c, op->in[2]) + op->v_col,
                               .scale = op->scale };
    call.ldo = width_of(c, op->out);
    call.ldq = width_of(c, op->in[0]);
    call.ldkv = width_of(c, op->in[1]); /* k and v lie in one value, or in two of equal width */
    call.heads = op->heads;
    call.head_dim = op->head_dim;
    call.nrows = c->in->nrows;
    call.row_begin = c->in->row_begin;
    call.q_begin = per_row ? c->in->ones : NULL;
    call.longest = c->in->longest;
    call.most_queries = per_row ? 1 : c->in->longest;
    call.scratch = c->scratch;
    pe_status st = attend(q, op, &call, err);
    if (st || per_row || !c->in->nlead) return st;
    size_t done = c->in->ntokens - c->in->nlead; /* the leads ask, too */
    call.q += done * call.ldq;
    call.out += done * call.ldo;
    call.q_begin = c->in->lead_begin;
    call.most_queries = 1;
    return attend(q, op, &call, err);
}

static pe_status forward_gather(const pe_plan_call *c, const pe_op *op, pe_error *err)
{
    pe_queue *q = c->queue;
    pe_gather_call call = { .y = floats(c, op->out),
                            .x = floats(c, op->in[0]),
                            .rows = c->in->first,
                            .m = c->in->nrows,
                            .d = width_of(c, op->out) };
    return CALL(gather_rows, call);
}

static pe_status forward_mean(const pe_plan_call *c, const pe_op *op, pe_error *err)
{
    pe_queue *q = c->queue;
    pe_pool_call call = { .y = floats(c, op->out),
                          .x = floats(c, op->in[0]),
                          .row_begin = c->in->row_begin,
                          .nrows = c->in->nrows,
                          .d = width_of(c, op->out) };
    return CALL(mean_pool, call);
}

static pe_status forward_normalize(const pe_plan_call *c, const pe_op *op, pe_error *err)
{
    pe_queue *q = c->queue;
    size_t m = rows_of(c, op->out), d = width_of(c, op->out);
    pe_scale_call call = { .x = floats(c, op->out), .m = m, .d = d };
    pe_gather_call copy = {
        .y = call.x, .x = floats(c, op->in[0]), .rows = c->in->ones, .m = m, .d = d
    };
    pe_status st = CALL(gather_rows, copy);
    return st ? st : CALL(l2_normalize, call);
}

pe_status pe_plan_forward(const pe_plan_call *c, const pe_op *op, pe_error *err)
{
    typedef pe_status forward_fn(const pe_plan_call *call, const pe_op *o, pe_error *e);
    static forward_fn *const table[] = {
#define PE_PLAN_OP(name, label) forward_##name,
#include "lib/plan/plan_ops.def"
#undef PE_PLAN_OP
    };
    return table[op->kind](c, op, err);
}

pe_check_call pe_plan_output(const pe_plan_call *c, const pe_op *op)
{
    size_t m = rows_of(c, op->out);
    if (op->kind == PE_OPK_quantize)
        return (pe_check_call){ .x = codes_of(c, op->out).scale, .n = m };
    return (pe_check_call){ .x = floats(c, op->out), .n = m * width_of(c, op->out) };
}
