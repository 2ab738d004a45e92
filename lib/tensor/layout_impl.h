/* lib/tensor/layout_impl.h - what each layout_*.c gives: count, encode, decode.
 * Read next: lib/tensor/layout_mask.c, the simplest two. */
#ifndef PE_TENSOR_LAYOUT_IMPL_H
#define PE_TENSOR_LAYOUT_IMPL_H

#include <string.h>

#include "lib/tensor/layout.h"

/* The functions are written once for elements of e bytes and inlined for e = 1, 2 and 4, so that
 * loads and comparisons have a constant width. */
#define PE_INLINE static inline __attribute__((always_inline))

typedef struct pe_stored { /* parts to decode, already of the right shape */
    const void *const *src;
    uint64_t count;
    const char *name;
} pe_stored;

typedef struct pe_codec {
    /* Units that the matrix stores; PE_E_UNSUPPORTED when it does not fit the layout. */
    pe_status (*count)(uint64_t *out, pe_layout_spec spec, const pe_dense *m, pe_error *err);
    /* count: as above, of the whole matrix when m is some rows of it (Blocked-ELL needs it). */
    void (*encode)(void *const *dst, pe_layout_spec spec, const pe_dense *m, uint64_t count);
    /* Checks all of src first, then writes out. */
    pe_status (*decode)(pe_dense *out, pe_layout_spec spec, const pe_stored *s, pe_error *err);
} pe_codec;

extern const pe_codec pe_codec_bitmask, pe_codec_block4, pe_codec_2of4, pe_codec_csr, pe_codec_bsr,
    pe_codec_blocked_ell;

const pe_codec *pe_codec_of(pe_layout l); /* NULL for dense */
/* Layouts hold elements of 1, 2 and 4 bytes. */
pe_status pe_layout_check_width(const pe_dense *m, pe_layout_spec spec, pe_error *err);
uint64_t pe_layout_edge(pe_layout_spec spec); /* of BSR and Blocked-ELL blocks */
/* Indexes of CSR and BSR: row_ptr ascends from 0 to count, columns ascend within a row, all in
 * range. */
pe_status pe_check_csr_index(const pe_stored *s, pe_layout_spec spec, uint64_t nrows,
                             uint64_t ncols, pe_error *err);
/* "tensor NAME: layout: what" as PE_E_INPUT. */
pe_status pe_layout_bad(pe_error *err, const char *name, pe_layout_spec spec, const char *what);

PE_INLINE bool pe_is_nonzero(const uint8_t *p, uint32_t e)
{
    uint32_t v = 0;
    memcpy(&v, p, e);
    return v != 0;
}

PE_INLINE int32_t pe_get_i32(const void *at, uint64_t i)
{
    int32_t v;
    memcpy(&v, (const uint8_t *)at + 4 * i, 4);
    return v;
}

PE_INLINE void pe_put_i32(void *at, uint64_t i, uint64_t v)
{
    int32_t x = (int32_t)v;
    memcpy((uint8_t *)at + 4 * i, &x, 4);
}

/* Bit j is set when element j of the n <= 8 at p is not zero. */
PE_INLINE uint32_t pe_nonzero_bits(const uint8_t *p, uint64_t n, uint32_t e)
{
    uint32_t bits = 0;
    if (e == 1 && n == 8) {
        uint64_t x;
        memcpy(&x, p, 8);
        x |= x >> 4 & 0x0f0f0f0f0f0f0f0fu; /* gather each byte's bits in its lowest one */
        x |= x >> 2 & 0x3f3f3f3f3f3f3f3fu;
        x |= x >> 1 & 0x7f7f7f7f7f7f7f7fu;
        return (uint32_t)((x & 0x0101010101010101u) * 0x0102040810204080u >> 56);
    }
    for (uint64_t j = 0; j < n; j++) bits |= (uint32_t)pe_is_nonzero(p + j * e, e) << j;
    return bits;
}

#endif
