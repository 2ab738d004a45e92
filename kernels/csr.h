/* kernels/csr.h - the packed form of an f32 matrix in compressed sparse rows, the same at every
 * level. Read next: kernels/csr.c. */
#ifndef PE_KERNELS_CSR_H
#define PE_KERNELS_CSR_H

#include "kernels/kernels.h"

/* Views into one block: begin[n + 1], then column[nnz], then value[nnz]; columns ascend in a row.
 * At most 2^32 - 1 non-zeros and columns: the loader's caps are far below. */
typedef struct pe_csr {
    const uint32_t *begin, *column;
    const float *value;
} pe_csr;

size_t pe_csr_nbytes(const pe_matrix *w);
void pe_csr_pack(void *packed, const pe_matrix *w);

static inline pe_csr pe_csr_view(const void *packed, size_t n)
{
    const uint32_t *begin = packed;
    size_t nnz = begin[n];
    const uint32_t *column = begin + n + 1;
    return (pe_csr){ begin, column, (const float *)(column + nnz) };
}

#endif
