/* kernels/body/s8_pair_body.h - two sparse int8 products with an activation and new codes between
 * them. What is between stays as the products have it, tokens in lanes: no transposition, and the
 * codes of a lane are stored where the second product reads them. Include an s8_lanes_*.h first.
 * Read next: kernels/body/s8_block4_body.h, kernels/body/quantizer.h. */
#ifndef PE_KERNELS_S8_PAIR_BODY_H
#define PE_KERNELS_S8_PAIR_BODY_H

#include <math.h>

#include "kernels/body/quantizer.h"
#include "kernels/body/s8_block4_body.h"

enum { S8_CODE_GROUPS = 128 }; /* groups of outputs whose codes one task makes */

typedef struct s8_pair {
    const pe_pair_call *c;
    s8_block4 first, second;
    float *mid;      /* tiles one after the other, [first.n][tokens] */
    int32_t *most;   /* [panels][tokens of all tiles] largest magnitudes of a panel, as bits */
    size_t ntokens;  /* of all tiles */
    size_t ncorners; /* of 16 tokens */
    size_t nchunks;  /* tasks a corner */
} s8_pair;

static size_t s8_tile_tokens(size_t m)
{
    size_t tokens = 0;
    while (tokens < m) tokens += s8_tile_width(m - tokens);
    return tokens;
}

static size_t s8_pair_panels(size_t n)
{
    return (n + S8_PANEL - 1) / S8_PANEL;
}

static size_t s8_pair_scratch(size_t m, size_t k, size_t mid, size_t n, int nthreads)
{
    size_t tokens = s8_tile_tokens(m);
    return s8_block4_scratch(m, mid, k, nthreads) + s8_block4_scratch(m, n, mid, nthreads) +
           tokens * mid * sizeof(float) + tokens * s8_pair_panels(mid) * sizeof(int32_t);
}

/* What all rows of a panel share: scales and zero points of the tokens, and their largest
 * magnitudes so far. */
typedef struct s8_tokens {
    v16 scale[4];
    i16 zero[4], most[4];
} s8_tokens;

V16_INLINE s8_tokens s8_tokens_at(const pe_linear_call *c, size_t t, const size_t z)
{
    s8_tokens k;
#pragma GCC unroll 4
    for (size_t i = 0; i < z; i++) {
        size_t at = t + 16 * i, count = at >= c->m ? 0 : c->m - at < 16 ? c->m - at : 16;
        k.scale[i] = count ? v_load_n(c->xscale + at, count) : v_zero();
        k.zero[i] = count && c->xzero ? i_load_n(c->xzero + at, count) : i_zero();
        k.most[i] = i_zero();
    }
    return k;
}

/* Outputs n.. of 16 * z tokens become floats, `rows` of them at a time; all but n are constants. */
V16_INLINE void s8_pair_rows(const pe_linear_call *c, s8_tokens *k, const char *sums, float *y,
                             size_t n, const size_t rows, const size_t z, const pe_act act)
{
    v16 v[4];
#pragma GCC unroll 4
    for (size_t i = 0; i < rows * z; i++) {
        size_t r = n + i / z;
        i16 acc = i_load(sums + 64 * i);
        if (S8_GROUP != 2 && c->xzero) acc = i_sub(acc, i_mul(i_set1(c->wsum[r]), k->zero[i % z]));
        v[i] = v_fma(v_mul(i_to_float(acc), k->scale[i % z]), v_set1(c->wscale[r]),
                     c->bias ? v_set1(c->bias[r]) : v_zero());
    }
    v_act(v, rows * z, act);
#pragma GCC unroll 4
    for (size_t i = 0; i < rows * z; i++) {
        k->most[i % z] = i_max(quantize_magnitude(v[i]), k->most[i % z]);
        v_store(y + 16 * i, v[i]);
    }
}

/* A panel for a tile of 16 * z tokens; the largest magnitudes of each token are kept. */
V16_INLINE void s8_pair_store_as(const pe_linear_call *c, const char *sums, size_t n0, size_t t,
                                 float *y, int32_t *most, const size_t z, const pe_act act)
{
    const size_t side = z < V16_SIDE ? V16_SIDE / z : 1;
    size_t cols = c->n - n0 < S8_PANEL ? c->n - n0 : S8_PANEL, r = 0;
    s8_tokens k = s8_tokens_at(c, t, z);
    for (; r + side <= cols; r += side)
        s8_pair_rows(c, &k, sums + r * z * 64, y + r * z * 16, n0 + r, side, z, act);
    for (; r < cols; r++) s8_pair_rows(c, &k, sums + r * z * 64, y + r * z * 16, n0 + r, 1, z, act);
#pragma GCC unroll 4
    for (size_t i = 0; i < z; i++) i_store(most + 16 * i, k.most[i]);
}

#define S8_PAIR_STORE(name, act)                                                                   \
    static void name(const pe_linear_call *c, const char *sums, size_t width, size_t n0, size_t t, \
                     float *y, int32_t *most)                                                      \
    {                                                                                              \
        switch (width) {                                                                           \
        case 16: s8_pair_store_as(c, sums, n0, t, y, most, 1, act); break;                         \
        case 32: s8_pair_store_as(c, sums, n0, t, y, most, 2, act); break;                         \
        default: s8_pair_store_as(c, sums, n0, t, y, most, 4, act);                                \
        }                                                                                          \
    }
S8_PAIR_STORE(s8_pair_none, PE_ACT_NONE)
S8_PAIR_STORE(s8_pair_gelu_erf, PE_ACT_GELU_ERF)
S8_PAIR_STORE(s8_pair_gelu_codes, PE_ACT_GELU_CODES)
S8_PAIR_STORE(s8_pair_gelu_tanh, PE_ACT_GELU_TANH)
S8_PAIR_STORE(s8_pair_relu, PE_ACT_RELU)
S8_PAIR_STORE(s8_pair_tanh, PE_ACT_TANH)

static void s8_pair_store(const pe_linear_call *c, const char *sums, size_t width, size_t n0,
                          size_t t, float *y, int32_t *most)
{
    switch (c->act) {
    case PE_ACT_NONE: s8_pair_none(c, sums, width, n0, t, y, most); break;
    case PE_ACT_GELU_ERF: s8_pair_gelu_erf(c, sums, width, n0, t, y, most); break;
    case PE_ACT_GELU_CODES: s8_pair_gelu_codes(c, sums, width, n0, t, y, most); break;
    case PE_ACT_GELU_TANH: s8_pair_gelu_tanh(c, sums, width, n0, t, y, most); break;
    case PE_ACT_RELU: s8_pair_relu(c, sums, width, n0, t, y, most); break;
    case PE_ACT_TANH: s8_pair_tanh(c, sums, width, n0, t, y, most); break;
    }
}

/* A panel of outputs of the first layer for a tile of tokens. */
static void s8_first_task(void *arg, size_t index, int worker)
{
    const s8_pair *p = arg;
    const s8_block4 *b = &p->first;
    size_t panel = index % b->w.npanels, n0 = panel * S8_PANEL, t;
    size_t width = s8_tile_at(b, index / b->w.npanels, &t);
    char *sums = b->acc + (size_t)worker * S8_PANEL * S8_MAX_TILE * 4;
    for (size_t split = 0; split < b->w.nsplits; split++)
        s8_run_cell(b, sums, t, width, panel, split);
    s8_pair_store(b->c, sums, width, n0, t, p->mid + t * b->c->n + n0 * width,
                  p->most + panel * p->ntokens + t);
}

/* How the codes of sixteen tokens are made. */
typedef struct s8_coder {
    quantizer q;
    _Alignas(64) float scale[16];
    quantize_way way;
} s8_coder;

/* Rows without codes (scale 0, NaN) take the quotients of 1 / 0: zeros, or anything where the scale
 * tells. */
static s8_coder s8_coder_of(const s8_pair *p, size_t t)
{
    const pe_quantize_call *c = &p->c->codes;
    float zero = c->div == 0 && c->zero ? (float)c->static_zero : 0;
    float lo = c->div > 0 ? (c->div > 127 ? -128 : -127) : (c->zero ? -128 : -127);
    s8_coder coder = { .way = quantize_way_of(c->div) };
    i16 most = i_zero();
    for (size_t i = 0; i < p->first.w.npanels; i++)
        most = i_max(i_load(p->most + i * p->ntokens + t), most);
    v16 m = v_as_float(most), one = v_set1(1.0f), none = v_zero();
    v16 scale = c->div > 0 ? v_div(m, v_set1(c->div)) : v_set1(c->static_scale);
    scale = v_add(scale, v_mul(m, none)); /* NaN where something is not finite */
    v_store(coder.scale, scale);
    for (size_t i = 0; i < 16; i++)
        if (coder.scale[i] > 0 && !(coder.scale[i] > 0x1p-100f && coder.scale[i] < 0x1p100f))
            coder.way = QUANTIZE_DIVIDE;
    v16 used = v_if_gt(scale, none, scale, one);
    coder.q = (quantizer){ .scale = used,
                           .inverse = v_if_gt(scale, none, v_div(one, used), none),
                           .most = v_mul(v_set1(1024.0f), used),
                           .lo = v_set1(lo - zero),
                           .hi = v_set1(127 - zero),
                           .zero = i_set1((int32_t)zero) };
    return coder;
}

/* Codes of sixteen tokens, groups g0..g1 of outputs; way is a constant. */
V16_INLINE void s8_pair_codes_as(const s8_pair *p, const quantizer *q, const float *mid, char *x,
                                 size_t width, size_t g0, size_t g1, const quantize_way way)
{
    const pe_quantize_call *call = &p->c->codes;
    i16 zero = i_set1(S8_GROUP == 2 && call->zero && call->div == 0 ? call->static_zero : 0);
    i16 flip = i_set1(S8_GROUP == 4 ? (int32_t)0x80808080 : 0);
    size_t n = p->first.c->n;
    for (size_t g = g0; g < g1; g++) {
        i16 c[S8_GROUP];
#pragma GCC unroll 4
        for (size_t j = 0; j < S8_GROUP; j++) {
            size_t r = g * S8_GROUP + j;
            c[j] = r < n ? i_sub(quantize_codes(v_load(mid + r * width), q, way), zero) : i_zero();
        }
        i_store(x + g * width * 4, i_xor(i_join(c), flip));
    }
}

static void s8_pair_codes(const s8_pair *p, const s8_coder *coder, const float *mid, char *x,
                          size_t width, size_t g0, size_t g1)
{
    const quantizer q = coder->q;
    switch (coder->way) {
    case QUANTIZE_WITHIN: s8_pair_codes_as(p, &q, mid, x, width, g0, g1, QUANTIZE_WITHIN); break;
    case QUANTIZE_BOUNDED: s8_pair_codes_as(p, &q, mid, x, width, g0, g1, QUANTIZE_BOUNDED); break;
    case QUANTIZE_PLAIN: s8_pair_codes_as(p, &q, mid, x, width, g0, g1, QUANTIZE_PLAIN); break;
    case QUANTIZE_DIVIDE: s8_pair_codes_as(p, &q, mid, x, width, g0, g1, QUANTIZE_DIVIDE); break;
    }
}

/* The tile of token t, a multiple of 16: its first token; returns its width. */
static size_t s8_tile_of(size_t m, size_t t, size_t *first)
{
    *first = 0;
    for (;;) {
        size_t width = s8_tile_width(m - *first);
        if (t < *first + width) return width;
        *first += width;
    }
}

/* Some groups of codes of sixteen tokens. */
static void s8_codes_task(void *arg, size_t index, int worker)
{
    const s8_pair *p = arg;
    const pe_quantize_call *c = &p->c->codes;
    size_t chunk = index % p->nchunks, t = index / p->nchunks * 16, t0;
    size_t width = s8_tile_of(p->first.c->m, t, &t0), n = p->first.c->n;
    size_t ngroups = (n + S8_GROUP - 1) / S8_GROUP, g0 = chunk * S8_CODE_GROUPS;
    s8_coder coder = s8_coder_of(p, t);
    (void)worker;
    s8_pair_codes(p, &coder, p->mid + t0 * n + (t - t0),
                  p->second.x + (t0 * p->second.ngroups + (t - t0)) * 4, width, g0,
                  ngroups - g0 < S8_CODE_GROUPS ? ngroups : g0 + S8_CODE_GROUPS);
    for (size_t i = 0; !chunk && i < 16 && t + i < p->first.c->m; i++) {
        c->scale[t + i] = coder.scale[i];
        if (c->zero) c->zero[t + i] = c->div > 0 ? 0 : c->static_zero;
    }
}

static void s8_pair_run(const pe_pair_call *c)
{
    pe_linear_call second = c->second;
    s8_pair p = { .c = c };
    size_t m = c->first.m, mid = c->first.n;
    int nthreads = pe_pool_nthreads(c->first.pool);
    char *scratch = c->first.scratch;
    if (!m || !second.n) return;
    second.xscale = c->codes.scale;
    second.xzero = c->codes.zero;
    p.ntokens = s8_tile_tokens(m);
    p.ncorners = p.ntokens / 16;
    p.nchunks = mid / S8_GROUP / S8_CODE_GROUPS + 1;
    p.first = s8_block4_open(&c->first, scratch);
    scratch += s8_block4_scratch(m, mid, c->first.k, nthreads);
    p.second = s8_block4_open(&second, scratch);
    scratch += s8_block4_scratch(m, second.n, mid, nthreads);
    p.mid = (float *)(void *)scratch;
    p.most = (int32_t *)(void *)(scratch + p.ntokens * mid * sizeof(float));
    s8_block4_prepare(&p.first);
    pe_pool_run(c->first.pool, p.first.ntiles * p.first.w.npanels, s8_first_task, &p);
    pe_pool_run(c->first.pool, p.ncorners * p.nchunks, s8_codes_task, &p);
    pe_pool_run(c->first.pool, p.second.ntiles * p.second.w.npanels, s8_block4_task, &p.second);
}

#endif
