/* tests/kernels/test_passes.c - quantizing and pruning kernels of every level equal the
 * reference, bit for bit: odd lengths and alignments, ties, halves, NaN, Inf, denormals,
 * all-zero rows. Read next: tests/kernels/levels.h. */
#include <math.h>

#include "lib/base/checked.h"
#include "tests/kernels/levels.h"

enum { ROUNDS = 300, LONGEST = 400 };

/* Magnitudes that tie often: a few values, both signs, or odd ones. */
static float *tied_floats(pe_rng *r, size_t n)
{
    float *x = odd_floats(r, n);
    bool few = pe_rng_below(r, 2);
    for (size_t i = 0; few && i < n; i++) x[i] = (float)((int)pe_rng_below(r, 9) - 4) * 0.5f;
    return x;
}

static float *copy_of(const float *x, size_t n)
{
    float *y = malloc(n * sizeof *y + 1);
    assert_non_null(y);
    memcpy(y, x, n * sizeof *y);
    return y;
}

/* Runs `fn` on tables of every level with a fresh random array each round; its start is
 * unaligned. */
typedef void table_test(const pe_kernels *ref, const pe_kernels *k, const char *level, pe_rng *r,
                        const float *x, size_t n);

static void each_level(table_test *fn, uint64_t stream)
{
    pe_kernels ref, k;
    char level[32];
    pe_kernels_select(&ref, 0);
    for (size_t i = 0; i < pe_cpu_nlevels; i++) {
        pe_rng r;
        pe_rng_init(&r, 9, stream, 0);
        if (!level_table(&k, level, i)) continue;
        for (int round = 0; round < ROUNDS; round++) {
            size_t n = pe_rng_below(&r, LONGEST), skip = pe_rng_below(&r, 8);
            float *x = tied_floats(&r, n + skip);
            fn(&ref, &k, level, &r, x + skip, n);
            free(x);
        }
    }
}

static void one_quantize_rows(const pe_kernels *ref, const pe_kernels *k, const char *level,
                              pe_rng *r, const float *x, size_t n)
{
    static const float divs[] = { 127, 127.5f, 0, 0 };
    uint32_t kind = pe_rng_below(r, 4);
    size_t cols = 1 + pe_rng_below(r, 80), m = n / cols,
           ldq = pe_round_up(cols, 64) + 64 * pe_rng_below(r, 2);
    int8_t *q = aligned_bytes(2 * m * ldq);
    float *scale = malloc(2 * m * sizeof *scale + 1);
    int32_t *zero = calloc(2 * m + 1, sizeof *zero);
    pe_pool *pool = pe_rng_below(r, 4) ? NULL : test_pool(3);
    assert_true(scale && zero);
    memset(q, 0x55, 2 * m * ldq);
    for (size_t i = 0; i < 2; i++) {
        pe_quantize_call c = { .q = q + i * m * ldq,
                               .scale = scale + i * m,
                               .x = x,
                               .ldq = ldq,
                               .ldx = cols,
                               .m = m,
                               .k = cols,
                               .div = divs[kind],
                               .static_scale = 0.01f,
                               .pool = i ? pool : NULL };
        if (kind == 1 || kind == 3) c.zero = zero + i * m;
        if (kind == 3) c.static_zero = -37;
        (i ? k : ref)->quantize_rows(&c);
    }
    if (memcmp(q, q + m * ldq, m * ldq) || memcmp(scale, scale + m, m * sizeof *scale) ||
        memcmp(zero, zero + m, m * sizeof *zero))
        fail_msg("%s quantize_rows m=%zu k=%zu kind=%u differs", level, m, cols, kind);
    pe_pool_free(pool);
    free(q);
    free(scale);
    free(zero);
}
static void quantize_rows(void **state)
{
    (void)state;
    each_level(one_quantize_rows, 1);
}

static void one_absmax(const pe_kernels *ref, const pe_kernels *k, const char *level, pe_rng *r,
                       const float *x, size_t n)
{
    float *y = copy_of(x, n);
    if (n && pe_rng_below(r, 3) == 0)
        y[pe_rng_below(r, (uint32_t)n)] =
            (float[]){ NAN, INFINITY, -INFINITY, -NAN }[pe_rng_below(r, 4)];
    float a = ref->absmax_f32(y, n), b = k->absmax_f32(y, n);
    if (memcmp(&a, &b, sizeof a))
        fail_msg("%s absmax_f32 n=%zu: %a, the reference has %a", level, n, (double)b, (double)a);
    free(y);
}
static void absmax(void **state)
{
    (void)state;
    each_level(one_absmax, 2);
}

/* Scales that put many quotients on halves, and one that clamps. */
static void one_quantize_weights(const pe_kernels *ref, const pe_kernels *k, const char *level,
                                 pe_rng *r, const float *x, size_t n)
{
    float scale = (float[]){ 1.0f, 0.25f, 1 / 127.0f, 0.003f, 0.0f, 1e-42f }[pe_rng_below(r, 6)];
    int8_t *q = malloc(2 * n + 1);
    assert_non_null(q);
    ref->quantize_weights(q, x, n, scale);
    k->quantize_weights(q + n, x, n, scale);
    if (memcmp(q, q + n, n))
        fail_msg("%s quantize_weights n=%zu scale=%a differs", level, n, (double)scale);
    free(q);
}
/* Quotients within a few units in the last place of a half, where a quotient that is not rounded as
 * division rounds it gives another code, at scales of every exponent; and values that overflow. */
static void one_quantize_halves(const pe_kernels *ref, const pe_kernels *k, const char *level,
                                pe_rng *r, const float *x, size_t n)
{
    enum { MOST = 600 };
    float scale = ldexpf(1 + (float)pe_rng_below(r, 1u << 23) * 0x1p-23f,
                         (int)pe_rng_below(r, 250) - 124),
          y[MOST];
    int8_t q[2][MOST];
    (void)x;
    if (n > MOST) n = MOST;
    for (size_t i = 0; i < n; i++) {
        y[i] = scale * ((float)pe_rng_below(r, 260) + 0.5f) * (pe_rng_below(r, 2) ? 1 : -1);
        for (uint32_t step = pe_rng_below(r, 4); step; step--)
            y[i] = nextafterf(y[i], i % 2 ? INFINITY : 0);
        if (pe_rng_below(r, 50) == 0) y[i] = (float[]){ 3e38f, -3e38f, NAN, 0x1p-149f }[i % 4];
    }
    ref->quantize_weights(q[0], y, n, scale);
    k->quantize_weights(q[1], y, n, scale);
    for (size_t i = 0; i < n; i++)
        if (q[0][i] != q[1][i])
            fail_msg("%s quantize_weights %a / %a: %d, the reference has %d", level, (double)y[i],
                     (double)scale, q[1][i], q[0][i]);
}
static void quantize_weights(void **state)
{
    (void)state;
    each_level(one_quantize_weights, 3);
    each_level(one_quantize_halves, 33);
}

static void one_bracket(const pe_kernels *ref, const pe_kernels *k, const char *level, pe_rng *r,
                        const float *x, size_t n)
{
    float lo = (float[]){ 0, 0.5f, 0.3f, 1e-40f }[pe_rng_below(r, 4)],
          hi = lo + (float)pe_rng_below(r, 3) * 0.5f;
    float *mid = malloc((2 * n + 2) * sizeof *mid);
    size_t nmid[2] = { 1, 1 }, below[2];
    assert_non_null(mid);
    for (size_t i = 0; i < 2; i++) {
        mid[i * (n + 1)] = -1;
        below[i] = (i ? k : ref)->magnitude_bracket(mid + i * (n + 1), nmid + i, x, n, lo, hi);
    }
    if (below[0] != below[1] || nmid[0] != nmid[1] ||
        memcmp(mid, mid + n + 1, nmid[0] * sizeof *mid))
        fail_msg("%s magnitude_bracket n=%zu [%g, %g]: %zu below, %zu inside; the reference has "
                 "%zu, %zu",
                 level, n, (double)lo, (double)hi, below[1], nmid[1] - 1, below[0], nmid[0] - 1);
    free(mid);
}
static void magnitude_bracket(void **state)
{
    (void)state;
    each_level(one_bracket, 4);
}

static void same_pruned(const char *what, const char *level, const float *a, const float *b,
                        size_t n)
{
    if (memcmp(a, b, n * sizeof *a))
        fail_msg("%s %s n=%zu differs from the reference", level, what, n);
}

static void one_zero_below(const pe_kernels *ref, const pe_kernels *k, const char *level, pe_rng *r,
                           const float *x, size_t n)
{
    float t = (float[]){ 0, 0.5f, 1.0f, 1e-40f, INFINITY }[pe_rng_below(r, 5)];
    float *a = copy_of(x, n), *b = copy_of(x, n);
    size_t equal = ref->zero_below(a, n, t);
    assert_int_equal(k->zero_below(b, n, t), equal);
    same_pruned("zero_below", level, b, a, n);
    free(a);
    free(b);
}
static void zero_below(void **state)
{
    (void)state;
    each_level(one_zero_below, 5);
}

static void one_prune_nm(const pe_kernels *ref, const pe_kernels *k, const char *level, pe_rng *r,
                         const float *x, size_t n)
{
    int of = (int[]){ 4, 8, 2, 16, 7, 1, 32 }[pe_rng_below(r, 7)],
        keep = 1 + (int)pe_rng_below(r, (uint32_t)of);
    n = n / (size_t)of * (size_t)of;
    float *a = copy_of(x, n), *b = copy_of(x, n);
    ref->prune_nm(a, n, keep, of);
    k->prune_nm(b, n, keep, of);
    same_pruned("prune_nm", level, b, a, n);
    free(a);
    free(b);
}
static void prune_nm(void **state)
{
    (void)state;
    each_level(one_prune_nm, 6);
}

static void one_count_zero(const pe_kernels *ref, const pe_kernels *k, const char *level, pe_rng *r,
                           const float *x, size_t n)
{
    size_t width = (size_t)1 << pe_rng_below(r, 4), elems = n * sizeof *x / width;
    size_t want = ref->count_zero(x, elems, width), got = k->count_zero(x, elems, width);
    if (got != want)
        fail_msg("%s count_zero n=%zu of %zu bytes: %zu, the reference has %zu", level, elems,
                 width, got, want);
}
static void count_zero(void **state)
{
    (void)state;
    each_level(one_count_zero, 7);
}

/* What the reference means, on numbers worked out by hand. */
static void reference_by_hand(void **state)
{
    (void)state;
    pe_kernels ref;
    pe_kernels_select(&ref, 0);
    float x[8] = { 1, -1, 1, 0.5f, 0, -2, 2, -0.0f }, mid[8] = { 0 };
    size_t nmid = 0;
    int8_t q[8];
    assert_int_equal(ref.magnitude_bracket(mid, &nmid, x, 8, 0.5f, 1), 2);
    assert_int_equal(nmid, 4);
    assert_memory_equal(mid, ((float[]){ 1, 1, 1, 0.5f }), 4 * sizeof *mid);
    assert_int_equal(ref.count_zero(x, 8, 4), 1);
    ref.quantize_weights(q, x, 8, 0.2f);
    assert_memory_equal(q, ((int8_t[]){ 5, -5, 5, 2, 0, -10, 10, 0 }), 8);
    ref.quantize_weights(q, x, 8, 0.01f);
    assert_memory_equal(q, ((int8_t[]){ 100, -100, 100, 50, 0, -127, 127, 0 }), 8);
    ref.prune_nm(x, 8, 2, 4);
    assert_memory_equal(x, ((float[]){ 1, -1, 0, 0, 0, -2, 2, 0 }), sizeof x);
    assert_int_equal(ref.zero_below(x, 8, 1), 2);
    assert_memory_equal(x, ((float[]){ 1, -1, 0, 0, 0, -2, 2, 0 }), sizeof x);
    assert_true(ref.absmax_f32(x, 8) == 2 && isnan(ref.absmax_f32(&(float){ INFINITY }, 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_by_hand),
        cmocka_unit_test(quantize_rows),
        cmocka_unit_test(absmax),
        cmocka_unit_test(quantize_weights),
        cmocka_unit_test(magnitude_bracket),
        cmocka_unit_test(zero_below),
        cmocka_unit_test(prune_nm),
        cmocka_unit_test(count_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
