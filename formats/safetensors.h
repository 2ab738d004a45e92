/* formats/safetensors.h - the safetensors container: bytes <-> named arrays, strict both ways.
 * Read next: lib/io/ckpt.h, which makes checkpoints of such files; docs/formats.md, section 1. */
#ifndef PE_FORMATS_SAFETENSORS_H
#define PE_FORMATS_SAFETENSORS_H

#include <jansson.h>
#include <pe/tensor.h>

#include "lib/base/file.h"

#define PE_ST_MAX_HEADER 100000000u /* bytes, as in the reference implementation */

/* A row of the format's closed list of element types. */
typedef struct pe_st_dtype {
    const char *name; /* "F32" */
    pe_dtype dtype;   /* PE_DTYPE_OTHER: carried through, never computed with */
    uint32_t bits;
} pe_st_dtype;
const pe_st_dtype *pe_st_dtype_find(const char *name); /* NULL: not in the list */
const pe_st_dtype *pe_st_dtype_of(pe_dtype t);         /* NULL for PE_DTYPE_OTHER */

/* One array. A name holds U+0000 as the bytes C0 80, which no valid UTF-8 contains. */
typedef struct pe_st_entry {
    const char *name;
    const pe_st_dtype *dtype;
    uint32_t rank;
    uint64_t shape[PE_MAX_RANK];
    uint64_t nelem;
    uint64_t offset; /* of the data: absolute in the file when read */
    uint64_t nbytes;
    size_t id; /* the caller's, when writing: arranging moves entries */
} pe_st_entry;

/* A checked header: every entry lies in the file, no holes, no overlap, no tail, names unique. */
typedef struct pe_st {
    pe_st_entry *entries; /* sorted by name, bytewise */
    size_t nentries;
    json_t *metadata;     /* object of strings, NULL = none */
    uint64_t data_offset; /* absolute: 8 + header bytes */
    char *header;         /* owns the names */
} pe_st;

/* Reads and checks the header; no data. PE_E_INPUT "file: what, where". */
pe_status pe_st_read(pe_st *out, const pe_file *f, pe_error *err);
/* Same from memory: `bytes` are the first nbytes of a file of file_nbytes; at least the header. */
pe_status pe_st_parse(pe_st *out, const void *bytes, size_t nbytes, uint64_t file_nbytes,
                      const char *name, pe_error *err);
void pe_st_release(pe_st *st);

/* Sorts entries as the reference writer does (wider element types first, then names) and sets their
 * offsets, relative to the data. PE_E_ARG names a duplicate. */
pe_status pe_st_arrange(pe_st_entry *entries, size_t n, uint64_t *data_nbytes, pe_error *err);
/* The 8 length bytes and the header of arranged entries, from malloc; padded with spaces to a
 * multiple of 8 and to at least min_nbytes in all. metadata: object of strings or NULL. */
pe_status pe_st_header(char **out, size_t *nbytes, const pe_st_entry *entries, size_t n,
                       const json_t *metadata, size_t min_nbytes, pe_error *err);

/* A name fit for a message: controls and U+0000 escaped, long ones shortened. Returns buf. */
#define PE_ST_SHOW 120
const char *pe_st_show(char buf[PE_ST_SHOW], const char *name);
/* The name as a JSON string value with U+0000 restored; NULL: no memory. */
json_t *pe_st_name_json(const char *name);

#endif
