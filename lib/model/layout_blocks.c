/* lib/model/layout_blocks.c - which linear layers a model has: projections that agree become one.
 * Read next: lib/model/load.c. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/model/model_impl.h"

typedef struct layout {
    pe_model *m;
    pe_linear_job *jobs;
    bool first_only; /* the answer reads the first token of each row only */
} layout;

/* Parts that are stored alike. */
static pe_stored stored_as(const pe_module *const *mods, int nmods)
{
    pe_dtype t = mods[0]->weight->dtype;
    for (int i = 1; i < nmods; i++)
        if (mods[i]->weight->dtype != t) return PE_STORED_OTHER;
    return t == PE_BF16  ? PE_STORED_BF16
           : t == PE_F16 ? PE_STORED_F16
           : t == PE_I8  ? PE_STORED_CODES
                         : PE_STORED_OTHER;
}

static pe_linear *add_layer(layout *a, const pe_module *const *mods, int nmods)
{
    pe_linear_job *job = &a->jobs[a->m->nlinears];
    pe_linear *l = &a->m->linears[a->m->nlinears++];
    job->linear = l;
    job->nmods = nmods;
    l->k = mods[0]->cols;
    for (int i = 0; i < nmods; i++) {
        job->mod[i] = mods[i];
        l->part[i] = mods[i]->name;
        l->part_n[i] = mods[i]->rows;
        l->n += mods[i]->rows;
    }
    l->nparts = nmods;
    l->stored = stored_as(mods, nmods);
    return l;
}

/* Whether the module runs in int8, and by which rule its input becomes codes. */
static pe_status read_rule(bool *int8, pe_act_quant *aq, const pe_model *m, const pe_module *mod,
                           pe_error *err)
{
    *int8 = false;
    *aq = (pe_act_quant){ 0 };
    return mod->weight->dtype == PE_I8 ? pe_quantconf_for(int8, aq, &m->quant, mod, m->ckpt, err)
                                       : PE_OK;
}

static pe_status add_one(pe_linear **out, layout *a, pe_module_id id, int layer, pe_error *err)
{
    const pe_module *mod = pe_modules_find(&a->m->modules, id, layer);
    bool int8;
    pe_act_quant aq;
    *out = NULL;
    if (!mod) return PE_OK;
    pe_status st = read_rule(&int8, &aq, a->m, mod, err);
    if (st) return st;
    *out = add_layer(a, &mod, 1);
    (*out)->int8 = int8;
    (*out)->aq = aq;
    return PE_OK;
}

/* q, k and v read the same input: layers with the same rule are one matrix [q; k; v]. Where only
 * the first token asks, q stays alone; k and v are together or each alone, so that their rows
 * are alike. */
static pe_status add_projections(layout *a, pe_block *b, int layer, bool alone, pe_error *err)
{
    static const pe_module_id ids[] = { PE_MOD_QUERY, PE_MOD_KEY, PE_MOD_VALUE };
    pe_proj *proj[] = { &b->q, &b->k, &b->v };
    const pe_module *mods[3];
    bool int8[3];
    pe_act_quant aq[3];
    for (int i = 0; i < 3; i++) {
        mods[i] = pe_modules_find(&a->m->modules, ids[i], layer);
        pe_status st = read_rule(&int8[i], &aq[i], a->m, mods[i], err);
        if (st) return st;
    }
    bool kv = int8[1] == int8[2] && pe_act_quant_equal(&aq[1], &aq[2]);
    bool qkv = kv && !alone && int8[0] == int8[1] && pe_act_quant_equal(&aq[0], &aq[1]);
    for (int i = 0; i < 3;) {
        int n = qkv ? 3 : kv && i == 1 ? 2 : 1;
        pe_linear *l = add_layer(a, mods + i, n);
        l->int8 = int8[i];
        l->aq = aq[i];
        for (int j = 0; j < n; j++)
            *proj[i + j] = (pe_proj){ b->nattn, (uint32_t)j * a->m->cfg.hidden };
        b->attn[b->nattn++] = l;
        i += n;
    }
    return PE_OK;
}

static pe_status add_block(layout *a, int layer, pe_error *err)
{
    pe_block *b = &a->m->blocks[layer];
    bool last = (uint32_t)layer + 1 == a->m->cfg.layers;
    pe_status st = add_projections(a, b, layer, last && a->first_only, err);
    if (!st) st = add_one(&b->out, a, PE_MOD_ATTN_OUT, layer, err);
    if (!st) st = add_one(&b->ffn_in, a, PE_MOD_FFN_IN, layer, err);
    if (!st) st = add_one(&b->ffn_out, a, PE_MOD_FFN_OUT, layer, err);
    return st;
}

static pe_status add_head(layout *a, pe_error *err)
{
    pe_model *m = a->m;
    pe_head_weights *h = &m->head;
    pe_status st = add_one(&h->pooler, a, PE_MOD_POOLER, -1, err);
    if (!st) st = add_one(&h->in, a, PE_MOD_HEAD_IN, -1, err);
    if (!st) st = add_one(&h->classifier, a, PE_MOD_CLASSIFIER, -1, err);
    if (!st) st = add_one(&h->mlm_dense, a, PE_MOD_MLM_DENSE, -1, err);
    if (st || m->cfg.head != PE_HEAD_MLM) return st;
    const pe_module *decoder =
        pe_modules_find(&m->modules, m->cfg.tied ? PE_MOD_WORD : PE_MOD_MLM_DECODER, -1);
    h->mlm_decoder = add_layer(a, &decoder, 1);
    a->jobs[m->nlinears - 1].bias = pe_modules_find(&m->modules, PE_MOD_MLM_BIAS, -1);
    return PE_OK;
}

static bool reads_first_only(const pe_config *c)
{
    return c->head == PE_HEAD_CLASSIFY || c->head == PE_HEAD_MULTILABEL ||
           c->head == PE_HEAD_REGRESS || c->pooling == PE_POOL_CLS;
}

pe_status pe_model_lay_out(pe_model *m, pe_error *err)
{
    size_t most = 6u * m->cfg.layers + 5;
    layout a = { .m = m, .first_only = reads_first_only(&m->cfg) };
    m->jobs = a.jobs = calloc(most, sizeof *a.jobs);
    m->linears = calloc(most, sizeof *m->linears);
    m->blocks = calloc(m->cfg.layers, sizeof *m->blocks);
    if (!a.jobs || !m->linears || !m->blocks)
        return pe_fail_nomem(err, "layers", most * sizeof *m->linears);
    pe_status st = PE_OK;
    for (uint32_t i = 0; !st && i < m->cfg.layers; i++) st = add_block(&a, (int)i, err);
    if (!st) st = add_head(&a, err);
    return st;
}
