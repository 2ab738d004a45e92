/* lib/base/meter.c - see meter.h.
 * Read next: tools/common/tool.h (what a tool does with it). */
#include "lib/base/meter.h"

#include <string.h>
#include <time.h>

#include "lib/base/error.h"

#define INTERVAL_MS 100u

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

void pe_meter_init(pe_meter *m, pe_progress progress, const char *what, uint64_t total)
{
    memset(m, 0, sizeof *m);
    m->progress = progress;
    m->what = what;
    m->total = total;
    atomic_init(&m->done, 0);
    atomic_init(&m->stopped, false);
    pthread_mutex_init(&m->lock, NULL);
}

void pe_meter_release(pe_meter *m)
{
    pthread_mutex_destroy(&m->lock);
}

/* Whoever finds the lock free tells; the others go on working. */
static void tell(pe_meter *m, uint64_t done)
{
    uint64_t now;

    if (pthread_mutex_trylock(&m->lock) != 0) return;
    now = now_ms();
    if (now >= m->next_ms || done == m->total) {
        m->next_ms = now + INTERVAL_MS;
        if (!m->progress.fn(m->progress.user, m->what, done, m->total))
            atomic_store(&m->stopped, true);
    }
    pthread_mutex_unlock(&m->lock);
}

pe_status pe_meter_add(pe_meter *m, uint64_t n, pe_error *err)
{
    uint64_t done = atomic_fetch_add(&m->done, n) + n;

    if (m->progress.fn != NULL) tell(m, done);
    if (atomic_load(&m->stopped))
        return pe_fail(err, PE_E_CANCELLED, "%s: stopped on request", m->what);
    return PE_OK;
}
