/* lib/plan/cost.h - which form executes a layer when nobody measured it: estimates per CPU level.
 * Read next: lib/plan/cost.c, lib/model/tunefile.h (measured times). */
#ifndef PE_PLAN_COST_H
#define PE_PLAN_COST_H

#include "lib/plan/linear.h"

/* Sets l->form[] from sparsity and bucket; dense wherever a sparse form does not clearly win. */
void pe_form_estimate(pe_linear *l, const pe_backend *b);
/* Sets every bucket to the form of this name where the layer takes it, else to dense. PE_E_ARG
 * for a name that no form has. */
pe_status pe_form_force(pe_linear *l, const pe_backend *b, const char *name, pe_error *err);

#endif
