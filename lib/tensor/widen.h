/* lib/tensor/widen.h - stored float types to f32 and back.
 * Read next: lib/io/ckpt.h. */
#ifndef PE_TENSOR_WIDEN_H
#define PE_TENSOR_WIDEN_H

#include <pe/tensor.h>

/* Whether pe_widen_f32 takes it: F32, F64, F16, BF16. */
bool pe_dtype_is_float(pe_dtype t);
/* n elements to f32; F64 is rounded to nearest even (too large: Inf). x may lie in the upper
 * part of y when its elements are not wider than 4 bytes: y is written behind what is read. */
void pe_widen_f32(float *y, const void *x, pe_dtype t, size_t n);
/* f32 to F32, F16 or BF16, nearest, ties to even. Returns the index of the first finite value that
 * became Inf, or n. y may be x. */
size_t pe_narrow_f32(void *y, const float *x, pe_dtype t, size_t n);
/* Index of the first NaN or Inf, or n. */
size_t pe_find_nonfinite(const float *x, size_t n);

#endif
