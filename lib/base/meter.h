/* lib/base/meter.h - progress of a parallel loop, told to the caller's pe_progress at most ten
 * times a second and from one thread at a time. Read next: lib/base/pool.h. */
#ifndef PE_BASE_METER_H
#define PE_BASE_METER_H

#include <pthread.h>
#include <stdatomic.h>

#include <pe/base.h>

typedef struct pe_meter {
    pe_progress progress;
    const char *what;
    uint64_t total;
    atomic_uint_fast64_t done;
    atomic_bool stopped;
    uint64_t next_ms; /* under the lock */
    pthread_mutex_t lock;
} pe_meter;

void pe_meter_init(pe_meter *m, pe_progress progress, const char *what, uint64_t total);
void pe_meter_release(pe_meter *m);
/* Any thread: n more units are done. PE_E_CANCELLED once the callback has asked to stop. */
pe_status pe_meter_add(pe_meter *m, uint64_t n, pe_error *err);

#endif
