/* tests/cli/stub_plugin.c - a plugin that has a device without memory. Macros say by how much its
 * tables and numbers differ from those of this pe. Built and read by tests/cli/device.sh. */
#include "lib/backend/plugin.h"

static pe_status no_memory(const pe_backend *b, void **out, size_t nbytes, const char *what,
                           pe_error *err)
{
    (void)b, (void)out, (void)nbytes, (void)what;
    err->status = PE_E_NOMEM;
    return PE_E_NOMEM;
}

static void release(const pe_backend *b, void *p)
{
    (void)b, (void)p;
}

static bool has_form(const pe_backend *b, pe_form form, size_t n, size_t k)
{
    (void)b, (void)n, (void)k;
    return form == PE_FORM_F32_DENSE;
}

static size_t packed_nbytes(const pe_backend *b, pe_form form, const pe_matrix *w)
{
    (void)b, (void)form;
    return w->n * w->k * sizeof(float);
}

static const pe_backend backend = { .struct_size = sizeof backend - (BACKEND_SHORTER),
                                    .abi = PE_BACKEND_ABI + (BACKEND_ABI),
                                    .name = "cuda:0",
                                    .alloc = no_memory,
                                    .release = release,
                                    .has_form = has_form,
                                    .packed_nbytes = packed_nbytes };

static pe_status count(int *n, pe_error *err)
{
    (void)err;
    *n = 1;
    return PE_OK;
}

static pe_status describe(pe_device_info *out, int device, pe_error *err)
{
    (void)device, (void)err;
    *out = (pe_device_info){ .name = "stub" };
    return PE_OK;
}

static pe_status get(const pe_backend **out, const char *name, int device, uint64_t max_nbytes,
                     pe_error *err)
{
    (void)name, (void)device, (void)max_nbytes, (void)err;
    *out = &backend;
    return PE_OK;
}

static const pe_device_pass pass = { .struct_size = sizeof pass - (PASS_SHORTER) };
static const pe_plugin table = { .struct_size = sizeof table - (PLUGIN_SHORTER),
                                 .abi = PE_PLUGIN_ABI + (PLUGIN_ABI),
                                 .kind = "cuda",
                                 .built = "",
                                 .count = count,
                                 .describe = describe,
                                 .open = get,
                                 .pass = &pass };

pe_plugin_entry_fn pe_plugin_entry_v1;
const pe_plugin *pe_plugin_entry_v1(void)
{
    return &table;
}
