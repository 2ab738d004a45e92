/* kernels/block4.h - packed form of an int8 matrix as the short blocks of inputs that are not all
 * zero. Read next: kernels/block4.c, kernels/body/s8_block4_body.h. */
#ifndef PE_KERNELS_BLOCK4_H
#define PE_KERNELS_BLOCK4_H

#include "kernels/kernels.h"

enum { PE_BLOCK4_PANEL = 64 };

/* How a level wants it. A block is what one product takes: four codes as bytes, or two as 16-bit
 * numbers, which then also finds the zero halves of 1x4 blocks. A cell is the part of one panel
 * of outputs that reads one split of the inputs: the activations of a split stay in L1 while all
 * rows of the cell run over them. */
typedef struct pe_block4_spec {
    size_t panel; /* outputs, at most PE_BLOCK4_PANEL, a multiple of side */
    size_t split; /* inputs, a multiple of 8, at most 2048 groups */
    size_t width; /* inputs of a block: 4 or 2 */
    size_t side;  /* rows that run side by side: their blocks lie in turn, as many of each */
} pe_block4_spec;

typedef struct pe_block4_row {
    uint16_t row; /* output, from the panel's first */
    uint16_t
        count; /* its blocks in this cell, zero ones that make it even with its side included */
} pe_block4_row;

/* Views into one block of memory. Rows of a cell are sorted by count, so that the length of the
 * inner loop changes seldom and the branch predictor learns it; rows that do not exist have
 * count 0. */
typedef struct pe_block4 {
    size_t npanels, nsplits;
    const uint64_t *begin;     /* [npanels * nsplits + 1] first block of a cell, panel by panel */
    const pe_block4_row *rows; /* [npanels * nsplits][panel] */
    const uint32_t *values;    /* [nblocks] 4 x 8 or 2 x 16 bits */
    const uint16_t *index;     /* [nblocks] group of inputs from the split's first, times 32 */
} pe_block4;

size_t pe_block4_nbytes(const pe_matrix *w, const pe_block4_spec *spec);
void pe_block4_pack(void *packed, const pe_matrix *w, const pe_block4_spec *spec);
pe_block4 pe_block4_view(const void *packed, size_t n, size_t k, const pe_block4_spec *spec);

#endif
