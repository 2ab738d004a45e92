/* lib/convert/convert_rows.c - float and int8 rows in another float type, refused where a value
 * does not fit. Read next: lib/io/rewrite.h. */
#include "lib/base/error.h"
#include "lib/convert/convert_job.h"
#include "lib/io/row_stream.h"
#include "lib/tensor/widen.h"

#define CHUNK 1024

static pe_status refuse(const pe_convert_tensor *t, uint64_t at, float value, pe_error *err)
{
    const char *type = pe_dtype_name(t->item->dtype);
    if (t->array->dtype == PE_F64 && value - value != 0)
        return pe_fail(err, PE_E_INPUT, "element %llu is NaN, Inf, or too large for %s",
                       (unsigned long long)at, type);
    if (value - value != 0)
        return pe_fail(err, PE_E_INPUT, "NaN or Inf at element %llu; the weights are damaged",
                       (unsigned long long)at);
    return pe_fail(
        err, PE_E_INPUT,
        "%g at element %llu is too large for %s; use f32 or bf16, or leave module %s out "
        "with --skip",
        (double)value, (unsigned long long)at, type, t->module);
}

/* n <= CHUNK values to the output's type. */
static pe_status put(const pe_convert_tensor *t, void *out, uint64_t at, const float *x, size_t n,
                     pe_error *err)
{
    size_t bad = pe_find_nonfinite(x, n);
    if (bad == n) bad = pe_narrow_f32(out, x, t->item->dtype, n);
    return bad == n ? PE_OK : refuse(t, at + bad, x[bad], err);
}

pe_status pe_convert_floats(void *user, void *out, const void *in, uint64_t row0, uint64_t nrows,
                            int worker, pe_error *err)
{
    const pe_convert_tensor *t = user;
    uint64_t n, k;
    size_t from = pe_dtype_nbytes(t->array->dtype), to = pe_dtype_nbytes(t->item->dtype);
    float x[CHUNK];
    pe_status st = PE_OK;
    (void)worker;
    pe_matrix_shape(&n, &k, t->array);
    for (uint64_t i = 0, total = nrows * k; i < total && !st; i += CHUNK) {
        size_t count = total - i < CHUNK ? (size_t)(total - i) : CHUNK;
        pe_widen_f32(x, (const char *)in + i * from, t->array->dtype, count);
        st = put(t, (char *)out + i * to, row0 * k + i, x, count, err);
    }
    return st;
}

pe_status pe_convert_codes(void *user, void *out, const void *in, uint64_t row0, uint64_t nrows,
                           int worker, pe_error *err)
{
    const pe_convert_tensor *t = user;
    const pe_int8 *q = &t->int8;
    uint64_t stride = q->packed ? t->array->shape[1] * 4 : q->k;
    size_t to = pe_dtype_nbytes(t->item->dtype);
    float x[CHUNK];
    pe_status st = PE_OK;
    (void)worker;
    for (uint64_t r = 0; r < nrows && !st; r++)
        for (uint64_t c = 0; c < q->k && !st; c += CHUNK) {
            size_t count = q->k - c < CHUNK ? (size_t)(q->k - c) : CHUNK;
            uint64_t row = row0 + r;
            pe_int8_rows(x, (const char *)in + r * stride + c, q->packed, count, t->scale + row,
                         t->zero + row, 1);
            st = put(t, (char *)out + (r * q->k + c) * to, row * q->k + c, x, count, err);
        }
    return st;
}
