/* lib/calib/layer_error.c - see layer_error.h: both products by the kernels that execute the model.
 * Read next: lib/quant/quant_error.c. */
#include "lib/calib/layer_error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"

typedef struct product {
    const pe_kernels *kern;
    pe_pool *pool;
    const pe_calib_layer *layer;
    size_t n;
} product;

static void *alloc64(size_t nbytes)
{
    return aligned_alloc(64, (nbytes + 127) / 64 * 64);
}

/* y [ntokens, n] by a form; the call's inputs are set by the caller. */
static pe_status run_form(float *y, const product *p, pe_form form, const pe_matrix *w,
                          pe_linear_call call, pe_error *err)
{
    const pe_linear_form *f = p->kern->form[form];
    size_t m = p->layer->ntokens, packed_nbytes = f->packed_nbytes(w);
    size_t scratch = f->scratch_nbytes(m, w->n, w->k, pe_pool_nthreads(p->pool));
    void *packed = alloc64(packed_nbytes), *work = alloc64(scratch);
    pe_status st = PE_OK;

    if (packed == NULL || work == NULL)
        st = pe_fail_nomem(err, "layer to compare", packed_nbytes + scratch);
    if (!st) {
        f->pack(packed, w);
        call.y = y;
        call.ldy = call.n = w->n;
        call.m = m;
        call.k = w->k;
        call.packed = packed;
        call.scratch = work;
        call.pool = p->pool;
        f->run(&call);
    }
    free(packed);
    free(work);
    return st;
}

static pe_status run_f32(float *y, const product *p, const float *w, pe_error *err)
{
    pe_matrix m = { .n = p->n, .k = p->layer->k, .f32 = w };
    pe_linear_call call = { .x = p->layer->sample, .ldx = p->layer->k };

    return run_form(y, p, PE_FORM_F32_DENSE, &m, call, err);
}

static pe_status run_dequantized(float *y, const product *p, const int8_t *codes,
                                 const float *scales, pe_error *err)
{
    size_t k = p->layer->k;
    float *w = malloc(p->n * k * sizeof *w);
    pe_status st;

    if (w == NULL) return pe_fail_nomem(err, "layer to compare", p->n * k * sizeof *w);
    for (size_t i = 0; i < p->n; i++) {
        for (size_t j = 0; j < k; j++) w[i * k + j] = (float)codes[i * k + j] * scales[i];
    }
    st = run_f32(y, p, w, err);
    free(w);
    return st;
}

static pe_status run_int8(float *y, const product *p, const int8_t *codes, const float *scales,
                          const pe_input_rule *rule, pe_error *err)
{
    size_t k = p->layer->k, m = p->layer->ntokens, ldq = (k + 63) / 64 * 64;
    int8_t *q = alloc64(m * ldq);
    float *xscale = malloc(m * sizeof *xscale);
    int32_t *xzero = malloc(m * sizeof *xzero), *wsum = malloc(p->n * sizeof *wsum);
    bool asymmetric = rule->fixed && rule->asymmetric;
    pe_status st = PE_OK;

    if (q == NULL || xscale == NULL || xzero == NULL || wsum == NULL)
        st = pe_fail_nomem(err, "codes to compare", m * ldq);
    if (!st) {
        pe_matrix w = { .n = p->n, .k = k, .s8 = codes };
        pe_quantize_call quantize = { .q = q,
                                      .scale = xscale,
                                      .zero = asymmetric ? xzero : NULL,
                                      .x = p->layer->sample,
                                      .ldq = ldq,
                                      .ldx = k,
                                      .m = m,
                                      .k = k,
                                      .div = rule->fixed ? 0 : 127,
                                      .static_scale = rule->scale,
                                      .static_zero = rule->zero,
                                      .pool = p->pool };
        pe_linear_call call = { .xq = q,
                                .xscale = xscale,
                                .xzero = asymmetric ? xzero : NULL,
                                .ldx = ldq,
                                .wscale = scales,
                                .wsum = wsum,
                                .narrow = !asymmetric };

        p->kern->quantize_rows(&quantize);
        for (size_t i = 0; i < p->n; i++) {
            wsum[i] = 0;
            for (size_t j = 0; j < k; j++) wsum[i] += codes[i * k + j];
        }
        st = run_form(y, p, PE_FORM_S8_DENSE, &w, call, err);
    }
    free(q);
    free(xscale);
    free(xzero);
    free(wsum);
    return st;
}

static double saturated_share(const pe_calib_layer *l, const pe_input_rule *rule)
{
    float lo = rule->asymmetric ? -128 : -127;
    size_t n = l->ntokens * l->k, out = 0;

    if (!rule->int8 || !rule->fixed || n == 0) return 0;
    for (size_t i = 0; i < n; i++) {
        float code = rintf(l->sample[i] / rule->scale) + (float)rule->zero;
        out += code < lo || code > 127;
    }
    return (double)out / (double)n;
}

pe_status pe_layer_error_of(pe_layer_error *out, const pe_calib_layer *l, const float *w,
                            const int8_t *codes, const float *scales, uint64_t n,
                            const pe_input_rule *rule, pe_pool *pool, pe_error *err)
{
    product p = { pe_kernels_get(err), pool, l, (size_t)n };
    size_t ny = l->ntokens * (size_t)n;
    float *y = malloc((ny + 1) * sizeof *y), *yq = malloc((ny + 1) * sizeof *yq);
    double norm = 0, diff = 0;
    pe_status st = p.kern == NULL ? PE_E_ARG : PE_OK;

    if (y == NULL || yq == NULL) st = pe_fail_nomem(err, "outputs to compare", 2 * ny * sizeof *y);
    if (!st) st = run_f32(y, &p, w, err);
    if (!st && rule->int8) st = run_int8(yq, &p, codes, scales, rule, err);
    else if (!st) st = run_dequantized(yq, &p, codes, scales, err);
    for (size_t i = 0; !st && i < ny; i++) {
        double d = (double)yq[i] - (double)y[i];

        norm += (double)y[i] * (double)y[i];
        diff += d * d;
    }
    out->relative = norm > 0 ? sqrt(diff / norm) : diff > 0 ? INFINITY : 0;
    out->saturated = saturated_share(l, rule);
    free(y);
    free(yq);
    return st;
}
