/* lib/io/rewrite.h - streams a whole checkpoint through a pass, a few rows at a time: several
 * tensors at once on the pool, each in ascending order by one thread, digests of input and output
 * on the way.
 * Memory: 1 MiB a thread, or two row blocks; a sparse input matrix is expanded whole.
 * Read next: lib/io/ckpt.h, lib/io/provenance.h.
 *
 *     pe_rewrite_plan      rows() of the items whose stored size depends on their values
 *     pe_ckptw_open        and pe_rewrite_declare, pe_ckptw_add for extra tensors, pe_ckptw_begin
 *     pe_rewrite_run       rows() of all items (again), in file order of rows
 *     pe_ckptw_commit      with the step that pe_step_new made */
#ifndef PE_IO_REWRITE_H
#define PE_IO_REWRITE_H

#include "lib/base/digest.h"
#include "lib/io/ckpt.h"

/* Makes rows [row0, row0 + nrows) of the output from the same rows of the input; both dense,
 * row-major, in their own dtype. Called from any thread, for one item from one thread at a time,
 * rows ascending from 0; the whole matrix twice when pe_rewrite_plan measures it: same input,
 * same output. */
typedef pe_status pe_rewrite_rows(void *user, void *out, const void *in, uint64_t row0,
                                  uint64_t nrows, int worker, pe_error *err);

typedef struct pe_rewrite_item {
    const pe_array
        *from; /* matrix [n, k]; other ranks: n = shape[0], k the rest; rank 0 and 1: n = 1 */
    const char *name;      /* of the output; NULL = from->name */
    pe_dtype dtype;        /* of the output, same shape, */
    uint64_t cols;         /* but for its columns when this is not 0 (rank 2) */
    pe_rewrite_rows *rows; /* NULL: the values stay; dtype and name are then from's */
    bool keep_layout;      /* rows NULL: copied as it is stored; the next two are not looked at */
    bool choose;           /* the layout of fewest bytes (pe_layout_choose), else `layout` */
    pe_layout_spec layout; /* in: asked for; out: what it is stored as */
    bool in_place;         /* rows() may be given out == in; dtype and shape are then from's */
    uint64_t row_step;     /* rows come in multiples of it, but for the last; 0 = 1 */
    /* After the last row of the run, from the same thread; NULL = nothing. For tensors that the
     * pass declared itself, as scales. */
    pe_status (*done)(void *user, pe_ckptw *w, pe_error *err);
    void *user;
    /* out: */
    uint64_t zeros; /* measured items: elements whose bits are all zero */
    pe_part part[PE_MAX_PARTS];
    int nparts;
    uint64_t nbytes; /* stored */
    size_t index;    /* of pe_ckptw */
} pe_rewrite_item;

/* Layout, parts and bytes of every item; nothing is written. A forced layout that cannot hold the
 * matrix is PE_E_UNSUPPORTED naming it. */
pe_status pe_rewrite_plan(pe_rewrite_item *items, size_t nitems, const pe_ckpt *c, pe_pool *pool,
                          pe_progress progress, pe_error *err);
pe_status pe_rewrite_declare(pe_ckptw *w, pe_rewrite_item *items, size_t nitems, pe_error *err);
/* *input: content digest of all of c, also of arrays that no item reads. */
pe_status pe_rewrite_run(pe_digest *input, pe_ckptw *w, pe_rewrite_item *items, size_t nitems,
                         const pe_ckpt *c, pe_pool *pool, pe_progress progress, pe_error *err);

#endif
