/* lib/quant/quant_job.h - one run of pe_quantize_checkpoint: its modules, how each becomes int8,
 * and what becomes of it; shared by the files of this pass. Read next: lib/quant/quant.c. */
#ifndef PE_QUANT_QUANT_JOB_H
#define PE_QUANT_QUANT_JOB_H

#include <jansson.h>
#include <pe/quant.h>

#include "kernels/kernels.h"
#include "lib/backend/backend.h"
#include "lib/calib/layer_error.h"
#include "lib/io/weight_reader.h"
#include "lib/model/roles.h"

/* A matrix [n, k] that could be quantized; sorted by module name, bytewise. */
typedef struct pe_quant_module {
    struct pe_quant_job *job;
    const pe_array *array;
    char *name;
    pe_role role;
    bool selected;
    const char *why; /* it stays float; static text */
    uint64_t n, k;
    float *scales;                                     /* [n], filled while the rows come by */
    size_t scale_out, input_scale_out, input_zero_out; /* handles in the new checkpoint */
    const pe_calib_layer *inputs;                      /* NULL: not calibrated */
    pe_input_rule rule;
    bool measured;
    pe_layer_error error;
    pe_rewrite_item *item;
} pe_quant_module;

typedef struct pe_quant_job {
    const pe_quant_params *params;
    const pe_ckpt *in;
    pe_weights *weights;
    const pe_kernels *kern;
    const pe_backend *device; /* NULL: the host makes the codes */
    bool int8_inputs, static_inputs, int8_attention;
    pe_range_rule range;
    bool choose_layout;
    pe_layout layout;
    pe_calib *calib; /* NULL: none asked for */
    pe_quant_module *modules;
    size_t nmodules, nselected;
    pe_rewrite_item *items; /* one an array of the checkpoint */
    pe_weights_copy *copies;
    size_t nitems;
    float **f32; /* [nthreads] a row, widened */
    int nthreads;
    pe_pool *pool;
} pe_quant_job;

/* quant_modules.c */
pe_status pe_quant_list(pe_quant_job *j, pe_error *err);
uint64_t pe_quant_peak_nbytes(const pe_quant_job *j);
pe_status pe_quant_alloc(pe_quant_job *j, pe_error *err);
void pe_quant_release(pe_quant_job *j);

/* quant_inputs.c: static ranges from the calibration; errors; what is over the budget stays
 * float. */
pe_status pe_quant_calibrate(pe_quant_job *j, const char *model, pe_error *err);

/* quant_rows.c: a pe_rewrite_rows, and the done() that stores the scales. user is the module. */
pe_status pe_quant_rows(void *user, void *out, const void *in, uint64_t row0, uint64_t nrows,
                        int worker, pe_error *err);
pe_status pe_quant_store_scales(void *user, pe_ckptw *w, pe_error *err);
/* quant_device.c: sets j->device where the parameters ask for one that is not the host; rows there.
 */
pe_status pe_quant_device_open(pe_quant_job *j, pe_error *err);
pe_status pe_quant_device_rows(void *user, void *out, const void *in, uint64_t row0, uint64_t nrows,
                               int worker, pe_error *err);
/* Declares the tensors that store them. */
pe_status pe_quant_declare_scales(pe_quant_module *m, pe_ckptw *w, pe_error *err);

/* quant_config.c: config.json with the quantization in compressed-tensors' terms. */
pe_status pe_quant_config(json_t **out, const pe_quant_job *j, pe_error *err);

/* quant_report.c */
pe_status pe_quant_params_json(json_t **out, const pe_quant_job *j, pe_error *err);
pe_status pe_quant_report(json_t **out, const pe_quant_job *j, pe_error *err);
pe_status pe_quant_plan(json_t **out, const pe_quant_job *j, pe_error *err);

#endif
