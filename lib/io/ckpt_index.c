/* lib/io/ckpt_index.c - model.safetensors.index.json: which shard holds which tensor.
 * Every name in it is chosen by whoever wrote the file. Read next: lib/io/ckpt_arrays.c. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/io/ckpt_impl.h"

/* A shard is a plain file name: one component, no way out of the directory, nothing Windows reads
 * as a path. Links are fine: caches of the Hugging Face hub are made of them. */
static bool plain_name(const char *s)
{
    if (!*s || !strcmp(s, ".") || !strcmp(s, "..")) return false;
    for (const unsigned char *p = (const unsigned char *)s; *p; p++)
        if (*p == '/' || *p == '\\' || *p == ':' || *p < 0x20) return false;
    return true;
}

static pe_status index_error(const char *path, const char *key, const char *what, pe_error *err)
{
    char show[PE_ST_SHOW];
    return pe_fail(err, PE_E_INPUT, "%s: weight_map: %s: %s", path, pe_st_show(show, key), what);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The distinct shard names, sorted: each is opened once. */
static pe_status shard_names(const char ***out, size_t *n, json_t *map, const char *path,
                             pe_error *err)
{
    size_t all = 0, distinct = 0;
    const char *key, **names = malloc((json_object_size(map) + 1) * sizeof *names);
    json_t *value;
    if (!names) return pe_fail_nomem(err, "shard names", json_object_size(map) * sizeof *names);
    *out = names;
    json_object_foreach(map, key, value)
    {
        const char *name = json_string_value(value);
        if (!name) return index_error(path, key, "its shard is not a string", err);
        if (!plain_name(name))
            return index_error(path, key,
                               "its shard is not a plain file name in the same directory", err);
        names[all++] = name;
    }
    qsort(names, all, sizeof *names, by_text);
    for (size_t i = 0; i < all; i++)
        if (!i || strcmp(names[i], names[distinct - 1])) names[distinct++] = names[i];
    *n = distinct;
    return PE_OK;
}

static const pe_shard *find_shard(const pe_ckpt *c, const char *name)
{
    size_t lo = 0, hi = c->nshards;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int cmp = strcmp(c->shards[mid].name, name);
        if (!cmp) return &c->shards[mid];
        if (cmp < 0) lo = mid + 1;
        else hi = mid;
    }
    return NULL;
}

static bool has_entry(const pe_st *st, const char *name)
{
    size_t lo = 0, hi = st->nentries;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int cmp = strcmp(st->entries[mid].name, name);
        if (!cmp) return true;
        if (cmp < 0) lo = mid + 1;
        else hi = mid;
    }
    return false;
}

static pe_status check_map(const pe_ckpt *c, json_t *map, const char *path, pe_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(map, key, value)
    {
        const pe_shard *s = find_shard(c, json_string_value(value));
        if (!s || !has_entry(&s->st, key))
            return index_error(path, key, "it is not in the shard the index names", err);
    }
    return PE_OK;
}

pe_status pe_ckpt_open_index(pe_ckpt *c, const char *index_path, pe_error *err)
{
    json_t *index = NULL;
    const char **names = NULL;
    size_t n = 0;
    pe_status st = pe_json_load(&index, index_path, PE_MAX_INDEX_NBYTES, err);
    if (st) return st;
    json_t *map = json_object_get(index, "weight_map");
    if (!json_is_object(map) || !json_object_size(map))
        st = pe_fail(err, PE_E_INPUT,
                     "%s: no weight_map; expected an object of tensor and shard names", index_path);
    if (!st) st = shard_names(&names, &n, map, index_path, err);
    for (size_t i = 0; i < n && !st; i++) {
        char *p = pe_path_join(c->path, names[i]);
        st = p ? pe_ckpt_add_shard(c, p, names[i], err)
               : pe_fail_nomem(err, "path", strlen(c->path));
        free(p);
    }
    if (!st) st = check_map(c, map, index_path, err);
    free(names);
    json_decref(index);
    return st;
}
