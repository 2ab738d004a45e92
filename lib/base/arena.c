/* lib/base/arena.c - a chain of blocks, filled from the front; one spare block is kept across
 * resets.
 * Read next: lib/base/arena.h. */
#include "lib/base/arena.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/checked.h"
#include "lib/base/error.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

enum { ALIGN = 64, MIN_BLOCK = 4096, MAX_GROWTH = 1 << 20 };

typedef struct block {
    struct block *older;
    size_t capacity, used; /* of the bytes after this header */
    size_t before;         /* bytes in use in all older blocks */
} block;

struct pe_arena {
    block *newest, *spare;
    size_t next_nbytes; /* size of the next block when the request is smaller */
    size_t peak;
};

static uint8_t *payload(block *b)
{
    return (uint8_t *)b + pe_round_up(sizeof *b, ALIGN);
}

static block *block_new(size_t capacity)
{
    uint64_t total;
    if (!pe_add_u64(&total, capacity, pe_round_up(sizeof(block), ALIGN)) || total > SIZE_MAX / 2)
        return NULL;
    block *b = aligned_alloc(ALIGN, (size_t)total);
    if (!b) return NULL;
    *b = (block){ .capacity = capacity };
    POISON(payload(b), capacity);
    return b;
}

static void block_free(block *b)
{
    if (!b) return;
    UNPOISON(payload(b), b->capacity);
    free(b);
}

pe_status pe_arena_new(pe_arena **out, size_t first_nbytes, pe_error *err)
{
    pe_arena *a = calloc(1, sizeof *a);
    if (!a) return pe_fail_nomem(err, "scratch memory", sizeof *a);
    size_t first = first_nbytes < MIN_BLOCK ? MIN_BLOCK : first_nbytes;
    if (first <= SIZE_MAX / 4) a->newest = block_new(pe_round_up(first, ALIGN));
    if (!a->newest) {
        free(a);
        return pe_fail_nomem(err, "scratch memory", first);
    }
    a->next_nbytes = pe_round_up(first, ALIGN);
    *out = a;
    return PE_OK;
}

void pe_arena_free(pe_arena *a)
{
    if (!a) return;
    while (a->newest) {
        block *older = a->newest->older;
        block_free(a->newest);
        a->newest = older;
    }
    block_free(a->spare);
    free(a);
}

/* Makes a block of at least nbytes the newest: the spare one when it is large enough. */
static bool grow(pe_arena *a, size_t nbytes)
{
    block *b = NULL;
    if (a->spare && a->spare->capacity >= nbytes) {
        b = a->spare;
        a->spare = NULL;
    } else {
        b = block_new(nbytes > a->next_nbytes ? nbytes : a->next_nbytes);
        if (!b && nbytes < a->next_nbytes) b = block_new(nbytes);
        if (!b) return false;
        if (a->next_nbytes < MAX_GROWTH) a->next_nbytes *= 2;
    }
    b->used = 0;
    b->older = a->newest;
    b->before = a->newest->before + a->newest->used;
    a->newest = b;
    return true;
}

void *pe_arena_alloc(pe_arena *a, size_t nbytes)
{
    if (nbytes > SIZE_MAX / 4) return NULL;
    size_t need = pe_round_up(nbytes ? nbytes : 1, ALIGN);
    if (a->newest->capacity - a->newest->used < need && !grow(a, need)) return NULL;
    block *b = a->newest;
    uint8_t *p = payload(b) + b->used;
    b->used += need;
    if (b->before + b->used > a->peak) a->peak = b->before + b->used;
    UNPOISON(p, nbytes);
    return p;
}

void *pe_arena_zalloc(pe_arena *a, size_t n, size_t size)
{
    uint64_t nbytes;
    size_t fits;
    if (!pe_mul_u64(&nbytes, n, size) || !pe_to_size(&fits, nbytes)) return NULL;
    void *p = pe_arena_alloc(a, fits);
    if (p) memset(p, 0, fits);
    return p;
}

char *pe_arena_strndup(pe_arena *a, const char *s, size_t nbytes)
{
    char *p = nbytes < SIZE_MAX ? pe_arena_alloc(a, nbytes + 1) : NULL;
    if (!p) return NULL;
    if (nbytes) memcpy(p, s, nbytes);
    p[nbytes] = '\0';
    return p;
}

pe_arena_mark pe_arena_get_mark(const pe_arena *a)
{
    return (pe_arena_mark){ .block = a->newest, .used = a->newest->used };
}

/* The largest block after the mark is kept, so that a loop over equal layers allocates once. */
void pe_arena_reset(pe_arena *a, pe_arena_mark mark)
{
    while (a->newest != mark.block) {
        block *b = a->newest;
        a->newest = b->older;
        POISON(payload(b), b->capacity);
        if (!a->spare || b->capacity > a->spare->capacity) {
            block_free(a->spare);
            a->spare = b;
        } else {
            block_free(b);
        }
    }
    a->newest->used = mark.used;
    POISON(payload(a->newest) + mark.used, a->newest->capacity - mark.used);
}

size_t pe_arena_peak(const pe_arena *a)
{
    return a->peak;
}
