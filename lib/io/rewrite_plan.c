/* lib/io/rewrite_plan.c - what every item will be stored as, and in how many bytes.
 * Read next: lib/io/rewrite.c. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/io/rewrite_impl.h"
#include "lib/io/row_stream.h"

typedef struct measure {
    const pe_rewrite_item *item;
    pe_layout_stats stats;
    uint64_t count, total; /* units of a forced layout; bytes of input told to the meter */
    pe_rewrite_loop *loop;
} measure;

static pe_status measure_rows(void *arg, const pe_dense *rows, uint64_t row0, pe_error *err)
{
    measure *m = arg;
    pe_layout_stats_add(&m->stats, rows);
    pe_status st =
        m->item->choose ? PE_OK : pe_layout_count_rows(&m->count, m->item->layout, rows, row0, err);
    return st ? st : pe_rewrite_tick(m->loop, rows->n * rows->k * rows->elem_nbytes, err);
}

/* Whether the fewest bytes can be looked for: a matrix of a width that layouts hold. */
static bool is_choosable(const pe_rewrite_item *item)
{
    size_t width = pe_dtype_nbytes(item->dtype);
    return item->from->rank == 2 && item->from->nelem && width && width <= 4;
}

bool pe_rewrite_copies(const pe_rewrite_item *item)
{
    if (item->rows) return false;
    if (item->keep_layout) return true;
    if (item->from->layout.layout != PE_LAYOUT_DENSE) return false;
    return item->choose ? !is_choosable(item) : item->layout.layout == PE_LAYOUT_DENSE;
}

/* Stored as it is when nothing touches it; dense when there is no choice. */
static bool is_plain(const pe_rewrite_item *item)
{
    if (pe_rewrite_copies(item)) return true;
    return item->choose ? !is_choosable(item) : item->layout.layout == PE_LAYOUT_DENSE;
}

static pe_status plan_plain(pe_rewrite_item *item)
{
    const pe_array *a = item->from;
    if (pe_rewrite_copies(item)) {
        item->layout = a->layout;
        item->nparts = a->nparts;
        item->nbytes = a->nbytes;
        memcpy(item->part, a->part, sizeof item->part);
        return PE_OK;
    }
    item->layout = (pe_layout_spec){ PE_LAYOUT_DENSE, 0 };
    item->nparts = 1;
    bool same =
        !item->rows && a->layout.layout == PE_LAYOUT_DENSE; /* any dtype, also of odd widths */
    item->nbytes = same ? a->nbytes : pe_item_nelem(item) * pe_dtype_nbytes(item->dtype);
    item->part[0] = (pe_part){ "", PE_DTYPE_OTHER, a->rank, { 0 }, item->nbytes };
    return PE_OK;
}

static pe_status plan_measured(pe_rewrite_loop *l, pe_rewrite_item *item, int worker, pe_error *err)
{
    const pe_array *a = item->from;
    measure m = { .item = item, .loop = l };
    if (a->rank != 2)
        return pe_fail(err, PE_E_ARG, "rank %d; only matrices can be stored sparse", a->rank);
    uint32_t e = (uint32_t)pe_dtype_nbytes(item->dtype);
    uint64_t n = a->shape[0], k = pe_item_cols(item);
    pe_status st = pe_rewrite_enter(l, pe_row_stream_nbytes(item), err);
    if (st) return st;
    st = pe_row_stream(l->c, item, worker, measure_rows, &m, NULL, err);
    pe_rewrite_leave(l, pe_row_stream_nbytes(item));
    if (st) return st;
    item->zeros = n * k - m.stats.nonzero;
    if (item->choose) {
        item->layout = (pe_layout_spec){ pe_layout_best(&m.stats, n, k, e), 0 };
        m.count = item->layout.layout == PE_LAYOUT_BLOCK4 ? m.stats.blocks4 : m.stats.nonzero;
    }
    st = pe_layout_parts(item->part, &item->nparts, item->layout, n, k, e, m.count, err);
    item->nbytes = st ? 0 : pe_parts_nbytes(item->part, item->nparts);
    return st;
}

static pe_status plan_one(pe_rewrite_loop *l, size_t i, int worker, pe_error *err)
{
    pe_rewrite_item *item = &l->items[i];
    pe_status st = is_plain(item) ? plan_plain(item) : plan_measured(l, item, worker, err);
    return pe_rewrite_where(l, item->from, st, err);
}

pe_status pe_rewrite_plan(pe_rewrite_item *items, size_t nitems, const pe_ckpt *c, pe_pool *pool,
                          pe_progress progress, pe_error *err)
{
    pe_rewrite_loop l = { .items = items, .c = c };
    uint64_t total = 0;
    for (size_t i = 0; i < nitems; i++) {
        pe_rewrite_item *item = &items[i];
        if (!item->name) item->name = item->from->name;
        if (!item->rows) item->dtype = item->from->dtype;
        if (!is_plain(item)) total += pe_item_nelem(item) * pe_dtype_nbytes(item->dtype);
    }
    return pe_rewrite_each(&l, nitems, plan_one, "measuring", total, pool, progress, err);
}
