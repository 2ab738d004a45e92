/* lib/model/sent.h - what a plan reads of a chunk of rows, sent to a device that cannot read the
 * host's memory. Read next: lib/model/sent.c, lib/model/ctx.c. */
#ifndef PE_MODEL_SENT_H
#define PE_MODEL_SENT_H

#include "lib/plan/plan.h"

typedef struct pe_sent { /* all-zero before the first call; buffers are kept */
    void *device, *host;
    size_t nbytes;
} pe_sent;

/* Copies ids and row tables to the queue's device and points *in there. The queue has read the
 * host's memory when the run that follows is done. */
pe_status pe_sent_take(pe_sent *s, pe_plan_input *in, pe_queue *q, pe_error *err);
void pe_sent_release(pe_sent *s, const pe_backend *b);

#endif
