/* lib/calib/calib.h - what the inputs of each linear layer look like on calibration rows: ranges
 * for static int8, and a sample of tokens on which a changed layer is compared with the float
 * one. Read next: lib/calib/ranges.h, lib/calib/layer_error.h. */
#ifndef PE_CALIB_CALIB_H
#define PE_CALIB_CALIB_H

#include <pe/data.h>

/* How the range of a static scale follows from the values. */
typedef enum pe_range_kind { PE_RANGE_ABSMAX, PE_RANGE_PERCENTILE, PE_RANGE_MSE } pe_range_kind;
typedef struct pe_range_rule {
    pe_range_kind kind;
    double percentile; /* 99 to 100 */
} pe_range_rule;
/* NULL or "absmax", "percentile:99.99", "mse". PE_E_ARG. */
pe_status pe_range_parse(pe_range_rule *out, const char *text, pe_error *err);

typedef struct pe_calib_params {
    const char *data;
    pe_data_params columns;
    size_t rows; /* at most, evenly spread over the file; 0 = 512 */
    pe_range_rule range;
    const char *device; /* that runs the model and watches; NULL = "cpu" */
    uint64_t max_vram;
    pe_pool *pool;
    pe_progress progress;
} pe_calib_params;

/* Inputs of one linear module. */
typedef struct pe_calib_layer {
    char *name; /* module, as in the checkpoint */
    uint32_t k;
    uint64_t nvalues; /* seen */
    float lo, hi;     /* smallest and largest */
    float clip;       /* magnitude that the rule says a static scale should reach */
    size_t ntokens;   /* in the sample */
    const float
        *sample; /* [ntokens, k], evenly spread over all tokens; shared by layers with one input */
} pe_calib_layer;

typedef struct pe_calib pe_calib;
/* Loads the model (all of it), runs the rows. The result depends on model, data and rule only. */
pe_status pe_calib_run(pe_calib **out, const char *model, const pe_calib_params *p, pe_error *err);
void pe_calib_free(pe_calib *c);
const pe_calib_layer *pe_calib_find(const pe_calib *c, const char *name); /* NULL: not run */
size_t pe_calib_nrows(const pe_calib *c);
uint64_t pe_calib_ntokens(const pe_calib *c);
size_t pe_calib_ntruncated(const pe_calib *c);  /* rows cut to the model's length */
const char *pe_calib_digest(const pe_calib *c); /* of the data */

#endif
