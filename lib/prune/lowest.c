/* lib/prune/lowest.c - see lowest.h: bounds from a sample, one pass between them, the rest exactly.
 * Read next: lib/prune/score_key.h, lib/prune/prune_cut.c. */
#include "lib/prune/lowest.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "lib/base/error.h"
#include "lib/base/first_error.h"
#include "lib/prune/score_key.h"

#define MAX_KEPT      (UINT64_C(4) << 20) /* scores kept between the bounds */
#define SAMPLE_PIECE  64u
#define SAMPLE_PIECES 8192u
#define SAMPLE_CHUNKS 64u
#define SAMPLE_SHARE  16384u /* scores a piece stands for, until there are SAMPLE_PIECES */
#define SMALL_CHUNKS  4u     /* up to here all scores are kept without a sample */

typedef struct chunk_count {
    uint64_t below; /* scores under the lower bound */
    uint64_t nkept, at;
} chunk_count;

typedef struct selector {
    const pe_select_source *src;
    const pe_kernels *kern;
    pe_pool *pool;
    uint64_t lo, hi; /* bounds as keys, both inclusive */
    uint64_t *kept;  /* keys between the bounds, chunk by chunk */
    uint64_t cap;
    atomic_uint_fast64_t nkept;
    chunk_count *chunk; /* [nchunks] */
    uint64_t *hist;     /* [nthreads][PE_SELECT_BUCKETS] */
    float *mid;         /* [nthreads][max_chunk], f32 sources */
    unsigned shift;     /* a bucket is 1 << shift keys wide */
    unsigned passes;
    pe_first_error failed;
} selector;

/* ---- one pass over all scores ---------------------------------------------------------------- */

static size_t chunk_length(const pe_select_source *src, size_t c)
{
    return (size_t)(src->first[c + 1] - src->first[c]);
}

static pe_status load_chunk(pe_scores *out, selector *s, size_t c, int worker)
{
    pe_error err = { 0 };
    pe_status st = s->src->load(out, s->src->arg, c, 0, chunk_length(s->src, c), worker, &err);

    pe_first_error_add(&s->failed, c, st, &err);
    return st;
}

static void keep_keys(selector *s, chunk_count *cc, const pe_scores *v, const float *mid,
                      size_t nmid)
{
    uint64_t at = atomic_fetch_add(&s->nkept, nmid);

    cc->nkept = nmid;
    cc->at = at;
    if (nmid == 0 || at > s->cap || nmid > s->cap - at)
        return; /* counted, not kept: another pass */
    if (mid != NULL) {
        for (size_t i = 0; i < nmid; i++) s->kept[at + i] = key_f32(mid[i]);
        return;
    }
    for (size_t i = 0; i < v->n; i++) {
        uint64_t key = key_f64(v->f64[i]);
        if (key >= s->lo && key <= s->hi) s->kept[at++] = key;
    }
}

static void bracket_task(void *arg, size_t c, int worker)
{
    selector *s = arg;
    chunk_count *cc = &s->chunk[c];
    pe_scores v;

    if (load_chunk(&v, s, c, worker)) return;
    if (v.f32 != NULL) {
        float *mid = s->mid + (size_t)worker * s->src->max_chunk;
        size_t nmid = 0;

        cc->below = s->kern->magnitude_bracket(mid, &nmid, v.f32, v.n, f32_of_key(s->lo),
                                               f32_of_key(s->hi));
        keep_keys(s, cc, &v, mid, nmid);
    } else {
        uint64_t below = 0, in = 0;

        for (size_t i = 0; i < v.n; i++) {
            uint64_t key = key_f64(v.f64[i]);
            below += key < s->lo;
            in += key >= s->lo && key <= s->hi;
        }
        cc->below = below;
        keep_keys(s, cc, &v, NULL, (size_t)in);
    }
}

static void histogram_task(void *arg, size_t c, int worker)
{
    selector *s = arg;
    uint64_t *hist = s->hist + (size_t)worker * PE_SELECT_BUCKETS;
    pe_scores v;

    if (load_chunk(&v, s, c, worker)) return;
    for (size_t i = 0; i < v.n; i++) {
        uint64_t key = key_at(&v, i);
        if (key >= s->lo && key <= s->hi) hist[(key - s->lo) >> s->shift]++;
    }
}

static pe_status run_pass(selector *s, pe_task_fn *task, pe_error *err)
{
    pe_status st;

    pe_first_error_init(&s->failed);
    pe_pool_run(s->pool, s->src->nchunks, task, s);
    s->passes++;
    st = pe_first_error_take(&s->failed, err);
    return st;
}

/* Counts below, between and per chunk for the current bounds. */
static pe_status bracket_pass(uint64_t *below, selector *s, pe_error *err)
{
    pe_status st;

    atomic_store(&s->nkept, 0);
    st = run_pass(s, bracket_task, err);
    *below = 0;
    for (size_t c = 0; !st && c < s->src->nchunks; c++) *below += s->chunk[c].below;
    return st;
}

/* Shrinks the bounds to the bucket that holds the k-th score; `below` counts those under lo. */
static pe_status narrow_pass(uint64_t *below, uint64_t *inside, selector *s, uint64_t k,
                             pe_error *err)
{
    int nthreads = pe_pool_nthreads(s->pool);
    uint64_t rank = k - *below, end;
    size_t b;
    pe_status st;

    memset(s->hist, 0, (size_t)nthreads * PE_SELECT_BUCKETS * sizeof *s->hist);
    s->shift = bucket_shift(s->lo, s->hi);
    st = run_pass(s, histogram_task, err);
    if (st) return st;
    for (int t = 1; t < nthreads; t++) {
        for (size_t i = 0; i < PE_SELECT_BUCKETS; i++)
            s->hist[i] += s->hist[(size_t)t * PE_SELECT_BUCKETS + i];
    }
    b = find_bucket(s->hist, &rank);
    *below = k - rank;
    *inside = s->hist[b];
    s->lo += (uint64_t)b << s->shift;
    end = s->lo + ((UINT64_C(1) << s->shift) - 1);
    if (end < s->hi) s->hi = end;
    return PE_OK;
}

/* ---- bounds from a sample -------------------------------------------------------------------- */

static size_t chunk_of(const pe_select_source *src, uint64_t number)
{
    size_t a = 0, b = src->nchunks;

    while (b - a > 1) {
        size_t m = a + (b - a) / 2;
        if (src->first[m] <= number) a = m;
        else b = m;
    }
    return a;
}

/* Evenly spread pieces of the scores, as keys. */
static pe_status take_sample(uint64_t *keys, size_t *n, selector *s, size_t cap, pe_error *err)
{
    const pe_select_source *src = s->src;
    uint64_t total = src->first[src->nchunks];
    size_t piece = src->wide ? src->max_chunk : SAMPLE_PIECE;
    uint64_t npieces = src->wide ? SAMPLE_CHUNKS : SAMPLE_PIECES;
    size_t step = 1;
    pe_status st = PE_OK;

    *n = 0;
    if (!src->wide && npieces > total / SAMPLE_SHARE + 1) npieces = total / SAMPLE_SHARE + 1;
    if (src->wide && npieces > src->nchunks) npieces = src->nchunks;
    if (src->wide) step = (size_t)(npieces * piece / cap + 1);
    for (uint64_t p = 0; !st && p < npieces; p++) {
        uint64_t at = (uint64_t)((double)p * ((double)total / (double)npieces));
        size_t c = chunk_of(src, at < total ? at : total - 1);
        size_t len = chunk_length(src, c), begin = src->wide ? 0 : (size_t)(at - src->first[c]);
        pe_scores v = { NULL, NULL, 0 };

        if (begin >= len) continue;
        st = src->load(&v, src->arg, c, begin, len - begin < piece ? len - begin : piece, 0, err);
        for (size_t i = 0; !st && i < v.n && *n < cap; i += step) keys[(*n)++] = key_at(&v, i);
    }
    return st;
}

/* Bounds that hold the score of the given rank very likely: its place in the sample, four
 * deviations each way, doubled because neighbouring weights are alike. */
static pe_status guess_bounds(selector *s, uint64_t rank, pe_error *err)
{
    size_t cap = (size_t)SAMPLE_PIECE * SAMPLE_PIECES, n;
    uint64_t total = s->src->first[s->src->nchunks], hi = s->hi;
    uint64_t *keys = malloc(cap * sizeof *keys);
    pe_status st;

    if (keys == NULL) return pe_fail_nomem(err, "sample of weights", cap * sizeof *keys);
    st = take_sample(keys, &n, s, cap, err);
    if (!st && n > 0) {
        double p = (double)rank / (double)total, at = p * (double)n;
        double slack = 6.0 * sqrt((double)n * p * (1 - p)) + 8;

        if (at > slack) s->lo = pe_select_key(keys, n, 0, hi, (uint64_t)(at - slack), s->hist);
        if (at + slack < (double)n)
            s->hi = pe_select_key(keys, n, 0, hi, (uint64_t)(at + slack), s->hist);
    }
    free(keys);
    return st;
}

/* ---- the threshold --------------------------------------------------------------------------- */

/* Passes until the score of that rank lies between the bounds and all scores between them are kept
 * (or the bounds are one value). *below: scores under the lower bound. */
static pe_status find_bounds(uint64_t *below, selector *s, uint64_t rank, pe_error *err)
{
    uint64_t full_hi = s->hi, inside = 0;
    pe_status st = PE_OK;

    if (s->src->first[s->src->nchunks] > s->cap || s->src->nchunks > SMALL_CHUNKS)
        st = guess_bounds(s, rank, err);
    if (!st) st = bracket_pass(below, s, err);
    if (st) return st;
    inside = atomic_load(&s->nkept);
    if (rank < *below || rank - *below >= inside) { /* missed: start again from everything */
        s->lo = 0;
        s->hi = full_hi;
        *below = 0;
        inside = s->src->first[s->src->nchunks];
    } else if (inside <= s->cap) {
        return PE_OK;
    }
    while (!st && inside > s->cap && s->lo < s->hi) st = narrow_pass(below, &inside, s, rank, err);
    if (!st) st = bracket_pass(below, s, err);
    return st;
}

/* Per chunk: how many go, and how many of the equal ones stay (the first of all). */
static void share_out(pe_cut *out, const selector *s, uint64_t key)
{
    uint64_t below = 0, equal = 0, keep;
    size_t n = s->src->nchunks;
    bool single = s->lo == s->hi; /* then nothing need be kept: all between the bounds are equal */

    for (size_t c = 0; c < n; c++) {
        const chunk_count *cc = &s->chunk[c];

        out->gone[c] = cc->below;
        out->keep_equal[c] = single ? cc->nkept : 0;
        for (uint64_t i = cc->at; !single && i < cc->at + cc->nkept; i++) {
            out->gone[c] += s->kept[i] < key;
            out->keep_equal[c] += s->kept[i] == key;
        }
        below += out->gone[c];
        equal += out->keep_equal[c];
    }
    keep = below + equal - out->k;
    for (size_t c = 0; c < n; c++) {
        uint64_t have = out->keep_equal[c], stay = have < keep ? have : keep;

        out->gone[c] += have - stay;
        out->keep_equal[c] = stay;
        keep -= stay;
    }
}

static pe_status alloc_selector(selector *s, pe_cut *out, pe_error *err)
{
    const pe_select_source *src = s->src;
    size_t nthreads = (size_t)pe_pool_nthreads(s->pool), n = src->nchunks ? src->nchunks : 1;
    uint64_t total = src->first[src->nchunks];
    uint64_t most = MAX_KEPT / (uint64_t)(src->nsharing > 0 ? src->nsharing : 1);

    s->cap = total < most ? total : most;
    s->kept = malloc((size_t)(s->cap ? s->cap : 1) * sizeof *s->kept);
    s->chunk = calloc(n, sizeof *s->chunk);
    s->hist = malloc(nthreads * PE_SELECT_BUCKETS * sizeof *s->hist);
    if (!src->wide)
        s->mid = malloc(nthreads * (src->max_chunk ? src->max_chunk : 1) * sizeof *s->mid);
    out->keep_equal = calloc(n, sizeof *out->keep_equal);
    out->gone = calloc(n, sizeof *out->gone);
    if (s->kept == NULL || s->chunk == NULL || s->hist == NULL || (!src->wide && s->mid == NULL) ||
        out->keep_equal == NULL || out->gone == NULL)
        return pe_fail_nomem(err, "selection of weights", (size_t)s->cap * sizeof *s->kept);
    return PE_OK;
}

pe_status pe_select_lowest(pe_cut *out, const pe_select_source *src, uint64_t k, pe_pool *pool,
                           pe_error *err)
{
    selector s = { .src = src, .pool = pool, .kern = pe_kernels_get(err) };
    uint64_t below = 0, key = 0;
    pe_status st;

    memset(out, 0, sizeof *out);
    out->nscores = src->first[src->nchunks];
    out->k = k < out->nscores ? k : out->nscores;
    if (s.kern == NULL) return PE_E_ARG;
    s.hi = src->wide ? key_f64(INFINITY) : key_f32(INFINITY);
    st = alloc_selector(&s, out, err);
    if (!st && out->nscores > 0) {
        uint64_t rank = out->k > 0 ? out->k - 1 : 0;

        st = find_bounds(&below, &s, rank, err);
        if (!st && s.lo == s.hi) key = s.lo;
        else if (!st)
            key = pe_select_key(s.kept, (size_t)atomic_load(&s.nkept), s.lo, s.hi, rank - below,
                                s.hist);
    }
    if (!st) {
        out->threshold = src->wide ? f64_of_key(key) : (double)f32_of_key(key);
        share_out(out, &s, key);
    }
    out->passes = s.passes;
    free(s.kept);
    free(s.chunk);
    free(s.hist);
    free(s.mid);
    if (st) pe_cut_release(out);
    return st;
}

void pe_cut_release(pe_cut *c)
{
    free(c->keep_equal);
    free(c->gone);
    c->keep_equal = c->gone = NULL;
}
