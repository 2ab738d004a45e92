/* kernels/csr.c - packs the non-zero weights of a dense matrix row by row.
 * Read next: kernels/ref/ref_linear.c. */
#include "kernels/csr.h"

size_t pe_csr_nbytes(const pe_matrix *w)
{
    size_t nnz = 0;
    for (size_t i = 0; i < w->n * w->k; i++) nnz += w->f32[i] != 0.0f;
    return (w->n + 1) * sizeof(uint32_t) + nnz * (sizeof(uint32_t) + sizeof(float));
}

static uint32_t row_count(const float *row, size_t k)
{
    uint32_t count = 0;
    for (size_t i = 0; i < k; i++) count += row[i] != 0.0f;
    return count;
}

void pe_csr_pack(void *packed, const pe_matrix *w)
{
    uint32_t *begin = packed;
    begin[0] = 0;
    for (size_t n = 0; n < w->n; n++) begin[n + 1] = begin[n] + row_count(w->f32 + n * w->k, w->k);
    uint32_t *column = begin + w->n + 1;
    float *value = (float *)(column + begin[w->n]);
    for (size_t n = 0; n < w->n; n++) {
        for (size_t k = 0; k < w->k; k++) {
            float x = w->f32[n * w->k + k];
            if (x == 0.0f) continue;
            *column++ = (uint32_t)k;
            *value++ = x;
        }
    }
}
