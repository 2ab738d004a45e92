/* lib/tensor/layout.c - the parts of each layout: names, types, shapes; and the calls by layout.
 * Read next: lib/tensor/layout_impl.h; docs/formats.md, section 3, draws them. */
#include "lib/tensor/layout.h"

#include "lib/base/checked.h"
#include "lib/base/error.h"
#include "lib/tensor/layout_impl.h"

static pe_status too_large(pe_layout_spec spec, pe_error *err)
{
    return pe_fail(err, PE_E_UNSUPPORTED, "layout %s: sizes overflow; store the matrix dense",
                   pe_layout_name(spec.layout));
}

static bool set_part(pe_part *p, const char *suffix, pe_dtype t, uint32_t elem_nbytes, int rank,
                     uint64_t a, uint64_t b, uint64_t c)
{
    *p = (pe_part){ suffix, t, rank, { a, b, c }, elem_nbytes };
    for (int i = 0; i < rank; i++)
        if (!pe_mul_u64(&p->nbytes, p->nbytes, p->shape[i])) return false;
    return true;
}

uint64_t pe_layout_edge(pe_layout_spec spec)
{
    return spec.block ? spec.block : 16;
}

static uint64_t ceil_div(uint64_t a, uint64_t b)
{
    return a / b + (a % b != 0);
}

static bool blocked_parts(pe_part *p, pe_layout_spec spec, uint64_t n, uint32_t e, uint64_t count)
{
    uint64_t b = pe_layout_edge(spec), rows = ceil_div(n, b), high, wide;
    if (spec.layout == PE_LAYOUT_BSR)
        return rows < INT32_MAX && set_part(&p[0], ".row_ptr", PE_I32, 4, 1, rows + 1, 0, 0) &&
               set_part(&p[1], ".col", PE_I32, 4, 1, count, 0, 0) &&
               set_part(&p[2], ".values", PE_DTYPE_OTHER, e, 3, count, b, b);
    return pe_mul_u64(&high, rows, b) && pe_mul_u64(&wide, count, b) &&
           set_part(&p[0], ".ell_col", PE_I32, 4, 2, rows, count, 0) &&
           set_part(&p[1], ".values", PE_DTYPE_OTHER, e, 2, high, wide, 0);
}

pe_status pe_layout_parts(pe_part parts[PE_MAX_PARTS], int *nparts, pe_layout_spec spec, uint64_t n,
                          uint64_t k, uint32_t elem_nbytes, uint64_t count, pe_error *err)
{
    uint64_t groups = k / 4;
    uint32_t e = elem_nbytes;
    bool ok = false;
    bool indexed = spec.layout >= PE_LAYOUT_CSR;
    *nparts = 2;
    if (spec.layout != PE_LAYOUT_DENSE && (!n || !k || spec.block > PE_MAX_BLOCK))
        return pe_fail(err, PE_E_UNSUPPORTED,
                       "layout %s: an empty matrix or a block over %d; store it dense",
                       pe_layout_name(spec.layout), PE_MAX_BLOCK);
    if (indexed && (count > INT32_MAX || k > INT32_MAX || n >= INT32_MAX))
        return pe_fail(err, PE_E_UNSUPPORTED,
                       "layout %s: more than 2^31 - 1 entries, rows or columns",
                       pe_layout_name(spec.layout));
    switch (spec.layout) {
    case PE_LAYOUT_DENSE:
        *nparts = 1;
        ok = set_part(&parts[0], "", PE_DTYPE_OTHER, e, 2, n, k, 0);
        break;
    case PE_LAYOUT_BITMASK:
        ok = set_part(&parts[0], ".bitmask", PE_U8, 1, 2, n, ceil_div(k, 8), 0) &&
             set_part(&parts[1], ".values", PE_DTYPE_OTHER, e, 1, count, 0, 0);
        break;
    case PE_LAYOUT_BLOCK4:
        ok = set_part(&parts[0], ".blockmask", PE_U8, 1, 2, n, ceil_div(k, 32), 0) &&
             set_part(&parts[1], ".values", PE_DTYPE_OTHER, e, 2, count, 4, 0);
        break;
    case PE_LAYOUT_2OF4:
        ok = set_part(&parts[0], ".meta", PE_U8, 1, 2, n, ceil_div(groups, 2), 0) &&
             set_part(&parts[1], ".values", PE_DTYPE_OTHER, e, 2, n, 2 * groups + k % 4, 0);
        break;
    case PE_LAYOUT_CSR:
        *nparts = 3;
        ok = set_part(&parts[0], ".row_ptr", PE_I32, 4, 1, n + 1, 0, 0) &&
             set_part(&parts[1], ".col", PE_I32, 4, 1, count, 0, 0) &&
             set_part(&parts[2], ".values", PE_DTYPE_OTHER, e, 1, count, 0, 0);
        break;
    default:
        *nparts = spec.layout == PE_LAYOUT_BSR ? 3 : 2;
        ok = blocked_parts(parts, spec, n, e, count);
        break;
    }
    return ok ? PE_OK : too_large(spec, err);
}

pe_status pe_layout_count(uint64_t *count, pe_layout_spec spec, const pe_part *parts, pe_error *err)
{
    static const struct {
        int part, rank, dim;
    } from[PE_NLAYOUTS] = {
        [PE_LAYOUT_DENSE] = { 0, -1, 0 },      [PE_LAYOUT_BITMASK] = { 1, 1, 0 },
        [PE_LAYOUT_BLOCK4] = { 1, 2, 0 },      [PE_LAYOUT_2OF4] = { 1, 2, 0 },
        [PE_LAYOUT_CSR] = { 2, 1, 0 },         [PE_LAYOUT_BSR] = { 2, 3, 0 },
        [PE_LAYOUT_BLOCKED_ELL] = { 0, 2, 1 },
    };
    const pe_part *p = &parts[from[spec.layout].part];
    *count = 0;
    if (from[spec.layout].rank < 0) return PE_OK;
    if (p->rank != from[spec.layout].rank)
        return pe_fail(err, PE_E_INPUT, "%s: rank %d, expected %d for layout %s", p->suffix,
                       p->rank, from[spec.layout].rank, pe_layout_name(spec.layout));
    *count = p->shape[from[spec.layout].dim];
    return PE_OK;
}

pe_status pe_layout_bad(pe_error *err, const char *name, pe_layout_spec spec, const char *what)
{
    return pe_fail(err, PE_E_INPUT, "tensor \"%.200s\": layout %s: %s", name,
                   pe_layout_name(spec.layout), what);
}

const pe_codec *pe_codec_of(pe_layout l)
{
    static const pe_codec *const table[PE_NLAYOUTS] = {
        [PE_LAYOUT_BITMASK] = &pe_codec_bitmask, [PE_LAYOUT_BLOCK4] = &pe_codec_block4,
        [PE_LAYOUT_2OF4] = &pe_codec_2of4,       [PE_LAYOUT_CSR] = &pe_codec_csr,
        [PE_LAYOUT_BSR] = &pe_codec_bsr,         [PE_LAYOUT_BLOCKED_ELL] = &pe_codec_blocked_ell,
    };
    return table[l];
}

pe_status pe_layout_check_width(const pe_dense *m, pe_layout_spec spec, pe_error *err)
{
    if (m->elem_nbytes == 1 || m->elem_nbytes == 2 || m->elem_nbytes == 4) return PE_OK;
    return pe_fail(err, PE_E_UNSUPPORTED,
                   "layout %s: elements of %u bytes; only 1, 2 and 4 can be stored sparse",
                   pe_layout_name(spec.layout), m->elem_nbytes);
}

pe_status pe_layout_measure(pe_part parts[PE_MAX_PARTS], int *nparts, pe_layout_spec spec,
                            const pe_dense *m, pe_error *err)
{
    uint64_t count = 0;
    pe_status st = PE_OK;
    if (spec.layout != PE_LAYOUT_DENSE) {
        st = pe_layout_check_width(m, spec, err);
        /* before anything is looked at: dimensions that the layout cannot have */
        if (!st) st = pe_layout_parts(parts, nparts, spec, m->n, m->k, m->elem_nbytes, 0, err);
        if (!st) st = pe_codec_of(spec.layout)->count(&count, spec, m, err);
    }
    return st ? st : pe_layout_parts(parts, nparts, spec, m->n, m->k, m->elem_nbytes, count, err);
}

uint64_t pe_parts_nbytes(const pe_part *parts, int nparts)
{
    uint64_t sum = 0;
    for (int i = 0; i < nparts; i++) sum += parts[i].nbytes;
    return sum;
}

pe_status pe_layout_choose(pe_layout *out, const pe_dense *m, pe_error *err)
{
    pe_layout_stats s = { 0 };
    *out = PE_LAYOUT_DENSE;
    if (pe_layout_check_width(m, (pe_layout_spec){ PE_LAYOUT_DENSE, 0 }, err))
        return PE_OK; /* the one choice */
    pe_layout_stats_add(&s, m);
    *out = pe_layout_best(&s, m->n, m->k, m->elem_nbytes);
    return PE_OK;
}

void pe_layout_encode(void *const dst[PE_MAX_PARTS], pe_layout_spec spec, const pe_dense *m)
{
    if (spec.layout == PE_LAYOUT_DENSE) memcpy(dst[0], m->data, m->n * m->k * m->elem_nbytes);
    else {
        uint64_t count = 0;
        (void)pe_codec_of(spec.layout)->count(&count, spec, m, NULL); /* measured before: it fits */
        pe_codec_of(spec.layout)->encode(dst, spec, m, count);
    }
}

pe_status pe_layout_decode(pe_dense *out, pe_layout_spec spec, const void *const src[PE_MAX_PARTS],
                           const pe_part parts[PE_MAX_PARTS], int nparts, const char *name,
                           pe_error *err)
{
    pe_part want[PE_MAX_PARTS] = { 0 };
    int nwant = 0;
    uint64_t count = 0;
    pe_status st = pe_layout_check_width(out, spec, err);
    if (!st) st = pe_layout_count(&count, spec, parts, err);
    if (!st) st = pe_layout_parts(want, &nwant, spec, out->n, out->k, out->elem_nbytes, count, err);
    if (!st && nwant != nparts) st = pe_layout_bad(err, name, spec, "wrong number of parts");
    for (int i = 0; i < nwant && !st; i++)
        if (parts[i].nbytes != want[i].nbytes)
            st = pe_layout_bad(err, name, spec, "a part has the wrong size");
    if (st) return st;
    if (spec.layout == PE_LAYOUT_DENSE) {
        memcpy(out->data, src[0], want[0].nbytes);
        return PE_OK;
    }
    pe_stored s = { src, count, name };
    return pe_codec_of(spec.layout)->decode(out, spec, &s, err);
}
