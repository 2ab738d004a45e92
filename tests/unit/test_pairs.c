/* tests/unit/test_pairs.c - two sparse int8 layers in one call: taken where nobody sees what is
 * between, and then neither a bit nor an error differs from layer after layer.
 * Read next: lib/plan/plan_build.c, find_pairs; tests/kernels/test_pair_s8.c (the kernel). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/rng.h"
#include "lib/model/ctx.h"
#include "tests/ckpt_edit.h"
#include "tests/scratch.h"

#define MODEL "tests/golden/data/models/bert_cls"
#define FFN   "bert.encoder.layer.0.intermediate.dense"
enum { D = 64, VOCAB = 50, MOST = 130, NOUTS = 2 };

static const size_t tokens[] = { 1, 5, 16, 48, 64, MOST };
enum { NTOKENS = sizeof tokens / sizeof *tokens };

static char *folder;
static const pe_backend *cpu;

static int setup(void **state)
{
    (void)state;
    folder = scratch_new();
    return folder && !pe_backend_cpu(&cpu, NULL) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return scratch_drop(folder);
}

/* ---- plans of two layers --------------------------------------------------------------------- */

typedef struct small {
    pe_plan plan;
    pe_linear a, b, c; /* D to D; a and b have blocks to skip */
    float word[VOCAB * D];
    pe_tables tables;
    int x, mid; /* embeddings; what a gives */
} small;

/* scale: of each output's weights. */
static void fill(pe_linear *l, const char *name, pe_form form, uint64_t seed, float scale)
{
    static int8_t w[D * D];
    static float wscale[D], bias[D];
    pe_error err = { 0 };
    pe_rng r;
    pe_rng_init(&r, seed, 1, 0);
    for (size_t i = 0; i < (size_t)D * D; i++) {
        bool zero = (i / 4 * 7 + i / D) % 10 < 6;
        w[i] = (int8_t)(zero ? 0 : (int)pe_rng_below(&r, 255) - 127);
    }
    for (size_t i = 0; i < D; i++) wscale[i] = scale, bias[i] = 0.01f * (float)i;
    *l = (pe_linear){ .part = { name }, .n = D, .k = D, .int8 = true, .aq = { .div = 127 } };
    for (int i = 0; i < PE_NBUCKETS; i++) l->form[i] = form;
    pe_linear_source s = { .s8 = w, .wscale = wscale, .bias = bias };
    if (pe_linear_pack(l, cpu, &s, &err)) fail_msg("%s", err.text);
}

/* Embeddings, and layer a on them. mid_out: where its output goes. */
static void begin(small *s, pe_form form, int mid_out)
{
    pe_rng r;
    pe_rng_init(&r, 3, 1, 0);
    memset(s, 0, sizeof *s);
    for (size_t i = 0; i < (size_t)VOCAB * D; i++) s->word[i] = (float)pe_rng_unit(&r) - 0.5f;
    s->tables = (pe_tables){ .word = s->word };
    fill(&s->a, "a", form, 11, 1e-3f);
    fill(&s->b, "b", form, 12, 1e-3f);
    fill(&s->c, "c", form, 13, 1e-3f);
    pe_plan_init(&s->plan);
    pe_op embed = {
        .kind = PE_OPK_embed, .in = { -1, -1, -1 }, .name = "embed", .tables = &s->tables
    };
    s->x = pe_plan_add(&s->plan, embed, PE_PER_TOKEN, D, PE_OUT_NONE);
    s->mid = pe_plan_linear(&s->plan, s->x, &s->a, PE_ACT_GELU_ERF, mid_out);
}

static void end(small *s)
{
    pe_linear_release(&s->a, cpu);
    pe_linear_release(&s->b, cpu);
    pe_linear_release(&s->c, cpu);
    pe_plan_release(&s->plan);
}

/* Of value x, with a residual; gamma 1, beta 0. */
static void add_norm(small *s, int x, int res, int out)
{
    static float one[D], zero[D];
    for (size_t i = 0; i < D; i++) one[i] = 1;
    pe_op op = { .kind = PE_OPK_norm, .in = { x, res, -1 }, .name = "norm" };
    op.gamma = one;
    op.beta = zero;
    op.eps = 1e-6f;
    (void)pe_plan_add(&s->plan, op, PE_PER_TOKEN, D, out);
}

static pe_op *op_of(small *s, const pe_linear *l)
{
    for (int i = 0; i < s->plan.nops; i++)
        if (s->plan.ops[i].kind == PE_OPK_linear && s->plan.ops[i].linear == l)
            return &s->plan.ops[i];
    return NULL;
}

/* What follows a. Each but the first shows somebody what is between, or is no pair at all. */
typedef enum tail {
    PLAIN,
    MID_IS_OUT,
    MID_READ,
    CODES_READ,
    SECOND_ACTS,
    OTHER_INPUT,
    NTAILS
} tail;

static void build(small *s, tail t, pe_form form)
{
    bool more = t == MID_READ || t == OTHER_INPUT || t == CODES_READ;
    int last = PE_OUT_LOGITS, out = more ? (int)PE_OUT_NONE : last;
    begin(s, form, t == MID_IS_OUT ? (int)PE_OUT_EMBEDDING : (int)PE_OUT_NONE);
    if (t == OTHER_INPUT) s->b.aq.div = 127.5f;
    int y = pe_plan_linear(&s->plan, t == OTHER_INPUT ? s->x : s->mid, &s->b,
                           t == SECOND_ACTS ? PE_ACT_RELU : PE_ACT_NONE, out);
    if (t == MID_READ || t == OTHER_INPUT) add_norm(s, y, s->mid, last);
    if (t == CODES_READ)
        add_norm(s, y, pe_plan_linear(&s->plan, s->mid, &s->c, PE_ACT_NONE, PE_OUT_NONE), last);
    assert_int_equal(pe_plan_finish(&s->plan, NULL), PE_OK);
}

/* n tokens in rows of up to 7. */
static pe_status run(small *s, size_t n, pe_pool *pool, float *logits, float *embedding,
                     pe_error *err)
{
    static int32_t ids[MOST], zeros[MOST];
    static uint32_t row_begin[MOST + 1], first[MOST], ones[MOST + 1];
    size_t nrows = (n + 6) / 7;
    for (uint32_t i = 0; i < n; i++) ids[i] = (int32_t)(i * 13 % VOCAB);
    for (uint32_t i = 0; i <= n; i++) ones[i] = i;
    for (uint32_t i = 0; i < nrows; i++) row_begin[i] = first[i] = 7 * i;
    row_begin[nrows] = (uint32_t)n;
    pe_plan_input in = { .nrows = nrows, .ntokens = n, .longest = n < 7 ? n : 7 };
    in.row_begin = row_begin;
    in.first = first;
    in.ones = ones;
    in.ids = ids;
    in.type_ids = in.pos_ids = in.task_ids = zeros;
    float *out[] = { logits, embedding };
    pe_lane lane;
    pe_lane_init(&lane, cpu, pool);
    pe_status st = pe_plan_run(&s->plan, &lane, &in, out, err);
    pe_lane_release(&lane);
    return st;
}

static void test_where(void **state)
{
    (void)state;
    for (tail t = 0; t < NTAILS; t++) {
        small s;
        build(&s, t, PE_FORM_S8_BLOCK4);
        int npairs = 0;
        for (int i = 0; i < s.plan.nops; i++) npairs += s.plan.ops[i].pair;
        if (npairs != (t == PLAIN) || op_of(&s, &s.a)->pair != (t == PLAIN))
            fail_msg("tail %d: %d pairs", (int)t, npairs);
        end(&s);
    }
}

/* Whether or not it is a pair, block4 gives what dense does. */
static void test_same_bits(void **state)
{
    static float want[NOUTS][MOST * D], got[NOUTS][MOST * D];
    pe_error err = { 0 };
    pe_pool *pools[2] = { NULL, NULL };
    (void)state;
    assert_int_equal(pe_pool_new(&pools[1], 3, &err), PE_OK);
    for (tail t = 0; t < NTAILS; t++) {
        small dense, block4;
        build(&dense, t, PE_FORM_S8_DENSE);
        build(&block4, t, PE_FORM_S8_BLOCK4);
        for (size_t i = 0; i < NTOKENS * 2; i++) {
            size_t n = tokens[i / 2];
            memset(got, 0x55, sizeof got);
            memset(want, 0x55, sizeof want);
            if (run(&dense, n, NULL, want[0], want[1], &err) ||
                run(&block4, n, pools[i % 2], got[0], got[1], &err))
                fail_msg("%s", err.text);
            if (memcmp(got, want, sizeof got)) fail_msg("tail %d, %zu tokens", (int)t, n);
        }
        end(&dense);
        end(&block4);
    }
    pe_pool_free(pools[1]);
}

/* Only where both are block4 for so many tokens, and not when each op's time is wanted. */
static void test_when(void **state)
{
    small s;
    uint64_t ns[16] = { 0 };
    (void)state;
    build(&s, PLAIN, PE_FORM_S8_BLOCK4);
    const pe_op *op = op_of(&s, &s.a);
    pe_plan_input in = { .nrows = 1, .ntokens = 16 };
    pe_lane lane;
    pe_lane_init(&lane, cpu, NULL);
    pe_plan_call c = { .plan = &s.plan, .lane = &lane, .in = &in, .queue = &lane.queue };
    c.ntokens = 16;
    assert_true(pe_plan_pairs(&c, op));
    assert_false(pe_plan_pairs(&c, op_of(&s, &s.b)));
    lane.op_ns = ns;
    assert_false(pe_plan_pairs(&c, op));
    lane.op_ns = NULL;
    s.b.form[pe_bucket_of(16)] = PE_FORM_S8_DENSE;
    assert_false(pe_plan_pairs(&c, op));
    c.ntokens = MOST;
    assert_true(pe_plan_pairs(&c, op));
    s.a.form[pe_bucket_of(MOST)] = PE_FORM_S8_DENSE;
    assert_false(pe_plan_pairs(&c, op));
    end(&s);
}

/* A layer whose output somebody must check: of the pair's second, the product; of its first, what
 * the codes between say. */
static void test_checks(void **state)
{
    static float out[MOST * D];
    static const struct {
        float scale_a, scale_b, div;
        const char *says;
    } rows[] = { { 1e-3f, 1e-3f, 127, NULL },  { 1e-3f, 1e-3f, 0, NULL },
                 { 1e38f, 1e-3f, 127, "a (" }, { 1e38f, 1e-3f, 0, "a (" },
                 { 1e-3f, 3e38f, 127, "b (" }, { 1e-3f, 3e38f, 0, "b (" },
                 { 1e38f, 3e38f, 127, "a (" }, { 1e38f, 3e38f, 0, "a (" } };
    static const pe_form forms[] = { PE_FORM_S8_DENSE, PE_FORM_S8_BLOCK4 };
    (void)state;
    for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        small s;
        pe_error err = { 0 };
        const char *says = rows[i / 2].says;
        begin(&s, forms[i % 2], PE_OUT_NONE);
        pe_linear_release(&s.a, cpu);
        pe_linear_release(&s.b, cpu);
        fill(&s.a, "a", forms[i % 2], 11, rows[i / 2].scale_a);
        fill(&s.b, "b", forms[i % 2], 12, rows[i / 2].scale_b);
        s.b.aq = (pe_act_quant){ .div = rows[i / 2].div, .scale = 0.01f };
        s.plan.ops[s.plan.nops - 1].check = true;
        (void)pe_plan_linear(&s.plan, s.mid, &s.b, PE_ACT_NONE, PE_OUT_LOGITS);
        s.plan.ops[s.plan.nops - 1].check = true;
        assert_int_equal(pe_plan_finish(&s.plan, NULL), PE_OK);
        pe_status st = run(&s, 48, NULL, out, NULL, &err);
        if (st != (says ? PE_E_INPUT : PE_OK) || (says && strncmp(err.text, says, 3) != 0))
            fail_msg("row %zu: %d %s", i, st, err.text);
        end(&s);
    }
}

/* ---- models ---------------------------------------------------------------------------------- */

static pe_model *open_model(const char *path, const char *layout)
{
    pe_model *m;
    pe_error err = { 0 };
    pe_model_params p = { .exec_layout = layout, .tune_file = "" };
    if (pe_model_open(&m, path, &p, &err)) fail_msg("%s", err.text);
    return m;
}

static const char *edited(const ckpt_edit *e)
{
    const char *to = scratch_path(folder, "edited");
    ckpt_edit_write(MODEL, to, e);
    return to;
}

/* Hidden states of all layers and logits of n tokens in rows of up to 13; from malloc. */
static float *answer(const pe_model *m, size_t n, size_t *nfloats)
{
    const pe_model_info *info = pe_model_get_info(m);
    static int32_t ids[MOST];
    uint32_t row_begin[MOST + 1] = { 0 };
    pe_batch b = { .row_begin = row_begin, .ids = ids };
    pe_ctx *c;
    pe_output o;
    pe_error err = { 0 };
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)(i * 31 % info->vocab);
    for (uint32_t at = 0; at < n; row_begin[++b.nrows] = at)
        at = at + 13 < n ? at + 13 : (uint32_t)n;
    assert_int_equal(pe_ctx_new(&c, m, NULL, &err), PE_OK);
    pe_ctx_keep_hidden(c, true);
    if (pe_forward(&o, c, &b, &err)) fail_msg("%s", err.text);
    size_t width = n * info->hidden, nlogits = b.nrows * o.width;
    *nfloats = (info->nlayers + 1) * width + nlogits;
    float *all = malloc(*nfloats * sizeof *all);
    assert_non_null(all);
    for (size_t i = 0; i <= info->nlayers; i++)
        memcpy(all + i * width, o.hidden_all[i], width * sizeof *all);
    memcpy(all + (info->nlayers + 1) * width, o.logits, nlogits * sizeof *all);
    pe_ctx_free(c);
    return all;
}

/* Each layer's two large products are a pair; its hidden states are as without. */
static void test_model(void **state)
{
    static const ckpt_int8 kinds[] = { CKPT_DYNAMIC, CKPT_STATIC, CKPT_ASYMMETRIC };
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        int npairs = 0;
        const char *path = edited(&(ckpt_edit){ .int8 = kinds[k], .zero_blocks_of_10 = 6 });
        pe_model *dense = open_model(path, "dense"), *block4 = open_model(path, "block4");
        const pe_plan *p = pe_model_lean_plan(block4);
        for (int i = 0; i < p->nops; i++) npairs += p->ops[i].pair;
        assert_int_equal(npairs, 2);
        for (size_t i = 0; i < NTOKENS; i++) {
            size_t n, m;
            float *want = answer(dense, tokens[i], &n), *got = answer(block4, tokens[i], &m);
            assert_int_equal(n, m);
            if (memcmp(got, want, n * sizeof *got)) fail_msg("kind %zu, %zu tokens", k, tokens[i]);
            free(want);
            free(got);
        }
        pe_model_close(dense);
        pe_model_close(block4);
    }
}

static const int32_t few[] = { 2, 5, 3 };
static const uint32_t one_row[] = { 0, 3 };
static const pe_batch short_batch = { .nrows = 1, .row_begin = one_row, .ids = few };

/* Static scales make numbers even of Inf; whoever made it is named all the same. */
static void test_overflow(void **state)
{
    static const char *const layouts[] = { "dense", "block4" };
    static const ckpt_int8 kinds[] = { CKPT_DYNAMIC, CKPT_STATIC, CKPT_ASYMMETRIC };
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        pe_error err[2] = { 0 };
        const char *path = edited(&(ckpt_edit){
            .scale = FFN ".weight", .factor = 3e38f, .int8 = kinds[k], .zero_blocks_of_10 = 6 });
        for (size_t l = 0; l < 2; l++) {
            pe_model *m = open_model(path, layouts[l]);
            pe_ctx *c;
            pe_output o;
            assert_int_equal(pe_ctx_new(&c, m, NULL, NULL), PE_OK);
            assert_int_equal(pe_forward(&o, c, &short_batch, &err[l]), PE_E_INPUT);
            pe_ctx_free(c);
            pe_model_close(m);
        }
        assert_non_null(strstr(err[0].text, FFN " (linear)"));
        assert_string_equal(err[0].text, err[1].text);
    }
}

/* Times of ops are times of each op. */
static void test_times(void **state)
{
    pe_ctx *c;
    pe_output o;
    pe_error err = { 0 };
    (void)state;
    pe_model *m =
        open_model(edited(&(ckpt_edit){ .int8 = CKPT_DYNAMIC, .zero_blocks_of_10 = 6 }), "block4");
    const pe_plan *p = pe_model_lean_plan(m);
    uint64_t *ns = calloc((size_t)p->nops, sizeof *ns);
    assert_non_null(ns);
    assert_int_equal(pe_ctx_new(&c, m, NULL, &err), PE_OK);
    pe_ctx_time_ops(c, ns);
    if (pe_forward(&o, c, &short_batch, &err)) fail_msg("%s", err.text);
    for (int i = 0; i < p->nops; i++)
        if (!ns[i]) fail_msg("op %d (%s) took no time", i, p->ops[i].name);
    free(ns);
    pe_ctx_free(c);
    pe_model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where), cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_when),  cmocka_unit_test(test_checks),
        cmocka_unit_test(test_model), cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
