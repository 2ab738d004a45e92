/* tests/emu/libs/number.hh - elements of cudaDataType on the host: f32, f16, bf16, int8, int32.
 * Read next: panels.cc, which multiplies them. */
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <library_types.h>

namespace emulib
{

inline uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

inline float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Bytes of one element; 0 for a type that no stand-in computes with. */
inline size_t size_of(cudaDataType type)
{
    switch (type) {
    case CUDA_R_32F:
    case CUDA_R_32I: return 4;
    case CUDA_R_16F:
    case CUDA_R_16BF: return 2;
    case CUDA_R_8I: return 1;
    default: return 0;
    }
}

const char *name_of(cudaDataType type);

inline float float_of_half(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, magnitude = h & 0x7fff;
    if (magnitude >= 0x7c00) return float_of(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
    if (magnitude >= 0x0400) return float_of(sign | ((magnitude << 13) + 0x38000000));
    return float_of(sign | bits_of((float)magnitude * 0x1p-24f)); /* subnormal, exact */
}

/* Round to nearest, ties to even, as the GPU's own conversions do. */
inline uint16_t half_of_float(float value)
{
    uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7fff);
    if (magnitude >= 0x47800000) return (uint16_t)(sign | 0x7c00);
    if (magnitude < 0x38800000) /* below the smallest normal half: units of 2^-24 */
        return (uint16_t)(sign | (uint32_t)lrintf(float_of(magnitude) * 0x1p24f));
    uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
    return (uint16_t)(sign | (rounded - 0x38000000) >> 13);
}

inline float float_of_bfloat(uint16_t b)
{
    return float_of((uint32_t)b << 16);
}

inline uint16_t bfloat_of_float(float value)
{
    uint32_t bits = bits_of(value);
    if ((bits & 0x7fffffff) > 0x7f800000) return 0x7fff;
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* 10 bits of fraction, ties away from zero: what cvt.rna.tf32.f32 gives. */
inline float tf32_of_float(float value)
{
    uint32_t bits = bits_of(value);
    if ((bits & 0x7fffffff) >= 0x7f800000) return value;
    return float_of((bits + 0x1000) & 0xffffe000);
}

inline float load(const void *base, cudaDataType type, int64_t index)
{
    switch (type) {
    case CUDA_R_32F: return ((const float *)base)[index];
    case CUDA_R_16F: return float_of_half(((const uint16_t *)base)[index]);
    case CUDA_R_16BF: return float_of_bfloat(((const uint16_t *)base)[index]);
    case CUDA_R_8I: return (float)((const int8_t *)base)[index];
    default: return (float)((const int32_t *)base)[index];
    }
}

/* Integers saturate and round to nearest even. */
inline void store(void *base, cudaDataType type, int64_t index, float value)
{
    switch (type) {
    case CUDA_R_32F: ((float *)base)[index] = value; break;
    case CUDA_R_16F: ((uint16_t *)base)[index] = half_of_float(value); break;
    case CUDA_R_16BF: ((uint16_t *)base)[index] = bfloat_of_float(value); break;
    case CUDA_R_8I: {
        float held = value > -128 ? (value < 127 ? value : 127) : -128; /* NaN becomes -128 */
        ((int8_t *)base)[index] = (int8_t)lrintf(held);
        break;
    }
    default: ((int32_t *)base)[index] = (int32_t)lrintf(value);
    }
}

} // namespace emulib
