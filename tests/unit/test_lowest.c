/* tests/unit/test_lowest.c - the k lowest scores against a sort, on inputs that please the
 * sample of lowest.c and on inputs made to mislead it. Read next: lib/prune/lowest.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/rng.h"
#include "lib/prune/pattern.h"
#include "lib/prune/lowest.h"

typedef struct memory {
    const float *f32;
    const double *f64;
    const uint64_t *first;
    size_t fail_from; /* chunks from here on fail */
} memory;

static pe_status from_memory(pe_scores *out, void *arg, size_t chunk, size_t begin, size_t count,
                             int worker, pe_error *err)
{
    const memory *m = arg;
    (void)worker;

    if (chunk >= m->fail_from) return pe_fail(err, PE_E_INPUT, "chunk %zu", chunk);
    out->f32 = m->f32 != NULL ? m->f32 + m->first[chunk] + begin : NULL;
    out->f64 = m->f64 != NULL ? m->f64 + m->first[chunk] + begin : NULL;
    out->n = count;
    return PE_OK;
}

typedef struct ranked {
    double score;
    size_t i;
} ranked;

static int by_rank(const void *a, const void *b)
{
    const ranked *x = a, *y = b;

    if (x->score != y->score) return x->score < y->score ? -1 : 1;
    return x->i > y->i ? -1 : 1; /* of equal ones the higher goes first */
}

/* 1 for each of the k that go, by sorting. */
static uint8_t *expected(const float *f32, const double *f64, size_t n, uint64_t k)
{
    ranked *r = malloc(n * sizeof *r);
    uint8_t *gone = calloc(n, 1);

    for (size_t i = 0; i < n; i++) {
        double v = f64 != NULL ? f64[i] : (double)f32[i];
        r[i] = (ranked){ v < 0 ? -v : v, i };
    }
    qsort(r, n, sizeof *r, by_rank);
    for (uint64_t i = 0; i < k; i++) gone[r[i].i] = 1;
    free(r);
    return gone;
}

static unsigned check(const float *f32, const double *f64, size_t n, size_t chunk, double sparsity,
                      int nthreads)
{
    size_t nchunks = (n + chunk - 1) / chunk;
    uint64_t *first = malloc((nchunks + 1) * sizeof *first), k = pe_select_count(sparsity, n),
             total = 0;
    uint8_t *want = expected(f32, f64, n, k);
    memory m = { f32, f64, first, SIZE_MAX };
    pe_select_source src = { &m, nchunks, chunk, first, f64 != NULL, 0, from_memory };
    pe_pool *pool = NULL;
    pe_cut cut;
    unsigned passes;

    for (size_t c = 0; c <= nchunks; c++) first[c] = c * chunk < n ? c * chunk : n;
    assert_int_equal(pe_pool_new(&pool, nthreads, NULL), PE_OK);
    assert_int_equal(pe_select_lowest(&cut, &src, k, pool, NULL), PE_OK);
    for (size_t c = 0; c < nchunks; c++) {
        uint64_t keep = cut.keep_equal[c], gone = 0;

        for (uint64_t i = first[c]; i < first[c + 1]; i++) {
            double v = f64 != NULL ? f64[i] : (double)f32[i];
            bool goes = (v < 0 ? -v : v) < cut.threshold;

            if ((v < 0 ? -v : v) == cut.threshold) {
                goes = keep == 0;
                keep -= !goes;
            }
            if (goes != want[i])
                fail_msg("score %llu of %zu, k %llu", (unsigned long long)i, n,
                         (unsigned long long)k);
            gone += goes;
        }
        assert_int_equal(gone, cut.gone[c]);
        total += gone;
    }
    assert_int_equal(total, k);
    passes = cut.passes;
    pe_cut_release(&cut);
    pe_pool_free(pool);
    free(want);
    free(first);
    return passes;
}

static float *noise(size_t n, uint32_t stream)
{
    float *w = malloc(n * sizeof *w);
    pe_rng r;

    pe_rng_init(&r, 7, stream, 0);
    for (size_t i = 0; i < n; i++) w[i] = (float)(pe_rng_unit(&r) + pe_rng_unit(&r) - 1);
    return w;
}

static void sampled_bounds_take_one_pass(void **state)
{
    size_t n = 1 << 20;
    float *w = noise(n, 1);
    (void)state;

    assert_int_equal(check(w, NULL, n, 4096, 0.5, 1), 1);
    assert_int_equal(check(w, NULL, n, 4096, 0.9, 3), 1);
    assert_int_equal(check(w, NULL, n, 5000, 0.001, 2), 1);
    for (size_t i = 0; i < n; i++) w[i] = (float)(int)(w[i] * 8); /* few values, many ties */
    check(w, NULL, n, 4096, 0.3, 2);
    check(w, NULL, n, 4096, 0.77, 5);
    free(w);
}

static void misled_sample_takes_more_passes(void **state)
{
    size_t n = 1 << 20;
    float *w = noise(n, 2);
    (void)state;

    for (size_t i = 0; i < n; i++) { /* exactly the pieces that are looked at lie elsewhere */
        if (i % 16132 < 128) w[i] = w[i] * 1000 + 3000;
    }
    assert_true(check(w, NULL, n, 4096, 0.5, 2) > 1);
    free(w);
}

static void more_ties_than_can_be_kept(void **state)
{
    size_t n = (size_t)9 << 19; /* 4.5 Mi: over the limit of lowest.c */
    float *w = malloc(n * sizeof *w);
    (void)state;

    for (size_t i = 0; i < n; i++) w[i] = i % 2 ? 0.25f : -0.25f;
    check(w, NULL, n, 65536, 0.5, 2);
    for (size_t i = 0; i < n; i += 3) w[i] = 0;
    check(w, NULL, n, 65536, 0.2, 2);
    for (size_t i = 0; i < n; i++) w[i] = 0.25f + (float)(i % 1000) * 1e-7f;
    assert_true(check(w, NULL, n, 65536, 0.5, 2) >= 1);
    free(w);
}

static void doubles(void **state)
{
    size_t n = 300000;
    double *s = malloc(n * sizeof *s);
    pe_rng r;
    (void)state;

    pe_rng_init(&r, 8, 1, 1);
    for (size_t i = 0; i < n; i++) s[i] = pe_rng_unit(&r) * pe_rng_unit(&r);
    assert_int_equal(check(NULL, s, n, 1000, 0.8, 2), 1);
    for (size_t i = 0; i < n; i++) s[i] = pe_rng_below(&r, 5);
    check(NULL, s, n, 1000, 0.5, 3);
    for (size_t i = 0; i < n; i++) s[i] = 1 + 1e-15 * pe_rng_below(&r, 3);
    check(NULL, s, n, 1000, 0.5, 3);
    free(s);
}

static void small_and_extreme(void **state)
{
    float one[1] = { 3 }, some[5] = { 0, -0.0f, 1e-45f, -1e-45f, 1 };
    (void)state;

    check(one, NULL, 1, 1, 0, 1);
    check(one, NULL, 1, 1, 1, 1);
    for (int s = 0; s <= 10; s++) check(some, NULL, 5, 2, s / 10.0, 2);
    assert_int_equal(pe_select_count(0.5, 5), 3); /* halves go up */
    assert_int_equal(pe_select_count(0.1, 5), 1);
    assert_int_equal(pe_select_count(0, 5), 0);
    assert_int_equal(pe_select_count(1, 5), 5);
}

static void errors_come_from_the_first_chunk(void **state)
{
    float *w = noise(10000, 3);
    uint64_t first[101];
    memory m = { w, NULL, first, 40 };
    pe_select_source src = { &m, 100, 100, first, false, 0, from_memory };
    pe_pool *pool = NULL;
    (void)state;

    for (size_t c = 0; c <= 100; c++) first[c] = c * 100;
    assert_int_equal(pe_pool_new(&pool, 3, NULL), PE_OK);
    for (int i = 0; i < 20; i++) {
        pe_error err = { 0 };
        pe_cut cut;

        assert_int_equal(pe_select_lowest(&cut, &src, 500, pool, &err), PE_E_INPUT);
        assert_string_equal(err.text, "chunk 40");
        assert_null(cut.gone);
    }
    pe_pool_free(pool);
    free(w);
}

static void patterns_parse(void **state)
{
    static const char *const bad[] = { "2:",    ":4",     "4:2",           "0:4",  "2:0",  "1x",
                                       "x4",    "0x4",    "1x0",           "2:4 ", " 2:4", "2-4",
                                       "2:4:8", "1025x1", "1x99999999999", "-1x4", "2.5:4" };
    pe_pattern p;
    (void)state;

    assert_int_equal(pe_pattern_parse(&p, NULL, NULL), PE_OK);
    assert_int_equal(p.kind, PE_PATTERN_ANY);
    assert_int_equal(pe_pattern_parse(&p, "2:4", NULL), PE_OK);
    assert_true(p.kind == PE_PATTERN_NM && p.keep == 2 && p.of == 4);
    assert_int_equal(pe_pattern_parse(&p, "1024:1024", NULL), PE_OK);
    assert_int_equal(pe_pattern_parse(&p, "16x32", NULL), PE_OK);
    assert_true(p.kind == PE_PATTERN_BLOCK && p.rows == 16 && p.cols == 32);
    assert_int_equal(pe_pattern_nblocks(&p, 17, 64), 4);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        pe_error err = { 0 };

        if (pe_pattern_parse(&p, bad[i], &err) != PE_E_ARG) fail_msg("%s was taken", bad[i]);
        assert_non_null(strstr(err.text, bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sampled_bounds_take_one_pass),
        cmocka_unit_test(misled_sample_takes_more_passes),
        cmocka_unit_test(more_ties_than_can_be_kept),
        cmocka_unit_test(doubles),
        cmocka_unit_test(small_and_extreme),
        cmocka_unit_test(errors_come_from_the_first_chunk),
        cmocka_unit_test(patterns_parse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
