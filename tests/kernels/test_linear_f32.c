/* tests/kernels/test_linear_f32.c - dense and CSR f32 products of every level equal the reference,
 * bit for bit, on odd shapes, strides, thread counts and activations. Read next:
 * tests/kernels/levels.h. */
#include "tests/kernels/levels.h"

enum { GUARD = 0x7e57ab1e };

typedef struct problem {
    size_t m, n, k, ldx, ldy;
    float *x, *w, *bias, *want;
} problem;

static float *guarded(size_t n)
{
    float *y = malloc(n * sizeof *y + 1);
    assert_non_null(y);
    for (size_t i = 0; i < n; i++) memcpy(y + i, &(int){ GUARD }, sizeof *y);
    return y;
}

static void run_form(const pe_linear_form *f, const problem *p, float *y, pe_act act, pe_pool *pool)
{
    pe_matrix w = { .n = p->n, .k = p->k, .f32 = p->w };
    void *packed = aligned_bytes(f->packed_nbytes(&w));
    f->pack(packed, &w);
    void *scratch = aligned_bytes(f->scratch_nbytes(p->m, p->n, p->k, pe_pool_nthreads(pool)));
    pe_linear_call c = { .y = y,
                         .x = p->x,
                         .ldy = p->ldy,
                         .ldx = p->ldx,
                         .m = p->m,
                         .n = p->n,
                         .k = p->k,
                         .packed = packed,
                         .bias = p->bias,
                         .act = act,
                         .scratch = scratch,
                         .pool = pool };
    f->run(&c);
    free(packed);
    free(scratch);
}

static void problem_init(problem *p, pe_rng *r, size_t m, size_t n, size_t k, unsigned sparse)
{
    *p = (problem){
        .m = m, .n = n, .k = k, .ldx = k + pe_rng_below(r, 5), .ldy = n + pe_rng_below(r, 5)
    };
    p->x = odd_floats(r, m ? (m - 1) * p->ldx + k : 0);
    p->w = odd_floats(r, n * k);
    for (size_t i = 0; i < n * k; i++)
        if (pe_rng_below(r, 100) < sparse) p->w[i] = 0.0f;
    p->bias = pe_rng_below(r, 4) ? odd_floats(r, n) : NULL;
    p->want = guarded(m * p->ldy);
}

static void problem_release(problem *p)
{
    free(p->x);
    free(p->w);
    free(p->bias);
    free(p->want);
}

/* The reference's dense product is the truth for both forms. */
static void check(const problem *p, pe_act act, pe_pool *const *pools, size_t npools)
{
    static const pe_form forms[] = { PE_FORM_F32_DENSE, PE_FORM_F32_CSR };
    pe_kernels ref, k;
    char level[32], what[160];
    pe_kernels_select(&ref, 0);
    run_form(ref.form[PE_FORM_F32_DENSE], p, p->want, act, NULL);
    for (size_t i = 0; i < pe_cpu_nlevels; i++) {
        if (!level_table(&k, level, i)) continue;
        for (size_t f = 0; f < 2 * npools; f++) {
            pe_pool *pool = pools[f / 2];
            float *y = guarded(p->m * p->ldy);
            run_form(k.form[forms[f % 2]], p, y, act, pool);
            snprintf(what, sizeof what, "%s %s m=%zu n=%zu k=%zu act=%d threads=%d", level,
                     f % 2 ? "csr" : "dense", p->m, p->n, p->k, (int)act, pe_pool_nthreads(pool));
            same_floats(what, y, p->want, p->m * p->ldy);
            free(y);
        }
    }
}

static void random_shapes(void **state)
{
    (void)state;
    pe_rng r;
    pe_rng_init(&r, 3, 1, 0);
    pe_pool *pools[] = { NULL, test_pool(2), test_pool(3), test_pool(5) };
    for (int i = 0; i < 160; i++) {
        size_t m = 1 + pe_rng_below(&r, 70), n = 1 + pe_rng_below(&r, 70),
               k = 1 + pe_rng_below(&r, 70);
        if (i % 4 == 0) m = 1 + pe_rng_below(&r, 8);
        problem p;
        problem_init(&p, &r, m, n, k, pe_rng_below(&r, 100));
        check(&p, (pe_act)(i % PE_NACTS), pools, 4);
        problem_release(&p);
    }
    for (int i = 1; i < 4; i++) pe_pool_free(pools[i]);
}

/* Long chains cross the k blocks, many rows cross the row blocks; enough work for several tasks. */
static void large_shapes(void **state)
{
    static const size_t shape[][3] = { { 1, 200, 1537 }, { 2, 130, 900 },  { 3, 97, 449 },
                                       { 7, 384, 448 },  { 13, 96, 1000 }, { 97, 50, 450 },
                                       { 200, 33, 97 },  { 193, 65, 5 },   { 33, 16, 2000 } };
    (void)state;
    pe_rng r;
    pe_rng_init(&r, 3, 2, 0);
    pe_pool *pools[] = { NULL, test_pool(3) };
    for (size_t i = 0; i < sizeof shape / sizeof shape[0]; i++) {
        problem p;
        problem_init(&p, &r, shape[i][0], shape[i][1], shape[i][2], i % 2 ? 80 : 30);
        check(&p, (pe_act)(i % PE_NACTS), pools, 2);
        problem_release(&p);
    }
    pe_pool_free(pools[1]);
}

static void empty_shapes(void **state)
{
    static const size_t shape[][3] = {
        { 0, 5, 7 }, { 3, 0, 7 }, { 3, 5, 0 }, { 17, 33, 0 }, { 0, 0, 0 }
    };
    (void)state;
    pe_rng r;
    pe_rng_init(&r, 3, 3, 0);
    pe_pool *pools[] = { NULL, test_pool(2) };
    for (size_t i = 0; i < sizeof shape / sizeof shape[0]; i++) {
        problem p;
        problem_init(&p, &r, shape[i][0], shape[i][1], shape[i][2], 0);
        check(&p, PE_ACT_NONE, pools, 2);
        problem_release(&p);
    }
    pe_pool_free(pools[1]);
}

/* Products that underflow to -0 before a zero weight: dense adds +0 to them, CSR does not see it.
 */
static void underflow_is_plus_zero(void **state)
{
    (void)state;
    float x[4] = { 1e-40f, 1.0f, -1e-40f, -2.0f }, w[4] = { -1e-40f, 0.0f, 1e-40f, -0.0f },
          bias[1] = { -0.0f };
    pe_pool *pools[] = { NULL };
    for (int b = 0; b < 2; b++) {
        float want[1];
        problem p = { .m = 1,
                      .n = 1,
                      .k = 4,
                      .ldx = 4,
                      .ldy = 1,
                      .x = x,
                      .w = w,
                      .bias = b ? bias : NULL,
                      .want = want };
        check(&p, PE_ACT_NONE, pools, 1);
        assert_memory_equal(want, &(float){ 0.0f }, sizeof want);
    }
}

/* Packed weights of a matrix without non-zeros, and of one without zeros. */
static void csr_extremes(void **state)
{
    (void)state;
    pe_rng r;
    pe_rng_init(&r, 3, 4, 0);
    pe_pool *pools[] = { NULL };
    for (unsigned sparse = 0; sparse <= 100; sparse += 100) {
        problem p;
        problem_init(&p, &r, 37, 29, 53, sparse);
        check(&p, PE_ACT_GELU_ERF, pools, 1);
        problem_release(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_shapes), cmocka_unit_test(large_shapes),
        cmocka_unit_test(empty_shapes),  cmocka_unit_test(underflow_is_plus_zero),
        cmocka_unit_test(csr_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
