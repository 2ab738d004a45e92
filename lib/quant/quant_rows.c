/* lib/quant/quant_rows.c - rows to codes on their way to the new checkpoint, and their scales.
 * Read next: lib/io/rewrite.h. */
#include <math.h>
#include <stdio.h>

#include "lib/base/error.h"
#include "lib/calib/ranges.h"
#include "lib/quant/quant_job.h"

static const float *widened(const pe_quant_module *m, const void *row, int worker)
{
    const pe_quant_job *j = m->job;

    if (m->array->dtype == PE_F32) return row;
    (m->array->dtype == PE_BF16 ? j->kern->bf16_to_f32 : j->kern->f16_to_f32)(j->f32[worker], row,
                                                                              (size_t)m->k);
    return j->f32[worker];
}

pe_status pe_quant_rows(void *user, void *out, const void *in, uint64_t row0, uint64_t nrows,
                        int worker, pe_error *err)
{
    pe_quant_module *m = user;
    const pe_kernels *kern = m->job->kern;
    size_t k = (size_t)m->k, row_nbytes = k * pe_dtype_nbytes(m->array->dtype);

    for (uint64_t r = 0; r < nrows; r++) {
        const void *row = (const char *)in + r * row_nbytes;
        const float *x = widened(m, row, worker);
        float absmax = kern->absmax_f32(x, k);

        if (isnan(absmax))
            return pe_weights_check(row, m->array->dtype, k, pe_ckpt_path(m->job->in),
                                    m->array->name, (row0 + r) * m->k, err);
        m->scales[row0 + r] = pe_range_scale(absmax, 127);
        kern->quantize_weights((int8_t *)out + r * k, x, k, m->scales[row0 + r]);
    }
    return PE_OK;
}

static pe_status declare(size_t *index, pe_ckptw *w, const char *module, const char *suffix,
                         pe_dtype dtype, int rank, const uint64_t *shape, pe_error *err)
{
    char name[1024];

    if (snprintf(name, sizeof name, "%s.%s", module, suffix) >= (int)sizeof name)
        return pe_fail(err, PE_E_UNSUPPORTED,
                       "module %.80s...: a name this long cannot be quantized", module);
    return pe_ckptw_add(w, index, name, dtype, rank, shape, (pe_layout_spec){ PE_LAYOUT_DENSE, 0 },
                        NULL, 0, err);
}

pe_status pe_quant_declare_scales(pe_quant_module *m, pe_ckptw *w, pe_error *err)
{
    const uint64_t column[2] = { m->n, 1 }, one[1] = { 1 };
    pe_status st = declare(&m->scale_out, w, m->name, "weight_scale", PE_F32, 2, column, err);

    if (st || !m->rule.fixed) return st;
    st = declare(&m->input_scale_out, w, m->name, "input_scale", PE_F32, 1, one, err);
    if (!st && m->rule.asymmetric)
        st = declare(&m->input_zero_out, w, m->name, "input_zero_point", PE_I8, 1, one, err);
    return st;
}

pe_status pe_quant_store_scales(void *user, pe_ckptw *w, pe_error *err)
{
    const pe_quant_module *m = user;
    int8_t zero = (int8_t)m->rule.zero;
    pe_status st =
        pe_ckptw_write(w, m->scale_out, 0, 0, m->scales, (size_t)m->n * sizeof *m->scales, err);

    if (st || !m->rule.fixed) return st;
    st = pe_ckptw_write(w, m->input_scale_out, 0, 0, &m->rule.scale, sizeof m->rule.scale, err);
    if (!st && m->rule.asymmetric)
        st = pe_ckptw_write(w, m->input_zero_out, 0, 0, &zero, sizeof zero, err);
    return st;
}
