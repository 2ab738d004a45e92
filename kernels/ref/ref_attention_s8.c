/* kernels/ref/ref_attention_s8.c - the meaning of attention between int8 codes, one (row, head) at
 * a time. Read next: kernels/kernels.h (the rules), kernels/body/attention_s8_body.h. */
#include "kernels/ref/ref_math.h"
#include "kernels/variants.h"

/* One row of scores a thread. */
size_t pe_attention_s8_scratch_ref(size_t longest, size_t head_dim, int nthreads)
{
    (void)head_dim;
    return longest * sizeof(int32_t) * (size_t)nthreads;
}

/* codes = rint(x * inverse) of a part whose largest magnitude is 127 * scale. */
typedef struct coder {
    float scale, inverse;
} coder;

static coder coder_of(const float *x, size_t ld, size_t nrows, size_t hd)
{
    float most = 0;
    for (size_t r = 0; r < nrows; r++) {
        float m = pe_absmax_f32_ref(x + r * ld, hd);
        if (most == most && !(m <= most)) most = m; /* NaN stays */
    }
    return (coder){ most / 127, most >= PE_S8_LEAST ? 127 / most : 0 };
}

static int32_t code(float x, coder c)
{
    float code = rintf(x * c.inverse);
    return code == code ? (int32_t)code : 0;
}

static int32_t dot(const float *q, coder qc, const float *k, coder kc, size_t hd)
{
    int32_t sum = 0;
    for (size_t i = 0; i < hd; i++) sum += code(q[i], qc) * code(k[i], kc);
    return sum;
}

/* s[j] becomes rint(255 * 2^(c (s[j] - max))); returns their sum. */
static int32_t weights(int32_t *s, size_t len, float c)
{
    int32_t max = s[0], sum = 0;
    for (size_t j = 1; j < len; j++) max = s[j] > max ? s[j] : max;
    for (size_t j = 0; j < len; j++) {
        float z = ref_max(PE_S8_EXP_MIN, fmaf((float)(s[j] - max), c, PE_S8_EXP_TOP));
        float n = floorf(z), r = z - n;
        float p = fmaf(fmaf(fmaf(PE_S8_EXP_C3, r, PE_S8_EXP_C2), r, PE_S8_EXP_C1), r, PE_S8_EXP_C0);
        s[j] = (int32_t)rintf(ldexpf(p, (int)n));
        sum += s[j];
    }
    return sum;
}

static void one_query(float *out, const float *q, const float *k, const float *v, coder kc,
                      coder vc, size_t len, int32_t *s, const pe_attention_call *call)
{
    size_t hd = call->head_dim;
    coder qc = coder_of(q, 0, 1, hd);
    float c = qc.scale * kc.scale * (call->scale * PE_EXP_LOG2E);
    float poison = c * 0 + vc.scale * 0; /* NaN where something is not finite, else 0 */
    if (poison != 0) {
        for (size_t i = 0; i < hd; i++) out[i] = poison;
        return;
    }
    for (size_t j = 0; j < len; j++) s[j] = dot(q, qc, k + j * call->ldkv, kc, hd);
    float factor = vc.scale / (float)weights(s, len, c);
    for (size_t i = 0; i < hd; i++) {
        int32_t sum = 0;
        for (size_t j = 0; j < len; j++) sum += s[j] * code(v[j * call->ldkv + i], vc);
        out[i] = fmaf((float)sum, factor, poison);
    }
}

typedef struct work {
    const pe_attention_call *c;
    const uint32_t *asks;
    size_t longest;
} work;

static void one_head(void *arg, size_t index, int worker)
{
    const work *w = arg;
    const pe_attention_call *c = w->c;
    size_t row = index / c->heads, at = index % c->heads * c->head_dim;
    size_t first = c->row_begin[row], len = c->row_begin[row + 1] - first;
    const float *k = c->k + first * c->ldkv + at, *v = c->v + first * c->ldkv + at;
    int32_t *s = (int32_t *)c->scratch + (size_t)worker * w->longest;
    coder kc = coder_of(k, c->ldkv, len, c->head_dim), vc = coder_of(v, c->ldkv, len, c->head_dim);
    for (size_t t = w->asks[row]; t < w->asks[row + 1]; t++) {
        float *out = c->out + t * c->ldo + at;
        if (len) one_query(out, c->q + t * c->ldq + at, k, v, kc, vc, len, s, c);
        else memset(out, 0, c->head_dim * sizeof *out);
    }
}

void pe_attention_s8_ref(const pe_attention_call *c)
{
    work w = { c, c->q_begin ? c->q_begin : c->row_begin, 0 };
    for (size_t r = 0; r < c->nrows; r++) {
        size_t len = c->row_begin[r + 1] - c->row_begin[r];
        w.longest = len > w.longest ? len : w.longest;
    }
    pe_pool_run(c->pool, c->nrows * c->heads, one_head, &w);
}
