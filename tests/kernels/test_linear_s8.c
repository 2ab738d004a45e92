/* tests/kernels/test_linear_s8.c - the int8 products of every level and form equal the dense
 * reference, bit for bit: odd shapes, extreme codes, zero points, empty rows, thread counts, the
 * longest exact sum. Read next: tests/kernels/levels.h. */
#include "lib/base/checked.h"
#include "tests/kernels/levels.h"

static const pe_form forms[] = { PE_FORM_S8_DENSE, PE_FORM_S8_BITMASK, PE_FORM_S8_BLOCK4 };
enum { NFORMS = sizeof forms / sizeof forms[0], GUARD = 0x7e57ab1e };

typedef struct problem {
    size_t m, n, k, ldx, ldy;
    int8_t *x, *w;
    int32_t *xzero, *wsum; /* xzero NULL: symmetric */
    float *xscale, *wscale, *bias, *want;
    pe_act act;
    bool narrow;
} problem;

static float *guarded(size_t n)
{
    float *y = malloc(n * sizeof *y + 1);
    assert_non_null(y);
    for (size_t i = 0; i < n; i++) memcpy(y + i, &(int){ GUARD }, sizeof *y);
    return y;
}

/* Exactly as large as the contract says, so that ASan sees a kernel that leaves it. */
static void *exact_bytes(size_t nbytes)
{
    void *p = NULL;
    assert_int_equal(posix_memalign(&p, 64, nbytes ? nbytes : 1), 0);
    return p;
}

static void run_form(const pe_linear_form *f, const problem *p, float *y, pe_pool *pool)
{
    pe_matrix w = { .n = p->n, .k = p->k, .s8 = p->w };
    void *packed = exact_bytes(f->packed_nbytes(&w));
    f->pack(packed, &w);
    void *scratch = exact_bytes(f->scratch_nbytes(p->m, p->n, p->k, pe_pool_nthreads(pool)));
    pe_linear_call c = { .y = y,
                         .xq = p->x,
                         .xscale = p->xscale,
                         .xzero = p->xzero,
                         .ldy = p->ldy,
                         .ldx = p->ldx,
                         .m = p->m,
                         .n = p->n,
                         .k = p->k,
                         .packed = packed,
                         .wscale = p->wscale,
                         .wsum = p->wsum,
                         .bias = p->bias,
                         .act = p->act,
                         .narrow = p->narrow,
                         .scratch = scratch,
                         .pool = pool };
    f->run(&c);
    free(packed);
    free(scratch);
}

static float *scales(pe_rng *r, size_t n)
{
    float *s = malloc(n * sizeof *s + 1);
    assert_non_null(s);
    for (size_t i = 0; i < n; i++)
        s[i] = pe_rng_below(r, 20) ? 1e-3f * (float)pe_rng_unit(r) : 0.0f;
    return s;
}

static int8_t code(pe_rng *r, bool narrow)
{
    static const int8_t extreme[] = { 127, -127, -128, -1, 1 };
    if (pe_rng_below(r, 4) == 0) return extreme[pe_rng_below(r, 5) % (narrow ? 2 : 5)];
    return (int8_t)((int)pe_rng_below(r, 255) - 127);
}

/* sparse: percent of zero weights, in whole blocks of four when blocks; now and then an empty
 * row. */
static void fill_weights(problem *p, pe_rng *r, unsigned sparse, bool blocks)
{
    bool zero = false;
    for (size_t n = 0; n < p->n; n++) {
        bool empty = pe_rng_below(r, 9) == 0 && sparse;
        for (size_t k = 0; k < p->k; k++) {
            if (!blocks || k % 4 == 0) zero = pe_rng_below(r, 100) < sparse;
            p->w[n * p->k + k] = zero || empty ? 0 : code(r, p->narrow);
        }
    }
}

static void problem_init(problem *p, pe_rng *r, size_t m, size_t n, size_t k, unsigned sparse)
{
    uint32_t kind = pe_rng_below(r, 16);
    *p = (problem){ .m = m,
                    .n = n,
                    .k = k,
                    .ldx = pe_round_up(k, 64) + 64 * (kind & 1),
                    .ldy = n + pe_rng_below(r, 5),
                    .act = (pe_act)pe_rng_below(r, PE_NACTS),
                    .narrow = kind & 2 };
    p->x = exact_bytes(m * p->ldx);
    p->w = exact_bytes(n * k);
    p->xscale = scales(r, m);
    p->wscale = scales(r, n);
    p->bias = kind & 4 ? odd_floats(r, n) : NULL;
    p->xzero = kind & 8 ? malloc(m * sizeof *p->xzero + 1) : NULL;
    p->wsum = malloc(n * sizeof *p->wsum + 1);
    p->want = guarded(m * p->ldy);
    memset(p->x, 0, m * p->ldx);
    for (size_t t = 0; t < m; t++)
        for (size_t i = 0; i < k; i++) p->x[t * p->ldx + i] = code(r, p->narrow);
    for (size_t t = 0; p->xzero && t < m; t++) p->xzero[t] = (int32_t)pe_rng_below(r, 256) - 128;
    fill_weights(p, r, sparse, kind & 1);
}

static void sum_weights(problem *p)
{
    for (size_t n = 0; n < p->n; n++) {
        p->wsum[n] = 0;
        for (size_t k = 0; k < p->k; k++) p->wsum[n] += p->w[n * p->k + k];
    }
}

static void problem_release(problem *p)
{
    free(p->x);
    free(p->w);
    free(p->xzero);
    free(p->wsum);
    free(p->xscale);
    free(p->wscale);
    free(p->bias);
    free(p->want);
}

static void check_form(const problem *p, const pe_linear_form *f, const char *level,
                       const char *form, pe_pool *pool)
{
    char what[160];
    float *y = guarded(p->m * p->ldy);
    run_form(f, p, y, pool);
    snprintf(what, sizeof what, "%s %s m=%zu n=%zu k=%zu act=%d zero=%d threads=%d", level, form,
             p->m, p->n, p->k, (int)p->act, p->xzero != NULL, pe_pool_nthreads(pool));
    same_floats(what, y, p->want, p->m * p->ldy);
    free(y);
}

/* The reference's dense product is the truth for all forms. */
static void check(problem *p, pe_pool *const *pools, size_t npools)
{
    pe_kernels ref, k;
    char level[32];
    sum_weights(p);
    pe_kernels_select(&ref, 0);
    run_form(ref.form[PE_FORM_S8_DENSE], p, p->want, NULL);
    for (size_t f = 0; f < NFORMS; f++) {
        check_form(p, ref.form[forms[f]], "ref", pe_form_name(forms[f]), pools[npools - 1]);
        for (size_t i = 0; i < pe_cpu_nlevels; i++)
            for (size_t t = 0; level_table(&k, level, i) && t < npools; t++)
                check_form(p, k.form[forms[f]], level, pe_form_name(forms[f]), pools[t]);
    }
}

static void random_shapes(void **state)
{
    (void)state;
    pe_rng r;
    pe_rng_init(&r, 8, 1, 0);
    pe_pool *pools[] = { NULL, test_pool(2), test_pool(3), test_pool(5) };
    for (int i = 0; i < 120; i++) {
        size_t m = 1 + pe_rng_below(&r, 70), n = 1 + pe_rng_below(&r, 90),
               k = 1 + pe_rng_below(&r, 150);
        if (i % 3 == 0) m = 1 + pe_rng_below(&r, 9);
        problem p;
        problem_init(&p, &r, m, n, k, pe_rng_below(&r, 101));
        check(&p, pools, 4);
        problem_release(&p);
    }
    for (int i = 1; i < 4; i++) pe_pool_free(pools[i]);
}

/* Several chunks of tokens, tiles of every width, splits of the inputs, panels of the outputs. */
static void large_shapes(void **state)
{
    static const size_t shape[][3] = { { 1, 300, 1537 }, { 2, 130, 900 },  { 16, 384, 384 },
                                       { 97, 200, 450 }, { 129, 33, 777 }, { 240, 140, 64 },
                                       { 193, 65, 5 },   { 33, 16, 4100 } };
    (void)state;
    pe_rng r;
    pe_rng_init(&r, 8, 2, 0);
    pe_pool *pools[] = { NULL, test_pool(3) };
    for (size_t i = 0; i < sizeof shape / sizeof shape[0]; i++) {
        problem p;
        problem_init(&p, &r, shape[i][0], shape[i][1], shape[i][2], i % 2 ? 80 : 30);
        check(&p, pools, 2);
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
    pe_rng_init(&r, 8, 3, 0);
    pe_pool *pools[] = { NULL, test_pool(2) };
    for (size_t i = 0; i < sizeof shape / sizeof shape[0]; i++) {
        problem p;
        problem_init(&p, &r, shape[i][0], shape[i][1], shape[i][2], 0);
        check(&p, pools, 2);
        problem_release(&p);
    }
    pe_pool_free(pools[1]);
}

/* k = 65536 of the largest products, with and without a zero point: the sum still fits 32 bits,
 * and so the scale of 1 shows it. */
static void longest_sum(void **state)
{
    static const struct {
        int8_t x, w;
        int32_t zero;
        double acc;
    } extreme[] = { { -128, -128, 0, 1073741824.0 },
                    { 127, -128, -128, -2139095040.0 },
                    { -128, -128, 127, 2139095040.0 },
                    { 127, 127, 0, 1057030144.0 } };
    (void)state;
    pe_rng r;
    pe_rng_init(&r, 8, 4, 0);
    pe_pool *pools[] = { NULL };
    for (size_t i = 0; i < sizeof extreme / sizeof extreme[0]; i++) {
        problem p;
        problem_init(&p, &r, 2, 3, 65536, 0);
        free(p.xzero);
        free(p.bias);
        p.xzero = malloc(2 * sizeof *p.xzero);
        p.bias = NULL;
        p.narrow = false;
        p.act = PE_ACT_NONE;
        for (size_t t = 0; t < 2; t++) p.xscale[t] = 1, p.xzero[t] = extreme[i].zero;
        for (size_t n = 0; n < 3; n++) p.wscale[n] = 1;
        for (size_t t = 0; t < 2; t++) memset(p.x + t * p.ldx, extreme[i].x, p.k);
        memset(p.w, extreme[i].w, p.n * p.k);
        check(&p, pools, 1);
        assert_true((double)p.want[0] == extreme[i].acc);
        problem_release(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_shapes),
        cmocka_unit_test(large_shapes),
        cmocka_unit_test(empty_shapes),
        cmocka_unit_test(longest_sum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
