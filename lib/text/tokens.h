/* lib/text/tokens.h - growing lists that the stages of the tokenizer hand on.
 * Read next: lib/text/tokenizer.h. */
#ifndef PE_TEXT_TOKENS_H
#define PE_TEXT_TOKENS_H

#include <stdlib.h>

#include <pe/base.h>

/* A token and the bytes it came from: of a word when a model makes it, of the text afterwards. */
typedef struct pe_token {
    int32_t id;
    uint32_t begin, end;
} pe_token;

typedef struct pe_token_list {
    pe_token *v;
    size_t n, capacity;
} pe_token_list;

/* A normalized character and the bytes of the text that it stands for. */
typedef struct pe_nchar {
    uint32_t cp, begin, end;
} pe_nchar;

typedef struct pe_nchars {
    pe_nchar *v;
    size_t n, capacity;
} pe_nchars;

/* *array with room for n elements of `size` bytes; false: no memory, and nothing changed. */
static inline bool pe_text_room(void *array, size_t *capacity, size_t n, size_t size)
{
    if (n <= *capacity) return true;
    size_t want = *capacity ? *capacity : 64;
    while (want < n) want *= 2;
    void **p = array, *grown = realloc(*p, want * size);
    if (!grown) return false;
    *p = grown;
    *capacity = want;
    return true;
}

static inline bool pe_token_push(pe_token_list *l, int32_t id, size_t begin, size_t end)
{
    if (l->n == l->capacity && !pe_text_room(&l->v, &l->capacity, l->n + 1, sizeof *l->v))
        return false;
    l->v[l->n++] = (pe_token){ .id = id, .begin = (uint32_t)begin, .end = (uint32_t)end };
    return true;
}

static inline bool pe_nchars_room(pe_nchars *c, size_t n)
{
    return pe_text_room(&c->v, &c->capacity, n, sizeof *c->v);
}

#endif
