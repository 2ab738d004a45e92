/* lib/base/checked.h - size arithmetic that reports overflow instead of wrapping.
 * Every size that comes from a file goes through it. */
#ifndef PE_BASE_CHECKED_H
#define PE_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each returns false on overflow and leaves *out alone. */
static inline bool pe_add_u64(uint64_t *out, uint64_t a, uint64_t b)
{
    uint64_t r;
    if (__builtin_add_overflow(a, b, &r)) return false;
    *out = r;
    return true;
}
static inline bool pe_mul_u64(uint64_t *out, uint64_t a, uint64_t b)
{
    uint64_t r;
    if (__builtin_mul_overflow(a, b, &r)) return false;
    *out = r;
    return true;
}
static inline bool pe_to_size(size_t *out, uint64_t a)
{
    if (a > SIZE_MAX / 2) return false; /* half: a size must also fit ptrdiff_t */
    *out = (size_t)a;
    return true;
}
static inline size_t pe_round_up(size_t n, size_t align)
{
    return (n + align - 1) / align * align;
}

#endif
