/* lib/tensor/dtype.c - names and widths of element types and layouts.
 * Read next: lib/tensor/layout.h. */
#include <string.h>

#include "formats/safetensors.h"
#include "lib/base/error.h"

const char *pe_dtype_name(pe_dtype t)
{
    const pe_st_dtype *d = pe_st_dtype_of(t);
    return d ? d->name : "other";
}

size_t pe_dtype_nbytes(pe_dtype t)
{
    const pe_st_dtype *d = pe_st_dtype_of(t);
    return d ? d->bits / 8 : 0;
}

static const char *const layout_names[PE_NLAYOUTS] = {
    [PE_LAYOUT_DENSE] = "dense",
    [PE_LAYOUT_BITMASK] = "bitmask",
    [PE_LAYOUT_BLOCK4] = "block4",
    [PE_LAYOUT_2OF4] = "2of4",
    [PE_LAYOUT_CSR] = "csr",
    [PE_LAYOUT_BSR] = "bsr",
    [PE_LAYOUT_BLOCKED_ELL] = "blocked-ell",
};

const char *pe_layout_name(pe_layout l)
{
    return (unsigned)l < PE_NLAYOUTS ? layout_names[l] : "unknown";
}

pe_status pe_layout_parse(pe_layout *out, const char *name, pe_error *err)
{
    for (int l = 0; l < PE_NLAYOUTS; l++) {
        if (strcmp(layout_names[l], name)) continue;
        *out = (pe_layout)l;
        return PE_OK;
    }
    return pe_fail(
        err, PE_E_ARG,
        "layout \"%.40s\": expected dense, bitmask, block4, 2of4, csr, bsr or blocked-ell", name);
}
