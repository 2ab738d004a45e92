/* lib/plan/linear.c - packing, running and describing one linear layer.
 * Read next: kernels/kernels.h (the forms), lib/plan/cost.c (choosing one). */
#include "lib/plan/linear.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/checked.h"
#include "lib/base/error.h"

const uint32_t pe_bucket_tokens[PE_NBUCKETS] = { 1, 16, 128 };

bool pe_act_quant_equal(const pe_act_quant *a, const pe_act_quant *b)
{
    return a->div == b->div && a->scale == b->scale && a->zero == b->zero &&
           a->full_range == b->full_range;
}

/* All-zero 1x4 blocks along the inputs (a ragged last block counts), in [0, 1] of all blocks. */
static double empty_blocks(const uint8_t *w, size_t n, size_t k, size_t elem)
{
    static const uint8_t none[4 * sizeof(float)];
    size_t empty = 0, nblocks = 0;
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < k; c += 4, nblocks++)
            empty += memcmp(w + (r * k + c) * elem, none, (c + 4 < k ? 4 : k - c) * elem) == 0;
    return (double)empty / (double)nblocks;
}

void pe_linear_measure(pe_linear *l, const pe_linear_source *s)
{
    const void *w = l->int8 ? (const void *)s->s8 : s->f32;
    size_t elem = l->int8 ? 1 : sizeof(float), nelem = (size_t)l->n * l->k;
    const pe_kernels *k = pe_kernels_get(NULL);
    l->sparsity = k ? (double)k->count_zero(w, nelem, elem) / (double)nelem : 0;
    /* Blocks matter only where much is zero; a dense model loads without looking. */
    l->block4_sparsity = l->sparsity > 0.25 ? empty_blocks(w, l->n, l->k, elem) : 0;
}

pe_form pe_linear_dense_form(const pe_linear *l)
{
    return l->int8 ? PE_FORM_S8_DENSE : l->dense;
}

/* What must be stored for a form that executes just that. */
static pe_stored stored_for(pe_form form)
{
    return form == PE_FORM_BF16_BITMASK  ? PE_STORED_BF16
           : form == PE_FORM_F16_BITMASK ? PE_STORED_F16
           : form == PE_FORM_W8_DENSE    ? PE_STORED_CODES
                                         : PE_STORED_OTHER;
}

bool pe_linear_takes(const pe_linear *l, const pe_backend *b, pe_form form)
{
    bool s8 = form == PE_FORM_S8_DENSE || form == PE_FORM_S8_BITMASK || form == PE_FORM_S8_BLOCK4;
    bool half = form == PE_FORM_BF16_DENSE || form == PE_FORM_F16_DENSE;
    pe_stored stored = stored_for(form);
    if (half && form != l->dense) return false; /* a numeric class of its own: only if asked for */
    /* Where inputs are rounded, forms that do not round them are of another class. */
    if (stored && (stored != l->stored || l->dense != PE_FORM_F32_DENSE)) return false;
    return s8 == l->int8 && b->has_form(b, form, l->n, l->k);
}

bool pe_linear_admits(const pe_linear *l, const pe_backend *b, pe_form form)
{
    return form != PE_FORM_F32_ELL && pe_linear_takes(l, b, form);
}

static pe_status copy_up(void **dst, const void *src, size_t nbytes, const pe_backend *b,
                         const char *what, pe_error *err)
{
    pe_queue q = { .backend = b };
    pe_status st = b->alloc(b, dst, nbytes, what, err);
    if (!st) st = b->upload(&q, *dst, src, nbytes, err);
    return st ? st : b->sync(&q, err);
}

/* Sums of the codes of each output, and whether -128 occurs. */
static pe_status take_codes(pe_linear *l, const pe_backend *b, const int8_t *s8, pe_error *err)
{
    int32_t *sums = malloc((l->n + 1) * sizeof *sums);
    int8_t min = 0;
    if (!sums) return pe_fail_nomem(err, l->part[0], l->n * sizeof *sums);
    for (size_t r = 0; r < l->n; r++) {
        int32_t sum = 0;
        for (size_t i = 0; i < l->k; i++) {
            int8_t v = s8[r * l->k + i];
            sum += v;
            min = v < min ? v : min;
        }
        sums[r] = sum;
    }
    l->narrow = min > -128 && !l->aq.full_range;
    pe_status st = copy_up((void **)&l->wsum, sums, l->n * sizeof *sums, b, l->part[0], err);
    free(sums);
    return st;
}

pe_status pe_linear_pack_form(pe_linear *l, const pe_backend *b, pe_form form,
                              const pe_linear_source *s, pe_error *err)
{
    pe_matrix w = { .n = l->n, .k = l->k, .f32 = s->f32, .s8 = s->s8 };
    if (l->packed[form]) return PE_OK;
    pe_status st = b->alloc(b, &l->packed[form], b->packed_nbytes(b, form, &w), l->part[0], err);
    if (!st) st = b->pack(b, form, l->packed[form], &w, err);
    return st;
}

pe_status pe_linear_pack(pe_linear *l, const pe_backend *b, const pe_linear_source *s,
                         pe_error *err)
{
    pe_status st = PE_OK;
    if (s->bias) st = copy_up((void **)&l->bias, s->bias, l->n * sizeof(float), b, l->part[0], err);
    if (!st && (l->int8 || pe_linear_admits(l, b, PE_FORM_W8_DENSE)))
        st = copy_up((void **)&l->wscale, s->wscale, l->n * sizeof(float), b, l->part[0], err);
    if (!st && l->int8) st = take_codes(l, b, s->s8, err);
    for (int i = 0; !st && i < PE_NBUCKETS; i++) st = pe_linear_pack_form(l, b, l->form[i], s, err);
    return st;
}

void pe_linear_release(pe_linear *l, const pe_backend *b)
{
    b->release(b, l->bias);
    b->release(b, l->wscale);
    b->release(b, l->wsum);
    for (int f = 0; f < PE_NFORMS; f++) b->release(b, l->packed[f]);
    memset(l->packed, 0, sizeof l->packed);
    l->bias = l->wscale = NULL;
    l->wsum = NULL;
}

size_t pe_linear_scratch(const pe_linear *l, const pe_backend *b, size_t m, int nthreads)
{
    size_t most = 0;
    for (int i = 0; i < PE_NBUCKETS; i++) {
        size_t rows = i == 0 && m > 4 ? 4 : i == 1 && m > 48 ? 48 : m;
        size_t need = b->linear_scratch(b, l->form[i], rows, l->n, l->k, nthreads);
        most = need > most ? need : most;
    }
    return most;
}

/* ---- codes ----------------------------------------------------------------------------------- */

static size_t codes_width(size_t k)
{
    return pe_round_up(k, 64);
}

size_t pe_codes_nbytes(size_t m, size_t k)
{
    return m * codes_width(k) + 2 * pe_round_up(m * sizeof(float), 64);
}

pe_codes pe_codes_at(void *buffer, size_t m, size_t k)
{
    uint8_t *p = buffer;
    pe_codes c = { .q = buffer, .ldq = codes_width(k) };
    p += m * c.ldq;
    c.scale = (float *)(void *)p;
    p += pe_round_up(m * sizeof(float), 64);
    c.zero = (int32_t *)(void *)p;
    return c;
}

/* What quantize_rows is asked; the caller sets x. */
static pe_quantize_call codes_call(const pe_codes *c, const pe_act_quant *aq, size_t m, size_t k)
{
    pe_quantize_call call = { .q = c->q, .scale = c->scale, .ldq = c->ldq, .m = m, .k = k };
    call.div = aq->div;
    call.static_scale = aq->scale;
    call.static_zero = aq->zero;
    call.zero = aq->div == 0 && aq->full_range ? c->zero : NULL;
    return call;
}

pe_status pe_codes_make(pe_codes *c, const pe_act_quant *aq, const float *x, size_t ldx, size_t m,
                        size_t k, pe_queue *q, pe_error *err)
{
    pe_quantize_call call = codes_call(c, aq, m, k);
    call.x = x;
    call.ldx = ldx;
    if (!q->backend->quantize_rows) return pe_backend_missing(q->backend, "quantize_rows", err);
    return q->backend->quantize_rows(q, &call, err);
}

/* ---- products -------------------------------------------------------------------------------- */

/* All but the input and output of a product. */
static pe_linear_call product_call(const pe_linear *l, size_t m, pe_act act, void *scratch)
{
    return (pe_linear_call){ .m = m,
                             .n = l->n,
                             .k = l->k,
                             .packed = l->packed[l->form[pe_bucket_of(m)]],
                             .wscale = l->wscale,
                             .wsum = l->wsum,
                             .bias = l->bias,
                             .act = act,
                             .narrow = l->narrow,
                             .scratch = scratch };
}

static void take_input(pe_linear_call *c, const pe_linear *l, const pe_codes *codes)
{
    c->xq = codes->q;
    c->ldx = codes->ldq;
    c->xscale = codes->scale;
    c->xzero = l->aq.div == 0 && l->aq.zero ? codes->zero : NULL;
}

pe_status pe_linear_run(const pe_linear *l, float *y, size_t ldy, const float *x, size_t ldx,
                        const pe_codes *codes, size_t m, pe_act act, void *scratch, pe_queue *q,
                        pe_error *err)
{
    pe_linear_op op = { l->form[pe_bucket_of(m)], product_call(l, m, act, scratch) };
    op.call.y = y;
    op.call.ldy = ldy;
    op.call.x = x;
    op.call.ldx = ldx;
    if (l->int8) take_input(&op.call, l, codes);
    if (!q->backend->linear) return pe_backend_missing(q->backend, "linear", err);
    return q->backend->linear(q, &op, err);
}

/* ---- pairs ----------------------------------------------------------------------------------- */

bool pe_linear_pairs(const pe_linear *a, const pe_linear *b, const pe_backend *be, size_t m)
{
    int i = pe_bucket_of(m);
    return be->linear_pair && a->form[i] == PE_FORM_S8_BLOCK4 && b->form[i] == PE_FORM_S8_BLOCK4;
}

size_t pe_linear_pair_scratch(const pe_linear *a, const pe_linear *b, const pe_backend *be,
                              size_t m, int nthreads)
{
    bool any = false;
    for (int i = 0; i < PE_NBUCKETS; i++)
        any |= a->form[i] == PE_FORM_S8_BLOCK4 && b->form[i] == PE_FORM_S8_BLOCK4;
    return any && be->pair_scratch ? be->pair_scratch(be, m, a->k, a->n, b->n, nthreads) : 0;
}

pe_status pe_linear_run_pair(const pe_linear *a, pe_act act, const pe_linear *b, float *y,
                             const pe_codes *in, pe_codes *mid, size_t m, void *scratch,
                             pe_queue *q, pe_error *err)
{
    pe_pair_call c = { product_call(a, m, act, scratch), product_call(b, m, PE_ACT_NONE, NULL),
                       codes_call(mid, &b->aq, m, a->n) };
    take_input(&c.first, a, in);
    c.second.y = y;
    c.second.ldy = b->n;
    return q->backend->linear_pair(q, &c, err);
}
