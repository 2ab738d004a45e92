/* tests/emu/kernels/test_op_attention_s8.c - ragged attention between int8 codes: the bits of the
 * reference for every width of heads, number of queries and length.
 * Read next: kernels/cuda/attention_s8.cu. */
#include "tests/emu/kernels/attention_case.h"

/* What the values are: ordinary ones use all codes; among odd ones a large one pushes most of the
 * others to 0. */
enum { ORDINARY, ODD };

static void check(pe_rng *r, const shape *s, int values, size_t off)
{
    attention_case a = attention_case_of(r, s);
    for (size_t i = 0; values == ORDINARY && i < a.nq; i++)
        a.q[i] = (float)(2 * pe_rng_unit(r) - 1);
    for (size_t i = 0; values == ORDINARY && i < a.nkv; i++)
        a.kv[i] = (float)(4 * pe_rng_unit(r) - 2);
    attention_case_check(&a, off);
}

static void test_widths(pe_rng *r)
{
    static const size_t hds[] = { 16, 24, 32, 64, 128, 1, 5, 17, 40, 63, 80, 100, 160, 256 };
    static const size_t lens[] = { 1, 15, 16, 17, 31, 33, 40, 70 };
    test_begin("op attention_s8, widths of heads");
    for (unsigned i = 0; i < 3 * sizeof hds / sizeof hds[0]; i++) {
        shape s = { 1 + i % 4, lens[i % 8], 1 + i % 3, hds[i / 3], i % 2 ? 0 : i % 5, i % 3, true };
        check(r, &s, i % 2 ? ODD : ORDINARY, i % 4 ? 0 : 4);
    }
}

/* Around groups of 32 keys and tiles of 64 and 128; rows without tokens; strides of the grid. */
static void test_lengths(pe_rng *r)
{
    static const size_t lens[] = { 0, 1, 15, 16, 17, 32, 33, 63, 64, 65, 127, 128, 129, 260 };
    test_begin("op attention_s8, lengths of rows");
    for (size_t i = 0; i < 2 * sizeof lens / sizeof lens[0]; i++)
        check(r, &(shape){ 3, lens[i / 2], 1 + i % 2, i % 2 ? 32 : 17, 0, (unsigned)i % 3, true },
              ORDINARY, 0);
    check(r, &(shape){ MOST_ROWS, 1, GRID_BLOCKS / MOST_ROWS + 1, 4, 0, FIRST, true }, ODD, 0);
    check(r, &(shape){ 2, 70, 2, 256, 0, ALL, true }, ORDINARY, 0);
}

/* Every kernel with 1, 2, 3 and 4 warps' queries in a block, and more than a block's; rows of one
 * tile and of several. */
static void test_shapes(pe_rng *r)
{
    static const unsigned queries[] = { 1, 16, 17, 33, 64, 65 };
    test_begin("op attention_s8, every shape of a block");
    for (unsigned hd = 32; hd <= 256; hd *= 2)
        for (unsigned i = 0; i < sizeof queries / sizeof *queries; i++)
            check(r, &(shape){ 2, i % 2 ? 150 : 37, 1, hd, 0, EXACTLY + queries[i], true },
                  ORDINARY, 0);
}

static void test_long_rows(pe_rng *r)
{
    test_begin("op attention_s8, long rows");
    check(r, &(shape){ 1, 700, 1, 4, 0, EXACTLY + 20, true }, ORDINARY, 0);
    check(r, &(shape){ 1, 4096, 1, 8, 0, FIRST, true }, ORDINARY, 0);
    check(r, &(shape){ 1, 4096, 1, 8, 0, EXACTLY + 40, true }, ODD, 0);
}

enum { QUERY, KEY, VALUE };

/* A number in one part of the first head of row 0, in all of it or in one place. */
static void put(attention_case *a, int part, float x, bool everywhere)
{
    float *at = part == QUERY ? a->q : a->kv + (part == VALUE) * a->s.heads * a->s.hd;
    size_t ld = part == QUERY ? a->c.ldq : a->c.ldkv, n = a->row_begin[1];
    for (size_t t = everywhere ? 0 : n / 2; t < (everywhere ? n : n / 2 + 1); t++)
        for (size_t i = everywhere ? 0 : 3; i < (everywhere ? a->s.hd : 4); i++) at[t * ld + i] = x;
}

/* Codes at their limits: parts of equal values, one sign, nothing but zeros, denormals; what is not
 * finite spoils its queries, or its head, and no other one. */
static void test_extremes(pe_rng *r)
{
    static const float all[] = { 1, -1, 0, 1e-39f, 1e-35f, 3e38f, 1e-25f, NAN, -INFINITY };
    test_begin("op attention_s8, codes at their limits");
    for (int part = QUERY; part <= VALUE; part++)
        for (size_t i = 0; i < 2 * sizeof all / sizeof *all; i++) {
            attention_case a = attention_case_of(r, &(shape){ 2, 21, 2, 32, 0, ALL, true });
            put(&a, part, all[i / 2], i % 2);
            attention_case_check(&a, 0);
        }
}

/* The scales' product overflows: only the answer to that query is NaN. */
static void test_overflow(pe_rng *r)
{
    test_begin("op attention_s8, a scale of scores that overflows");
    attention_case a = attention_case_of(r, &(shape){ 1, 21, 1, 32, 0, ALL, true });
    put(&a, QUERY, 3e38f, false);
    put(&a, KEY, -3e38f, true);
    attention_case_check(&a, 0);
}

int main(void)
{
    pe_rng r;
    pe_rng_init(&r, 31, 5, 0);
    test_widths(&r);
    test_lengths(&r);
    test_shapes(&r);
    test_long_rows(&r);
    test_extremes(&r);
    test_overflow(&r);
    test_begin("op attention_s8, what it refuses");
    attention_refusals(pe_cu_attention_s8);
    return test_end();
}
