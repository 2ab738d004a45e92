/* lib/backend/host_memory.c - blocks cut from slabs of huge pages: a model's weights are hundreds
 * of blocks of a megabyte, and a page fault for every 4 KiB of them is a fifth of the time to load
 * it. Read next: lib/backend/cpu_backend.c. */
#include "lib/backend/host_memory.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "lib/base/checked.h"

#ifdef __SANITIZE_ADDRESS__
/* One block at a time, so that AddressSanitizer sees where each ends. */
void *pe_host_alloc(size_t nbytes)
{
    if (nbytes > SIZE_MAX / 4) return NULL;
    return aligned_alloc(64, pe_round_up(nbytes ? nbytes : 1, 64));
}

void pe_host_release(void *p)
{
    free(p);
}
#else
#define HUGE_PAGE ((size_t)2 << 20)
#define SLAB      ((size_t)16 << 20)
#define LARGE     ((size_t)4 << 20) /* from here on a block has a slab of its own */
#define HEAD      ((size_t)64)      /* before each block: where it came from */

/* At the start of its own memory. */
typedef struct slab {
    size_t nbytes, used, live; /* live: blocks not yet released, under the lock */
} slab;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static slab *current; /* new blocks come from here */

/* Aligned to a huge page by giving back what sticks out on both sides. */
static slab *map_slab(size_t nbytes)
{
    size_t whole = nbytes + HUGE_PAGE;
    uint8_t *p = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return NULL;
    size_t before = (HUGE_PAGE - (uintptr_t)p % HUGE_PAGE) % HUGE_PAGE;
    if (before) (void)munmap(p, before);
    if (whole - before > nbytes) (void)munmap(p + before + nbytes, whole - before - nbytes);
    (void)madvise(p + before, nbytes, MADV_HUGEPAGE);
    slab *s = (slab *)(void *)(p + before);
    *s = (slab){ .nbytes = nbytes, .used = HEAD };
    return s;
}

static void *cut(slab *s, size_t nbytes)
{
    uint8_t *head = (uint8_t *)s + s->used;
    *(slab **)(void *)head = s;
    s->used += HEAD + nbytes;
    s->live++;
    return head + HEAD;
}

void *pe_host_alloc(size_t nbytes)
{
    if (nbytes > SIZE_MAX / 4) return NULL;
    nbytes = pe_round_up(nbytes ? nbytes : 1, 64);
    if (nbytes >= LARGE) {
        slab *own = map_slab(pe_round_up(nbytes + 2 * HEAD, 4096));
        return own ? cut(own, nbytes) : NULL;
    }
    void *p = NULL;
    (void)pthread_mutex_lock(&lock);
    if (!current || current->nbytes - current->used < HEAD + nbytes) {
        slab *next = map_slab(SLAB);
        /* An empty slab that nothing points into would never be released. */
        if (next && current && !current->live) (void)munmap(current, current->nbytes);
        if (next) current = next;
        if (!next) goto done;
    }
    p = cut(current, nbytes);
done:
    (void)pthread_mutex_unlock(&lock);
    return p;
}

void pe_host_release(void *p)
{
    if (!p) return;
    slab *s = *(slab **)(void *)((uint8_t *)p - HEAD);
    (void)pthread_mutex_lock(&lock);
    bool last = --s->live == 0;
    if (last && s == current) current = NULL;
    (void)pthread_mutex_unlock(&lock);
    if (last) (void)munmap(s, s->nbytes);
}
#endif
