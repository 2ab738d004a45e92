/* lib/convert/int8.h - matrices stored as int8 codes with scales, pe's own and compressed-tensors':
 * found, read, turned back into floats. Read next: lib/convert/convert_job.h. */
#ifndef PE_CONVERT_INT8_H
#define PE_CONVERT_INT8_H

#include "lib/io/ckpt.h"

/* The tensors of one module; scale NULL: it is not quantized. */
typedef struct pe_int8 {
    const pe_array
        *codes; /* "M.weight" I8 [n, k], or packed: "M.weight_packed" I32, 4 codes a word */
    const pe_array *scale; /* "M.weight_scale" [n, 1], [n] or one for all */
    const pe_array *zero;  /* "M.weight_zero_point" I8, NULL = symmetric */
    bool packed;
    uint64_t n, k;
} pe_int8;

/* The quantized matrix that array a holds the codes of, if it does. PE_E_UNSUPPORTED: packed
 * codes of other than 8 bits, scales by group; PE_E_INPUT: codes without scale, wrong shapes. */
pe_status pe_int8_find(pe_int8 *out, const pe_ckpt *c, const pe_array *a, pe_error *err);
/* Scale and zero point of every row, as f32: [n] each, from malloc. value = (code - zero) *
 * scale. */
pe_status pe_int8_scales(float **scale, float **zero, const pe_int8 *q, const pe_ckpt *c,
                         pe_error *err);
/* Rows of codes, as stored, to f32. */
void pe_int8_rows(float *out, const void *codes, bool packed, uint64_t k, const float *scale,
                  const float *zero, uint64_t nrows);
/* Whether the array only serves the module's codes: scale, zero point, shape of packed codes. */
bool pe_int8_is_aside(const char *suffix);
/* Name in front of the last dot; from malloc, NULL: no memory. A name without a dot is itself. */
char *pe_module_name(const char *tensor);

#endif
