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
/* Which tables there are, and what lies past an aligned address. */
enum { INT8 = 1, TYPE = 2, POS = 4, TASK = 8, WORD = 16, OUT = 32 };

static void give_table(pe_rng *r, const float **host, const float **dev, const int32_t **host_ids,
                       const int32_t **dev_ids, size_t T, size_t d, bool shifted)
{
    float *table = odd_floats(r, KINDS * d);
    int32_t *ids = ids_below(r, T, KINDS);
    *host = table, *host_ids = ids;
    *dev = floats_at(table, KINDS * d, shifted ? 4 : 0);
    *dev_ids = dev_of(ids, T * 4);
}

static void give_words(pe_rng *r, pe_embed_call *h, pe_embed_call *c, size_t n, bool int8,
                       bool shifted)
{
    int8_t *codes = host_new(n), *dev = dev_new(n + 4);
    for (size_t i = 0; i < n; i++) codes[i] = (int8_t)pe_rng_u32(r);
    float *word = odd_floats(r, n), *scale = random_floats(r, VOCAB, 0.1f);
    if (int8) {
        h->word_s8 = codes, h->word_scale = scale;
        if (n) DEV(cudaMemcpy(dev + shifted, codes, n, cudaMemcpyHostToDevice));
        c->word_s8 = dev + shifted, c->word_scale = dev_of(scale, VOCAB * 4);
        free(word);
    } else {
        h->word = word;
        c->word = floats_at(word, n, shifted ? 4 : 0);
        free(codes), free(scale);
    }
}

static void embed_case(pe_rng *r, size_t T, size_t d, unsigned tables, unsigned shifted)
{
    int32_t *ids = ids_below(r, T, VOCAB);
    image y = image_of(NULL, T * d * 4, shifted & OUT ? 4 : 0);
    pe_embed_call h = { .y = y.host, .ids = ids, .T = T, .d = d },
                  c = { .y = y.dev, .T = T, .d = d };
    c.ids = dev_of(ids, T * 4);
    give_words(r, &h, &c, VOCAB * d, tables & INT8, shifted & WORD);
    if (tables & TYPE)
        give_table(r, &h.type, &c.type, &h.type_ids, &c.type_ids, T, d, shifted & TYPE);
    if (tables & POS) give_table(r, &h.pos, &c.pos, &h.pos_ids, &c.pos_ids, T, d, shifted & POS);
    if (tables & TASK)
        give_table(r, &h.task, &c.task, &h.task_ids, &c.task_ids, T, d, shifted & TASK);
    ref.embed(&h);
    DEV(pe_cu_embed(&c, NULL));
    image_same(&y, "embedding");
    free(ids), free((void *)h.word), free((void *)h.word_s8), free((void *)h.word_scale);
    free((void *)h.type), free((void *)h.pos), free((void *)h.task);
    free((void *)h.type_ids), free((void *)h.pos_ids), free((void *)h.task_ids);
    dev_drop_all();
}

static void test_embed(pe_rng *r)
{
    test_begin("op embed");
    for (unsigned i = 0; i < 2 * NWIDTHS; i++)
        embed_case(r, (size_t[]){ 1, 7, 8, 9, 0, 17 }[i % 6], widths[i % NWIDTHS], i % 16, 0);
    for (unsigned shifted = TYPE; shifted <= OUT; shifted *= 2)
        for (unsigned int8 = 0; int8 <= INT8; int8++)
            embed_case(r, 5, 132, TYPE | POS | TASK | int8, shifted);
    embed_case(r, 3, 0, 0, 0);
    embed_case(r, 8 * GRID_BLOCKS + 3, 1, TYPE, 0);
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
    gather_case(r, 8 * GRID_BLOCKS + 3, 1, 0);
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
    norm_case(r, 8 * GRID_BLOCKS + 3, 2, 0);
}

static void normalize_case(pe_rng *r, size_t m, size_t d)
{
    float *x = odd_floats(r, m * d);
    for (size_t i = 0; m > 1 && i < d; i++) x[i] = i ? 0 : 3e-13f; /* divided by 1e-12 */
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
    normalize_case(r, 8 * GRID_BLOCKS + 3, 2);
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
    pool_case(r, GRID_BLOCKS + 3, 1, 2);
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
