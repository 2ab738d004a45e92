/* tests/emu/kernels/test_op_rows.c - embedding, norms, pooling, picking rows: the bits of the
 * reference. Read next: tests/emu/kernels/image.h. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/emu/kernels/image.h"

static pe_kernels ref;
static const size_t widths[] = { 1,   3,   15,  16,  17,  31,  33,   64,  65,
                                 127, 128, 192, 384, 510, 640, 1000, 1044 };
enum { NWIDTHS = sizeof widths / sizeof widths[0] };

/* ---- embedding ---- */

static int32_t *ids_below(pe_rng *r, size_t n, size_t limit)
{
    int32_t *ids = host_new(n * sizeof *ids);
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)pe_rng_below(r, (uint32_t)limit);
    return ids;
}

enum { VOCAB = 13, KINDS = 3 };

static void embed_case(pe_rng *r, size_t T, size_t d, unsigned kind, size_t off)
{
    float *word = odd_floats(r, VOCAB * d), *small = odd_floats(r, KINDS * d);
    float *scale = random_floats(r, VOCAB, 0.1f);
    int8_t *codes = host_new(VOCAB * d);
    for (size_t i = 0; i < VOCAB * d; i++) codes[i] = (int8_t)pe_rng_u32(r);
    int32_t *ids = ids_below(r, T, VOCAB), *kinds = ids_below(r, T, KINDS);
    image y = image_of(NULL, T * d * 4, off);
    pe_embed_call h = { .y = y.host, .ids = ids, .T = T, .d = d },
                  c = { .y = y.dev, .T = T, .d = d };
    c.ids = dev_of(ids, T * 4);
    if (kind & 1) {
        h.word_s8 = codes, h.word_scale = scale;
        c.word_s8 = dev_of(codes, VOCAB * d), c.word_scale = dev_of(scale, VOCAB * 4);
    } else {
        h.word = word;
        c.word = floats_at(word, VOCAB * d, off);
    }
    float *table = floats_at(small, KINDS * d, 0);
    int32_t *kinds_dev = dev_of(kinds, T * 4);
    if (kind & 2) h.type = small, h.type_ids = kinds, c.type = table, c.type_ids = kinds_dev;
    if (kind & 4) h.pos = small, h.pos_ids = kinds, c.pos = table, c.pos_ids = kinds_dev;
    if (kind & 8) h.task = small, h.task_ids = kinds, c.task = table, c.task_ids = kinds_dev;
    ref.embed(&h);
    DEV(pe_cu_embed(&c, NULL));
    image_same(&y, "embedding");
    free(word), free(small), free(scale), free(codes), free(ids), free(kinds);
    dev_drop_all();
}

static void test_embed(pe_rng *r)
{
    test_begin("op embed");
    for (unsigned i = 0; i < 2 * NWIDTHS; i++)
        embed_case(r, (size_t[]){ 1, 7, 8, 9, 0, 17 }[i % 6], widths[i % NWIDTHS], i % 16,
                   i % 5 ? 0 : 4);
    embed_case(r, 3, 0, 0, 0);
}

static void gather_case(pe_rng *r, size_t m, size_t d, size_t off)
{
    float *x = odd_floats(r, VOCAB * d);
    uint32_t *rows = (uint32_t *)ids_below(r, m, VOCAB);
    image y = image_of(NULL, m * d * 4, off);
    for (size_t i = 0; i < m; i++) memcpy((float *)y.host + i * d, x + rows[i] * d, d * 4);
    DEV(pe_cu_gather_rows(y.dev, floats_at(x, VOCAB * d, 0), dev_of(rows, m * 4), m, d, NULL));
    image_same(&y, "rows picked");
    free(x), free(rows);
    dev_drop_all();
}

static void test_gather(pe_rng *r)
{
    test_begin("op gather rows");
    for (unsigned i = 0; i < NWIDTHS; i++) gather_case(r, i % 11, widths[i], i % 3 ? 0 : 4);
}

/* ---- norms ---- */

/* way: 0 x to y, 1 x and res to y, 2 in place, 3 in place with res */
static void norm_case(pe_rng *r, size_t m, size_t d, unsigned way)
{
    float *x = odd_floats(r, m * d), *res = odd_floats(r, m * d);
    float *gamma = odd_floats(r, d), *beta = odd_floats(r, d);
    float eps = way & 1 ? 1e-12f : 1e-5f;
    image y = image_of(way & 2 ? x : NULL, m * d * 4, 0);
    float *from = way & 2 ? y.host : x, *x_dev = way & 2 ? y.dev : floats_at(x, m * d, 0);
    float *res_dev = way & 1 ? floats_at(res, m * d, 0) : NULL;
    ref.layernorm(y.host, from, way & 1 ? res : NULL, gamma, beta, eps, m, d, NULL);
    DEV(pe_cu_layernorm(y.dev, x_dev, res_dev, floats_at(gamma, d, 0), floats_at(beta, d, 0), eps,
                        m, d, NULL));
    image_same(&y, "layer norm");
    free(x), free(res), free(gamma), free(beta);
    dev_drop_all();
}

static void test_norm(pe_rng *r)
{
    test_begin("op layer norm");
    for (unsigned i = 0; i < 4 * NWIDTHS; i++)
        norm_case(r, (size_t[]){ 1, 8, 9, 2, 0, 17, 3 }[i % 7], widths[i / 4], i % 4);
    norm_case(r, 3, 0, 0);
}

static void normalize_case(pe_rng *r, size_t m, size_t d)
{
    float *x = odd_floats(r, m * d);
    if (m > 1) memset(x, 0, d * 4); /* a row of zeros divides by 1e-12 */
    image y = image_of(x, m * d * 4, 0);
    ref.l2_normalize(y.host, m, d);
    DEV(pe_cu_l2_normalize(y.dev, m, d, NULL));
    image_same(&y, "l2 normalization");
    free(x);
    dev_drop_all();
}

static void test_normalize(pe_rng *r)
{
    test_begin("op l2 normalize");
    for (unsigned i = 0; i < NWIDTHS; i++) normalize_case(r, (i + 1) % 11, widths[i]);
    normalize_case(r, 2, 0);
}

/* ---- pooling ---- */

static void pool_case(pe_rng *r, size_t nrows, size_t d, size_t longest)
{
    uint32_t *begin = host_new((nrows + 1) * sizeof *begin);
    for (size_t i = 0; i < nrows; i++)
        begin[i + 1] = begin[i] + pe_rng_below(r, (uint32_t)longest + 1);
    float *x = odd_floats(r, begin[nrows] * d);
    image y = image_of(NULL, nrows * d * 4, 0);
    ref.mean_pool(y.host, x, begin, nrows, d, NULL);
    DEV(pe_cu_mean_pool(y.dev, floats_at(x, begin[nrows] * d, 0), dev_of(begin, (nrows + 1) * 4),
                        nrows, d, NULL));
    image_same(&y, "mean of tokens");
    free(begin), free(x);
    dev_drop_all();
}

static void test_pool(pe_rng *r)
{
    test_begin("op mean pool");
    for (unsigned i = 0; i < NWIDTHS; i++) pool_case(r, i % 6, widths[i], i % 4 * 9);
    pool_case(r, 4, 0, 3);
}

int main(void)
{
    pe_rng r;
    pe_rng_init(&r, 31, 1, 0);
    pe_kernels_select(&ref, 0);
    test_embed(&r);
    test_gather(&r);
    test_norm(&r);
    test_normalize(&r);
    test_pool(&r);
    return test_end();
}
