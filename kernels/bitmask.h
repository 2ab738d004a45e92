/* kernels/bitmask.h - packed form of an int8 matrix as a bit a code and the codes that are not
 * zero. Read next: kernels/bitmask.c, kernels/body/s8_bitmask_body.h. */
#ifndef PE_KERNELS_BITMASK_H
#define PE_KERNELS_BITMASK_H

#include "kernels/kernels.h"

enum {
    PE_BITMASK_ROWS = 4
}; /* rows that are multiplied side by side and share a stream of values */

/* Views into one block of memory. Rows are padded to whole panels of 16 with empty ones, so there
 * are four groups of four a panel. Codes are stored word by word of 64 inputs, the four rows of the
 * group one after the other; 64 bytes may be read from any of them. */
typedef struct pe_bitmask {
    size_t nwords;         /* of a row */
    const uint64_t *begin; /* [ngroups + 1] first value of a group */
    const uint64_t
        *masks; /* [ngroups][nwords][4] bit i of a word: input 64 * word + i is not zero */
    const int8_t *values;
} pe_bitmask;

size_t pe_bitmask_nbytes(const pe_matrix *w);
void pe_bitmask_pack(void *packed, const pe_matrix *w);
pe_bitmask pe_bitmask_view(const void *packed, size_t n, size_t k);

#endif
