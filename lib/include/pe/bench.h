/* pe/bench.h - latency of a model over batch x length, and the tuning of its execution. */
#ifndef PE_BENCH_H
#define PE_BENCH_H

#include <pe/base.h>
#include <pe/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pe_bench_params {
    const uint32_t *batch, *length; /* grids, [nbatch] and [nlength] */
    size_t nbatch, nlength;
    uint32_t repeats;     /* 0 = until 1 s or 200 runs a cell, at least 5 */
    uint32_t warmup;      /* 0 = 2 */
    bool layers;          /* time of each op of the plan */
    const char *baseline; /* another checkpoint, alternating with the first */
    const char *exec_layout, *tune_file, *device, *precision; /* as pe_model_params */
    uint64_t max_vram;
    pe_pool *pool;
    pe_progress progress;
} pe_bench_params;
PE_API pe_status pe_bench_model(char **json, const char *model, const pe_bench_params *p,
                                pe_error *err);
/* Times every admissible form of every matrix for each token bucket and stores the times under
 * $XDG_CACHE_HOME/pe/tune/ (or tune_file), for this CPU level, or for this GPU and driver. *json
 * lists what was chosen and by how much. */
PE_API pe_status pe_tune_model(char **json, const char *model, const pe_bench_params *p,
                               pe_error *err);

#ifdef __cplusplus
}
#endif
#endif
