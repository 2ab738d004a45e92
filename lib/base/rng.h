/* lib/base/rng.h - Philox4x32-10, the counter generator (Salmon et al., SC 2011).
 * Draw j of a stream is word j%4 of block (j/4, index, stream, 0): any draw can be had alone, so
 * results do not depend on who draws first. */
#ifndef PE_BASE_RNG_H
#define PE_BASE_RNG_H

#include <stdint.h>

void pe_philox4x32(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);

typedef struct pe_rng {
    uint64_t seed;
    uint32_t stream, index;
    uint64_t next; /* draw number */
    uint32_t block[4];
} pe_rng;
void pe_rng_init(pe_rng *r, uint64_t seed, uint32_t stream, uint32_t index);
void pe_rng_seek(pe_rng *r, uint64_t draw); /* the next draw is this one */
uint32_t pe_rng_u32(pe_rng *r);
/* Uniform in [0, n) without bias (Lemire's rejection), n > 0. */
uint32_t pe_rng_below(pe_rng *r, uint32_t n);
double pe_rng_unit(pe_rng *r); /* [0, 1), 53 bits, two draws, the first one high */

#endif
