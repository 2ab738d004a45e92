/* lib/model/ctx.h - what libpe's own passes may do with a context beyond pe/model.h.
 * Read next: lib/model/ctx.c. */
#ifndef PE_MODEL_CTX_H
#define PE_MODEL_CTX_H

#include <pe/model.h>

#include "lib/plan/plan.h"

/* Calibration: fn sees the input of every float linear layer of the model, layer by layer, chunk of
 * rows by chunk, always in the same order and from the calling thread. fn NULL ends it. */
void pe_ctx_set_tap(pe_ctx *c, pe_tap tap);
/* pe-bench --layers: time of each op of the plan is added to ns [pe_model_lean_plan()->nops]; NULL ends it. */
void pe_ctx_time_ops(pe_ctx *c, uint64_t *ns);
const pe_plan *pe_model_lean_plan(const pe_model *m);

#endif
