/* lib/model/sent.c - see sent.h: all arrays in one block, so that it is one copy.
 * Read next: lib/model/ctx.c. */
#include "lib/model/sent.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/checked.h"
#include "lib/base/error.h"

typedef struct part {
    const void **at; /* field of the input that points to it; NULL is left alone */
    size_t nbytes;
} part;

enum { NPARTS = 8, ALIGN = 256 };

static void list_parts(part parts[NPARTS], pe_plan_input *in)
{
    size_t tokens = in->ntokens * sizeof(int32_t), rows = (in->nrows + 1) * sizeof(uint32_t);
    const part list[NPARTS] = { { (const void **)&in->ids, tokens },
                                { (const void **)&in->type_ids, tokens },
                                { (const void **)&in->pos_ids, tokens },
                                { (const void **)&in->task_ids, tokens },
                                { (const void **)&in->row_begin, rows },
                                { (const void **)&in->lead_begin, rows },
                                { (const void **)&in->first, in->nrows * sizeof(uint32_t) },
                                { (const void **)&in->ones, rows } };
    memcpy(parts, list, sizeof list);
}

static pe_status make_room(pe_sent *s, size_t nbytes, const pe_backend *b, pe_error *err)
{
    if (nbytes <= s->nbytes) return PE_OK;
    pe_sent_release(s, b);
    s->host = malloc(nbytes);
    if (!s->host) return pe_fail_nomem(err, "ids", nbytes);
    pe_status st = b->alloc(b, &s->device, nbytes, "ids", err);
    if (!st) s->nbytes = nbytes;
    return st;
}

pe_status pe_sent_take(pe_sent *s, pe_plan_input *in, pe_queue *q, pe_error *err)
{
    part parts[NPARTS];
    size_t total = 0, at = 0;
    list_parts(parts, in);
    for (int i = 0; i < NPARTS; i++) total += pe_round_up(parts[i].nbytes, ALIGN);
    pe_status st = make_room(s, total, q->backend, err);
    for (int i = 0; !st && i < NPARTS; i++) {
        if (!*parts[i].at) continue;
        memcpy((char *)s->host + at, *parts[i].at, parts[i].nbytes);
        *parts[i].at = (char *)s->device + at;
        at += pe_round_up(parts[i].nbytes, ALIGN);
    }
    return st ? st : q->backend->upload(q, s->device, s->host, at, err);
}

void pe_sent_release(pe_sent *s, const pe_backend *b)
{
    free(s->host);
    b->release(b, s->device);
    *s = (pe_sent){ 0 };
}
