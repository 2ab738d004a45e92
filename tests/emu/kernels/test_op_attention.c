/* tests/emu/kernels/test_op_attention.c - ragged attention: the bits of the reference for every
 * width of heads, number of queries and length. Read next: kernels/cuda/attention.cu. */
#include <math.h>
#include <stdlib.h>

#include "tests/emu/kernels/image.h"

static pe_kernels ref;

enum { MOST_ROWS = 8 };

/* How many queries a row has: EXACTLY + n asks n. */
enum { ALL, FIRST, SOME, EXACTLY };

typedef struct shape {
    size_t nrows, longest, heads, hd, gap;
    unsigned asks;
} shape;

typedef struct problem {
    pe_attention_call c;
    uint32_t row_begin[MOST_ROWS + 1], q_begin[MOST_ROWS + 1];
    size_t most_queries;
} problem;

static void ragged(problem *p, pe_rng *r, const shape *s)
{
    *p = (problem){ 0 };
    for (size_t i = 0; i < s->nrows; i++) {
        uint32_t len = i ? pe_rng_below(r, (uint32_t)s->longest + 1) : (uint32_t)s->longest,
                 n = len;
        if (i && pe_rng_below(r, 4) == 0) len = n = 0;
        if (s->asks == FIRST) n = 1;
        if (s->asks == SOME) n = pe_rng_below(r, len + 3);
        if (s->asks > EXACTLY) n = s->asks - EXACTLY;
        p->row_begin[i + 1] = p->row_begin[i] + len;
        p->q_begin[i + 1] = p->q_begin[i] + n;
        if (n > p->most_queries) p->most_queries = n;
    }
    size_t d = s->heads * s->hd;
    p->c = (pe_attention_call){ .ldo = d + s->gap,
                                .ldq = d + s->gap,
                                .ldkv = 2 * d + s->gap,
                                .heads = s->heads,
                                .head_dim = s->hd,
                                .nrows = s->nrows,
                                .scale = 1 / sqrtf((float)s->hd) };
}

static void reference(const problem *p, const shape *s, float *out, const float *q, const float *kv)
{
    pe_attention_call h = p->c;
    h.out = out, h.q = q, h.k = kv, h.v = kv + s->heads * s->hd;
    h.row_begin = p->row_begin;
    h.q_begin = s->asks == ALL ? NULL : p->q_begin;
    h.scratch = host_new(ref.attention_scratch(s->longest, s->hd, 1));
    ref.attention(&h);
    free(h.scratch);
}

/* off: bytes that everything lies past an aligned address */
static void check(pe_rng *r, const shape *s, float size, size_t off)
{
    problem p;
    ragged(&p, r, s);
    size_t tokens = p.row_begin[s->nrows], d = s->heads * s->hd;
    size_t asked = s->asks == ALL ? tokens : p.q_begin[s->nrows];
    size_t nq = asked * p.c.ldq, nkv = tokens * p.c.ldkv;
    float *q = odd_floats(r, nq), *kv = odd_floats(r, nkv);
    for (size_t i = 0; i < nq; i++) q[i] *= size;
    image out = image_of(NULL, asked * p.c.ldo * 4, off);
    reference(&p, s, out.host, q, kv);
    pe_attention_call c = p.c;
    c.out = out.dev;
    c.q = floats_at(q, nq, off);
    c.k = floats_at(kv, nkv, off);
    c.v = c.k + d;
    c.row_begin = dev_of(p.row_begin, sizeof p.row_begin);
    c.q_begin = s->asks == ALL ? NULL : dev_of(p.q_begin, sizeof p.q_begin);
    DEV(pe_cu_attention(&c, s->longest, p.most_queries, NULL));
    image_same(&out, "attention");
    free(q), free(kv);
    dev_drop_all();
}

static void test_widths(pe_rng *r)
{
    static const size_t hds[] = { 16, 24, 32, 64, 128, 1, 5, 17, 40, 63, 80, 100, 160, 256 };
    static const size_t lens[] = { 1, 15, 16, 17, 31, 33, 40, 65 };
    test_begin("op attention, widths of heads");
    for (unsigned i = 0; i < 3 * sizeof hds / sizeof hds[0]; i++) {
        shape s = { 1 + i % 4, lens[i % 8], 1 + i % 3, hds[i / 3], i % 2 ? 0 : i % 5, i % 3 };
        check(r, &s, 1, i % 4 ? 0 : 4);
    }
}

static void test_lengths(pe_rng *r)
{
    static const shape shapes[] = {
        { MOST_ROWS, 1, GRID_BLOCKS / MOST_ROWS + 1, 4, 0, FIRST },
        { 3, 127, 1, 32, 0, ALL },
        { 2, 200, 1, 64, 0, ALL },
        { 8, 63, 2, 16, 4, ALL },
        { 8, 1, 2, 32, 0, ALL },
        { 4, 129, 2, 32, 0, FIRST },
        { 2, 96, 1, 32, 0, SOME },
        { 3, 9, 2, 16, 0, SOME },
        { 2, 14, 3, 32, 0, ALL },
    };
    test_begin("op attention, lengths of rows");
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) check(r, &shapes[i], 1, 0);
}

/* Every kernel there is: four widths, four numbers of queries in a block. */
static void test_shapes(pe_rng *r)
{
    test_begin("op attention, every shape of a block");
    for (unsigned hd = 32; hd <= 256; hd *= 2)
        for (unsigned queries = 4; queries <= 32; queries *= 2)
            check(r, &(shape){ 2, 37, 2, hd, 0, EXACTLY + queries - 1 }, 1, 0);
}

/* Scores that differ by more than exp reaches, and rows whose keys are all the same. */
static void test_extremes(pe_rng *r)
{
    test_begin("op attention, far apart scores");
    check(r, &(shape){ 3, 33, 2, 32, 0, ALL }, 1e3f, 0);
    check(r, &(shape){ 3, 33, 2, 32, 0, ALL }, 0, 0);
}

/* Too many keys for 32, then 16, then 8 queries a block: fewer answer at once. */
static void test_long_rows(pe_rng *r)
{
    static const size_t lens[] = { 600, 700, 1500, 3000, 4096 };
    test_begin("op attention, long rows");
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++)
        check(r, &(shape){ 1, lens[i], 1, 4, 0, EXACTLY + 20 }, 1, 0);
    check(r, &(shape){ 1, 4096, 1, 4, 0, FIRST }, 1, 0);
}

static void test_refusals(void)
{
    float *x = dev_new(4);
    pe_attention_call c = {
        .out = x, .q = x, .k = x, .v = x, .heads = 1, .head_dim = 257, .nrows = 1
    };
    test_begin("op attention, what it refuses");
    if (pe_cu_attention(&c, 1, 1, NULL) != cudaErrorNotSupported) test_fail("head_dim 257");
    c.head_dim = 256;
    if (pe_cu_attention(&c, 4097, 1, NULL) != cudaErrorNotSupported) test_fail("4097 keys");
    c.nrows = 0;
    if (pe_cu_attention(&c, 1, 1, NULL) != cudaSuccess) test_fail("no rows");
    c.nrows = 1;
    if (pe_cu_attention(&c, 1, 0, NULL) != cudaSuccess) test_fail("no queries");
    dev_drop_all();
}

int main(void)
{
    pe_rng r;
    pe_rng_init(&r, 31, 4, 0);
    pe_kernels_select(&ref, 0);
    test_widths(&r);
    test_lengths(&r);
    test_shapes(&r);
    test_extremes(&r);
    test_long_rows(&r);
    test_refusals();
    return test_end();
}
