/* tests/unit/test_widen.c - float types: every half and bfloat both ways, ties, overflow, NaN.
 * Read next: lib/tensor/widen.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "lib/tensor/widen.h"

static float from_bits(uint32_t b)
{
    float x;
    memcpy(&x, &b, 4);
    return x;
}

static uint32_t bits_of(float x)
{
    uint32_t b;
    memcpy(&b, &x, 4);
    return b;
}

/* The value of a half by its definition. */
static double half_value(uint32_t h)
{
    uint32_t e = h >> 10 & 31, f = h & 1023;
    double v = e ? ldexp(1024 + f, (int)e - 25) : ldexp(f, -24);
    return h & 0x8000 ? -v : v;
}

static void test_every_half(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        uint16_t in = (uint16_t)h, back;
        float x;
        pe_widen_f32(&x, &in, PE_F16, 1);
        if ((h & 0x7c00) != 0x7c00) assert_true((double)x == half_value(h));
        else assert_true(h & 1023 ? isnan(x) : isinf(x));
        assert_int_equal(signbit(x) != 0, h >> 15);
        pe_narrow_f32(&back, &x, PE_F16, 1);
        if (isnan(x)) assert_true((back & 0x7c00) == 0x7c00 && back & 1023);
        else assert_int_equal(back, in);
        pe_widen_f32(&x, &in, PE_BF16, 1);
        assert_int_equal(bits_of(x), h << 16);
        pe_narrow_f32(&back, &x, PE_BF16, 1);
        if (!isnan(x)) assert_int_equal(back, in);
    }
}

/* Between two neighbours: below the middle down, above it up, the middle to the even one. */
static void test_rounding(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7bff; h++) {
        double low = half_value(h), high = half_value(h + 1), middle = (low + high) / 2;
        const float x[3] = { nextafterf((float)middle, 0), (float)middle,
                             nextafterf((float)middle, INFINITY) };
        uint16_t y[3];
        assert_int_equal(pe_narrow_f32(y, x, PE_F16, 3), 3);
        assert_int_equal(y[0], h);
        assert_int_equal(y[1], h + (h & 1));
        assert_int_equal(y[2], h + 1);
    }
    for (uint32_t h = 0; h < 0x7f7f; h++) {
        const float x[3] = { from_bits(h << 16 | 0x7fff), from_bits(h << 16 | 0x8000),
                             from_bits(h << 16 | 0x8001) };
        uint16_t y[3];
        assert_int_equal(pe_narrow_f32(y, x, PE_BF16, 3), 3);
        assert_int_equal(y[0], h);
        assert_int_equal(y[1], h + (h & 1));
        assert_int_equal(y[2], h + 1);
    }
}

static void test_overflow(void **state)
{
    const float x[] = { 1, 65519.996f, -65520, INFINITY, NAN, 3.4e38f };
    uint16_t y[6];
    (void)state;
    assert_int_equal(pe_narrow_f32(y, x, PE_F16, 6), 2);
    assert_int_equal(y[1], 0x7bff);
    assert_int_equal(y[2], 0xfc00);
    assert_int_equal(pe_narrow_f32(y, x + 5, PE_BF16, 1), 0); /* bfloat ends at 3.39e38 */
    const float most = from_bits(0x7f7fffff);
    assert_int_equal(pe_narrow_f32(y, &most, PE_BF16, 1), 0);
    const double wide[2] = { 1e300, 0.1 };
    float narrow[2];
    pe_widen_f32(narrow, wide, PE_F64, 2);
    assert_true(isinf(narrow[0]) && narrow[1] == 0.1f);
}

static void test_find_nonfinite(void **state)
{
    float x[200] = { 0 };
    (void)state;
    for (size_t n = 0; n < 200; n++) {
        for (size_t i = 0; i < n; i++) x[i] = from_bits(0x7f7fffffu | (uint32_t)(i & 1) << 31);
        assert_int_equal(pe_find_nonfinite(x, n), n);
        if (!n) continue;
        size_t at = n * 7 / 9;
        x[at] = n & 1 ? NAN : -INFINITY;
        assert_int_equal(pe_find_nonfinite(x, n), at);
    }
}

/* Values stored at the end of the memory that their floats fill. */
static void test_in_place(void **state)
{
    float y[100];
    (void)state;
    for (size_t n = 1; n <= 100; n++) {
        uint16_t x[100];
        for (size_t i = 0; i < n; i++) x[i] = (uint16_t)(0x3c00 + i * 3);
        memcpy((char *)y + 2 * n, x, 2 * n);
        pe_widen_f32(y, (char *)y + 2 * n, PE_F16, n);
        for (size_t i = 0; i < n; i++) assert_true((double)y[i] == half_value(x[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_half), cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_overflow),   cmocka_unit_test(test_find_nonfinite),
        cmocka_unit_test(test_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
