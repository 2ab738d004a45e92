/* lib/backend/cuda/sparse_cuda.c - f32 layers as CSR, BSR or Blocked-ELL: made on the device,
 * multiplied by cuSPARSE. Read next: lib/backend/cuda/linear_cuda.c, docs/gpu.md (what cuSPARSE
 * takes). */
#include <stdlib.h>
#include <string.h>

#include "lib/backend/cuda/cuda_impl.h"
#include "lib/base/checked.h"
#include "lib/base/error.h"

/* cuSPARSE counts columns first: the row-major y[m, n] is its C[n, m], x[m, k] its B[k, m], both
 * with the order of columns. Algorithms are those whose result does not change from run to run.
 * Blocked-ELL runs on tensor cores only, which read f32 as TF32: another class of numbers, so that
 * pe_linear_admits() leaves it out. */

enum {
    ALIGN = 256,
    EDGE = 32
}; /* EDGE: of blocks; smaller ones are slower than CSR (docs/gpu.md) */

struct pe_sparse {
    pe_sparse *next;
    const void *packed; /* the block of device memory that holds the arrays */
    pe_form form;
    cusparseSpMatDescr_t mat; /* NULL: all zero */
};

/* What is stored, counted on the host: values, blocks, or blocks a block row. */
static uint64_t count_values(const pe_matrix *w)
{
    uint64_t n = 0;
    for (size_t i = 0; i < w->n * w->k; i++) {
        uint32_t bits;
        memcpy(&bits, w->f32 + i, sizeof bits);
        n += bits != 0;
    }
    return n;
}

static bool block_used(const pe_matrix *w, size_t r, size_t c)
{
    for (size_t i = 0; i < EDGE; i++)
        for (size_t j = 0; j < EDGE; j++) {
            uint32_t bits;
            memcpy(&bits, w->f32 + (r * EDGE + i) * w->k + c * EDGE + j, sizeof bits);
            if (bits) return true;
        }
    return false;
}

/* Blocks of the matrix, or of its fullest block row. */
static uint64_t count_blocks(const pe_matrix *w, bool fullest)
{
    uint64_t total = 0, most = 0;
    for (size_t r = 0; r < w->n / EDGE; r++) {
        uint64_t row = 0;
        for (size_t c = 0; c < w->k / EDGE; c++) row += block_used(w, r, c);
        total += row;
        most = row > most ? row : most;
    }
    return fullest ? most : total;
}

bool pe_cuda_sparse_fits(pe_form form, size_t n, size_t k)
{
    if (k && n > INT32_MAX / k) return false; /* indices and counts of values have 32 bits */
    return form == PE_FORM_F32_CSR || (n % EDGE == 0 && k % EDGE == 0);
}

/* Three arrays: begins of rows (Blocked-ELL: none), columns, values. */
typedef struct arrays {
    size_t begins, columns, values, nbytes; /* offsets into the packed block, and its size */
} arrays;

static arrays arrays_of(pe_form form, size_t n, uint64_t count)
{
    bool csr = form == PE_FORM_F32_CSR, ell = form == PE_FORM_F32_ELL;
    size_t rows = csr ? n : n / EDGE, cells = ell ? rows * count : count;
    size_t value = csr ? sizeof(float) : EDGE * EDGE * sizeof(float);
    arrays a = { 0 };
    a.columns = ell ? 0 : pe_round_up((rows + 1) * sizeof(int32_t), ALIGN);
    a.values = a.columns + pe_round_up(cells * sizeof(int32_t), ALIGN);
    a.nbytes = a.values + pe_round_up(cells * value + 1, ALIGN);
    return a;
}

static uint64_t count_of(pe_form form, const pe_matrix *w)
{
    return form == PE_FORM_F32_CSR ? count_values(w) : count_blocks(w, form == PE_FORM_F32_ELL);
}

size_t pe_cuda_sparse_nbytes(pe_form form, const pe_matrix *w)
{
    return arrays_of(form, w->n, count_of(form, w)).nbytes;
}

/* ---- packing --------------------------------------------------------------------------------- */

typedef struct packing {
    pe_cuda *d;
    pe_queue q;
    const pe_matrix *w;
    char *packed;
    void *dense; /* w on the device */
    arrays a;
    uint64_t count;
} packing;

static pe_status check(const packing *p, cudaError_t e, pe_error *err)
{
    return pe_cuda_check(e, p->d, "sparse layer", err);
}

pe_status pe_cuda_row_begins(pe_queue *q, uint32_t *begin, const void *x, size_t n, size_t k,
                             size_t elem_nbytes, pe_error *err)
{
    const pe_cuda *d = pe_cuda_of(q->backend);
    uint32_t *host = malloc((n + 1) * sizeof *host), total = 0;
    if (!host) return pe_fail_nomem(err, "sparse layer", n * sizeof *host);
    pe_status st = pe_cuda_check(pe_cu_row_nnz(begin, x, n, k, elem_nbytes, pe_cuda_stream(q)), d,
                                 "sparse layer", err);
    if (!st) st = pe_cuda_download(q, host, begin, n * sizeof *host, err);
    if (!st) st = pe_cuda_sync(q, err);
    for (size_t r = 0; !st && r < n; r++) {
        uint32_t row = host[r];
        host[r] = total;
        total += row;
    }
    host[n] = total;
    if (!st) st = pe_cuda_upload(q, begin, host, (n + 1) * sizeof *host, err);
    if (!st) st = pe_cuda_sync(q, err);
    free(host);
    return st;
}

static pe_status pack_csr(packing *p, pe_error *err)
{
    size_t n = p->w->n, k = p->w->k;
    uint32_t *begin = (void *)(p->packed + p->a.begins);
    int32_t *columns = (void *)(p->packed + p->a.columns);
    pe_status st = pe_cuda_row_begins(&p->q, begin, p->dense, n, k, sizeof(float), err);
    if (!st)
        st = check(p,
                   pe_cu_encode_csr(p->packed + p->a.values, columns, begin, p->dense, n, k,
                                    sizeof(float), pe_cuda_stream(&p->q)),
                   err);
    return st ? st : pe_cuda_sync(&p->q, err);
}

/* Which blocks hold anything, [n / EDGE, k / EDGE], from the device; from malloc. */
static pe_status fetch_used(uint8_t **used, packing *p, pe_error *err)
{
    size_t nblocks = p->w->n / EDGE * (p->w->k / EDGE);
    void *dev = NULL;
    *used = malloc(nblocks + 1);
    if (!*used) return pe_fail_nomem(err, "sparse layer", nblocks);
    pe_status st = pe_cuda_borrow(&dev, &p->q, nblocks, "sparse layer", err);
    if (!st)
        st = check(p,
                   pe_cu_blocks_used(dev, p->dense, p->w->n, p->w->k, EDGE, sizeof(float),
                                     pe_cuda_stream(&p->q)),
                   err);
    if (!st) st = pe_cuda_download(&p->q, *used, dev, nblocks, err);
    pe_cuda_return(dev, &p->q);
    return st ? st : pe_cuda_sync(&p->q, err);
}

/* Host tables of BSR: begins, columns, and the blocks' places for the encoder, in one block of
 * memory. */
static void list_bsr(int32_t *begin, int32_t *columns, uint32_t *places, const uint8_t *used,
                     size_t rows, size_t cols)
{
    int32_t at = 0;
    for (size_t r = 0; r < rows; r++) {
        begin[r] = at;
        for (size_t c = 0; c < cols; c++) {
            if (!used[r * cols + c]) continue;
            columns[at] = (int32_t)c;
            places[2 * at] = (uint32_t)r;
            places[2 * at + 1] = (uint32_t)c;
            at++;
        }
    }
    begin[rows] = at;
}

static pe_status pack_bsr(packing *p, pe_error *err)
{
    size_t rows = p->w->n / EDGE, cols = p->w->k / EDGE, count = (size_t)p->count;
    int32_t *begin = malloc((rows + 1 + 3 * count) * sizeof *begin);
    uint8_t *used = NULL;
    void *places = NULL;
    if (!begin) return pe_fail_nomem(err, "sparse layer", count * sizeof *begin);
    int32_t *columns = begin + rows + 1, *where = columns + count;
    pe_status st = fetch_used(&used, p, err);
    if (!st) list_bsr(begin, columns, (uint32_t *)where, used, rows, cols);
    if (!st) st = pe_cuda_borrow(&places, &p->q, 2 * count * sizeof *where, "sparse layer", err);
    if (!st) st = pe_cuda_upload(&p->q, places, where, 2 * count * sizeof *where, err);
    if (!st)
        st = pe_cuda_upload(&p->q, p->packed + p->a.begins, begin, (rows + 1) * sizeof *begin, err);
    if (!st)
        st = pe_cuda_upload(&p->q, p->packed + p->a.columns, columns, count * sizeof *columns, err);
    if (!st)
        st = check(p,
                   pe_cu_encode_blocks(p->packed + p->a.values, places, count, p->dense, p->w->n,
                                       p->w->k, EDGE, sizeof(float), pe_cuda_stream(&p->q)),
                   err);
    pe_cuda_return(places, &p->q);
    if (!st) st = pe_cuda_sync(&p->q, err);
    free(begin);
    free(used);
    return st;
}

/* Ascending columns of each block row, then -1: blocks of value 0, as cuSPARSE wants its padding.
 */
static void list_ell(int32_t *ell, const uint8_t *used, size_t rows, size_t cols, size_t width)
{
    for (size_t r = 0; r < rows; r++) {
        size_t at = 0;
        for (size_t c = 0; c < cols; c++)
            if (used[r * cols + c]) ell[r * width + at++] = (int32_t)c;
        while (at < width) ell[r * width + at++] = -1;
    }
}

static pe_status pack_ell(packing *p, pe_error *err)
{
    size_t rows = p->w->n / EDGE, cols = p->w->k / EDGE, width = (size_t)p->count;
    int32_t *ell = malloc((rows * width + 1) * sizeof *ell);
    int32_t *dev_ell = (void *)(p->packed + p->a.columns);
    uint8_t *used = NULL;
    if (!ell) return pe_fail_nomem(err, "sparse layer", rows * width * sizeof *ell);
    pe_status st = fetch_used(&used, p, err);
    if (!st) list_ell(ell, used, rows, cols, width);
    if (!st) st = pe_cuda_upload(&p->q, dev_ell, ell, rows * width * sizeof *ell, err);
    if (!st)
        st = check(p,
                   pe_cu_encode_ell(p->packed + p->a.values, dev_ell, width, p->dense, p->w->n,
                                    p->w->k, EDGE, sizeof(float), pe_cuda_stream(&p->q)),
                   err);
    if (!st) st = pe_cuda_sync(&p->q, err);
    free(ell);
    free(used);
    return st;
}

static cusparseStatus_t describe(cusparseSpMatDescr_t *out, pe_form form, const packing *p)
{
    int64_t n = (int64_t)p->w->n, k = (int64_t)p->w->k, count = (int64_t)p->count;
    char *begins = p->packed + p->a.begins, *columns = p->packed + p->a.columns;
    char *values = p->packed + p->a.values;
    if (form == PE_FORM_F32_CSR)
        return cusparseCreateCsr(out, n, k, count, begins, columns, values, CUSPARSE_INDEX_32I,
                                 CUSPARSE_INDEX_32I, CUSPARSE_INDEX_BASE_ZERO, CUDA_R_32F);
    if (form == PE_FORM_F32_BSR)
        return cusparseCreateBsr(out, n / EDGE, k / EDGE, count, EDGE, EDGE, begins, columns,
                                 values, CUSPARSE_INDEX_32I, CUSPARSE_INDEX_32I,
                                 CUSPARSE_INDEX_BASE_ZERO, CUDA_R_32F, CUSPARSE_ORDER_ROW);
    return cusparseCreateBlockedEll(out, n, k, EDGE, count * EDGE, columns, values,
                                    CUSPARSE_INDEX_32I, CUSPARSE_INDEX_BASE_ZERO, CUDA_R_32F);
}

static pe_status add_sparse(pe_form form, const packing *p, pe_error *err)
{
    pe_sparse *sp = calloc(1, sizeof *sp);
    if (!sp) return pe_fail_nomem(err, "sparse layer", sizeof *sp);
    sp->packed = p->packed;
    sp->form = form;
    pe_status st = PE_OK;
    if (p->count) st = pe_cusparse_check(describe(&sp->mat, form, p), p->d, "sparse layer", err);
    if (st) {
        free(sp);
        return st;
    }
    (void)pthread_mutex_lock(&p->d->lock);
    sp->next = p->d->sparses;
    p->d->sparses = sp;
    (void)pthread_mutex_unlock(&p->d->lock);
    return PE_OK;
}

pe_status pe_cuda_sparse_pack(pe_cuda *d, pe_form form, void *packed, const pe_matrix *w,
                              pe_error *err)
{
    packing p = { .d = d, .q = { .backend = &d->base }, .w = w, .packed = packed };
    size_t nbytes = w->n * w->k * sizeof(float);
    p.count = count_of(form, w);
    p.a = arrays_of(form, w->n, p.count);
    pe_status st = pe_cuda_borrow(&p.dense, &p.q, nbytes, "sparse layer", err);
    if (!st) st = pe_cuda_upload(&p.q, p.dense, w->f32, nbytes, err);
    if (!st && form == PE_FORM_F32_CSR) st = pack_csr(&p, err);
    if (!st && form == PE_FORM_F32_BSR) st = pack_bsr(&p, err);
    if (!st && form == PE_FORM_F32_ELL) st = pack_ell(&p, err);
    pe_cuda_return(p.dense, &p.q);
    return st ? st : add_sparse(form, &p, err);
}

/* With the lock held. */
void pe_cuda_sparse_forget(pe_cuda *d, const void *packed)
{
    pe_sparse **at = &d->sparses;
    while (*at && (*at)->packed != packed) at = &(*at)->next;
    pe_sparse *sp = *at;
    if (!sp) return;
    *at = sp->next;
    if (sp->mat) (void)cusparseDestroySpMat(sp->mat);
    free(sp);
}

/* ---- running --------------------------------------------------------------------------------- */

static cusparseSpMMAlg_t algorithm_of(pe_form form)
{
    return form == PE_FORM_F32_CSR   ? CUSPARSE_SPMM_CSR_ALG3
           : form == PE_FORM_F32_BSR ? CUSPARSE_SPMM_BSR_ALG1
                                     : CUSPARSE_SPMM_BLOCKED_ELL_ALG1;
}

/* With the lock held: the handle's stream is set for this call. */
static pe_status multiply(const pe_sparse *sp, const pe_queue *q, const pe_linear_call *c,
                          pe_error *err)
{
    pe_cuda *d = pe_cuda_of(q->backend);
    const float one = 1, zero = 0;
    cusparseDnMatDescr_t b = NULL, y = NULL;
    cusparseSpMMAlg_t alg = algorithm_of(sp->form);
    cusparseOperation_t as_is = CUSPARSE_OPERATION_NON_TRANSPOSE;
    size_t nbytes = 0;
    void *buffer = NULL;
    cudaStream_t stream = pe_cuda_stream(q); /* first: handles are made for the thread's device */
    cusparseStatus_t s = d->sparse ? CUSPARSE_STATUS_SUCCESS : cusparseCreate(&d->sparse);
    if (!s) s = cusparseSetStream(d->sparse, stream);
    if (!s)
        s = cusparseCreateDnMat(&b, (int64_t)c->k, (int64_t)c->m, (int64_t)c->ldx,
                                (void *)(uintptr_t)c->x, CUDA_R_32F, CUSPARSE_ORDER_COL);
    if (!s)
        s = cusparseCreateDnMat(&y, (int64_t)c->n, (int64_t)c->m, (int64_t)c->ldy, c->y, CUDA_R_32F,
                                CUSPARSE_ORDER_COL);
    if (!s)
        s = cusparseSpMM_bufferSize(d->sparse, as_is, as_is, &one, sp->mat, b, &zero, y, CUDA_R_32F,
                                    alg, &nbytes);
    pe_status st = pe_cusparse_check(s, d, "sparse product", err);
    if (!st) st = pe_cuda_borrow(&buffer, q, nbytes, "sparse product", err);
    if (!st)
        st = pe_cusparse_check(cusparseSpMM(d->sparse, as_is, as_is, &one, sp->mat, b, &zero, y,
                                            CUDA_R_32F, alg, buffer),
                               d, "sparse product", err);
    pe_cuda_return(buffer, q);
    if (b) (void)cusparseDestroyDnMat(b);
    if (y) (void)cusparseDestroyDnMat(y);
    return st;
}

pe_status pe_cuda_sparse_run(const pe_queue *q, const pe_linear_call *c, pe_error *err)
{
    pe_cuda *d = pe_cuda_of(q->backend);
    pe_status st = PE_OK;
    if (!c->m || !c->n) return PE_OK;
    (void)pthread_mutex_lock(&d->lock);
    const pe_sparse *sp = d->sparses;
    while (sp && sp->packed != c->packed) sp = sp->next;
    if (!sp) st = pe_fail(err, PE_E_ARG, "device %s: a sparse layer that was not packed", d->name);
    else if (sp->mat) st = multiply(sp, q, c, err);
    else
        st = pe_cuda_check(cudaMemset2DAsync(c->y, c->ldy * sizeof *c->y, 0, c->n * sizeof *c->y,
                                             c->m, pe_cuda_stream(q)),
                           d, "sparse product", err);
    (void)pthread_mutex_unlock(&d->lock);
    return st;
}
