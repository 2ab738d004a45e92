/* kernels/body/s8_store.h - from exact sums to floats: y = act(fmaf((float)acc * xscale, wscale,
 * bias)). Include an s8_lanes_*.h first. Read next: kernels/body/s8_dense_body.h,
 * s8_block4_body.h. */
#ifndef PE_KERNELS_S8_STORE_H
#define PE_KERNELS_S8_STORE_H

#include "kernels/body/v16_math.h"
#include "lib/base/checked.h"

enum {
    S8_FLIP = S8_GROUP == 4 ? 128 : 0, /* what i_codes adds to each code */
    S8_STEP = 16 * S8_GROUP, /* codes that i_codes prepares; packed codes of a group and a panel */
    S8_ALONE = 16384         /* activations that are prepared faster than threads wake */
};

/* Bytes of a prepared row of k codes. */
static inline size_t s8_xstep(size_t k)
{
    return pe_round_up(k, S8_STEP) / S8_GROUP * 4;
}

/* Row t as the products want it (i_codes), nbytes of it. */
static inline void s8_prepare_row(char *x, size_t nbytes, const pe_linear_call *c, size_t t)
{
    const int8_t *q = c->xq + t * c->ldx;
    for (size_t i = 0; i < nbytes; i += 64)
        i_store(x + i, i_codes(q + i / 4 * S8_GROUP, c->xzero ? c->xzero[t] : 0));
}

/* What a panel of 16 outputs needs. */
typedef struct s8_panel {
    v16 scale, bias;
    i16 wsum;
    size_t n, count; /* first output, outputs that exist */
} s8_panel;

V16_INLINE s8_panel s8_panel_at(const pe_linear_call *c, size_t n)
{
    s8_panel p = { .n = n, .count = c->n - n < 16 ? c->n - n : 16 };
    p.scale = v_load_n(c->wscale + n, p.count);
    p.bias = c->bias ? v_load_n(c->bias + n, p.count) : v_zero();
    p.wsum = S8_GROUP == 2 ? i_zero() : i_load_n(c->wsum + n, p.count);
    return p;
}

/* What the sums of a panel start at: minus what S8_FLIP adds. */
V16_INLINE i16 s8_start(const pe_linear_call *c, size_t n)
{
    size_t count = c->n - n < 16 ? c->n - n : 16;
    if (S8_GROUP == 2) return i_zero();
    return i_mul(i_load_n(c->wsum + n, count), i_set1(-S8_FLIP));
}

/* Sixteen outputs that exist of a token without zero point. */
V16_INLINE void s8_store_plain(float *y, const s8_panel *p, float xscale, i16 acc)
{
    v_store(y, v_fma(v_mul(i_to_float(acc), v_set1(xscale)), p->scale, p->bias));
}

/* acc: the sums of token t, without what S8_FLIP adds. */
V16_INLINE void s8_store_row(const pe_linear_call *c, const s8_panel *p, size_t t, i16 acc)
{
    float *y = c->y + t * c->ldy + p->n;
    if (S8_GROUP != 2 && c->xzero) acc = i_sub(acc, i_mul(p->wsum, i_set1(c->xzero[t])));
    v16 v = v_fma(v_mul(i_to_float(acc), v_set1(c->xscale[t])), p->scale, p->bias);
    if (p->count == 16) v_store(y, v);
    else v_store_n(y, v, p->count);
}

V16_INLINE void s8_activate_as(float *y, size_t ldy, size_t rows, size_t cols, const pe_act act)
{
    for (size_t r = 0; r < rows; r++, y += ldy) v_act_row(y, cols, act);
}

/* Activates a block that was just stored and is still in the nearest cache. */
static inline void s8_activate(float *y, size_t ldy, size_t rows, size_t cols, pe_act act)
{
    switch (act) {
    case PE_ACT_NONE: break;
    case PE_ACT_GELU_ERF: s8_activate_as(y, ldy, rows, cols, PE_ACT_GELU_ERF); break;
    case PE_ACT_GELU_CODES: s8_activate_as(y, ldy, rows, cols, PE_ACT_GELU_CODES); break;
    case PE_ACT_GELU_TANH: s8_activate_as(y, ldy, rows, cols, PE_ACT_GELU_TANH); break;
    case PE_ACT_RELU: s8_activate_as(y, ldy, rows, cols, PE_ACT_RELU); break;
    case PE_ACT_TANH: s8_activate_as(y, ldy, rows, cols, PE_ACT_TANH); break;
    }
}

#endif
