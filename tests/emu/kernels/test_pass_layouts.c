/* tests/emu/kernels/test_pass_layouts.c - sparse layouts against the bytes of pe_layout_encode.
 * Read next: kernels/cuda/layout_rows.cu, kernels/cuda/layout_blocks.cu. */
#include <stdlib.h>

#include "lib/tensor/layout.h"
#include "tests/emu/kernels/pass_case.h"

/* A matrix on both sides, and its parts by the CPU. */
typedef struct matrix {
    size_t n, k, e, nelem;
    unsigned char *x;
    const void *dev;
    pe_part part[PE_MAX_PARTS];
    void *want[PE_MAX_PARTS];
    int nparts;
} matrix;

/* One element of `of` is not zero, with one bit set; of = 0: none is. */
static unsigned char *elements(pe_rng *r, size_t n, size_t e, uint32_t of)
{
    unsigned char *x = host_new(n * e);
    for (size_t i = 0; i < n; i++)
        if (of && !pe_rng_below(r, of))
            x[i * e + pe_rng_below(r, (uint32_t)e)] = (unsigned char)(1u << pe_rng_below(r, 8));
    return x;
}

static matrix matrix_of(unsigned char *x, size_t n, size_t k, size_t e, size_t offset,
                        pe_layout_spec spec)
{
    matrix m = { n, k, e, n * k, x, dev_tight(x, n * k * e, offset), { { 0 } }, { 0 }, 0 };
    pe_dense dense = { x, n, k, (uint32_t)e };
    pe_error err;
    if (pe_layout_measure(m.part, &m.nparts, spec, &dense, &err)) {
        test_fail("%s", err.text);
        exit(1);
    }
    for (int i = 0; i < m.nparts; i++) m.want[i] = host_new((size_t)m.part[i].nbytes);
    pe_layout_encode(m.want, spec, &dense);
    return m;
}

static void matrix_drop(matrix *m)
{
    for (int i = 0; i < m->nparts; i++) free(m->want[i]);
    free(m->x);
    dev_drop_all();
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* Values before each row, from the device's counts; total is the last. From malloc. */
static uint32_t *begins_of(const matrix *m)
{
    guarded nnz = guard_new(m->n * 4, 0);
    DEV(pe_cu_row_nnz(nnz.at, m->dev, m->n, m->k, m->e, NULL));
    uint32_t *count = guard_get(&nnz, "nonzeros of rows"), *begin = host_new((m->n + 1) * 4);
    for (size_t i = 0; i < m->n; i++) begin[i + 1] = begin[i] + count[i];
    free(count);
    return begin;
}

static void one_csr(pe_rng *r, size_t n, size_t k, size_t e, uint32_t of, size_t offset)
{
    pe_layout_spec spec = { PE_LAYOUT_CSR, 0 };
    matrix m = matrix_of(elements(r, n * k, e, of), n, k, e, offset, spec);
    uint32_t *begin = begins_of(&m), total = begin[n];
    guarded values = guard_new(total * e, e), columns = guard_new((size_t)total * 4, 0);
    same_bytes(begin, m.want[0], (n + 1) * 4, "row_ptr");
    DEV(pe_cu_encode_csr(values.at, columns.at, dev_of(begin, (n + 1) * 4), m.dev, n, k, e, NULL));
    guard_same(&columns, m.want[1], "csr columns");
    guard_same(&values, m.want[2], "csr values");
    free(begin);
    matrix_drop(&m);
}

static void one_bitmask(pe_rng *r, size_t n, size_t k, size_t e, uint32_t of, size_t offset)
{
    pe_layout_spec spec = { PE_LAYOUT_BITMASK, 0 };
    matrix m = matrix_of(elements(r, n * k, e, of), n, k, e, offset, spec);
    uint32_t *begin = begins_of(&m);
    size_t nwords = (k + 63) / 64, nbytes = (k + 7) / 8;
    guarded values = guard_new(begin[n] * e, 0), mask = guard_new(n * nwords * 8, 0);
    DEV(pe_cu_encode_bitmask(mask.at, values.at, dev_of(begin, (n + 1) * 4), m.dev, n, k, e, NULL));
    guard_same(&values, m.want[1], "bitmask values");
    unsigned char *got = guard_get(&mask, "mask"), zero[8] = { 0 };
    for (size_t i = 0; i < n; i++) {
        same_bytes(got + i * nwords * 8, (unsigned char *)m.want[0] + i * nbytes, nbytes, "mask");
        same_bytes(got + i * nwords * 8 + nbytes, zero, nwords * 8 - nbytes, "end of the mask");
    }
    free(begin), free(got);
    matrix_drop(&m);
}

static void test_rows(pe_rng *r)
{
    static const uint32_t OF[] = { 2, 1, 0, 9 };
    for (size_t e = 1; e <= 4; e *= 2) {
        test_begin(e == 1 ? "csr of bytes" : e == 2 ? "csr of 16 bits" : "csr of 32 bits");
        for (size_t i = 0; i < NSIZES; i++)
            one_csr(r, 1 + i * 5 % 19, SIZES[i], e, OF[i % 4], e * (i % 16));
        one_csr(r, 3, 40000, e, 2, 0);
        test_begin(e == 1   ? "bitmask of bytes"
                   : e == 2 ? "bitmask of 16 bits"
                            : "bitmask of 32 bits");
        for (size_t i = 0; i < NSIZES; i++)
            one_bitmask(r, 1 + i * 7 % 17, SIZES[i], e, OF[i % 4], e * (i % 16));
    }
    test_begin("rows of nothing");
    guarded none = guard_new(12, 0);
    DEV(pe_cu_row_nnz(none.at, NULL, 3, 0, 2, NULL));
    guard_same(&none, (uint32_t[3]){ 0 }, "nonzeros of empty rows");
    DEV(pe_cu_row_nnz(NULL, NULL, 0, 9, 2, NULL));
    DEV(pe_cu_encode_csr(NULL, NULL, NULL, NULL, 0, 3, 4, NULL));
    DEV(pe_cu_encode_bitmask(NULL, NULL, NULL, NULL, 0, 3, 4, NULL));
    if (pe_cu_row_nnz(NULL, NULL, 1, 1, 8, NULL) != cudaErrorInvalidValue)
        test_fail("elements of 8 bytes were taken");
}

/* ---- 2of4 ------------------------------------------------------------------------------------ */

static void one_2of4(pe_rng *r, size_t n, size_t k, size_t e, size_t offset)
{
    unsigned char *x = elements(r, n * k, e, 2);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c + 4 <= k; c += 4) { /* at most two of each group */
            size_t a = pe_rng_below(r, 4), b = (a + 1 + pe_rng_below(r, 3)) % 4;
            memset(x + (i * k + c + a) * e, 0, e);
            memset(x + (i * k + c + b) * e, 0, e);
        }
    matrix m = matrix_of(x, n, k, e, offset, (pe_layout_spec){ PE_LAYOUT_2OF4, 0 });
    guarded meta = guard_new((size_t)m.part[0].nbytes, 0);
    guarded values = guard_new((size_t)m.part[1].nbytes, e * (offset / e % 3));
    DEV(pe_cu_encode_2of4(values.at, meta.at, m.dev, n, k, e, NULL));
    guard_same(&meta, m.want[0], "2of4 meta");
    guard_same(&values, m.want[1], "2of4 values");
    matrix_drop(&m);
}

static void test_2of4(pe_rng *r)
{
    for (size_t e = 1; e <= 4; e *= 2) {
        test_begin(e == 1 ? "2of4 of bytes" : e == 2 ? "2of4 of 16 bits" : "2of4 of 32 bits");
        for (size_t k = 1; k < 34; k++) one_2of4(r, 5, k, e, e * (k % 4));
        for (size_t i = 0; i < NSIZES; i++) one_2of4(r, 3, SIZES[i], e, 16 * (i % 2));
        one_2of4(r, 2, 4096, e, 0);
        one_2of4(r, 2, 4500, e, e);
    }
    DEV(pe_cu_encode_2of4(NULL, NULL, NULL, 0, 8, 4, NULL));
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* Which blocks the device finds in use; [rows, cols] from malloc. */
static uint8_t *used_of(const matrix *m, size_t b, size_t nblocks)
{
    guarded used = guard_new(nblocks, 1);
    DEV(pe_cu_blocks_used(used.at, m->dev, m->n, m->k, b, m->e, NULL));
    return guard_get(&used, "blocks in use");
}

static void one_bsr(pe_rng *r, size_t n, size_t k, size_t b, size_t e, uint32_t of, size_t offset)
{
    pe_layout_spec spec = { PE_LAYOUT_BSR, (uint32_t)b };
    matrix m = matrix_of(elements(r, n * k, e, of), n, k, e, offset, spec);
    size_t rows = (n + b - 1) / b, cols = (k + b - 1) / b, count = 0;
    uint8_t *used = used_of(&m, b, rows * cols);
    uint32_t *places = host_new((rows * cols + 1) * 8);
    int32_t *row_ptr = host_new((rows + 1) * 4), *col = host_new((rows * cols + 1) * 4);
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < cols; j++) {
            if (!used[i * cols + j]) continue;
            places[2 * count] = (uint32_t)i;
            places[2 * count + 1] = (uint32_t)j;
            col[count++] = (int32_t)j;
        }
        row_ptr[i + 1] = (int32_t)count;
    }
    same_bytes(row_ptr, m.want[0], (rows + 1) * 4, "row_ptr of blocks");
    same_bytes(col, m.want[1], count * 4, "columns of blocks");
    guarded values = guard_new(count * b * b * e, offset);
    DEV(pe_cu_encode_blocks(values.at, dev_of(places, count * 8), count, m.dev, n, k, b, e, NULL));
    guard_same(&values, m.want[2], "bsr values");
    free(used), free(places), free(row_ptr), free(col);
    matrix_drop(&m);
}

static void one_ell(pe_rng *r, size_t n, size_t k, size_t b, size_t e, uint32_t of, size_t offset)
{
    pe_layout_spec spec = { PE_LAYOUT_BLOCKED_ELL, (uint32_t)b };
    matrix m = matrix_of(elements(r, n * k, e, of), n, k, e, offset, spec);
    size_t rows = (n + b - 1) / b, cols = (k + b - 1) / b, w = (size_t)m.part[0].shape[1];
    uint8_t *used = used_of(&m, b, rows * cols);
    int32_t *ell = memset(host_new((rows * w + 1) * 4), 0xff, (rows * w + 1) * 4);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0, slot = 0; j < cols; j++)
            if (used[i * cols + j] && slot < w) ell[i * w + slot++] = (int32_t)j;
    same_bytes(ell, m.want[0], rows * w * 4, "ell_col");
    guarded values = guard_new((size_t)m.part[1].nbytes, offset);
    DEV(pe_cu_encode_ell(values.at, dev_of(ell, rows * w * 4), w, m.dev, n, k, b, e, NULL));
    guard_same(&values, m.want[1], "ell values");
    free(used), free(ell);
    matrix_drop(&m);
}

static void test_blocks(pe_rng *r)
{
    static const size_t EDGES[] = { 1, 3, 4, 16, 32 },
                        M[][2] = { { 1, 1 }, { 33, 65 }, { 64, 96 }, { 17, 130 }, { 48, 64 } };
    for (size_t e = 1; e <= 4; e *= 2) {
        test_begin(e == 1   ? "bsr and blocked-ell of bytes"
                   : e == 2 ? "bsr and blocked-ell of 16 bits"
                            : "bsr and blocked-ell of 32 bits");
        for (size_t i = 0; i < 5; i++)
            for (size_t j = 0; j < 5; j++) {
                uint32_t of = (uint32_t)(EDGES[i] * EDGES[i]); /* about a third stays empty */
                one_bsr(r, M[j][0], M[j][1], EDGES[i], e, of, (i + j) % 3 * e);
                one_ell(r, M[j][0], M[j][1], EDGES[i], e, of, (i + j) % 2 * e);
            }
    }
    test_begin("blocks wider than a span, all empty, all full");
    one_bsr(r, 4, 2500, 1024, 4, 5000, 0);
    one_bsr(r, 4, 2501, 1024, 2, 5000, 2);
    one_ell(r, 70, 2304, 48, 1, 3000, 0);
    one_bsr(r, 40, 48, 16, 4, 0, 0);
    one_ell(r, 40, 48, 16, 2, 0, 0);
    one_ell(r, 40, 48, 16, 2, 1, 0);
    DEV(pe_cu_blocks_used(NULL, NULL, 0, 3, 16, 4, NULL));
    DEV(pe_cu_encode_blocks(NULL, NULL, 0, NULL, 3, 3, 16, 4, NULL));
    DEV(pe_cu_encode_ell(NULL, NULL, 0, NULL, 3, 3, 16, 4, NULL));
}

int main(void)
{
    pe_rng r;
    pe_rng_init(&r, 23, 0, 0);
    test_rows(&r);
    test_2of4(&r);
    test_blocks(&r);
    return test_end();
}
