/* lib/tensor/layout.h - dense rows <-> stored layouts, without loss both ways.
 * Read next: lib/io/ckpt.h, which names the parts in a file. */
#ifndef PE_TENSOR_LAYOUT_H
#define PE_TENSOR_LAYOUT_H

#include <pe/tensor.h>

#define PE_MAX_PARTS 3
#define PE_MAX_BLOCK 1024 /* edge of BSR and Blocked-ELL blocks */

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
    uint64_t shape[3]; /* a dense part has the tensor's own shape, not this */
    uint64_t nbytes;
} pe_part;

typedef struct pe_layout_spec {
    pe_layout layout;
    uint32_t block; /* edge of BSR and Blocked-ELL blocks; 0 = 16 */
} pe_layout_spec;

/* Parts of a matrix [n, k] that stores `count` units: values (bitmask, csr), blocks (block4,
 * bsr) or blocks a row (Blocked-ELL); ignored by dense and 2of4. PE_E_UNSUPPORTED when an index
 * does not fit. */
pe_status pe_layout_parts(pe_part parts[PE_MAX_PARTS], int *nparts, pe_layout_spec spec, uint64_t n,
                          uint64_t k, uint32_t elem_nbytes, uint64_t count, pe_error *err);
/* The count that stored parts imply, by their shapes (rank and shape set, in the order of
 * pe_layout_parts). PE_E_INPUT when a rank is wrong. */
pe_status pe_layout_count(uint64_t *count, pe_layout_spec spec, const pe_part *parts,
                          pe_error *err);
/* Parts and their shapes for this matrix, from its whole content. PE_E_UNSUPPORTED when the layout
 * cannot hold it (2of4 with three non-zeros in a group, BSR with a ragged edge ..), saying why. */
pe_status pe_layout_measure(pe_part parts[PE_MAX_PARTS], int *nparts, pe_layout_spec spec,
                            const pe_dense *m, pe_error *err);
uint64_t pe_parts_nbytes(const pe_part *parts, int nparts); /* sum */
/* Fewest bytes; ties to dense, then in the order of pe_layout (BSR and Blocked-ELL not
 * considered). */
pe_status pe_layout_choose(pe_layout *out, const pe_dense *m, pe_error *err);

/* The same for a matrix [n, k] that comes in blocks of rows, which lie in the file one after
 * another. */
typedef struct pe_layout_stats {
    uint64_t nonzero, blocks4; /* non-zeros; 1x4 blocks that hold any */
    bool over_2of4;            /* some group of four holds more than two */
} pe_layout_stats;
void pe_layout_stats_add(pe_layout_stats *s, const pe_dense *rows);
pe_layout pe_layout_best(const pe_layout_stats *s, uint64_t n, uint64_t k, uint32_t elem_nbytes);
/* Units of `rows` added to *count (see pe_layout_parts). Rows are a multiple of the block's
 * edge, but for the last ones. row0 is for messages. */
pe_status pe_layout_count_rows(uint64_t *count, pe_layout_spec spec, const pe_dense *rows,
                               uint64_t row0, pe_error *err);
/* Stores rows from row0 on. base: units before them, count: of the whole matrix. size[i] bytes
 * of part i go to offset at[i] of it; dst[i] holds them, so it must have room for
 * pe_layout_parts of these rows alone (Blocked-ELL: with the whole matrix' count). */
void pe_layout_encode_rows(void *const dst[PE_MAX_PARTS], uint64_t at[PE_MAX_PARTS],
                           uint64_t size[PE_MAX_PARTS], pe_layout_spec spec, const pe_dense *rows,
                           uint64_t row0, uint64_t base, uint64_t count);

/* dst[i] has parts[i].nbytes. */
void pe_layout_encode(void *const dst[PE_MAX_PARTS], pe_layout_spec spec, const pe_dense *m);
/* Checks everything (counts, order, ranges) before it writes a row; hostile parts are
 * PE_E_INPUT. */
pe_status pe_layout_decode(pe_dense *out, pe_layout_spec spec, const void *const src[PE_MAX_PARTS],
                           const pe_part parts[PE_MAX_PARTS], int nparts, const char *name,
                           pe_error *err);

#endif
