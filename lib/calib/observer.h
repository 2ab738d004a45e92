/* lib/calib/observer.h - watches the inputs of one linear layer: range, largest magnitudes, a
 * sample. What it keeps depends on the values and their order only. Read next:
 * lib/calib/calib.c. */
#ifndef PE_CALIB_OBSERVER_H
#define PE_CALIB_OBSERVER_H

#include "lib/backend/backend.h"
#include "lib/calib/calib.h"

#define PE_CALIB_TOKENS \
    512u /* most tokens of a sample; at least half as many when there are more */

typedef struct pe_observer {
    uint32_t k;
    uint64_t ntokens; /* seen */
    float lo, hi;
    /* Every stride-th token; when the room is full every second one is dropped and the stride
     * doubles. */
    float *sample; /* [PE_CALIB_TOKENS, k] */
    size_t nsample;
    uint64_t stride;
    /* The `need` largest magnitudes are among the first ntop; kept for percentiles only. */
    float *top; /* [2 * need] */
    size_t ntop, need;
    float floor; /* smaller ones are not among them */
} pe_observer;

/* most_values: at most so many will come (decides how many a percentile needs). */
pe_status pe_observer_init(pe_observer *o, uint32_t k, const pe_range_rule *rule,
                           uint64_t most_values, pe_error *err);
void pe_observer_release(pe_observer *o);
/* m tokens [m, k], distance ldx. */
void pe_observer_add(pe_observer *o, const float *x, size_t ldx, size_t m);
/* The same of tokens in the memory of q's device; the observer is then as if they had been here. */
pe_status pe_observer_add_device(pe_observer *o, const float *x, size_t ldx, size_t m, pe_queue *q,
                                 pe_error *err);
/* Magnitude that a static range should reach; after the last token. q: of the device that finds the
 * errors of clips, NULL or the host's: found here. PE_E_NOMEM, what the device says. */
pe_status pe_observer_clip(float *clip, pe_observer *o, const pe_range_rule *rule, pe_queue *q,
                           pe_error *err);

#endif
