/* pe/dump.h - named float tensors in one safetensors file, to compare what a model computes with
 * what another program computes. Read next: pe/model.h. */
#ifndef PE_DUMP_H
#define PE_DUMP_H

#include <pe/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pe_dump pe_dump;
/* Tensors are kept in memory until the file is written. */
PE_API pe_status pe_dump_new(pe_dump **out, pe_error *err);
/* A copy of data, f32, row-major. rank at most PE_MAX_RANK. */
PE_API pe_status pe_dump_add(pe_dump *d, const char *name, int rank, const uint64_t *shape,
                             const float *data, pe_error *err);
/* The file appears whole or not at all. PE_E_ARG: two tensors of one name. */
PE_API pe_status pe_dump_write(pe_dump *d, const char *path, pe_error *err);
PE_API void pe_dump_free(pe_dump *d); /* NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
