/* tests/emu/kernels/attention_case.h - ragged attention on both sides: rows of random lengths, some
 * empty, queries of all, some or one of their tokens, guarded outputs.
 * Read next: tests/emu/kernels/image.h. */
#ifndef PE_TESTS_EMU_KERNELS_ATTENTION_CASE_H
#define PE_TESTS_EMU_KERNELS_ATTENTION_CASE_H

#include <math.h>
#include <stdlib.h>

#include "tests/emu/kernels/image.h"

enum { MOST_ROWS = 8 };

/* How many queries a row has: EXACTLY + n asks n. */
enum { ALL, FIRST, SOME, EXACTLY };

typedef struct shape {
    size_t nrows, longest, heads, hd, gap;
    unsigned asks;
    bool s8; /* between int8 codes */
} shape;

typedef struct attention_case {
    shape s;
    pe_attention_call c;
    uint32_t row_begin[MOST_ROWS + 1], q_begin[MOST_ROWS + 1];
    size_t most_queries, asked, nq, nkv;
    float *q, *kv; /* [nq], [nkv]: keys, then values of a token */
} attention_case;

static inline void attention_rows(attention_case *a, pe_rng *r)
{
    for (size_t i = 0; i < a->s.nrows; i++) {
        uint32_t longest = (uint32_t)a->s.longest;
        uint32_t len = i ? pe_rng_below(r, longest + 1) : longest, n = len;
        if (i && pe_rng_below(r, 4) == 0) len = n = 0;
        if (a->s.asks == FIRST) n = 1;
        if (a->s.asks == SOME) n = pe_rng_below(r, len + 3);
        if (a->s.asks > EXACTLY) n = a->s.asks - EXACTLY;
        a->row_begin[i + 1] = a->row_begin[i] + len;
        a->q_begin[i + 1] = a->q_begin[i] + n;
        if (n > a->most_queries) a->most_queries = n;
    }
}

static inline attention_case attention_case_of(pe_rng *r, const shape *s)
{
    attention_case a = { .s = *s };
    size_t d = s->heads * s->hd;
    attention_rows(&a, r);
    a.c = (pe_attention_call){ .ldo = d + s->gap,
                               .ldq = d + s->gap,
                               .ldkv = 2 * d + s->gap,
                               .heads = s->heads,
                               .head_dim = s->hd,
                               .nrows = s->nrows,
                               .scale = 1 / sqrtf((float)s->hd) };
    a.asked = s->asks == ALL ? a.row_begin[s->nrows] : a.q_begin[s->nrows];
    a.nq = a.asked * a.c.ldq;
    a.nkv = a.row_begin[s->nrows] * a.c.ldkv;
    a.q = odd_floats(r, a.nq);
    a.kv = odd_floats(r, a.nkv);
    return a;
}

static inline void attention_case_want(const attention_case *a, float *out)
{
    pe_kernels ref;
    pe_attention_call h = a->c;
    pe_kernels_select(&ref, 0);
    h.out = out, h.q = a->q, h.k = a->kv, h.v = a->kv + a->s.heads * a->s.hd;
    h.row_begin = a->row_begin;
    h.q_begin = a->s.asks == ALL ? NULL : a->q_begin;
    h.scratch = host_new(
        (a->s.s8 ? ref.attention_s8_scratch : ref.attention_scratch)(a->s.longest, a->s.hd, 1));
    if (a->s.s8) ref.attention_s8(&h);
    else ref.attention(&h);
    free(h.scratch);
    for (size_t i = 0; a->s.s8 && i < a->asked * h.ldo; i++)
        if (isnan(out[i])) out[i] = NAN; /* which one is the device's promise */
}

/* off: bytes that everything lies past an aligned address. Releases the case. */
static inline void attention_case_check(attention_case *a, size_t off)
{
    image out = image_of(NULL, a->asked * a->c.ldo * 4, off);
    attention_case_want(a, out.host);
    pe_attention_call c = a->c;
    c.out = out.dev;
    c.q = floats_at(a->q, a->nq, off);
    c.k = floats_at(a->kv, a->nkv, off);
    c.v = c.k + a->s.heads * a->s.hd;
    c.row_begin = dev_of(a->row_begin, sizeof a->row_begin);
    c.q_begin = a->s.asks == ALL ? NULL : dev_of(a->q_begin, sizeof a->q_begin);
    DEV((a->s.s8 ? pe_cu_attention_s8 : pe_cu_attention)(&c, a->s.longest, a->most_queries, NULL));
    image_same(&out, a->s.s8 ? "attention_s8" : "attention");
    free(a->q), free(a->kv);
    dev_drop_all();
}

typedef cudaError_t attention_kernel(const pe_attention_call *c, size_t longest,
                                     size_t most_queries, cudaStream_t s);
static inline void attention_refusals(attention_kernel *kernel)
{
    float *x = dev_new(4);
    pe_attention_call c = {
        .out = x, .q = x, .k = x, .v = x, .heads = 1, .head_dim = 257, .nrows = 1
    };
    if (kernel(&c, 1, 1, NULL) != cudaErrorNotSupported) test_fail("head_dim 257");
    c.head_dim = 256;
    if (kernel(&c, 4097, 1, NULL) != cudaErrorNotSupported) test_fail("4097 keys");
    c.nrows = 0;
    if (kernel(&c, 1, 1, NULL) != cudaSuccess) test_fail("no rows");
    c.nrows = 1;
    if (kernel(&c, 1, 0, NULL) != cudaSuccess) test_fail("no queries");
    dev_drop_all();
}

#endif
