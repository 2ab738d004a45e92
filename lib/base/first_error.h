/* lib/base/first_error.h - the failure that a parallel loop reports: of all failed tasks, the one
 * with the lowest index, so that the message does not depend on the number of threads. */
#ifndef PE_BASE_FIRST_ERROR_H
#define PE_BASE_FIRST_ERROR_H

#include <pthread.h>

#include <pe/base.h>

typedef struct pe_first_error {
    pthread_mutex_t lock;
    size_t index;
    pe_error error; /* status PE_OK: nothing failed yet */
} pe_first_error;

void pe_first_error_init(pe_first_error *f);
/* Any thread. PE_OK is ignored; otherwise err holds the message. */
void pe_first_error_add(pe_first_error *f, size_t index, pe_status st, const pe_error *err);
/* After the loop: its status, the message copied to err; f is not used after this. */
pe_status pe_first_error_take(pe_first_error *f, pe_error *err);

#endif
