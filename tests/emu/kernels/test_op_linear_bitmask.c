/* tests/emu/kernels/test_op_linear_bitmask.c - layers over bitmasks, and weight-only int8: the bits
 * of the reference where sums are of integers, else close to it.
 * Read next: tests/emu/kernels/layer_case.h, kernels/cuda/bitmask.cuh. */
#include <math.h>

#include "lib/tensor/widen.h"
#include "tests/emu/kernels/layer_case.h"

static pe_kernels ref;

/* Sums of a few thousand products of size 1 in another order, on the device in float. */
static const double CLOSE = 2e-5;

/* The mask, the places and the nonzeros of a matrix whose elements have 1 or 2 bytes. */
static pe_cu_bitmask bitmask_of(const void *w, size_t n, size_t k, size_t elem_nbytes)
{
    size_t nwords = (k + 63) / 64, found = 0;
    uint64_t *mask = host_new(n * nwords * 8);
    uint32_t *begin = host_new((n + 1) * 4);
    unsigned char *values = host_new(n * k * elem_nbytes);
    for (size_t i = 0; i < n * k; i++) {
        const unsigned char *at = (const unsigned char *)w + i * elem_nbytes;
        if (!at[0] && !at[elem_nbytes - 1]) continue;
        mask[i / k * nwords + i % k / 64] |= 1ull << i % k % 64;
        memcpy(values + found++ * elem_nbytes, at, elem_nbytes);
        begin[i / k + 1]++;
    }
    for (size_t r = 0; r < n; r++) begin[r + 1] += begin[r];
    pe_cu_bitmask b = { .n = n, .k = k, .nwords = nwords };
    b.mask = dev_of(mask, n * nwords * 8);
    b.begin = dev_of(begin, (n + 1) * 4);
    b.values = dev_of(values, found * elem_nbytes); /* not a byte more */
    free(mask), free(begin), free(values);
    return b;
}

static const size_t outputs[] = { 1, 2, 3, 15, 16, 17, 33, 40 };
static const size_t depths[] = {
    1, 31, 33, 63, 64, 65, 127, 255, 257, 1000, 1024, 1030, 2049, 3300
};
enum { NOUTPUTS = sizeof outputs / sizeof outputs[0], NDEPTHS = sizeof depths / sizeof depths[0] };

static void s8_case(pe_rng *r, layer_case l)
{
    layer_init(&l, r);
    pe_cu_bitmask w = bitmask_of(l.w, l.n, l.k, 1);
    ref.form[PE_FORM_S8_DENSE]->run(&l.host);
    DEV(pe_cu_linear_bitmask_s8(&l.dev, &w, NULL));
    layer_same(&l, "int8 bitmask layer");
}

static void test_s8(pe_rng *r)
{
    static const size_t tokens[] = { 1, 2, 3, 4, 5, 8, 9, 17 };
    static const unsigned sparse[] = { 50, 0, 90, 100, 70 };
    test_begin("op linear bitmask int8");
    for (unsigned i = 0; i < 6 * NDEPTHS; i++)
        s8_case(r, (layer_case){ .m = tokens[i / 2 % 8],
                                 .n = outputs[i % NOUTPUTS],
                                 .k = depths[i % NDEPTHS],
                                 .kind = i % 8,
                                 .act = (pe_act)(i % PE_NACTS),
                                 .sparse = sparse[i % 5] });
    s8_case(r, (layer_case){ .m = 0, .n = 3, .k = 64 });
    s8_case(r, (layer_case){ .m = 2, .n = 0, .k = 64 });
    s8_case(r, (layer_case){ .m = 2, .n = 3, .k = 0, .kind = WITH_BIAS });
}

/* ---- floats: against double ---- */

typedef struct float_layer {
    size_t m, n, k, ldx, ldy;
    float *x, *wscale, *bias;
    pe_act act;
} float_layer;

/* w: [n, k] in f32 as they are stored, before wscale */
static void float_reference(float *y, const float_layer *l, const float *w)
{
    for (size_t t = 0; t < l->m; t++)
        for (size_t n = 0; n < l->n; n++) {
            double sum = 0;
            for (size_t i = 0; i < l->k; i++)
                sum += (double)l->x[t * l->ldx + i] * (double)w[n * l->k + i];
            if (l->wscale) sum *= (double)l->wscale[n];
            float v = (float)(sum + (l->bias ? (double)l->bias[n] : 0));
            ref.activate(&v, 1, l->act, NULL);
            y[t * l->ldy + n] = v;
        }
}

static float_layer float_layer_of(pe_rng *r, size_t m, size_t n, size_t k, unsigned kind)
{
    float_layer l = { .m = m, .n = n, .k = k, .act = (pe_act)(kind % PE_NACTS) };
    l.ldx = k + kind % 3, l.ldy = n + kind % 2;
    l.x = random_floats(r, m * l.ldx, 1);
    l.wscale = kind & 1 ? random_floats(r, n, 1) : NULL;
    l.bias = kind & 2 ? random_floats(r, n, 1) : NULL;
    return l;
}

static pe_linear_call float_call(const float_layer *l, float *y, size_t off)
{
    pe_linear_call c = { .y = y, .ldy = l->ldy, .ldx = l->ldx, .m = l->m, .n = l->n, .k = l->k };
    size_t nx = l->m && l->k ? (l->m - 1) * l->ldx + l->k : 0;
    c.x = floats_at(l->x, nx, off);
    c.wscale = l->wscale ? dev_of(l->wscale, l->n * 4) : NULL;
    c.bias = l->bias ? dev_of(l->bias, l->n * 4) : NULL;
    c.act = l->act;
    return c;
}

/* Close where there are outputs, untouched between and around them. */
static void float_same(image *y, const float_layer *l, const float *w, const char *what)
{
    size_t n = l->m * l->ldy;
    float *want = host_new(n * 4), *got = y->host;
    dev_get(got, y->dev, n * 4); /* so that the image compares the rest with itself */
    float_reference(want, l, w);
    for (size_t t = 0; t < l->m; t++) {
        close_floats(got + t * l->ldy, want + t * l->ldy, l->n, CLOSE, what);
        memset(got + t * l->ldy + l->n, IMAGE_FILL, (l->ldy - l->n) * 4);
    }
    image_same(y, what);
    free(want), free(l->x), free(l->wscale), free(l->bias);
    dev_drop_all();
}

static void f16_case(pe_rng *r, size_t m, size_t n, size_t k, unsigned kind, unsigned sparse)
{
    float_layer l = float_layer_of(r, m, n, k, kind);
    bool bf16 = kind & 4;
    float *w = random_floats(r, n * k, 1);
    uint16_t *stored = host_new(n * k * 2);
    for (size_t i = 0; i < n * k; i++)
        if (pe_rng_below(r, 100) < sparse) w[i] = 0;
    pe_narrow_f32(stored, w, bf16 ? PE_BF16 : PE_F16, n * k);
    pe_widen_f32(w, stored, bf16 ? PE_BF16 : PE_F16, n * k);
    image y = image_of(NULL, m * l.ldy * 4, 0);
    pe_linear_call c = float_call(&l, y.dev, kind % 7 ? 0 : 4);
    pe_cu_bitmask mask = bitmask_of(stored, n, k, 2);
    DEV(pe_cu_linear_bitmask_f16(&c, &mask, bf16, NULL));
    float_same(&y, &l, w, bf16 ? "bf16 bitmask layer" : "f16 bitmask layer");
    free(w), free(stored);
}

static void test_f16(pe_rng *r)
{
    static const size_t tokens[] = { 1, 2, 3, 4, 5, 8, 9 };
    static const unsigned sparse[] = { 50, 0, 90, 100, 70 };
    test_begin("op linear bitmask of 16-bit floats");
    for (unsigned i = 0; i < 4 * NDEPTHS; i++)
        f16_case(r, tokens[i % 7], outputs[i % NOUTPUTS], depths[i % NDEPTHS], i % 43,
                 sparse[i % 5]);
    f16_case(r, 0, 3, 5, 0, 0);
    f16_case(r, 2, 0, 5, 0, 0);
    f16_case(r, 2, 3, 0, 2, 0);
}

static void w8_case(pe_rng *r, size_t m, size_t n, size_t k, unsigned kind)
{
    float_layer l = float_layer_of(r, m, n, k, kind | 1);
    size_t ldw = pe_round_up(k, 32) + 32 * (kind % 3);
    int8_t *codes = host_new(n * ldw);
    float *w = host_new(n * k * 4);
    for (size_t i = 0; i < n * k; i++) {
        codes[i / k * ldw + i % k] = odd_code(r);
        w[i] = (float)codes[i / k * ldw + i % k];
    }
    for (size_t i = 0; i < n; i++) l.wscale[i] /= 127;
    image y = image_of(NULL, m * l.ldy * 4, 0);
    pe_linear_call c = float_call(&l, y.dev, kind % 7 ? 0 : 4);
    DEV(pe_cu_linear_w8(&c, dev_of(codes, n * ldw), ldw, NULL));
    float_same(&y, &l, w, "weight-only int8 layer");
    free(codes), free(w);
}

static void test_w8(pe_rng *r)
{
    static const size_t tokens[] = { 1, 2, 3, 4, 5, 8, 9 };
    test_begin("op linear weight-only int8");
    for (unsigned i = 0; i < 3 * NDEPTHS; i++)
        w8_case(r, tokens[i % 7], outputs[i % NOUTPUTS], depths[i % NDEPTHS], i);
    w8_case(r, 0, 3, 5, 0);
    w8_case(r, 2, 0, 5, 0);
    w8_case(r, 2, 3, 0, 2);
}

static void test_refusals(void)
{
    test_begin("op linear bitmask, what it refuses");
    char *p = dev_new(256);
    pe_cu_bitmask w = { .mask = (void *)p, .begin = (void *)p, .values = p, .n = 1, .k = 8 };
    pe_linear_call c = { .xq = (void *)p, .x = (void *)p, .ldx = 64, .m = 1, .n = 1, .k = 8 };
    w.nwords = 1;
    w.values = p + 8;
    if (pe_cu_linear_bitmask_s8(&c, &w, NULL) != cudaErrorMisalignedAddress) test_fail("values");
    if (pe_cu_linear_bitmask_f16(&c, &w, true, NULL) != cudaErrorMisalignedAddress)
        test_fail("16-bit values");
    w.values = p, w.n = 2;
    if (pe_cu_linear_bitmask_s8(&c, &w, NULL) != cudaErrorInvalidValue) test_fail("two outputs");
    if (pe_cu_linear_bitmask_f16(&c, &w, true, NULL) != cudaErrorInvalidValue)
        test_fail("two outputs of 16-bit values");
    if (pe_cu_linear_w8(&c, (int8_t *)p, 40, NULL) != cudaErrorMisalignedAddress) test_fail("ldw");
    if (pe_cu_linear_w8(&c, (int8_t *)p, 0, NULL) != cudaErrorInvalidValue) test_fail("ldw 0");
    dev_drop_all();
}

int main(void)
{
    pe_rng r;
    pe_rng_init(&r, 31, 6, 0);
    pe_kernels_select(&ref, 0);
    test_s8(&r);
    test_f16(&r);
    test_w8(&r);
    test_refusals();
    return test_end();
}
