/* formats/st_dtype.c - the element types that safetensors defines, with their width.
 * Read next: formats/st_read.c. */
#include <string.h>

#include "formats/safetensors.h"

static const pe_st_dtype table[] = {
    { "F32", PE_F32, 32 },
    { "F64", PE_F64, 64 },
    { "F16", PE_F16, 16 },
    { "BF16", PE_BF16, 16 },
    { "I8", PE_I8, 8 },
    { "U8", PE_U8, 8 },
    { "I16", PE_I16, 16 },
    { "U16", PE_U16, 16 },
    { "I32", PE_I32, 32 },
    { "U32", PE_U32, 32 },
    { "I64", PE_I64, 64 },
    { "U64", PE_U64, 64 },
    { "BOOL", PE_BOOL, 8 },
    { "F8_E4M3", PE_F8_E4M3, 8 },
    { "F8_E5M2", PE_F8_E5M2, 8 },
    { "F4", PE_DTYPE_OTHER, 4 },
    { "F6_E2M3", PE_DTYPE_OTHER, 6 },
    { "F6_E3M2", PE_DTYPE_OTHER, 6 },
    { "F8_E8M0", PE_DTYPE_OTHER, 8 },
    { "F8_E4M3FNUZ", PE_DTYPE_OTHER, 8 },
    { "F8_E5M2FNUZ", PE_DTYPE_OTHER, 8 },
    { "C64", PE_DTYPE_OTHER, 64 },
};
#define NTABLE (sizeof table / sizeof table[0])

const pe_st_dtype *pe_st_dtype_find(const char *name)
{
    for (size_t i = 0; i < NTABLE; i++)
        if (!strcmp(table[i].name, name)) return &table[i];
    return NULL;
}

const pe_st_dtype *pe_st_dtype_of(pe_dtype t)
{
    if (t == PE_DTYPE_OTHER) return NULL;
    for (size_t i = 0; i < NTABLE; i++)
        if (table[i].dtype == t) return &table[i];
    return NULL;
}
