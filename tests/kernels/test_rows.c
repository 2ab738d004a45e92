/* tests/kernels/test_rows.c - embedding, layer norm, softmax, pooling, normalization, activations,
 * the finite check and widening of every level equal the reference. Read next:
 * tests/kernels/levels.h. */
#include <math.h>

#include "tests/kernels/levels.h"

/* Each op fills one output from one seed, so the same code runs at the reference and at each level.
 */
typedef struct op_case {
    size_t rows, d, nout;
    uint32_t seed;
    pe_pool *pool;
    char what[64];
} op_case;
typedef float *op_fn(const pe_kernels *k, op_case *c);

static float *zeros(op_case *c, size_t n)
{
    float *y = calloc(n + 1, sizeof *y);
    assert_non_null(y);
    c->nout = n;
    return y;
}

static float *run_embed(const pe_kernels *k, op_case *c)
{
    enum { VOCAB = 11 };
    pe_rng r;
    pe_rng_init(&r, 5, 1, c->seed);
    size_t d = c->d, T = c->rows;
    float *table[4], *scale = odd_floats(&r, VOCAB), *y = zeros(c, T * d);
    int32_t *ids[4];
    int8_t *codes = malloc(VOCAB * d + 1);
    for (size_t i = 0; i < VOCAB * d; i++) codes[i] = (int8_t)(pe_rng_below(&r, 255) - 127);
    for (int i = 0; i < 4; i++) {
        table[i] = odd_floats(&r, VOCAB * d);
        ids[i] = malloc(T * sizeof **ids + 1);
        for (size_t t = 0; t < T; t++) ids[i][t] = (int32_t)pe_rng_below(&r, VOCAB);
    }
    uint32_t has = c->seed % 16;
    pe_embed_call call = { .y = y,
                           .word = has & 1 ? table[0] : NULL,
                           .word_s8 = codes,
                           .word_scale = scale,
                           .type = has & 2 ? table[1] : NULL,
                           .pos = has & 4 ? table[2] : NULL,
                           .task = has & 8 ? table[3] : NULL,
                           .ids = ids[0],
                           .type_ids = ids[1],
                           .pos_ids = ids[2],
                           .task_ids = ids[3],
                           .T = T,
                           .d = d,
                           .pool = c->pool };
    k->embed(&call);
    for (int i = 0; i < 4; i++) free(table[i]), free(ids[i]);
    free(scale);
    free(codes);
    return y;
}

static float *run_layernorm(const pe_kernels *k, op_case *c)
{
    pe_rng r;
    pe_rng_init(&r, 5, 2, c->seed);
    size_t n = c->rows * c->d;
    float *x = odd_floats(&r, n), *res = odd_floats(&r, n), *gamma = odd_floats(&r, c->d),
          *beta = odd_floats(&r, c->d);
    float *y = zeros(c, n);
    bool in_place = c->seed & 2;
    if (in_place) memcpy(y, x, n * sizeof *x);
    k->layernorm(y, in_place ? y : x, c->seed & 1 ? res : NULL, gamma, beta, 1e-12f, c->rows, c->d,
                 c->pool);
    free(x), free(res), free(gamma), free(beta);
    return y;
}

static float *filled(op_case *c, pe_rng *r, size_t n)
{
    float *x = odd_floats(r, n), *y = zeros(c, n);
    memcpy(y, x, n * sizeof *x);
    free(x);
    return y;
}

static float *run_softmax(const pe_kernels *k, op_case *c)
{
    pe_rng r;
    pe_rng_init(&r, 5, 3, c->seed);
    float *y = filled(c, &r, c->rows * c->d);
    k->softmax_rows(y, c->rows, c->d);
    return y;
}

static float *run_l2(const pe_kernels *k, op_case *c)
{
    pe_rng r;
    pe_rng_init(&r, 5, 4, c->seed);
    float *y = filled(c, &r, c->rows * c->d);
    if (c->seed % 3 == 0 && c->rows) memset(y, 0, c->d * sizeof *y);
    k->l2_normalize(y, c->rows, c->d);
    return y;
}

static float *run_mean(const pe_kernels *k, op_case *c)
{
    pe_rng r;
    pe_rng_init(&r, 5, 5, c->seed);
    uint32_t begin[80] = { 0 };
    for (size_t i = 0; i < c->rows; i++) begin[i + 1] = begin[i] + pe_rng_below(&r, 9);
    float *x = odd_floats(&r, begin[c->rows] * c->d), *y = zeros(c, c->rows * c->d);
    k->mean_pool(y, x, begin, c->rows, c->d, c->pool);
    free(x);
    return y;
}

static float *run_activate(const pe_kernels *k, op_case *c)
{
    pe_rng r;
    pe_rng_init(&r, 5, 6, c->seed);
    size_t n = c->rows * c->d * 17; /* several tasks */
    float *y = filled(c, &r, n);
    for (size_t i = 0; i < n; i++) y[i] *= 6;
    for (size_t i = 0; i < n && i < 3; i++) y[i] = i ? 3e38f : -3e38f;
    k->activate(y, n, (pe_act)(c->seed % PE_NACTS), c->pool);
    return y;
}

static float *run_widen(const pe_kernels *k, op_case *c)
{
    pe_rng r;
    pe_rng_init(&r, 5, 7, c->seed);
    size_t n = c->rows * c->d;
    uint16_t *x = malloc(n * sizeof *x + 1);
    for (size_t i = 0; i < n; i++) x[i] = (uint16_t)pe_rng_u32(&r);
    float *y = zeros(c, n);
    (c->seed & 1 ? k->bf16_to_f32 : k->f16_to_f32)(y, x, n);
    free(x);
    return y;
}

static void check_op(const char *name, op_fn *fn)
{
    pe_pool *pools[] = { NULL, test_pool(3) };
    pe_kernels ref, k;
    char level[32], what[128];
    pe_rng r;
    pe_rng_init(&r, 5, 99, 0);
    pe_kernels_select(&ref, 0);
    for (uint32_t i = 0; i < 120; i++) {
        op_case c = { .rows = pe_rng_below(&r, 70), .d = 1 + pe_rng_below(&r, 70), .seed = i };
        if (i % 8 == 0) c.d = 384;
        float *want = fn(&ref, &c);
        for (size_t l = 0; l < pe_cpu_nlevels; l++) {
            if (!level_table(&k, level, l)) continue;
            c.pool = pools[i % 2];
            float *got = fn(&k, &c);
            snprintf(what, sizeof what, "%s %s rows=%zu d=%zu seed=%u", level, name, c.rows, c.d,
                     c.seed);
            same_floats(what, got, want, c.nout);
            free(got);
        }
        c.pool = NULL;
        free(want);
    }
    pe_pool_free(pools[1]);
}

static void embed(void **state)
{
    (void)state, check_op("embed", run_embed);
}
static void layernorm(void **state)
{
    (void)state, check_op("layernorm", run_layernorm);
}
static void softmax(void **state)
{
    (void)state, check_op("softmax", run_softmax);
}
static void l2_normalize(void **state)
{
    (void)state, check_op("l2_normalize", run_l2);
}
static void mean_pool(void **state)
{
    (void)state, check_op("mean_pool", run_mean);
}
static void activate(void **state)
{
    (void)state, check_op("activate", run_activate);
}
static void widen(void **state)
{
    (void)state, check_op("widen", run_widen);
}

/* One bad value anywhere is found, at every length and place; none is imagined. */
static void all_finite(void **state)
{
    static const size_t lengths[] = { 0, 1, 7, 15, 16, 17, 33, 4095, 4097, 16384, 16385, 50000 };
    (void)state;
    pe_pool *pool = test_pool(3);
    char level[32];
    for (size_t l = 0; l < pe_cpu_nlevels; l++) {
        pe_kernels k;
        if (l ? !level_table(&k, level, l) : (pe_kernels_select(&k, 0), false)) continue;
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
            size_t n = lengths[i];
            float *x = malloc(n * sizeof *x + 1);
            for (size_t j = 0; j < n; j++) x[j] = j % 2 ? -3.4e38f : 1e-42f;
            assert_true(k.all_finite(x, n, pool));
            for (size_t j = 0; j < n; j += 1 + n / 97) {
                float was = x[j];
                x[j] = j % 3 == 0 ? NAN : j % 3 == 1 ? INFINITY : -INFINITY;
                assert_false(k.all_finite(x, n, j % 2 ? pool : NULL));
                x[j] = was;
            }
            free(x);
        }
    }
    pe_pool_free(pool);
}

/* Every f16 and some bf16 by the definition of the formats, at the reference. */
static void widening_is_the_format(void **state)
{
    (void)state;
    pe_kernels ref;
    pe_kernels_select(&ref, 0);
    for (uint32_t h = 0; h < 65536; h++) {
        uint16_t x = (uint16_t)h;
        float y;
        int exp = h >> 10 & 31, frac = h & 1023;
        double want = exp ? ldexp(1024 + frac, exp - 25) : ldexp(frac, -24);
        if (h >> 15) want = -want;
        ref.f16_to_f32(&y, &x, 1);
        if (exp == 31) assert_true(frac ? isnan(y) : isinf(y) && !signbit(y) == !(h >> 15));
        else assert_true((double)y == want && !signbit(y) == !signbit(want));
        ref.bf16_to_f32(&y, &x, 1);
        uint32_t bits;
        memcpy(&bits, &y, sizeof bits);
        assert_int_equal(bits, h << 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(embed),
        cmocka_unit_test(layernorm),
        cmocka_unit_test(softmax),
        cmocka_unit_test(mean_pool),
        cmocka_unit_test(l2_normalize),
        cmocka_unit_test(activate),
        cmocka_unit_test(widen),
        cmocka_unit_test(all_finite),
        cmocka_unit_test(widening_is_the_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
