/* lib/io/rewrite_loop.c - tensors in parallel: order, first failure, progress, memory.
 * Read next: lib/io/rewrite.c. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/pool.h"
#include "lib/io/rewrite_impl.h"

pe_status pe_rewrite_tick(pe_rewrite_loop *l, uint64_t n, pe_error *err)
{
    if (atomic_load(&l->stop)) return pe_fail(err, PE_E_CANCELLED, "stopped");
    return pe_meter_add(&l->meter, n, err);
}

pe_status pe_rewrite_enter(pe_rewrite_loop *l, uint64_t nbytes, pe_error *err)
{
    if (!nbytes) return PE_OK;
    pthread_mutex_lock(&l->lock);
    while (l->used && l->used + nbytes > l->limit && !atomic_load(&l->stop))
        pthread_cond_wait(&l->freed, &l->lock);
    bool stop = atomic_load(&l->stop);
    if (!stop) l->used += nbytes;
    pthread_mutex_unlock(&l->lock);
    return stop ? pe_fail(err, PE_E_CANCELLED, "stopped") : PE_OK;
}

void pe_rewrite_leave(pe_rewrite_loop *l, uint64_t nbytes)
{
    if (!nbytes) return;
    pthread_mutex_lock(&l->lock);
    l->used -= nbytes;
    pthread_cond_broadcast(&l->freed);
    pthread_mutex_unlock(&l->lock);
}

pe_status pe_rewrite_where(const pe_rewrite_loop *l, const pe_array *a, pe_status st, pe_error *err)
{
    const char *file = pe_ckpt_file(l->c, a->file);
    if (!err || !st) return st;
    if (strstr(err->text, pe_ckpt_path(l->c))) return st; /* a file of the checkpoint is named */
    return pe_fail_prefix(err, st, "%s: tensor \"%.200s\"", file, a->name);
}

/* The failure that counts is the lowest index that failed by itself: tasks that only stopped
 * because of another one are not told. */
static void run_task(void *arg, size_t at, int worker)
{
    pe_rewrite_loop *l = arg;
    pe_error err = { 0 };
    size_t i = l->order[at];
    if (atomic_load(&l->stop)) return;
    pe_status st = l->task(l, i, worker, &err);
    if (!st) return;
    pthread_mutex_lock(&l->lock);
    bool told = atomic_load(&l->stop) && st == PE_E_CANCELLED;
    if (!told) pe_first_error_add(&l->failure, i, st, &err);
    atomic_store(&l->stop, true);
    pthread_cond_broadcast(&l->freed);
    pthread_mutex_unlock(&l->lock);
}

typedef struct sized {
    uint64_t nbytes;
    size_t i;
} sized;

static int largest_first(const void *a, const void *b)
{
    const sized *x = a, *y = b;
    if (x->nbytes != y->nbytes) return x->nbytes > y->nbytes ? -1 : 1;
    return x->i < y->i ? -1 : x->i > y->i;
}

static pe_status make_order(pe_rewrite_loop *l, size_t n, pe_error *err)
{
    sized *s = malloc((n + 1) * sizeof *s);
    l->order = malloc((n + 1) * sizeof *l->order);
    if (!s || !l->order) {
        free(s);
        return pe_fail_nomem(err, "tensor order", n * sizeof *s);
    }
    for (size_t i = 0; i < n; i++) {
        const pe_array *a =
            i < l->nitems ? l->items[i].from : pe_ckpt_array(l->c, l->lonely[i - l->nitems]);
        s[i] = (sized){ a->nbytes, i };
    }
    if (n) qsort(s, n, sizeof *s, largest_first);
    for (size_t i = 0; i < n; i++) l->order[i] = s[i].i;
    free(s);
    return PE_OK;
}

pe_status pe_rewrite_each(pe_rewrite_loop *l, size_t n, pe_rewrite_task *task, const char *what,
                          uint64_t total, pe_pool *pool, pe_progress progress, pe_error *err)
{
    if (!l->nitems && !l->lonely) l->nitems = n;
    l->task = task;
    l->limit = pe_ckpt_largest_nbytes(l->c) * 5 / 2; /* of the three times that are promised */
    pe_status st = make_order(l, n, err);
    if (!st) {
        pe_first_error_init(&l->failure);
        atomic_init(&l->stop, false);
        pthread_mutex_init(&l->lock, NULL);
        pthread_cond_init(&l->freed, NULL);
        pe_meter_init(&l->meter, progress, what, total);
        pe_pool_run(pool, n, run_task, l);
        pe_meter_release(&l->meter);
        pthread_cond_destroy(&l->freed);
        pthread_mutex_destroy(&l->lock);
        st = pe_first_error_take(&l->failure, err);
    }
    free(l->order);
    l->order = NULL;
    return st;
}
