/* lib/model/weights.c - tensor names to modules: prefixes and old spellings are taken off, the rest
 * must match modules.def exactly. Read next: lib/model/weights.h. */
#include "lib/model/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/glob.h"

#define ONE_FIELD SIZE_MAX

static const struct module_row {
    pe_name_set set;
    pe_module_id id;
    pe_part_kind kind;
    const char *path;
    size_t rows, cols; /* offsets of pe_config fields */
    unsigned when;
} rows[] = {
#define FIELD_hidden     offsetof(pe_config, hidden)
#define FIELD_ffn        offsetof(pe_config, ffn)
#define FIELD_vocab      offsetof(pe_config, vocab)
#define FIELD_npositions offsetof(pe_config, npositions)
#define FIELD_ntypes     offsetof(pe_config, ntypes)
#define FIELD_ntasks     offsetof(pe_config, ntasks)
#define FIELD_nlabels    offsetof(pe_config, nlabels)
#define FIELD_ONE        ONE_FIELD
#define PE_MODULE(set, id, kind, path, r, c, when) \
    { PE_NAMES_##set, PE_MOD_##id, PE_KIND_##kind, path, FIELD_##r, FIELD_##c, when },
#include "lib/model/modules.def"
#undef PE_MODULE
};

/* Tensors that hold nothing the model computes with. */
static const char *const ignored[] = {
    "*embeddings.position_ids",
    "*embeddings.token_type_ids",
    "cls.seq_relationship.*",
};

static const struct {
    const char *old, *now;
} leaves[] = { { ".gamma", ".weight" }, { ".beta", ".bias" } };
static const struct {
    const char *old, *now;
} aliases[] = {
    { "cls.predictions.decoder.bias", "cls.predictions.bias" },
    { "lm_head.decoder.bias", "lm_head.bias" },
};

#define COUNT(a) (sizeof(a) / sizeof *(a))

static uint32_t field(const pe_config *c, size_t offset)
{
    return offset == ONE_FIELD ? 1 : *(const uint32_t *)(const void *)((const char *)c + offset);
}

/* What the head and the flags make necessary, as a set of PE_NEED_*. */
static unsigned needs(const pe_config *c)
{
    unsigned n = PE_NEED_ALL;
    if (c->family->flags & PE_FAM_TYPES) n |= PE_NEED_TYPES;
    if (c->has_tasks) n |= PE_NEED_TASKS;
    if (c->head == PE_HEAD_CLASSIFY || c->head == PE_HEAD_MULTILABEL || c->head == PE_HEAD_REGRESS)
        n |= PE_NEED_CLASSIFY;
    if (c->head == PE_HEAD_TOKENS) n |= PE_NEED_TOKENS;
    if (c->head == PE_HEAD_MLM) n |= PE_NEED_MLM;
    if (c->head == PE_HEAD_MLM && !c->tied) n |= PE_NEED_UNTIED;
    return n;
}

static void add_module(pe_modules *m, const struct module_row *row, const pe_config *cfg, int layer,
                       bool required)
{
    pe_module *mod = &m->v[m->n++];
    *mod = (pe_module){ .id = row->id, .kind = row->kind, .layer = layer, .required = required };
    const char *at = strstr(row->path, "%d");
    if (at)
        snprintf(mod->path, sizeof mod->path, "%.*s%d%s", (int)(at - row->path), row->path, layer,
                 at + 2);
    else snprintf(mod->path, sizeof mod->path, "%s", row->path);
    mod->rows = field(cfg, row->rows);
    mod->cols = field(cfg, row->cols);
    mod->name = mod->path;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const pe_module *)a)->path, ((const pe_module *)b)->path);
}

static pe_status list_modules(pe_modules *m, const pe_config *cfg, pe_error *err)
{
    unsigned want = needs(cfg);
    size_t most = COUNT(rows) * cfg->layers + COUNT(rows);
    m->v = calloc(most, sizeof *m->v);
    if (!m->v) return pe_fail_nomem(err, "list of modules", most * sizeof *m->v);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct module_row *row = &rows[i];
        bool ours = row->set == cfg->family->names || row->set == cfg->family->head;
        bool need = (row->when & want) != 0, maybe = (row->when & PE_NEED_MAYBE) != 0;
        if (!ours || (!need && !maybe)) continue;
        int nlayers = strstr(row->path, "%d") ? (int)cfg->layers : 0;
        if (!nlayers) add_module(m, row, cfg, -1, need);
        for (int l = 0; l < nlayers; l++) add_module(m, row, cfg, l, need);
    }
    qsort(m->v, m->n, sizeof *m->v, by_path);
    return PE_OK;
}

/* ---- names ----------------------------------------------------------------------------------- */

static const char *skip(const char *name, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(name, prefix, n) == 0 ? name + n : name;
}

/* The tensor's name as modules.def spells it; false when it is too long to be one of ours. */
static bool canonical(char *out, size_t size, const char *name, const pe_config *cfg)
{
    name = skip(skip(skip(name, "_orig_mod."), "module."), "_orig_mod.");
    name = skip(name, cfg->family->prefix);
    int n = snprintf(out, size, "%s", name);
    if (n < 0 || (size_t)n >= size) return false;
    for (size_t i = 0; i < COUNT(leaves); i++) {
        size_t old = strlen(leaves[i].old);
        if ((size_t)n > old && strcmp(out + n - old, leaves[i].old) == 0)
            snprintf(out + n - old, size - ((size_t)n - old), "%s", leaves[i].now);
    }
    for (size_t i = 0; i < COUNT(aliases); i++)
        if (strcmp(out, aliases[i].old) == 0) snprintf(out, size, "%s", aliases[i].now);
    return true;
}

static pe_module *find_path(const pe_modules *m, const char *path, size_t n)
{
    pe_module key = { 0 };
    if (n >= sizeof key.path) return NULL;
    memcpy(key.path, path, n);
    return bsearch(&key, m->v, m->n, sizeof *m->v, by_path);
}

/* Where a leaf of a module goes; NULL: modules of this kind have no such leaf. */
static const pe_array **leaf_of(pe_module *mod, const char *leaf)
{
    if (strcmp(leaf, "weight") == 0) return &mod->weight;
    if (strcmp(leaf, "bias") == 0 && mod->kind != PE_KIND_TABLE) return &mod->bias;
    if (mod->kind == PE_KIND_NORM) return NULL;
    if (strcmp(leaf, "weight_scale") == 0) return &mod->weight_scale;
    if (strcmp(leaf, "weight_zero_point") == 0) return &mod->weight_zero;
    if (mod->kind == PE_KIND_TABLE) return NULL;
    if (strcmp(leaf, "input_scale") == 0) return &mod->input_scale;
    if (strcmp(leaf, "input_zero_point") == 0) return &mod->input_zero;
    return NULL;
}

/* ---- the three lists ------------------------------------------------------------------------- */

typedef struct findings {
    const pe_ckpt *ckpt;
    size_t nmissing, nunknown;
    char missing[160], unknown[160]; /* the first of each */
} findings;

static bool is_ignored(const char *name, const pe_config *cfg)
{
    for (size_t i = 0; i < COUNT(ignored); i++)
        if (pe_glob_match(ignored[i], name)) return true;
    /* A bare encoder out of a model with a head: what follows the encoder is not asked for. The
     * tied decoder is a copy of the word embeddings; a pooler nobody reads is left alone. */
    if (cfg->head == PE_HEAD_NONE && strncmp(name, "cls.", 4) == 0) return true;
    if (cfg->head == PE_HEAD_MLM && cfg->tied &&
        (pe_glob_match("*.decoder.weight", name) || strcmp(name, "vocab_projector.weight") == 0))
        return true;
    return strncmp(name, "pooler.", 7) == 0;
}

static void note_unknown(findings *f, const char *name)
{
    if (f->nunknown++ == 0) snprintf(f->unknown, sizeof f->unknown, "%s", name);
}

static bool set_once(const pe_array **slot, const pe_array *a, bool alias)
{
    if (*slot && !alias) return false;
    if (!*slot) *slot = a;
    return true;
}

static pe_status match_one(pe_modules *m, const pe_config *cfg, const pe_array *a, findings *f,
                           pe_error *err)
{
    char name[192];
    if (!canonical(name, sizeof name, a->name, cfg)) {
        note_unknown(f, a->name);
        return PE_OK;
    }
    pe_module *mod = find_path(m, name, strlen(name)); /* a VECTOR is named as it is */
    const pe_array **slot = mod && mod->kind == PE_KIND_VECTOR ? &mod->weight : NULL;
    char *dot = strrchr(name, '.');
    if (!slot && dot) {
        mod = find_path(m, name, (size_t)(dot - name));
        slot = mod ? leaf_of(mod, dot + 1) : NULL;
    }
    if (!slot) {
        if (!is_ignored(name, cfg)) note_unknown(f, a->name);
        return PE_OK;
    }
    bool alias = mod->kind == PE_KIND_VECTOR;
    if (!set_once(slot, a, alias))
        return pe_fail(err, PE_E_INPUT,
                       "%s: tensors '%.120s' and '%.120s' are both '%s'; remove one",
                       pe_ckpt_path(f->ckpt), (*slot)->name, a->name, name);
    return PE_OK;
}

/* ---- shapes ---------------------------------------------------------------------------------- */

static void shape_text(char *out, size_t size, const pe_array *a)
{
    size_t n = (size_t)snprintf(out, size, "[");
    for (int i = 0; i < a->rank && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%llu", i ? ", " : "",
                              (unsigned long long)a->shape[i]);
    if (n < size) snprintf(out + n, size - n, "]");
}

/* rank 1: rows, a scale may also be [rows, 1] or a single number. */
static pe_status check_shape(const pe_array *a, uint32_t r, uint32_t c, int rank, const char *path,
                             pe_error *err)
{
    char found[160], want[64];
    if (!a) return PE_OK;
    bool ok = rank == 2 ? a->rank == 2 && a->shape[0] == r && a->shape[1] == c
                        : a->rank == 1 && a->shape[0] == r;
    if (ok) return PE_OK;
    shape_text(found, sizeof found, a);
    if (rank == 2) snprintf(want, sizeof want, "[%u, %u]", r, c);
    else snprintf(want, sizeof want, "[%u]", r);
    return pe_fail(err, PE_E_INPUT, "%s: tensor '%.150s' has shape %s, config.json makes it %s",
                   path, a->name, found, want);
}

static pe_status check_scale(const pe_array *a, uint32_t r, const char *path, pe_error *err)
{
    char found[160];
    if (!a || a->nelem == 1 ||
        (a->nelem == r && (a->rank == 1 || (a->rank == 2 && a->shape[0] == r))))
        return PE_OK;
    shape_text(found, sizeof found, a);
    return pe_fail(
        err, PE_E_INPUT,
        "%s: tensor '%.150s' has shape %s; pe takes one number for each of the %u outputs, "
        "or one for all",
        path, a->name, found, r);
}

static pe_status check_module(const pe_module *mod, const pe_ckpt *ckpt, pe_error *err)
{
    const char *path = pe_ckpt_path(ckpt);
    int rank = mod->kind == PE_KIND_LINEAR || mod->kind == PE_KIND_TABLE ? 2 : 1;
    pe_status st = check_shape(mod->weight, mod->rows, mod->cols, rank, path, err);
    if (!st) st = check_shape(mod->bias, mod->rows, 1, 1, path, err);
    if (!st) st = check_scale(mod->weight_scale, mod->rows, path, err);
    if (!st) st = check_scale(mod->weight_zero, mod->rows, path, err);
    if (!st) st = check_scale(mod->input_scale, 1, path, err);
    if (!st) st = check_scale(mod->input_zero, 1, path, err);
    return st;
}

static void note_missing(findings *f, const pe_module *mod, const char *leaf)
{
    if (f->nmissing++ == 0) snprintf(f->missing, sizeof f->missing, "%s%s", mod->path, leaf);
}

static void find_missing(pe_modules *m, findings *f)
{
    for (size_t i = 0; i < m->n; i++) {
        pe_module *mod = &m->v[i];
        bool vector = mod->kind == PE_KIND_VECTOR;
        bool has_bias = mod->kind == PE_KIND_NORM || mod->kind == PE_KIND_LINEAR;
        bool any = mod->weight || mod->bias;
        if (!mod->required && !any) continue;
        if (!mod->weight) note_missing(f, mod, vector ? "" : ".weight");
        if (has_bias && !mod->bias) note_missing(f, mod, ".bias");
        if (mod->weight && mod->weight->dtype == PE_I8 && !mod->weight_scale)
            note_missing(f, mod, ".weight_scale");
    }
}

/* "bert.encoder.layer.0.output.dense.weight" -> the module's name, for messages and reports. */
static pe_status name_modules(pe_modules *m, pe_error *err)
{
    size_t total = 1, at = 0;
    for (size_t i = 0; i < m->n; i++)
        total += m->v[i].weight ? strlen(m->v[i].weight->name) + 1 : 0;
    m->names = malloc(total);
    if (!m->names) return pe_fail_nomem(err, "names of modules", total);
    for (size_t i = 0; i < m->n; i++) {
        pe_module *mod = &m->v[i];
        if (!mod->weight) continue;
        const char *dot = mod->kind == PE_KIND_VECTOR ? NULL : strrchr(mod->weight->name, '.');
        size_t n = dot ? (size_t)(dot - mod->weight->name) : strlen(mod->weight->name);
        memcpy(m->names + at, mod->weight->name, n);
        m->names[at + n] = '\0';
        mod->name = m->names + at;
        at += n + 1;
    }
    return PE_OK;
}

pe_status pe_modules_match(pe_modules *out, const pe_config *cfg, const pe_ckpt *ckpt,
                           pe_error *err)
{
    findings f = { .ckpt = ckpt };
    *out = (pe_modules){ 0 };
    pe_status st = list_modules(out, cfg, err);
    for (size_t i = 0; !st && i < pe_ckpt_narrays(ckpt); i++)
        st = match_one(out, cfg, pe_ckpt_array(ckpt, i), &f, err);
    if (!st) find_missing(out, &f);
    if (!st && f.nmissing)
        st = pe_fail(err, PE_E_INPUT,
                     "%s: %zu tensors of family %s are missing, the first is '%s'%s%s",
                     pe_ckpt_path(ckpt), f.nmissing, cfg->family->type, f.missing,
                     f.nunknown ? "; unknown is, for one, " : "", f.unknown);
    if (!st && f.nunknown)
        st = pe_fail(
            err, PE_E_INPUT,
            "%s: %zu tensors do not belong to family %s with this head, the first is '%s'; does "
            "'architectures' in config.json name the right head?",
            pe_ckpt_path(ckpt), f.nunknown, cfg->family->type, f.unknown);
    for (size_t i = 0; !st && i < out->n; i++) st = check_module(&out->v[i], ckpt, err);
    if (!st) st = name_modules(out, err);
    return st;
}

void pe_modules_release(pe_modules *m)
{
    free(m->v);
    free(m->names);
    *m = (pe_modules){ 0 };
}

const pe_module *pe_modules_find(const pe_modules *m, pe_module_id id, int layer)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->v[i].id == id && m->v[i].layer == layer && m->v[i].weight) return &m->v[i];
    return NULL;
}
