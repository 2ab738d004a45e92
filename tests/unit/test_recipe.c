/* tests/unit/test_recipe.c - recipes: what is read, and where each mistake is said to be.
 * Read next: lib/recipe/schema.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/recipe/recipe_impl.h"

static char path[64];

static void write_recipe(const char *text, size_t n)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static int make_path(void **state)
{
    int fd;

    (void)state;
    strcpy(path, "/tmp/pe-test-recipe-XXXXXX");
    fd = mkstemp(path);
    if (fd < 0) return -1;
    return close(fd);
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

#define HEAD  "version: 1\nmodel: m\ndata: {dev: d/dev.tsv, cal: /c.tsv}\nsteps:\n"
#define PRUNE HEAD "  - prune: {sparsity: 0.3}\n"

static void test_whole(void **state)
{
    static const char text[] =
        HEAD "  - prune: {sparsity: 0.25, scope: global, pattern: 1x4, only: ['a*', b], skip: c}\n"
             "    gate: {data: dev, max_drop: 0.5, metric: macro_f1}\n"
             "  - quantize: {calib: cal, calib-rows: 7, range: 'percentile:99.9', keep_float: x,\n"
             "    attention: float}\n"
             "  - eval: {data: [cal, other/x.tsv], limit: 3}\n"
             "  - convert: {layout: csr, dtype: bf16, block: 8}\n"
             "seed: 9\ncolumns: {text2: t2}\n"
             "gate: {task: classify, data: [dev], max_drop: 0.02, confidence: 0.9}\n";
    pe_recipe *r = NULL;
    pe_error err = { 0 };
    const pe_step *s;

    (void)state;
    write_recipe(text, sizeof text - 1);
    if (pe_recipe_open(&r, path, &err)) fail_msg("%s", err.text);
    assert_string_equal(r->model, "/tmp/m");
    assert_int_equal(r->seed, 9);
    assert_string_equal(r->text2_column, "t2");
    assert_int_equal(r->nsteps, 4);
    s = &r->steps[0];
    assert_int_equal(s->op, PE_STEP_PRUNE);
    assert_true(s->prune.sparsity == 0.25);
    assert_string_equal(s->prune.scope, "global");
    assert_string_equal(s->prune.pattern, "1x4");
    assert_int_equal(s->picks.n, 3);
    assert_string_equal(s->picks.v[0].glob, "a*");
    assert_false(s->picks.v[1].skip);
    assert_true(s->picks.v[2].skip);
    assert_true(s->gate.at && s->gate.max_drop == 0.5);
    assert_string_equal(s->gate.metric, "macro_f1");
    assert_string_equal(s->gate.data.v[0].path, "/tmp/d/dev.tsv");
    s = &r->steps[1];
    assert_string_equal(s->calib.path, "/c.tsv");
    assert_int_equal(s->calib_rows, 7);
    assert_int_equal(s->keep_float.n, 1);
    assert_string_equal(s->quant.range, "percentile:99.9");
    assert_string_equal(s->quant.attention, "float");
    s = &r->steps[2];
    assert_int_equal(s->op, PE_STEP_EVAL);
    assert_int_equal(s->eval.data.n, 2);
    assert_string_equal(s->eval.data.v[1].path, "/tmp/other/x.tsv");
    assert_true(s->eval.max_drop < 0 && s->eval.limit == 3);
    s = &r->steps[3];
    assert_string_equal(s->convert.dtype, "bf16");
    assert_int_equal(s->block, 8);
    assert_true(r->gate.max_drop == 0.02 && r->gate.confidence == 0.9);
    assert_int_equal(json_object_size(r->steps[1].params), 5);
    assert_int_equal(json_integer_value(json_object_get(r->steps[1].params, "calib_rows")), 7);
    pe_recipe_close(r);
}

typedef struct mistake {
    const char *text;
    int line, column;
    const char *says;
} mistake;

/* Each: the recipe, where its mistake is, and a word of the message. */
static const mistake mistakes[] = {
    { "", 1, 1, "found nothing" },
    { "# only a comment\n", 1, 1, "found nothing" },
    { "version: 1\n\tmodel: m\n", 2, 1, "" },
    { "version: 1\nmodel: [m\n", 3, 1, "" },
    { "version: 1\nmodel: 'm\n", 3, 1, "" },
    { "- a\n", 1, 1, "expected a map" },
    { "text\n", 1, 1, "expected a map" },
    { PRUNE "colour: red\n", 6, 1, "'colour'" },
    { PRUNE "seed: 1\nseed: 2\n", 7, 1, "again, first on line 6" },
    { PRUNE "? [a]\n: b\n", 6, 3, "as a key" },
    { PRUNE "seed: &a 1\n", 6, 7, "anchor" },
    { PRUNE "seed: *a\n", 6, 7, "alias" },
    { PRUNE "seed: !!int 1\n", 6, 7, "tag" },
    { PRUNE "seed: !x 1\n", 6, 7, "tag" },
    { "%YAML 1.1\n---\nversion: 1\n", 1, 1, "directive" },
    { PRUNE "---\nversion: 1\n", 6, 1, "second document" },
    { "model: m\nsteps: []\n", 1, 1, "'version'" },
    { "version: 1\nsteps: []\n", 1, 1, "'model'" },
    { "version: 1\nmodel: m\n", 1, 1, "'steps'" },
    { "version: 2\nmodel: m\n", 1, 10, "version" },
    { "version: '1'\nmodel: m\n", 1, 10, "version" },
    { "version: 1\nmodel:\nsteps: []\n", 2, 7, "model" },
    { "version: 1\nmodel: [m]\nsteps: []\n", 2, 8, "found a list" },
    { "version: 1\nmodel: null\nsteps: []\n", 2, 8, "model" },
    { "version: 1\nmodel: m\nsteps: []\n", 3, 8, "one step or more" },
    { "version: 1\nmodel: m\nsteps: {prune: {}}\n", 3, 8, "list" },
    { HEAD "  - 5\n", 5, 5, "bare value" },
    { HEAD "  - prun: {sparsity: 0.3}\n", 5, 5, "'prun'" },
    { HEAD "  - prune: 0.3\n", 5, 12, "map of keys" },
    { HEAD "  - prune: {}\n", 5, 12, "'sparsity'" },
    { HEAD "  - prune: {sparsity: 0.3}\n    quantize: {}\n", 6, 5, "beside 'prune'" },
    { HEAD "  - gate: {data: dev, max_drop: 0}\n", 5, 5, "found no step" },
    { HEAD "  - prune: {sparsity: 1.0}\n", 5, 23, "less than 1" },
    { HEAD "  - prune: {sparsity: -0.1}\n", 5, 23, "from 0" },
    { HEAD "  - prune: {sparsity: .5}\n", 5, 23, "number" },
    { HEAD "  - prune: {sparsity: 0x1}\n", 5, 23, "number" },
    { HEAD "  - prune: {sparsity: nan}\n", 5, 23, "number" },
    { HEAD "  - prune: {sparsity: 1e999}\n", 5, 23, "number" },
    { HEAD "  - prune: {sparsity: '0.3'}\n", 5, 23, "number" },
    { HEAD "  - prune: {sparsity: yes}\n", 5, 23, "number" },
    { HEAD "  - prune: {sparsity: 0.3, scope: all}\n", 5, 35, "one of: layer global row" },
    { HEAD "  - prune: {sparsity: 0.3, sparsty: 1}\n", 5, 28, "'sparsty'" },
    { HEAD "  - prune: {sparsity: 0.3, pattern: 4:2}\n", 5, 37, "N:M" },
    { HEAD "  - prune: {sparsity: 0.3, pattern: 1x0}\n", 5, 37, "N:M" },
    { HEAD "  - prune: {sparsity: 0.3, pattern: 1x}\n", 5, 37, "N:M" },
    { HEAD "  - prune: {sparsity: 0.3, pattern: 2:4}\n", 5, 23, "one of the two" },
    { HEAD "  - prune: {sparsity: 0.3, layout: rows}\n", 5, 36, "layout" },
    { HEAD "  - prune: {sparsity: 0.3, only: []}\n", 5, 34, "empty list" },
    { HEAD "  - prune: {sparsity: 0.3, only: [a, [b]]}\n", 5, 38, "found a list" },
    { HEAD "  - prune: {sparsity: 0.3, keep_float: a}\n", 5, 28, "'keep_float'" },
    { HEAD "  - quantize: {calib-rows: 1, calib_rows: 2, calib: cal}\n", 5, 31, "again" },
    { HEAD "  - quantize: {calib: calb}\n", 5, 23, "name from data" },
    { HEAD "  - quantize: {activations: static}\n", 5, 15, "without 'calib'" },
    { HEAD "  - quantize: {max_error: 0.1}\n", 5, 15, "without 'calib'" },
    { HEAD "  - quantize: {range: 'percentile:0'}\n", 5, 23, "percentile" },
    { HEAD "  - quantize: {range: percentile}\n", 5, 23, "percentile" },
    { HEAD "  - quantize: {scheme: w4a4}\n", 5, 24, "w8a8 w8a16" },
    { HEAD "  - quantize: {attention: int4}\n", 5, 27, "int8 float" },
    { HEAD "  - quantize: {scheme: w8a16, attention: int8}\n", 5, 42, "attention int8" },
    { HEAD "  - quantize: {symmetric: yes}\n", 5, 27, "true or false" },
    { HEAD "  - quantize: {calib_rows: 1.5}\n", 5, 28, "whole number" },
    { HEAD "  - quantize: {calib_rows: 010}\n", 5, 28, "whole number" },
    { HEAD "  - quantize: {calib_rows: 99999999999999999999}\n", 5, 28, "whole number" },
    { HEAD "  - convert: {}\n", 5, 14, "neither" },
    { HEAD "  - convert: {layout: dense, block: 0}\n", 5, 37, "whole number" },
    { HEAD "  - eval: {data: dev}\n", 5, 3, "only eval" },
    { HEAD "  - eval: {data: dev, max_drop: 0.1}\n", 5, 11, "gate" },
    { HEAD "  - eval: {limit: 3}\n", 5, 11, "'data'" },
    { PRUNE "gate: {max_drop: 0.1}\n", 6, 7, "'data'" },
    { PRUNE "gate: {data: dev}\n", 6, 7, "'max_drop'" },
    { PRUNE "gate: {data: [dev, dev], max_drop: 0}\n", 6, 20, "each file once" },
    { PRUNE "gate: {data: dev, max_drop: 0, confidence: 1.0}\n", 6, 44, "less than 1" },
    { PRUNE "gate: {data: dev, max_drop: 0, task: guess}\n", 6, 38, "classify" },
    { PRUNE "    gate: {data: tes, max_drop: 0}\n", 6, 18, "name from data" },
    { PRUNE "columns: {txt: a}\n", 6, 11, "'txt'" },
    { PRUNE "seed: -1\n", 6, 7, "whole number" },
    { "version: 1\nmodel: m\ndata: [a]\nsteps: []\n", 3, 7, "names and files" },
    { "version: 1\nmodel: \"a\\0b\"\n", 2, 8, "zero byte" },
    { "a: [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]\n", 1, 19, "16 levels" },
};

static void test_mistakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        const mistake *m = &mistakes[i];
        char place[128];
        pe_error err = { 0 };
        pe_recipe *r = NULL;
        write_recipe(m->text, strlen(m->text));
        if (pe_recipe_open(&r, path, &err) != PE_E_INPUT)
            fail_msg("recipe %zu: expected it refused, got %d %s\n%s", i, err.status, err.text,
                     m->text);
        snprintf(place, sizeof place, "%s:%d:%d: ", path, m->line, m->column);
        if (strncmp(err.text, place, strlen(place)) != 0 || !strstr(err.text, m->says))
            fail_msg("recipe %zu: expected %s... %s ..., got %s", i, place, m->says, err.text);
    }
}

static void expect(const char *text, size_t n, pe_status want, const char *says)
{
    pe_error err = { 0 };
    pe_recipe *r = NULL;

    write_recipe(text, n);
    assert_int_equal(pe_recipe_open(&r, path, &err), want);
    if (!strstr(err.text, says)) fail_msg("expected '%s' in: %s", says, err.text);
}

static void test_unsupported(void **state)
{
    static const char distill[] = HEAD "  - distill: {teacher: m}\n",
                      gradual[] = HEAD "  - prune: {sparsity: 0.3, gradual: cubic}\n";

    (void)state;
    expect(distill, sizeof distill - 1, PE_E_UNSUPPORTED, ":5:5: found step 'distill'");
    expect(gradual, sizeof gradual - 1, PE_E_UNSUPPORTED, ":5:28: gradual");
}

static void test_hostile(void **state)
{
    static char many[40000], big[(1 << 20) + 16], deep[60000];
    size_t n = 0;
    pe_recipe *r = NULL;
    pe_error err = { 0 };

    (void)state;
    for (int i = 0; i < 2000; i++) n += (size_t)snprintf(many + n, sizeof many - n, "k%d: 1\n", i);
    expect(many, n, PE_E_INPUT, "more than 1000 items");
    memset(big, '#', sizeof big);
    expect(big, sizeof big, PE_E_INPUT, path);
    memset(deep, '[', sizeof deep);
    expect(deep, sizeof deep, PE_E_INPUT, "16 levels");
    expect("a: \xff\xfe\n", 6, PE_E_INPUT, "UTF-8");
    expect("a: \x01\n", 5, PE_E_INPUT, path);
    assert_int_equal(pe_recipe_open(&r, "/nonexistent/r.yaml", &err), PE_E_NOTFOUND);
    assert_int_equal(pe_recipe_open(&r, "/nonexistent/r.yaml", NULL), PE_E_NOTFOUND);
}

/* Every prefix of a good recipe is read or refused, never worse. */
static void test_truncated(void **state)
{
    static const char text[] =
        PRUNE "  - quantize: {calib: cal, only: ['a', \"b\"]}\ngate: {data: dev, max_drop: 0.1}\n";

    (void)state;
    for (size_t n = 0; n < sizeof text; n++) {
        pe_recipe *r = NULL;
        pe_error err = { 0 };
        pe_status st;
        write_recipe(text, n < sizeof text - 1 ? n : sizeof text - 1);
        st = pe_recipe_open(&r, path, &err);
        assert_true(st == PE_OK || st == PE_E_INPUT);
        if (!st) pe_recipe_close(r);
        else assert_true(strncmp(err.text, path, strlen(path)) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),       cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_unsupported), cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_truncated),
    };

    return cmocka_run_group_tests(tests, make_path, remove_path);
}
