/* lib/tensor/layout_2of4.c - two values of every four columns and their 2-bit places. The last k
 * % 4 columns of a ragged row are stored as they are. Read next: lib/tensor/layout_csr.c. */
#include "lib/base/error.h"
#include "lib/tensor/layout_impl.h"

static pe_status count_2of4(uint64_t *out, pe_layout_spec spec, const pe_dense *m, pe_error *err)
{
    const uint8_t *row = m->data;
    uint32_t e = m->elem_nbytes;
    (void)spec;
    *out = 0;
    for (uint64_t r = 0; r < m->n; r++, row += m->k * e)
        for (uint64_t g = 0; g < m->k / 4; g++) {
            uint32_t bits = pe_nonzero_bits(row + 4 * g * e, 4, e);
            if (__builtin_popcount(bits) > 2)
                return pe_fail(err, PE_E_UNSUPPORTED,
                               "layout 2of4: row %llu has %d non-zeros in columns %llu to %llu; "
                               "prune with --pattern 2:4 or store as bitmask",
                               (unsigned long long)r, __builtin_popcount(bits),
                               (unsigned long long)(4 * g), (unsigned long long)(4 * g + 3));
        }
    return PE_OK;
}

/* The two columns to store, ascending: the non-zeros, filled up with the lowest zeros. */
static void choose_two(uint32_t bits, uint32_t at[2])
{
    uint32_t zeros = ~bits & 15;
    while (__builtin_popcount(bits) < 2) {
        bits |= zeros & (0u - zeros);
        zeros &= zeros - 1;
    }
    at[0] = (uint32_t)__builtin_ctz(bits);
    at[1] = (uint32_t)__builtin_ctz(bits & (bits - 1));
}

static void encode_2of4(void *const *dst, pe_layout_spec spec, const pe_dense *m, uint64_t count)
{
    const uint8_t *row = m->data;
    uint8_t *meta = dst[0], *values = dst[1];
    uint32_t e = m->elem_nbytes;
    uint64_t groups = m->k / 4, width = (groups + 1) / 2, tail = m->k % 4;
    (void)spec, (void)count;
    memset(meta, 0, m->n * width);
    for (uint64_t r = 0; r < m->n; r++, row += m->k * e, meta += width) {
        for (uint64_t g = 0; g < groups; g++, values += (uint64_t)2 * e) {
            uint32_t at[2];
            choose_two(pe_nonzero_bits(row + 4 * g * e, 4, e), at);
            meta[g / 2] |= (uint8_t)((at[0] | at[1] << 2) << (g % 2 * 4));
            memcpy(values, row + (4 * g + at[0]) * e, e);
            memcpy(values + e, row + (4 * g + at[1]) * e, e);
        }
        memcpy(values, row + 4 * groups * e, tail * e);
        values += tail * e;
    }
}

static pe_status check_2of4(const pe_dense *out, pe_layout_spec spec, const pe_stored *s,
                            pe_error *err)
{
    const uint8_t *meta = s->src[0];
    uint64_t groups = out->k / 4, width = (groups + 1) / 2;
    for (uint64_t r = 0; r < out->n; r++, meta += width) {
        for (uint64_t g = 0; g < groups; g++) {
            uint32_t two = meta[g / 2] >> (g % 2 * 4) & 15;
            if ((two & 3) >= two >> 2)
                return pe_layout_bad(err, s->name, spec, "columns of a group are not ascending");
        }
        if (groups % 2 && meta[width - 1] >> 4)
            return pe_layout_bad(err, s->name, spec, "unused metadata bits are set");
    }
    return PE_OK;
}

static pe_status decode_2of4(pe_dense *out, pe_layout_spec spec, const pe_stored *s, pe_error *err)
{
    const uint8_t *meta = s->src[0], *values = s->src[1];
    uint8_t *row = out->data;
    uint32_t e = out->elem_nbytes;
    uint64_t groups = out->k / 4, width = (groups + 1) / 2, tail = out->k % 4;
    pe_status st = check_2of4(out, spec, s, err);
    if (st) return st;
    memset(out->data, 0, out->n * out->k * e);
    for (uint64_t r = 0; r < out->n; r++, row += out->k * e, meta += width) {
        for (uint64_t g = 0; g < groups; g++, values += (uint64_t)2 * e) {
            uint32_t two = meta[g / 2] >> (g % 2 * 4) & 15;
            memcpy(row + (4 * g + (two & 3)) * e, values, e);
            memcpy(row + (4 * g + (two >> 2)) * e, values + e, e);
        }
        memcpy(row + 4 * groups * e, values, tail * e);
        values += tail * e;
    }
    return PE_OK;
}

const pe_codec pe_codec_2of4 = { count_2of4, encode_2of4, decode_2of4 };
