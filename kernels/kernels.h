/* kernels/kernels.h - the arithmetic of every op as plain functions on raw pointers, one type an
 * op. kernels/ref/ is the meaning to the bit; list.def names the variants; select.c picks them
 * once. Letters: T tokens (rows of activations), d width, m n k of a product, y[m,n] = x[m,k]
 * w[n,k]^T. Everything is row-major; ld* is the distance between rows in elements.
 *
 * Rules that make every level, batch, blocking and thread count give the same bits:
 *  - a product is one FMA chain over ascending k that starts at +0 (int8: exact in int32, k <=
 * 65536); then the epilogue, each step rounded: f32  y = act((chain + bias) + 0), no bias:
 * act(chain + 0); int8  y = act(fmaf((float)acc * xscale, wscale, bias)), acc already without the
 * zero point, bias +0 where there is none;
 *  - a row reduction keeps 16 virtual lanes, lane = column mod 16, each summed in ascending order
 * from +0 (squares by fmaf(x, x, lane)), then folded 8, 4, 2, 1 (lane i += lane i+8, ...);
 *  - softmax takes the maximum of the whole row, sums exp(s - max) by absolute key index in those
 *    lanes; in attention s is the chain of (q * scale) k, and the weighted sum of values is an FMA
 *    chain over ascending keys; both end with a product by 1 / sum;
 *  - exp, tanh, gelu are the polynomials of kernels/ref/ref_math.h, in that order of FMAs;
 *  - division is division and sqrt is sqrt; no reciprocal estimates;
 *  - the + 0 of the f32 epilogue turns -0 (a chain of products that underflowed) into +0.
 * So skipping a zero weight changes nothing for finite activations. Which NaN comes out of
 * non-finite input is not fixed; that there is one, or an error of the op, is. Kernels never
 * allocate: scratch comes from the caller, sized by the *_scratch functions. */
#ifndef PE_KERNELS_KERNELS_H
#define PE_KERNELS_KERNELS_H

#include "lib/base/pool.h"

typedef enum pe_act {
    PE_ACT_NONE,
    PE_ACT_GELU_ERF,
    PE_ACT_GELU_CODES, /* the erf form within 1.3e-4, for what is seen as int8 codes only */
    PE_ACT_GELU_TANH,
    PE_ACT_RELU,
    PE_ACT_TANH
} pe_act;
enum { PE_NACTS = PE_ACT_TANH + 1 };

/* ---- linear layers -------------------------------------------------------------------------- */

/* Source of a linear layer: dense, row-major, as the loader made it. */
typedef struct pe_matrix {
    size_t n, k;      /* outputs, inputs */
    const float *f32; /* [n, k] for float forms, else NULL */
    const int8_t *s8; /* [n, k] codes for forms of int8 weights, else NULL */
} pe_matrix;

/* One product to compute. f32 forms read x; int8 forms read xq, xscale, xzero, wscale, wsum. */
typedef struct pe_linear_call {
    float *y;         /* [m, n], ldy */
    const float *x;   /* [m, k], ldx */
    const int8_t *xq; /* [m, k] codes, ldx; rows are 64-byte aligned and readable (and zero) up to
                       * the next multiple of 64 codes */
    const float *xscale;  /* [m] */
    const int32_t *xzero; /* [m], NULL = all zero; acc = sum (xq - xzero) * wq */
    size_t ldy, ldx, m, n, k;
    const void *packed;  /* made by the form's pack() */
    const float *wscale; /* [n] */
    const int32_t *wsum; /* [n] sum of the row's codes */
    const float *bias;   /* [n], NULL = none */
    pe_act act;
    bool narrow;   /* loading proved |code| <= 127 on both sides */
    void *scratch; /* scratch_nbytes() of it, 64-byte aligned */
    pe_pool *pool;
} pe_linear_call;

/* A way to execute a linear layer: its own packed copy of the weights and the product on it. */
typedef struct pe_linear_form {
    size_t (*packed_nbytes)(const pe_matrix *w);
    void (*pack)(void *packed, const pe_matrix *w); /* packed is 64-byte aligned; pool-free: the
                                                       loader packs several matrices at once */
    size_t (*scratch_nbytes)(size_t m, size_t n, size_t k, int nthreads);
    void (*run)(const pe_linear_call *c);
} pe_linear_form;

typedef enum pe_form {
    PE_FORM_F32_DENSE,
    PE_FORM_F32_CSR,
    PE_FORM_S8_DENSE,
    PE_FORM_S8_BITMASK, /* 64-bit mask a 64 codes: one to a few tokens */
    PE_FORM_S8_BLOCK4,  /* 1x4 blocks along the inputs: batches */
    PE_FORM_F32_BSR,    /* these on devices only: blocks of 32 x 32 .. */
    PE_FORM_F32_ELL,
    PE_FORM_BF16_DENSE, /* .. and products of 16-bit floats, whose results are other ones */
    PE_FORM_F16_DENSE,
    PE_FORM_BF16_BITMASK, /* f32 inputs and sums over weights as the file holds them: 16-bit .. */
    PE_FORM_F16_BITMASK,
    PE_FORM_W8_DENSE, /* .. and int8 codes; all three for few tokens */
    PE_NFORMS
} pe_form;
/* "dense", "csr", "dense", "bitmask", "block4", "bsr", "blocked-ell", "dense", "dense", "bitmask",
 * "bitmask", "int8-weights" */
const char *pe_form_name(pe_form f);

/* ---- everything else ------------------------------------------------------------------------ */

/* Row codes of activations. Dynamic: scale[t] = absmax(row) / div, codes rint(x/scale) ties to
 * even, clamped to -127..127 (div 127) or -128..127 (div 127.5); a row whose scale is 0 (all zero,
 * or so small that the quotient underflows) has codes 0, and so has a row that holds NaN or Inf:
 * its scale is NaN, which tells. Zero points, if asked for, are 0. Static: scale and zero are
 * given; asymmetric (zero not NULL) codes = clamp(rint(x/scale) + zero, -128, 127), symmetric (zero
 * NULL, static_zero 0) -127..127; scale[t] and zero[t] repeat them; NaN gets the lowest code: the
 * caller has checked for it. */
typedef struct pe_quantize_call {
    int8_t *q;      /* [m, k], ldq a multiple of 64, columns k..ldq are set to 0 */
    float *scale;   /* [m] out */
    int32_t *zero;  /* [m] out, or NULL when symmetric */
    const float *x; /* [m, k], ldx */
    size_t ldq, ldx, m, k;
    float div; /* dynamic: 127 or 127.5; 0 = static */
    float static_scale;
    int32_t static_zero;
    pe_pool *pool;
} pe_quantize_call;

/* Two layers with nothing but an activation and new codes between them, as one: the same bits as
 * first, quantize_rows, second, but what is between never becomes rows. first.y, second.xq,
 * .xscale, .xzero and codes.q, .x, .ldq, .ldx are not read; codes.scale (and zero) are filled. With
 * a static scale, too, a row that is not finite between the two has the scale NaN. */
typedef struct pe_pair_call {
    pe_linear_call first, second; /* packed by the same form; the scratch is that of first */
    pe_quantize_call codes;
} pe_pair_call;

/* Ragged attention: row r owns tokens row_begin[r]..row_begin[r+1]; no padding exists.
 * out[t, h*hd + i] = softmax((q * scale) k^T) v within the row and head. */
typedef struct pe_attention_call {
    float *out;
    const float *q, *k, *v; /* [tokens, heads * head_dim], distances ldq for q, ldkv for k and v */
    size_t ldo, ldq, ldkv, heads, head_dim, nrows;
    const uint32_t *row_begin; /* [nrows + 1] */
    const uint32_t
        *q_begin; /* [nrows + 1] rows of q and out that belong to row r; NULL = row_begin.
                   * With fewer: only the first token asks, or (later) a KV cache answers */
    float scale;
    size_t longest, most_queries; /* of a row; for devices that cannot look at row_begin */
    void *scratch;                /* attention_scratch(longest row, head_dim, nthreads) */
    pe_pool *pool;
} pe_attention_call;

/* Sum of table rows, then nothing else: norm is its own op. Added in this order: word, type,
 * position, task; NULL tables are skipped. The word table may be int8 with a scale a row. */
typedef struct pe_embed_call {
    float *y;          /* [T, d] */
    const float *word; /* [vocab, d], or NULL with word_s8 and word_scale */
    const int8_t *word_s8;
    const float *word_scale;
    const float *type, *pos, *task;                     /* tables */
    const int32_t *ids, *type_ids, *pos_ids, *task_ids; /* [T], checked by the caller */
    size_t T, d;
    pe_pool *pool;
} pe_embed_call;

/* Both layers are of PE_FORM_S8_BLOCK4; scratch of m tokens, k inputs, `mid` outputs of the first.
 */
typedef void pe_k_s8_block4_pair(const pe_pair_call *c);
typedef size_t pe_k_s8_block4_pair_scratch(size_t m, size_t k, size_t mid, size_t n, int nthreads);
typedef void pe_k_quantize_rows(const pe_quantize_call *c);
typedef void pe_k_attention(const pe_attention_call *c);
typedef size_t pe_k_attention_scratch(size_t longest, size_t head_dim, int nthreads);
/* The same between int8 codes, for models that are quantized anyway. Codes are rint(x * (127 / a)),
 * a the largest magnitude of a query's head, and of all keys and all values of a row's head (below
 * 2^-100: codes 0); scores and weighted sums are exact, up to PE_S8_KEYS keys. Weights are bytes, w
 * = rint(255 * 2^(c (s - max s))), c = (qscale * kscale) * (scale * log2 e), scales a / 127, 2^x by
 * a cubic (ref_poly.h); out = fmaf(sum w v, vscale / sum w, 0). Where a part is not finite the
 * answer is NaN. Scratch: attention_s8_scratch. (P. Zhang et al., SageAttention, 2024, with bytes
 * for the weights, too.) */
enum { PE_S8_KEYS = 65536 }; /* the most of a row: sums stay exact */
typedef void pe_k_attention_s8(const pe_attention_call *c);
typedef size_t pe_k_attention_s8_scratch(size_t longest, size_t head_dim, int nthreads);
typedef void pe_k_embed(const pe_embed_call *c);
/* y = layernorm(x + res) * gamma + beta, rows of d; res may be NULL, y may be x. Mean and variance
 * (of x - mean, biased) by the 16-lane rule; y = fmaf((v - mean) * (1 / sqrtf(var + eps)), gamma,
 * beta). */
typedef void pe_k_layernorm(float *y, const float *x, const float *res, const float *gamma,
                            const float *beta, float eps, size_t T, size_t d, pe_pool *pool);
typedef void pe_k_activate(float *x, size_t n, pe_act act, pe_pool *pool); /* in place */
typedef void pe_k_softmax_rows(float *x, size_t m, size_t n);              /* in place */
/* y[r] = mean of the row's tokens (ascending sums, one division). */
typedef void pe_k_mean_pool(float *y, const float *x, const uint32_t *row_begin, size_t nrows,
                            size_t d, pe_pool *pool);
typedef void pe_k_l2_normalize(float *x, size_t m, size_t d); /* x / max(norm, 1e-12), in place */
typedef bool pe_k_all_finite(const float *x, size_t n, pe_pool *pool);
/* Widening of stored weights. */
typedef void pe_k_bf16_to_f32(float *y, const uint16_t *x, size_t n);
typedef void pe_k_f16_to_f32(float *y, const uint16_t *x, size_t n);

/* ---- passes over weights (rows of a [n, k] matrix, one thread's share; the pass loops) --------
 */
/* max |x|; NaN or Inf anywhere gives NaN (the one of <math.h>); n = 0 gives 0. */
typedef float pe_k_absmax_f32(const float *x, size_t n);
/* Codes of one output channel with a given scale: rint(x/scale), ties to even, clamped to
 * -127..127; scale 0 gives codes 0. x is finite. */
typedef void pe_k_quantize_weights(int8_t *q, const float *x, size_t n, float scale);
/* Returns how many |x| are below lo; the |x| in [lo, hi] are appended, in order, at mid[*nmid], and
 * *nmid grows by their number (mid has room for n more). 0 <= lo <= hi; x has no NaN. */
typedef size_t pe_k_magnitude_bracket(float *mid, size_t *nmid, const float *x, size_t n, float lo,
                                      float hi);
/* Zero (+0) |x| < t in place; |x| == t are kept; returns how many |x| equal t exactly. */
typedef size_t pe_k_zero_below(float *x, size_t n, float t);
/* Keep the `keep` largest magnitudes of every `of` consecutive, the others become +0; ties zero the
 * higher index. n is a multiple of `of`, 1 <= keep <= of. */
typedef void pe_k_prune_nm(float *x, size_t n, int keep, int of);
/* Elements whose bits are all zero (so -0.0 is none); elem_nbytes 1, 2, 4 or 8. */
typedef size_t pe_k_count_zero(const void *x, size_t n, size_t elem_nbytes);

typedef struct pe_kernels {
    const char *level; /* highest level in use */
    unsigned features;
    const pe_linear_form *form[PE_NFORMS]; /* NULL: devices only; else never, ref has it */
#define PE_OP(name) pe_k_##name *name;
#include "kernels/ops.def"
#undef PE_OP
} pe_kernels;

/* The table for a set of feature bits (kernels/cpu.h); rows of list.def, last match wins. Tests ask
 * for each level; everybody else calls pe_kernels_get. */
void pe_kernels_select(pe_kernels *out, unsigned features);
/* The table of this process, chosen on first use, capped by PE_CPU; NULL and PE_E_ARG only for an
 * unknown PE_CPU. */
const pe_kernels *pe_kernels_get(pe_error *err);

#endif
