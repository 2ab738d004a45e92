/* lib/prune/prune_cut.c - the thresholds of a run, and rows pruned by them.
 * Read next: lib/prune/prune.c. */
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "lib/base/error.h"
#include "lib/prune/prune_job.h"

/* The modules that share a threshold, as a source of scores. */
typedef struct score_source {
    pe_prune_job *job;
    pe_prune_module **modules;
    size_t *begin; /* [nmodules] first chunk of each */
    size_t nmodules;
    int worker; /* added to the worker of a call: whose scratch is used */
} score_source;

static const pe_prune_module *module_of_chunk(const score_source *s, size_t chunk, size_t *local)
{
    size_t a = 0, b = s->nmodules;

    while (b - a > 1) {
        size_t mid = a + (b - a) / 2;
        if (s->begin[mid] <= chunk) a = mid;
        else b = mid;
    }
    *local = chunk - s->begin[a];
    return s->modules[a];
}

static pe_status load_scores(pe_scores *out, void *arg, size_t chunk, size_t begin, size_t count,
                             int worker, pe_error *err)
{
    const score_source *src = arg;
    pe_prune_job *j = src->job;
    const pe_prune_scratch *s = &j->scratch[src->worker + worker];
    size_t c;
    const pe_prune_module *m = module_of_chunk(src, chunk, &c);
    bool blocks = j->pattern.kind == PE_PATTERN_BLOCK;
    float *f32 = m->array->dtype == PE_F32 ? s->raw : s->f32;
    size_t nelem = blocks ? pe_prune_chunk_nelem(m, c) : count;
    uint64_t first = (uint64_t)c * m->chunk + (blocks ? 0 : begin);
    pe_status st = pe_weights_read(j->weights, s->raw, f32, m->array, first, nelem, err);

    if (st) return st;
    memset(out, 0, sizeof *out);
    out->n = count;
    out->f32 = blocks ? NULL : f32;
    if (blocks) {
        pe_pattern_scores(s->scores, &j->pattern, f32, nelem / (size_t)m->k, (size_t)m->k);
        out->f64 = s->scores + begin;
    }
    return PE_OK;
}

static uint64_t chunk_nscores(const pe_prune_job *j, const pe_prune_module *m, size_t c)
{
    size_t nelem = pe_prune_chunk_nelem(m, c);

    if (j->pattern.kind != PE_PATTERN_BLOCK) return nelem;
    return pe_pattern_nblocks(&j->pattern, nelem / m->k, m->k);
}

/* Chunks of all modules one after the other. */
static pe_status make_source(pe_select_source *src, uint64_t **first, score_source *arg,
                             pe_error *err)
{
    uint64_t total = 0;
    size_t at = 0;

    for (size_t i = 0; i < arg->nmodules; i++) {
        arg->begin[i] = src->nchunks;
        src->nchunks += arg->modules[i]->nchunks;
    }
    *first = malloc((src->nchunks + 1) * sizeof **first);
    if (*first == NULL) return pe_fail_nomem(err, "list of pieces", src->nchunks * sizeof **first);
    for (size_t i = 0; i < arg->nmodules; i++) {
        for (size_t c = 0; c < arg->modules[i]->nchunks; c++) {
            uint64_t count = chunk_nscores(arg->job, arg->modules[i], c);

            (*first)[at++] = total;
            total += count;
            if (count > src->max_chunk) src->max_chunk = (size_t)count;
        }
    }
    (*first)[at] = total;
    src->first = *first;
    return PE_OK;
}

/* One threshold for the given modules, on the threads of a pool or (NULL) as one of the workers. */
static pe_status find_cut(pe_prune_job *j, pe_prune_module **modules, size_t n, pe_pool *pool,
                          int worker, pe_error *err)
{
    size_t *begin = malloc(n * sizeof *begin);
    score_source arg = { j, modules, begin, n, worker };
    pe_select_source src = { .arg = &arg,
                             .load = load_scores,
                             .wide = j->pattern.kind == PE_PATTERN_BLOCK,
                             .nsharing = pool == NULL ? j->nthreads : 1 };
    uint64_t *first = NULL;
    pe_cut cut;
    pe_status st = begin == NULL ? pe_fail_nomem(err, "list of modules", n * sizeof *begin)
                                 : make_source(&src, &first, &arg, err);

    if (!st) {
        uint64_t k = pe_select_count(j->params->sparsity, first[src.nchunks]);
        st = pe_select_lowest(&cut, &src, k, pool, err);
    }
    for (size_t i = 0; !st && i < n; i++) {
        pe_prune_module *m = modules[i];

        m->threshold = cut.threshold;
        m->has_cut = true;
        for (size_t c = begin[i]; c < begin[i] + m->nchunks; c++) {
            m->keep_equal += cut.keep_equal[c];
            m->gone += cut.gone[c];
        }
    }
    if (!st) pe_cut_release(&cut);
    free(first);
    free(begin);
    return st;
}

static bool has_thresholds(const pe_prune_job *j)
{
    return j->pattern.kind != PE_PATTERN_NM && j->scope != PE_SCOPE_ROW;
}

/* With many layers each thread finds the threshold of its own when the rows come by: while one
 * reads, another writes. */
static bool found_on_the_way(const pe_prune_job *j)
{
    return j->scope == PE_SCOPE_LAYER && j->nselected >= 2 * (size_t)j->nthreads;
}

pe_status pe_prune_find_cuts(pe_prune_job *j, pe_error *err)
{
    pe_prune_module **list;
    size_t n = 0;
    pe_status st = PE_OK;

    if (!has_thresholds(j) || found_on_the_way(j)) return PE_OK;
    list = malloc(j->nselected * sizeof *list);
    if (list == NULL) return pe_fail_nomem(err, "list of modules", j->nselected * sizeof *list);
    for (size_t i = 0; i < j->nmodules; i++) {
        if (j->modules[i].selected) list[n++] = &j->modules[i];
    }
    if (j->scope == PE_SCOPE_GLOBAL) st = find_cut(j, list, n, j->pool, 0, err);
    for (size_t i = 0; !st && j->scope == PE_SCOPE_LAYER && i < n; i++)
        st = find_cut(j, &list[i], 1, j->pool, 0, err);
    free(list);
    return st;
}

/* ---- rows on their way to the new checkpoint ------------------------------------------------- */

/* Zeroes in place; n weights are whole rows, for blocks whole block rows. */
static void prune_piece(pe_prune_module *m, float *w, size_t n, const pe_prune_scratch *s)
{
    const pe_prune_job *j = m->job;
    size_t k = (size_t)m->k;
    uint64_t left = m->keep_equal - m->nequal;

    if (j->pattern.kind == PE_PATTERN_NM) {
        j->kern->prune_nm(w, n, (int)j->pattern.keep, (int)j->pattern.of);
    } else if (j->pattern.kind == PE_PATTERN_BLOCK) {
        pe_pattern_scores(s->scores, &j->pattern, w, n / k, k);
        m->nequal +=
            pe_pattern_zero_blocks(w, &j->pattern, s->scores, n / k, k, m->threshold, left);
    } else if (j->scope == PE_SCOPE_ROW) {
        pe_pattern_zero_rows(w, n / k, k, j->params->sparsity, s->keys);
    } else {
        m->nequal += pe_pattern_zero_below(j->kern, w, n, (float)m->threshold, left);
    }
}

/* Without branches, since every second
 * one would be guessed wrong, and in runs of a length that the compiler makes vectors of. */
void pe_prune_zero_like(uint16_t *out, const uint16_t *in, const float *f32, size_t n)
{
    enum { RUN = 16 };
    size_t i = 0;

    for (; i + RUN <= n; i += RUN) {
        uint32_t bits[RUN];

        memcpy(bits, f32 + i, sizeof bits);
        for (size_t r = 0; r < RUN; r++)
            out[i + r] = (uint16_t)(in[i + r] & (uint32_t) - (int32_t)((bits[r] << 1) != 0));
    }
    for (; i < n; i++) out[i] = f32[i] == 0 ? 0 : in[i];
}

pe_status pe_prune_rows(void *user, void *out, const void *in, uint64_t row0, uint64_t nrows,
                        int worker, pe_error *err)
{
    pe_prune_module *m = user;
    const pe_prune_job *j = m->job;
    const pe_prune_scratch *s = &j->scratch[worker];
    size_t elem = pe_dtype_nbytes(m->array->dtype), left = (size_t)(nrows * m->k);
    pe_status st = PE_OK;

    if (row0 == 0) m->nequal = m->zeros = 0;
    if (has_thresholds(j) && !m->has_cut) st = find_cut(m->job, &m, 1, NULL, worker, err);
    else if (!has_thresholds(j)) /* else they were checked when the threshold was sought */
        st = pe_weights_check(in, m->array->dtype, left, pe_ckpt_path(j->in), m->array->name,
                              row0 * m->k, err);
    while (!st && left > 0) {
        size_t n = left < m->chunk ? left : m->chunk;

        if (m->array->dtype == PE_F32) {
            if (out != in) memcpy(out, in, n * sizeof(float));
            prune_piece(m, out, n, s);
        } else {
            (m->array->dtype == PE_BF16 ? j->kern->bf16_to_f32 : j->kern->f16_to_f32)(s->f32, in,
                                                                                      n);
            prune_piece(m, s->f32, n, s);
            pe_prune_zero_like(out, in, s->f32, n);
        }
        m->zeros += j->kern->count_zero(out, n, elem);
        in = (const char *)in + n * elem;
        out = (char *)out + n * elem;
        left -= n;
    }
    return st;
}
