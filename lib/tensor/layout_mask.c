/* lib/tensor/layout_mask.c - bitmask (one bit a weight) and block4 (one bit a 1x4 block).
 * Each row's bits start at a byte. Read next: lib/tensor/layout_2of4.c. */
#include "lib/tensor/layout_impl.h"

PE_INLINE uint64_t min64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

PE_INLINE uint64_t count_bits(const pe_dense *m, uint32_t e)
{
    const uint8_t *p = m->data;
    uint64_t count = 0, total = m->n * m->k;
    for (uint64_t i = 0; i < total; i++) count += pe_is_nonzero(p + i * e, e);
    return count;
}

static pe_status bitmask_count(uint64_t *out, pe_layout_spec spec, const pe_dense *m, pe_error *err)
{
    (void)spec, (void)err;
    *out = m->elem_nbytes == 1   ? count_bits(m, 1)
           : m->elem_nbytes == 2 ? count_bits(m, 2)
                                 : count_bits(m, 4);
    return PE_OK;
}

PE_INLINE void bitmask_rows(uint8_t *mask, uint8_t *values, const pe_dense *m, uint32_t e)
{
    const uint8_t *row = m->data;
    for (uint64_t r = 0; r < m->n; r++, row += m->k * e) {
        for (uint64_t c = 0; c < m->k; c += 8) {
            uint32_t bits = pe_nonzero_bits(row + c * e, min64(8, m->k - c), e);
            *mask++ = (uint8_t)bits;
            for (; bits; bits &= bits - 1, values += e)
                memcpy(values, row + (c + (uint64_t)__builtin_ctz(bits)) * e, e);
        }
    }
}

static void bitmask_encode(void *const *dst, pe_layout_spec spec, const pe_dense *m, uint64_t count)
{
    (void)spec, (void)count;
    if (m->elem_nbytes == 1) bitmask_rows(dst[0], dst[1], m, 1);
    else if (m->elem_nbytes == 2) bitmask_rows(dst[0], dst[1], m, 2);
    else bitmask_rows(dst[0], dst[1], m, 4);
}

/* Bits set in n rows of `used` bits, or UINT64_MAX when a bit beyond them is set. */
static uint64_t count_mask(const uint8_t *mask, uint64_t n, uint64_t used)
{
    uint64_t width = used / 8 + (used % 8 != 0), count = 0;
    uint32_t beyond = used % 8 ? 0xffu << used % 8 & 0xffu : 0;
    for (uint64_t r = 0; r < n; r++, mask += width) {
        if (mask[width - 1] & beyond) return UINT64_MAX;
        for (uint64_t i = 0; i < width; i++) count += (uint64_t)__builtin_popcount(mask[i]);
    }
    return count;
}

static pe_status check_mask(pe_layout_spec spec, const pe_stored *s, uint64_t n, uint64_t used,
                            pe_error *err)
{
    uint64_t bits = count_mask(s->src[0], n, used);
    if (bits == UINT64_MAX)
        return pe_layout_bad(err, s->name, spec, "the mask has a bit beyond the last column");
    if (bits != s->count)
        return pe_layout_bad(err, s->name, spec,
                             "the mask has not as many bits as there are values");
    return PE_OK;
}

PE_INLINE void bitmask_expand(pe_dense *out, const uint8_t *mask, const uint8_t *values, uint32_t e)
{
    uint8_t *row = out->data;
    for (uint64_t r = 0; r < out->n; r++, row += out->k * e)
        for (uint64_t c = 0; c < out->k; c += 8)
            for (uint32_t bits = *mask++; bits; bits &= bits - 1, values += e)
                memcpy(row + (c + (uint64_t)__builtin_ctz(bits)) * e, values, e);
}

static pe_status bitmask_decode(pe_dense *out, pe_layout_spec spec, const pe_stored *s,
                                pe_error *err)
{
    pe_status st = check_mask(spec, s, out->n, out->k, err);
    if (st) return st;
    memset(out->data, 0, out->n * out->k * out->elem_nbytes);
    if (out->elem_nbytes == 1) bitmask_expand(out, s->src[0], s->src[1], 1);
    else if (out->elem_nbytes == 2) bitmask_expand(out, s->src[0], s->src[1], 2);
    else bitmask_expand(out, s->src[0], s->src[1], 4);
    return PE_OK;
}

const pe_codec pe_codec_bitmask = { bitmask_count, bitmask_encode, bitmask_decode };

/* ---- block4 ---- */

/* Whether any of the n <= 4 elements at p is not zero. */
PE_INLINE bool any_nonzero(const uint8_t *p, uint64_t n, uint32_t e)
{
    uint8_t any = 0;
    for (uint64_t i = 0; i < n * e; i++) any |= p[i];
    return any != 0;
}

static pe_status block4_count(uint64_t *out, pe_layout_spec spec, const pe_dense *m, pe_error *err)
{
    const uint8_t *row = m->data;
    uint32_t e = m->elem_nbytes;
    uint64_t count = 0, full = m->k / 4;
    (void)spec, (void)err;
    for (uint64_t r = 0; r < m->n; r++, row += m->k * e) {
        if (e == 1)
            for (uint64_t b = 0; b < full; b++) count += pe_is_nonzero(row + 4 * b, 4);
        else
            for (uint64_t b = 0; b < full; b++) count += any_nonzero(row + 4 * b * e, 4, e);
        count += any_nonzero(row + 4 * full * e, m->k % 4, e);
    }
    *out = count;
    return PE_OK;
}

static void block4_encode(void *const *dst, pe_layout_spec spec, const pe_dense *m, uint64_t count)
{
    const uint8_t *row = m->data;
    uint8_t *mask = dst[0], *values = dst[1];
    uint32_t e = m->elem_nbytes;
    uint64_t nblocks = (m->k + 3) / 4, width = (nblocks + 7) / 8;
    (void)spec, (void)count;
    memset(mask, 0, m->n * width);
    for (uint64_t r = 0; r < m->n; r++, row += m->k * e, mask += width) {
        for (uint64_t b = 0; b < nblocks; b++) {
            uint64_t left = min64(4, m->k - 4 * b);
            if (!any_nonzero(row + 4 * b * e, left, e)) continue;
            mask[b / 8] |= (uint8_t)(1u << b % 8);
            memcpy(values, row + 4 * b * e, left * e);
            memset(values + left * e, 0, (4 - left) * e);
            values += (uint64_t)4 * e;
        }
    }
}

/* Values behind the last column of a ragged row's last block must be zero. */
static bool padding_is_zero(const pe_dense *out, const uint8_t *mask, const uint8_t *values)
{
    uint32_t e = out->elem_nbytes;
    uint64_t nblocks = (out->k + 3) / 4, width = (nblocks + 7) / 8, tail = out->k % 4;
    if (!tail) return true;
    for (uint64_t r = 0; r < out->n; r++, mask += width) {
        uint64_t kept = 0;
        for (uint64_t i = 0; i < width; i++) kept += (uint64_t)__builtin_popcount(mask[i]);
        values += kept * 4 * e;
        bool last = mask[(nblocks - 1) / 8] >> (nblocks - 1) % 8 & 1;
        if (last && any_nonzero(values - (4 - tail) * e, 4 - tail, e)) return false;
    }
    return true;
}

static pe_status block4_decode(pe_dense *out, pe_layout_spec spec, const pe_stored *s,
                               pe_error *err)
{
    const uint8_t *mask = s->src[0], *values = s->src[1];
    uint8_t *row = out->data;
    uint32_t e = out->elem_nbytes;
    uint64_t nblocks = (out->k + 3) / 4, width = (nblocks + 7) / 8;
    pe_status st = check_mask(spec, s, out->n, nblocks, err);
    if (!st && !padding_is_zero(out, mask, values))
        st = pe_layout_bad(err, s->name, spec, "a block has values beyond the last column");
    if (st) return st;
    memset(out->data, 0, out->n * out->k * e);
    for (uint64_t r = 0; r < out->n; r++, row += out->k * e, mask += width)
        for (uint64_t i = 0; i < width; i++)
            for (uint32_t bits = mask[i]; bits; bits &= bits - 1, values += (uint64_t)4 * e) {
                uint64_t c = 4 * (8 * i + (uint64_t)__builtin_ctz(bits));
                memcpy(row + c * e, values, min64(4, out->k - c) * e);
            }
    return PE_OK;
}

const pe_codec pe_codec_block4 = { block4_count, block4_encode, block4_decode };
