/* lib/tensor/layout_rows.c - layouts made from blocks of rows, so that no matrix need be held
 * whole. Read next: lib/io/rewrite.h. */
#include "lib/base/error.h"
#include "lib/tensor/layout_impl.h"

PE_INLINE void stats_add(pe_layout_stats *s, const pe_dense *m, uint32_t e)
{
    const uint8_t *row = m->data;
    uint64_t nonzero = 0, blocks = 0, over = 0, whole = m->k / 8 * 8;
    for (uint64_t r = 0; r < m->n; r++, row += m->k * e) {
        for (uint64_t c = 0; c < whole; c += 8) {
            uint32_t bits = pe_nonzero_bits(row + c * e, 8, e);
            uint32_t pairs = bits - (bits >> 1 & 0x55), four = (pairs & 0x33) + (pairs >> 2 & 0x33);
            nonzero += (four & 15) + (four >> 4);
            blocks += ((four & 15) > 0) + (four >> 4 > 0);
            over |= (uint64_t)((four & 15) > 2) | (uint64_t)(four >> 4 > 2);
        }
        for (uint64_t c = whole; c < m->k; c += 4) {
            uint64_t left = m->k - c < 4 ? m->k - c : 4;
            uint32_t n = (uint32_t)__builtin_popcount(pe_nonzero_bits(row + c * e, left, e));
            nonzero += n;
            blocks += n > 0;
            over |= left == 4 && n > 2; /* a partial group holds all that it has */
        }
    }
    s->nonzero += nonzero;
    s->blocks4 += blocks;
    s->over_2of4 = s->over_2of4 || over;
}

void pe_layout_stats_add(pe_layout_stats *s, const pe_dense *rows)
{
    if (rows->elem_nbytes == 1) stats_add(s, rows, 1);
    else if (rows->elem_nbytes == 2) stats_add(s, rows, 2);
    else stats_add(s, rows, 4);
}

pe_layout pe_layout_best(const pe_layout_stats *s, uint64_t n, uint64_t k, uint32_t elem_nbytes)
{
    const uint64_t count[PE_NLAYOUTS] = { [PE_LAYOUT_BITMASK] = s->nonzero,
                                          [PE_LAYOUT_BLOCK4] = s->blocks4,
                                          [PE_LAYOUT_CSR] = s->nonzero };
    pe_layout best = PE_LAYOUT_DENSE;
    uint64_t least = n * k * elem_nbytes;
    for (int l = PE_LAYOUT_BITMASK; l <= PE_LAYOUT_CSR; l++) {
        pe_part parts[PE_MAX_PARTS];
        int nparts;
        if (l == PE_LAYOUT_2OF4 && s->over_2of4) continue;
        /* a layout whose index does not fit is no choice */
        if (pe_layout_parts(parts, &nparts, (pe_layout_spec){ (pe_layout)l, 0 }, n, k, elem_nbytes,
                            count[l], NULL))
            continue;
        uint64_t nbytes = pe_parts_nbytes(parts, nparts);
        if (nbytes >= least) continue;
        least = nbytes;
        best = (pe_layout)l;
    }
    return best;
}

pe_status pe_layout_count_rows(uint64_t *count, pe_layout_spec spec, const pe_dense *rows,
                               uint64_t row0, pe_error *err)
{
    uint64_t units = 0;
    if (spec.layout == PE_LAYOUT_DENSE) return PE_OK;
    pe_status st = pe_layout_check_width(rows, spec, err);
    if (!st) st = pe_codec_of(spec.layout)->count(&units, spec, rows, err);
    if (st) return pe_fail_prefix(err, st, "rows from %llu", (unsigned long long)row0);
    if (spec.layout != PE_LAYOUT_BLOCKED_ELL) *count += units;
    else if (units > *count) *count = units;
    return PE_OK;
}

/* Row offsets of these rows become those of the matrix. */
static void shift_row_ptr(void *row_ptr, uint64_t n, uint64_t base)
{
    for (uint64_t i = 0; i <= n; i++)
        pe_put_i32(row_ptr, i, (uint64_t)pe_get_i32(row_ptr, i) + base);
}

void pe_layout_encode_rows(void *const dst[PE_MAX_PARTS], uint64_t at[PE_MAX_PARTS],
                           uint64_t size[PE_MAX_PARTS], pe_layout_spec spec, const pe_dense *rows,
                           uint64_t row0, uint64_t base, uint64_t count)
{
    pe_part part[PE_MAX_PARTS], before[PE_MAX_PARTS];
    int nparts;
    uint64_t units = count, e = rows->elem_nbytes, k = rows->k;
    const pe_codec *codec = pe_codec_of(spec.layout);
    if (codec && spec.layout != PE_LAYOUT_BLOCKED_ELL) (void)codec->count(&units, spec, rows, NULL);
    /* sizes were checked for the whole matrix, so they hold for its rows */
    (void)pe_layout_parts(part, &nparts, spec, rows->n, k, (uint32_t)e, units, NULL);
    for (int i = 0; i < nparts; i++) {
        before[i].nbytes = 0;
        size[i] = part[i].nbytes;
    }
    if (row0)
        (void)pe_layout_parts(before, &nparts, spec, row0, k, (uint32_t)e,
                              codec == &pe_codec_blocked_ell ? count : base, NULL);
    for (int i = 0; i < nparts; i++) at[i] = before[i].nbytes;
    if (!codec) memcpy(dst[0], rows->data, rows->n * k * e);
    else codec->encode(dst, spec, rows, count);
    if (spec.layout != PE_LAYOUT_CSR && spec.layout != PE_LAYOUT_BSR) return;
    /* row_ptr: the entry that both blocks share is written with the first block only */
    uint64_t nrows = part[0].shape[0] - 1;
    shift_row_ptr(dst[0], nrows, base);
    if (!row0) return;
    memmove(dst[0], (uint8_t *)dst[0] + 4, nrows * 4);
    size[0] -= 4;
}
