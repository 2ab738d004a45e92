/* lib/quant/quant_inputs.c - static ranges of the inputs, and the error of each layer on
 * calibration rows. Read next: lib/calib/calib.h. */
#include <stdlib.h>

#include "lib/base/error.h"
#include "lib/calib/ranges.h"
#include "lib/quant/quant_job.h"

/* Scale and zero point of a static range. */
static void fix_range(pe_quant_module *m)
{
    const pe_calib_layer *l = m->inputs;

    m->rule.fixed = true;
    m->rule.asymmetric = pe_range_static(&m->rule.scale, &m->rule.zero, l->lo, l->hi, l->clip,
                                         !m->job->params->symmetric);
}

/* Reads, quantizes and compares one module. */
static pe_status measure(pe_quant_module *m, pe_error *err)
{
    pe_quant_job *j = m->job;
    size_t n = (size_t)m->array->nelem, elem = pe_dtype_nbytes(m->array->dtype);
    char *raw = malloc(n * elem);
    float *w = m->array->dtype == PE_F32 ? (float *)(void *)raw : malloc(n * sizeof *w);
    int8_t *codes = malloc(n);
    pe_status st = PE_OK;

    if (raw == NULL || w == NULL || codes == NULL) st = pe_fail_nomem(err, m->name, n * sizeof *w);
    if (!st) st = pe_weights_read(j->weights, raw, w, m->array, 0, n, err);
    if (!st) st = pe_quant_rows(m, codes, raw, 0, m->n, 0, err);
    if (!st)
        st = pe_layer_error_of(&m->error, m->inputs, w, codes, m->scales, m->n, &m->rule, j->pool,
                               err);
    m->measured = !st;
    if ((void *)w != (void *)raw) free(w);
    free(raw);
    free(codes);
    return st;
}

pe_status pe_quant_calibrate(pe_quant_job *j, const char *model, pe_error *err)
{
    const pe_quant_params *p = j->params;
    pe_calib_params cp = { .data = p->calib,
                           .columns = p->calib_data,
                           .rows = p->calib_rows,
                           .range = j->range,
                           .device = p->device,
                           .max_vram = p->max_vram,
                           .pool = j->pool,
                           .progress = p->progress };
    pe_status st = pe_calib_run(&j->calib, model, &cp, err);

    for (size_t i = 0; !st && i < j->nmodules; i++) {
        pe_quant_module *m = &j->modules[i];

        if (!m->selected || m->role == PE_ROLE_EMBEDDING) continue;
        m->inputs = pe_calib_find(j->calib, m->name);
        if (m->inputs == NULL)
            return pe_fail(err, PE_E_UNSUPPORTED,
                           "%s: module %s is not executed by this model, so its inputs "
                           "cannot be calibrated; leave it out with --skip '%s'",
                           model, m->name, m->name);
        if (j->static_inputs) fix_range(m);
        st = measure(m, err);
        if (!st && p->max_error > 0 && m->error.relative > p->max_error) {
            m->selected = false;
            m->why = "over the error budget";
            j->nselected--;
        }
    }
    if (!st && j->nselected == 0)
        st = pe_fail(err, PE_E_ARG,
                     "%s: every module is over the error budget of %g; raise --max-error", model,
                     p->max_error);
    return st;
}
