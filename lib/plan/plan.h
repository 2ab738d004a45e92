/* lib/plan/plan.h - a model as a list of coarse ops over numbered values: built once, run many
 * times. Shapes are symbols (tokens, rows), so one plan serves every batch; memory is planned by
 * liveness.
 * Read next: lib/model/encoder.c (a builder), lib/plan/plan_run.c (the executor). */
#ifndef PE_PLAN_PLAN_H
#define PE_PLAN_PLAN_H

#include "lib/plan/linear.h"

/* How many rows a value has: every token of the batch, or one for each row of it. */
typedef enum pe_extent { PE_PER_TOKEN, PE_PER_ROW } pe_extent;

/* What a plan hands to its caller; a value marked with one lives in the caller's memory.
 * hidden_0 .. hidden_L are PE_OUT_HIDDEN + i. */
typedef enum pe_out {
    PE_OUT_NONE = -1,
    PE_OUT_LOGITS,
    PE_OUT_EMBEDDING,
    PE_OUT_POOLED,
    PE_OUT_HIDDEN
} pe_out;

typedef struct pe_value {
    pe_extent extent;
    uint32_t width;  /* f32 columns, or codes a row */
    bool codes;      /* int8 codes with scale and zero point (pe_codes) */
    int out;         /* pe_out, PE_OUT_NONE inside the plan */
    int first, last; /* ops that write it and read it last */
    bool local;      /* lives within one stretch */
    int slot;        /* memory it shares with values that are not alive at the same time, among the
                      * local ones or among the others */
} pe_value;

typedef enum pe_op_kind {
#define PE_PLAN_OP(name, label) PE_OPK_##name,
#include "lib/plan/plan_ops.def"
#undef PE_PLAN_OP
    PE_NOPKINDS
} pe_op_kind;

typedef struct pe_tables { /* of embed; backend memory, NULL = absent */
    const float *word, *word_scale, *type, *pos, *task;
    const int8_t *word_s8;
} pe_tables;

typedef struct pe_op {
    pe_op_kind kind;
    int in[3], out;            /* values; -1 = none. norm: x, residual; attention: q, k, v */
    const char *name;          /* module, for messages and timings */
    const pe_linear *linear;   /* linear; quantize: a layer whose rule it follows */
    const pe_tables *tables;   /* embed */
    const float *gamma, *beta; /* norm */
    float eps;
    pe_act act;                   /* linear */
    uint32_t heads, head_dim;     /* attention */
    bool s8;                      /* attention: between int8 codes */
    uint32_t q_col, k_col, v_col; /* where q, k and v begin in a row of their values */
    float scale;
    bool check;  /* out must be finite: something non-linear reads it */
    int checks;  /* quantize, dynamic: op whose out it checks on the way by its scales; else -1 */
    bool pair;   /* linear: nobody else sees its output, nor the codes that the next linear reads */
    int stretch; /* end of the run of ops that compute token by token, -1: this one does not */
} pe_op;

typedef struct pe_plan {
    pe_value *values;
    pe_op *ops;
    int nvalues, nops, nslots, nlocal;
    int values_cap, ops_cap;
    bool failed; /* a builder call ran out of memory */
} pe_plan;

/* ---- building: value ids are returned, errors are sticky until pe_plan_finish ---------------- */

void pe_plan_init(pe_plan *p);
void pe_plan_release(pe_plan *p);
int pe_plan_value(pe_plan *p, pe_extent extent, uint32_t width, int out);
/* op.out is set to a new value of this extent and width, which is returned. */
int pe_plan_add(pe_plan *p, pe_op op, pe_extent extent, uint32_t width, int out);
/* A linear layer on value x; an int8 layer gets its codes by a quantize op, made once for all
 * layers that read x by the same rule. */
int pe_plan_linear(pe_plan *p, int x, const pe_linear *l, pe_act act, int out);
/* Liveness, stretches and slots. Nothing is added afterwards. */
pe_status pe_plan_finish(pe_plan *p, pe_error *err);

/* ---- running --------------------------------------------------------------------------------- */

/* Token rows of one run; row_begin starts at 0. Ids are already checked. After the rows' tokens
 * come nlead more that ask, but are no keys (pe_lead); ntokens counts both. */
typedef struct pe_plan_input {
    size_t nrows, ntokens, nlead, longest;
    const uint32_t *row_begin;  /* [nrows + 1] */
    const uint32_t *lead_begin; /* [nrows + 1] leads of each row, 0 or 1; NULL when nlead is 0 */
    const uint32_t *first;      /* [nrows] the token that answers for its row */
    const uint32_t *ones;       /* 0, 1, 2 .. nrows: row_begin of per-row values */
    const int32_t *ids, *type_ids, *pos_ids, *task_ids;
} pe_plan_input;

/* Sees the input of a float linear layer before it runs: x [m, k], ldx, memory of the queue's
 * backend. l->part names its modules. */
typedef struct pe_tap {
    void (*fn)(void *user, const pe_linear *l, const float *x, size_t ldx, size_t m, pe_queue *q);
    void *user;
} pe_tap;

/* One place where a plan can run: memory and threads. One run at a time. */
typedef struct pe_lane {
    pe_queue queue;
    void *memory; /* grows, never shrinks */
    size_t nbytes;
    void **at; /* [nvalues] of the largest plan; local values: those of the first worker */
    int nat;
    uint32_t *flags; /* [nops] of the run, in the device's memory: outputs that are not finite */
    uint64_t *op_ns; /* NULL, or [nops] time is added to */
    pe_tap tap;
} pe_lane;

void pe_lane_init(pe_lane *lane, const pe_backend *b, pe_pool *pool);
void pe_lane_release(pe_lane *lane);
/* Bytes of activations and scratch of a run whose tokens go through all ops together. Where threads
 * take blocks of their own, a run needs at most that many times as much. */
size_t pe_plan_nbytes(const pe_plan *p, const pe_backend *b, size_t ntokens, size_t nrows,
                      size_t longest, int nthreads);
/* out[o] is where output o goes, NULL where the plan has no such output. PE_E_INPUT: an activation
 * that is not finite, op named. */
pe_status pe_plan_run(const pe_plan *p, pe_lane *lane, const pe_plan_input *in, float *const *out,
                      pe_error *err);
/* One op a line, for people; from malloc, NULL without memory. */
char *pe_plan_text(const pe_plan *p);
const char *pe_op_kind_name(pe_op_kind k);

/* Some tokens of a run, or all of them, in one worker's memory. */
typedef struct pe_plan_call {
    const pe_plan *plan;
    const pe_lane *lane;
    const pe_plan_input *in;
    pe_queue *queue;
    size_t token0, ntokens;
    size_t shift; /* bytes from the first worker's local values to this one's */
    void *scratch;
} pe_plan_call;
/* One forward function an op kind (plan_ops.c). */
pe_status pe_plan_forward(const pe_plan_call *c, const pe_op *op, pe_error *err);
/* A linear op, quantize, linear in one call; op->pair is set. */
bool pe_plan_pairs(const pe_plan_call *c, const pe_op *op);
pe_status pe_plan_forward_pair(const pe_plan_call *c, const pe_op *op, pe_error *err);
/* What a check of the op's output looks at, x and n; of codes: the scales. */
pe_check_call pe_plan_output(const pe_plan_call *c, const pe_op *op);

#endif
