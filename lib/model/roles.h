/* lib/model/roles.h - what the matrices of a checkpoint are: passes change linear layers, and leave
 * embeddings, poolers and heads alone unless they are named. Read next: lib/model/roles.def. */
#ifndef PE_MODEL_ROLES_H
#define PE_MODEL_ROLES_H

#include <pe/base.h>

typedef enum pe_role {
    PE_ROLE_LINEAR,
    PE_ROLE_EMBEDDING,
    PE_ROLE_NORM,
    PE_ROLE_POOLER,
    PE_ROLE_HEAD
} pe_role;

/* name: the module, as "bert.encoder.layer.0.attention.self.query", without ".weight". */
pe_role pe_module_role(const char *name);
/* "linear", "embedding", "norm", "pooler", "head"; static. */
const char *pe_role_name(pe_role r);
/* The module that owns a tensor "MODULE.weight", from malloc. *out is NULL when the tensor is not
 * the weight of a module, or no memory was left (then PE_E_NOMEM). */
pe_status pe_module_of_tensor(char **out, const char *tensor, pe_error *err);

#endif
