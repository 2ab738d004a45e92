/* kernels/ref/ref_attention.c - ragged multi-head attention, one (row, head) at a time.
 * Read next: kernels/ref/ref_math.h. */
#include "kernels/ref/ref_math.h"
#include "kernels/variants.h"

/* One row of scores a thread. */
size_t pe_attention_scratch_ref(size_t longest, size_t head_dim, int nthreads)
{
    (void)head_dim;
    return longest * sizeof(float) * (size_t)nthreads;
}

static size_t longest_row(const pe_attention_call *c)
{
    size_t longest = 0;
    for (size_t r = 0; r < c->nrows; r++) {
        size_t len = c->row_begin[r + 1] - c->row_begin[r];
        if (len > longest) longest = len;
    }
    return longest;
}

/* s[j] becomes exp(s[j] - max); returns their sum by absolute key index in 16 lanes. */
static float exp_scores(float *s, size_t len)
{
    float max = s[0], lane[16] = { 0 };
    for (size_t j = 1; j < len; j++) max = ref_max(s[j], max);
    for (size_t j = 0; j < len; j++) {
        s[j] = ref_exp(s[j] - max);
        lane[j % 16] += s[j];
    }
    return ref_fold_sum(lane);
}

/* Query t of head against the len keys from `first` on; a row without keys answers 0. */
static void one_query(const pe_attention_call *c, size_t first, size_t len, size_t t, size_t head,
                      float *s)
{
    size_t hd = c->head_dim;
    const float *q = c->q + t * c->ldq + head * hd;
    float *out = c->out + t * c->ldo + head * hd;
    for (size_t j = 0; j < len; j++) {
        const float *k = c->k + (first + j) * c->ldkv + head * hd;
        float chain = 0.0f;
        for (size_t i = 0; i < hd; i++) chain = fmaf(q[i] * c->scale, k[i], chain);
        s[j] = chain;
    }
    float inverse = 1.0f / (len ? exp_scores(s, len) : 1.0f);
    for (size_t i = 0; i < hd; i++) {
        const float *v = c->v + first * c->ldkv + head * hd + i;
        float chain = 0.0f;
        for (size_t j = 0; j < len; j++) chain = fmaf(s[j], v[j * c->ldkv], chain);
        out[i] = chain * inverse;
    }
}

typedef struct work {
    const pe_attention_call *c;
    size_t longest;
} work;

static void one_head(void *arg, size_t index, int worker)
{
    const work *w = arg;
    const pe_attention_call *c = w->c;
    size_t row = index / c->heads, head = index % c->heads;
    size_t first = c->row_begin[row], len = c->row_begin[row + 1] - first;
    const uint32_t *asks = c->q_begin ? c->q_begin : c->row_begin;
    float *s = (float *)c->scratch + (size_t)worker * w->longest;
    for (size_t t = asks[row]; t < asks[row + 1]; t++) one_query(c, first, len, t, head, s);
}

void pe_attention_ref(const pe_attention_call *c)
{
    work w = { c, longest_row(c) };
    pe_pool_run(c->pool, c->nrows * c->heads, one_head, &w);
}
