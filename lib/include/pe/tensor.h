/* pe/tensor.h - element types and storage layouts that a checkpoint can hold.
 * Read next: docs/formats.md for the bytes of each layout. */
#ifndef PE_TENSOR_H
#define PE_TENSOR_H

#include <pe/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PE_MAX_RANK 8

typedef enum pe_dtype {
    PE_F32,
    PE_F64,
    PE_F16,
    PE_BF16,
    PE_I8,
    PE_U8,
    PE_I16,
    PE_U16,
    PE_I32,
    PE_U32,
    PE_I64,
    PE_U64,
    PE_BOOL,
    PE_F8_E4M3,
    PE_F8_E5M2,
    PE_DTYPE_OTHER /* carried through unchanged, bits in pe_array */
} pe_dtype;
PE_API const char *pe_dtype_name(pe_dtype t); /* as safetensors writes it: "F32", "BF16" .. */
PE_API size_t pe_dtype_nbytes(pe_dtype t);    /* 0 for PE_DTYPE_OTHER */

/* How a matrix [out, in] is stored. A stored zero is a value whose bits are all zero. */
typedef enum pe_layout {
    PE_LAYOUT_DENSE,
    PE_LAYOUT_BITMASK,     /* one bit a weight + the non-zeros in order */
    PE_LAYOUT_BLOCK4,      /* 1x4 blocks along the inputs: one bit a block + the kept blocks */
    PE_LAYOUT_2OF4,        /* two of every four inputs + 2-bit columns */
    PE_LAYOUT_CSR,         /* row offsets, columns, values (cuSPARSE CSR) */
    PE_LAYOUT_BSR,         /* square blocks, row-major inside (cuSPARSE BSR) */
    PE_LAYOUT_BLOCKED_ELL, /* cuSPARSE Blocked-ELL, padding blocks -1 with zero values */
    PE_NLAYOUTS
} pe_layout;
PE_API const char *pe_layout_name(
    pe_layout l); /* "dense", "bitmask", "block4", "2of4", "csr", .. */
PE_API pe_status pe_layout_parse(pe_layout *out, const char *name, pe_error *err);

#ifdef __cplusplus
}
#endif
#endif
