/* kernels/body/attention_s8_body.h - attention between int8 codes: a (row, head) at a time, its
 * keys and values as packed codes in the thread's scratch, some queries a pass, sums exact. Include
 * an s8_lanes_*.h first. Read next: kernels/ref/ref_attention_s8.c (the meaning). */
#ifndef PE_KERNELS_ATTENTION_S8_BODY_H
#define PE_KERNELS_ATTENTION_S8_BODY_H

#include "kernels/body/attention_s8_pack.h"
#include "kernels/body/attention_tasks.h"

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

/* Scores of a query become weights; what follows them up to whole registers is 0. */
static void attention_s8_weigh(const attention_s8 *h, size_t i, int32_t max)
{
    const char *s = h->memory + h->at.scores + i * h->at.nkeys * 4;
    char *w = h->memory + h->at.weights + i * h->at.wstep;
    size_t whole = h->len / 16 * 16, rest = h->len - whole;
    i16 top = i_set1(max);
    v16 c = v_set1(h->c[i]);
    for (size_t j = 0; j < whole; j += 16)
        i_store_operand(w + j / S8_GROUP * 4, attention_s8_weight(i_load(s + j * 4), top, c));
    if (rest) {
        v16 e = v_as_float(attention_s8_weight(i_load(s + whole * 4), top, c));
        i_store_operand(w + whole / S8_GROUP * 4, v_as_int(v_first_n(rest, e, v_zero())));
    }
    for (size_t j = h->at.nkeys; j / S8_GROUP * 4 < h->at.wstep; j += 16)
        i_store_operand(w + j / S8_GROUP * 4, i_zero());
}

/* factor[i] = vscale / sum of weights. The sums are whole numbers below 2^24. Query by query, but
 * after all weights: what is latency in one overlaps with the others. */
static void attention_s8_softmax(attention_s8 *h, size_t nq)
{
    int32_t max[S8_QUERIES];
    i16 one = i_set1(S8_GROUP == 4 ? 0x01010101 : 0x00010001);
    attention_s8_max(max, h, nq);
    for (size_t i = 0; i < nq; i++) attention_s8_weigh(h, i, max[i]);
    for (size_t i = 0; i < nq; i++) {
        const char *w = h->memory + h->at.weights + i * h->at.wstep;
        i16 sum = i_zero();
        for (size_t j = 0; j < h->at.wstep; j += 64) sum = i_dot(sum, i_load(w + j), one);
        h->factor[i] = h->vscale / v_fold_sum(i_to_float(sum));
    }
}

static void attention_s8_one(const pe_attention_call *c, size_t index, void *memory)
{
    const uint32_t *asks = attention_asks(c);
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

static void attention_s8_run(const pe_attention_call *c)
{
    attention_each(c, attention_s8_shape_of(attention_longest(c), c->head_dim).nbytes,
                   attention_s8_one);
}

#endif
