/* lib/model/roles.c - see roles.h.
 * Read next: lib/prune/prune_modules.c, which asks. */
#include "lib/model/roles.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/glob.h"

static const struct role_row {
    pe_role role;
    const char *glob;
} rows[] = {
#define PE_ROLE_NAME(role, glob) { PE_ROLE_##role, glob },
#include "lib/model/roles.def"
#undef PE_ROLE_NAME
};

pe_role pe_module_role(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (pe_glob_match(rows[i].glob, name)) return rows[i].role;
    }
    return PE_ROLE_LINEAR;
}

const char *pe_role_name(pe_role r)
{
    static const char *const names[] = { "linear", "embedding", "norm", "pooler", "head" };

    return names[r];
}

pe_status pe_module_of_tensor(char **out, const char *tensor, pe_error *err)
{
    static const char suffix[] = ".weight";
    size_t n = strlen(tensor), m = sizeof suffix - 1;

    *out = NULL;
    if (n <= m || strcmp(tensor + n - m, suffix) != 0) return PE_OK;
    *out = strndup(tensor, n - m);
    return *out != NULL ? PE_OK : pe_fail_nomem(err, "module name", n - m + 1);
}
