/* lib/backend/device_pass.h - passes over weights on a device: each takes a matrix of the host,
 * works in the device's memory and gives the bits of the CPU. Read next:
 * lib/backend/cuda/pass_cuda.c, lib/prune/prune_device.c and lib/quant/quant_device.c (who calls).
 */
#ifndef PE_BACKEND_DEVICE_PASS_H
#define PE_BACKEND_DEVICE_PASS_H

#include "lib/backend/backend.h"

/* A matrix [n, k] of f32 on the device. */
typedef struct pe_resident {
    float *x;
    uint64_t n, k;
} pe_resident;

/* What is scored: single weights (rows == 0), or blocks of rows x cols. */
typedef struct pe_device_blocks {
    uint32_t rows, cols;
} pe_device_blocks;

/* The score that cuts the k lowest of all given matrices off, and how many of those equal to it
 * stay in each (the first ones of the first matrices): lib/prune/lowest.h. */
typedef struct pe_device_cut {
    double threshold;
    uint64_t *keep_equal; /* [nmatrices], the caller's */
} pe_device_cut;

/* What calibration wants to know of a layer's input x [m, k] (ldx). lo, hi and top are host memory,
 * valid after sync: lo and hi take in x; the |x| above `floor` are put to top[cap], in any order,
 * and *ntop counts them all, also those without room. top NULL: not asked for. */
typedef struct pe_observe_call {
    const float *x;
    size_t m, k, ldx;
    float *lo, *hi, *top;
    uint32_t *ntop, cap;
    float floor;
} pe_observe_call;

typedef struct pe_device_pass {
    size_t struct_size;
    /* Memory for a matrix; rows are then written by load. */
    pe_status (*make)(pe_resident *out, const pe_backend *b, uint64_t n, uint64_t k,
                      const char *what, pe_error *err);
    void (*drop)(pe_resident *r, const pe_backend *b);
    /* Rows row0 .. of host f32; waits until the host memory may be used again. */
    pe_status (*load)(pe_resident *r, const pe_backend *b, const float *rows, uint64_t row0,
                      uint64_t nrows, pe_error *err);
    pe_status (*store)(float *rows, const pe_resident *r, const pe_backend *b, uint64_t row0,
                       uint64_t nrows, pe_error *err);
    /* The k lowest scores of all matrices. */
    pe_status (*select)(pe_device_cut *out, const pe_backend *b, const pe_resident *const *r,
                        size_t nmatrices, pe_device_blocks blocks, uint64_t k, pe_error *err);
    /* Zeroes by a cut; -0 too. *zeros counts the zeros of the result, *gone the scores cut off. */
    pe_status (*cut)(pe_resident *r, uint64_t *zeros, uint64_t *gone, const pe_backend *b,
                     pe_device_blocks blocks, double threshold, uint64_t keep_equal, pe_error *err);
    /* The `keep` largest of every `of` inputs stay; k a multiple of `of`. */
    pe_status (*prune_nm)(pe_resident *r, uint64_t *zeros, const pe_backend *b, uint32_t keep,
                          uint32_t of, pe_error *err);
    /* absmax[n] (NaN: the row is not finite) into host memory, then codes by scale[n]. */
    pe_status (*absmax_rows)(float *absmax, const pe_resident *r, const pe_backend *b,
                             pe_error *err);
    pe_status (*observe)(pe_queue *q, const pe_observe_call *c, pe_error *err);
    pe_status (*quantize)(int8_t *codes, const pe_resident *r, const pe_backend *b,
                          const float *scale, pe_error *err);
    /* error[i]: squared error of x[n] rounded to scale[i], of codes to +-127 (pe_range_mse). All of
     * it host memory. */
    pe_status (*clip_errors)(pe_queue *q, double *error, const double *scale, size_t nscales,
                             const float *x, size_t n, pe_error *err);
} pe_device_pass;

#endif
