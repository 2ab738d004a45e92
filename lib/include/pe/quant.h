/* pe/quant.h - int8 checkpoints: weights per output channel, activations dynamic or calibrated. */
#ifndef PE_QUANT_H
#define PE_QUANT_H

#include <pe/base.h>
#include <pe/data.h>
#include <pe/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pe_quant_params {
    const char *scheme; /* NULL = "w8a8": int8 weights and activations; "w8a16": weights only */
    const char *activations; /* NULL = "dynamic" per token; "static" per tensor (needs calib) */
    /* NULL = "int8" with w8a8: scores and weighted sums of layers whose query, key and value are
     * int8 are made between codes, too; "float" */
    const char *attention;
    const char *calib; /* data file, NULL = none; gives static ranges and the error report */
    pe_data_params calib_data;
    size_t calib_rows; /* 0 = 512 */
    const char *range; /* NULL = "absmax"; "percentile:99.99"; "mse" */
    bool symmetric;  /* static: no zero points; without it one-sided inputs (after GELU) get one */
    bool embeddings; /* word embeddings to int8 a row too */
    const pe_pick *keep_float; /* modules that stay float, by name */
    size_t nkeep_float;
    double max_error; /* > 0: modules above this relative output error stay float (needs calib) */
    const pe_pick *picks;
    size_t npicks;
    const char *layout; /* NULL = "auto" when the input has a sparse matrix, else "dense" */
    uint64_t seed, max_ram;
    bool replace, dry_run, sha256;
    const char *recipe;
    /* "cpu" (NULL too), "cuda", "cuda:N", "emu", "auto": where calibration runs and codes are made.
     * The codes are the same everywhere; ranges of a GPU follow from its own float products. */
    const char *device;
    uint64_t max_vram; /* as in pe/model.h */
    pe_pool *pool;
    pe_progress progress;
} pe_quant_params;

/* As pe_prune_checkpoint. */
PE_API pe_status pe_quantize_checkpoint(char **report, const char *in, const char *out,
                                        const pe_quant_params *p, pe_error *err);

#ifdef __cplusplus
}
#endif
#endif
