/* lib/plan/plan_build.c - values and ops are added in order; finish works out who lives when and
 * where.
 * Read next: lib/plan/plan_run.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/plan/plan.h"

void pe_plan_init(pe_plan *p)
{
    memset(p, 0, sizeof *p);
}

void pe_plan_release(pe_plan *p)
{
    free(p->values);
    free(p->ops);
    pe_plan_init(p);
}

static bool grow(void **items, int *cap, int n, size_t size)
{
    if (n < *cap) return true;
    int more = *cap ? *cap * 2 : 32;
    void *moved = realloc(*items, (size_t)more * size);
    if (!moved) return false;
    *items = moved;
    *cap = more;
    return true;
}

int pe_plan_value(pe_plan *p, pe_extent extent, uint32_t width, int out)
{
    if (p->failed || !grow((void **)&p->values, &p->values_cap, p->nvalues, sizeof *p->values)) {
        p->failed = true;
        return 0;
    }
    p->values[p->nvalues] = (pe_value){
        .extent = extent, .width = width, .out = out, .first = -1, .last = -1, .slot = -1
    };
    return p->nvalues++;
}

int pe_plan_add(pe_plan *p, pe_op op, pe_extent extent, uint32_t width, int out)
{
    op.checks = -1;
    op.out = pe_plan_value(p, extent, width, out);
    if (p->failed || !grow((void **)&p->ops, &p->ops_cap, p->nops, sizeof *p->ops)) {
        p->failed = true;
        return 0;
    }
    p->ops[p->nops++] = op;
    return op.out;
}

/* The codes of x by this layer's rule, if an earlier op made them. */
static int find_codes(const pe_plan *p, int x, const pe_linear *l)
{
    for (int i = p->nops - 1; i >= 0; i--) {
        const pe_op *op = &p->ops[i];
        if (op->kind == PE_OPK_quantize && op->in[0] == x &&
            pe_act_quant_equal(&op->linear->aq, &l->aq))
            return op->out;
    }
    return -1;
}

/* The newest op is a quantize op of x by a dynamic rule. Whoever made x need not be checked: what
 * is not finite there shows in the scales. */
static void take_over_check(pe_plan *p, int x)
{
    for (int i = 0; i < p->nops - 1; i++) {
        if (p->ops[i].out != x || !p->ops[i].check) continue;
        p->ops[i].check = false;
        p->ops[p->nops - 1].checks = i;
    }
}

int pe_plan_linear(pe_plan *p, int x, const pe_linear *l, pe_act act, int out)
{
    int src = x;
    if (p->failed) return 0;
    pe_extent extent = p->values[x].extent;
    if (l->int8 && (src = find_codes(p, x, l)) < 0) {
        pe_op quant = {
            .kind = PE_OPK_quantize, .in = { x, -1, -1 }, .name = l->part[0], .linear = l
        };
        src = pe_plan_add(p, quant, extent, l->k, PE_OUT_NONE);
        if (p->failed) return 0;
        p->values[src].codes = true;
        if (l->aq.div > 0) take_over_check(p, x);
    }
    pe_op op = {
        .kind = PE_OPK_linear, .in = { src, -1, -1 }, .name = l->part[0], .linear = l, .act = act
    };
    return pe_plan_add(p, op, extent, l->n, out);
}

static void find_lifetimes(pe_plan *p)
{
    for (int i = 0; i < p->nops; i++) {
        const pe_op *op = &p->ops[i];
        p->values[op->out].first = i;
        if (p->values[op->out].last < i) p->values[op->out].last = i;
        for (int j = 0; j < 3; j++)
            if (op->in[j] >= 0) p->values[op->in[j]].last = i;
    }
}

/* Ops between two that mix tokens compute each token alone, so that the executor may take some
 * tokens through all of them while their values are in the caches. */
static bool by_token(const pe_plan *p, const pe_op *op)
{
    bool alone = op->kind == PE_OPK_embed || op->kind == PE_OPK_norm ||
                 op->kind == PE_OPK_quantize || op->kind == PE_OPK_linear;
    return alone && p->values[op->out].extent == PE_PER_TOKEN;
}

static void find_stretches(pe_plan *p)
{
    for (int i = p->nops - 1; i >= 0; i--) {
        pe_op *op = &p->ops[i];
        if (!by_token(p, op)) op->stretch = -1;
        else op->stretch = i + 1 < p->nops && op[1].stretch >= 0 ? op[1].stretch : i + 1;
    }
    for (int v = 0; v < p->nvalues; v++) {
        pe_value *val = &p->values[v];
        int end = p->ops[val->first].stretch;
        val->local = val->out == PE_OUT_NONE && end >= 0 && val->last < end;
    }
}

/* Ops i..*end that some tokens may pass before others have begun. */
static int stretch_begin(const pe_plan *p, int i, int *end)
{
    int begin = i;
    *end = p->ops[i].stretch >= 0 ? p->ops[i].stretch : i + 1;
    while (p->ops[i].stretch >= 0 && begin && p->ops[begin - 1].stretch == *end) begin--;
    return begin;
}

/* Linear, quantize, linear, with values in between that nobody else reads. */
static void find_pairs(pe_plan *p)
{
    for (int i = 0; i + 2 < p->nops; i++) {
        pe_op *a = &p->ops[i];
        const pe_op *codes = a + 1, *b = a + 2;
        const pe_value *mid = &p->values[a->out], *v = &p->values[codes->out];
        a->pair = a->kind == PE_OPK_linear && codes->kind == PE_OPK_quantize &&
                  b->kind == PE_OPK_linear && a->linear->int8 && codes->in[0] == a->out &&
                  b->in[0] == codes->out && mid->out == PE_OUT_NONE && mid->last == i + 1 &&
                  v->last == i + 2 && b->act == PE_ACT_NONE;
    }
}

/* Values are put into the first slot that is free when they are born; outputs live in the caller's
 * memory and need none. Those that are not local live from the begin of a stretch to the end of
 * one: a later token may still be before the op that an earlier one has passed. */
static int assign_slots(pe_plan *p, bool local, int *free_from)
{
    int nslots = 0;
    for (int v = 0; v < p->nvalues; v++) {
        pe_value *val = &p->values[v];
        if (val->out != PE_OUT_NONE || val->local != local) continue;
        int end, s = 0, born = local ? val->first : stretch_begin(p, val->first, &end);
        if (local) end = val->last + 1;
        else (void)stretch_begin(p, val->last, &end);
        while (s < nslots && free_from[s] > born) s++;
        if (s == nslots) nslots++;
        free_from[s] = end;
        val->slot = s;
    }
    return nslots;
}

pe_status pe_plan_finish(pe_plan *p, pe_error *err)
{
    if (p->failed) return pe_fail_nomem(err, "the plan of the model", 0);
    find_lifetimes(p);
    find_stretches(p);
    find_pairs(p);
    /* slot -> first op that may reuse it */
    int *free_from = calloc((size_t)p->nvalues + 1, sizeof *free_from);
    if (!free_from) return pe_fail_nomem(err, "the plan of the model", 0);
    p->nslots = assign_slots(p, false, free_from);
    p->nlocal = assign_slots(p, true, free_from);
    free(free_from);
    return PE_OK;
}

const char *pe_op_kind_name(pe_op_kind k)
{
    static const char *const names[] = {
#define PE_PLAN_OP(name, label) label,
#include "lib/plan/plan_ops.def"
#undef PE_PLAN_OP
    };
    return names[k];
}

char *pe_plan_text(const pe_plan *p)
{
    char *text = NULL;
    size_t nbytes;
    FILE *f = open_memstream(&text, &nbytes);
    if (!f) return NULL;
    for (int i = 0; i < p->nops; i++) {
        const pe_op *op = &p->ops[i];
        const pe_value *v = &p->values[op->out];
        fprintf(f, "%3d  %-12s v%d", i, pe_op_kind_name(op->kind), op->out);
        for (int j = 0; j < 3; j++)
            if (op->in[j] >= 0) fprintf(f, "%s v%d", j ? "," : " <-", op->in[j]);
        fprintf(f, "  [%s, %u]%s", v->extent == PE_PER_TOKEN ? "tokens" : "rows", v->width,
                v->codes ? " int8" : "");
        if (v->slot >= 0) fprintf(f, " %sslot %d", v->local ? "local " : "", v->slot);
        fprintf(f, "  %s\n", op->name ? op->name : "");
    }
    if (fclose(f)) {
        free(text);
        return NULL;
    }
    return text;
}
