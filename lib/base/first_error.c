/* lib/base/first_error.c - see first_error.h.
 * Read next: lib/base/pool.h. */
#include "lib/base/first_error.h"

#include <string.h>

void pe_first_error_init(pe_first_error *f)
{
    memset(f, 0, sizeof *f);
    pthread_mutex_init(&f->lock, NULL);
}

void pe_first_error_add(pe_first_error *f, size_t index, pe_status st, const pe_error *err)
{
    if (st == PE_OK) return;
    pthread_mutex_lock(&f->lock);
    if (f->error.status == PE_OK || index < f->index) {
        f->index = index;
        f->error = *err;
        f->error.status = st;
    }
    pthread_mutex_unlock(&f->lock);
}

pe_status pe_first_error_take(pe_first_error *f, pe_error *err)
{
    pe_status st = f->error.status;

    if (st != PE_OK && err != NULL) *err = f->error;
    pthread_mutex_destroy(&f->lock);
    return st;
}
