/* kernels/body/attention_s8_body.h - attention between int8 codes: a (row, head) at a time, its
 * keys and values as packed codes in the thread's scratch, some queries a pass, sums exact. Include
 * an s8_lanes_*.h first. Read next: kernels/ref/ref_attention_s8.c (the meaning). */
#ifndef PE_KERNELS_ATTENTION_S8_BODY_H
#define PE_KERNELS_ATTENTION_S8_BODY_H

#include <math.h>
#include <string.h>

#include "kernels/body/v16_math.h"
#include "lib/base/checked.h"

enum {
    S8_QUERIES = 24, /* of one pass: their scores stay in the first cache */
    S8_TILE = 6,     /* queries that share a register of keys */
    S8_KEY_CODES = 16 * S8_GROUP
};

/* Where the parts of one thread lie, in bytes; all of them multiples of 64. */
typedef struct attention_s8_shape {
    size_t keys, flips, values, queries, scores, weights, nbytes;
    size_t qstep, wstep; /* between rows of queries and of weights */
    size_t ngroups, nkeys, nchannels;
} attention_s8_shape;

static attention_s8_shape attention_s8_shape_of(size_t len, size_t hd)
{
    attention_s8_shape s = { .ngroups = (hd + S8_GROUP - 1) / S8_GROUP,
                             .nkeys = pe_round_up(len, 16),
                             .nchannels = pe_round_up(hd, 16) };
    s.qstep = pe_round_up(s.nchannels / S8_GROUP * 4, 64);
    s.wstep = pe_round_up(s.nkeys / S8_GROUP * 4, 64);
    s.flips = s.nkeys * s.ngroups * 4; /* keys: [nkeys/16][ngroups][16][S8_GROUP] */
    s.values = s.flips + s.nkeys * 4;  /* what bytes + 128 add to the scores, negative */
    s.queries =
        s.values + s.nkeys / S8_GROUP * s.nchannels * 4; /* [nchannels/16][groups][16][..] */
    s.scores = s.queries + S8_QUERIES * s.qstep;
    s.weights = s.scores + S8_QUERIES * s.nkeys * 4;
    s.nbytes = s.weights + S8_QUERIES * s.wstep;
    return s;
}

static size_t attention_s8_scratch_nbytes(size_t longest, size_t head_dim, int nthreads)
{
    return attention_s8_shape_of(longest, head_dim).nbytes * (size_t)nthreads;
}

/* One row and head, ready to answer. */
typedef struct attention_s8 {
    attention_s8_shape at;
    char *memory;
    const float *q; /* of the first query */
    float *out;
    size_t ldq, ldo, len, hd;
    float kscale, vscale, scale;
    float factor[S8_QUERIES], c[S8_QUERIES]; /* of the queries of a pass */
} attention_s8;

typedef struct coder {
    float scale, inverse;
} coder;

/* As integers without the sign, NaN and Inf are above every finite number; they give NaN. */
V16_INLINE coder coder_of(const float *x, size_t ld, size_t nrows, size_t hd)
{
    i16 most[2] = { i_zero(), i_zero() };
    for (size_t r = 0; r < nrows; r++, x += ld) {
        size_t i = 0;
        for (; i + 32 <= hd; i += 32) {
            most[0] = i_max(v_as_int(v_abs(v_load(x + i))), most[0]);
            most[1] = i_max(v_as_int(v_abs(v_load(x + i + 16))), most[1]);
        }
        for (; i < hd; i += 16) {
            v16 part = hd - i < 16 ? v_load_n(x + i, hd - i) : v_load(x + i);
            most[0] = i_max(v_as_int(v_abs(part)), most[0]);
        }
    }
    int32_t bits = i_fold_max(i_max(most[0], most[1]));
    float m = NAN;
    if (bits < 0x7f800000) memcpy(&m, &bits, sizeof m);
    return (coder){ m / 127, m >= PE_S8_LEAST ? 127 / m : 0 };
}

V16_INLINE i16 codes_of(const float *x, size_t n, v16 inverse)
{
    return i_from_float(v_mul(n < 16 ? v_load_n(x, n) : v_load(x), inverse));
}

/* ---- keys and values into the scratch -------------------------------------------------------- */

/* Sixteen keys, of which `rows` exist, from channel `from` on: rows become lanes. */
static void attention_s8_keys(char *to, const float *k, size_t ldkv, size_t rows, size_t hd,
                              size_t from, v16 inverse)
{
    _Alignas(64) int8_t codes[16][64] = { 0 };
    i16 v[16];
    size_t count = hd - from < S8_KEY_CODES ? hd - from : S8_KEY_CODES;
    for (size_t r = 0; r < rows; r++, k += ldkv)
        for (size_t i = 0; i < count; i += 16)
            i_store_s8(codes[r] + i, codes_of(k + from + i, count - i, inverse));
    for (size_t r = 0; r < 16; r++) v[r] = i_plain(codes[r]);
    i_transpose(v);
    for (size_t g = 0; g * S8_GROUP < count; g++) i_store(to + g * 64, v[g]);
}

/* Scores of bytes + 128 start at minus 128 times the sum of a key's codes. */
static void attention_s8_flips(const attention_s8 *h)
{
    for (size_t j = 0; j < h->at.nkeys; j += 16) {
        const char *keys = h->memory + j * h->at.ngroups * 4;
        i16 sum = i_zero();
        for (size_t g = 0; S8_GROUP == 4 && g < h->at.ngroups; g++)
            sum = i_dot(sum, i_set1(0x01010101), i_load(keys + g * 64));
        i_store(h->memory + h->at.flips + j * 4, i_mul(sum, i_set1(-128)));
    }
}

static void attention_s8_values(const attention_s8 *h, const float *v, size_t ldkv, v16 inverse)
{
    size_t ngroups = h->at.nkeys / S8_GROUP;
    for (size_t g = 0; g < ngroups; g++)
        for (size_t i = 0; i < h->hd; i += 16) {
            i16 c[S8_GROUP];
            for (size_t j = 0; j < S8_GROUP; j++) {
                size_t key = g * S8_GROUP + j;
                c[j] = key < h->len ? codes_of(v + key * ldkv + i, h->hd - i, inverse) : i_zero();
            }
            i_store(h->memory + h->at.values + (i / 16 * ngroups + g) * 64, i_join(c));
        }
}

static void attention_s8_gather(attention_s8 *h, const float *k, const float *v, size_t ldkv)
{
    coder kc = coder_of(k, ldkv, h->len, h->hd), vc = coder_of(v, ldkv, h->len, h->hd);
    v16 inverse = v_set1(kc.inverse);
    for (size_t j = 0; j < h->len; j += 16)
        for (size_t i = 0; i < h->hd; i += S8_KEY_CODES)
            attention_s8_keys(h->memory + (j * h->at.ngroups + i / S8_GROUP * 16) * 4, k + j * ldkv,
                              ldkv, h->len - j < 16 ? h->len - j : 16, h->hd, i, inverse);
    attention_s8_flips(h);
    attention_s8_values(h, v, ldkv, v_set1(vc.inverse));
    h->kscale = kc.scale;
    h->vscale = vc.scale;
}

/* ---- the two products ------------------------------------------------------------------------ */

/* acc += rows of x times panels of 16 lanes; rows and panels are constants: sums stay in registers.
 */
V16_INLINE void attention_s8_dots(i16 acc[S8_TILE][S8_PANELS], const char *x, size_t xstep,
                                  const char *w, size_t ngroups, const size_t rows,
                                  const size_t panels)
{
    const char *row[S8_TILE];
#pragma GCC unroll 6
    for (size_t r = 0; r < rows; r++) row[r] = x + r * xstep;
    for (size_t g = 0; g < ngroups; g++) {
        i16 b[S8_PANELS];
#pragma GCC unroll 4
        for (size_t p = 0; p < panels; p++) b[p] = i_load(w + (p * ngroups + g) * 64);
#pragma GCC unroll 6
        for (size_t r = 0; r < rows; r++) {
            int32_t group;
            __builtin_memcpy(&group, row[r] + 4 * g, sizeof group);
            i16 a = i_set1(group);
#pragma GCC unroll 4
            for (size_t p = 0; p < panels; p++) acc[r][p] = i_dot(acc[r][p], a, b[p]);
        }
    }
}

/* Scores of queries i.. against the keys of panels p.. */
V16_INLINE void attention_s8_score(const attention_s8 *h, size_t i, size_t p, const size_t rows,
                                   const size_t panels)
{
    i16 acc[S8_TILE][S8_PANELS];
    const char *flips = h->memory + h->at.flips + p * 64;
#pragma GCC unroll 6
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (size_t q = 0; q < panels; q++) acc[r][q] = i_load(flips + q * 64);
    attention_s8_dots(acc, h->memory + h->at.queries + i * h->at.qstep, h->at.qstep,
                      h->memory + p * h->at.ngroups * 64, h->at.ngroups, rows, panels);
    char *scores = h->memory + h->at.scores + i * h->at.nkeys * 4 + p * 64;
#pragma GCC unroll 6
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (size_t q = 0; q < panels; q++)
            i_store(scores + r * h->at.nkeys * 4 + q * 64, acc[r][q]);
}

/* Weighted values of queries i.. for the channels of panels p.. */
V16_INLINE void attention_s8_mix(const attention_s8 *h, size_t i, size_t p, const size_t rows,
                                 const size_t panels)
{
    i16 acc[S8_TILE][S8_PANELS];
    size_t ngroups = h->at.nkeys / S8_GROUP;
#pragma GCC unroll 6
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (size_t q = 0; q < panels; q++) acc[r][q] = i_zero();
    attention_s8_dots(acc, h->memory + h->at.weights + i * h->at.wstep, h->at.wstep,
                      h->memory + h->at.values + p * ngroups * 64, ngroups, rows, panels);
#pragma GCC unroll 6
    for (size_t r = 0; r < rows; r++) {
        float *out = h->out + (i + r) * h->ldo + p * 16;
        v16 factor = v_set1(h->factor[i + r]), poison = v_set1(h->c[i + r] * 0);
#pragma GCC unroll 4
        for (size_t q = 0; q < panels; q++) {
            size_t left = h->hd - (p + q) * 16;
            v16 y = v_fma(i_to_float(acc[r][q]), factor, poison);
            if (left >= 16) v_store(out + q * 16, y);
            else v_store_n(out + q * 16, y, left);
        }
    }
}

#define ATTENTION_S8_ROWS(name, tile, panels)                                \
    static void name(const attention_s8 *h, size_t i, size_t p, size_t rows) \
    {                                                                        \
        switch (rows) {                                                      \
        case 1: tile(h, i, p, 1, panels); break;                             \
        case 2: tile(h, i, p, 2, panels); break;                             \
        case 3: tile(h, i, p, 3, panels); break;                             \
        case 4: tile(h, i, p, 4, panels); break;                             \
        case 5: tile(h, i, p, 5, panels); break;                             \
        default: tile(h, i, p, 6, panels);                                   \
        }                                                                    \
    }
ATTENTION_S8_ROWS(attention_s8_score_1, attention_s8_score, 1)
ATTENTION_S8_ROWS(attention_s8_mix_1, attention_s8_mix, 1)
#if S8_PANELS == 4
ATTENTION_S8_ROWS(attention_s8_score_2, attention_s8_score, 2)
ATTENTION_S8_ROWS(attention_s8_mix_2, attention_s8_mix, 2)
ATTENTION_S8_ROWS(attention_s8_score_4, attention_s8_score, 4)
ATTENTION_S8_ROWS(attention_s8_mix_4, attention_s8_mix, 4)
#endif

typedef void attention_s8_tile(const attention_s8 *h, size_t i, size_t p, size_t rows);

/* All tiles of nq queries and npanels panels; tile[] takes 4, 2 and 1 panels. */
static void attention_s8_tiles(const attention_s8 *h, size_t nq, size_t npanels,
                               attention_s8_tile *const tile[3])
{
    for (size_t p = 0, step; p < npanels; p += step) {
        size_t left = npanels - p, size = S8_PANELS == 1 || left == 1 ? 2 : left < 4;
        step = (size_t)4 >> size;
        for (size_t i = 0; i < nq; i += S8_TILE)
            tile[size](h, i, p, nq - i < S8_TILE ? nq - i : S8_TILE);
    }
}

static void attention_s8_products(const attention_s8 *h, size_t nq, bool mix)
{
#if S8_PANELS == 4
    static attention_s8_tile *const score[3] = { attention_s8_score_4, attention_s8_score_2,
                                                 attention_s8_score_1 };
    static attention_s8_tile *const mixed[3] = { attention_s8_mix_4, attention_s8_mix_2,
                                                 attention_s8_mix_1 };
#else
    static attention_s8_tile *const score[3] = { NULL, NULL, attention_s8_score_1 };
    static attention_s8_tile *const mixed[3] = { NULL, NULL, attention_s8_mix_1 };
#endif
    if (mix) attention_s8_tiles(h, nq, h->at.nchannels / 16, mixed);
    else attention_s8_tiles(h, nq, h->at.nkeys / 16, score);
}

/* ---- a pass ---------------------------------------------------------------------------------- */

static void attention_s8_queries(attention_s8 *h, size_t first, size_t nq)
{
    i16 flip = i_set1(S8_GROUP == 4 ? 128 : 0);
    float scale = h->scale * PE_EXP_LOG2E;
    for (size_t i = 0; i < nq; i++) {
        const float *q = h->q + (first + i) * h->ldq;
        char *to = h->memory + h->at.queries + i * h->at.qstep;
        coder qc = coder_of(q, 0, 1, h->hd);
        v16 inverse = v_set1(qc.inverse);
        for (size_t j = 0; j < h->hd; j += 16)
            i_store_operand(to + j / S8_GROUP * 4,
                            i_add(codes_of(q + j, h->hd - j, inverse), flip));
        h->c[i] = qc.scale * h->kscale * scale;
    }
}

/* Without the bound of ref: what lies below it is 0 either way. */
V16_INLINE i16 attention_s8_weight(i16 score, i16 max, v16 c)
{
    v16 z = v_fma(i_to_float(i_sub(score, max)), c, v_set1(PE_S8_EXP_TOP));
    v16 r = v_fraction(z);
    v16 p = v_fma(v_set1(PE_S8_EXP_C3), r, v_set1(PE_S8_EXP_C2));
    p = v_fma(v_fma(p, r, v_set1(PE_S8_EXP_C1)), r, v_set1(PE_S8_EXP_C0));
    return i_from_float(v_times_exp2(p, z));
}

/* The largest score of each query; the lanes beyond len take no part. */
static void attention_s8_max(int32_t *max, const attention_s8 *h, size_t nq)
{
    size_t whole = h->len / 16 * 16, rest = h->len - whole;
    for (size_t i = 0; i < nq; i++) {
        const char *s = h->memory + h->at.scores + i * h->at.nkeys * 4;
        i16 m = i_set1(INT32_MIN);
        for (size_t j = 0; j < whole; j += 16) m = i_max(i_load(s + j * 4), m);
        if (rest)
            m = i_max(v_as_int(v_first_n(rest, v_as_float(i_load(s + whole * 4)), v_as_float(m))),
                      m);
        max[i] = i_fold_max(m);
    }
}

/* Scores become weights; factor[i] = vscale / their sum. The sums are whole numbers below 2^24. */
static void attention_s8_softmax(attention_s8 *h, size_t nq)
{
    int32_t max[S8_QUERIES];
    size_t whole = h->len / 16 * 16, rest = h->len - whole;
    attention_s8_max(max, h, nq);
    for (size_t i = 0; i < nq; i++) {
        const char *s = h->memory + h->at.scores + i * h->at.nkeys * 4;
        char *w = h->memory + h->at.weights + i * h->at.wstep;
        i16 top = i_set1(max[i]), sum = i_zero();
        v16 c = v_set1(h->c[i]);
        for (size_t j = 0; j < whole; j += 16) {
            i16 e = attention_s8_weight(i_load(s + j * 4), top, c);
            i_store_operand(w + j / S8_GROUP * 4, e);
            sum = i_add(sum, e);
        }
        if (rest) {
            i16 e = attention_s8_weight(i_load(s + whole * 4), top, c);
            e = v_as_int(v_first_n(rest, v_as_float(e), v_zero()));
            i_store_operand(w + whole / S8_GROUP * 4, e);
            sum = i_add(sum, e);
        }
        h->factor[i] = h->vscale / v_fold_sum(i_to_float(sum));
    }
}

static void attention_s8_one(const pe_attention_call *c, size_t index, char *memory)
{
    const uint32_t *asks = c->q_begin ? c->q_begin : c->row_begin;
    size_t row = index / c->heads, at = index % c->heads * c->head_dim;
    size_t first = c->row_begin[row], q0 = asks[row], nq = asks[row + 1] - q0;
    attention_s8 h = { .memory = memory,
                       .q = c->q + q0 * c->ldq + at,
                       .out = c->out + q0 * c->ldo + at,
                       .ldq = c->ldq,
                       .ldo = c->ldo,
                       .len = c->row_begin[row + 1] - first,
                       .hd = c->head_dim,
                       .scale = c->scale };
    if (!nq) return;
    if (!h.len) {
        for (size_t i = 0; i < nq; i++) memset(h.out + i * h.ldo, 0, h.hd * sizeof(float));
        return;
    }
    h.at = attention_s8_shape_of(h.len, h.hd);
    attention_s8_gather(&h, c->k + first * c->ldkv + at, c->v + first * c->ldkv + at, c->ldkv);
    for (size_t i = 0; i < nq; i += S8_QUERIES, h.out += S8_QUERIES * h.ldo) {
        size_t count = nq - i < S8_QUERIES ? nq - i : S8_QUERIES;
        attention_s8_queries(&h, i, count);
        attention_s8_products(&h, count, false);
        attention_s8_softmax(&h, count);
        attention_s8_products(&h, count, true);
    }
}

/* Asks for what a coming (row, head) reads: short pieces far apart, which the hardware does not
 * foresee, while the current one computes. */
static void attention_s8_prefetch(const pe_attention_call *c, size_t index)
{
    const uint32_t *asks = c->q_begin ? c->q_begin : c->row_begin;
    size_t row = index / c->heads, at = index % c->heads * c->head_dim;
    for (size_t t = c->row_begin[row]; t < c->row_begin[row + 1]; t++)
        for (size_t i = 0; i < c->head_dim; i += 16) {
            _mm_prefetch((const char *)(c->k + t * c->ldkv + at + i), _MM_HINT_T0);
            _mm_prefetch((const char *)(c->v + t * c->ldkv + at + i), _MM_HINT_T0);
        }
    for (size_t t = asks[row]; t < asks[row + 1]; t++)
        for (size_t i = 0; i < c->head_dim; i += 16)
            _mm_prefetch((const char *)(c->q + t * c->ldq + at + i), _MM_HINT_T0);
}

typedef struct attention_s8_work {
    const pe_attention_call *c;
    size_t thread_nbytes, ngroups;
} attention_s8_work;

/* Tasks are runs of (row, head) pairs: many short rows cost no more claims than a few long ones. */
static void attention_s8_task(void *arg, size_t index, int worker)
{
    const attention_s8_work *w = arg;
    size_t total = w->c->nrows * w->c->heads;
    size_t begin = total * index / w->ngroups, end = total * (index + 1) / w->ngroups;
    char *memory = (char *)w->c->scratch + (size_t)worker * w->thread_nbytes;
    for (size_t i = begin; i < end; i++) {
        if (i + 1 < end) attention_s8_prefetch(w->c, i + 1);
        attention_s8_one(w->c, i, memory);
    }
}

static void attention_s8_run(const pe_attention_call *c)
{
    size_t longest = 0, total = c->nrows * c->heads;
    for (size_t r = 0; r < c->nrows; r++) {
        size_t len = c->row_begin[r + 1] - c->row_begin[r];
        if (len > longest) longest = len;
    }
    size_t groups = 16 * (size_t)pe_pool_nthreads(c->pool);
    attention_s8_work w = { .c = c,
                            .thread_nbytes = attention_s8_shape_of(longest, c->head_dim).nbytes,
                            .ngroups = groups < total ? groups : total };
    if (w.ngroups) pe_pool_run(c->pool, w.ngroups, attention_s8_task, &w);
}

#endif
