/* kernels/variants.h - declares every kernel variant from the rows of list.def.
 * Included by the files that define them and by select.c. Read next: kernels/kernels.h. */
#ifndef PE_KERNELS_VARIANTS_H
#define PE_KERNELS_VARIANTS_H

#include "kernels/cpu.h"
#include "kernels/kernels.h"

#define PE_KERNEL(op, isa, features)       pe_k_##op pe_##op##_##isa;
#define PE_LINEAR(form, op, isa, features) extern const pe_linear_form pe_##op##_##isa;
#include "kernels/list.def"
#undef PE_KERNEL
#undef PE_LINEAR

#endif
