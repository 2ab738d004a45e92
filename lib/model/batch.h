/* lib/model/batch.h - the token rows of a call, checked, with the family's defaults filled in.
 * Read next: lib/model/batch.c. */
#ifndef PE_MODEL_BATCH_H
#define PE_MODEL_BATCH_H

#include "lib/model/family.h"

typedef struct pe_inputs {
    size_t nrows, ntokens;
    const uint32_t *row_begin;                          /* the caller's */
    const int32_t *ids, *type_ids, *pos_ids, *task_ids; /* the caller's, or `filled` */
    int32_t *filled;                                    /* positions, then zeros */
    uint32_t *ones;                                     /* 0, 1 .. nrows */
    const pe_lead *lead;                                /* the caller's, NULL = none */
    size_t filled_cap, ones_cap;
} pe_inputs;

/* Rows [row0, row0 + nrows) with their leads behind them, as a plan reads them; buffers are
 * kept. */
typedef struct pe_led_rows {
    int32_t *ids, *type_ids, *pos_ids, *task_ids; /* one block, ids own it */
    uint32_t *lead_begin, *first;                 /* one block, lead_begin owns it */
    size_t nlead, tokens_cap, rows_cap;
} pe_led_rows;
pe_status pe_led_rows_take(pe_led_rows *out, const pe_inputs *in, size_t row0, size_t nrows,
                           pe_error *err);
void pe_led_rows_release(pe_led_rows *l);

/* All-zero before the first call; buffers are kept from call to call. PE_E_INPUT names row and
 * place. */
pe_status pe_inputs_take(pe_inputs *in, const pe_config *cfg, const pe_batch *b, pe_error *err);
void pe_inputs_release(pe_inputs *in);

#endif
