/* lib/prune/score_key.h - scores as keys: their bits as an unsigned number, which for values that
 * are not negative is the order of the values. Read next: lib/prune/lowest.c. */
#ifndef PE_PRUNE_SCORE_KEY_H
#define PE_PRUNE_SCORE_KEY_H

#include <string.h>

#include "lib/prune/lowest.h"

static inline uint64_t key_f32(float v)
{
    uint32_t u;
    memcpy(&u, &v, sizeof u);
    return u & 0x7fffffffu;
}

static inline float f32_of_key(uint64_t key)
{
    uint32_t u = (uint32_t)key;
    float v;
    memcpy(&v, &u, sizeof v);
    return v;
}

static inline uint64_t key_f64(double v)
{
    uint64_t u;
    memcpy(&u, &v, sizeof u);
    return u & (UINT64_MAX >> 1);
}

static inline double f64_of_key(uint64_t key)
{
    double v;
    memcpy(&v, &key, sizeof v);
    return v;
}

static inline uint64_t key_at(const pe_scores *s, size_t i)
{
    return s->f64 != NULL ? key_f64(s->f64[i]) : key_f32(s->f32[i]);
}

/* Bucket of the k-th of the counted keys; *k becomes its number within the bucket. */
static inline size_t find_bucket(const uint64_t *hist, uint64_t *k)
{
    size_t b = 0;

    while (b + 1 < PE_SELECT_BUCKETS && *k >= hist[b]) *k -= hist[b++];
    return b;
}

/* PE_SELECT_BUCKETS of 1 << shift keys cover lo..hi. */
static inline unsigned bucket_shift(uint64_t lo, uint64_t hi)
{
    unsigned shift = 0;

    while ((hi - lo) >> shift >= PE_SELECT_BUCKETS) shift++;
    return shift;
}

#endif
