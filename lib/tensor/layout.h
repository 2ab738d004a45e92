/* lib/tensor/layout.h - dense rows <-> stored layouts, without loss both ways.
 * Read next: lib/io/ckpt.h, which names the parts in a file. */
#ifndef PE_TENSOR_LAYOUT_H
#define PE_TENSOR_LAYOUT_H

#include <pe/tensor.h>

#define PE_MAX_PARTS 3

/* A dense matrix [n, k] of elem_nbytes-wide elements, row-major. */
typedef struct pe_dense {
    void *data;
    uint64_t n, k;
    uint32_t elem_nbytes; /* 1, 2 or 4 */
} pe_dense;

/* One stored array of a layout; `suffix` follows the tensor's name ("" for dense). */
typedef struct pe_part {
    const char *suffix; /* static */
    pe_dtype dtype;     /* PE_DTYPE_OTHER: the matrix's own */
    int rank;
    uint64_t shape[2];
    uint64_t nbytes;
} pe_part;

typedef struct pe_layout_spec {
    pe_layout layout;
    uint32_t block; /* edge of BSR and Blocked-ELL blocks; 0 = 16 */
} pe_layout_spec;

/* Counting state: feed every row block once (in any order, sums only), then sizes are known. */
typedef struct pe_layout_stats {
    uint64_t nonzero, blocks4, fits_2of4 /* 1 = yes */;
    uint64_t *row_blocks; /* BSR / ELL only */
} pe_layout_stats;

/* Parts and their shapes for this matrix, from its whole content. PE_E_UNSUPPORTED when the layout
 * cannot hold it (2of4 with three non-zeros in a group, BSR with a ragged edge ..), saying why. */
pe_status pe_layout_measure(pe_part parts[PE_MAX_PARTS], int *nparts, pe_layout_spec spec, const pe_dense *m,
                            pe_error *err);
/* Fewest bytes; ties to dense, then in the order of pe_layout (BSR and Blocked-ELL not considered). */
pe_status pe_layout_choose(pe_layout *out, const pe_dense *m, pe_error *err);
/* dst[i] has parts[i].nbytes. */
void pe_layout_encode(void *const dst[PE_MAX_PARTS], pe_layout_spec spec, const pe_dense *m);
/* Checks everything (counts, order, ranges) before it writes a row; hostile parts are PE_E_INPUT. */
pe_status pe_layout_decode(pe_dense *out, pe_layout_spec spec, const void *const src[PE_MAX_PARTS],
                           const pe_part parts[PE_MAX_PARTS], int nparts, const char *name, pe_error *err);

#endif
