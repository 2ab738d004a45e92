/* lib/io/ckpt_data.c - payload of a checkpoint: raw, by rows, expanded, widened.
 * Read next: lib/tensor/layout.h. */
#include <stdlib.h>

#include "kernels/kernels.h"
#include "lib/base/checked.h"
#include "lib/base/error.h"
#include "lib/io/ckpt_impl.h"
#include "lib/tensor/widen.h"

#define CHUNK (1u << 15) /* elements at a time: the second look finds them in the cache */

static pe_status out_of_range(const pe_array *a, pe_error *err)
{
    return pe_fail(err, PE_E_ARG, "tensor \"%.200s\": read past its end", a->name);
}

pe_status pe_ckpt_read(const pe_ckpt *c, const pe_array *a, int part, uint64_t offset, void *dst,
                       size_t nbytes, pe_error *err)
{
    const pe_part *p = &a->part[part];
    if (offset > p->nbytes || nbytes > p->nbytes - offset) return out_of_range(a, err);
    return pe_file_read(c->shards[a->file].file, a->offset[part] + offset, dst, nbytes, err);
}

pe_status pe_ckpt_map(const pe_ckpt *c, const pe_array *a, const void **out, pe_error *err)
{
    const uint8_t *file;
    *out = NULL;
    if (a->layout.layout != PE_LAYOUT_DENSE) return PE_OK;
    pe_status st = pe_file_map(c->shards[a->file].file, &file, err);
    if (!st) *out = file + a->offset[0];
    return st;
}

pe_status pe_ckpt_read_rows(const pe_ckpt *c, const pe_array *a, uint64_t row0, uint64_t nrows,
                            void *dst, pe_error *err)
{
    uint64_t rows = a->rank >= 2 ? a->shape[0] : 1;
    if (a->layout.layout != PE_LAYOUT_DENSE)
        return pe_fail(err, PE_E_ARG, "tensor \"%.200s\": rows of layout %s; expand it first",
                       a->name, pe_layout_name(a->layout.layout));
    if (row0 > rows || nrows > rows - row0) return out_of_range(a, err);
    uint64_t width = rows ? a->nbytes / rows : 0;
    return pe_ckpt_read(c, a, 0, row0 * width, dst, (size_t)(nrows * width), err);
}

static pe_status read_parts(const pe_ckpt *c, const pe_array *a, void *dst, pe_error *err)
{
    void *src[PE_MAX_PARTS] = { 0 };
    pe_status st = PE_OK;
    for (int i = 0; i < a->nparts && !st; i++) {
        size_t nbytes;
        if (!pe_to_size(&nbytes, a->part[i].nbytes) || !(src[i] = malloc(nbytes + 1)))
            st = pe_fail_nomem(err, "stored parts of a matrix", (size_t)a->part[i].nbytes);
        else st = pe_ckpt_read(c, a, i, 0, src[i], nbytes, err);
    }
    pe_dense out = { dst, a->shape[0], a->shape[1], (uint32_t)pe_dtype_nbytes(a->dtype) };
    if (!st)
        st = pe_layout_decode(&out, a->layout, (const void *const *)src, a->part, a->nparts,
                              a->name, err);
    for (int i = 0; i < PE_MAX_PARTS; i++) free(src[i]);
    return st ? pe_fail_prefix(err, st, "%s", pe_file_path(c->shards[a->file].file)) : PE_OK;
}

pe_status pe_ckpt_read_dense(const pe_ckpt *c, const pe_array *a, void *dst, pe_error *err)
{
    if (a->layout.layout != PE_LAYOUT_DENSE) return read_parts(c, a, dst, err);
    return pe_ckpt_read(c, a, 0, 0, dst, (size_t)a->nbytes, err);
}

static pe_status not_finite(const pe_ckpt *c, const pe_array *a, uint64_t at, pe_error *err)
{
    return pe_fail(err, PE_E_INPUT,
                   "%s: tensor \"%.200s\": NaN or Inf at element %llu; the weights are damaged",
                   pe_file_path(c->shards[a->file].file), a->name, (unsigned long long)at);
}

static void widen(float *to, const void *raw, pe_dtype t, size_t n, const pe_kernels *k)
{
    if (t == PE_BF16) k->bf16_to_f32(to, raw, n);
    else if (t == PE_F16) k->f16_to_f32(to, raw, n);
    else pe_widen_f32(to, raw, t, n);
}

static pe_status widen_dense(const pe_ckpt *c, const pe_array *a, float *dst, pe_error *err)
{
    size_t width = pe_dtype_nbytes(a->dtype);
    const pe_kernels *k = pe_kernels_get(err);
    void *buf = a->dtype == PE_F32 ? NULL : malloc(CHUNK * width);
    if (!k || (a->dtype != PE_F32 && !buf)) {
        free(buf);
        return k ? pe_fail_nomem(err, "stored values", CHUNK * width) : PE_E_ARG;
    }
    pe_status st = PE_OK;
    for (uint64_t i = 0; i < a->nelem && !st; i += CHUNK) {
        size_t n = a->nelem - i < CHUNK ? (size_t)(a->nelem - i) : CHUNK;
        st = pe_ckpt_read(c, a, 0, i * width, buf ? buf : dst + i, n * width, err);
        if (st) break;
        if (buf) widen(dst + i, buf, a->dtype, n, k);
        size_t at = pe_find_nonfinite(dst + i, n);
        if (at < n) st = not_finite(c, a, i + at, err);
    }
    free(buf);
    return st;
}

pe_status pe_ckpt_read_f32(const pe_ckpt *c, const pe_array *a, float *dst, pe_error *err)
{
    if (!pe_dtype_is_float(a->dtype))
        return pe_fail(err, PE_E_INPUT,
                       "%s: tensor \"%.200s\": dtype %s, expected F32, F16, BF16 or F64",
                       pe_file_path(c->shards[a->file].file), a->name, a->dtype_name);
    if (a->layout.layout == PE_LAYOUT_DENSE) return widen_dense(c, a, dst, err);
    size_t width = pe_dtype_nbytes(a->dtype), n = (size_t)a->nelem;
    void *raw = (char *)dst + n * (4 - width); /* layouts hold at most 4 bytes an element */
    pe_status st = pe_ckpt_read_dense(c, a, raw, err);
    if (st) return st;
    if (a->dtype != PE_F32) pe_widen_f32(dst, raw, a->dtype, n);
    size_t at = pe_find_nonfinite(dst, n);
    return at < n ? not_finite(c, a, at, err) : PE_OK;
}
