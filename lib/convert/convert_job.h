/* lib/convert/convert_job.h - one run of pe_convert_checkpoint, shared by its files.
 * Read next: lib/convert/convert.c. */
#ifndef PE_CONVERT_CONVERT_JOB_H
#define PE_CONVERT_CONVERT_JOB_H

#include <jansson.h>
#include <pe/convert.h>

#include "lib/convert/int8.h"
#include "lib/io/rewrite.h"

/* One array of the input and what becomes of it. */
typedef struct pe_convert_tensor {
    const pe_array *array;
    const struct pe_convert_job *job;
    char *module;          /* its name up to the last dot */
    char *out_name;        /* of packed codes that become "M.weight"; NULL = as it was */
    bool picked, relaid;   /* by --only and --skip; its layout is to be chosen anew */
    bool dropped;          /* scales of codes that become floats */
    pe_int8 int8;          /* scale NULL: not codes */
    float *scale, *zero;   /* [n] while codes become floats */
    pe_rewrite_item *item; /* NULL when dropped */
} pe_convert_tensor;

typedef struct pe_convert_job {
    const pe_convert_params *params;
    const pe_ckpt *in;
    bool relayout, choose, redtype;
    pe_layout_spec layout;
    pe_dtype dtype;
    pe_convert_tensor *tensors; /* one an array, same order */
    size_t ntensors, nquantized /* modules with codes */, nfloated /* that become floats */;
    pe_rewrite_item *items;
    size_t nitems;
} pe_convert_job;

/* convert_tensors.c: what happens to every array. */
pe_status pe_convert_list(pe_convert_job *j, pe_error *err);
void pe_convert_release(pe_convert_job *j);
/* convert_rows.c: rows of floats or codes to another float type; user is the tensor. */
pe_status pe_convert_floats(void *user, void *out, const void *in, uint64_t row0, uint64_t nrows,
                            int worker, pe_error *err);
pe_status pe_convert_codes(void *user, void *out, const void *in, uint64_t row0, uint64_t nrows,
                           int worker, pe_error *err);
/* convert_report.c */
json_t *pe_convert_params_json(const pe_convert_job *j);
pe_status pe_convert_report(json_t **out, const pe_convert_job *j, pe_error *err);
/* config.json of the output: dtype, quantization; a new reference, NULL when there was none. */
pe_status pe_convert_config(json_t **out, const pe_convert_job *j, pe_error *err);

#endif
