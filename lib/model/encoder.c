/* lib/model/encoder.c - the one builder of every encoder family: embeddings, post-norm blocks,
 * head.
 * Read next: lib/plan/plan.h (what the ops mean), lib/model/layout_blocks.c (the layers). */
#include <math.h>

#include "lib/base/error.h"
#include "lib/model/model_impl.h"

typedef struct builder {
    pe_model *m;
    pe_plan *p;
    bool full; /* every token of every layer, all hidden states kept */
} builder;

static int add_norm(builder *b, int x, int res, const pe_norm *w, const char *name,
                    pe_extent extent, int out)
{
    pe_op op = { .kind = PE_OPK_norm,
                 .in = { x, res, -1 },
                 .name = name,
                 .gamma = w->gamma,
                 .beta = w->beta,
                 .eps = b->m->cfg.eps,
                 .check = true };
    return pe_plan_add(b->p, op, extent, b->m->cfg.hidden, out);
}

static int add_first(builder *b, int x, int out)
{
    pe_op op = { .kind = PE_OPK_gather, .in = { x, -1, -1 }, .name = "first token" };
    return pe_plan_add(b->p, op, PE_PER_ROW, b->m->cfg.hidden, out);
}

/* Marks the newest op: its output must be finite. */
static int checked(builder *b, int value)
{
    if (!b->p->failed) b->p->ops[b->p->nops - 1].check = true;
    return value;
}

static int add_embeddings(builder *b)
{
    pe_op op = {
        .kind = PE_OPK_embed, .in = { -1, -1, -1 }, .name = "embeddings", .tables = &b->m->tables
    };
    int x = pe_plan_add(b->p, op, PE_PER_TOKEN, b->m->cfg.hidden, PE_OUT_NONE);
    return add_norm(b, x, -1, &b->m->embed_norm, "embeddings.LayerNorm", PE_PER_TOKEN,
                    b->full ? PE_OUT_HIDDEN : PE_OUT_NONE);
}

static bool between_codes(const builder *b, const pe_block *w)
{
    bool int8 = b->m->quant.int8_attention && b->m->cfg.npositions <= PE_S8_KEYS;
    for (int i = 0; i < w->nattn; i++) int8 = int8 && w->attn[i]->int8;
    return int8;
}

/* Between int8 layers of such a block, nobody sees more of the activation than its codes. */
static pe_act ffn_act(const builder *b, const pe_block *w)
{
    bool codes = between_codes(b, w) && w->ffn_in->int8 && w->ffn_out->int8;
    pe_act act = b->m->cfg.act;
    return codes && act == PE_ACT_GELU_ERF ? PE_ACT_GELU_CODES : act;
}

static int add_attention(builder *b, const pe_block *w, int x, int asks, pe_extent extent)
{
    uint32_t head_dim = b->m->cfg.hidden / b->m->cfg.heads;
    int v[PE_LINEAR_PARTS] = { 0 };
    for (int i = 0; i < w->nattn; i++)
        v[i] = pe_plan_linear(b->p, i == w->q.at ? asks : x, w->attn[i], PE_ACT_NONE, PE_OUT_NONE);
    pe_op op = { .kind = PE_OPK_attention,
                 .in = { v[w->q.at], v[w->k.at], v[w->v.at] },
                 .name = w->attn[0]->part[0],
                 .heads = b->m->cfg.heads,
                 .head_dim = head_dim,
                 .q_col = w->q.col,
                 .k_col = w->k.col,
                 .v_col = w->v.col,
                 .s8 = between_codes(b, w),
                 .scale = 1.0f / sqrtf((float)head_dim),
                 .check = true };
    return pe_plan_add(b->p, op, extent, b->m->cfg.hidden, PE_OUT_NONE);
}

/* Post-norm block. `asks` are the tokens whose output somebody reads: x, or the first of each
 * row. */
static int add_block(builder *b, const pe_block *w, int x, bool first, int out)
{
    pe_extent extent = first ? PE_PER_ROW : PE_PER_TOKEN;
    int asks = first ? add_first(b, x, PE_OUT_NONE) : x;
    int a = add_attention(b, w, x, asks, extent);
    a = pe_plan_linear(b->p, a, w->out, PE_ACT_NONE, PE_OUT_NONE);
    int n = add_norm(b, a, asks, &w->attn_norm, w->out->part[0], extent, PE_OUT_NONE);
    int f = checked(b, pe_plan_linear(b->p, n, w->ffn_in, ffn_act(b, w), PE_OUT_NONE));
    f = pe_plan_linear(b->p, f, w->ffn_out, PE_ACT_NONE, PE_OUT_NONE);
    return add_norm(b, f, n, &w->ffn_norm, w->ffn_out->part[0], extent, out);
}

/* ---- heads ----------------------------------------------------------------------------------- */

static void add_classifier(builder *b, int x)
{
    const pe_head_weights *h = &b->m->head;
    bool roberta = b->m->cfg.family->head == PE_NAMES_ROBERTA_HEAD;
    if (h->in)
        x = checked(b, pe_plan_linear(b->p, x, h->in, roberta ? PE_ACT_TANH : PE_ACT_RELU,
                                      PE_OUT_NONE));
    else x = checked(b, pe_plan_linear(b->p, x, h->pooler, PE_ACT_TANH, PE_OUT_POOLED));
    (void)checked(b, pe_plan_linear(b->p, x, h->classifier, PE_ACT_NONE, PE_OUT_LOGITS));
}

static void add_masked_lm(builder *b, int x)
{
    const pe_head_weights *h = &b->m->head;
    bool roberta = b->m->cfg.family->head == PE_NAMES_ROBERTA_HEAD;
    int t = checked(b, pe_plan_linear(b->p, x, h->mlm_dense,
                                      roberta ? PE_ACT_GELU_ERF : b->m->cfg.act, PE_OUT_NONE));
    t = add_norm(b, t, -1, &h->mlm_norm, "masked LM norm", PE_PER_TOKEN, PE_OUT_NONE);
    (void)checked(b, pe_plan_linear(b->p, t, h->mlm_decoder, PE_ACT_NONE, PE_OUT_LOGITS));
}

static void add_normalize(builder *b, int x)
{
    pe_op op = {
        .kind = PE_OPK_normalize, .in = { x, -1, -1 }, .name = "normalize", .check = true
    };
    (void)pe_plan_add(b->p, op, PE_PER_ROW, b->m->cfg.hidden, PE_OUT_EMBEDDING);
}

/* x: hidden states of every token, or (first-token pooling of the lean plan) of the first ones. */
static void add_embedding(builder *b, int x)
{
    int out = b->m->cfg.normalize ? PE_OUT_NONE : PE_OUT_EMBEDDING;
    if (b->m->cfg.pooling == PE_POOL_MEAN) {
        pe_op op = {
            .kind = PE_OPK_mean, .in = { x, -1, -1 }, .name = "mean pooling", .check = true
        };
        x = pe_plan_add(b->p, op, PE_PER_ROW, b->m->cfg.hidden, out);
    } else if (b->full) {
        x = add_first(b, x, out);
    }
    if (b->m->cfg.normalize) add_normalize(b, x);
}

static void add_head(builder *b, int x)
{
    const pe_head_weights *h = &b->m->head;
    switch (b->m->cfg.head) {
    case PE_HEAD_NONE:
        if (b->m->cfg.pooling != PE_POOL_NONE) add_embedding(b, x);
        if (b->full && h->pooler) {
            int first = add_first(b, x, PE_OUT_NONE);
            (void)checked(b, pe_plan_linear(b->p, first, h->pooler, PE_ACT_TANH, PE_OUT_POOLED));
        }
        break;
    case PE_HEAD_CLASSIFY:
    case PE_HEAD_MULTILABEL:
    case PE_HEAD_REGRESS: add_classifier(b, b->full ? add_first(b, x, PE_OUT_NONE) : x); break;
    case PE_HEAD_TOKENS:
        (void)checked(b, pe_plan_linear(b->p, x, h->classifier, PE_ACT_NONE, PE_OUT_LOGITS));
        break;
    case PE_HEAD_MLM: add_masked_lm(b, x); break;
    }
}

/* Where the hidden states of layer i of L go. */
static int hidden_out(const builder *b, uint32_t layer, bool first)
{
    const pe_config *c = &b->m->cfg;
    bool last = layer + 1 == c->layers, plain = first && c->head == PE_HEAD_NONE && !c->normalize;
    if (b->full) return PE_OUT_HIDDEN + (int)layer + 1;
    if (!last) return PE_OUT_NONE;
    return plain   ? (int)PE_OUT_EMBEDDING
           : first ? (int)PE_OUT_NONE
                   : (int)PE_OUT_HIDDEN + (int)c->layers;
}

static pe_status build(pe_model *m, pe_plan *p, bool full, bool first_only, pe_error *err)
{
    builder b = { .m = m, .p = p, .full = full };
    pe_plan_init(p);
    int x = add_embeddings(&b);
    for (uint32_t i = 0; i < m->cfg.layers; i++) {
        bool first = !full && first_only && i + 1 == m->cfg.layers;
        x = add_block(&b, &m->blocks[i], x, first, hidden_out(&b, i, first));
    }
    add_head(&b, x);
    return pe_plan_finish(p, err);
}

pe_status pe_encoder_build(pe_model *m, pe_error *err)
{
    bool first = m->cfg.pooling == PE_POOL_CLS || m->cfg.head == PE_HEAD_CLASSIFY ||
                 m->cfg.head == PE_HEAD_MULTILABEL || m->cfg.head == PE_HEAD_REGRESS;
    pe_status st = build(m, &m->lean, false, first, err);
    if (!st) st = build(m, &m->full, true, first, err);
    return st;
}
