/* lib/io/ckptw_impl.h - what the writing half of lib/io/ckpt.h shares between its files.
 * Read next: lib/io/ckpt_write.c. */
#ifndef PE_IO_CKPTW_IMPL_H
#define PE_IO_CKPTW_IMPL_H

#include <stdatomic.h>

#include "formats/safetensors.h"
#include "lib/base/digest.h"
#include "lib/io/ckpt.h"

#define PE_DATA_ALIGN 64 /* where data begin in the file */

/* One stored array while it is written. */
typedef struct pe_out_part {
    char *name; /* in the file: the tensor's name and the part's suffix */
    const char *dtype_name;
    const pe_st_dtype *dtype;
    uint32_t rank;
    uint64_t shape[PE_MAX_RANK];
    uint64_t nelem, nbytes;
    uint64_t offset; /* relative to the data */
    atomic_uint_fast64_t written;
    atomic_bool busy, again; /* being hashed; came out of order, so it is read again at commit */
    uint64_t next;           /* first byte not yet hashed */
    pe_hasher *hasher;
    pe_digest digest;
} pe_out_part;

typedef struct pe_out_tensor {
    char *name;
    uint64_t shape[2]; /* of matrices that are not dense */
    pe_layout_spec layout;
    size_t first; /* part */
    int nparts;
} pe_out_tensor;

struct pe_ckptw {
    pe_outdir *dir;
    char *path, *from_dir; /* from_dir NULL: no side files */
    json_t *metadata;      /* what the file began with, without provenance */
    json_t *history;
    pe_out_tensor *tensors;
    size_t ntensors, tensor_capacity;
    pe_out_part *parts;
    size_t nparts, part_capacity;
    pe_st_entry *entries; /* arranged */
    uint64_t data_offset, data_nbytes;
    const char *file_name;
    int fd;
    bool sparse, sha256;
};

/* Copies what a model directory holds beside weights and config.json. */
pe_status pe_copy_side_files(pe_outdir *to, const char *from_dir, pe_error *err);
void pe_ckptw_free(pe_ckptw *w); /* all but the directory */

#endif
