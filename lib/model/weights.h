/* lib/model/weights.h - which tensor of a checkpoint is which module of the family, shapes checked.
 * Read next: lib/model/weights.c, lib/model/load.c (who reads the payload). */
#ifndef PE_MODEL_WEIGHTS_H
#define PE_MODEL_WEIGHTS_H

#include "lib/io/ckpt.h"
#include "lib/model/family.h"

typedef struct pe_module {
    pe_module_id id;
    pe_part_kind kind;
    int layer;      /* -1 outside the blocks */
    char path[128]; /* as modules.def says, without prefix */
    uint32_t rows, cols;
    bool required;
    const char *name; /* as in the checkpoint, prefix included; the path while nothing matched */
    const pe_array *weight, *bias;
    const pe_array *weight_scale, *weight_zero, *input_scale, *input_zero; /* quantized modules */
} pe_module;

typedef struct pe_modules {
    pe_module *v; /* sorted by path */
    size_t n;
    char *names; /* storage of names */
} pe_modules;

/* Matches every array of the checkpoint. PE_E_INPUT lists what is missing, unknown or of another
 * shape than config.json says. */
pe_status pe_modules_match(pe_modules *out, const pe_config *cfg, const pe_ckpt *ckpt,
                           pe_error *err);
void pe_modules_release(pe_modules *m);
/* NULL: the family or this checkpoint has no such module. layer -1 outside the blocks. */
const pe_module *pe_modules_find(const pe_modules *m, pe_module_id id, int layer);

#endif
