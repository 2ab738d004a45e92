/* kernels/cuda/cuda.h - the kernels of the CUDA plugin as C functions. Each queues its launches on
 * a stream and returns their status; none waits, allocates or looks at the data. Pointers are
 * device memory unless said otherwise; structs and shapes are those of kernels/kernels.h, whose
 * pool and scratch fields are not read. Sizes may be 0. Read next: kernels/cuda/README.md (how
 * kernels are written), lib/backend/cuda/ (who calls them).
 *
 * Numeric classes. "Exact": the same bits as kernels/ref/, since the order of operations is the
 * same (files are compiled with -fmad=false; a fused multiply-add is written fmaf). Everything here
 * is exact but what says "close": products of floats by tensor cores or with a sum in another
 * order. */
#ifndef PE_KERNELS_CUDA_CUDA_H
#define PE_KERNELS_CUDA_CUDA_H

#include <cuda_runtime_api.h>

#include "kernels/kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- ops of a plan --------------------------------------------------------------------------- */

cudaError_t pe_cu_embed(const pe_embed_call *c, cudaStream_t s);
cudaError_t pe_cu_layernorm(float *y, const float *x, const float *res, const float *gamma,
                            const float *beta, float eps, size_t m, size_t d, cudaStream_t s);
cudaError_t pe_cu_quantize_rows(const pe_quantize_call *c, cudaStream_t s);
/* row_begin and q_begin are device memory; `longest`: keys of the longest row, `most_queries`: of
 * the row that asks most. head_dim at most 256, longest at most 4096 (cudaErrorNotSupported
 * beyond). */
cudaError_t pe_cu_attention(const pe_attention_call *c, size_t longest, size_t most_queries,
                            cudaStream_t s);
/* Between int8 codes, with the same limits. The answer to a query that, or whose keys or values in
 * that head, hold NaN or Inf is the NaN of <math.h>. */
cudaError_t pe_cu_attention_s8(const pe_attention_call *c, size_t longest, size_t most_queries,
                               cudaStream_t s);
/* y[i] = x[rows[i]], rows of d. */
cudaError_t pe_cu_gather_rows(float *y, const float *x, const uint32_t *rows, size_t m, size_t d,
                              cudaStream_t s);
cudaError_t pe_cu_mean_pool(float *y, const float *x, const uint32_t *row_begin, size_t nrows,
                            size_t d, cudaStream_t s);
cudaError_t pe_cu_l2_normalize(float *x, size_t m, size_t d, cudaStream_t s);
/* *bad becomes 1 where x holds NaN or Inf, else it stays. */
cudaError_t pe_cu_check_finite(uint32_t *bad, const float *x, size_t n, cudaStream_t s);

/* ---- products -------------------------------------------------------------------------------- */

/* What follows a product of floats, in place: y[m, n] (ldy) = act((y + bias) + 0). Exact. */
cudaError_t pe_cu_epilogue_f32(float *y, size_t ldy, size_t m, size_t n, const float *bias,
                               pe_act act, cudaStream_t s);
/* What follows an integer product: c->y from the sums acc[m, n] (ldacc) by the rule of int8 layers,
 * zero points included (c->xzero, c->wsum). Exact. */
cudaError_t pe_cu_epilogue_s8(const pe_linear_call *c, const int32_t *acc, size_t ldacc,
                              cudaStream_t s);
/* The whole int8 layer by tensor cores (mma m16n8k32), epilogue fused, for any m: weights [n, ldw]
 * as codes, ldw a multiple of 32 and >= k, zero from k on; rows of c->xq as kernels.h says (ldx a
 * multiple of 64); both 16-byte aligned, or cudaErrorMisalignedAddress. k at most 65536, or
 * cudaErrorInvalidValue. c->packed is not read. Exact. */
cudaError_t pe_cu_linear_s8(const pe_linear_call *c, const int8_t *weights, size_t ldw,
                            cudaStream_t s);
/* Weight-only int8: y = act(sum x[t, i] * (float)w[n, i] * wscale[n] + bias) for few tokens (8 a
 * launch); x f32, weights as above. Close: lanes sum side by side, the scale comes last. */
cudaError_t pe_cu_linear_w8(const pe_linear_call *c, const int8_t *weights, size_t ldw,
                            cudaStream_t s);

/* Bitmask matrices as kernels execute them: 64 inputs a word. values hold the nonzeros in order of
 * rows and inputs; row r's words are mask[r * nwords ..], its values begin at begin[r]. */
typedef struct pe_cu_bitmask {
    const uint64_t *mask;  /* [n, nwords], nwords = ceil(k / 64) */
    const uint32_t *begin; /* [n + 1] */
    const void *values;    /* [begin[n]] int8, or 16-bit floats; 16-byte aligned, or
                            * cudaErrorMisalignedAddress; nothing after them is read */
    size_t n, k, nwords;
} pe_cu_bitmask;
/* int8 layer over a bitmask, 8 tokens a launch; xq, xzero and wsum as in pe_cu_linear_s8. w->n and
 * w->k are c's, or cudaErrorInvalidValue. Exact. */
cudaError_t pe_cu_linear_bitmask_s8(const pe_linear_call *c, const pe_cu_bitmask *w,
                                    cudaStream_t s);
/* y = act(x w^T * wscale + bias), x f32, values f16 or (bf16 true) bf16; wscale NULL = 1. Close. */
cudaError_t pe_cu_linear_bitmask_f16(const pe_linear_call *c, const pe_cu_bitmask *w, bool bf16,
                                     cudaStream_t s);

/* f32 to 16-bit floats, rounded to nearest even, and back; NaN stays NaN. Exact. */
cudaError_t pe_cu_to_bf16(uint16_t *y, const float *x, size_t n, cudaStream_t s);
cudaError_t pe_cu_to_f16(uint16_t *y, const float *x, size_t n, cudaStream_t s);
cudaError_t pe_cu_from_bf16(float *y, const uint16_t *x, size_t n, cudaStream_t s);
cudaError_t pe_cu_from_f16(float *y, const uint16_t *x, size_t n, cudaStream_t s);

/* ---- statistics for calibration -------------------------------------------------------------- */

/* absmax[r] of rows of x [m, k] (ldx); a row with NaN or Inf gives the NaN of <math.h>. */
cudaError_t pe_cu_absmax_rows(float *absmax, const float *x, size_t m, size_t k, size_t ldx,
                              cudaStream_t s);
/* *lo and *hi become the minimum and maximum of themselves and x [m, k] (ldx), of zeros the first
 * one; both NaN, and from then on, where x holds NaN or Inf. lo and hi are device memory, at first
 * +Inf and -Inf. scratch: pe_cu_range_scratch bytes. */
cudaError_t pe_cu_range(float *lo, float *hi, const float *x, size_t m, size_t k, size_t ldx,
                        void *scratch, cudaStream_t s);
size_t pe_cu_range_scratch(size_t m, size_t k);
/* Appends the |x| above *floor to top[cap], in any order; *ntop counts all of them, also those that
 * found no room (below 2^32 in all). NaN is not above. floor and ntop are device memory. */
cudaError_t pe_cu_above(float *top, uint32_t *ntop, uint32_t cap, const float *x, size_t m,
                        size_t k, size_t ldx, const float *floor, cudaStream_t s);
/* sums[i] += (x - clamp(rint(x / scale[i]), -127, 127) * scale[i])^2 for ni scales and the values
 * x[0], x[step], x[2 step] .. below x[n], all in double and one after another: the bits of
 * pe_range_mse, whose scales are (1 - 0.01 i) * (double)absmax / 127, when the sums are 0 at first.
 * A chain a scale, for samples; a million values take some milliseconds. */
cudaError_t pe_cu_mse(double *sums, const double *scale, size_t ni, const float *x, size_t n,
                      size_t step, cudaStream_t s);

/* ---- passes over weights: the bits of the CPU's ---------------------------------------------- */

/* Codes of one scale a row: rint(x / scale), ties to even, clamped to -127..127; scale 0: 0.
 * Columns from k on are left as they are. */
cudaError_t pe_cu_quantize_weights(int8_t *q, size_t ldq, const float *x, size_t ldx, size_t n,
                                   size_t k, const float *scale, cudaStream_t s);

/* Exactly the k lowest magnitudes of several arrays, in a few passes over them; prefix is 0 and
 * rank k - 1 (0 for k = 0) at first:
 *
 *     for each shift of 20, 9, 0 (f32) or 52, 41, 30, 19, 8, 0 (f64):
 *         zero the 2048 counts, pe_cu_radix_* of every array, fetch the counts; then
 *         d = prefix >> shift & 2047;                 (not 0 only where digits overlap)
 *         while (rank >= counts[d]) rank -= counts[d++];
 *         prefix = (prefix >> shift >> 11 << 11 | d) << shift;
 *
 * prefix is now the key of the threshold; of the counts[d] scores equal to it rank + 1 go (none for
 * k = 0) and the first ones stay. With counts of its own in the last pass each array knows its
 * equals, hence how many of those that stay are its own: `keep` of pe_cu_cut_*. */
/* counts[d] += how many keys have digit d = (key >> shift) & 2047, of those whose bits from shift +
 * 11 on equal those of *prefix. Keys are the magnitude bits of x; shift at most 20 for f32, 52 for
 * f64. counts and prefix are device memory. */
cudaError_t pe_cu_radix_f32(uint64_t *counts, const float *x, size_t n, const uint32_t *prefix,
                            int shift, cudaStream_t s);
cudaError_t pe_cu_radix_f64(uint64_t *counts, const double *x, size_t n, const uint64_t *prefix,
                            int shift, cudaStream_t s);
/* Zero (+0) |x| < *t; of those equal to it the first *keep in order stay and the others become +0;
 * -0 becomes +0 whatever the threshold. *gone += how many were below, or equal and did not stay. t
 * and keep are device memory. Two launches; scratch: pe_cu_cut_scratch(n). */
cudaError_t pe_cu_cut_f32(float *x, size_t n, const float *t, const uint64_t *keep, uint64_t *gone,
                          void *scratch, cudaStream_t s);
size_t pe_cu_cut_scratch(size_t n);
/* Keep the `keep` largest magnitudes of every `of` consecutive (1 <= keep <= of <= 1024), the
 * others become +0; ties zero the higher index. Elements after the last whole group stay. */
cudaError_t pe_cu_prune_nm(float *x, size_t n, int keep, int of, cudaStream_t s);
/* Block scores as lib/prune/pattern.h defines them: sum of |w| in double, row-major blocks of r x c
 * (c <= 1024) of an [n, k] matrix, edge blocks by their mean times r * c. score [ceil(n/r),
 * ceil(k/c)]. */
cudaError_t pe_cu_block_scores(double *score, const float *x, size_t n, size_t k, size_t r,
                               size_t c, cudaStream_t s);
/* Zero (+0) the blocks whose score is below *t, or equal and not among the first *keep equal ones;
 * those of score 0 in any case, for their -0. *gone += blocks that did not stay. */
cudaError_t pe_cu_cut_blocks(float *x, size_t n, size_t k, size_t r, size_t c, const double *score,
                             const double *t, const uint64_t *keep, uint64_t *gone, void *scratch,
                             cudaStream_t s);
size_t pe_cu_cut_blocks_scratch(size_t nblocks);
/* *count += elements whose bits are all zero. elem_nbytes 1, 2, 4 or 8, x aligned to it. */
cudaError_t pe_cu_count_zero(uint64_t *count, const void *x, size_t n, size_t elem_nbytes,
                             cudaStream_t s);

/* ---- layouts: byte for byte what lib/tensor/layout_*.c writes -------------------------------- */

/* A dense [n, k] matrix of elements of 1, 2 or 4 bytes, aligned to them, becomes parts; an element
 * is stored where any bit is set. Counting comes first: pe_cu_row_nnz (csr, bitmask) or
 * pe_cu_blocks_used (bsr, blocked-ell; used [ceil(n/b), ceil(k/b)], bytes 0 or 1), of which the
 * caller makes offsets; then the encoder writes. row_begin: values before each row. */
cudaError_t pe_cu_row_nnz(uint32_t *row_nnz, const void *x, size_t n, size_t k, size_t elem_nbytes,
                          cudaStream_t s);
cudaError_t pe_cu_encode_csr(void *values, int32_t *columns, const uint32_t *row_begin,
                             const void *x, size_t n, size_t k, size_t elem_nbytes, cudaStream_t s);
/* mask: ceil(k / 64) words a row, bit j of word i: column 64 i + j; a stored row is its first
 * ceil(k / 8) bytes. */
cudaError_t pe_cu_encode_bitmask(uint64_t *mask, void *values, const uint32_t *row_begin,
                                 const void *x, size_t n, size_t k, size_t elem_nbytes,
                                 cudaStream_t s);
cudaError_t pe_cu_blocks_used(uint8_t *used, const void *x, size_t n, size_t k, size_t b,
                              size_t elem_nbytes, cudaStream_t s);
/* bsr: values [nblocks, b, b]; block i lies at row blocks[2 i], column blocks[2 i + 1], in blocks;
 * beyond the matrix values are 0. */
cudaError_t pe_cu_encode_blocks(void *values, const uint32_t *blocks, size_t nblocks, const void *x,
                                size_t n, size_t k, size_t b, size_t elem_nbytes, cudaStream_t s);
/* blocked-ell: values [nb * b, w * b], nb = ceil(n / b); ell_col [nb, w] block columns, -1 an empty
 * one, whose values are 0. */
cudaError_t pe_cu_encode_ell(void *values, const int32_t *ell_col, size_t w, const void *x,
                             size_t n, size_t k, size_t b, size_t elem_nbytes, cudaStream_t s);
/* 2of4 as docs/formats.md section 3 describes it; x holds at most two nonzeros a group. */
cudaError_t pe_cu_encode_2of4(void *values, uint8_t *meta, const void *x, size_t n, size_t k,
                              size_t elem_nbytes, cudaStream_t s);

#ifdef __cplusplus
}
#endif
#endif
