/* tests/emu/kernels/test_op_attention.c - ragged attention: the bits of the reference for every
 * width of heads, number of queries and length. Read next: kernels/cuda/attention.cu. */
#include "tests/emu/kernels/attention_case.h"

static void check(pe_rng *r, const shape *s, float size, size_t off)
{
    attention_case a = attention_case_of(r, s);
    for (size_t i = 0; i < a.nq; i++) a.q[i] *= size;
    attention_case_check(&a, off);
}

static void test_widths(pe_rng *r)
{
    static const size_t hds[] = { 16, 24, 32, 64, 128, 1, 5, 17, 40, 63, 80, 100, 160, 256 };
    static const size_t lens[] = { 1, 15, 16, 17, 31, 33, 40, 65 };
    test_begin("op attention, widths of heads");
    for (unsigned i = 0; i < 3 * sizeof hds / sizeof hds[0]; i++) {
        shape s = {
            1 + i % 4, lens[i % 8], 1 + i % 3, hds[i / 3], i % 2 ? 0 : i % 5, i % 3, false
        };
        check(r, &s, 1, i % 4 ? 0 : 4);
    }
}

static void test_lengths(pe_rng *r)
{
    static const shape shapes[] = {
        { MOST_ROWS, 1, GRID_BLOCKS / MOST_ROWS + 1, 4, 0, FIRST, false },
        { 3, 127, 1, 32, 0, ALL, false },
        { 2, 200, 1, 64, 0, ALL, false },
        { 8, 63, 2, 16, 4, ALL, false },
        { 8, 1, 2, 32, 0, ALL, false },
        { 4, 129, 2, 32, 0, FIRST, false },
        { 2, 96, 1, 32, 0, SOME, false },
        { 3, 9, 2, 16, 0, SOME, false },
        { 2, 14, 3, 32, 0, ALL, false },
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
            check(r, &(shape){ 2, 37, 2, hd, 0, EXACTLY + queries - 1, false }, 1, 0);
}

/* Scores that differ by more than exp reaches, and rows whose keys are all the same. */
static void test_extremes(pe_rng *r)
{
    test_begin("op attention, far apart scores");
    check(r, &(shape){ 3, 33, 2, 32, 0, ALL, false }, 1e3f, 0);
    check(r, &(shape){ 3, 33, 2, 32, 0, ALL, false }, 0, 0);
}

/* Too many keys for 32, then 16, then 8 queries a block: fewer answer at once. Wide heads with as
 * many keys as there can be: smaller tiles. */
static void test_long_rows(pe_rng *r)
{
    static const size_t lens[] = { 600, 700, 1500, 3000, 4096 };
    test_begin("op attention, long rows");
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++)
        check(r, &(shape){ 1, lens[i], 1, 4, 0, EXACTLY + 20, false }, 1, 0);
    check(r, &(shape){ 1, 4096, 1, 4, 0, FIRST, false }, 1, 0);
    check(r, &(shape){ 1, 4096, 1, 128, 0, FIRST, false }, 1, 0);
    check(r, &(shape){ 1, 4096, 1, 256, 0, FIRST, false }, 1, 0);
}

int main(void)
{
    pe_rng r;
    pe_rng_init(&r, 31, 4, 0);
    test_widths(&r);
    test_lengths(&r);
    test_shapes(&r);
    test_extremes(&r);
    test_long_rows(&r);
    test_begin("op attention, what it refuses");
    attention_refusals(pe_cu_attention);
    return test_end();
}
