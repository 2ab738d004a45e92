/* tests/kernels/test_attention.c - ragged attention of every level equals the reference, bit for
 * bit, and the reference equals the textbook in double. Read next: tests/kernels/levels.h. */
#include <math.h>

#include "tests/kernels/levels.h"

enum { MAX_ROWS = 9 };

typedef struct problem {
    pe_attention_call c;
    uint32_t row_begin[MAX_ROWS + 1], q_begin[MAX_ROWS + 1];
    float *q, *kv;
    size_t nout;
    bool s8; /* between int8 codes */
} problem;

static void problem_init(problem *p, pe_rng *r, size_t nrows, size_t longest, size_t heads,
                         size_t hd, int asks)
{
    *p = (problem){ 0 };
    for (size_t i = 0; i < nrows; i++) {
        uint32_t len = pe_rng_below(r, (uint32_t)longest + 1);
        if (!i) len = (uint32_t)longest;
        p->row_begin[i + 1] = p->row_begin[i] + len;
        p->q_begin[i + 1] = p->q_begin[i] + (asks == 1 ? 1 : pe_rng_below(r, 2 * len + 2));
    }
    size_t T = p->row_begin[nrows], Q = asks ? p->q_begin[nrows] : T, d = heads * hd;
    size_t ldq = d + pe_rng_below(r, 4), ldkv = 2 * d + pe_rng_below(r, 4),
           ldo = d + pe_rng_below(r, 4);
    p->q = odd_floats(r, Q * ldq);
    p->kv = odd_floats(r, T * ldkv);
    p->nout = Q * ldo;
    p->c = (pe_attention_call){ .q = p->q,
                                .k = p->kv,
                                .v = p->kv + d,
                                .ldo = ldo,
                                .ldq = ldq,
                                .ldkv = ldkv,
                                .heads = heads,
                                .head_dim = hd,
                                .nrows = nrows,
                                .row_begin = p->row_begin,
                                .q_begin = asks ? p->q_begin : NULL,
                                .scale = 1 / sqrtf((float)hd) };
}

static float *answer(const pe_kernels *k, const problem *p, pe_pool *pool)
{
    size_t longest = 0;
    for (size_t i = 0; i < p->c.nrows; i++) {
        size_t len = p->row_begin[i + 1] - p->row_begin[i];
        if (len > longest) longest = len;
    }
    pe_attention_call c = p->c;
    c.out = calloc(p->nout + 1, sizeof(float));
    pe_k_attention_scratch *scratch = p->s8 ? k->attention_s8_scratch : k->attention_scratch;
    c.scratch = aligned_bytes(scratch(longest, c.head_dim, pe_pool_nthreads(pool)));
    c.pool = pool;
    assert_non_null(c.out);
    if (p->s8) k->attention_s8(&c);
    else k->attention(&c);
    free(c.scratch);
    return c.out;
}

static void check(const problem *p, pe_pool *const *pools, size_t npools)
{
    pe_kernels ref, k;
    char level[32], what[128];
    pe_kernels_select(&ref, 0);
    float *want = answer(&ref, p, NULL);
    for (size_t i = 0; i < pe_cpu_nlevels; i++) {
        if (!level_table(&k, level, i)) continue;
        for (size_t j = 0; j < npools; j++) {
            float *got = answer(&k, p, pools[j]);
            snprintf(what, sizeof what,
                     "%s attention%s rows=%zu first=%u heads=%zu hd=%zu threads=%d", level,
                     p->s8 ? " s8" : "", p->c.nrows, p->row_begin[1], p->c.heads, p->c.head_dim,
                     pe_pool_nthreads(pools[j]));
            same_floats(what, got, want, p->nout);
            free(got);
        }
    }
    free(want);
}

static void many_shapes(bool s8)
{
    static const size_t hds[] = { 32, 64, 16, 8, 1, 17, 40, 5, 80, 130 };
    pe_rng r;
    pe_rng_init(&r, 4, 1, 0);
    pe_pool *pools[] = { NULL, test_pool(2), test_pool(5) };
    for (int i = 0; i < 60; i++) {
        problem p;
        size_t longest = i < 20 ? (size_t)i : 1 + pe_rng_below(&r, 70);
        problem_init(&p, &r, 1 + pe_rng_below(&r, MAX_ROWS), longest, 1 + pe_rng_below(&r, 3),
                     hds[i % 10], i % 3);
        p.s8 = s8;
        check(&p, pools, 3);
        free(p.q);
        free(p.kv);
    }
    for (int i = 1; i < 3; i++) pe_pool_free(pools[i]);
}

static void levels_equal_reference(void **state)
{
    (void)state;
    many_shapes(false);
}
static void s8_levels_equal_reference(void **state)
{
    (void)state;
    many_shapes(true);
}

static void long_row(void **state)
{
    (void)state;
    pe_rng r;
    pe_rng_init(&r, 4, 2, 0);
    pe_pool *pools[] = { test_pool(2) };
    problem p;
    problem_init(&p, &r, 2, 301, 2, 64, 0);
    check(&p, pools, 1);
    p.s8 = true;
    check(&p, pools, 1);
    free(p.q);
    free(p.kv);
    pe_pool_free(pools[0]);
}

/* One value of the answer, straight from the formula. */
static double textbook(const problem *p, size_t row, size_t t, size_t head, size_t i)
{
    const pe_attention_call *c = &p->c;
    size_t first = p->row_begin[row], at = head * c->head_dim;
    double max = -INFINITY, sum = 0, y = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t j = first; j < p->row_begin[row + 1]; j++) {
            double s = 0;
            for (size_t e = 0; e < c->head_dim; e++)
                s += (double)c->q[t * c->ldq + at + e] * (double)c->k[j * c->ldkv + at + e];
            s *= (double)c->scale;
            if (!pass && s > max) max = s;
            if (pass) sum += exp(s - max), y += exp(s - max) * (double)c->v[j * c->ldkv + at + i];
        }
    }
    return y / sum;
}

/* A value in the first head of row 0 of queries, keys or values: all of it, or one place. Where it
 * is not finite it spoils its head, or its query, and no other one. */
static void s8_extreme(pe_rng *r, size_t part, float value, bool everywhere)
{
    pe_pool *pools[] = { NULL };
    problem p;
    problem_init(&p, r, 2, 21, 2, 32, 0);
    p.s8 = true;
    float *x = part ? p.kv + (part - 1) * 64 : p.q;
    size_t ld = part ? p.c.ldkv : p.c.ldq, n = p.row_begin[1], at = n / 2;
    for (size_t t = everywhere ? 0 : at; t < (everywhere ? n : at + 1); t++)
        for (size_t e = everywhere ? 0 : 3; e < (everywhere ? 32 : 4); e++) x[t * ld + e] = value;
    check(&p, pools, 1);
    pe_kernels ref;
    pe_kernels_select(&ref, 0);
    float *y = answer(&ref, &p, NULL);
    for (size_t t = 0; t < p.row_begin[2]; t++)
        for (size_t e = 0; e < 64; e++) {
            bool within = t < n && e < 32 && (part || everywhere || t == at);
            assert_int_equal(isnan(y[t * p.c.ldo + e]) != 0, within && !isfinite(value));
        }
    free(y);
    free(p.q);
    free(p.kv);
}

/* Codes at their limits: rows of equal values, one sign, nothing but zeros, denormals, NaN, Inf. */
static void s8_extremes(void **state)
{
    static const float all[] = { 1, -1, 0, 1e-39f, 1e-35f, 3e38f, 1e-25f, NAN, INFINITY };
    (void)state;
    pe_rng r;
    pe_rng_init(&r, 4, 4, 0);
    for (size_t part = 0; part < 3; part++)
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            s8_extreme(&r, part, all[i], true);
            s8_extreme(&r, part, all[i], false);
        }
}

static void reference_is_the_textbook(void **state)
{
    (void)state;
    pe_rng r;
    pe_rng_init(&r, 4, 3, 0);
    problem p;
    pe_kernels ref;
    pe_kernels_select(&ref, 0);
    problem_init(&p, &r, 3, 23, 2, 8, 0);
    for (size_t i = 0; i < p.row_begin[3] * p.c.ldkv; i++)
        p.kv[i] = (float)(2 * pe_rng_unit(&r) - 1);
    for (size_t i = 0; i < p.row_begin[3] * p.c.ldq; i++) p.q[i] = (float)(2 * pe_rng_unit(&r) - 1);
    for (int s8 = 0; s8 < 2; s8++) {
        p.s8 = s8;
        float *y = answer(&ref, &p, NULL);
        double worst = 0, limit = s8 ? 0.02 : 1e-6; /* codes of values are off by up to 1 / 254 */
        for (size_t row = 0; row < 3; row++)
            for (size_t t = p.row_begin[row]; t < p.row_begin[row + 1]; t++)
                for (size_t i = 0; i < 16; i++)
                    worst = fmax(worst, fabs((double)y[t * p.c.ldo + i] -
                                             textbook(&p, row, t, i / 8, i % 8)));
        assert_true(worst < limit);
        assert_true(!s8 || worst > 1e-5); /* it is another arithmetic */
        free(y);
    }
    free(p.q);
    free(p.kv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_equal_reference),
        cmocka_unit_test(s8_levels_equal_reference),
        cmocka_unit_test(s8_extremes),
        cmocka_unit_test(long_row),
        cmocka_unit_test(reference_is_the_textbook),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
