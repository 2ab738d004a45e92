/* tests/kernels/test_pair_s8.c - two sparse int8 layers in one call equal the reference, which is
 * the two layers with quantize_rows between them: odd shapes, every activation, dynamic and static
 * codes, rows that are zero or not finite. Read next: tests/kernels/levels.h. */
#include <math.h>

#include "lib/base/checked.h"
#include "tests/kernels/levels.h"

typedef struct layer {
    size_t n, k;
    int8_t *w;
    float *scale, *bias;
    int32_t *sum;
} layer;

typedef struct problem {
    layer a, b;
    size_t m, ldx;
    int8_t *x;
    float *xscale, *want, *want_scale;
    int32_t *xzero;
    pe_act act;
    float div, fixed;
    int32_t zero;
    bool asymmetric;
} problem;

static void *room(size_t nbytes)
{
    void *p = NULL;
    assert_int_equal(posix_memalign(&p, 64, nbytes ? nbytes : 1), 0);
    return p;
}

/* Nine of ten blocks of four are zero, now and then a whole row. */
static layer layer_new(pe_rng *r, size_t n, size_t k)
{
    layer l = { .n = n, .k = k, .w = room(n * k), .scale = room(n * 4), .sum = room(n * 4) };
    l.bias = pe_rng_below(r, 3) ? room(n * 4) : NULL;
    for (size_t i = 0; i < n; i++) {
        bool empty = pe_rng_below(r, 9) == 0, zero = true;
        l.scale[i] = 1e-3f * (float)pe_rng_unit(r);
        if (l.bias) l.bias[i] = odd_float(r) * 1e-2f;
        l.sum[i] = 0;
        for (size_t j = 0; j < k; j++) {
            if (j % 4 == 0) zero = pe_rng_below(r, 10) != 0;
            l.w[i * k + j] = (int8_t)(empty || zero ? 0 : (int)pe_rng_below(r, 255) - 127);
            l.sum[i] += l.w[i * k + j];
        }
    }
    return l;
}

static void layer_free(layer *l)
{
    free(l->w);
    free(l->scale);
    free(l->bias);
    free(l->sum);
}

static pe_linear_call call_of(const layer *l, void *packed, size_t m, pe_pool *pool)
{
    return (pe_linear_call){ .m = m,
                             .n = l->n,
                             .k = l->k,
                             .packed = packed,
                             .wscale = l->scale,
                             .wsum = l->sum,
                             .bias = l->bias,
                             .pool = pool };
}

static void *pack(const pe_kernels *k, const layer *l)
{
    const pe_linear_form *f = k->form[PE_FORM_S8_BLOCK4];
    pe_matrix w = { .n = l->n, .k = l->k, .s8 = l->w };
    void *packed = room(f->packed_nbytes(&w));
    f->pack(packed, &w);
    return packed;
}

/* y [m, b.n] and scale [m] of a level. */
static void run(const pe_kernels *k, const problem *p, float *y, float *scale, pe_pool *pool)
{
    void *first = pack(k, &p->a), *second = pack(k, &p->b);
    int nthreads = pe_pool_nthreads(pool);
    int32_t *zero = p->asymmetric ? room(p->m * sizeof *zero) : NULL;
    pe_pair_call c = { call_of(&p->a, first, p->m, pool),
                       call_of(&p->b, second, p->m, pool),
                       { .scale = scale, .zero = zero, .m = p->m, .k = p->a.n, .div = p->div } };
    c.first.xq = p->x;
    c.first.ldx = p->ldx;
    c.first.xscale = p->xscale;
    c.first.xzero = p->xzero;
    c.first.act = p->act;
    c.first.scratch = room(k->s8_block4_pair_scratch(p->m, p->a.k, p->a.n, p->b.n, nthreads));
    c.second.y = y;
    c.second.ldy = p->b.n;
    c.codes.static_scale = p->fixed;
    c.codes.static_zero = p->zero;
    k->s8_block4_pair(&c);
    for (size_t t = 0; zero && t < p->m; t++) assert_int_equal(zero[t], p->div > 0 ? 0 : p->zero);
    free(c.first.scratch);
    free(zero);
    free(first);
    free(second);
}

static problem problem_new(pe_rng *r, size_t m, size_t k, size_t mid, size_t n, int how)
{
    problem p = { .a = layer_new(r, mid, k), .b = layer_new(r, n, mid), .m = m };
    p.ldx = pe_round_up(k, 64);
    p.x = room(m * p.ldx);
    p.xscale = room(m * 4);
    p.act = (pe_act)pe_rng_below(r, PE_NACTS);
    memset(p.x, 0, m * p.ldx);
    if (pe_rng_below(r, 3) == 0) p.xzero = room(m * 4);
    for (size_t t = 0; t < m; t++) {
        for (size_t i = 0; i < k; i++)
            p.x[t * p.ldx + i] = (int8_t)((int)pe_rng_below(r, 255) - 127);
        p.xscale[t] = (float)pe_rng_unit(r);
        if (pe_rng_below(r, 12) == 0) p.xscale[t] = (float[]){ 0, NAN, 1e-38f, 1e30f }[t % 4];
        if (p.xzero) p.xzero[t] = (int32_t)pe_rng_below(r, 255) - 127;
    }
    p.div = how == 0 ? 127.0f : how == 1 ? 127.5f : 0;
    p.fixed = how == 3 ? 1e-35f : 0.01f;
    p.asymmetric = how >= 2 && pe_rng_below(r, 2);
    p.zero = p.asymmetric ? -128 + (int32_t)pe_rng_below(r, 60) : 0;
    return p;
}

static void problem_free(problem *p)
{
    layer_free(&p->a);
    layer_free(&p->b);
    free(p->x);
    free(p->xscale);
    free(p->xzero);
}

static void check(const problem *p, pe_pool *pool)
{
    pe_kernels ref, k;
    char level[32], what[160];
    size_t ny = p->m * p->b.n;
    float *want = room(ny * 4), *scale = room(p->m * 4), *y = room(ny * 4), *s = room(p->m * 4);
    pe_kernels_select(&ref, 0);
    run(&ref, p, want, scale, NULL);
    for (size_t i = 0; i < pe_cpu_nlevels; i++) {
        if (!level_table(&k, level, i)) continue;
        memset(y, 0x55, ny * 4);
        memset(s, 0x55, p->m * 4);
        run(&k, p, y, s, pool);
        snprintf(what, sizeof what, "%s pair m=%zu k=%zu mid=%zu n=%zu act=%d div=%g zero=%d",
                 level, p->m, p->a.k, p->a.n, p->b.n, (int)p->act, (double)p->div, (int)p->zero);
        same_floats(what, s, scale, p->m);
        same_floats(what, y, want, ny);
    }
    free(want);
    free(scale);
    free(y);
    free(s);
}

static void levels_equal_reference(void **state)
{
    static const size_t tokens[] = { 1, 16, 64, 7, 33, 100, 130, 50 };
    (void)state;
    pe_rng r;
    pe_rng_init(&r, 6, 1, 0);
    pe_pool *pools[] = { NULL, test_pool(2), test_pool(3) };
    for (int i = 0; i < 64; i++) {
        size_t k = 1 + pe_rng_below(&r, 130), mid = 1 + pe_rng_below(&r, 300),
               n = 1 + pe_rng_below(&r, 140);
        problem p = problem_new(&r, tokens[i % 8], k, mid, n, i / 8 % 4);
        check(&p, pools[i % 3]);
        problem_free(&p);
    }
    for (int i = 1; i < 3; i++) pe_pool_free(pools[i]);
}

/* More inputs than a split, more outputs than a task of codes. */
static void wide_layers(void **state)
{
    (void)state;
    pe_rng r;
    pe_rng_init(&r, 6, 2, 0);
    pe_pool *pool = test_pool(2);
    for (int how = 0; how < 4; how++) {
        problem p = problem_new(&r, 20, 777, 1539, 97, how);
        p.act = how % 2 ? PE_ACT_GELU_ERF : PE_ACT_GELU_CODES;
        check(&p, pool);
        problem_free(&p);
    }
    pe_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_equal_reference),
        cmocka_unit_test(wide_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
