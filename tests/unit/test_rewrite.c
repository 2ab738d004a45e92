/* tests/unit/test_rewrite.c - a checkpoint streamed through a pass and back: layouts, digests,
 * history, side files, any number of threads. Read next: lib/io/rewrite.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/io/provenance.h"
#include "lib/io/rewrite.h"

#define MODEL "recipes/sentiment/model"

static char scratch[] = "/tmp/pe-rewrite-XXXXXX";

static const char *in_scratch(char buf[256], const char *name)
{
    snprintf(buf, 256, "%s/%s", scratch, name);
    return buf;
}

/* Zeroes what the mask of a running index says; sees rows in order or the test fails. */
typedef struct thinner {
    uint64_t next, keep_of;
    uint64_t k;
    size_t width;
} thinner;

static pe_status thin(void *user, void *out, const void *in, uint64_t row0, uint64_t nrows,
                      int worker, pe_error *err)
{
    thinner *t = user;
    (void)worker, (void)err;
    if (row0 == 0) t->next = 0;
    assert_int_equal(row0, t->next);
    t->next = row0 + nrows;
    memcpy(out, in, nrows * t->k * t->width);
    for (uint64_t i = 0; i < nrows * t->k; i++)
        if ((row0 * t->k + i) % t->keep_of) memset((char *)out + i * t->width, 0, t->width);
    return PE_OK;
}

static void rewrite(const char *from, const char *to, pe_layout_spec spec, bool choose,
                    uint64_t keep_of, int nthreads)
{
    pe_error err = { 0 };
    pe_ckpt *c = NULL;
    pe_ckptw *w = NULL;
    pe_pool *pool = NULL;
    pe_digest input;
    json_t *step = NULL;
    pe_progress quiet = { 0 };
    assert_int_equal(pe_pool_new(&pool, nthreads, NULL), PE_OK);
    if (pe_ckpt_open(&c, from, &err)) fail_msg("%s", err.text);
    size_t n = pe_ckpt_narrays(c);
    pe_rewrite_item *items = calloc(n, sizeof *items);
    thinner *t = calloc(n, sizeof *t);
    for (size_t i = 0; i < n; i++) {
        const pe_array *a = pe_ckpt_array(c, i);
        items[i].from = a;
        items[i].keep_layout = a->rank != 2;
        items[i].dtype = a->dtype;
        if (a->rank != 2) continue;
        items[i].layout = spec;
        items[i].choose = choose;
        t[i] = (thinner){ 0, keep_of, a->shape[1], pe_dtype_nbytes(a->dtype) };
        if (keep_of) items[i].rows = thin;
        items[i].user = &t[i];
    }
    if (pe_rewrite_plan(items, n, c, pool, quiet, &err)) fail_msg("%s", err.text);
    if (pe_ckptw_open(&w, to, c, true, &err)) fail_msg("%s", err.text);
    assert_int_equal(pe_rewrite_declare(w, items, n, &err), PE_OK);
    assert_int_equal(pe_ckptw_begin(w, &err), PE_OK);
    if (pe_rewrite_run(&input, w, items, n, c, pool, quiet, &err)) fail_msg("%s", err.text);
    assert_int_equal(pe_step_new(&step, "pe-test", json_pack("{si}", "keep_of", (int)keep_of), 7,
                                 &input, NULL, &err),
                     PE_OK);
    if (pe_ckptw_commit(w, pe_ckpt_config(c), step, NULL, &err)) fail_msg("%s", err.text);
    json_decref(step);
    free(items);
    free(t);
    pe_ckpt_close(c);
    pe_pool_free(pool);
}

static void assert_same_values(const char *x, const char *y, uint64_t keep_of)
{
    pe_ckpt *a = NULL, *b = NULL;
    pe_error err = { 0 };
    assert_int_equal(pe_ckpt_open(&a, x, NULL), PE_OK);
    if (pe_ckpt_open(&b, y, &err)) fail_msg("%s", err.text);
    assert_int_equal(pe_ckpt_narrays(a), pe_ckpt_narrays(b));
    for (size_t i = 0; i < pe_ckpt_narrays(a); i++) {
        const pe_array *p = pe_ckpt_array(a, i), *q = pe_ckpt_find(b, p->name);
        assert_non_null(q);
        assert_int_equal(p->dtype, q->dtype);
        size_t width = pe_dtype_nbytes(p->dtype), nbytes = p->nelem * width;
        uint8_t *u = malloc(nbytes + 1), *v = malloc(nbytes + 1);
        assert_int_equal(pe_ckpt_read_dense(a, p, u, NULL), PE_OK);
        if (pe_ckpt_read_dense(b, q, v, &err)) fail_msg("%s", err.text);
        for (uint64_t j = 0; keep_of && p->rank == 2 && j < p->nelem; j++)
            if (j % keep_of) memset(u + j * width, 0, width);
        assert_memory_equal(u, v, nbytes);
        free(u);
        free(v);
    }
    pe_ckpt_close(a);
    pe_ckpt_close(b);
}

static void assert_same_file(const char *dir_a, const char *dir_b, const char *name)
{
    char pa[512], pb[512], *a = NULL, *b = NULL;
    size_t na, nb;
    snprintf(pa, sizeof pa, "%s/%s", dir_a, name);
    snprintf(pb, sizeof pb, "%s/%s", dir_b, name);
    assert_int_equal(pe_file_slurp(&a, &na, pa, 1 << 26, NULL), PE_OK);
    assert_int_equal(pe_file_slurp(&b, &nb, pb, 1 << 26, NULL), PE_OK);
    assert_int_equal(na, nb);
    assert_memory_equal(a, b, na);
    free(a);
    free(b);
}

/* Every layout holds the thinned model, and gives it back dense. */
static void test_layouts_round_trip(void **state)
{
    static const struct {
        pe_layout layout;
        uint64_t keep_of;
    } cases[] = {
        { PE_LAYOUT_DENSE, 3 },         { PE_LAYOUT_BITMASK, 2 }, { PE_LAYOUT_BLOCK4, 5 },
        { PE_LAYOUT_2OF4, 2 },          { PE_LAYOUT_CSR, 9 },     { PE_LAYOUT_BSR, 700 },
        { PE_LAYOUT_BLOCKED_ELL, 700 },
    };
    char mid[256], back[256];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        in_scratch(mid, pe_layout_name(cases[i].layout));
        in_scratch(back, "back");
        rewrite(MODEL, mid, (pe_layout_spec){ cases[i].layout, 0 }, false, cases[i].keep_of, 2);
        assert_same_values(MODEL, mid, cases[i].keep_of);
        rewrite(mid, back, (pe_layout_spec){ PE_LAYOUT_DENSE, 0 }, false, 0, 2);
        assert_same_values(MODEL, back, cases[i].keep_of);
        assert_same_file(MODEL, mid, "tokenizer.json");
    }
}

/* The bytes do not depend on the number of threads. */
static void test_threads(void **state)
{
    char one[256], many[256];
    (void)state;
    rewrite(MODEL, in_scratch(one, "t1"), (pe_layout_spec){ 0 }, true, 4, 1);
    for (int n = 2; n <= 5; n++) {
        rewrite(MODEL, in_scratch(many, "tn"), (pe_layout_spec){ 0 }, true, 4, n);
        assert_same_file(one, many, "model.pe.safetensors");
        assert_same_file(one, many, "config.json");
        assert_same_file(one, many, "pe-report.json");
    }
}

/* Steps follow one another: the input digest of each is the content digest of the one before. */
static void test_history(void **state)
{
    char a[256], b[256];
    pe_ckpt *c = NULL, *d = NULL;
    json_t *history = NULL, *first = NULL;
    pe_error err = { 0 };
    (void)state;
    rewrite(MODEL, in_scratch(a, "h1"), (pe_layout_spec){ 0 }, true, 4, 2);
    rewrite(a, in_scratch(b, "h2"), (pe_layout_spec){ PE_LAYOUT_DENSE, 0 }, false, 0, 2);
    assert_int_equal(pe_ckpt_open(&c, a, NULL), PE_OK);
    assert_int_equal(pe_ckpt_open(&d, b, NULL), PE_OK);
    assert_int_equal(pe_provenance_read(&first, c, &err), PE_OK);
    assert_int_equal(pe_provenance_history(&history, d, &err), PE_OK);
    assert_int_equal(json_array_size(history), 2);
    json_t *last = json_array_get(history, 1);
    assert_string_equal(json_string_value(json_object_get(last, "input")),
                        pe_provenance_content(first));
    assert_string_equal(json_string_value(json_object_get(last, "tool")), "pe-test");
    assert_null(json_object_get(pe_ckpt_config(d), "pe_layouts"));
    assert_non_null(json_object_get(pe_ckpt_config(c), "pe_layouts"));
    json_decref(first);
    json_decref(history);
    pe_ckpt_close(c);
    pe_ckpt_close(d);
}

/* A step longer than the room kept in the header moves the data; nothing is lost. */
static void test_long_step(void **state)
{
    char out[256], *text = malloc(100001);
    pe_ckpt *c = NULL, *d = NULL;
    pe_ckptw *w = NULL;
    pe_error err = { 0 };
    (void)state;
    memset(text, '"', 100000); /* each becomes three bytes of backslashes and quote */
    text[100000] = 0;
    json_t *step = json_pack("{ss}", "tool", text);
    assert_int_equal(pe_ckpt_open(&c, MODEL, NULL), PE_OK);
    assert_int_equal(pe_ckptw_open(&w, in_scratch(out, "long"), c, true, &err), PE_OK);
    for (size_t i = 0, index; i < pe_ckpt_narrays(c); i++)
        assert_int_equal(pe_ckptw_add_like(w, &index, pe_ckpt_array(c, i), &err), PE_OK);
    assert_int_equal(pe_ckptw_begin(w, &err), PE_OK);
    for (size_t i = pe_ckpt_narrays(c);
         i-- > 0;) { /* second half first: digests are taken by reading back */
        const pe_array *a = pe_ckpt_array(c, i);
        char *data = malloc(a->nbytes);
        size_t half = a->nbytes / 2;
        assert_int_equal(pe_ckpt_read(c, a, 0, 0, data, a->nbytes, &err), PE_OK);
        assert_int_equal(pe_ckptw_write(w, i, 0, half, data + half, a->nbytes - half, &err), PE_OK);
        assert_int_equal(pe_ckptw_write(w, i, 0, 0, data, half, &err), PE_OK);
        free(data);
    }
    if (pe_ckptw_commit(w, pe_ckpt_config(c), step, NULL, &err)) fail_msg("%s", err.text);
    assert_same_values(MODEL, out, 0);
    assert_int_equal(pe_ckpt_open(&d, out, NULL), PE_OK);
    json_t *all = NULL;
    assert_int_equal(pe_provenance_read(&all, d, &err), PE_OK);
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(json_object_get(all, "history"), 0), "tool")),
                        text);
    /* the same values written in order have the same content digest */
    char plain[256];
    rewrite(MODEL, in_scratch(plain, "plain"), (pe_layout_spec){ 0 }, false, 0, 2);
    pe_ckpt_close(c);
    assert_int_equal(pe_ckpt_open(&c, plain, NULL), PE_OK);
    json_t *other = NULL;
    assert_int_equal(pe_provenance_read(&other, c, &err), PE_OK);
    assert_string_equal(pe_provenance_content(all), pe_provenance_content(other));
    json_decref(all);
    json_decref(other);
    json_decref(step);
    free(text);
    pe_ckpt_close(c);
    pe_ckpt_close(d);
}

static pe_status refuse(void *user, void *out, const void *in, uint64_t row0, uint64_t nrows,
                        int worker, pe_error *err)
{
    (void)out, (void)in, (void)nrows, (void)worker, (void)row0;
    return strcmp(user, "stop") ? PE_OK
                                : (err->status = PE_E_INPUT, strcpy(err->text, "no"), PE_E_INPUT);
}

/* A failing pass names the tensor and leaves nothing behind. */
static void test_failure(void **state)
{
    char out[256];
    pe_ckpt *c = NULL;
    pe_ckptw *w = NULL;
    pe_error err = { 0 };
    pe_digest input;
    pe_progress quiet = { 0 };
    (void)state;
    assert_int_equal(pe_ckpt_open(&c, MODEL, NULL), PE_OK);
    pe_rewrite_item items[2] = {
        { .from = pe_ckpt_array(c, 0),
          .dtype = pe_ckpt_array(c, 0)->dtype,
          .rows = refuse,
          .user = "go" },
        { .from = pe_ckpt_array(c, 1),
          .dtype = pe_ckpt_array(c, 1)->dtype,
          .rows = refuse,
          .user = "stop" },
    };
    assert_int_equal(pe_rewrite_plan(items, 2, c, NULL, quiet, &err), PE_OK);
    assert_int_equal(pe_ckptw_open(&w, in_scratch(out, "fail"), c, false, &err), PE_OK);
    assert_int_equal(pe_rewrite_declare(w, items, 2, &err), PE_OK);
    assert_int_equal(pe_ckptw_begin(w, &err), PE_OK);
    assert_int_equal(pe_rewrite_run(&input, w, items, 2, c, NULL, quiet, &err), PE_E_INPUT);
    assert_non_null(strstr(err.text, pe_ckpt_array(c, 1)->name));
    pe_ckptw_abort(w);
    assert_int_equal(access(out, F_OK), -1);
    pe_ckpt_close(c);
}

static int remove_scratch(void **state)
{
    char command[300];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", scratch);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts_round_trip),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_long_step),
        cmocka_unit_test(test_failure),
    };
    if (!mkdtemp(scratch)) return 1;
    return cmocka_run_group_tests(tests, NULL, remove_scratch);
}
