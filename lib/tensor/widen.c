/* lib/tensor/widen.c - float conversions by bits, exact in every case, NaN payloads kept.
 * Read next: lib/io/ckpt_data.c. */
#include "lib/tensor/widen.h"

#include <string.h>

bool pe_dtype_is_float(pe_dtype t)
{
    return t == PE_F32 || t == PE_F64 || t == PE_F16 || t == PE_BF16;
}

static uint32_t f16_bits(uint32_t h)
{
    uint32_t sign = (h & 0x8000u) << 16, exponent = h >> 10 & 31, fraction = h & 1023;
    if (exponent == 31) return sign | 0x7f800000u | fraction << 13;
    if (exponent) return sign | (exponent + 112) << 23 | fraction << 13;
    if (!fraction) return sign;
    int shift = __builtin_clz(fraction) - 21; /* a subnormal half is a normal float */
    return sign | (uint32_t)(113 - shift) << 23 | (fraction << shift & 1023) << 13;
}

static void widen_2(float *y, const uint8_t *x, bool brain, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, x + 2 * i, 2);
        uint32_t b = brain ? (uint32_t)h << 16 : f16_bits(h);
        memcpy(y + i, &b, 4);
    }
}

void pe_widen_f32(float *y, const void *x, pe_dtype t, size_t n)
{
    if (t == PE_F32) {
        memmove(y, x, n * 4);
    } else if (t == PE_F64) {
        for (size_t i = 0; i < n; i++) {
            double d;
            memcpy(&d, (const uint8_t *)x + 8 * i, 8);
            y[i] = (float)d;
        }
    } else {
        widen_2(y, x, t == PE_BF16, n);
    }
}

static uint16_t to_bf16(uint32_t b)
{
    if ((b & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(b >> 16 | 64); /* NaN stays NaN */
    return (uint16_t)((b + 0x7fffu + (b >> 16 & 1)) >> 16);
}

static uint16_t to_f16(uint32_t b)
{
    uint32_t sign = b >> 16 & 0x8000u, a = b & 0x7fffffffu;
    if (a > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (a >> 13 & 0x3ffu));
    if (a >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); /* 65520 and above */
    if (a < 0x33000001u) return (uint16_t)sign;              /* 2^-25 and below */
    uint32_t exponent = a >> 23, shift = exponent < 113 ? 126 - exponent : 13;
    uint32_t fraction = exponent < 113 ? (a & 0x7fffffu) | 0x800000u : a - (112u << 23);
    uint32_t half = 1u << (shift - 1), rest = fraction & ((1u << shift) - 1), q = fraction >> shift;
    if (rest > half || (rest == half && (q & 1))) q++;
    return (uint16_t)(sign | q);
}

size_t pe_narrow_f32(void *y, const float *x, pe_dtype t, size_t n)
{
    size_t first = n;
    if (t == PE_F32) {
        if (y != x) memmove(y, x, n * 4);
        return n;
    }
    uint16_t inf = t == PE_BF16 ? 0x7f80 : 0x7c00;
    for (size_t i = 0; i < n; i++) {
        uint32_t b;
        memcpy(&b, x + i, 4);
        uint16_t h = t == PE_BF16 ? to_bf16(b) : to_f16(b);
        if ((h & 0x7fff) == inf && (b & 0x7fffffffu) < 0x7f800000u && first == n) first = i;
        memcpy((uint8_t *)y + 2 * i, &h, 2);
    }
    return first;
}

/* Whether any of 64 values has all exponent bits set: adding one to the exponent of |x| carries
 * into the sign bit. A fixed count, so that the compiler makes vectors of it. */
static bool block_has_nonfinite(const float *x)
{
    uint32_t any = 0;
    for (size_t j = 0; j < 64; j++) {
        uint32_t b;
        memcpy(&b, x + j, 4);
        any |= (b & 0x7fffffffu) + 0x00800000u;
    }
    return any >> 31;
}

size_t pe_find_nonfinite(const float *x, size_t n)
{
    size_t i = 0;
    while (n - i >= 64 && !block_has_nonfinite(x + i)) i += 64;
    for (; i < n; i++) {
        uint32_t b;
        memcpy(&b, x + i, 4);
        if ((b & 0x7f800000u) == 0x7f800000u) return i;
    }
    return n;
}
