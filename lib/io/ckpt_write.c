/* lib/io/ckpt_write.c - declares tensors, fixes their places, takes their bytes from any thread.
 * Read next: lib/io/ckpt_commit.c. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/checked.h"
#include "lib/base/error.h"
#include "lib/io/ckpt_impl.h"
#include "lib/io/ckptw_impl.h"
#include "lib/io/provenance.h"

#define STEP_ROOM 4096 /* bytes kept in the header for the step that commit will name */

/* Metadata of `from` without what the writer sets itself. */
static pe_status begin_metadata(pe_ckptw *w, const pe_ckpt *from, pe_error *err)
{
    const json_t *old = from ? pe_ckpt_metadata(from) : NULL;
    pe_status st = from ? pe_provenance_history(&w->history, from, err) : PE_OK;
    if (st) return st;
    if (!w->history) w->history = json_array();
    w->metadata = old ? json_copy((json_t *)old) : json_object(); /* json_copy does not change it */
    if (!w->history || !w->metadata ||
        json_object_set_new(w->metadata, "format", json_string("pt")))
        return pe_fail_nomem(err, "metadata", 0);
    json_object_del(w->metadata, "pe");
    return PE_OK;
}

pe_status pe_ckptw_open(pe_ckptw **out, const char *dir, const pe_ckpt *from, bool replace,
                        pe_error *err)
{
    pe_ckptw *w = calloc(1, sizeof *w);
    *out = NULL;
    if (!w) return pe_fail_nomem(err, "checkpoint writer", sizeof *w);
    w->fd = -1;
    w->path = strdup(dir);
    if (from && from->is_dir) w->from_dir = strdup(from->path);
    pe_status st = begin_metadata(w, from, err);
    if (!st && (!w->path || (from && from->is_dir && !w->from_dir)))
        st = pe_fail_nomem(err, "path", 0);
    if (!st) st = pe_outdir_open(&w->dir, dir, replace, err);
    if (!st && w->from_dir) st = pe_copy_side_files(w->dir, w->from_dir, err);
    if (st) pe_ckptw_abort(w);
    else *out = w;
    return st;
}

void pe_ckptw_sha256(pe_ckptw *w)
{
    w->sha256 = true;
}

static pe_status grow(void **list, size_t *capacity, size_t n, size_t size, pe_error *err)
{
    if (n < *capacity) return PE_OK;
    size_t more = *capacity ? *capacity * 2 : 64;
    void *p = realloc(*list, more * size);
    if (!p) return pe_fail_nomem(err, "tensor list", more * size);
    *list = p;
    *capacity = more;
    return PE_OK;
}

/* Places for one tensor and its parts at the ends of the lists. */
static pe_status add_tensor(pe_ckptw *w, size_t *index, const char *name, pe_layout_spec spec,
                            int nparts, pe_error *err)
{
    pe_status st =
        grow((void **)&w->tensors, &w->tensor_capacity, w->ntensors, sizeof *w->tensors, err);
    for (int i = 0; i < nparts && !st; i++)
        st = grow((void **)&w->parts, &w->part_capacity, w->nparts + (size_t)i, sizeof *w->parts,
                  err);
    if (st) return st;
    pe_out_tensor *t = &w->tensors[w->ntensors];
    *t = (pe_out_tensor){ .layout = spec, .first = w->nparts, .nparts = nparts };
    if (!(t->name = strdup(name))) return pe_fail_nomem(err, "tensor name", strlen(name));
    *index = w->ntensors++;
    if (spec.layout != PE_LAYOUT_DENSE) w->sparse = true;
    return PE_OK;
}

static pe_status add_part(pe_ckptw *w, const char *name, const char *suffix,
                          const pe_st_dtype *dtype, int rank, const uint64_t *shape, pe_error *err)
{
    pe_out_part *p = &w->parts[w->nparts];
    uint64_t bits;
    char *full = malloc(strlen(name) + strlen(suffix) + 1);
    if (!full) return pe_fail_nomem(err, "tensor name", strlen(name));
    strcat(strcpy(full, name), suffix);
    memset(p, 0, sizeof *p);
    p->name = full;
    p->dtype = dtype;
    p->dtype_name = dtype->name;
    p->rank = (uint32_t)rank;
    p->nelem = 1;
    w->nparts++;
    bool fits = rank >= 0 && rank <= PE_MAX_RANK;
    for (int i = 0; i < rank && fits; i++) {
        p->shape[i] = shape[i];
        fits = pe_mul_u64(&p->nelem, p->nelem, shape[i]);
    }
    if (!fits || !pe_mul_u64(&bits, p->nelem, dtype->bits) || bits % 8)
        return pe_fail(err, PE_E_ARG, "tensor \"%.200s\": shape overflows or does not fill bytes",
                       name);
    p->nbytes = bits / 8;
    return PE_OK;
}

static pe_status add_typed(pe_ckptw *w, size_t *index, const char *name, const pe_st_dtype *own,
                           int rank, const uint64_t *shape, pe_layout_spec spec,
                           const pe_part *parts, int nparts, pe_error *err)
{
    bool dense = spec.layout == PE_LAYOUT_DENSE;
    if (!own) return pe_fail(err, PE_E_ARG, "tensor \"%.200s\": no such dtype", name);
    if (w->entries)
        return pe_fail(err, PE_E_ARG, "tensor \"%.200s\": declared after writing began", name);
    if (!dense && rank != 2)
        return pe_fail(err, PE_E_ARG, "tensor \"%.200s\": only matrices are stored sparse", name);
    pe_status st = add_tensor(w, index, name, spec, dense ? 1 : nparts, err);
    if (st) return st;
    if (dense) return add_part(w, name, "", own, rank, shape, err);
    memcpy(w->tensors[*index].shape, shape, sizeof w->tensors[*index].shape);
    for (int i = 0; i < nparts && !st; i++) {
        const pe_st_dtype *t =
            parts[i].dtype == PE_DTYPE_OTHER ? own : pe_st_dtype_of(parts[i].dtype);
        st = add_part(w, name, parts[i].suffix, t, parts[i].rank, parts[i].shape, err);
    }
    return st;
}

pe_status pe_ckptw_add(pe_ckptw *w, size_t *index, const char *name, pe_dtype dtype, int rank,
                       const uint64_t *shape, pe_layout_spec spec, const pe_part *parts, int nparts,
                       pe_error *err)
{
    return add_typed(w, index, name, pe_st_dtype_of(dtype), rank, shape, spec, parts, nparts, err);
}

pe_status pe_ckptw_add_like(pe_ckptw *w, size_t *index, const pe_array *a, pe_error *err)
{
    return add_typed(w, index, a->name, pe_st_dtype_find(a->dtype_name), a->rank, a->shape,
                     a->layout, a->part, a->nparts, err);
}

pe_status pe_ckptw_begin(pe_ckptw *w, pe_error *err)
{
    size_t n = w->nparts, nbytes = 0;
    char *header = NULL;
    w->entries = calloc(n + 1, sizeof *w->entries);
    if (!w->entries) return pe_fail_nomem(err, "tensor list", n * sizeof *w->entries);
    for (size_t i = 0; i < n; i++) {
        pe_out_part *p = &w->parts[i];
        w->entries[i] =
            (pe_st_entry){ p->name, p->dtype, p->rank, { 0 }, p->nelem, 0, p->nbytes, i };
        memcpy(w->entries[i].shape, p->shape, sizeof p->shape);
    }
    pe_status st = pe_st_arrange(w->entries, n, &w->data_nbytes, err);
    /* The header comes first in the file but is known last: its size now, with room for the new
     * step (escaped once as JSON in JSON); commit moves the data if that was too little. */
    if (!st) st = pe_st_header(&header, &nbytes, w->entries, n, w->metadata, 0, err);
    if (st) return st;
    free(header);
    for (size_t i = 0; i < n; i++) w->parts[w->entries[i].id].offset = w->entries[i].offset;
    size_t history = json_dumpb(w->history, NULL, 0, JSON_COMPACT) * 5 / 4;
    w->data_offset = pe_round_up(nbytes + history + STEP_ROOM, PE_DATA_ALIGN);
    w->file_name = w->sparse ? PE_CKPT_SPARSE_FILE : PE_CKPT_DENSE_FILE;
    return pe_outdir_create(w->dir, w->file_name, w->data_offset + w->data_nbytes, &w->fd, err);
}

/* Bytes that continue a part are hashed at once, while they are in the cache. */
static pe_status hash_part(pe_out_part *p, uint64_t offset, const void *data, size_t nbytes,
                           pe_error *err)
{
    if (atomic_load(&p->again)) return PE_OK;
    if (atomic_exchange(&p->busy, true) || offset != p->next) {
        atomic_store(&p->again, true); /* two threads, or out of order */
        return PE_OK;
    }
    if (!p->hasher && !(p->hasher = pe_hasher_new())) return pe_fail_nomem(err, "digest", 0);
    pe_hasher_add(p->hasher, data, nbytes);
    p->next += nbytes;
    if (p->next == p->nbytes) {
        p->digest = pe_hasher_get(p->hasher);
        pe_hasher_free(p->hasher);
        p->hasher = NULL;
    }
    atomic_store(&p->busy, false);
    return PE_OK;
}

pe_status pe_ckptw_write(pe_ckptw *w, size_t index, int part, uint64_t offset, const void *data,
                         size_t nbytes, pe_error *err)
{
    const pe_out_tensor *t = &w->tensors[index];
    pe_out_part *p = &w->parts[t->first + (size_t)part];
    if (offset > p->nbytes || nbytes > p->nbytes - offset)
        return pe_fail(err, PE_E_ARG, "tensor \"%.200s\": written past its end", p->name);
    if (!nbytes) return PE_OK;
    pe_status st = hash_part(p, offset, data, nbytes, err);
    if (!st)
        st = pe_write_at(w->fd, w->data_offset + p->offset + offset, data, nbytes, w->path, err);
    if (!st) atomic_fetch_add(&p->written, nbytes);
    return st;
}

void pe_ckptw_free(pe_ckptw *w)
{
    for (size_t i = 0; i < w->nparts; i++) {
        pe_hasher_free(w->parts[i].hasher);
        free(w->parts[i].name);
    }
    for (size_t i = 0; i < w->ntensors; i++) free(w->tensors[i].name);
    json_decref(w->metadata);
    json_decref(w->history);
    free(w->tensors);
    free(w->parts);
    free(w->entries);
    free(w->path);
    free(w->from_dir);
    free(w);
}

void pe_ckptw_abort(pe_ckptw *w)
{
    if (!w) return;
    pe_outdir_abort(w->dir);
    pe_ckptw_free(w);
}
