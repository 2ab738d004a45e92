/* kernels/body/attention_s8_pack.h - one row and head of int8 attention in the thread's scratch:
 * where its parts lie, and its keys and values as packed codes. Include an s8_lanes_*.h first. Read
 * next: kernels/body/attention_s8_body.h. */
#ifndef PE_KERNELS_ATTENTION_S8_PACK_H
#define PE_KERNELS_ATTENTION_S8_PACK_H

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

#endif
