/* lib/quant/quant_device.c - rows to codes on a device; the codes and scales are the host's.
 * Read next: lib/backend/device_pass.h, lib/quant/quant_rows.c. */
#include <math.h>
#include <stdlib.h>

#include "lib/backend/plugin.h"
#include "lib/base/error.h"
#include "lib/calib/ranges.h"
#include "lib/quant/quant_job.h"

pe_status pe_quant_device_open(pe_quant_job *j, pe_error *err)
{
    const pe_backend *b = NULL;
    pe_status st = pe_backend_get(&b, j->params->device, j->params->max_vram, err);

    if (!st && !b->host) j->device = b;
    return st;
}

/* Scales from the maxima; a row that is not finite is found in the stored bits and named. */
static pe_status take_scales(pe_quant_module *m, float *absmax, const void *in, uint64_t row0,
                             uint64_t nrows, pe_error *err)
{
    size_t row_nbytes = (size_t)m->k * pe_dtype_nbytes(m->array->dtype);

    for (uint64_t r = 0; r < nrows; r++) {
        if (isnan(absmax[r]))
            return pe_weights_check((const char *)in + r * row_nbytes, m->array->dtype,
                                    (size_t)m->k, pe_ckpt_path(m->job->in), m->array->name,
                                    (row0 + r) * m->k, err);
        m->scales[row0 + r] = pe_range_scale(absmax[r], 127);
    }
    return PE_OK;
}

pe_status pe_quant_device_rows(void *user, void *out, const void *in, uint64_t row0, uint64_t nrows,
                               int worker, pe_error *err)
{
    pe_quant_module *m = user;
    const pe_quant_job *j = m->job;
    const pe_device_pass *pass = pe_plugin_of(j->device)->pass;
    size_t n = (size_t)(nrows * m->k);
    float *f32 = malloc((n + (size_t)nrows) * sizeof *f32), *absmax = f32 + n;
    const float *rows = m->array->dtype == PE_F32 ? in : f32;
    pe_resident r = { 0 };
    pe_status st = f32 == NULL ? pe_fail_nomem(err, "rows", n * sizeof *f32) : PE_OK;

    (void)worker;
    if (!st && rows == f32)
        (m->array->dtype == PE_BF16 ? j->kern->bf16_to_f32 : j->kern->f16_to_f32)(f32, in, n);
    if (!st) st = pass->make(&r, j->device, nrows, m->k, m->name, err);
    if (!st) st = pass->load(&r, j->device, rows, 0, nrows, err);
    if (!st) st = pass->absmax_rows(absmax, &r, j->device, err);
    if (!st) st = take_scales(m, absmax, in, row0, nrows, err);
    if (!st) st = pass->quantize(out, &r, j->device, m->scales + row0, err);
    if (r.x != NULL) pass->drop(&r, j->device);
    free(f32);
    return st;
}
