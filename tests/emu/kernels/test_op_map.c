/* tests/emu/kernels/test_op_map.c - element by element: 16-bit floats, the finite check, what
 * follows a product. Read next: tests/emu/kernels/image.h, lib/tensor/widen.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/tensor/widen.h"
#include "tests/emu/kernels/image.h"

static pe_kernels ref;

/* ---- 16-bit floats ---- */

static float *any_floats(pe_rng *r, size_t n)
{
    static const uint32_t edges[] = {
        0x00000000, 0x80000000, 0x00000001, 0x807fffff, 0x7f800000, 0xff800000, 0x7f800001,
        0xffc01234, 0x7fffffff, 0x477fefff, 0x477ff000, 0xc77ff000, 0x7f7fffff, 0x7f7f8000,
        0x7f7f7fff, 0x33000000, 0x33000001, 0xb3000001, 0x387fe000, 0x387fffff, 0x38800000,
        0x3f808000, 0x3f818000, 0x3f801000, 0x3f803000, 0x3f807fff, 0x3f808001,
    };
    enum { NEDGES = sizeof edges / sizeof edges[0] };
    float *x = host_new(n * sizeof *x);
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = i < NEDGES ? edges[i] : pe_rng_u32(r);
        if (i >= NEDGES && i % 4 == 0) bits = 0x33000000u + (bits & 0x8fffffffu) % 0x14800000u;
        memcpy(x + i, &bits, 4);
    }
    return x;
}

static void narrow_case(pe_rng *r, size_t n, size_t off)
{
    float *x = any_floats(r, n), *x_dev = floats_at(x, n, off);
    image b = image_of(NULL, 2 * n, off), h = image_of(NULL, 2 * n, off);
    pe_narrow_f32(b.host, x, PE_BF16, n);
    pe_narrow_f32(h.host, x, PE_F16, n);
    DEV(pe_cu_to_bf16(b.dev, x_dev, n, NULL));
    DEV(pe_cu_to_f16(h.dev, x_dev, n, NULL));
    image_same(&b, "bf16 of f32");
    image_same(&h, "f16 of f32");
    free(x);
    dev_drop_all();
}

/* Every 16-bit pattern, n of them from `first` on. */
static void widen_case(uint32_t first, size_t n, size_t off)
{
    uint16_t *x = host_new(2 * n);
    for (size_t i = 0; i < n; i++) x[i] = (uint16_t)(first + i);
    image x_dev = image_of(x, 2 * n, off), b = image_of(NULL, 4 * n, 2 * off),
          h = image_of(NULL, 4 * n, 2 * off);
    ref.bf16_to_f32(b.host, x, n);
    ref.f16_to_f32(h.host, x, n);
    DEV(pe_cu_from_bf16(b.dev, x_dev.dev, n, NULL));
    DEV(pe_cu_from_f16(h.dev, x_dev.dev, n, NULL));
    image_same(&b, "f32 of bf16");
    image_same(&h, "f32 of f16");
    image_same(&x_dev, "what was widened");
    free(x);
    dev_drop_all();
}

static void test_convert(pe_rng *r)
{
    static const size_t sizes[] = { 0, 1, 3, 4, 5, 15, 16, 17, 127, 1023, 5000 };
    test_begin("op 16-bit floats");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        narrow_case(r, sizes[i], 4 * (i % 2));
        widen_case(pe_rng_u32(r), sizes[i], 2 * (i % 3));
    }
    widen_case(0, 65536, 0);
    narrow_case(r, 1024 * GRID_BLOCKS + 1025, 0);
    widen_case(7, 1024 * GRID_BLOCKS + 1025, 0);
}

/* ---- the finite check ---- */

static void finite_case(pe_rng *r, size_t n, size_t off, size_t at, float bad)
{
    float *x = odd_floats(r, n);
    if (n) x[n / 2] = n % 2 ? 3.4e38f : -3.4e38f;
    if (at < n) x[at] = bad;
    for (uint32_t was = 0; was < 2; was++) {
        image flag = image_of(&was, sizeof was, 0);
        *(uint32_t *)flag.host |= at < n;
        DEV(pe_cu_check_finite(flag.dev, floats_at(x, n, off), n, NULL));
        image_same(&flag, at < n ? "flag of what is not finite" : "flag of what is finite");
    }
    free(x);
    dev_drop_all();
}

static void test_finite(pe_rng *r)
{
    static const size_t sizes[] = { 0, 1, 2, 3, 4, 5, 7, 16, 17, 129, 4096, 20000 };
    static const float bads[] = { NAN, INFINITY, -INFINITY };
    test_begin("op check finite");
    finite_case(r, 4096 * GRID_BLOCKS + 4100, 0, 4096 * GRID_BLOCKS + 4090, NAN);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t n = sizes[i];
        for (size_t off = 0; off < 16; off += 4) {
            finite_case(r, n, off, n, 0);
            if (!n) continue;
            finite_case(r, n, off, 0, bads[i % 3]);
            finite_case(r, n, off, n - 1, bads[(i + 1) % 3]);
            finite_case(r, n, off, pe_rng_below(r, (uint32_t)n), bads[(i + 2) % 3]);
        }
    }
}

/* ---- what follows a product ---- */

static const struct shape {
    size_t m, n, gap, off;
} shapes[] = { { 1, 1, 0, 0 },   { 3, 4, 0, 0 },    { 4, 5, 3, 0 },
               { 5, 256, 0, 0 }, { 2, 255, 1, 0 },  { 7, 260, 4, 0 },
               { 8, 64, 0, 4 },  { 9, 300, 2, 0 },  { 0, 8, 0, 0 },
               { 4, 0, 1, 0 },   { 13, 17, 3, 0 },  { 1, 1027, 1, 0 },
               { 6, 516, 0, 0 }, { 130, 12, 4, 0 }, { 4 * GRID_BLOCKS + 5, 1, 0, 0 } };
enum { NSHAPES = sizeof shapes / sizeof shapes[0] };

/* The reference has it at the end of a product only: this one is by a single 1. */
static void epilogue_reference(float *y, size_t ldy, size_t m, size_t n, const float *bias,
                               pe_act act)
{
    const pe_linear_form *dense = ref.form[PE_FORM_F32_DENSE];
    float one = 1.0f;
    for (size_t t = 0; t < m; t++)
        for (size_t i = 0; i < n; i++) {
            float *at = y + t * ldy + i, x = *at;
            pe_linear_call c = { .y = at, .x = &x, .ldy = 1, .ldx = 1, .m = 1, .n = 1, .k = 1 };
            c.packed = &one;
            c.bias = bias ? bias + i : NULL;
            c.act = act;
            dense->run(&c);
        }
}

static void epilogue_f32_case(pe_rng *r, const struct shape *s, pe_act act, bool with_bias)
{
    size_t ldy = s->n + s->gap;
    float *y = odd_floats(r, s->m * ldy), *bias = with_bias ? odd_floats(r, s->n) : NULL;
    image im = image_of(y, s->m * ldy * 4, s->off);
    epilogue_reference(im.host, ldy, s->m, s->n, bias, act);
    DEV(pe_cu_epilogue_f32(im.dev, ldy, s->m, s->n, bias ? floats_at(bias, s->n, 0) : NULL, act,
                           NULL));
    image_same(&im, "f32 epilogue");
    free(y), free(bias);
    dev_drop_all();
}

static void test_epilogue_f32(pe_rng *r)
{
    test_begin("op epilogue f32");
    for (unsigned i = 0; i < NSHAPES; i++)
        for (unsigned act = 0; act < PE_NACTS; act++)
            epilogue_f32_case(r, &shapes[i], (pe_act)act, (i + act) % 2);
}

/* The formula, with the activation of the reference. */
static void epilogue_s8_reference(const pe_linear_call *c, const int32_t *acc, size_t ldacc)
{
    for (size_t t = 0; t < c->m; t++)
        for (size_t i = 0; i < c->n; i++) {
            int32_t sum = acc[t * ldacc + i] - (c->xzero ? c->xzero[t] * c->wsum[i] : 0);
            float v = fmaf((float)sum * c->xscale[t], c->wscale[i], c->bias ? c->bias[i] : 0.0f);
            ref.activate(&v, 1, c->act, NULL);
            c->y[t * c->ldy + i] = v;
        }
}

static int32_t *random_ints(pe_rng *r, size_t n, uint32_t below)
{
    int32_t *x = host_new(n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = (int32_t)pe_rng_below(r, 2 * below + 1) - (int32_t)below;
    return x;
}

static void epilogue_s8_case(pe_rng *r, const struct shape *s, pe_act act, unsigned kind)
{
    size_t ldacc = s->n + (kind & 1 ? 0 : s->gap), ldy = s->n + s->gap;
    int32_t *acc = random_ints(r, s->m * ldacc, 1u << (kind & 2 ? 28 : 16));
    int32_t *xzero = random_ints(r, s->m, 128), *wsum = random_ints(r, s->n, 100000);
    float *xscale = random_floats(r, s->m, 1e-3f), *wscale = random_floats(r, s->n, 1e-2f);
    float *bias = odd_floats(r, s->n);
    for (size_t i = 0; i < s->m * ldacc; i += 5) acc[i] = 0; /* times a negative scale: -0 */
    for (size_t i = 0; i < s->n; i += 2) bias[i] = -0.0f;
    image y = image_of(NULL, s->m * ldy * 4, s->off);
    pe_linear_call h = { .y = y.host, .xscale = xscale, .ldy = ldy, .m = s->m, .n = s->n }, c;
    h.wscale = wscale, h.wsum = wsum, h.act = act;
    h.xzero = kind & 4 ? xzero : NULL;
    h.bias = kind & 8 ? bias : NULL;
    c = h;
    c.y = y.dev;
    c.xscale = floats_at(xscale, s->m, 0), c.wscale = floats_at(wscale, s->n, 0);
    c.wsum = dev_of(wsum, s->n * 4);
    c.xzero = h.xzero ? dev_of(xzero, s->m * 4) : NULL;
    c.bias = h.bias ? floats_at(bias, s->n, 0) : NULL;
    epilogue_s8_reference(&h, acc, ldacc);
    DEV(pe_cu_epilogue_s8(&c, dev_of(acc, s->m * ldacc * 4), ldacc, NULL));
    image_same(&y, "int8 epilogue");
    free(acc), free(xzero), free(wsum), free(xscale), free(wscale), free(bias);
    dev_drop_all();
}

static void test_epilogue_s8(pe_rng *r)
{
    test_begin("op epilogue int8");
    for (unsigned i = 0; i < NSHAPES; i++)
        for (unsigned act = 0; act < PE_NACTS; act++)
            epilogue_s8_case(r, &shapes[i], (pe_act)act, (5 * i + act) % 16);
}

int main(void)
{
    pe_rng r;
    pe_rng_init(&r, 31, 2, 0);
    pe_kernels_select(&ref, 0);
    test_convert(&r);
    test_finite(&r);
    test_epilogue_f32(&r);
    test_epilogue_s8(&r);
    return test_end();
}
