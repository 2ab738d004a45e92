/* lib/calib/layer_error.h - how far an int8 layer's output is from the float layer's, on the
 * sample of its inputs. Read next: lib/calib/calib.h. */
#ifndef PE_CALIB_LAYER_ERROR_H
#define PE_CALIB_LAYER_ERROR_H

#include "kernels/kernels.h"
#include "lib/calib/calib.h"

/* How the inputs become codes. */
typedef struct pe_input_rule {
    bool int8;  /* false: the inputs stay float, the weights are code * scale */
    bool fixed; /* static scale and zero; else dynamic, absmax / 127 a token */
    bool asymmetric;
    float scale;
    int32_t zero;
} pe_input_rule;

typedef struct pe_layer_error {
    double relative;  /* |y_q - y| / |y|, Frobenius norms over the sample, without bias */
    double saturated; /* share of the inputs beyond a static range */
} pe_layer_error;

/* w [n, k] f32, codes [n, k] with scales [n]. Same result for any number of threads. */
pe_status pe_layer_error_of(pe_layer_error *out, const pe_calib_layer *l, const float *w,
                            const int8_t *codes, const float *scales, uint64_t n,
                            const pe_input_rule *rule, pe_pool *pool, pe_error *err);

#endif
