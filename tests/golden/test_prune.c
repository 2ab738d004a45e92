/* tests/golden/test_prune.c - magnitude masks of tensors, rows, lists, N:M groups and blocks,
 * bit for bit as the golden files have them. Read next: lib/prune/lowest.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/kernels.h"
#include "lib/base/json.h"
#include "lib/io/ckpt.h"
#include "lib/prune/pattern.h"
#include "lib/prune/lowest.h"

#define DATA "tests/golden/data/prune_quant/"

typedef struct tensor {
    float *w;
    size_t n, k, nelem;
} tensor;

static pe_ckpt *ckpt;
static pe_pool *pool;

static void open_ckpt(const char *path)
{
    pe_error err = { 0 };

    if (pe_ckpt_open(&ckpt, path, &err)) fail_msg("%s", err.text);
}

static tensor load(const char *name)
{
    const pe_array *a = pe_ckpt_find(ckpt, name);
    pe_error err = { 0 };
    tensor t;

    if (a == NULL) fail_msg("no tensor %s", name);
    t.nelem = (size_t)a->nelem;
    t.n = (size_t)a->shape[0];
    t.k = a->rank > 1 ? (size_t)a->shape[1] : 1;
    t.w = malloc(t.nelem * sizeof *t.w + 1);
    if (pe_ckpt_read_f32(ckpt, a, t.w, &err)) fail_msg("%s", err.text);
    return t;
}

/* `after` has the values of `before` where the mask is 1 and +0 elsewhere; a kept -0 may be +0. */
static void check_mask(const char *name, const float *before, const float *after, size_t n,
                       uint64_t pruned)
{
    const pe_array *a = pe_ckpt_find(ckpt, name);
    uint8_t *mask = malloc(n + 1);
    uint64_t zeros = 0;

    assert_non_null(a);
    assert_int_equal(a->nelem, n);
    assert_int_equal(pe_ckpt_read_dense(ckpt, a, mask, NULL), PE_OK);
    for (size_t i = 0; i < n; i++) {
        float want = mask[i] ? before[i] : 0;
        bool same = want == 0 ? after[i] == 0 : memcmp(&want, &after[i], sizeof want) == 0;

        if (!same)
            fail_msg("%s: element %zu is %g, expected %g", name, i, (double)after[i], (double)want);
        zeros += mask[i] == 0;
    }
    if (pruned != UINT64_MAX) assert_int_equal(zeros, pruned);
    free(mask);
}

/* ---- a source of scores in memory ---- */

typedef struct memory {
    const float *f32;
    const double *f64;
    const uint64_t *first;
} memory;

static pe_status from_memory(pe_scores *out, void *arg, size_t chunk, size_t begin, size_t count,
                             int worker, pe_error *err)
{
    const memory *m = arg;
    (void)worker;
    (void)err;

    out->f32 = m->f32 != NULL ? m->f32 + m->first[chunk] + begin : NULL;
    out->f64 = m->f64 != NULL ? m->f64 + m->first[chunk] + begin : NULL;
    out->n = count;
    return PE_OK;
}

/* Selects over chunks of a length and gives the cut; *first is freed by the caller. */
static pe_cut select_in(const float *f32, const double *f64, size_t n, size_t chunk,
                        double sparsity, uint64_t **first)
{
    size_t nchunks = (n + chunk - 1) / chunk;
    memory m = { f32, f64, NULL };
    pe_select_source src = { &m, nchunks, chunk, NULL, f64 != NULL, 0, from_memory };
    pe_cut cut;

    *first = malloc((nchunks + 1) * sizeof **first);
    for (size_t c = 0; c <= nchunks; c++) (*first)[c] = c * chunk < n ? c * chunk : n;
    src.first = m.first = *first;
    assert_int_equal(pe_select_lowest(&cut, &src, pe_select_count(sparsity, n), pool, NULL), PE_OK);
    return cut;
}

static void prune_tensor(float *w, size_t n, size_t chunk, double sparsity)
{
    uint64_t *first;
    pe_cut cut = select_in(w, NULL, n, chunk, sparsity, &first);

    for (size_t c = 0; first[c] < n; c++)
        pe_pattern_zero_below(pe_kernels_get(NULL), w + first[c], (size_t)(first[c + 1] - first[c]),
                              (float)cut.threshold, cut.keep_equal[c]);
    pe_cut_release(&cut);
    free(first);
}

static float *copy_of(const tensor *t)
{
    float *w = malloc(t->nelem * sizeof *w + 1);

    memcpy(w, t->w, t->nelem * sizeof *w);
    return w;
}

static void case_tensor(const json_t *c)
{
    static const size_t chunks[] = { 1 << 20, 7, 64, 333 };
    double s = json_number_value(json_object_get(c, "sparsity"));
    const char *mask = json_string_value(json_object_get(c, "mask"));
    bool row = strcmp(json_string_value(json_object_get(c, "scope")), "row") == 0;
    tensor t = load(json_string_value(json_object_get(c, "weight")));
    uint32_t *keys = malloc(t.k * sizeof *keys);

    for (size_t i = 0; i < 4; i++) {
        float *w = copy_of(&t);

        if (row) pe_pattern_zero_rows(w, t.n, t.k, s, keys);
        else prune_tensor(w, t.nelem, chunks[i], s);
        check_mask(mask, t.w, w, t.nelem,
                   (uint64_t)json_integer_value(json_object_get(c, "pruned")));
        free(w);
    }
    free(keys);
    free(t.w);
}

static void case_global(const json_t *c)
{
    const json_t *names = json_object_get(c, "weights"), *masks = json_object_get(c, "masks"),
                 *name;
    double s = json_number_value(json_object_get(c, "sparsity"));
    float *all = NULL, *was;
    size_t n = 0, i, at = 0;

    json_array_foreach(names, i, name)
    {
        tensor t = load(json_string_value(name));

        all = realloc(all, (n + t.nelem) * sizeof *all);
        memcpy(all + n, t.w, t.nelem * sizeof *all);
        n += t.nelem;
        free(t.w);
    }
    was = malloc(n * sizeof *was);
    memcpy(was, all, n * sizeof *was);
    prune_tensor(all, n, 100, s);
    json_array_foreach(names, i, name)
    {
        const char *mask = json_string_value(json_object_get(masks, json_string_value(name)));
        size_t len = (size_t)pe_ckpt_find(ckpt, mask)->nelem;

        check_mask(mask, was + at, all + at, len, UINT64_MAX);
        at += len;
    }
    assert_int_equal(at, n);
    free(all);
    free(was);
}

static void case_nm(const json_t *c)
{
    tensor t = load(json_string_value(json_object_get(c, "weight")));
    float *w = copy_of(&t);

    pe_kernels_get(NULL)->prune_nm(w, t.nelem, (int)json_integer_value(json_object_get(c, "n")),
                                   (int)json_integer_value(json_object_get(c, "m")));
    check_mask(json_string_value(json_object_get(c, "mask")), t.w, w, t.nelem, UINT64_MAX);
    free(w);
    free(t.w);
}

static void magnitude(void **state)
{
    json_t *doc = NULL;
    const json_t *c;
    size_t i, ncases = 0;
    (void)state;

    open_ckpt(DATA "magnitude.safetensors");
    assert_int_equal(pe_json_load(&doc, DATA "magnitude.json", 1 << 20, NULL), PE_OK);
    json_array_foreach(json_object_get(doc, "cases"), i, c)
    {
        const char *scope = json_string_value(json_object_get(c, "scope"));

        if (strcmp(scope, "global") == 0) case_global(c);
        else if (strcmp(scope, "n:m") == 0) case_nm(c);
        else case_tensor(c);
        ncases++;
    }
    assert_true(ncases > 50);
    json_decref(doc);
    pe_ckpt_close(ckpt);
}

static void one_block_case(const json_t *c, size_t rows_at_once)
{
    char name[64];
    pe_pattern p;
    tensor t;
    float *w;
    double *scores;
    uint64_t *first, left;
    size_t n, step;
    pe_cut cut;

    assert_int_equal(pe_pattern_parse(&p, json_string_value(json_object_get(c, "pattern")), NULL),
                     PE_OK);
    snprintf(name, sizeof name, "%s.weight", json_string_value(json_object_get(c, "name")));
    t = load(name);
    w = copy_of(&t);
    n = (size_t)pe_pattern_nblocks(&p, t.n, t.k);
    assert_int_equal(n, json_integer_value(json_object_get(c, "blocks")));
    scores = malloc(n * sizeof *scores);
    pe_pattern_scores(scores, &p, t.w, t.n, t.k);
    cut = select_in(NULL, scores, n, 5, json_number_value(json_object_get(c, "sparsity")), &first);
    left = 0;
    for (size_t i = 0; first[i] < n; i++) left += cut.keep_equal[i];
    step = rows_at_once * p.rows;
    for (size_t r = 0; r < t.n; r += step) { /* as rows come by */
        size_t h = t.n - r < step ? t.n - r : step;

        pe_pattern_scores(scores, &p, w + r * t.k, h, t.k);
        left -= pe_pattern_zero_blocks(w + r * t.k, &p, scores, h, t.k, cut.threshold, left);
    }
    snprintf(name, sizeof name, "%s.mask", json_string_value(json_object_get(c, "name")));
    check_mask(name, t.w, w, t.nelem, UINT64_MAX);
    pe_cut_release(&cut);
    free(first);
    free(scores);
    free(w);
    free(t.w);
}

static void blocks(void **state)
{
    json_t *doc = NULL;
    const json_t *c;
    size_t i;
    (void)state;

    open_ckpt(DATA "blocks.safetensors");
    assert_int_equal(pe_json_load(&doc, DATA "blocks.json", 1 << 20, NULL), PE_OK);
    assert_true(json_array_size(json_object_get(doc, "cases")) >= 7);
    json_array_foreach(json_object_get(doc, "cases"), i, c)
    {
        one_block_case(c, 1);
        one_block_case(c, 3);
        one_block_case(c, 100);
    }
    json_decref(doc);
    pe_ckpt_close(ckpt);
}

static int start(void **state)
{
    (void)state;
    return pe_pool_new(&pool, 3, NULL);
}

static int stop(void **state)
{
    (void)state;
    pe_pool_free(pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(magnitude),
        cmocka_unit_test(blocks),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
