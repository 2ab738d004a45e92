/* lib/io/ckpt_arrays.c - from file entries to logical tensors: plain ones and those whose layout
 * config.json describes under "pe_layouts". Read next: lib/io/ckpt_data.c. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/checked.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/io/ckpt_impl.h"

typedef struct placed { /* an entry and its shard */
    const pe_st_entry *e;
    uint32_t file;
    bool taken; /* part of a layout */
} placed;

typedef struct maker {
    pe_ckpt *c;
    placed *all; /* sorted by name */
    size_t n;
    pe_error *err;
} maker;

static int by_entry_name(const void *a, const void *b)
{
    return strcmp(((const placed *)a)->e->name, ((const placed *)b)->e->name);
}

static int by_array_name(const void *a, const void *b)
{
    return strcmp(((const pe_array *)a)->name, ((const pe_array *)b)->name);
}

static pe_status place_all(maker *m)
{
    pe_ckpt *c = m->c;
    size_t n = 0;
    for (size_t i = 0; i < c->nshards; i++) n += c->shards[i].st.nentries;
    m->all = malloc((n + 1) * sizeof *m->all);
    if (!m->all) return pe_fail_nomem(m->err, "tensor list", n * sizeof *m->all);
    for (size_t i = 0; i < c->nshards; i++)
        for (size_t j = 0; j < c->shards[i].st.nentries; j++)
            m->all[m->n++] = (placed){ &c->shards[i].st.entries[j], (uint32_t)i, false };
    if (n) qsort(m->all, n, sizeof *m->all, by_entry_name);
    for (size_t i = 1; i < n; i++) {
        char show[PE_ST_SHOW];
        if (!strcmp(m->all[i - 1].e->name, m->all[i].e->name))
            return pe_fail(m->err, PE_E_INPUT, "%s: tensor %s is in two shards, %s and %s", c->path,
                           pe_st_show(show, m->all[i].e->name), c->shards[m->all[i - 1].file].name,
                           c->shards[m->all[i].file].name);
    }
    return PE_OK;
}

static placed *find_placed(maker *m, const char *name)
{
    pe_st_entry e = { .name = name };
    placed key = { .e = &e };
    return m->n ? bsearch(&key, m->all, m->n, sizeof key, by_entry_name) : NULL;
}

static void plain_array(pe_array *a, const placed *p)
{
    const pe_st_entry *e = p->e;
    *a = (pe_array){ .name = e->name,
                     .dtype = e->dtype->dtype,
                     .dtype_name = e->dtype->name,
                     .rank = (int)e->rank,
                     .nelem = e->nelem,
                     .nbytes = e->nbytes,
                     .nparts = 1,
                     .file = p->file };
    memcpy(a->shape, e->shape, sizeof a->shape);
    a->part[0] = (pe_part){ "", PE_DTYPE_OTHER, (int)e->rank, { 0 }, e->nbytes };
    for (uint32_t i = 0; i < e->rank && i < 3; i++) a->part[0].shape[i] = e->shape[i];
    a->offset[0] = e->offset;
}

/* {"layout": name, "shape": [n, k], "block": edge} */
static pe_status read_layout(maker *m, pe_array *a, const json_t *o)
{
    const char *name = NULL, *where = m->c->path;
    int64_t dim[2] = { 0, 0 }, block = 0;
    json_t *shape = json_object_get(o, "shape");
    pe_status st =
        json_is_object(o) ? pe_json_str(&name, o, "layout", true, where, m->err) : PE_E_INPUT;
    if (!st) st = pe_layout_parse(&a->layout.layout, name, NULL);
    if (!st) st = pe_json_int(&block, o, "block", 1, PE_MAX_BLOCK, false, where, m->err);
    for (size_t i = 0; i < 2 && !st; i++) {
        json_t *d = json_array_get(shape, i);
        if (json_array_size(shape) != 2 || !json_is_integer(d) ||
            (dim[i] = json_integer_value(d)) < 0)
            st = PE_E_INPUT;
    }
    if (st || a->layout.layout == PE_LAYOUT_DENSE)
        return pe_fail(m->err, PE_E_INPUT,
                       "%s/config.json: pe_layouts: \"%.200s\": expected {\"layout\": a sparse "
                       "layout, \"shape\": [rows, columns], \"block\": 1..%d}",
                       where, a->name, PE_MAX_BLOCK);
    a->layout.block = (uint32_t)block;
    a->rank = 2;
    a->shape[0] = (uint64_t)dim[0];
    a->shape[1] = (uint64_t)dim[1];
    if (!pe_mul_u64(&a->nelem, a->shape[0], a->shape[1]))
        return pe_fail(m->err, PE_E_INPUT,
                       "%s/config.json: pe_layouts: \"%.200s\": shape overflows", where, a->name);
    return PE_OK;
}

static bool same_part(const pe_part *want, const pe_array *a, const pe_st_entry *e)
{
    bool same = want->rank == (int)e->rank && want->nbytes == e->nbytes &&
                (want->dtype == PE_DTYPE_OTHER ? a->dtype : want->dtype) == e->dtype->dtype;
    for (int i = 0; i < want->rank && same; i++) same = want->shape[i] == e->shape[i];
    return same;
}

/* The entries that hold the parts, by name, in one file; got: their shapes. */
static pe_status find_parts(maker *m, pe_array *a, placed *at[PE_MAX_PARTS],
                            pe_part got[PE_MAX_PARTS])
{
    pe_part want[PE_MAX_PARTS];
    size_t room = strlen(a->name) + 16;
    pe_status st =
        pe_layout_parts(want, &a->nparts, a->layout, a->shape[0], a->shape[1], 1, 0, m->err);
    char *name = st ? NULL : malloc(room);
    if (!st && !name) st = pe_fail_nomem(m->err, "tensor name", room);
    for (int i = 0; i < a->nparts && !st; i++) {
        strcat(strcpy(name, a->name), want[i].suffix);
        at[i] = find_placed(m, name);
        if (!at[i] || at[i]->taken || at[i]->file != at[0]->file) {
            st = pe_fail(m->err, PE_E_INPUT, "has no part \"%s\" in the weights", want[i].suffix);
            break;
        }
        const pe_st_entry *e = at[i]->e;
        got[i] = (pe_part){ want[i].suffix, e->dtype->dtype, (int)e->rank, { 0 }, e->nbytes };
        for (int d = 0; d < 3; d++) got[i].shape[d] = e->shape[d];
        at[i]->taken = true;
    }
    free(name);
    return st;
}

/* Types and shapes of the parts must be what layout and shape imply. */
static pe_status collect_parts(maker *m, pe_array *a)
{
    placed *at[PE_MAX_PARTS] = { 0 };
    pe_part got[PE_MAX_PARTS] = { 0 };
    uint64_t count = 0;
    pe_status st = find_parts(m, a, at, got);
    if (!st) st = pe_layout_count(&count, a->layout, got, m->err);
    if (st) return st;
    const pe_st_dtype *t = at[a->nparts - 1]->e->dtype; /* values come last */
    a->dtype = t->dtype;
    a->dtype_name = t->name;
    a->file = at[0]->file;
    st = pe_layout_parts(a->part, &a->nparts, a->layout, a->shape[0], a->shape[1], t->bits / 8,
                         count, m->err);
    for (int i = 0; i < a->nparts && !st; i++) {
        if (t->dtype == PE_DTYPE_OTHER || t->bits > 32 || !same_part(&a->part[i], a, at[i]->e))
            st = pe_fail(m->err, PE_E_INPUT,
                         "dtype or shape of \"%s\" is not what layout %s of [%llu, %llu] needs",
                         a->part[i].suffix, pe_layout_name(a->layout.layout),
                         (unsigned long long)a->shape[0], (unsigned long long)a->shape[1]);
        a->offset[i] = at[i]->e->offset;
        a->nbytes += at[i]->e->nbytes;
    }
    /* A few bytes that claim to be a huge matrix must not make the reader allocate it. */
    if (!st && a->nelem / 1024 > a->nbytes + (64u << 20) / 1024)
        st = pe_fail(m->err, PE_E_INPUT, "%llu elements from %llu stored bytes; refused",
                     (unsigned long long)a->nelem, (unsigned long long)a->nbytes);
    return st;
}

/* Whatever is wrong with a described matrix is wrong with the input, and says which one it is. */
static pe_status layout_failed(maker *m, const pe_array *a, pe_status st)
{
    pe_error why = m->err ? *m->err : (pe_error){ 0 };
    if (st == PE_E_NOMEM) return st;
    return pe_fail(m->err, PE_E_INPUT, "%s: pe_layouts: \"%.200s\": %.600s", m->c->path, a->name,
                   why.text);
}

static pe_status layout_arrays(maker *m, json_t *layouts)
{
    const char *key;
    json_t *value;
    pe_status st = PE_OK;
    json_object_foreach(layouts, key, value)
    {
        pe_array *a = &m->c->arrays[m->c->narrays++];
        *a = (pe_array){ .name = key };
        if (find_placed(m, key))
            return pe_fail(m->err, PE_E_INPUT,
                           "%s: \"%.200s\" is both a plain tensor and in pe_layouts", m->c->path,
                           key);
        st = read_layout(m, a, value);
        if (st) return st;
        st = collect_parts(m, a);
        if (st) return layout_failed(m, a, st);
    }
    return PE_OK;
}

pe_status pe_ckpt_make_arrays(pe_ckpt *c, pe_error *err)
{
    maker m = { .c = c, .err = err };
    json_t *layouts = json_object_get(c->config, "pe_layouts");
    pe_status st = place_all(&m);
    if (!st && layouts && !json_is_object(layouts))
        st = pe_fail(err, PE_E_INPUT, "%s/config.json: pe_layouts is not an object", c->path);
    size_t most = m.n + json_object_size(layouts);
    if (!st && !(c->arrays = calloc(most + 1, sizeof *c->arrays)))
        st = pe_fail_nomem(err, "tensor list", most * sizeof *c->arrays);
    if (!st) st = layout_arrays(&m, layouts);
    for (size_t i = 0; i < m.n && !st; i++)
        if (!m.all[i].taken) plain_array(&c->arrays[c->narrays++], &m.all[i]);
    if (!st && c->narrays) qsort(c->arrays, c->narrays, sizeof *c->arrays, by_array_name);
    for (size_t i = 0; i < c->nshards; i++) { /* names stay in the header */
        free(c->shards[i].st.entries);
        c->shards[i].st.entries = NULL;
        c->shards[i].st.nentries = 0;
    }
    free(m.all);
    return st;
}

const pe_array *pe_ckpt_find(const pe_ckpt *c, const char *name)
{
    pe_array key = { .name = name };
    return c->narrays ? bsearch(&key, c->arrays, c->narrays, sizeof key, by_array_name) : NULL;
}

uint64_t pe_ckpt_largest_nbytes(const pe_ckpt *c)
{
    uint64_t most = 0;
    for (size_t i = 0; i < c->narrays; i++) {
        const pe_array *a = &c->arrays[i];
        uint64_t dense =
            a->layout.layout == PE_LAYOUT_DENSE ? a->nbytes : a->nelem * pe_dtype_nbytes(a->dtype);
        most = dense > most ? dense : most;
    }
    return most;
}
