/* pe/prune.h - zero the least important weights of a checkpoint and store the rest in fewer bytes.
 */
#ifndef PE_PRUNE_H
#define PE_PRUNE_H

#include <pe/base.h>
#include <pe/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pe_prune_params {
    const char *method;  /* a row of criteria.def; NULL = "magnitude" */
    double sparsity;     /* share of the selected weights to be zero, 0 <= s < 1; with N:M left 0 */
    const char *scope;   /* NULL = "layer": s of each matrix; "global": s of all together */
    const char *pattern; /* NULL = anywhere; "N:M" keeps N of every M inputs; "RxC" whole blocks */
    const char *layout;  /* NULL = "auto"; a pe_layout name */
    const pe_pick *picks; /* --only/--skip; embeddings and heads are skipped unless picked */
    size_t npicks;
    uint64_t seed;
    bool replace, dry_run, sha256;
    const char *recipe; /* JSON object text of provenance (recipe blob, commit), or NULL */
    uint64_t max_ram;   /* bytes, 0 = no limit asked */
    /* "cpu" (NULL too), "cuda", "cuda:N", "emu", "auto": where weights are selected; the result is
     * the same. */
    const char *device;
    uint64_t max_vram; /* as in pe/model.h */
    pe_pool *pool;
    pe_progress progress;
} pe_prune_params;

/* Reads checkpoint `in`, writes checkpoint `out`. *report (may be NULL): the JSON of
 * pe-report.json, or with dry_run the plan; from malloc, the caller frees it. Exactly k weights
 * (blocks) are zero: k = floor(s * n + 0.5), existing zeros count; ties zero the higher (module
 * name, flat index). */
PE_API pe_status pe_prune_checkpoint(char **report, const char *in, const char *out,
                                     const pe_prune_params *p, pe_error *err);

#ifdef __cplusplus
}
#endif
#endif
