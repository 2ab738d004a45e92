/* lib/io/rewrite.c - streams every tensor of a checkpoint to its new place.
 * Read next: lib/io/row_stream.c for the rows, lib/io/ckpt_write.c for the writing. */
#include "lib/io/rewrite.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/io/ckptw_impl.h"
#include "lib/io/provenance.h"
#include "lib/io/rewrite_impl.h"
#include "lib/io/row_stream.h"

#define COPY_NBYTES ((size_t)256 << 10)

pe_status pe_rewrite_declare(pe_ckptw *w, pe_rewrite_item *items, size_t nitems, pe_error *err)
{
    pe_status st = PE_OK;
    for (size_t i = 0; i < nitems && !st; i++) {
        pe_rewrite_item *item = &items[i];
        const pe_array *a = item->from;
        uint64_t shape[PE_MAX_RANK];
        memcpy(shape, a->shape, sizeof shape);
        if (item->cols) shape[1] = item->cols;
        if (!item->rows && a->dtype == PE_DTYPE_OTHER)
            st = pe_ckptw_add_like(w, &item->index, a, err);
        else
            st = pe_ckptw_add(w, &item->index, item->name, item->dtype, a->rank, shape,
                              item->layout, item->part, item->nparts, err);
    }
    return st;
}

typedef struct store { /* where the rows of an item go */
    pe_rewrite_loop *loop;
    const pe_rewrite_item *item;
    uint64_t base, count;        /* units before these rows, of the matrix */
    uint8_t *part[PE_MAX_PARTS]; /* room for one block */
} store;

static pe_status store_rows(void *arg, const pe_dense *rows, uint64_t row0, pe_error *err)
{
    store *s = arg;
    const pe_rewrite_item *item = s->item;
    uint64_t at[PE_MAX_PARTS] = { 0 }, size[PE_MAX_PARTS] = { 0 },
             row = rows->k * rows->elem_nbytes;
    pe_status st = PE_OK;
    if (item->layout.layout == PE_LAYOUT_DENSE) {
        st = pe_ckptw_write(s->loop->w, item->index, 0, row0 * row, rows->data,
                            (size_t)(rows->n * row), err);
    } else {
        pe_layout_encode_rows((void *const *)s->part, at, size, item->layout, rows, row0, s->base,
                              s->count);
        st = pe_layout_count_rows(&s->base, item->layout, rows, row0, err);
        for (int i = 0; i < item->nparts && !st; i++)
            st =
                pe_ckptw_write(s->loop->w, item->index, i, at[i], s->part[i], (size_t)size[i], err);
    }
    return st ? st : pe_rewrite_tick(s->loop, rows->n * row, err);
}

/* Room for the parts of the fullest block of rows. */
static pe_status make_room(store *s, pe_error *err)
{
    const pe_rewrite_item *item = s->item;
    pe_part part[PE_MAX_PARTS];
    int nparts = 0;
    uint64_t rows = pe_row_block(item), k = pe_item_cols(item),
             b = item->layout.block ? item->layout.block : 16;
    uint64_t most = rows * k;
    if (item->layout.layout == PE_LAYOUT_DENSE) return PE_OK;
    if (item->layout.layout == PE_LAYOUT_BLOCK4) most = rows * (k / 4 + 1);
    if (item->layout.layout == PE_LAYOUT_BSR) most = (rows / b + 1) * (k / b + 1);
    pe_status st = pe_layout_count(&s->count, item->layout, item->part, err);
    if (item->layout.layout == PE_LAYOUT_BLOCKED_ELL) most = s->count;
    if (!st)
        st = pe_layout_parts(part, &nparts, item->layout, rows, k,
                             (uint32_t)pe_dtype_nbytes(item->dtype), most, err);
    for (int i = 0; i < nparts && !st; i++)
        if (!(s->part[i] = malloc((size_t)part[i].nbytes + 8)))
            st = pe_fail_nomem(err, "stored rows", (size_t)part[i].nbytes);
    return st;
}

static pe_status rewrite_item(pe_rewrite_loop *l, pe_rewrite_item *item, int worker,
                              pe_digest *digests, pe_error *err)
{
    store s = { .loop = l, .item = item };
    uint64_t need = pe_row_stream_nbytes(item);
    pe_status st = pe_rewrite_enter(l, need, err);
    if (st) return st;
    st = make_room(&s, err);
    if (!st) st = pe_row_stream(l->c, item, worker, store_rows, &s, digests, err);
    for (int i = 0; i < PE_MAX_PARTS; i++) free(s.part[i]);
    pe_rewrite_leave(l, need);
    return st;
}

/* Bytes of every part through `to` (NULL: only hashed). */
static pe_status copy_parts(pe_rewrite_loop *l, const pe_array *a, const size_t *to,
                            pe_digest *digests, pe_error *err)
{
    uint8_t *buf = malloc(COPY_NBYTES);
    pe_hasher *h = pe_hasher_new();
    pe_status st = buf && h ? PE_OK : pe_fail_nomem(err, "copy buffer", COPY_NBYTES);
    for (int i = 0; i < a->nparts && !st; i++) {
        uint64_t total = a->part[i].nbytes;
        pe_hasher_reset(h);
        for (uint64_t at = 0; at < total && !st;) {
            size_t n = total - at < COPY_NBYTES ? (size_t)(total - at) : COPY_NBYTES;
            st = pe_ckpt_read(l->c, a, i, at, buf, n, err);
            if (!st && !to) pe_hasher_add(h, buf, n);
            if (!st && to) st = pe_ckptw_write(l->w, *to, i, at, buf, n, err); /* hashes them */
            if (!st) st = pe_rewrite_tick(l, n, err);
            at += n;
        }
        if (!st && to && total)
            digests[i] = l->w->parts[l->w->tensors[*to].first + (size_t)i].digest;
        else digests[i] = pe_hasher_get(h);
    }
    pe_hasher_free(h);
    free(buf);
    return st;
}

static pe_status run_one(pe_rewrite_loop *l, size_t i, int worker, pe_error *err)
{
    const pe_array *first = pe_ckpt_narrays(l->c) ? pe_ckpt_array(l->c, 0) : NULL;
    if (i >= l->nitems) {
        size_t at = l->lonely[i - l->nitems];
        return copy_parts(l, first + at, NULL, l->digests[at], err);
    }
    pe_rewrite_item *item = &l->items[i];
    pe_digest *digests = l->digests[item->from - first];
    pe_status st = pe_rewrite_copies(item) ? copy_parts(l, item->from, &item->index, digests, err)
                                           : rewrite_item(l, item, worker, digests, err);
    if (!st && item->done) st = item->done(item->user, l->w, err);
    return pe_rewrite_where(l, item->from, st, err);
}

pe_status pe_rewrite_run(pe_digest *input, pe_ckptw *w, pe_rewrite_item *items, size_t nitems,
                         const pe_ckpt *c, pe_pool *pool, pe_progress progress, pe_error *err)
{
    size_t n = pe_ckpt_narrays(c), nlonely = 0;
    size_t *lonely = calloc(n + 1, sizeof *lonely); /* first a count of items for each array */
    pe_rewrite_loop l = { .items = items, .c = c, .w = w, .lonely = lonely, .nitems = nitems };
    uint64_t total = 0;
    l.digests = calloc(n + 1, sizeof *l.digests);
    pe_status st =
        lonely && l.digests ? PE_OK : pe_fail_nomem(err, "tensor digests", n * sizeof *l.digests);
    for (size_t i = 0; i < nitems && !st; i++) {
        size_t at = (size_t)(items[i].from - pe_ckpt_array(c, 0));
        if (lonely[at]++)
            st = pe_fail(err, PE_E_ARG, "tensor \"%.200s\" is read by two items",
                         items[i].from->name);
        total += pe_rewrite_copies(&items[i])
                     ? items[i].nbytes
                     : pe_item_nelem(&items[i]) * pe_dtype_nbytes(items[i].dtype);
    }
    for (size_t i = 0; i < n && !st; i++) {
        if (lonely[i]) continue;
        total += pe_ckpt_array(c, i)->nbytes;
        lonely[nlonely++] = i; /* nlonely <= i: counts ahead are still there */
    }
    if (!st)
        st = pe_rewrite_each(&l, nitems + nlonely, run_one, "writing", total, pool, progress, err);
    if (!st)
        st = pe_ckpt_content(input, c, (const pe_digest(*)[PE_MAX_PARTS])l.digests,
                             sizeof *l.digests, err);
    free(l.digests);
    free(lonely);
    return st;
}
