/* tests/emu/kernels/test_pass_select.c - the exact k lowest of several arrays and of blocks, found
 * with the loop that kernels/cuda/cuda.h describes, against lib/prune/lowest.c and pattern.c.
 * Read next: kernels/cuda/select.cu, kernels/cuda/cut.cu. */
#include <stdlib.h>

#include "lib/prune/lowest.h"
#include "lib/prune/pattern.h"
#include "tests/emu/kernels/pass_case.h"

enum { DIGITS = 2048, MOST_ARRAYS = 8 };
static pe_kernels ref;

/* Arrays that share a threshold: f32 magnitudes or (wide) f64 scores. */
typedef struct arrays {
    size_t count, n[MOST_ARRAYS];
    void *host[MOST_ARRAYS];
    guarded dev[MOST_ARRAYS];
    bool wide;
} arrays;

/* ---- the two ways to a threshold ------------------------------------------------------------- */

typedef struct cut {
    uint64_t key; /* bits of the threshold */
    uint64_t keep[MOST_ARRAYS], gone[MOST_ARRAYS];
} cut;

static pe_status load(pe_scores *out, void *arg, size_t chunk, size_t begin, size_t count,
                      int worker, pe_error *err)
{
    const arrays *a = arg;
    (void)worker, (void)err;
    *out = (pe_scores){ .n = count };
    if (a->wide) out->f64 = (const double *)a->host[chunk] + begin;
    else out->f32 = (const float *)a->host[chunk] + begin;
    return PE_OK;
}

static cut cut_on_host(arrays *a, uint64_t k)
{
    uint64_t first[MOST_ARRAYS + 1] = { 0 };
    pe_select_source src = {
        .arg = a, .nchunks = a->count, .first = first, .wide = a->wide, .load = load
    };
    pe_cut found;
    cut out = { 0 };
    for (size_t i = 0; i < a->count; i++) {
        first[i + 1] = first[i] + a->n[i];
        if (a->n[i] > src.max_chunk) src.max_chunk = a->n[i];
    }
    if (pe_select_lowest(&found, &src, k, NULL, NULL)) exit(1);
    float narrow = (float)found.threshold;
    if (a->wide) memcpy(&out.key, &found.threshold, 8);
    else memcpy(&out.key, &narrow, 4);
    memcpy(out.keep, found.keep_equal, a->count * 8);
    memcpy(out.gone, found.gone, a->count * 8);
    pe_cut_release(&found);
    return out;
}

/* One pass: counts of each array by digits of the keys that begin like the prefix. */
static void count_digits(uint64_t *counts, const arrays *a, uint64_t prefix, int shift)
{
    uint64_t *dev = dev_of(counts, a->count * DIGITS * 8);
    void *dev_prefix = dev_of(&prefix, 8);
    for (size_t i = 0; i < a->count; i++)
        DEV(a->wide
                ? pe_cu_radix_f64(dev + i * DIGITS, a->dev[i].at, a->n[i], dev_prefix, shift, NULL)
                : pe_cu_radix_f32(dev + i * DIGITS, a->dev[i].at, a->n[i], dev_prefix, shift,
                                  NULL));
    dev_get(counts, dev, a->count * DIGITS * 8);
}

static uint64_t total_of(const uint64_t *counts, size_t narrays, uint64_t digit)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < narrays; i++) sum += counts[i * DIGITS + digit];
    return sum;
}

/* Fills key and keep; gone is what the kernels count. */
static cut cut_on_device(const arrays *a, uint64_t k)
{
    static const int F32[] = { 20, 9, 0 }, F64[] = { 52, 41, 30, 19, 8, 0 };
    uint64_t rank = k ? k - 1 : 0, d = 0;
    uint64_t *counts = host_new(a->count * DIGITS * 8);
    cut out = { 0 };
    for (int pass = 0; pass < (a->wide ? 6 : 3); pass++) {
        int shift = a->wide ? F64[pass] : F32[pass];
        memset(counts, 0, a->count * DIGITS * 8);
        count_digits(counts, a, out.key, shift);
        d = out.key >> shift & (DIGITS - 1);
        while (rank >= total_of(counts, a->count, d)) rank -= total_of(counts, a->count, d++);
        out.key = (out.key >> shift >> 11 << 11 | d) << shift;
    }
    uint64_t stay = total_of(counts, a->count, d) - (k ? rank + 1 : 0);
    for (size_t i = 0; i < a->count; i++) {
        uint64_t have = counts[i * DIGITS + d];
        out.keep[i] = have < stay ? have : stay;
        stay -= out.keep[i];
    }
    free(counts);
    return out;
}

static void same_cut(const cut *got, const cut *want, size_t narrays, const char *what)
{
    if (got->key != want->key)
        test_fail("%s: threshold %llx, expected %llx", what, (unsigned long long)got->key,
                  (unsigned long long)want->key);
    same_bytes(got->keep, want->keep, narrays * 8, what);
}

/* ---- single weights -------------------------------------------------------------------------- */

static uint64_t cut_array(const guarded *x, size_t n, float t, uint64_t keep)
{
    guarded scratch = guard_new(pe_cu_cut_scratch(n), 0);
    uint64_t *gone = dev_of(&(uint64_t){ 5 }, 8);
    DEV(pe_cu_cut_f32(x->at, n, dev_of(&t, 4), dev_of(&keep, 8), gone, scratch.at, NULL));
    free(guard_get(&scratch, "scratch of the cut"));
    return dev_u64(gone) - 5;
}

static void prune_arrays(pe_rng *r, kind what, const size_t *sizes, size_t count, uint64_t k)
{
    arrays a = { .count = count };
    for (size_t i = 0; i < count; i++) {
        a.n[i] = sizes[i];
        a.host[i] = weights_of(r, sizes[i], what);
        a.dev[i] = guard_of(a.host[i], sizes[i] * 4, 4 * i % 16);
    }
    cut want = cut_on_host(&a, k), got = cut_on_device(&a, k);
    same_cut(&got, &want, count, KINDS[what]);
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = (uint32_t)want.key;
        float t;
        memcpy(&t, &bits, 4);
        got.gone[i] = cut_array(&a.dev[i], a.n[i], t, got.keep[i]);
        pe_pattern_zero_below(&ref, a.host[i], a.n[i], t, want.keep[i]);
        guard_same(&a.dev[i], a.host[i], "pruned weights");
        free(a.host[i]);
    }
    same_bytes(got.gone, want.gone, count * 8, "numbers of zeroed weights");
    dev_drop_all();
}

static void test_global(pe_rng *r)
{
    static const size_t SMALL[] = { 17, 1, 33, 64 }, LARGE[] = { 1000, 4097, 9001, 129 };
    test_begin("the k lowest of several arrays, every k");
    for (uint64_t k = 0; k <= 115; k += k < 3 || k > 112 ? 1 : 13)
        for (int what = 0; what < NKINDS; what++) prune_arrays(r, (kind)what, SMALL, 4, k);
    test_begin("the k lowest of arrays of several chunks");
    for (int what = 0; what < NKINDS; what++)
        for (uint64_t k = 7; k < 14227; k += 3553) prune_arrays(r, (kind)what, LARGE, 4, k);
}

/* Thresholds and numbers to keep that no selection would give. */
static void one_cut(pe_rng *r, size_t n, kind what, size_t offset)
{
    float *x = weights_of(r, n, what), t = fabsf(x[pe_rng_below(r, (uint32_t)n)]);
    uint64_t below = 0, equal = 0;
    for (size_t i = 0; i < n; i++) {
        below += fabsf(x[i]) < t;
        equal += fabsf(x[i]) == t;
    }
    const uint64_t keeps[] = { 0, 1, equal / 2, equal, equal + 9 };
    for (size_t i = 0; i < 5; i++) {
        float *want = copy_of(x, n * sizeof *x);
        uint64_t stay = keeps[i] < equal ? keeps[i] : equal;
        guarded got = guard_of(x, n * sizeof *x, 4 * offset);
        uint64_t gone = cut_array(&got, n, t, keeps[i]);
        pe_pattern_zero_below(&ref, want, n, t, keeps[i]);
        guard_same(&got, want, "cut weights");
        if (gone != below + equal - stay)
            test_fail("%llu went, expected %llu", (unsigned long long)gone,
                      (unsigned long long)(below + equal - stay));
        dev_drop_all();
        free(want);
    }
    free(x);
}

static void test_cut(pe_rng *r)
{
    test_begin("cuts of every size and alignment, ties in order");
    for (size_t i = 0; i < NSIZES; i++)
        for (size_t offset = 0; offset < 4; offset++)
            one_cut(r, SIZES[i], (kind)((i + offset) % NKINDS), offset);
    one_cut(r, 20000, TIES, 3);
    one_cut(r, 4096, TIES, 0);
    one_cut(r, 12288, SPARSE, 1);
    DEV(pe_cu_cut_f32(NULL, 0, NULL, NULL, NULL, NULL, NULL));
}

/* NaN and Inf are above every threshold and stay. */
static void test_not_finite(void)
{
    float x[9] = { NAN, 1, -INFINITY, -0.5f, 0.25f, -NAN, -0.0f, INFINITY, 0.5f };
    test_begin("what is not finite is not cut");
    guarded got = guard_of(x, sizeof x, 4);
    cut_array(&got, 9, 0.5f, 1);
    x[4] = x[6] = x[8] = 0;
    guard_same(&got, x, "cut weights");
    dev_drop_all();
}

static void test_radix(pe_rng *r)
{
    test_begin("digits are counted for keys of the prefix only, added to what is there");
    for (size_t i = 0; i < NSIZES; i++) {
        size_t n = SIZES[i];
        float *x = weights_of(r, n, (kind)(i % NKINDS));
        uint64_t *want = host_new(DIGITS * 8);
        uint32_t prefix, bits;
        int shift = (int)(i % 4) * 7 - (i % 4 == 3);
        memcpy(&prefix, x + n / 2, 4);
        prefix &= 0x7fffffff;
        for (size_t d = 0; d < DIGITS; d++) want[d] = d;
        guarded got = guard_of(want, DIGITS * 8, 0);
        for (size_t j = 0; j < n; j++) {
            memcpy(&bits, x + j, 4);
            bits &= 0x7fffffff;
            if ((uint64_t)bits >> (shift + 11) == (uint64_t)prefix >> (shift + 11))
                want[bits >> shift & (DIGITS - 1)]++;
        }
        DEV(pe_cu_radix_f32(got.at, dev_tight(x, n * 4, 4 * (i % 4)), n, dev_of(&prefix, 4), shift,
                            NULL));
        guard_same(&got, want, "counts");
        dev_drop_all();
        free(x), free(want);
    }
    if (pe_cu_radix_f32(NULL, NULL, 1, NULL, 21, NULL) != cudaErrorInvalidValue ||
        pe_cu_radix_f64(NULL, NULL, 1, NULL, 53, NULL) != cudaErrorInvalidValue)
        test_fail("a digit beyond the key was taken");
}

/* ---- blocks ---------------------------------------------------------------------------------- */

typedef struct matrix {
    size_t n, k;
    uint32_t rows, cols;
    kind what;
} matrix;

/* The k lowest blocks of two matrices with one threshold; k in 64ths of their number. */
static void prune_blocks(pe_rng *r, const matrix *m, uint64_t share)
{
    pe_pattern p = { .kind = PE_PATTERN_BLOCK, .rows = m->rows, .cols = m->cols };
    size_t nblocks = (size_t)pe_pattern_nblocks(&p, m->n, m->k), nbytes = m->n * m->k * 4;
    arrays a = { .count = 2, .n = { nblocks, nblocks }, .wide = true };
    float *x[2];
    guarded dev[2];
    for (size_t i = 0; i < 2; i++) {
        x[i] = weights_of(r, m->n * m->k, m->what);
        dev[i] = guard_of(x[i], nbytes, 4 * (share % 4));
        a.host[i] = host_new(nblocks * 8);
        pe_pattern_scores(a.host[i], &p, x[i], m->n, m->k);
        a.dev[i] = guard_new(nblocks * 8, 0);
        DEV(pe_cu_block_scores(a.dev[i].at, dev[i].at, m->n, m->k, m->rows, m->cols, NULL));
        guard_same(&a.dev[i], a.host[i], "block scores");
    }
    uint64_t k = 2 * nblocks * share / 64;
    cut want = cut_on_host(&a, k), got = cut_on_device(&a, k);
    same_cut(&got, &want, 2, "blocks");
    for (size_t i = 0; i < 2; i++) {
        double t;
        guarded scratch = guard_new(pe_cu_cut_blocks_scratch(nblocks), 0);
        uint64_t *gone = dev_of(&(uint64_t){ 3 }, 8);
        memcpy(&t, &want.key, 8);
        DEV(pe_cu_cut_blocks(dev[i].at, m->n, m->k, m->rows, m->cols, a.dev[i].at, dev_of(&t, 8),
                             dev_of(&got.keep[i], 8), gone, scratch.at, NULL));
        got.gone[i] = dev_u64(gone) - 3;
        pe_pattern_zero_blocks(x[i], &p, a.host[i], m->n, m->k, t, want.keep[i]);
        guard_same(&dev[i], x[i], "weights without blocks");
        free(guard_get(&scratch, "scratch of the blocks"));
        free(x[i]), free(a.host[i]);
    }
    same_bytes(got.gone, want.gone, 2 * 8, "numbers of zeroed blocks");
    dev_drop_all();
}

static void test_blocks(pe_rng *r)
{
    static const matrix M[] = { { 33, 130, 1, 4, RANDOM },   { 16, 64, 1, 4, TIES },
                                { 17, 31, 4, 1, TIES },      { 65, 129, 16, 16, RANDOM },
                                { 64, 96, 32, 32, SPARSE },  { 1, 1, 16, 16, RANDOM },
                                { 30, 33, 3, 5, ZEROS },     { 128, 130, 1, 1, TIES },
                                { 40, 47, 2, 7, DENORMALS }, { 3, 2100, 1, 4, SPARSE },
                                { 50, 300, 32, 250, RANDOM } };
    test_begin("the k lowest blocks of two matrices");
    for (size_t i = 0; i < sizeof M / sizeof *M; i++)
        for (uint64_t share = 0; share <= 64; share += i % 2 ? 32 : 21)
            prune_blocks(r, &M[i], share);
    DEV(pe_cu_cut_blocks(NULL, 0, 4, 1, 4, NULL, NULL, NULL, NULL, NULL, NULL));
}

int main(void)
{
    pe_rng r;
    pe_kernels_select(&ref, 0);
    pe_rng_init(&r, 22, 0, 0);
    test_radix(&r);
    test_global(&r);
    test_cut(&r);
    test_not_finite();
    test_blocks(&r);
    return test_end();
}
