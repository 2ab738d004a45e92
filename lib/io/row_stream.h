/* lib/io/row_stream.h - the rows of one rewrite item, block by block.
 * Read next: lib/io/rewrite.c. */
#ifndef PE_IO_ROW_STREAM_H
#define PE_IO_ROW_STREAM_H

#include "lib/io/rewrite.h"

/* A block of output rows; return an error to stop. */
typedef pe_status pe_row_visit(void *arg, const pe_dense *rows, uint64_t row0, pe_error *err);

/* Reads the item's input in ascending row blocks, makes the output rows and visits them. digests
 * NULL, or [nparts] out: of the input's parts. A sparse input is expanded whole. */
pe_status pe_row_stream(const pe_ckpt *c, const pe_rewrite_item *item, int worker,
                        pe_row_visit *visit, void *arg, pe_digest *digests, pe_error *err);
/* Rows and columns that an array of any rank is seen as. */
void pe_matrix_shape(uint64_t *n, uint64_t *k, const pe_array *a);
uint64_t pe_item_cols(const pe_rewrite_item *item);  /* of the output */
uint64_t pe_item_nelem(const pe_rewrite_item *item); /* of the output */
uint64_t pe_row_block(const pe_rewrite_item *item);  /* most rows of a block */
/* Bytes that pe_row_stream needs to expand a sparse input; 0 for a dense one. */
uint64_t pe_row_stream_nbytes(const pe_rewrite_item *item);

#endif
