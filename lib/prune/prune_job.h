/* lib/prune/prune_job.h - one run of pe_prune_checkpoint: what it touches, and what becomes of it;
 * shared by the files of this pass. Read next: lib/prune/prune.c. */
#ifndef PE_PRUNE_PRUNE_JOB_H
#define PE_PRUNE_PRUNE_JOB_H

#include <jansson.h>
#include <pe/prune.h>

#include "kernels/kernels.h"
#include "lib/backend/device_pass.h"
#include "lib/io/rewrite.h"
#include "lib/io/weight_reader.h"
#include "lib/model/roles.h"
#include "lib/prune/pattern.h"
#include "lib/prune/lowest.h"

#define PE_PRUNE_CHUNK 65536u /* weights looked at at a time */

typedef enum pe_prune_scope { PE_SCOPE_LAYER, PE_SCOPE_GLOBAL, PE_SCOPE_ROW } pe_prune_scope;

/* A matrix [n, k] that could be pruned; sorted by module name, bytewise, which is the order of
 * ties. */
typedef struct pe_prune_module {
    struct pe_prune_job *job;
    const pe_array *array;
    char *name;
    pe_role role;
    bool selected;
    uint64_t n, k;
    size_t chunk, nchunks; /* pieces of `chunk` weights: whole rows, for blocks whole block rows */
    uint64_t nscores;      /* weights, or blocks */
    bool has_cut;          /* the next two are known */
    double threshold;      /* scores below it go */
    uint64_t keep_equal;   /* of the scores equal to it so many stay, the first ones */
    uint64_t nequal;       /* equal ones seen so far while the rows come by */
    uint64_t gone;         /* scores that go */
    uint64_t zeros;        /* zero weights after */
    pe_resident resident;  /* on a device, while x is not NULL */
    pe_rewrite_item *item;
} pe_prune_module;

/* Memory of one thread. */
typedef struct pe_prune_scratch {
    void *raw;
    float *f32;
    double *scores;
    uint32_t *keys;
} pe_prune_scratch;

typedef struct pe_prune_job {
    const pe_prune_params *params;
    const pe_ckpt *in;
    pe_weights *weights;
    const pe_kernels *kern;
    const pe_backend *device; /* NULL: the host prunes */
    pe_pattern pattern;
    pe_prune_scope scope;
    bool choose_layout;
    pe_layout layout; /* when not chosen */
    pe_prune_module *modules;
    size_t nmodules, nselected;
    pe_rewrite_item *items; /* one an array of the checkpoint */
    pe_weights_copy *copies;
    size_t nitems;
    pe_prune_scratch *scratch; /* [nthreads] */
    int nthreads;
    pe_pool *pool;
} pe_prune_job;

/* prune_modules.c: lists and picks the modules, checks the pattern against their shapes. */
pe_status pe_prune_list(pe_prune_job *j, pe_error *err);
/* Weights of chunk c. */
size_t pe_prune_chunk_nelem(const pe_prune_module *m, size_t c);
/* Bytes that this run needs at its peak, as planned. */
uint64_t pe_prune_peak_nbytes(const pe_prune_job *j);
pe_status pe_prune_alloc(pe_prune_job *j, pe_error *err);
void pe_prune_release(pe_prune_job *j);

/* prune_cut.c: one threshold for all modules, or one each; none where rows decide for
 * themselves. */
pe_status pe_prune_find_cuts(pe_prune_job *j, pe_error *err);
/* A pe_rewrite_rows; user is the module. */
pe_status pe_prune_rows(void *user, void *out, const void *in, uint64_t row0, uint64_t nrows,
                        int worker, pe_error *err);

/* Zeroes in the stored 16-bit dtype what became zero in f32 (-0 too). */
void pe_prune_zero_like(uint16_t *out, const uint16_t *in, const float *f32, size_t n);

/* prune_device.c: sets j->device where the parameters ask for one that is not the host; then the
 * same two steps there. */
pe_status pe_prune_device_open(pe_prune_job *j, pe_error *err);
pe_status pe_prune_device_find_cuts(pe_prune_job *j, pe_error *err);
pe_status pe_prune_device_rows(void *user, void *out, const void *in, uint64_t row0, uint64_t nrows,
                               int worker, pe_error *err);
void pe_prune_device_release(pe_prune_job *j);

/* prune_report.c */
pe_status pe_prune_params_json(json_t **out, const pe_prune_job *j, pe_error *err);
pe_status pe_prune_report(json_t **out, const pe_prune_job *j, pe_error *err); /* after writing */
pe_status pe_prune_plan(json_t **out, const pe_prune_job *j, pe_error *err);   /* --dry-run */

#endif
