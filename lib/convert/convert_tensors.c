/* lib/convert/convert_tensors.c - decides for every array: kept, stored in another layout,
 * turned into another type, or dropped with the codes it served. Read next:
 * lib/convert/convert_rows.c. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/glob.h"
#include "lib/convert/convert_job.h"
#include "lib/model/roles.h"
#include "lib/tensor/widen.h"

static const char *suffix_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

static pe_status list_tensors(pe_convert_job *j, pe_error *err)
{
    pe_status st = PE_OK;
    j->ntensors = pe_ckpt_narrays(j->in);
    j->tensors = calloc(j->ntensors + 1, sizeof *j->tensors);
    j->items = calloc(j->ntensors + 1, sizeof *j->items);
    if (!j->tensors || !j->items)
        return pe_fail_nomem(err, "tensor list", j->ntensors * sizeof *j->tensors);
    for (size_t i = 0; i < j->ntensors && !st; i++) {
        pe_convert_tensor *t = &j->tensors[i];
        t->array = pe_ckpt_array(j->in, i);
        t->job = j;
        if (!(t->module = pe_module_name(t->array->name)))
            st = pe_fail_nomem(err, "module name", 0);
        else if (j->redtype) st = pe_int8_find(&t->int8, j->in, t->array, err);
    }
    return st;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Every pattern must name a module; without patterns a forced layout is for linear layers alone. */
static pe_status pick(pe_convert_job *j, pe_error *err)
{
    const pe_convert_params *p = j->params;
    size_t n = 0;
    const char **names = malloc((j->ntensors + 1) * sizeof *names);
    if (!names) return pe_fail_nomem(err, "module names", j->ntensors * sizeof *names);
    for (size_t i = 0; i < j->ntensors; i++) names[i] = j->tensors[i].module;
    if (j->ntensors) qsort(names, j->ntensors, sizeof *names, by_text);
    for (size_t i = 0; i < j->ntensors; i++)
        if (!i || strcmp(names[i], names[n - 1])) names[n++] = names[i];
    pe_status st = pe_pick_check(p->picks, p->npicks, names, n, err);
    free(names);
    bool forced = j->relayout && !j->choose && j->layout.layout != PE_LAYOUT_DENSE;
    for (size_t i = 0; i < j->ntensors; i++) {
        pe_convert_tensor *t = &j->tensors[i];
        bool otherwise = !forced || pe_module_role(t->module) == PE_ROLE_LINEAR;
        t->picked = pe_pick_wants(p->picks, p->npicks, t->module, true);
        t->relaid = j->relayout && pe_pick_wants(p->picks, p->npicks, t->module, otherwise);
    }
    return st;
}

/* Whether --dtype turns the picked module's codes into floats. */
static bool becomes_float(const pe_convert_job *j, const pe_convert_tensor *t)
{
    return j->redtype && t->int8.scale && t->picked;
}

/* The tensor "MODULE" + suffix; NULL: there is none. */
static pe_status find_sibling(pe_convert_tensor **out, pe_convert_job *j, const char *module,
                              const char *suffix, pe_error *err)
{
    char *name = malloc(strlen(module) + strlen(suffix) + 1);
    *out = NULL;
    if (!name) return pe_fail_nomem(err, "tensor name", strlen(module));
    const pe_array *a = pe_ckpt_find(j->in, strcat(strcpy(name, module), suffix));
    free(name);
    if (a) *out = &j->tensors[a - pe_ckpt_array(j->in, 0)];
    return PE_OK;
}

/* Scales go when the codes that they serve become floats. */
static pe_status drop_asides(pe_convert_job *j, pe_error *err)
{
    pe_status st = PE_OK;
    for (size_t i = 0; i < j->ntensors && !st; i++) {
        pe_convert_tensor *t = &j->tensors[i], *codes, *packed = NULL;
        j->nquantized += t->int8.scale != NULL;
        j->nfloated += becomes_float(j, t);
        if (!j->redtype || !pe_int8_is_aside(suffix_of(t->array->name))) continue;
        st = find_sibling(&codes, j, t->module, ".weight", err);
        if (!st) st = find_sibling(&packed, j, t->module, ".weight_packed", err);
        t->dropped =
            !st && ((codes && becomes_float(j, codes)) || (packed && becomes_float(j, packed)));
    }
    return st;
}

/* Scales of codes that stay are part of them: their type is not touched. */
static bool is_float_tensor(const pe_convert_tensor *t)
{
    return pe_dtype_is_float(t->array->dtype) && !pe_int8_is_aside(suffix_of(t->array->name));
}

static pe_status make_codes_item(pe_convert_job *j, pe_convert_tensor *t, pe_error *err)
{
    const pe_int8 *q = &t->int8;
    pe_status st = pe_int8_scales(&t->scale, &t->zero, q, j->in, err);
    t->item->rows = pe_convert_codes;
    t->item->dtype = j->dtype;
    if (st || !q->packed) return st;
    t->item->cols = q->k;
    t->out_name = malloc(strlen(t->module) + sizeof ".weight");
    if (!t->out_name) return pe_fail_nomem(err, "tensor name", strlen(t->module));
    strcat(strcpy(t->out_name, t->module), ".weight");
    t->item->name = t->out_name;
    return PE_OK;
}

static pe_status make_item(pe_convert_job *j, pe_convert_tensor *t, pe_error *err)
{
    const pe_array *a = t->array;
    pe_rewrite_item *item = t->item = &j->items[j->nitems++];
    bool matrix = a->rank == 2 && (!strcmp(suffix_of(a->name), "weight") ||
                                   a->layout.layout != PE_LAYOUT_DENSE || t->int8.packed);
    bool relayout = t->relaid && matrix;
    pe_status st = PE_OK;
    item->from = a;
    item->dtype = a->dtype;
    item->user = t;
    item->layout = a->layout;
    if (relayout) item->layout = j->layout;
    item->choose = relayout && j->choose;
    if (becomes_float(j, t)) {
        st = make_codes_item(j, t, err);
    } else if (j->redtype && t->picked && is_float_tensor(t) && a->dtype != j->dtype) {
        item->rows = pe_convert_floats;
        item->dtype = j->dtype;
    } else if (!relayout) {
        item->keep_layout = true;
    }
    return st;
}

pe_status pe_convert_list(pe_convert_job *j, pe_error *err)
{
    pe_status st = list_tensors(j, err);
    if (!st) st = pick(j, err);
    if (!st) st = drop_asides(j, err);
    for (size_t i = 0; i < j->ntensors && !st; i++)
        if (!j->tensors[i].dropped) st = make_item(j, &j->tensors[i], err);
    return st;
}

void pe_convert_release(pe_convert_job *j)
{
    for (size_t i = 0; i < j->ntensors && j->tensors; i++) {
        free(j->tensors[i].module);
        free(j->tensors[i].out_name);
        free(j->tensors[i].scale);
        free(j->tensors[i].zero);
    }
    free(j->tensors);
    free(j->items);
}
