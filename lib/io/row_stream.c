/* lib/io/row_stream.c - input rows to output rows of one tensor, 256 KiB at a time: small enough
 * that hashing, the pass and the write find them in the second-level cache. Read next:
 * lib/io/rewrite.c. */
#include "lib/io/row_stream.h"

#include <stdlib.h>

#include "lib/base/checked.h"
#include "lib/base/error.h"

#define BLOCK_NBYTES ((uint64_t)256 << 10)

typedef struct stream {
    const pe_ckpt *c;
    const pe_rewrite_item *item;
    uint64_t n, step, in_row, out_row; /* rows, rows a block, bytes a row */
    uint8_t *whole;                    /* a sparse input, expanded */
    uint8_t *in, *out;                 /* a block each */
    pe_hasher *hasher;                 /* of a dense input; NULL = not wanted */
} stream;

void pe_matrix_shape(uint64_t *n, uint64_t *k, const pe_array *a)
{
    *n = a->rank >= 2 ? a->shape[0] : 1;
    *k = *n ? a->nelem / *n : 0;
}

uint64_t pe_item_cols(const pe_rewrite_item *item)
{
    uint64_t n, k;
    pe_matrix_shape(&n, &k, item->from);
    return item->cols ? item->cols : k;
}

uint64_t pe_item_nelem(const pe_rewrite_item *item)
{
    return item->cols ? item->from->shape[0] * item->cols : item->from->nelem;
}

static uint64_t common_multiple(uint64_t a, uint64_t b)
{
    uint64_t x = a, y = b;
    while (y) {
        uint64_t r = x % y;
        x = y;
        y = r;
    }
    return a / x * b;
}

uint64_t pe_row_block(const pe_rewrite_item *item)
{
    uint64_t n, k, edge = 1;
    pe_matrix_shape(&n, &k, item->from);
    uint64_t in = k * pe_dtype_nbytes(item->from->dtype),
             out = pe_item_cols(item) * pe_dtype_nbytes(item->dtype);
    uint64_t wide = in > out ? in : out;
    if (item->layout.layout >= PE_LAYOUT_BSR) edge = item->layout.block ? item->layout.block : 16;
    uint64_t step = common_multiple(item->row_step ? item->row_step : 1, edge);
    uint64_t rows = wide ? BLOCK_NBYTES / wide / step * step : n;
    if (rows < step) rows = step;
    return rows < n ? rows : n;
}

uint64_t pe_row_stream_nbytes(const pe_rewrite_item *item)
{
    const pe_array *a = item->from;
    return a->layout.layout == PE_LAYOUT_DENSE ? 0
                                               : a->nbytes + a->nelem * pe_dtype_nbytes(a->dtype);
}

static pe_status allocate(uint8_t **out, uint64_t nbytes, pe_error *err)
{
    size_t size;
    if (!pe_to_size(&size, nbytes) || !(*out = malloc(size + 1)))
        return pe_fail_nomem(err, "rows of a tensor", (size_t)nbytes);
    return PE_OK;
}

/* Parts read and hashed one by one, then put together. */
static pe_status expand(stream *s, pe_digest *digests, pe_error *err)
{
    const pe_array *a = s->item->from;
    uint8_t *part[PE_MAX_PARTS] = { 0 };
    pe_status st = allocate(&s->whole, a->nelem * pe_dtype_nbytes(a->dtype), err);
    for (int i = 0; i < a->nparts && !st; i++) {
        st = allocate(&part[i], a->part[i].nbytes, err);
        if (!st) st = pe_ckpt_read(s->c, a, i, 0, part[i], (size_t)a->part[i].nbytes, err);
        if (!st && digests) digests[i] = pe_digest_of(part[i], (size_t)a->part[i].nbytes);
    }
    pe_dense m = { s->whole, a->shape[0], a->shape[1], (uint32_t)pe_dtype_nbytes(a->dtype) };
    if (!st)
        st = pe_layout_decode(&m, a->layout, (const void *const *)part, a->part, a->nparts, a->name,
                              err);
    if (st) st = pe_fail_prefix(err, st, "%s", pe_ckpt_file(s->c, a->file));
    for (int i = 0; i < PE_MAX_PARTS; i++) free(part[i]);
    return st;
}

static pe_status prepare(stream *s, pe_digest *digests, pe_error *err)
{
    const pe_rewrite_item *item = s->item;
    uint64_t k;
    pe_matrix_shape(&s->n, &k, item->from);
    s->in_row = k * pe_dtype_nbytes(item->from->dtype);
    s->out_row = pe_item_cols(item) * pe_dtype_nbytes(item->dtype);
    s->step = pe_row_block(item);
    bool dense = item->from->layout.layout == PE_LAYOUT_DENSE;
    pe_status st = dense ? allocate(&s->in, s->step * s->in_row, err) : expand(s, digests, err);
    if (!st && item->rows && !(dense && item->in_place))
        st = allocate(&s->out, s->step * s->out_row, err);
    if (!st && dense && digests && !(s->hasher = pe_hasher_new()))
        st = pe_fail_nomem(err, "digest", 0);
    return st;
}

static pe_status block(stream *s, uint64_t row0, uint64_t nrows, int worker, pe_row_visit *visit,
                       void *arg, pe_error *err)
{
    const pe_rewrite_item *item = s->item;
    const uint8_t *in = s->in;
    uint8_t *out = s->out ? s->out : s->in;
    pe_status st = PE_OK;
    if (s->whole) in = s->whole + row0 * s->in_row;
    else st = pe_ckpt_read_rows(s->c, item->from, row0, nrows, s->in, err);
    if (!st && s->hasher) pe_hasher_add(s->hasher, in, (size_t)(nrows * s->in_row));
    if (!st && item->rows) st = item->rows(item->user, out, in, row0, nrows, worker, err);
    /* without rows() nothing writes through this pointer: visitors only read */
    pe_dense rows = { item->rows ? out : (uint8_t *)(uintptr_t)in, nrows, pe_item_cols(item),
                      (uint32_t)pe_dtype_nbytes(item->dtype) };
    return st ? st : visit(arg, &rows, row0, err);
}

pe_status pe_row_stream(const pe_ckpt *c, const pe_rewrite_item *item, int worker,
                        pe_row_visit *visit, void *arg, pe_digest *digests, pe_error *err)
{
    stream s = { .c = c, .item = item };
    if (!pe_dtype_nbytes(item->from->dtype) || !pe_dtype_nbytes(item->dtype))
        return pe_fail(err, PE_E_UNSUPPORTED, "dtype %s can only be copied as it is",
                       item->from->dtype_name);
    pe_status st = prepare(&s, digests, err);
    for (uint64_t row = 0; row < s.n && !st; row += s.step)
        st = block(&s, row, s.n - row < s.step ? s.n - row : s.step, worker, visit, arg, err);
    if (!st && s.hasher) digests[0] = pe_hasher_get(s.hasher);
    pe_hasher_free(s.hasher);
    free(s.whole);
    free(s.in);
    free(s.out);
    return st;
}
