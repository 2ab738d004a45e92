/* lib/base/rng.c - Philox4x32 with 10 rounds, and streams of draws on top of it.
 * Read next: lib/base/rng.h; Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC
 * 2011. */
#include "lib/base/rng.h"

void pe_philox4x32(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p2 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p2 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p2;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

static void fill(pe_rng *r)
{
    uint32_t counter[4] = { (uint32_t)(r->next / 4), r->index, r->stream, 0 };
    uint32_t key[2] = { (uint32_t)r->seed, (uint32_t)(r->seed >> 32) };
    pe_philox4x32(r->block, counter, key);
}

void pe_rng_init(pe_rng *r, uint64_t seed, uint32_t stream, uint32_t index)
{
    *r = (pe_rng){ .seed = seed, .stream = stream, .index = index };
}

void pe_rng_seek(pe_rng *r, uint64_t draw)
{
    r->next = draw;
    if (draw % 4) fill(r);
}

uint32_t pe_rng_u32(pe_rng *r)
{
    if (r->next % 4 == 0) fill(r);
    return r->block[r->next++ % 4];
}

uint32_t pe_rng_below(pe_rng *r, uint32_t n)
{
    uint64_t product = (uint64_t)pe_rng_u32(r) * n;
    if ((uint32_t)product < n) {
        uint32_t threshold = -n % n; /* 2^32 mod n */
        while ((uint32_t)product < threshold) product = (uint64_t)pe_rng_u32(r) * n;
    }
    return (uint32_t)(product >> 32);
}

double pe_rng_unit(pe_rng *r)
{
    uint64_t high = pe_rng_u32(r);
    uint64_t low = pe_rng_u32(r);
    return (double)((high << 32 | low) >> 11) * 0x1p-53;
}
