/* lib/base/arena.h - scratch memory that is given back all at once.
 * A pass resets its arena per layer; objects that live together are freed together. */
#ifndef PE_BASE_ARENA_H
#define PE_BASE_ARENA_H

#include <pe/base.h>

typedef struct pe_arena pe_arena;

pe_status pe_arena_new(pe_arena **out, size_t first_nbytes, pe_error *err);
void pe_arena_free(pe_arena *a); /* NULL is fine */
/* 64-byte aligned, not zeroed; NULL when memory is exhausted (the caller says what for). */
void *pe_arena_alloc(pe_arena *a, size_t nbytes);
void *pe_arena_zalloc(pe_arena *a, size_t n, size_t size);         /* zeroed; checks n * size */
char *pe_arena_strndup(pe_arena *a, const char *s, size_t nbytes); /* adds the NUL */
/* Everything since the mark is given back; poisoned under AddressSanitizer. */
typedef struct pe_arena_mark {
    void *block;
    size_t used;
} pe_arena_mark;
pe_arena_mark pe_arena_get_mark(const pe_arena *a);
void pe_arena_reset(pe_arena *a, pe_arena_mark mark);
size_t pe_arena_peak(const pe_arena *a); /* high-water mark in bytes */

#endif
