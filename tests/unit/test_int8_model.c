/* tests/unit/test_int8_model.c - how the inputs of an int8 layer become codes, by who wrote the
 * checkpoint: logits against the product as it is defined, done here on the float model's inputs.
 * Read next: lib/model/quantconf.c, tests/golden/test_int8_linear.c (the kernels alone). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <pe/quant.h>

#include "lib/model/ctx.h"
#include "tests/ckpt_edit.h"
#include "tests/goldfile.h"
#include "tests/scratch.h"

#define MODEL "tests/golden/data/models/bert_cls"
enum { K = 48, NLABELS = 3, NROWS = 5 };

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

/* How a row of inputs becomes codes. */
typedef struct rule {
    float div, scale; /* absmax / div, or a fixed scale */
    int zero, lowest;
} rule;

typedef struct answers {
    float x[NROWS][K]; /* input of the classifier, when it is float */
    float logits[NROWS][NLABELS];
    bool narrow; /* no code of the classifier and its input is -128 */
} answers;

static void see(void *user, const pe_linear *l, const float *x, size_t ldx, size_t m, pe_queue *q)
{
    answers *a = user;
    (void)q;
    if (strcmp(l->part[0], "classifier") != 0) return;
    assert_true(m == NROWS && l->k == K);
    for (size_t i = 0; i < m; i++) memcpy(a->x[i], x + i * ldx, sizeof a->x[i]);
}

static answers run(const char *path)
{
    static const int32_t ids[] = { 2, 5, 9, 3, 2, 7, 3, 2, 61, 3, 2, 33, 34, 3, 2, 90, 11, 50, 3 };
    static const uint32_t begin[NROWS + 1] = { 0, 4, 7, 10, 14, 19 };
    answers a = { 0 };
    pe_model *m;
    pe_ctx *c;
    pe_output o;
    pe_error err = { 0 };
    pe_batch b = { .nrows = NROWS, .row_begin = begin, .ids = ids };
    if (pe_model_open(&m, path, NULL, &err)) fail_msg("%s", err.text);
    assert_int_equal(pe_ctx_new(&c, m, NULL, &err), PE_OK);
    pe_ctx_set_tap(c, (pe_tap){ see, &a });
    if (pe_forward(&o, c, &b, &err)) fail_msg("%s", err.text);
    assert_int_equal(o.width, NLABELS);
    memcpy(a.logits, o.logits, sizeof a.logits);
    for (size_t i = 0; i < pe_model_nlinears(m); i++)
        if (!strcmp(pe_model_linear(m, i)->part[0], "classifier"))
            a.narrow = pe_model_linear(m, i)->narrow;
    pe_ctx_free(c);
    pe_model_close(m);
    return a;
}

/* codes * codes, the zero point taken out, times both scales, plus bias. */
static double product(const float *x, const int8_t *w, double wscale, double bias, const rule *r)
{
    float absmax = 0, scale;
    int sum = 0;
    for (int i = 0; i < K; i++) absmax = fmaxf(absmax, fabsf(x[i]));
    scale = r->div > 0 ? absmax / r->div : r->scale;
    for (int i = 0; i < K; i++) {
        int code = (int)rintf(x[i] / scale) + r->zero;
        code = code < r->lowest ? r->lowest : code > 127 ? 127 : code;
        sum += (code - r->zero) * w[i];
    }
    return sum * (double)scale * wscale + bias;
}

/* int8: only its classifier takes codes. plain: the same model with a float classifier. */
static void check(const char *int8, const char *plain, rule r)
{
    int8_t w[NLABELS][K];
    float scale[NLABELS], bias[NLABELS];
    pe_ckpt *c;
    answers f = run(plain), q = run(int8);
    assert_int_equal(pe_ckpt_open(&c, int8, NULL), PE_OK);
    assert_int_equal(pe_ckpt_read_dense(c, pe_ckpt_find(c, "classifier.weight"), w, NULL), PE_OK);
    assert_int_equal(pe_ckpt_read_f32(c, pe_ckpt_find(c, "classifier.weight_scale"), scale, NULL),
                     PE_OK);
    assert_int_equal(pe_ckpt_read_f32(c, pe_ckpt_find(c, "classifier.bias"), bias, NULL), PE_OK);
    for (size_t t = 0; t < NROWS; t++)
        for (size_t n = 0; n < NLABELS; n++)
            gold_near((double)q.logits[t][n],
                      product(f.x[t], w[n], (double)scale[n], (double)bias[n], &r), 1e-6, 1e-6,
                      int8);
    assert_int_equal(q.narrow, r.lowest > -128);
    pe_ckpt_close(c);
}

#define WEIGHTS "\"weights\": {\"num_bits\": 8}, \"input_activations\": "
#define GROUPS(input)                                                                \
    "{\"quantization_config\": {\"format\": \"int-quantized\", \"config_groups\": {" \
    "\"a\": {\"targets\": [\"Linear\"], " WEIGHTS                                    \
    "null}, \"b\": {\"targets\": [\"classifier\"], " WEIGHTS input "}}}}"

/* Another tool's checkpoint: a token's steps are absmax / 127.5, codes go down to -128. Static
 * scales are so small that some inputs do not fit. */
static void test_foreign(void **state)
{
    static const struct {
        ckpt_int8 kind;
        const char *config;
        rule r;
    } rows[] = {
        { CKPT_DYNAMIC,
          GROUPS("{\"dynamic\": true, \"strategy\": \"token\"}"),
          { .div = 127.5f, .lowest = -128 } },
        { CKPT_STATIC,
          GROUPS("{\"dynamic\": false, \"strategy\": \"tensor\"}"),
          { .scale = 0.0075f, .lowest = -128 } },
        { CKPT_ASYMMETRIC,
          GROUPS("{\"dynamic\": false, \"strategy\": \"tensor\", \"symmetric\": false}"),
          { .scale = 0.0075f, .zero = -9, .lowest = -128 } },
    };
    char int8[4096], plain[4096];
    (void)state;
    snprintf(int8, sizeof int8, "%s", scratch_path(folder, "foreign"));
    snprintf(plain, sizeof plain, "%s", scratch_path(folder, "plain"));
    ckpt_edit_write(MODEL, plain, &(ckpt_edit){ .int8 = CKPT_WEIGHTS_ONLY });
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ckpt_edit e = { .int8 = rows[i].kind, .config = rows[i].config };
        if (e.int8 != CKPT_DYNAMIC) e.scale = "classifier.input_scale", e.factor = 0.125f;
        ckpt_edit_write(MODEL, int8, &e);
        check(int8, plain, rows[i].r);
    }
}

/* pe-quantize's own: absmax / 127, and -128 is no code. */
static void test_own(void **state)
{
    const char *int8 = scratch_path(folder, "own");
    pe_pick only = { .glob = "classifier" };
    pe_quant_params p = { .picks = &only, .npicks = 1 };
    pe_error err = { 0 };
    (void)state;
    if (pe_quantize_checkpoint(NULL, MODEL, int8, &p, &err)) fail_msg("%s", err.text);
    check(int8, MODEL, (rule){ .div = 127, .lowest = -127 });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_own),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
