/* tests/isa/tiles.h - the AMX tile registers in C, one set a thread, strict about what the
 * processor would fault on or what it would leave undefined. Read next: kernels/amx/tile.h. */
#ifndef PE_TESTS_TILES_H
#define PE_TESTS_TILES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PE_TILES_EMULATED

typedef struct pe_emu_tiles {
    int configured;
    uint16_t row_nbytes[8];
    uint8_t rows[8];
    unsigned char bytes[8][16][64];
} pe_emu_tiles;
static _Thread_local pe_emu_tiles pe_emu_tile_set;

static inline void pe_emu_tile_need(int ok, const char *what)
{
    if (ok) return;
    fprintf(stderr, "tiles: %s\n", what);
    abort();
}
static inline void pe_emu_tile_config(const unsigned char *shape)
{
    pe_emu_tiles *t = &pe_emu_tile_set;
    memset(t, 0, sizeof *t);
    pe_emu_tile_need(shape[0] == 1 && shape[1] == 0, "palette 1 from row 0 expected");
    for (int i = 0; i < 8; i++) {
        memcpy(&t->row_nbytes[i], shape + 16 + 2 * i, 2);
        t->rows[i] = shape[48 + i];
        pe_emu_tile_need(t->rows[i] <= 16 && t->row_nbytes[i] <= 64, "a tile is at most 16 x 64");
        pe_emu_tile_need(!t->rows[i] == !t->row_nbytes[i],
                         "rows without bytes or bytes without rows");
    }
    for (int i = 8; i < 16; i++)
        pe_emu_tile_need(!shape[48 + i] && !shape[16 + 2 * i] && !shape[17 + 2 * i],
                         "eight tiles exist");
    t->configured = 1;
}
static inline void pe_emu_tile_move(int c, void *to, const void *from, size_t step)
{
    pe_emu_tiles *t = &pe_emu_tile_set;
    pe_emu_tile_need(t->configured && t->rows[c], "used before it was configured");
    if (from) memset(t->bytes[c], 0, sizeof t->bytes[c]);
    for (size_t i = 0; i < t->rows[c]; i++) {
        if (from) memcpy(t->bytes[c][i], (const char *)from + i * step, t->row_nbytes[c]);
        if (to) memcpy((char *)to + i * step, t->bytes[c][i], t->row_nbytes[c]);
    }
}
static inline void pe_emu_tile_zero(int c)
{
    pe_emu_tile_need(pe_emu_tile_set.configured, "used before it was configured");
    memset(pe_emu_tile_set.bytes[c], 0, sizeof pe_emu_tile_set.bytes[c]);
}
static inline int32_t pe_emu_tile_dot4(const unsigned char *a, const unsigned char *b)
{
    int32_t sum = 0;
    for (int h = 0; h < 4; h++) sum += (int8_t)a[h] * (int8_t)b[h];
    return sum;
}
static inline void pe_emu_tile_dot(int c, int a, int b)
{
    pe_emu_tiles *t = &pe_emu_tile_set;
    int depth = t->row_nbytes[a] / 4;
    pe_emu_tile_need(t->configured && t->rows[c] == t->rows[a] &&
                         t->row_nbytes[c] == t->row_nbytes[b] && depth == t->rows[b] && c != a &&
                         c != b && a != b,
                     "shapes of a product do not fit");
    for (int i = 0; i < t->rows[c]; i++)
        for (int j = 0; j < t->row_nbytes[c] / 4; j++) {
            uint32_t sum;
            memcpy(&sum, &t->bytes[c][i][4 * j], 4);
            for (int l = 0; l < depth; l++)
                sum += (uint32_t)pe_emu_tile_dot4(&t->bytes[a][i][4 * l], &t->bytes[b][l][4 * j]);
            memcpy(&t->bytes[c][i][4 * j], &sum, 4);
        }
}
#define TILE_CONFIG(shape)     pe_emu_tile_config((const unsigned char *)(const void *)(shape))
#define TILE_RELEASE()         memset(&pe_emu_tile_set, 0, sizeof pe_emu_tile_set)
#define TILE_ZERO(c)           pe_emu_tile_zero(c)
#define TILE_LOAD(c, p, step)  pe_emu_tile_move(c, NULL, p, step)
#define TILE_STORE(c, p, step) pe_emu_tile_move(c, p, NULL, step)
#define TILE_DOT(c, a, b)      pe_emu_tile_dot(c, a, b)

#endif
