/* lib/model/ctx.h - what libpe's own passes may do with a context beyond pe/model.h.
 * Read next: lib/model/ctx.c. */
#ifndef PE_MODEL_CTX_H
#define PE_MODEL_CTX_H

#include <pe/model.h>

#include "lib/io/ckpt.h"
#include "lib/plan/plan.h"

/* Calibration: fn sees the input of every float linear layer of the model, layer by layer, chunk of
 * rows by chunk, always in the same order and from the calling thread. fn NULL ends it. */
void pe_ctx_set_tap(pe_ctx *c, pe_tap tap);
/* pe-bench --layers: time of each op of the plan is added to ns [pe_model_lean_plan()->nops];
 * NULL ends it. */
void pe_ctx_time_ops(pe_ctx *c, uint64_t *ns);
const pe_plan *pe_model_lean_plan(const pe_model *m);

/* Every linear layer, what it is packed from (the buffer is the caller's to free, also on failure),
 * and where it lives; for --tune. */
size_t pe_model_nlinears(const pe_model *m);
const pe_linear *pe_model_linear(const pe_model *m, size_t i);
pe_status pe_model_read_source(pe_linear_source *out, void **buffer, const pe_model *m, size_t i,
                               pe_error *err);
const pe_backend *pe_model_backend(const pe_model *m);
const pe_ckpt *pe_model_ckpt(const pe_model *m);

#endif
