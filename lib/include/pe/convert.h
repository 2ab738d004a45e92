/* pe/convert.h - look into a checkpoint, check it, store it in another layout or dtype. */
#ifndef PE_CONVERT_H
#define PE_CONVERT_H

#include <pe/base.h>
#include <pe/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pe_convert_params {
    const char *layout; /* NULL = as it is; "auto" or a pe_layout name */
    const char *dtype;  /* NULL = as it is; "f32", "bf16", "f16" (int8 is dequantized) */
    uint32_t block;     /* BSR and Blocked-ELL edge, 0 = 16 */
    const pe_pick *picks;
    size_t npicks;
    bool replace, dry_run, sha256;
    const char *recipe;
    pe_pool *pool;
    pe_progress progress;
} pe_convert_params;
PE_API pe_status pe_convert_checkpoint(char **report, const char *in, const char *out,
                                       const pe_convert_params *p, pe_error *err);

/* JSON of docs/cli.md, section 4 ("pe.inspect/1"), from malloc. */
PE_API pe_status pe_inspect_checkpoint(char **json, const char *path, bool tensors, pe_pool *pool,
                                       pe_error *err);
/* Digests against provenance, shapes against config, layouts valid, values finite. PE_E_NEGATIVE
 * with the first failure in err; *json lists all. */
PE_API pe_status pe_verify_checkpoint(char **json, const char *path, pe_pool *pool, pe_error *err);

/* JSON "pe.devices/1" of what can execute models here: the CPU with its level, features and
 * cores; the GPU, or why there is none. From malloc. PE_E_ARG: PE_CPU names no level. */
PE_API pe_status pe_list_devices(char **json, pe_error *err);

#ifdef __cplusplus
}
#endif
#endif
