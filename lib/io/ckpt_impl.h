/* lib/io/ckpt_impl.h - what the reading half of lib/io/ckpt.h shares between its files.
 * Read next: lib/io/ckpt_open.c. */
#ifndef PE_IO_CKPT_IMPL_H
#define PE_IO_CKPT_IMPL_H

#include "formats/safetensors.h"
#include "lib/base/file.h"
#include "lib/io/ckpt.h"

#define PE_CKPT_DENSE_FILE   "model.safetensors"
#define PE_CKPT_INDEX_FILE   "model.safetensors.index.json"
#define PE_CKPT_SPARSE_FILE  "model.pe.safetensors"
#define PE_MAX_CONFIG_NBYTES (16u << 20)
#define PE_MAX_INDEX_NBYTES  (256u << 20)

typedef struct pe_shard {
    char *name; /* within the directory; NULL when the checkpoint is one file */
    pe_file *file;
    pe_st st; /* entries are released once the arrays are made; the header keeps the names */
} pe_shard;

struct pe_ckpt {
    char *path;
    bool is_dir;
    json_t *config;
    pe_shard *shards;
    size_t nshards;
    pe_array *arrays;
    size_t narrays;
};

/* dir/name from malloc; NULL: no memory. */
char *pe_path_join(const char *dir, const char *name);
/* Opens one file as the next shard and reads its header. */
pe_status pe_ckpt_add_shard(pe_ckpt *c, const char *path, const char *name, pe_error *err);
/* Opens every shard that the index names and checks the map against their headers. */
pe_status pe_ckpt_open_index(pe_ckpt *c, const char *index_path, pe_error *err);
/* Makes the arrays of all shards: names unique, layouts of config.json put together. */
pe_status pe_ckpt_make_arrays(pe_ckpt *c, pe_error *err);

#endif
