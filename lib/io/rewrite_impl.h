/* lib/io/rewrite_impl.h - the parallel loop over tensors that planning and rewriting share.
 * Read next: lib/io/rewrite_loop.c. */
#ifndef PE_IO_REWRITE_IMPL_H
#define PE_IO_REWRITE_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/base/first_error.h"
#include "lib/base/meter.h"
#include "lib/io/rewrite.h"

typedef struct pe_rewrite_loop pe_rewrite_loop;
typedef pe_status pe_rewrite_task(pe_rewrite_loop *l, size_t i, int worker, pe_error *err);

struct pe_rewrite_loop {
    pe_rewrite_item *items;
    const pe_ckpt *c;
    pe_ckptw *w;                        /* run only */
    pe_digest (*digests)[PE_MAX_PARTS]; /* of every array of c; run only */
    const size_t *lonely;               /* arrays without an item */
    size_t nitems;
    /* the loop's own */
    pe_rewrite_task *task;
    size_t *order; /* largest tensor first, so that the last one to finish is a small one */
    pe_first_error failure;
    pe_meter meter;
    atomic_bool stop;
    pthread_mutex_t lock; /* of the memory that expanded inputs take */
    pthread_cond_t freed;
    uint64_t used, limit;
};

/* Runs task for 0..n-1; indexes from nitems on are the lonely arrays. */
pe_status pe_rewrite_each(pe_rewrite_loop *l, size_t n, pe_rewrite_task *task, const char *what,
                          uint64_t total, pe_pool *pool, pe_progress progress, pe_error *err);
/* n bytes more are done; an error once another task failed or the caller asked to stop. */
pe_status pe_rewrite_tick(pe_rewrite_loop *l, uint64_t n, pe_error *err);
/* Waits until nbytes for an expanded input fit the memory promise. */
pe_status pe_rewrite_enter(pe_rewrite_loop *l, uint64_t nbytes, pe_error *err);
void pe_rewrite_leave(pe_rewrite_loop *l, uint64_t nbytes);
/* Puts file and tensor in front of a message that does not say them yet. */
pe_status pe_rewrite_where(const pe_rewrite_loop *l, const pe_array *a, pe_status st,
                           pe_error *err);
/* Whether the item's stored bytes are copied. */
bool pe_rewrite_copies(const pe_rewrite_item *item);

#endif
