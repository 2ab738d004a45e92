/* kernels/amx/tile.h - the eight tile registers: 16 rows of 64 bytes each. Written as assembly with
 * "memory": the headers of GCC 12 describe ldtilecfg as reading 8 bytes and tileloadd none, so that
 * the stores that fill them may be dropped. In tests a C stand-in comes in its place
 * (tests/isa/tiles.h). Read next: kernels/amx/s8_dense_amx.c. */
#ifndef PE_KERNELS_TILE_H
#define PE_KERNELS_TILE_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

/* What ldtilecfg reads: palette 1, rows and bytes a row of each register. */
typedef struct tile_shape {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_nbytes[16];
    uint8_t rows[16];
} tile_shape;

#ifndef PE_TILES_EMULATED
#define TILE_CONFIG(shape) __asm__ volatile("ldtilecfg %0" ::"m"(*(shape)) : "memory")
#define TILE_RELEASE()     __asm__ volatile("tilerelease" ::: "memory")
#define TILE_ZERO(c)       __asm__ volatile("tilezero %%tmm" #c ::: "memory")
#define TILE_LOAD(c, p, step) \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #c ::"r"(p), "r"((size_t)(step)) : "memory")
#define TILE_STORE(c, p, step) \
    __asm__ volatile("tilestored %%tmm" #c ", (%0,%1,1)" ::"r"(p), "r"((size_t)(step)) : "memory")
/* c[i][j] += sum of a[i][4 l + h] * b[l][4 j + h]: signed bytes, exact 32-bit sums. */
#define TILE_DOT(c, a, b) \
    __asm__ volatile("tdpbssd %%tmm" #b ", %%tmm" #a ", %%tmm" #c ::: "memory")
#endif

#endif
