/* kernels/body/attention_tasks.h - the (row, head) pairs of an attention shared among threads, each
 * with scratch of its own. Include a v16_*.h first. Read next: kernels/body/attention_body.h,
 * attention_s8_body.h. */
#ifndef PE_KERNELS_ATTENTION_TASKS_H
#define PE_KERNELS_ATTENTION_TASKS_H

#include "kernels/kernels.h"

/* Pair `index`: row index / heads, head index % heads. */
typedef void attention_fn(const pe_attention_call *c, size_t index, void *scratch);

typedef struct attention_tasks {
    const pe_attention_call *c;
    attention_fn *one;
    size_t thread_nbytes, ngroups;
} attention_tasks;

/* The first query of each row. */
static const uint32_t *attention_asks(const pe_attention_call *c)
{
    return c->q_begin ? c->q_begin : c->row_begin;
}

static size_t attention_longest(const pe_attention_call *c)
{
    size_t longest = 0;
    for (size_t r = 0; r < c->nrows; r++) {
        size_t len = c->row_begin[r + 1] - c->row_begin[r];
        if (len > longest) longest = len;
    }
    return longest;
}

static void attention_prefetch_rows(const float *x, size_t ld, size_t begin, size_t end, size_t hd)
{
    for (size_t t = begin; t < end; t++)
        for (size_t i = 0; i < hd; i += 16)
            _mm_prefetch((const char *)(x + t * ld + i), _MM_HINT_T0);
}

/* Asks for what a coming pair reads: short pieces far apart, which the hardware does not foresee,
 * while the current one computes. */
static void attention_prefetch(const pe_attention_call *c, size_t index)
{
    const uint32_t *asks = attention_asks(c) + index / c->heads;
    const uint32_t *keys = c->row_begin + index / c->heads;
    size_t at = index % c->heads * c->head_dim;
    attention_prefetch_rows(c->k + at, c->ldkv, keys[0], keys[1], c->head_dim);
    attention_prefetch_rows(c->v + at, c->ldkv, keys[0], keys[1], c->head_dim);
    attention_prefetch_rows(c->q + at, c->ldq, asks[0], asks[1], c->head_dim);
}

/* Tasks are runs of pairs: many short rows cost no more claims than a few long ones. */
static void attention_task(void *arg, size_t index, int worker)
{
    const attention_tasks *w = arg;
    size_t total = w->c->nrows * w->c->heads;
    size_t begin = total * index / w->ngroups, end = total * (index + 1) / w->ngroups;
    char *scratch = (char *)w->c->scratch + (size_t)worker * w->thread_nbytes;
    for (size_t i = begin; i < end; i++) {
        if (i + 1 < end) attention_prefetch(w->c, i + 1);
        w->one(w->c, i, scratch);
    }
}

static void attention_each(const pe_attention_call *c, size_t thread_nbytes, attention_fn *one)
{
    size_t groups = 16 * (size_t)pe_pool_nthreads(c->pool), total = c->nrows * c->heads;
    attention_tasks w = { c, one, thread_nbytes, groups < total ? groups : total };
    if (w.ngroups) pe_pool_run(c->pool, w.ngroups, attention_task, &w);
}

#endif
