/* lib/convert/int8.c - see int8.h. The layouts are compressed-tensors' int-quantized (one code a
 * byte) and pack-quantized with 8 bits (row by row, lowest byte first, code + 128). Read next:
 * lib/convert/convert.c. */
#include "lib/convert/int8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/checked.h"
#include "lib/base/error.h"

char *pe_module_name(const char *tensor)
{
    const char *dot = strrchr(tensor, '.');
    return dot ? strndup(tensor, (size_t)(dot - tensor)) : strdup(tensor);
}

bool pe_int8_is_aside(const char *suffix)
{
    static const char *const names[] = { "weight_scale", "weight_zero_point", "weight_shape",
                                         "weight_g_idx", "input_scale",       "input_zero_point" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!strcmp(suffix, names[i])) return true;
    return false;
}

/* "MODULE" + suffix, NULL when there is none. */
static const pe_array *sibling(const pe_ckpt *c, const char *module, const char *suffix)
{
    char *name = malloc(strlen(module) + strlen(suffix) + 1);
    const pe_array *a = name ? pe_ckpt_find(c, strcat(strcpy(name, module), suffix)) : NULL;
    free(name);
    return a;
}

static pe_status wrong(const pe_ckpt *c, const pe_array *a, pe_status st, const char *what,
                       pe_error *err)
{
    return pe_fail(err, st, "%s: tensor \"%.200s\": %s", pe_ckpt_file(c, a->file), a->name, what);
}

/* Columns of packed codes are in "M.weight_shape". */
static pe_status packed_shape(pe_int8 *q, const pe_ckpt *c, const char *module, pe_error *err)
{
    const pe_array *s = sibling(c, module, ".weight_shape");
    int64_t dim[2];
    if (!s || s->dtype != PE_I64 || s->nelem != 2)
        return wrong(c, q->codes, PE_E_INPUT, "no weight_shape of two I64 beside packed codes",
                     err);
    pe_status st = pe_ckpt_read_dense(c, s, dim, err);
    if (st) return st;
    q->k = (uint64_t)dim[1];
    if (dim[0] < 0 || dim[1] <= 0 || (uint64_t)dim[0] != q->n)
        return wrong(c, s, PE_E_INPUT, "not the shape of the packed codes", err);
    if (q->codes->shape[1] != q->k / 4 + (q->k % 4 != 0))
        return wrong(c, q->codes, PE_E_UNSUPPORTED, "packed codes of other than 8 bits", err);
    return PE_OK;
}

static pe_status check_row_vector(const pe_int8 *q, const pe_ckpt *c, const pe_array *v,
                                  pe_error *err)
{
    bool one = v->nelem == 1,
         each = v->nelem == q->n && (v->rank == 1 || (v->rank == 2 && v->shape[1] == 1));
    if (one || each) return PE_OK;
    if (v->rank == 2 && v->shape[0] == q->n)
        return wrong(c, v, PE_E_UNSUPPORTED,
                     "scales by group of inputs; expected one a row or one for all", err);
    return wrong(c, v, PE_E_INPUT, "not one value a row of the codes, nor one for all", err);
}

pe_status pe_int8_find(pe_int8 *out, const pe_ckpt *c, const pe_array *a, pe_error *err)
{
    const char *dot = strrchr(a->name, '.');
    bool plain = dot && !strcmp(dot, ".weight") && a->dtype == PE_I8 && a->rank == 2;
    bool packed = dot && !strcmp(dot, ".weight_packed") && a->dtype == PE_I32 && a->rank == 2;
    *out = (pe_int8){ .codes = a, .packed = packed };
    if (!plain && !packed) return PE_OK;
    char *module = pe_module_name(a->name);
    if (!module) return pe_fail_nomem(err, "module name", strlen(a->name));
    out->n = a->shape[0];
    out->k = a->shape[1];
    out->scale = sibling(c, module, ".weight_scale");
    out->zero = sibling(c, module, ".weight_zero_point");
    pe_status st = PE_OK;
    if (!out->scale)
        st = wrong(c, a, PE_E_INPUT, "int8 codes without a weight_scale beside them", err);
    else st = check_row_vector(out, c, out->scale, err);
    if (!st && out->zero && out->zero->dtype != PE_I8)
        st = wrong(c, out->zero, PE_E_UNSUPPORTED, "packed zero points; expected I8", err);
    if (!st && out->zero) st = check_row_vector(out, c, out->zero, err);
    if (!st && packed) st = packed_shape(out, c, module, err);
    free(module);
    return st;
}

static pe_status read_zero(float *zero, const pe_array *a, const pe_ckpt *c, pe_error *err)
{
    int8_t *raw = malloc((size_t)a->nelem + 1);
    pe_status st = raw ? pe_ckpt_read_dense(c, a, raw, err)
                       : pe_fail_nomem(err, "zero points", (size_t)a->nelem);
    for (uint64_t i = 0; i < a->nelem && !st; i++) zero[i] = raw[i];
    free(raw);
    return st;
}

pe_status pe_int8_scales(float **scale, float **zero, const pe_int8 *q, const pe_ckpt *c,
                         pe_error *err)
{
    size_t n = (size_t)q->n;
    *scale = calloc(n + 1, sizeof **scale);
    *zero = calloc(n + 1, sizeof **zero);
    pe_status st = *scale && *zero ? PE_OK : pe_fail_nomem(err, "scales", n * sizeof **scale);
    if (!st) st = pe_ckpt_read_f32(c, q->scale, *scale, err);
    if (!st && q->zero) st = read_zero(*zero, q->zero, c, err);
    for (size_t i = 1; i < n && !st; i++) {
        if (q->scale->nelem == 1) (*scale)[i] = (*scale)[0];
        if (q->zero && q->zero->nelem == 1) (*zero)[i] = (*zero)[0];
    }
    return st;
}

void pe_int8_rows(float *out, const void *codes, bool packed, uint64_t k, const float *scale,
                  const float *zero, uint64_t nrows)
{
    const uint8_t *from = codes;
    uint8_t flip = packed ? 128 : 0; /* the low byte of code + 128, as two's complement of code */
    for (uint64_t r = 0; r < nrows; r++, from += packed ? (k + 3) / 4 * 4 : k)
        for (uint64_t c = 0; c < k; c++)
            *out++ = ((float)(int8_t)(from[c] ^ flip) - zero[r]) * scale[r];
}
