/* lib/io/ckpt.h - checkpoint directories: read (single file or shards) and written (streamed,
 * atomic). Read next: formats/safetensors.h (the bytes), lib/io/provenance.h (the history). */
#ifndef PE_IO_CKPT_H
#define PE_IO_CKPT_H

#include <jansson.h>

#include "lib/tensor/layout.h"

/* One logical tensor: dense, or a layout whose parts are several arrays of the file. */
typedef struct pe_array {
    const char *name; /* borrowed from the checkpoint */
    pe_dtype dtype;
    const char *dtype_name; /* as the file says, also for PE_DTYPE_OTHER; static */
    int rank;
    uint64_t shape[PE_MAX_RANK];
    uint64_t nelem;
    uint64_t nbytes; /* stored, all parts */
    pe_layout_spec layout;
    int nparts;
    pe_part part[PE_MAX_PARTS];
    uint32_t file;                 /* shard */
    uint64_t offset[PE_MAX_PARTS]; /* absolute in that file */
} pe_array;

typedef struct pe_ckpt pe_ckpt;
/* path: a directory (config.json, model.safetensors or index + shards, or model.pe.safetensors) or
 * one .safetensors file. Every header is checked (docs/formats.md); no payload is read. */
pe_status pe_ckpt_open(pe_ckpt **out, const char *path, pe_error *err);
void pe_ckpt_close(pe_ckpt *c);
const char *pe_ckpt_path(const pe_ckpt *c);
const json_t *pe_ckpt_config(const pe_ckpt *c); /* config.json, NULL when there is none; borrowed */
/* quantization_config, or pe_quantization of a checkpoint with sparse matrices; NULL = none. */
const json_t *pe_ckpt_quantization(const pe_ckpt *c);
const json_t *pe_ckpt_metadata(const pe_ckpt *c); /* __metadata__ of the first file, NULL = none */
size_t pe_ckpt_narrays(const pe_ckpt *c);         /* sorted by name, bytewise */
const pe_array *pe_ckpt_array(const pe_ckpt *c, size_t i);
const pe_array *pe_ckpt_find(const pe_ckpt *c, const char *name); /* NULL: not there */
size_t pe_ckpt_nfiles(const pe_ckpt *c);
const char *pe_ckpt_file(const pe_ckpt *c, size_t i); /* path of pe_array.file */
uint64_t pe_ckpt_header_nbytes(const pe_ckpt *c);     /* of all files */
uint64_t pe_ckpt_largest_nbytes(const pe_ckpt *c);    /* dense bytes of the largest tensor */
/* Raw bytes of a part by pread; any thread. */
pe_status pe_ckpt_read(const pe_ckpt *c, const pe_array *a, int part, uint64_t offset, void *dst,
                       size_t nbytes, pe_error *err);
/* The bytes of a dense tensor as they lie in the file, mapped read-only and valid until close; NULL
 * when it is stored otherwise. For execution from local disks: whoever truncates the file meanwhile
 * stops the process. Not thread-safe. */
pe_status pe_ckpt_map(const pe_ckpt *c, const pe_array *a, const void **out, pe_error *err);
/* Rows [row0, row0 + nrows) of a dense matrix (rank 1 counts as one row), in its own dtype. */
pe_status pe_ckpt_read_rows(const pe_ckpt *c, const pe_array *a, uint64_t row0, uint64_t nrows,
                            void *dst, pe_error *err);
/* Whole tensor expanded to dense, own dtype; dst has nelem * pe_dtype_nbytes(dtype). */
pe_status pe_ckpt_read_dense(const pe_ckpt *c, const pe_array *a, void *dst, pe_error *err);
/* Same widened to f32 (F32, F16, BF16, F64 sources; others PE_E_INPUT naming dtype). NaN and Inf
 * are PE_E_INPUT with the flat index of the first. */
pe_status pe_ckpt_read_f32(const pe_ckpt *c, const pe_array *a, float *dst, pe_error *err);

/* ---- writing ---- */
typedef struct pe_ckptw pe_ckptw;
/* A new checkpoint directory. Side files of `from` (tokenizer, generation config, modules.json and
 * the folders it names ...) are copied byte for byte, config.json comes from `config` at commit.
 * from NULL: none, and no history. */
pe_status pe_ckptw_open(pe_ckptw **out, const char *dir, const pe_ckpt *from, bool replace,
                        pe_error *err);
void pe_ckptw_sha256(pe_ckptw *w); /* puts the SHA-256 of the weights file into the report, too */
/* Declare a tensor; *index is its handle. parts as pe_layout_measure gave them (dense: NULL, 0). */
pe_status pe_ckptw_add(pe_ckptw *w, size_t *index, const char *name, pe_dtype dtype, int rank,
                       const uint64_t *shape, pe_layout_spec spec, const pe_part *parts, int nparts,
                       pe_error *err);
/* As it is in another checkpoint, any dtype. */
pe_status pe_ckptw_add_like(pe_ckptw *w, size_t *index, const pe_array *a, pe_error *err);
/* All are declared: offsets are fixed. The file is model.safetensors, or model.pe.safetensors
 * when a layout other than dense is among them. */
pe_status pe_ckptw_begin(pe_ckptw *w, pe_error *err);
/* Any thread, any order; every byte of every part exactly once. Digests are taken on the way of
 * parts whose bytes come in ascending order (they do in all passes), others are read again at
 * commit. */
pe_status pe_ckptw_write(pe_ckptw *w, size_t index, int part, uint64_t offset, const void *data,
                         size_t nbytes, pe_error *err);
/* Writes header with provenance (step is added to the history of `from`; NULL: none),
 * config.json (with sparse matrices: pe_layouts, and quantization_config as pe_quantization;
 * without: the reverse), pe-report.json (report with "content" and "digests" added), syncs,
 * renames. Frees w, also on failure. config and report may be NULL. */
pe_status pe_ckptw_commit(pe_ckptw *w, const json_t *config, const json_t *step,
                          const json_t *report, pe_error *err);
void pe_ckptw_abort(pe_ckptw *w);

#endif
