/* lib/tensor/layout_csr.c - compressed sparse rows as cuSPARSE takes them: I32, base 0, sorted.
 * Read next: lib/tensor/layout_blocked.c. */
#include "lib/tensor/layout_impl.h"

static pe_status csr_count(uint64_t *out, pe_layout_spec spec, const pe_dense *m, pe_error *err)
{
    return pe_codec_bitmask.count(out, spec, m, err);
}

PE_INLINE void csr_rows(void *const *dst, const pe_dense *m, uint32_t e)
{
    const uint8_t *row = m->data;
    uint8_t *values = dst[2];
    uint64_t at = 0;
    pe_put_i32(dst[0], 0, 0);
    for (uint64_t r = 0; r < m->n; r++, row += m->k * e) {
        for (uint64_t c = 0; c < m->k; c += 8) {
            uint64_t left = m->k - c < 8 ? m->k - c : 8;
            for (uint32_t bits = pe_nonzero_bits(row + c * e, left, e); bits;
                 bits &= bits - 1, at++) {
                uint64_t col = c + (uint64_t)__builtin_ctz(bits);
                pe_put_i32(dst[1], at, col);
                memcpy(values + at * e, row + col * e, e);
            }
        }
        pe_put_i32(dst[0], r + 1, at);
    }
}

static void csr_encode(void *const *dst, pe_layout_spec spec, const pe_dense *m, uint64_t count)
{
    (void)spec, (void)count;
    if (m->elem_nbytes == 1) csr_rows(dst, m, 1);
    else if (m->elem_nbytes == 2) csr_rows(dst, m, 2);
    else csr_rows(dst, m, 4);
}

/* row_ptr ascends from 0 to count; columns ascend within a row and lie in [0, ncols). Shared
 * with BSR. */
pe_status pe_check_csr_index(const pe_stored *s, pe_layout_spec spec, uint64_t nrows,
                             uint64_t ncols, pe_error *err)
{
    const void *ptr = s->src[0], *col = s->src[1];
    if (pe_get_i32(ptr, 0) != 0)
        return pe_layout_bad(err, s->name, spec, "row_ptr does not begin at 0");
    for (uint64_t r = 0; r < nrows; r++)
        if (pe_get_i32(ptr, r + 1) < pe_get_i32(ptr, r))
            return pe_layout_bad(err, s->name, spec, "row_ptr descends");
    if ((uint64_t)pe_get_i32(ptr, nrows) != s->count)
        return pe_layout_bad(err, s->name, spec, "row_ptr does not end at the number of values");
    for (uint64_t r = 0; r < nrows; r++) {
        int64_t last = -1;
        for (int32_t i = pe_get_i32(ptr, r); i < pe_get_i32(ptr, r + 1); i++) {
            int32_t c = pe_get_i32(col, (uint64_t)i);
            if (c <= last)
                return pe_layout_bad(err, s->name, spec,
                                     "columns of a row are not ascending from 0");
            last = c;
        }
        if (last >= (int64_t)ncols)
            return pe_layout_bad(err, s->name, spec, "a column lies beyond the matrix");
    }
    return PE_OK;
}

static pe_status csr_decode(pe_dense *out, pe_layout_spec spec, const pe_stored *s, pe_error *err)
{
    const uint8_t *values = s->src[2];
    uint8_t *row = out->data;
    uint32_t e = out->elem_nbytes;
    pe_status st = pe_check_csr_index(s, spec, out->n, out->k, err);
    if (st) return st;
    memset(out->data, 0, out->n * out->k * e);
    for (uint64_t r = 0, i = 0; r < out->n; r++, row += out->k * e)
        for (uint64_t end = (uint64_t)pe_get_i32(s->src[0], r + 1); i < end; i++)
            memcpy(row + (uint64_t)pe_get_i32(s->src[1], i) * e, values + i * e, e);
    return PE_OK;
}

const pe_codec pe_codec_csr = { csr_count, csr_encode, csr_decode };
