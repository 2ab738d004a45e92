/* tests/unit/test_engine.c - the bits of an answer depend on model and input alone: not on threads,
 * batch or the way a matrix is executed (PE_CPU levels: tests/cli/run.sh).
 * Read next: lib/model/ctx.c, tests/ckpt_edit.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pe/model.h>

#include "lib/base/rng.h"
#include "lib/model/ctx.h"
#include "tests/ckpt_edit.h"
#include "tests/scratch.h"

#define SHIPPED        "recipes/sentiment/model"
#define GOLDEN         "tests/golden/data/models/"
#define NROWS          48
#define INT8_ATTENTION "{\"pe_attention\": \"int8\"}"

static char *folder;

static int make_folder(void **state)
{
    (void)state;
    return (folder = scratch_new()) ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    return scratch_drop(folder);
}

/* Rows of many lengths; the longest need several chunks together. */
typedef struct rows {
    uint32_t begin[NROWS + 1];
    int32_t *ids;
} rows;

static rows draw_rows(const pe_model_info *info)
{
    rows r = { .ids = calloc((size_t)NROWS * info->max_length, sizeof *r.ids) };
    pe_rng rng;
    pe_rng_init(&rng, 7, info->vocab, info->max_length);
    assert_non_null(r.ids);
    for (size_t i = 0; i < NROWS; i++) {
        uint32_t n = 1 + pe_rng_below(&rng, i % 6 ? info->max_length / 4 : info->max_length);
        r.begin[i + 1] = r.begin[i] + n;
        for (uint32_t t = r.begin[i]; t < r.begin[i + 1]; t++)
            r.ids[t] = (int32_t)pe_rng_below(&rng, info->vocab);
    }
    return r;
}

static size_t answer_width(const pe_output *o, const pe_model_info *info)
{
    return o->logits ? o->width : info->hidden;
}

/* Answers of all rows, `batch` at a time, on nthreads; from malloc. */
static float *answer(const pe_model *m, const rows *r, size_t batch, int nthreads, size_t *n)
{
    const pe_model_info *info = pe_model_get_info(m);
    bool by_token = info->head == PE_HEAD_TOKENS || info->head == PE_HEAD_MLM;
    float *all = NULL;
    pe_pool *pool = NULL;
    pe_ctx *c;
    pe_error err = { 0 };
    if (nthreads > 1) assert_int_equal(pe_pool_new(&pool, nthreads, &err), PE_OK);
    assert_int_equal(pe_ctx_new(&c, m, pool, &err), PE_OK);
    *n = 0;
    for (size_t i = 0; i < NROWS; i += batch) {
        uint32_t begin[NROWS + 1];
        size_t k = NROWS - i < batch ? NROWS - i : batch;
        pe_output o;
        for (size_t j = 0; j <= k; j++) begin[j] = r->begin[i + j] - r->begin[i];
        pe_batch b = { .nrows = k, .row_begin = begin, .ids = r->ids + r->begin[i] };
        if (pe_forward(&o, c, &b, &err)) fail_msg("%s", err.text);
        size_t width = answer_width(&o, info), got = (by_token ? o.ntokens : k) * width;
        all = realloc(all, (*n + got) * sizeof *all);
        assert_non_null(all);
        memcpy(all + *n, o.logits ? o.logits : o.embedding, got * sizeof *all);
        *n += got;
    }
    pe_ctx_free(c);
    pe_pool_free(pool);
    return all;
}

static pe_model *open_model(const char *path, const char *layout)
{
    pe_model *m;
    pe_error err = { 0 };
    pe_model_params p = { .exec_layout = layout, .tune_file = "" };
    if (pe_model_open(&m, path, &p, &err)) fail_msg("%s", err.text);
    return m;
}

static void check_same(const char *path)
{
    static const int threads[] = { 1, 2, 3, 5 };
    static const size_t batches[] = { 1, 3, 16, NROWS };
    static const char *const layouts[] = { NULL, "dense", "csr", "bitmask", "block4" };
    size_t want_n, n;
    pe_model *m = open_model(path, "dense");
    rows r = draw_rows(pe_model_get_info(m));
    float *want = answer(m, &r, NROWS, 1, &want_n);
    for (size_t t = 0; t < 4; t++)
        for (size_t b = 0; b < 4; b++) {
            float *got = answer(m, &r, batches[b], threads[t], &n);
            assert_int_equal(n, want_n);
            if (memcmp(got, want, n * sizeof *got))
                fail_msg("%s: %d threads, batch %zu give other bits", path, threads[t], batches[b]);
            free(got);
        }
    pe_model_close(m);
    for (size_t l = 0; l < 5; l++) {
        m = open_model(path, layouts[l]);
        float *got = answer(m, &r, 3, 2, &n);
        if (memcmp(got, want, n * sizeof *got))
            fail_msg("%s: executed as %s gives other bits", path, layouts[l]);
        free(got);
        pe_model_close(m);
    }
    free(want);
    free(r.ids);
}

static const char *edited(const char *from, const ckpt_edit *e)
{
    const char *to = scratch_path(folder, "edited");
    ckpt_edit_write(from, to, e);
    return to;
}

static void test_float(void **state)
{
    (void)state;
    check_same(SHIPPED);
    check_same(GOLDEN "bert_tok");
    check_same(GOLDEN "bert_mlm");
    check_same(GOLDEN "bert_embed");
    check_same(GOLDEN "roberta_cls");
}

static void test_float_sparse(void **state)
{
    (void)state;
    check_same(edited(SHIPPED, &(ckpt_edit){ .zero_blocks_of_10 = 8 }));
    check_same(edited(GOLDEN "bert_cls", &(ckpt_edit){ .zero_blocks_of_10 = 5 }));
}

static void test_int8(void **state)
{
    static const ckpt_int8 kinds[] = { CKPT_DYNAMIC, CKPT_STATIC, CKPT_ASYMMETRIC,
                                       CKPT_WEIGHTS_ONLY };
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        check_same(edited(GOLDEN "bert_cls", &(ckpt_edit){ .int8 = kinds[i] }));
        check_same(edited(GOLDEN "distilbert_cls",
                          &(ckpt_edit){ .int8 = kinds[i], .zero_blocks_of_10 = 6 }));
    }
}

/* Attention between codes, too: for every token, or for the first of a row. */
static void test_int8_attention(void **state)
{
    static const char *const models[] = { GOLDEN "bert_tok", GOLDEN "bert_embed",
                                          GOLDEN "roberta_cls" };
    ckpt_edit e = { .int8 = CKPT_DYNAMIC, .config = INT8_ATTENTION };
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) check_same(edited(models[i], &e));
    e.int8 = CKPT_STATIC;
    e.zero_blocks_of_10 = 7;
    check_same(edited(GOLDEN "bert_cls", &e));
    e.int8 = CKPT_DYNAMIC;
    check_same(edited(SHIPPED, &e));
}

/* One projection kept float: q, k and v cannot be one matrix. */
static void test_mixed(void **state)
{
    static const char *const keep[] = { "query", "key", "value" };
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char module[96];
        snprintf(module, sizeof module, "bert.encoder.layer.%zu.attention.self.%s", i % 2, keep[i]);
        check_same(
            edited(GOLDEN "bert_cls", &(ckpt_edit){ .int8 = CKPT_DYNAMIC, .keep_float = module }));
    }
}

/* Weight-only int8 is the float model with code * scale: the same bits as a float checkpoint of
 * them. */
static void check_dequantized(bool one_scale)
{
    size_t n, m;
    ckpt_edit int8 = { .int8 = CKPT_WEIGHTS_ONLY, .one_scale = one_scale },
              rounded = { .int8 = CKPT_ROUNDED, .one_scale = one_scale };
    pe_model *weights = open_model(edited(GOLDEN "bert_cls", &int8), NULL);
    pe_model *plain = open_model(edited(GOLDEN "bert_cls", &rounded), NULL);
    assert_string_equal(pe_model_get_info(weights)->weights, "int8 weights");
    assert_string_equal(pe_model_get_info(plain)->weights, "f32");
    rows r = draw_rows(pe_model_get_info(plain));
    float *a = answer(weights, &r, 16, 1, &n), *b = answer(plain, &r, 16, 1, &m);
    assert_int_equal(n, m);
    assert_memory_equal(a, b, n * sizeof *a);
    free(a);
    free(b);
    free(r.ids);
    pe_model_close(weights);
    pe_model_close(plain);
}

static void test_weight_only_is_dequantized(void **state)
{
    (void)state;
    check_dequantized(false);
    check_dequantized(true);
}

typedef struct taps {
    size_t calls, tokens;
    const char *first;
} taps;

static void see(void *user, const pe_linear *l, const float *x, size_t ldx, size_t m, pe_queue *q)
{
    taps *t = user;
    (void)q;
    assert_true(ldx >= l->k && x[0] == x[0]);
    if (!t->calls++) t->first = l->part[0];
    t->tokens += m;
}

/* A tap sees every layer once a chunk, q, k and v as one, and changes nothing. */
static void test_tap(void **state)
{
    int32_t ids[] = { 2, 5, 9, 3, 2, 7, 3 };
    uint32_t begin[] = { 0, 4, 7 };
    taps t = { 0 };
    pe_ctx *c;
    pe_output o;
    pe_error err = { 0 };
    (void)state;
    pe_model *m = open_model(GOLDEN "bert_cls", NULL);
    pe_batch b = { .nrows = 2, .row_begin = begin, .ids = ids };
    assert_int_equal(pe_ctx_new(&c, m, NULL, &err), PE_OK);
    assert_int_equal(pe_forward(&o, c, &b, &err), PE_OK);
    float want[6];
    memcpy(want, o.logits, sizeof want);
    pe_ctx_set_tap(c, (pe_tap){ see, &t });
    assert_int_equal(pe_forward(&o, c, &b, &err), PE_OK);
    assert_memory_equal(o.logits, want, sizeof want);
    assert_string_equal(t.first, "bert.encoder.layer.0.attention.self.query");
    /* Two blocks: 4 layers on 7 tokens; kv on 7, q, out and the two of the FFN on the first 2 each;
     * pooler and classifier on 2. */
    assert_int_equal(t.calls, 4 + 5 + 2);
    assert_int_equal(t.tokens, 4 * 7 + 7 + 4 * 2 + 2 * 2);
    pe_ctx_free(c);
    pe_model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_float), cmocka_unit_test(test_float_sparse),
        cmocka_unit_test(test_int8),  cmocka_unit_test(test_int8_attention),
        cmocka_unit_test(test_mixed), cmocka_unit_test(test_weight_only_is_dequantized),
        cmocka_unit_test(test_tap),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
