/* tests/emu/kernels/test_pass_weights.c - codes, N:M, block scores and counts against the kernels
 * of kernels/ref/ and lib/prune/pattern.c. Read next: tests/emu/kernels/test_pass_select.c. */
#include <stdlib.h>

#include "lib/prune/pattern.h"
#include "tests/emu/kernels/pass_case.h"

static pe_kernels ref;

/* ---- codes ----------------------------------------------------------------------------------- */

/* Halves of scales are ties; scales of 0 and denormal ones occur. */
static void one_quantize(pe_rng *r, size_t n, size_t k, size_t gap, size_t qgap)
{
    size_t ld = k + gap, ldq = k + qgap;
    float *x = weights_of(r, n * ld, RANDOM), *scale = host_new(n * sizeof *scale);
    int8_t *want = memset(host_new(n * ldq), (int)GUARD_BYTE, n * ldq);
    for (size_t i = 0; i < n; i++) {
        scale[i] = i % 5 == 3 ? 0 : i % 5 == 4 ? 0x1p-149f : ref.absmax_f32(x + i * ld, k) / 100;
        for (size_t c = 0; c < k; c += 3)
            x[i * ld + c] = scale[i] * ((float)pe_rng_below(r, 400) - 199.5f);
        if (i % 5 == 4)
            for (size_t c = 0; c < k; c += 2) x[i * ld + c] = (float)c * 0x1p-149f;
        ref.quantize_weights(want + i * ldq, x + i * ld, k, scale[i]);
    }
    guarded q = guard_new((n * ldq - qgap) * 1, qgap % 4);
    const float *dx = dev_tight(x, (n * ld - gap) * sizeof *x, 4 * gap % 16);
    DEV(pe_cu_quantize_weights(q.at, ldq, dx, ld, n, k, dev_of(scale, n * sizeof *scale), NULL));
    guard_same(&q, want, "codes");
    dev_drop_all();
    free(x), free(scale), free(want);
}

static void test_quantize(pe_rng *r)
{
    test_begin("codes of weights of every size and alignment");
    for (size_t i = 0; i < NSIZES; i++) one_quantize(r, 6, SIZES[i], i % 4, i / 4 % 4);
    for (size_t i = 0; i < 16; i++) one_quantize(r, 5, 21, i % 4, i / 4);
    one_quantize(r, 3, 4100, 0, 0);
    one_quantize(r, 3, 4101, 2, 3);
    DEV(pe_cu_quantize_weights(NULL, 0, NULL, 0, 3, 0, NULL, NULL));
    DEV(pe_cu_quantize_weights(NULL, 4, NULL, 4, 0, 4, NULL, NULL));
}

/* ---- N of M ---------------------------------------------------------------------------------- */

static void one_nm(pe_rng *r, size_t n, int keep, int of, kind what, size_t offset)
{
    float *x = weights_of(r, n, what);
    if (what == RANDOM && n > 5) x[1] = NAN, x[2] = INFINITY, x[5] = -NAN;
    guarded got = guard_of(x, n * sizeof *x, 4 * offset);
    DEV(pe_cu_prune_nm(got.at, n, keep, of, NULL));
    ref.prune_nm(x, n, keep, of);
    guard_same(&got, x, "N of M");
    dev_drop_all();
    free(x);
}

static void test_nm(pe_rng *r)
{
    static const int OF[] = { 1, 2, 3, 4, 5, 8, 12, 16, 32, 33, 100, 1024 };
    test_begin("the largest N of every M");
    for (size_t i = 0; i < sizeof OF / sizeof *OF; i++) {
        int of = OF[i], keeps[] = { 1, (of + 1) / 2, of };
        for (size_t s = 0; s < 3; s++)
            for (size_t rest = 0; rest < 4; rest++)
                one_nm(r, (size_t)of * (rest == 3 ? 1 : 2000 / (size_t)of + 1) + rest % (size_t)of,
                       keeps[s], of, (kind)((s + rest) % NKINDS), rest);
    }
    for (size_t n = 0; n < 34; n++) {
        one_nm(r, n, 1, 2, TIES, n % 4);
        one_nm(r, n, 2, 4, TIES, n % 4);
        one_nm(r, n, 4, 8, TIES, n % 4);
    }
    one_nm(r, 70000, 2, 4, TIES, 0);
    one_nm(r, 10000, 3, 5, TIES, 1);
    test_begin("N of M that cannot be is refused");
    if (pe_cu_prune_nm(NULL, 8, 0, 4, NULL) != cudaErrorInvalidValue ||
        pe_cu_prune_nm(NULL, 8, 5, 4, NULL) != cudaErrorInvalidValue ||
        pe_cu_prune_nm(NULL, 8, 1, 1025, NULL) != cudaErrorInvalidValue)
        test_fail("it was taken");
}

/* ---- block scores ---------------------------------------------------------------------------- */

static void one_scores(pe_rng *r, size_t n, size_t k, uint32_t rows, uint32_t cols, size_t offset)
{
    pe_pattern p = { .kind = PE_PATTERN_BLOCK, .rows = rows, .cols = cols };
    size_t nblocks = (size_t)pe_pattern_nblocks(&p, n, k);
    float *x = weights_of(r, n * k, (kind)((n + k + offset) % NKINDS));
    double *want = host_new(nblocks * sizeof *want);
    pe_pattern_scores(want, &p, x, n, k);
    guarded got = guard_new(nblocks * sizeof *want, 0);
    DEV(pe_cu_block_scores(got.at, dev_tight(x, n * k * sizeof *x, 4 * offset), n, k, rows, cols,
                           NULL));
    guard_same(&got, want, "block scores");
    dev_drop_all();
    free(x), free(want);
}

static void test_scores(pe_rng *r)
{
    static const uint32_t EDGES[][2] = { { 1, 4 },  { 4, 1 },   { 1, 1 },   { 2, 3 },
                                         { 1, 8 },  { 3, 9 },   { 16, 16 }, { 32, 32 },
                                         { 5, 64 }, { 64, 17 }, { 1, 600 } };
    test_begin("block scores, ragged edges");
    for (size_t i = 0; i < sizeof EDGES / sizeof *EDGES; i++) {
        uint32_t rows = EDGES[i][0], cols = EDGES[i][1];
        one_scores(r, 33, 129, rows, cols, 0);
        one_scores(r, 64, 128, rows, cols, 0);
        one_scores(r, 17, 64, rows, cols, 1);
        one_scores(r, 2, 1000, rows, cols, 3);
        one_scores(r, 1, 1, rows, cols, 0);
    }
    test_begin("block scores of wide and of high blocks");
    one_scores(r, 20, 1100, 9, 1024, 0);
    one_scores(r, 300, 20, 1000, 12, 0);
    one_scores(r, 40, 1300, 32, 250, 2);
    DEV(pe_cu_block_scores(NULL, NULL, 0, 5, 1, 4, NULL));
}

/* ---- zeros ----------------------------------------------------------------------------------- */

/* Half of the elements zero, some zero but for one bit. */
static unsigned char *bits_of(pe_rng *r, size_t n, size_t e)
{
    unsigned char *x = host_new(n * e);
    for (size_t i = 0; i < n; i++)
        if (pe_rng_below(r, 2))
            x[i * e + pe_rng_below(r, (uint32_t)e)] = (unsigned char)(1u << pe_rng_below(r, 8));
    return x;
}

static void one_count(pe_rng *r, size_t n, size_t e, size_t offset)
{
    unsigned char *x = bits_of(r, n, e);
    uint64_t want = 7 + ref.count_zero(x, n, e);
    guarded got = guard_of(&(uint64_t){ 7 }, 8, 0);
    DEV(pe_cu_count_zero(got.at, dev_tight(x, n * e, e * offset), n, e, NULL));
    guard_same(&got, &want, "zeros");
    dev_drop_all();
    free(x);
}

static void test_count(pe_rng *r)
{
    test_begin("zeros of elements of 1, 2, 4 and 8 bytes");
    for (size_t e = 1; e <= 8; e *= 2) {
        one_count(r, 0, e, 0);
        for (size_t i = 0; i < NSIZES; i++) one_count(r, SIZES[i], e, i % 16);
        one_count(r, 33000, e, 1);
    }
    if (pe_cu_count_zero(NULL, NULL, 1, 3, NULL) != cudaErrorInvalidValue)
        test_fail("elements of 3 bytes were taken");
}

int main(void)
{
    pe_rng r;
    pe_kernels_select(&ref, 0);
    pe_rng_init(&r, 21, 0, 0);
    test_quantize(&r);
    test_nm(&r);
    test_scores(&r);
    test_count(&r);
    return test_end();
}
