/* lib/model/model.c - opening and closing a model, and what it says about itself.
 * Read next: lib/model/load.c (weights), lib/model/ctx.c (running). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/backend/plugin.h"
#include "lib/base/error.h"
#include "lib/model/ctx.h"
#include "lib/model/model_impl.h"

static pe_status open_checkpoint(pe_model *m, const char *path, const pe_model_params *p,
                                 pe_error *err)
{
    m->path = strdup(path);
    if (!m->path || asprintf(&m->config_path, "%s/config.json", path) < 0) {
        m->config_path = NULL;
        return pe_fail_nomem(err, "path of the model", strlen(path));
    }
    pe_status st = pe_ckpt_open(&m->ckpt, path, err);
    if (st) return st;
    const json_t *config = pe_ckpt_config(m->ckpt);
    if (!config)
        return pe_fail(err, PE_E_INPUT,
                       "%s: no config.json beside the weights; give the model's directory", path);
    st = pe_config_read(&m->cfg, config, m->config_path, err);
    if (!st) st = pe_config_read_pooling(&m->cfg, path, err);
    if (!st && m->cfg.head == PE_HEAD_NONE && m->cfg.pooling == PE_POOL_NONE) {
        m->cfg.pooling = p->pooling;
        m->cfg.normalize = p->normalize && p->pooling != PE_POOL_NONE;
    }
    if (!st) st = pe_quantconf_open(&m->quant, m->ckpt, m->config_path, err);
    if (!st) st = pe_modules_match(&m->modules, &m->cfg, m->ckpt, err);
    return st;
}

static const char *weights_name(const pe_model *m)
{
    size_t int8 = 0, stored = 0;
    pe_form dense = m->nlinears ? m->linears[0].dense : PE_FORM_F32_DENSE;
    for (size_t i = 0; i < m->nlinears; i++) int8 += m->linears[i].int8;
    for (size_t i = 0; i < m->modules.n; i++) {
        const pe_module *mod = &m->modules.v[i];
        stored += mod->kind == PE_KIND_LINEAR && mod->weight && mod->weight->dtype == PE_I8;
    }
    if (!int8 && dense == PE_FORM_BF16_DENSE) return "bf16";
    if (!int8 && dense == PE_FORM_F16_DENSE) return "f16";
    return int8 ? "int8" : stored ? "int8 weights" : "f32";
}

static pe_status describe_layer(pe_layer_info *info, char **name, const pe_model *m,
                                const pe_linear *l, pe_error *err)
{
    const char *second = l->nparts > 1 ? strrchr(l->part[1], '.') : NULL;
    const char *third = l->nparts > 2 ? strrchr(l->part[2], '.') : NULL;
    if (asprintf(name, "%s%s%s%s%s", l->part[0], second ? "+" : "", second ? second + 1 : "",
                 third ? "+" : "", third ? third + 1 : "") < 0) {
        *name = NULL;
        return pe_fail_nomem(err, "names of layers", 256);
    }
    *info = (pe_layer_info){ .name = *name,
                             .n = l->n,
                             .k = l->k,
                             .int8 = l->int8,
                             .sparsity = l->sparsity,
                             .block4_sparsity = l->block4_sparsity,
                             .why = m->why };
    for (int i = 0; i < PE_NBUCKETS; i++) info->exec[i] = pe_form_name(l->form[i]);
    return PE_OK;
}

static pe_status describe(pe_model *m, pe_error *err)
{
    const pe_config *c = &m->cfg;
    pe_model_info *info = &m->info;
    *info = (pe_model_info){ .path = m->path,
                             .family = c->family->type,
                             .head = c->head,
                             .pooling = c->pooling,
                             .normalize = c->normalize,
                             .nlabels = c->nlabels,
                             .labels = (const char *const *)c->labels };
    info->nlayers = c->layers;
    info->hidden = c->hidden;
    info->heads = c->heads;
    info->ffn = c->ffn;
    info->vocab = c->vocab;
    info->max_length = c->max_length;
    info->ntypes = c->family->flags & PE_FAM_TYPES ? c->ntypes : 0;
    info->ntasks = c->has_tasks ? c->ntasks : 0;
    info->pad_id = c->pad_id;
    info->weights = weights_name(m);
    info->note = m->note[0] ? m->note : NULL;
    for (size_t i = 0; i < m->modules.n; i++) {
        const pe_module *mod = &m->modules.v[i];
        info->nparams +=
            (mod->weight ? mod->weight->nelem : 0) + (mod->bias ? mod->bias->nelem : 0);
    }
    m->layers = calloc(m->nlinears, sizeof *m->layers);
    m->layer_names = calloc(m->nlinears, sizeof *m->layer_names);
    if (!m->layers || !m->layer_names)
        return pe_fail_nomem(err, "names of layers", m->nlinears * sizeof *m->layers);
    pe_status st = PE_OK;
    for (size_t i = 0; !st && i < m->nlinears; i++)
        st = describe_layer(&m->layers[i], &m->layer_names[i], m, &m->linears[i], err);
    return st;
}

/* The dense form of all float layers. */
static pe_status set_precision(pe_model *m, const char *precision, pe_error *err)
{
    pe_form form = PE_FORM_F32_DENSE;
    if (!precision || strcmp(precision, "f32") == 0) return PE_OK;
    if (strcmp(precision, "bf16") == 0) form = PE_FORM_BF16_DENSE;
    else if (strcmp(precision, "f16") == 0) form = PE_FORM_F16_DENSE;
    else return pe_fail(err, PE_E_ARG, "precision '%.20s': expected f32, bf16 or f16", precision);
    for (size_t i = 0; i < m->nlinears; i++) {
        if (!m->backend->has_form(m->backend, form, m->linears[i].n, m->linears[i].k))
            return pe_fail(err, PE_E_UNSUPPORTED,
                           "device %s has no products of %s; it computes in f32", m->backend->name,
                           precision);
        m->linears[i].dense = form;
    }
    return PE_OK;
}

/* Whether some layer is executed in the form that rounds f32, which has to be forced. */
static bool rounds_inputs(const pe_model *m)
{
    for (size_t i = 0; i < m->nlinears; i++)
        if (m->linears[i].form[0] == PE_FORM_F32_ELL) return true;
    return false;
}

static pe_status load(pe_model *m, const pe_model_params *p, pe_error *err)
{
    pe_tunes tunes = { 0 };
    pe_form_choice choice = { .force = p->exec_layout };
    pe_identity here;
    pe_status st = pe_model_lay_out(m, err);
    if (!st) st = set_precision(m, p->precision, err);
    pe_backend_identity(&here, m->backend);
    if (!st && !choice.force) st = pe_tunefile_read(&tunes, p->tune_file, m->ckpt, &here, err);
    snprintf(m->note, sizeof m->note, "%s", tunes.note);
    if (tunes.root) choice.tunes = &tunes;
    m->why = choice.force ? "forced" : choice.tunes ? "tuned" : "estimate";
    if (!st) st = pe_model_load(m, &choice, p->pool, err);
    if (!st && rounds_inputs(m))
        snprintf(m->note, sizeof m->note,
                 "blocked-ell: TF32 products, f32 weights and inputs are rounded to 11 bits");
    if (!st) st = pe_encoder_build(m, err);
    pe_tunes_release(&tunes);
    return st;
}

pe_status pe_model_open(pe_model **out, const char *path, const pe_model_params *params,
                        pe_error *err)
{
    pe_model_params p = params ? *params : (pe_model_params){ 0 };
    pe_model *m = calloc(1, sizeof *m);
    if (!m) return pe_fail_nomem(err, "model", sizeof *m);
    pe_status st = pe_backend_get(&m->backend, p.device, p.max_vram, err);
    if (!st) st = open_checkpoint(m, path, &p, err);
    if (!st) st = load(m, &p, err);
    if (!st) st = describe(m, err);
    if (st) {
        pe_model_close(m);
        return st;
    }
    *out = m;
    return PE_OK;
}

static void release_norm(const pe_backend *b, const pe_norm *n)
{
    b->release(b, n->gamma);
    b->release(b, n->beta);
}

static void release_weights(pe_model *m)
{
    const pe_backend *b = m->backend;
    const pe_tables *t = &m->tables;
    if (m->word_mapped) m->tables.word = NULL;
    const void *tables[] = { t->word, t->word_s8, t->word_scale, t->type, t->pos, t->task };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        b->release(b, (void *)(uintptr_t)tables[i]);
    for (size_t i = 0; m->linears && i < m->nlinears; i++) pe_linear_release(&m->linears[i], b);
    for (uint32_t i = 0; m->blocks && i < m->cfg.layers; i++) {
        release_norm(b, &m->blocks[i].attn_norm);
        release_norm(b, &m->blocks[i].ffn_norm);
    }
    release_norm(b, &m->embed_norm);
    release_norm(b, &m->head.mlm_norm);
}

void pe_model_close(pe_model *m)
{
    if (!m) return;
    if (m->backend) release_weights(m);
    pe_plan_release(&m->lean);
    pe_plan_release(&m->full);
    for (size_t i = 0; m->layer_names && i < m->nlinears; i++) free(m->layer_names[i]);
    free(m->layer_names);
    free(m->layers);
    free(m->linears);
    free(m->jobs);
    free(m->blocks);
    pe_modules_release(&m->modules);
    pe_config_release(&m->cfg);
    pe_ckpt_close(m->ckpt);
    free(m->config_path);
    free(m->path);
    free(m);
}

const pe_model_info *pe_model_get_info(const pe_model *m)
{
    return &m->info;
}
size_t pe_model_nlayers_info(const pe_model *m)
{
    return m->nlinears;
}
const pe_layer_info *pe_model_get_layer(const pe_model *m, size_t i)
{
    return &m->layers[i];
}

size_t pe_model_nlinears(const pe_model *m)
{
    return m->nlinears;
}
const pe_linear *pe_model_linear(const pe_model *m, size_t i)
{
    return &m->linears[i];
}
const pe_backend *pe_model_backend(const pe_model *m)
{
    return m->backend;
}
const pe_ckpt *pe_model_ckpt(const pe_model *m)
{
    return m->ckpt;
}

pe_status pe_model_read_source(pe_linear_source *out, void **buffer, const pe_model *m, size_t i,
                               pe_error *err)
{
    pe_room room = { 0 };
    pe_status st = pe_linear_source_read(out, &room, &m->jobs[i], m, err);
    *buffer = room.p;
    return st;
}
