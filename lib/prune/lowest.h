/* lib/prune/lowest.h - which scores are the k lowest, exactly, without ever holding them all.
 * Read next: lib/prune/pattern.h (what is scored), lib/prune/prune.c (who asks). */
#ifndef PE_PRUNE_LOWEST_H
#define PE_PRUNE_LOWEST_H

#include "lib/base/pool.h"

/* Scores of a part of a chunk: one pointer is set. f32: the magnitude counts; f64: not negative. */
typedef struct pe_scores {
    const float *f32;
    const double *f64;
    size_t n;
} pe_scores;

/* Scores in chunks; chunk c holds numbers first[c] .. first[c + 1] - 1 of the order that breaks
 * ties. load() gives `count` scores of a chunk from `begin` on, in memory that belongs to
 * `worker`; it is called several times for a chunk and must give the same finite values each
 * time. */
typedef struct pe_select_source {
    void *arg;
    size_t nchunks, max_chunk /* most scores in one */;
    const uint64_t *first; /* [nchunks + 1], first[0] = 0 */
    bool wide;             /* f64 scores */
    int nsharing;          /* callers that may run at once and share the memory bound; 0 = 1 */
    pe_status (*load)(pe_scores *out, void *arg, size_t chunk, size_t begin, size_t count,
                      int worker, pe_error *err);
} pe_select_source;

/* The k lowest scores: all below the threshold, and of each chunk's equal ones those after the
 * first `keep_equal`. */
typedef struct pe_cut {
    double threshold;
    uint64_t k, nscores;
    uint64_t *keep_equal; /* [nchunks] */
    uint64_t *gone;       /* [nchunks] how many go */
    unsigned passes;      /* times all scores were read */
} pe_cut;

/* k <= the number of scores. Memory: 28 bytes a chunk, 32 KiB a thread, and at most 32 MiB for
 * the scores near the threshold: they come from one pass between two bounds that a sample
 * suggests. Where that fails (bounds missed, too many scores between them), histogram passes
 * narrow the bounds, at most six. Errors are those of load(), PE_E_NOMEM. */
pe_status pe_select_lowest(pe_cut *out, const pe_select_source *src, uint64_t k, pe_pool *pool,
                           pe_error *err);
void pe_cut_release(pe_cut *c);

/* floor(s * n + 0.5) for 0 <= s <= 1. */
uint64_t pe_select_count(double s, uint64_t n);
/* The k-th lowest (from 0) of n keys that all lie in [lo, hi]; the keys stay where they are.
 * hist: room for PE_SELECT_BUCKETS. */
#define PE_SELECT_BUCKETS 4096u /* counts that stay in the first level cache */
uint64_t pe_select_key(const uint64_t *keys, size_t n, uint64_t lo, uint64_t hi, uint64_t k,
                       uint64_t *hist);

#endif
