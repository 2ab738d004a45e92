/* kernels/body/attention_body.h - ragged attention: a (row, head) at a time, six queries a pass,
 * keys transposed to panels of 16 and values copied to dense rows in the thread's scratch, both
 * products on the register tile of the linear layers. Include a v16_*.h first. Read next:
 * kernels/body/tile_body.h. */
#ifndef PE_KERNELS_ATTENTION_BODY_H
#define PE_KERNELS_ATTENTION_BODY_H

#include "kernels/body/attention_tasks.h"
#include "kernels/body/tile_body.h"
#include "kernels/body/transpose_body.h"
#include "kernels/body/v16_math.h"
#include "lib/base/checked.h"

/* Queries of one pass: their scores stay in the first cache. */
enum { ATTENTION_QUERIES = 24, ATTENTION_FEW_QUERIES = 12, ATTENTION_LONG = 128 };

static size_t attention_queries(size_t len)
{
    return len > ATTENTION_LONG ? ATTENTION_FEW_QUERIES : ATTENTION_QUERIES;
}

/* Floats of one thread: keys [len/16][hd][16], values [len][hd rounded up], scores [queries][len],
 * scaled queries [queries][hd rounded up]. */
static size_t attention_thread_floats(size_t longest, size_t head_dim)
{
    size_t len = pe_round_up(longest, 16), hd = pe_round_up(head_dim, 16);
    size_t scores = ATTENTION_FEW_QUERIES * len, most = ATTENTION_QUERIES * ATTENTION_LONG;
    if (len <= ATTENTION_LONG) scores = ATTENTION_QUERIES * len;
    else if (scores < most) scores = most; /* a shorter row beside the longest */
    return len * head_dim + len * hd + scores + ATTENTION_QUERIES * hd;
}

static size_t attention_scratch_nbytes(size_t longest, size_t head_dim, int nthreads)
{
    return attention_thread_floats(longest, head_dim) * sizeof(float) * (size_t)nthreads;
}

/* One row and head, ready to answer. */
typedef struct attention_head {
    const float *q; /* of the first query */
    float *out;
    size_t ldq, ldo, len, hd;
    float scale;
    float *keys, *values, *scores, *queries;
} attention_head;

/* The maximum of a row of scores; the lanes beyond len take no part. */
V16_INLINE float attention_max(const float *s, size_t len)
{
    size_t whole = len / 16 * 16, rest = len - whole;
    v16 max = v_set1(-__builtin_inff());
    for (size_t j = 0; j < whole; j += 16) max = v_max(v_load(s + j), max);
    if (rest) max = v_max(v_first_n(rest, v_load(s + whole), max), max);
    return v_fold_max(max);
}

/* Scores become exp(s - max); returns the lanes of their sum, those beyond len 0. */
V16_INLINE v16 attention_exp(float *s, size_t len, float max)
{
    size_t whole = len / 16 * 16, rest = len - whole;
    v16 top = v_set1(max), sum = v_zero();
    for (size_t j = 0; j < whole; j += 16) {
        v16 e = v_exp(v_sub(v_load(s + j), top));
        v_store(s + j, e);
        sum = v_add(sum, e);
    }
    if (rest) {
        v16 e = v_first_n(rest, v_exp(v_sub(v_load(s + whole), top)), v_zero());
        v_store(s + whole, e);
        sum = v_add(sum, e);
    }
    return sum;
}

/* Step by step over all queries of a pass: what is latency in one query overlaps with the others.
 */
static void attention_softmax(float *inverse, float *scores, size_t ld, size_t nq, size_t len)
{
    float max[ATTENTION_QUERIES], lanes[ATTENTION_QUERIES][16];
    for (size_t i = 0; i < nq; i++) max[i] = attention_max(scores + i * ld, len);
    for (size_t i = 0; i < nq; i++) v_store(lanes[i], attention_exp(scores + i * ld, len, max[i]));
    for (size_t i = 0; i < nq; i++) inverse[i] = 1.0f / v_fold_sum(v_load(lanes[i]));
}

/* y = x * by; y may be x. */
static void attention_scale(float *y, const float *x, size_t n, float by)
{
    v16 k = v_set1(by);
    for (; n >= 16; n -= 16, y += 16, x += 16) v_store(y, v_mul(v_load(x), k));
    if (n) v_store_n(y, v_mul(v_load_n(x, n), k), n);
}

static void attention_pass(const attention_head *h, size_t first, size_t nq)
{
    size_t padded = pe_round_up(h->len, 16), width = pe_round_up(h->hd, 16);
    for (size_t i = 0; i < nq; i++)
        attention_scale(h->queries + i * width, h->q + (first + i) * h->ldq, h->hd, h->scale);
    tile_args qk = { .y = h->scores,
                     .x = h->queries,
                     .w = h->keys,
                     .ldy = padded,
                     .ldx = width,
                     .kn = h->hd,
                     .wstep = 16,
                     .panel = 16 * h->hd,
                     .first = true };
    tile_block(&qk, nq, padded, NULL, NULL);
    float inverse[ATTENTION_QUERIES];
    attention_softmax(inverse, h->scores, padded, nq, h->len);
    float *out = h->out + first * h->ldo;
    tile_args pv = { .y = out,
                     .x = h->scores,
                     .w = h->values,
                     .ldy = h->ldo,
                     .ldx = padded,
                     .kn = h->len,
                     .wstep = width,
                     .panel = 16,
                     .first = true };
    tile_block(&pv, nq, h->hd, NULL, NULL);
    for (size_t i = 0; i < nq; i++)
        attention_scale(out + i * h->ldo, out + i * h->ldo, h->hd, inverse[i]);
}

/* Keys and values of a head into the scratch; keys beyond len and columns beyond hd are 0. */
static void attention_gather(const attention_head *h, const float *k, const float *v, size_t ldkv)
{
    size_t width = pe_round_up(h->hd, 16);
    for (size_t j = 0; j < h->len; j += 16)
        transpose_rows(h->keys + j * h->hd, k + j * ldkv, ldkv, h->len - j < 16 ? h->len - j : 16,
                       h->hd);
    for (size_t j = 0; j < h->len; j++) {
        float *to = h->values + j * width;
        const float *from = v + j * ldkv;
        size_t i = 0;
        for (; i + 16 <= h->hd; i += 16) v_store(to + i, v_load(from + i));
        if (i < h->hd) v_store(to + i, v_load_n(from + i, h->hd - i));
    }
}

static void attention_one(const pe_attention_call *c, size_t index, void *scratch)
{
    const uint32_t *asks = attention_asks(c);
    size_t row = index / c->heads, at = index % c->heads * c->head_dim;
    size_t first = c->row_begin[row], q0 = asks[row], nq = asks[row + 1] - q0;
    attention_head h = { .q = c->q + q0 * c->ldq + at,
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
    size_t padded = pe_round_up(h.len, 16);
    h.queries = scratch;
    h.keys = h.queries + ATTENTION_QUERIES * pe_round_up(h.hd, 16);
    h.values = h.keys + padded * h.hd;
    h.scores = h.values + padded * pe_round_up(h.hd, 16);
    attention_gather(&h, c->k + first * c->ldkv + at, c->v + first * c->ldkv + at, c->ldkv);
    size_t step = attention_queries(h.len);
    for (size_t i = 0; i < nq; i += step) attention_pass(&h, i, nq - i < step ? nq - i : step);
}

static void attention_run(const pe_attention_call *c)
{
    size_t nfloats = attention_thread_floats(attention_longest(c), c->head_dim);
    attention_each(c, nfloats * sizeof(float), attention_one);
}

#endif
