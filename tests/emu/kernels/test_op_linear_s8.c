/* tests/emu/kernels/test_op_linear_s8.c - the int8 layer by tensor cores, few tokens and many: the
 * bits of the reference. Read next: tests/emu/kernels/layer_case.h. */
#include "tests/emu/kernels/layer_case.h"

static pe_kernels ref;

static void check(pe_rng *r, size_t m, size_t n, size_t k, unsigned kind, pe_act act)
{
    layer_case l = { .m = m, .n = n, .k = k, .kind = kind, .act = act };
    layer_init(&l, r);
    size_t ldw = pe_round_up(k, 32) + (kind & WITH_GAPS ? 32 : 0);
    int8_t *w = layer_padded(&l, ldw);
    ref.form[PE_FORM_S8_DENSE]->run(&l.host);
    l.dev.packed = w;
    DEV(pe_cu_linear_s8(&l.dev, w, ldw, NULL));
    layer_same(&l, "int8 layer");
}

static const size_t widths[] = { 1, 15, 16, 17, 31, 33, 63, 64, 65, 127, 130 };
static const size_t depths[] = { 1, 31, 32, 33, 63, 65, 127, 300, 513, 64 };
enum { NWIDTHS = sizeof widths / sizeof widths[0], NDEPTHS = sizeof depths / sizeof depths[0] };

static void test_few(pe_rng *r)
{
    static const size_t tokens[] = { 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64 };
    test_begin("op linear int8, few tokens");
    for (unsigned i = 0; i < 40; i++)
        check(r, tokens[i % 13], widths[i % NWIDTHS], depths[i % NDEPTHS], i % 8,
              (pe_act)(i % PE_NACTS));
    check(r, 3, 20, 1100, 3, PE_ACT_NONE); /* several turns of every warp */
}

static void test_many(pe_rng *r)
{
    static const size_t tokens[] = { 65, 66, 80, 127, 128, 129, 130 };
    test_begin("op linear int8, tiles of 64");
    for (unsigned i = 0; i < 24; i++)
        check(r, tokens[i % 7], widths[i % NWIDTHS], depths[i % NDEPTHS], i % 8,
              (pe_act)(i % PE_NACTS));
}

/* 128 tiles of 128 x 128 and more. */
static void test_tiles(pe_rng *r)
{
    test_begin("op linear int8, tiles of 128");
    check(r, 130, 8195, 33, WITH_ZERO | WITH_BIAS, PE_ACT_GELU_ERF);
    check(r, 65, 16260, 64 * 6 + 5, WITH_GAPS, PE_ACT_NONE);
}

/* The largest sums that fit. */
static void test_deep(pe_rng *r)
{
    test_begin("op linear int8, 65536 inputs");
    for (size_t m = 1; m <= 65; m += 64) {
        layer_case l = { .m = m, .n = 2, .k = 65536, .kind = WITH_ZERO };
        layer_init(&l, r);
        int32_t *zero = (int32_t *)l.host.xzero, *sum = (int32_t *)l.host.wsum;
        int8_t *x = (int8_t *)l.host.xq;
        for (size_t t = 0; t < m; t++) zero[t] = 127;
        memset(x, -128, m * l.k);
        memset(l.w, -128, l.k);
        memset(l.w + l.k, 127, l.k);
        sum[0] = -128 * 65536, sum[1] = 127 * 65536;
        l.dev.xzero = dev_of(zero, m * 4);
        l.dev.wsum = dev_of(sum, 8);
        l.dev.xq = dev_of(x, m * l.k);
        int8_t *w = layer_padded(&l, l.k);
        ref.form[PE_FORM_S8_DENSE]->run(&l.host);
        DEV(pe_cu_linear_s8(&l.dev, w, l.k, NULL));
        layer_same(&l, "int8 layer of the largest sums");
    }
}

static void test_edges(pe_rng *r)
{
    test_begin("op linear int8, nothing to do and refusals");
    check(r, 0, 5, 64, 0, PE_ACT_NONE);
    check(r, 5, 0, 64, 0, PE_ACT_NONE);
    check(r, 5, 17, 0, WITH_BIAS, PE_ACT_TANH); /* only the bias */
    check(r, 70, 17, 0, 0, PE_ACT_GELU_TANH);
    int8_t *w = dev_new(1 << 17);
    float *y = dev_new(64);
    pe_linear_call c = { .y = y, .xq = w, .ldx = 64, .m = 1, .n = 1, .k = 64, .ldy = 1 };
    if (pe_cu_linear_s8(&c, w + 1, 64, NULL) != cudaErrorMisalignedAddress)
        test_fail("weights + 1");
    if (pe_cu_linear_s8(&c, w, 80, NULL) != cudaErrorMisalignedAddress) test_fail("ldw 80");
    if (pe_cu_linear_s8(&c, w, 32, NULL) != cudaErrorInvalidValue) test_fail("ldw 32 of k 64");
    c.ldx = 96;
    if (pe_cu_linear_s8(&c, w, 64, NULL) != cudaErrorMisalignedAddress) test_fail("ldx 96");
    c.ldx = c.k = 65600;
    if (pe_cu_linear_s8(&c, w, c.k, NULL) != cudaErrorInvalidValue) test_fail("k 65600");
    dev_drop_all();
}

int main(void)
{
    pe_rng r;
    pe_rng_init(&r, 31, 5, 0);
    pe_kernels_select(&ref, 0);
    test_few(&r);
    test_many(&r);
    test_tiles(&r);
    test_deep(&r);
    test_edges(&r);
    return test_end();
}
