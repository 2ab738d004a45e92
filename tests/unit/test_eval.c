/* tests/unit/test_eval.c - labels, metrics, comparisons and gates of every task, outputs made up.
 * Read next: lib/eval/report.h; tests/golden/test_stats.c for the arithmetic. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/eval/report.h"
#include "tests/scratch.h"

static char *folder;

static int make_folder(void **state)
{
    (void)state;
    folder = scratch_new();
    return folder ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    return scratch_drop(folder);
}

static pe_eval_set *open_rows(const char *text, const char *text2)
{
    const char *path = scratch_path(folder, "rows.tsv");
    pe_data_params columns = { .text2 = text2 };
    pe_eval_set *set = NULL;
    pe_error err = { 0 };
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    if (pe_eval_set_open(&set, &path, 1, &columns, &err)) fail_msg("%s", err.text);
    return set;
}

static const char *labels[] = { "A", "B", "C" };

/* Scores as pe_scores_new leaves them, with outputs from the test. */
static pe_status make_scores(pe_scores **out, const pe_eval_set *set, pe_eval_task task,
                             uint32_t nlabels, size_t width, const float *values, pe_error *err)
{
    pe_arena *arena = NULL;
    pe_scores *s;
    pe_status st;

    assert_int_equal(pe_arena_new(&arena, 4096, NULL), PE_OK);
    s = pe_arena_zalloc(arena, 1, sizeof *s);
    s->arena = arena;
    s->task = task;
    s->nlabels = nlabels;
    s->labels = labels;
    s->width = width;
    s->path = s->family = s->weights = "made up";
    st = pe_gold_match(s, set, err);
    if (st) {
        pe_scores_free(s);
        return st;
    }
    s->out = pe_arena_zalloc(arena, s->nunits, width * sizeof *s->out);
    memcpy(s->out, values, s->nunits * width * sizeof *s->out);
    *out = s;
    return PE_OK;
}

static pe_scores *scores(const pe_eval_set *set, pe_eval_task task, uint32_t nlabels, size_t width,
                         const float *values)
{
    pe_scores *s = NULL;
    pe_error err = { 0 };

    if (make_scores(&s, set, task, nlabels, width, values, &err)) fail_msg("%s", err.text);
    return s;
}

static double at(const json_t *o, const char *a, const char *b, const char *c)
{
    const json_t *v = json_object_get(json_object_get(o, a), b);

    if (c) v = json_object_get(v, c);
    if (!json_is_number(v)) fail_msg("no number at %s.%s", a, b);
    return json_number_value(v);
}

#define NEAR(got, want) assert_true(fabs((got) - (want)) < 1e-9)

static void test_tokens(void **state)
{
    /* five words in two rows; right are 1, 3 and 4 */
    static const float out[] = { 2, 1, 0, 2, 1, 0, 0, 1, 3, 0, 2, 1, 1, 0, 0 };
    pe_eval_set *set = open_rows("label\ttext\nA B  C\tx yy zzz\nB C\t v w\n", NULL);
    pe_scores *s = scores(set, PE_TASK_TOKENS, 3, 3, out);
    pe_eval_params p = { .max_drop = -1 };
    json_t *o = NULL;

    (void)state;
    assert_int_equal(s->nunits, 5);
    assert_int_equal(s->unit[1], 3);
    assert_int_equal(s->gold[4], 2);
    assert_int_equal(pe_eval_report(&o, set, s, NULL, &p, NULL), PE_OK);
    NEAR(at(o, "metrics", "accuracy", "value"), 0.6);
    assert_int_equal(json_integer_value(json_object_get(o, "units")), 5);
    json_decref(o);
    pe_scores_free(s);
    pe_eval_set_close(set);
}

static void test_multilabel(void **state)
{
    static const float out[] = { 1, -1, 2, -1, -1, -1, 3, 3, -3 };
    static const float base[] = { 1, -1, 2, -1, -1, 1, 3, -3, -3 };
    pe_eval_set *set = open_rows("label\ttext\nA, C\tx\n\ty\nA\tz\n", NULL);
    pe_scores *s = scores(set, PE_TASK_MULTILABEL, 3, 3, out);
    pe_scores *b = scores(set, PE_TASK_MULTILABEL, 3, 3, base);
    pe_eval_params p = { .max_drop = 0.9 };
    json_t *o = NULL;

    (void)state;
    /* no rows are lost, but three are too few to be sure of much */
    assert_int_equal(pe_eval_report(&o, set, s, b, &p, NULL), PE_OK);
    NEAR(at(o, "metrics", "accuracy", "value"), 2.0 / 3);
    NEAR(at(o, "metrics", "micro_f1", "value"), 2.0 * 3 / (3 + 4));
    NEAR(at(o, "metrics", "macro_f1", "value"), (1.0 + 0.0 + 1.0) / 3);
    NEAR(at(o, "metrics", "nll", "value"),
         (2 * log1p(exp(-1)) + log1p(exp(-2)) + 3 * log1p(exp(-1)) + 2 * log1p(exp(-3)) + 3 +
          log1p(exp(-3))) /
             9);
    NEAR(at(o, "paired", "agree", NULL), 1.0 / 3);
    NEAR(at(o, "paired", "right_to_wrong", NULL), 1);
    NEAR(at(o, "paired", "wrong_to_right", NULL), 1);
    json_decref(o);
    pe_scores_free(s);
    pe_scores_free(b);
    pe_eval_set_close(set);
}

static void test_regress(void **state)
{
    static const float out[] = { 1, 2, 3, 5 }, base[] = { 1, 2, 4, 3 };
    pe_eval_set *set = open_rows("label\ttext\n1\tx\n2\ty\n3.0\tz\n4e0\tw\n", NULL);
    pe_scores *s = scores(set, PE_TASK_REGRESS, 1, 1, out);
    pe_scores *b = scores(set, PE_TASK_REGRESS, 1, 1, base);
    pe_eval_params p = { .max_drop = -1 };
    json_t *o = NULL;

    (void)state;
    assert_string_equal(s->match, "numbers");
    assert_int_equal(pe_eval_report(&o, set, s, b, &p, NULL), PE_OK);
    NEAR(at(o, "metrics", "mse", "value"), 0.25);
    NEAR(at(o, "metrics", "spearman", "value"), 1.0);
    NEAR(at(o, "metrics", "pearson", "value"), 6.5 / sqrt(5 * 8.75));
    NEAR(at(json_object_get(o, "baseline"), "metrics", "spearman", "value"), 0.8);
    NEAR(at(o, "paired", "max_abs_diff", NULL), 2.0);
    NEAR(at(o, "paired", "spearman", NULL), 0.8);
    json_decref(o);
    pe_scores_free(s);
    pe_scores_free(b);
    pe_eval_set_close(set);
}

static void test_embed(void **state)
{
    static const float out[] = { 1, 0, 0, 1, 1, 1 }, base[] = { 2, 0, 0, 3, 1, 0 };
    pe_eval_set *set = open_rows("text\nx\ny\nz\n", NULL);
    pe_scores *s = scores(set, PE_TASK_EMBED, 0, 2, out),
              *b = scores(set, PE_TASK_EMBED, 0, 2, base);
    pe_eval_params p = { .max_drop = 0.5 };
    json_t *o = NULL;
    pe_error err = { 0 };

    (void)state;
    assert_int_equal(pe_eval_report(&o, set, s, b, &p, NULL), PE_OK);
    NEAR(at(o, "metrics", "cosine", "value"), (1 + 1 + sqrt(0.5)) / 3);
    NEAR(at(o, "gate", "drop", NULL), 1 - (2 + sqrt(0.5)) / 3);
    NEAR(at(o, "paired", "cosine_min", NULL), sqrt(0.5));
    json_decref(o);
    o = NULL;
    p.metric = "accuracy";
    assert_int_equal(pe_eval_report(&o, set, s, b, &p, &err), PE_E_ARG);
    assert_non_null(strstr(err.text, "cosine"));
    pe_scores_free(s);
    pe_scores_free(b);
    pe_eval_set_close(set);
}

/* Similarities of pairs against gold ones. */
static void test_pairs(void **state)
{
    static const float out[] = { 1, 0, 1, 0, 1, 0 };
    static float out2[] = { 1, 0, 0, 1, 1, 1 };
    pe_eval_set *set = open_rows("label\ttext\tsecond\n5\tx\ta\n1\ty\tb\n3\tz\tc\n", "second");
    pe_scores *s = scores(set, PE_TASK_EMBED, 0, 2, out);
    pe_eval_params p = { .max_drop = -1 };
    json_t *o = NULL;

    (void)state;
    assert_int_equal(pe_eval_report(&o, set, s, NULL, &p, NULL), PE_E_INPUT); /* no second texts */
    s->out2 = out2;
    assert_int_equal(pe_eval_report(&o, set, s, NULL, &p, NULL), PE_OK);
    NEAR(at(o, "metrics", "spearman", "value"), 1.0);
    json_decref(o);
    pe_scores_free(s);
    pe_eval_set_close(set);
}

/* Equal accuracy with every answer changed is still three flips each way. */
static void test_flips_and_gate(void **state)
{
    static const float right[] = { 9, 0, 0, 9, 9, 0, 0, 9, 9, 0, 0, 9 };
    static const float wrong[] = { 0, 9, 9, 0, 0, 9, 9, 0, 0, 9, 9, 0 };
    pe_eval_set *set = open_rows("label\ttext\nA\tx\n1\ty\nA\tz\nB\tx\n0\tx\nB\tx\n", NULL);
    pe_scores *s = NULL, *b;
    pe_eval_params p = { .max_drop = 0.1 };
    json_t *o = NULL;
    pe_error err = { 0 };

    (void)state;
    /* names and ids must not be mixed */
    assert_int_equal(make_scores(&s, set, PE_TASK_CLASSIFY, 2, 2, right, &err), PE_E_INPUT);
    assert_non_null(strstr(err.text, "rows.tsv:3: found label '1'"));
    pe_eval_set_close(set);
    set = open_rows("label\ttext\nA\tx\nB\ty\nA\tz\nB\tx\nA\tx\nB\tx\n", NULL);
    s = scores(set, PE_TASK_CLASSIFY, 2, 2, wrong);
    b = scores(set, PE_TASK_CLASSIFY, 2, 2, right);
    assert_int_equal(pe_eval_report(&o, set, s, b, &p, &err), PE_E_NEGATIVE);
    NEAR(at(o, "gate", "drop", NULL), 1.0);
    NEAR(at(o, "gate", "upper95", NULL), 1.0);
    NEAR(at(o, "paired", "right_to_wrong", NULL), 6);
    assert_true(at(o, "paired", "kl_mean", NULL) > 8);
    assert_string_equal(json_string_value(json_object_get(json_object_get(o, "gate"), "verdict")),
                        "FAIL");
    json_decref(o);
    p.confidence = 0.9;
    assert_int_equal(pe_eval_report(&o, set, b, s, &p, &err), PE_OK); /* the other way round */
    NEAR(at(o, "gate", "drop", NULL), -1.0);
    NEAR(at(o, "gate", "lower90", NULL), -1.0);
    json_decref(o);
    b->labels = labels + 1;
    assert_int_equal(pe_eval_report(&o, set, b, s, &p, &err), PE_E_ARG);
    assert_non_null(strstr(err.text, "label 0 'A'"));
    pe_scores_free(s);
    pe_scores_free(b);
    pe_eval_set_close(set);
}

/* The gate's answer for `lost` of six rows that became wrong, against a margin. */
static json_t *gate_of(pe_error *err, pe_status want, size_t lost, double max_drop)
{
    static const float right[] = { 9, 0, 0, 9, 9, 0, 0, 9, 9, 0, 0, 9 };
    float out[12];
    pe_eval_set *set = open_rows("label\ttext\nA\tx\nB\ty\nA\tz\nB\tx\nA\tx\nB\tx\n", NULL);
    pe_eval_params p = { .max_drop = max_drop };
    json_t *o = NULL;

    for (size_t i = 0; i < 12; i++) out[i] = i < 2 * lost ? 9 - right[i] : right[i];
    pe_scores *s = scores(set, PE_TASK_CLASSIFY, 2, 2, out);
    pe_scores *b = scores(set, PE_TASK_CLASSIFY, 2, 2, right);
    assert_int_equal(pe_eval_report(&o, set, s, b, &p, err), want);
    pe_scores_free(s);
    pe_scores_free(b);
    pe_eval_set_close(set);
    return o;
}

static void says(const pe_error *err, const char *fmt, ...)
{
    char want[200];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(want, sizeof want, fmt, ap);
    va_end(ap);
    if (!strstr(err->text, want)) fail_msg("expected '%s' in: %s", want, err->text);
}

/* A refusal names the bound that decided, and how many rows would decide where these cannot. */
static void test_gate_messages(void **state)
{
    pe_error err = { 0 };
    json_t *o = gate_of(&err, PE_E_NEGATIVE, 5, 0.1);

    (void)state;
    says(&err, "accuracy dropped by %.4f, at least %.4f with 95 %%", 5.0 / 6,
         pe_tango(6, 5, 0, 0.95).lower);
    says(&err, "at most 0.1;");
    json_decref(o);
    o = gate_of(&err, PE_E_INCONCLUSIVE, 1, 0.1);
    says(&err, "between %.4f and %.4f", pe_tango(6, 1, 0, 0.95).lower,
         pe_tango(6, 1, 0, 0.95).upper);
    says(&err, "6 rows cannot tell; about %d rows would decide",
         (int)pe_tango_rows(6, 1, 0, 0.95, 0.1));
    NEAR(at(o, "gate", "rows_to_decide", NULL), (double)pe_tango_rows(6, 1, 0, 0.95, 0.1));
    json_decref(o);
    o = gate_of(&err, PE_E_INCONCLUSIVE, 3, 0.5); /* the margin itself */
    says(&err, "no number of rows would");
    assert_true(json_is_null(json_object_get(json_object_get(o, "gate"), "rows_to_decide")));
    json_decref(o);
}

static void refused(const char *rows, pe_eval_task task, const char *says)
{
    pe_eval_set *set = open_rows(rows, NULL);
    pe_scores *s = NULL;
    pe_error err = { 0 };

    assert_int_equal(make_scores(&s, set, task, 3, 3, NULL, &err), PE_E_INPUT);
    if (!strstr(err.text, says)) fail_msg("expected '%s' in: %s", says, err.text);
    pe_eval_set_close(set);
}

static void test_bad_labels(void **state)
{
    (void)state;
    refused("label\ttext\n3\tx\n", PE_TASK_CLASSIFY, "rows.tsv:2: found label '3'");
    refused("label\ttext\n01\tx\n", PE_TASK_CLASSIFY, "'A', 'B', 'C' or an id 0..2");
    refused("label\ttext\nA\tx\n\ty\n", PE_TASK_CLASSIFY, "rows.tsv:3: found an empty label");
    refused("label\ttext\nA,D\tx\n", PE_TASK_MULTILABEL, "found label 'D'");
    refused("label\ttext\nA B\tx\n", PE_TASK_TOKENS, "2 labels for 1 words");
    refused("label\ttext\nnan\tx\n", PE_TASK_REGRESS, "finite number");
    refused("label\ttext\n1.5x\tx\n", PE_TASK_REGRESS, "finite number");
    refused("mark\ttext\n1\tx\n", PE_TASK_CLASSIFY, "found no label");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),     cmocka_unit_test(test_multilabel),
        cmocka_unit_test(test_regress),    cmocka_unit_test(test_embed),
        cmocka_unit_test(test_pairs),      cmocka_unit_test(test_flips_and_gate),
        cmocka_unit_test(test_bad_labels), cmocka_unit_test(test_gate_messages),
    };

    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
