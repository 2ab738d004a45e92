/* lib/io/ckpt_open.c - finds the files of a checkpoint and opens them.
 * Read next: lib/io/ckpt_index.c for shards, lib/io/ckpt_arrays.c for what is in them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/io/ckpt_impl.h"

char *pe_path_join(const char *dir, const char *name)
{
    size_t a = strlen(dir), b = strlen(name);
    while (a > 1 && dir[a - 1] == '/') a--;
    char *p = malloc(a + b + 2);
    if (!p) return NULL;
    memcpy(p, dir, a);
    p[a] = '/';
    memcpy(p + a + 1, name, b + 1);
    return p;
}

pe_status pe_ckpt_add_shard(pe_ckpt *c, const char *path, const char *name, pe_error *err)
{
    pe_shard *grown = realloc(c->shards, (c->nshards + 1) * sizeof *grown);
    if (!grown) return pe_fail_nomem(err, "shard list", (c->nshards + 1) * sizeof *grown);
    c->shards = grown;
    pe_shard *s = &c->shards[c->nshards++];
    *s = (pe_shard){ 0 };
    if (name && !(s->name = strdup(name))) return pe_fail_nomem(err, "shard name", strlen(name));
    pe_status st = pe_file_open(&s->file, path, err);
    if (!st) st = pe_st_read(&s->st, s->file, err);
    return st;
}

static bool exists(const char *dir, const char *name)
{
    char *p = pe_path_join(dir, name);
    bool yes = p && !pe_path_is_absent(p);
    free(p);
    return yes;
}

static pe_status open_named(pe_ckpt *c, const char *name, bool is_index, pe_error *err)
{
    char *p = pe_path_join(c->path, name);
    if (!p) return pe_fail_nomem(err, "path", strlen(c->path));
    pe_status st = is_index ? pe_ckpt_open_index(c, p, err) : pe_ckpt_add_shard(c, p, name, err);
    free(p);
    return st;
}

static pe_status load_config(pe_ckpt *c, pe_error *err)
{
    if (!exists(c->path, "config.json")) return PE_OK;
    char *p = pe_path_join(c->path, "config.json");
    if (!p) return pe_fail_nomem(err, "path", strlen(c->path));
    pe_status st = pe_json_load(&c->config, p, PE_MAX_CONFIG_NBYTES, err);
    if (!st && !json_is_object(c->config))
        st = pe_fail(err, PE_E_INPUT, "%s: not a JSON object; expected a model's configuration", p);
    free(p);
    return st;
}

static pe_status open_dir(pe_ckpt *c, pe_error *err)
{
    bool dense = exists(c->path, PE_CKPT_DENSE_FILE), sparse = exists(c->path, PE_CKPT_SPARSE_FILE);
    bool index = exists(c->path, PE_CKPT_INDEX_FILE);
    pe_status st = load_config(c, err);
    if (st) return st;
    if (sparse && (dense || index))
        return pe_fail(err, PE_E_INPUT,
                       "%s: both " PE_CKPT_SPARSE_FILE " and %s; remove the one that is not meant",
                       c->path, dense ? PE_CKPT_DENSE_FILE : PE_CKPT_INDEX_FILE);
    if (sparse) return open_named(c, PE_CKPT_SPARSE_FILE, false, err);
    if (dense) return open_named(c, PE_CKPT_DENSE_FILE, false, err);
    if (index) return open_named(c, PE_CKPT_INDEX_FILE, true, err);
    if (exists(c->path, "pytorch_model.bin") || exists(c->path, "pytorch_model.bin.index.json"))
        return pe_fail(
            err, PE_E_UNSUPPORTED,
            "%s: weights are pytorch_model.bin, expected safetensors; save the model with "
            "safe_serialization=True",
            c->path);
    return pe_fail(err, PE_E_NOTFOUND,
                   "%s: no " PE_CKPT_DENSE_FILE ", " PE_CKPT_INDEX_FILE " or " PE_CKPT_SPARSE_FILE
                   " in it; is it a model directory?",
                   c->path);
}

pe_status pe_ckpt_open(pe_ckpt **out, const char *path, pe_error *err)
{
    struct stat sb;
    *out = NULL;
    if (stat(path, &sb)) return pe_fail_errno(err, PE_E_NOTFOUND, "%s", path);
    pe_ckpt *c = calloc(1, sizeof *c);
    if (!c || !(c->path = strdup(path))) {
        free(c);
        return pe_fail_nomem(err, "checkpoint", sizeof *c);
    }
    c->is_dir = S_ISDIR(sb.st_mode);
    pe_status st = c->is_dir ? open_dir(c, err) : pe_ckpt_add_shard(c, path, NULL, err);
    if (!st) st = pe_ckpt_make_arrays(c, err);
    if (st) pe_ckpt_close(c);
    else *out = c;
    return st;
}

void pe_ckpt_close(pe_ckpt *c)
{
    if (!c) return;
    for (size_t i = 0; i < c->nshards; i++) {
        if (c->shards[i].file) pe_file_close(c->shards[i].file);
        pe_st_release(&c->shards[i].st);
        free(c->shards[i].name);
    }
    free(c->shards);
    free(c->arrays);
    json_decref(c->config);
    free(c->path);
    free(c);
}

const char *pe_ckpt_path(const pe_ckpt *c)
{
    return c->path;
}
const json_t *pe_ckpt_config(const pe_ckpt *c)
{
    return c->config;
}

const json_t *pe_ckpt_quantization(const pe_ckpt *c)
{
    const json_t *q = json_object_get(c->config, "quantization_config");
    if (!json_is_object(q)) q = json_object_get(c->config, "pe_quantization");
    return json_is_object(q) ? q : NULL;
}

const json_t *pe_ckpt_metadata(const pe_ckpt *c)
{
    return c->nshards ? c->shards[0].st.metadata : NULL;
}
size_t pe_ckpt_narrays(const pe_ckpt *c)
{
    return c->narrays;
}
const pe_array *pe_ckpt_array(const pe_ckpt *c, size_t i)
{
    return &c->arrays[i];
}
size_t pe_ckpt_nfiles(const pe_ckpt *c)
{
    return c->nshards;
}
const char *pe_ckpt_file(const pe_ckpt *c, size_t i)
{
    return pe_file_path(c->shards[i].file);
}

uint64_t pe_ckpt_header_nbytes(const pe_ckpt *c)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < c->nshards; i++) sum += c->shards[i].st.data_offset;
    return sum;
}
