/* lib/backend/cuda/linear_cuda.c - linear layers on the device: what each form keeps of the
 * weights, and which product runs it. Read next: lib/backend/cuda/lt_cuda.c,
 * lib/backend/cuda/bitmask_cuda.c, lib/backend/cuda/sparse_cuda.c. */
#include <stdlib.h>
#include <string.h>

#include "lib/backend/cuda/cuda_impl.h"
#include "lib/base/checked.h"
#include "lib/base/error.h"

/* Up to here the own int8 kernel runs: cuBLASLt's are made for more rows. Both are exact, so the
 * choice does not show in a result. */
enum { FEW_TOKENS = 16 };

static bool is_sparse_f32(pe_form f)
{
    return f == PE_FORM_F32_CSR || f == PE_FORM_F32_BSR || f == PE_FORM_F32_ELL;
}
static bool is_half(pe_form f)
{
    return f == PE_FORM_BF16_DENSE || f == PE_FORM_F16_DENSE;
}

static bool is_codes(pe_form f)
{
    return f == PE_FORM_S8_DENSE || f == PE_FORM_W8_DENSE;
}

static bool cuda_has_form(const pe_backend *b, pe_form form, size_t n, size_t k)
{
    (void)b;
    if (is_sparse_f32(form)) return pe_cuda_sparse_fits(form, n, k);
    if (pe_cuda_is_bitmask(form)) return pe_cuda_bitmask_fits(n, k);
    return form == PE_FORM_F32_DENSE || is_half(form) || is_codes(form);
}

/* ---- packed weights ----------------------------------------------------------------------------
 */

/* Dense codes [n4, ldw], zero beyond n and k: both kernels and cuBLASLt take them. */
static size_t codes_ld(size_t k)
{
    return pe_round_up(k ? k : 1, 64);
}
static size_t codes_rows(size_t n)
{
    return pe_round_up(n, 4);
}

static size_t cuda_packed_nbytes(const pe_backend *b, pe_form form, const pe_matrix *w)
{
    (void)b;
    if (is_sparse_f32(form)) return pe_cuda_sparse_nbytes(form, w);
    if (is_half(form)) return w->n * w->k * sizeof(uint16_t);
    if (is_codes(form)) return codes_rows(w->n) * codes_ld(w->k);
    if (pe_cuda_is_bitmask(form)) return pe_cuda_bitmask_nbytes(form, w);
    return w->n * w->k * sizeof(float);
}

static pe_status pack_codes(pe_queue *q, void *packed, const pe_matrix *w, pe_error *err)
{
    size_t ld = codes_ld(w->k), nbytes = codes_rows(w->n) * ld;
    int8_t *codes = calloc(nbytes + 1, 1);
    if (!codes) return pe_fail_nomem(err, "int8 layer", nbytes);
    for (size_t r = 0; r < w->n; r++) memcpy(codes + r * ld, w->s8 + r * w->k, w->k);
    pe_status st = pe_cuda_upload(q, packed, codes, nbytes, err);
    if (!st) st = pe_cuda_sync(q, err);
    free(codes);
    return st;
}

/* f32 weights become 16-bit floats on the device. */
static pe_status pack_half(pe_queue *q, pe_form form, void *packed, const pe_matrix *w,
                           pe_error *err)
{
    size_t n = w->n * w->k;
    void *f32 = NULL;
    pe_status st = pe_cuda_borrow(&f32, q, n * sizeof(float), "layer", err);
    if (!st) st = pe_cuda_upload(q, f32, w->f32, n * sizeof(float), err);
    if (!st)
        st = pe_cuda_check(form == PE_FORM_BF16_DENSE
                               ? pe_cu_to_bf16(packed, f32, n, pe_cuda_stream(q))
                               : pe_cu_to_f16(packed, f32, n, pe_cuda_stream(q)),
                           pe_cuda_of(q->backend), "layer", err);
    pe_cuda_return(f32, q);
    return st ? st : pe_cuda_sync(q, err);
}

static pe_status pack_form(const pe_backend *b, pe_form form, void *packed, const pe_matrix *w,
                           pe_error *err)
{
    pe_queue q = { .backend = b };
    if (is_sparse_f32(form)) return pe_cuda_sparse_pack(pe_cuda_of(b), form, packed, w, err);
    if (is_half(form)) return pack_half(&q, form, packed, w, err);
    if (is_codes(form)) return pack_codes(&q, packed, w, err);
    if (pe_cuda_is_bitmask(form)) return pe_cuda_bitmask_pack(&q, form, packed, w, err);
    pe_status st = pe_cuda_upload(&q, packed, w->f32, w->n * w->k * sizeof(float), err);
    return st ? st : pe_cuda_sync(&q, err);
}

/* Copies of several matrices at once may not fit where one does: whether a model can be loaded
 * would hang on which threads meet. */
static pe_status cuda_pack(const pe_backend *b, pe_form form, void *packed, const pe_matrix *w,
                           pe_error *err)
{
    pe_cuda *d = pe_cuda_of(b);
    (void)pthread_mutex_lock(&d->packing);
    pe_status st = pack_form(b, form, packed, w, err);
    (void)pthread_mutex_unlock(&d->packing);
    return st;
}

/* Integer sums, or inputs as 16-bit floats. */
static size_t cuda_linear_scratch(const pe_backend *b, pe_form form, size_t m, size_t n, size_t k,
                                  int nthreads)
{
    (void)b, (void)nthreads;
    if (form == PE_FORM_S8_DENSE && m > FEW_TOKENS) return m * codes_rows(n) * sizeof(int32_t);
    return is_half(form) ? m * k * sizeof(uint16_t) : 0;
}

/* ---- running --------------------------------------------------------------------------------- */

/* The own kernel takes any number of tokens: it serves, too, where cuBLASLt's heuristic has nothing
 * for a shape on this GPU. */
static pe_status run_codes(pe_queue *q, const pe_linear_call *c, pe_error *err)
{
    pe_cuda *d = pe_cuda_of(q->backend);
    cudaStream_t s = pe_cuda_stream(q);
    size_t ld = codes_ld(c->k), n4 = codes_rows(c->n);
    pe_lt_call lt = { .kind = PE_LT_S8,
                      .y = c->scratch,
                      .x = c->xq,
                      .w = c->packed,
                      .m = c->m,
                      .n = n4,
                      .k = pe_round_up(c->k, 4),
                      .ldy = n4,
                      .ldx = c->ldx,
                      .ldw = ld };
    bool lacks = c->m > FEW_TOKENS && pe_cuda_lt_lacks(q, &lt);
    if (lacks || c->m <= FEW_TOKENS)
        return pe_cuda_check(pe_cu_linear_s8(c, c->packed, ld, s), d, "int8 product", err);
    pe_status st = pe_cuda_lt(q, &lt, err);
    return st ? st : pe_cuda_check(pe_cu_epilogue_s8(c, c->scratch, n4, s), d, "int8 product", err);
}

/* The codes as they are, against f32 inputs; 8 tokens a launch. */
static pe_status run_w8(const pe_queue *q, const pe_linear_call *c, pe_error *err)
{
    return pe_cuda_check(pe_cu_linear_w8(c, c->packed, codes_ld(c->k), pe_cuda_stream(q)),
                         pe_cuda_of(q->backend), "product of int8 weights", err);
}

static pe_status run_f32(pe_queue *q, pe_form form, const pe_linear_call *c, pe_error *err)
{
    pe_lt_call lt = { .kind = PE_LT_F32,
                      .y = c->y,
                      .x = c->x,
                      .w = c->packed,
                      .m = c->m,
                      .n = c->n,
                      .k = c->k,
                      .ldy = c->ldy,
                      .ldx = c->ldx,
                      .ldw = c->k };
    pe_status st = is_sparse_f32(form) ? pe_cuda_sparse_run(q, c, err) : pe_cuda_lt(q, &lt, err);
    return st ? st
              : pe_cuda_check(pe_cu_epilogue_f32(c->y, c->ldy, c->m, c->n, c->bias, c->act,
                                                 pe_cuda_stream(q)),
                              pe_cuda_of(q->backend), "product", err);
}

/* Inputs are rounded to the weights' type; rows must lie together, as a plan's do. */
static pe_status run_half(pe_queue *q, pe_form form, const pe_linear_call *c, pe_error *err)
{
    const pe_cuda *d = pe_cuda_of(q->backend);
    cudaStream_t s = pe_cuda_stream(q);
    bool bf16 = form == PE_FORM_BF16_DENSE;
    pe_lt_call lt = { .kind = bf16 ? PE_LT_BF16 : PE_LT_F16,
                      .y = c->y,
                      .x = c->scratch,
                      .w = c->packed,
                      .m = c->m,
                      .n = c->n,
                      .k = c->k,
                      .ldy = c->ldy,
                      .ldx = c->k,
                      .ldw = c->k };
    if (c->ldx != c->k)
        return pe_fail(err, PE_E_ARG, "device %s: rows of 16-bit products must lie together",
                       d->name);
    pe_status st = pe_cuda_check(bf16 ? pe_cu_to_bf16(c->scratch, c->x, c->m * c->k, s)
                                      : pe_cu_to_f16(c->scratch, c->x, c->m * c->k, s),
                                 d, "product", err);
    if (!st) st = pe_cuda_lt(q, &lt, err);
    return st ? st
              : pe_cuda_check(pe_cu_epilogue_f32(c->y, c->ldy, c->m, c->n, c->bias, c->act, s), d,
                              "product", err);
}

static pe_status cuda_linear(pe_queue *q, const pe_linear_op *op, pe_error *err)
{
    if (op->form == PE_FORM_S8_DENSE) return run_codes(q, &op->call, err);
    if (op->form == PE_FORM_W8_DENSE) return run_w8(q, &op->call, err);
    if (pe_cuda_is_bitmask(op->form)) return pe_cuda_bitmask_run(q, op->form, &op->call, err);
    if (is_half(op->form)) return run_half(q, op->form, &op->call, err);
    return run_f32(q, op->form, &op->call, err);
}

void pe_cuda_fill_linear(pe_backend *b)
{
    b->has_form = cuda_has_form;
    b->packed_nbytes = cuda_packed_nbytes;
    b->pack = cuda_pack;
    b->linear_scratch = cuda_linear_scratch;
    b->linear = cuda_linear;
}
