/* tests/golden/test_run_dump.c - the golden models through the tool: pe-run --ids with padding on
 * either side, --dump and the words for a mask compared with what transformers gave for the rows as
 * they were padded. Read next: tools/pe-run.c, tests/golden/test_models.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/goldfile.h"
#include "tests/scratch.h"

#define MODELS "tests/golden/data/models/"

static char *folder;
static char tool[4096];

/* build/MODE/tests/golden/this -> build/MODE/bin/pe-run */
static int find_tool(void **state)
{
    (void)state;
    ssize_t n = readlink("/proc/self/exe", tool, sizeof tool - 32);
    if (n < 0) return -1;
    tool[n] = '\0';
    char *at = strstr(tool, "/tests/golden/");
    if (!at) return -1;
    strcpy(at, "/bin/pe-run");
    return (folder = scratch_new()) ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    return scratch_drop(folder);
}

static size_t dim(gold_tensors t, const char *name, size_t axis)
{
    const json_t *shape = json_object_get(json_object_get(t.head, name), "shape");
    return (size_t)json_integer_value(json_array_get(shape, axis));
}

/* Every row of a case as one JSON line. */
static size_t write_ids(const char *path, gold_tensors in, const char *label)
{
    static const char *const keys[] = { "input_ids", "attention_mask", "token_type_ids",
                                        "task_type_ids" };
    char name[64];
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    snprintf(name, sizeof name, "%s.input_ids", label);
    size_t rows = dim(in, name, 0), width = dim(in, name, 1), n;
    for (size_t r = 0; r < rows; r++) {
        for (size_t k = 0; k < 4; k++) {
            snprintf(name, sizeof name, "%s.%s", label, keys[k]);
            if (!json_object_get(in.head, name)) continue;
            const int32_t *v = gold_tensor(in, name, &n);
            fprintf(f, "%s\"%s\": [", k ? ", " : "{", keys[k]);
            for (size_t i = 0; i < width; i++)
                fprintf(f, "%s%d", i ? ", " : "", (int)v[r * width + i]);
            fprintf(f, "]");
        }
        fprintf(f, "}\n");
    }
    assert_int_equal(fclose(f), 0);
    return rows;
}

/* Tensor "ROW.what" of the dump against row ROW of "CASE.what"; returns how many rows there were.
 */
static size_t compare(gold_tensors got, gold_tensors want, const char *label, const char *what,
                      size_t rows)
{
    char name[64], mine[64];
    size_t n, per_row;
    snprintf(name, sizeof name, "%s.%s", label, what);
    if (!json_object_get(want.head, name)) return 0;
    const float *expected = gold_tensor(want, name, &n);
    for (size_t r = 0; r < rows; r++) {
        snprintf(mine, sizeof mine, "%zu.%s", r, what);
        const float *x = gold_tensor(got, mine, &per_row);
        assert_int_equal(per_row, n / rows);
        for (size_t i = 0; i < per_row; i++)
            gold_near((double)x[i], (double)expected[r * per_row + i], 5e-5, 5e-5, mine);
    }
    return rows;
}

static void run_case(const char *model, const char *label)
{
    char command[16000], ids[4096], dump[4096], file[300];
    snprintf(file, sizeof file, MODELS "%s/inputs.safetensors", model);
    gold_tensors in = gold_tensors_open(file);
    snprintf(file, sizeof file, MODELS "%s/expected.safetensors", model);
    gold_tensors want = gold_tensors_open(file);
    snprintf(ids, sizeof ids, "%s", scratch_path(folder, "ids.jsonl"));
    snprintf(dump, sizeof dump, "%s", scratch_path(folder, "dump.safetensors"));
    size_t rows = write_ids(ids, in, label), found = 0;
    snprintf(command, sizeof command,
             "'%s' " MODELS "%s --ids '%s' --dump '%s' -b 2 -j2 > /dev/null", tool, model, ids,
             dump);
    assert_int_equal(system(command), 0);
    gold_tensors got = gold_tensors_open(dump);
    static const char *const names[] = { "logits", "hidden_0", "hidden_1", "hidden_2" };
    for (size_t i = 0; i < 4; i++) found += compare(got, want, label, names[i], rows);
    assert_true(found >= 3 * rows);
    gold_tensors_close(got);
    gold_tensors_close(want);
    gold_tensors_close(in);
}

static void test_all(void **state)
{
    static const char *const models[] = { "bert_cls",       "bert_embed", "bert_f16",
                                          "bert_gamma",     "bert_mlm",   "bert_tok",
                                          "distilbert_cls", "ernie_cls",  "roberta_cls",
                                          "xlm_roberta_tok" };
    static const char *const cases[] = { "a", "b", "c" };
    (void)state;
    for (size_t m = 0; m < sizeof models / sizeof *models; m++)
        for (size_t c = 0; c < 3; c++) run_case(models[m], cases[c]);
}

/* The masked model with a vocabulary in which the token `mask` is [MASK]. */
static void write_masked(const char *dir, int mask)
{
    char command[9000], path[4200];
    snprintf(command, sizeof command,
             "mkdir -p '%s' && cp " MODELS "bert_mlm/config.json " MODELS "bert_mlm/model* '%s'",
             dir, dir);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof path, "%s/vocab.txt", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("[PAD]\n[UNK]\n[CLS]\n[SEP]\n", f);
    for (int i = 4; i < 67; i++)
        if (i == mask) fputs("[MASK]\n", f);
        else fprintf(f, "w%d\n", i);
    assert_int_equal(fclose(f), 0);
}

/* Two best words of a place: ids, and the share of the first. */
static void check_best(const json_t *top, const float *x, size_t n)
{
    size_t best = 0, next;
    double sum = 0;
    assert_int_equal(json_array_size(top), 2);
    for (size_t i = 1; i < n; i++) best = x[i] > x[best] ? i : best;
    next = best == 0;
    for (size_t i = 0; i < n; i++) next = i != best && x[i] > x[next] ? i : next;
    for (size_t i = 0; i < n; i++) sum += exp((double)(x[i] - x[best]));
    assert_int_equal(gold_num(json_array_get(top, 0), "id"), best);
    assert_int_equal(gold_num(json_array_get(top, 1), "id"), next);
    gold_near(gold_num(json_array_get(top, 0), "score"), 1 / sum, 1e-4, 0, "score");
}

/* Row r of the answers: an entry for each place of the row as given that holds `mask`. */
static size_t check_masks(const json_t *masks, gold_tensors in, gold_tensors want,
                          const char *label, size_t r, int mask)
{
    char name[64];
    size_t n, all, found = 0;
    snprintf(name, sizeof name, "%s.input_ids", label);
    const int32_t *ids = gold_tensor(in, name, &n);
    size_t width = dim(in, name, 1);
    snprintf(name, sizeof name, "%s.logits", label);
    const float *logits = gold_tensor(want, name, &all);
    size_t nwords = all / n;
    for (size_t i = r * width; i < (r + 1) * width; i++) {
        if (ids[i] != mask) continue;
        const json_t *entry = json_array_get(masks, found++);
        assert_int_equal(gold_num(entry, "place"), i - r * width);
        check_best(json_object_get(entry, "top"), logits + i * nwords, nwords);
    }
    assert_int_equal(json_array_size(masks), found);
    return found;
}

static size_t run_masked(const char *label, int mask)
{
    static char line[1 << 16];
    char command[16000], dir[4096], ids[4096];
    gold_tensors in = gold_tensors_open(MODELS "bert_mlm/inputs.safetensors");
    gold_tensors want = gold_tensors_open(MODELS "bert_mlm/expected.safetensors");
    size_t found = 0;
    snprintf(dir, sizeof dir, "%s", scratch_path(folder, "masked"));
    snprintf(ids, sizeof ids, "%s", scratch_path(folder, "ids.jsonl"));
    write_masked(dir, mask);
    size_t rows = write_ids(ids, in, label);
    snprintf(command, sizeof command, "'%s' '%s' --ids '%s' --json --top 2", tool, dir, ids);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    for (size_t r = 0; r < rows; r++) {
        assert_non_null(fgets(line, sizeof line, f));
        json_t *o = json_loads(line, 0, NULL);
        found += check_masks(json_object_get(o, "masks"), in, want, label, r, mask);
        json_decref(o);
    }
    assert_int_equal(pclose(f), 0);
    gold_tensors_close(want);
    gold_tensors_close(in);
    return found;
}

/* Each [MASK] with its place and words: two in a row, one, none; a row padded on the left. */
static void test_masks(void **state)
{
    (void)state;
    assert_int_equal(run_masked("a", 51), 3);
    assert_int_equal(run_masked("c", 48), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_all), cmocka_unit_test(test_masks) };
    return cmocka_run_group_tests(tests, find_tool, drop_folder);
}
