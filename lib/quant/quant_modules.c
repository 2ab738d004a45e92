/* lib/quant/quant_modules.c - which matrices a run makes int8.
 * Read next: lib/quant/quant_inputs.c. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/glob.h"
#include "lib/quant/quant_job.h"

#define MAX_INPUTS 65536u /* int8 sums of more could overflow 32 bits */

static int by_name(const void *a, const void *b)
{
    const pe_quant_module *x = a, *y = b;

    return strcmp(x->name, y->name);
}

/* Every matrix "NAME.weight". */
static pe_status list_matrices(pe_quant_job *j, pe_error *err)
{
    size_t n = pe_ckpt_narrays(j->in);

    j->modules = calloc(n ? n : 1, sizeof *j->modules);
    if (j->modules == NULL) return pe_fail_nomem(err, "list of modules", n * sizeof *j->modules);
    for (size_t i = 0; i < n; i++) {
        const pe_array *a = pe_ckpt_array(j->in, i);
        pe_quant_module *m = &j->modules[j->nmodules];
        pe_status st;

        if (a->rank != 2 || a->nelem == 0) continue;
        st = pe_module_of_tensor(&m->name, a->name, err);
        if (st) return st;
        if (m->name == NULL) continue;
        j->nmodules++;
        m->job = j;
        m->array = a;
        m->role = pe_module_role(m->name);
        m->n = a->shape[0];
        m->k = a->shape[1];
    }
    qsort(j->modules, j->nmodules, sizeof *j->modules, by_name);
    return PE_OK;
}

/* The table of words; the others are small, and added in f32. */
static bool is_word_table(const char *name)
{
    return pe_glob_match("*word_embeddings", name) || pe_glob_match("*embed_tokens", name) ||
           pe_glob_match("*wte", name);
}

static pe_status check_picks(const pe_quant_job *j, pe_error *err)
{
    const pe_quant_params *p = j->params;
    const char **names = malloc((j->nmodules ? j->nmodules : 1) * sizeof *names);
    pe_status st;

    if (names == NULL) return pe_fail_nomem(err, "list of modules", j->nmodules * sizeof *names);
    for (size_t i = 0; i < j->nmodules; i++) names[i] = j->modules[i].name;
    st = pe_pick_check(p->picks, p->npicks, names, j->nmodules, err);
    if (!st) st = pe_pick_check(p->keep_float, p->nkeep_float, names, j->nmodules, err);
    free(names);
    return st;
}

static pe_status check_module(const pe_quant_job *j, const pe_quant_module *m, pe_error *err)
{
    const char *path = pe_ckpt_path(j->in);

    if (!pe_weights_dtype_ok(m->array->dtype))
        return pe_fail(err, PE_E_UNSUPPORTED,
                       "%s: module %s holds %s, quantizing needs F32, F16 or BF16; "
                       "leave it out with --skip '%s'",
                       path, m->name, m->array->dtype_name, m->name);
    if (m->role == PE_ROLE_EMBEDDING && !is_word_table(m->name))
        return pe_fail(err, PE_E_UNSUPPORTED,
                       "%s: module %s: of the embeddings only the word table can be int8; "
                       "leave it out with --skip '%s'",
                       path, m->name, m->name);
    if (m->role != PE_ROLE_EMBEDDING && m->k > MAX_INPUTS)
        return pe_fail(err, PE_E_UNSUPPORTED,
                       "%s: module %s has %llu inputs, int8 sums are exact up to %u; "
                       "leave it out with --skip '%s'",
                       path, m->name, (unsigned long long)m->k, MAX_INPUTS, m->name);
    return PE_OK;
}

static bool kept_float(const pe_quant_params *p, const char *name)
{
    for (size_t i = 0; i < p->nkeep_float; i++) {
        if (pe_glob_match(p->keep_float[i].glob, name)) return true;
    }
    return false;
}

static pe_status pick(pe_quant_job *j, pe_error *err)
{
    const pe_quant_params *p = j->params;
    pe_status st = check_picks(j, err);

    for (size_t i = 0; !st && i < j->nmodules; i++) {
        pe_quant_module *m = &j->modules[i];
        bool usual = m->role == PE_ROLE_LINEAR ||
                     (p->embeddings && m->role == PE_ROLE_EMBEDDING && is_word_table(m->name));

        m->selected = pe_pick_wants(p->picks, p->npicks, m->name, usual);
        m->why = m->role == PE_ROLE_LINEAR ? "not picked" : pe_role_name(m->role);
        if (m->selected && kept_float(p, m->name)) {
            m->selected = false;
            m->why = "kept float";
        }
        j->nselected += m->selected;
        if (m->selected) st = check_module(j, m, err);
    }
    if (!st && j->nselected == 0)
        st = pe_fail(err, PE_E_ARG,
                     "%s: no module to quantize; embeddings and heads are left out unless named "
                     "with --only (pe-inspect lists the names)",
                     pe_ckpt_path(j->in));
    return st;
}

pe_status pe_quant_list(pe_quant_job *j, pe_error *err)
{
    pe_status st = list_matrices(j, err);

    return st ? st : pick(j, err);
}

/* The calibrated model is in memory as a whole; else a few rows of each thread. */
uint64_t pe_quant_peak_nbytes(const pe_quant_job *j)
{
    uint64_t model = 0, scales = 0, whole = 0, row = 0;

    for (size_t i = 0; i < pe_ckpt_narrays(j->in); i++)
        model += pe_ckpt_array(j->in, i)->nelem * sizeof(float);
    for (size_t i = 0; i < j->nmodules; i++) {
        const pe_quant_module *m = &j->modules[i];
        uint64_t dense = m->array->nelem * pe_dtype_nbytes(m->array->dtype);

        if (!m->selected) continue;
        scales += m->n * sizeof(float);
        if (m->k > row) row = m->k;
        if (m->array->layout.layout == PE_LAYOUT_DENSE &&
            (j->choose_layout || j->layout < PE_LAYOUT_BSR))
            continue;
        if (2 * dense > whole) whole = 2 * dense;
    }
    return (UINT64_C(16) << 20) + ((uint64_t)j->nthreads << 20) + whole + scales +
           4 * pe_ckpt_header_nbytes(j->in) + (uint64_t)j->nthreads * row * sizeof(float) +
           (j->params->calib != NULL ? model + (UINT64_C(256) << 20) : 0);
}

pe_status pe_quant_alloc(pe_quant_job *j, pe_error *err)
{
    uint64_t row = 1;

    for (size_t i = 0; i < j->nmodules; i++) {
        pe_quant_module *m = &j->modules[i];

        if (!m->selected) continue;
        if (m->k > row) row = m->k;
        m->scales = malloc((size_t)m->n * sizeof *m->scales);
        if (m->scales == NULL)
            return pe_fail_nomem(err, "scales", (size_t)m->n * sizeof *m->scales);
    }
    j->f32 = calloc((size_t)j->nthreads, sizeof *j->f32);
    if (j->f32 == NULL) return pe_fail_nomem(err, "rows", sizeof *j->f32);
    for (int t = 0; t < j->nthreads; t++) {
        j->f32[t] = malloc((size_t)row * sizeof(float));
        if (j->f32[t] == NULL) return pe_fail_nomem(err, "rows", (size_t)row * sizeof(float));
    }
    return PE_OK;
}

void pe_quant_release(pe_quant_job *j)
{
    for (int t = 0; j->f32 != NULL && t < j->nthreads; t++) free(j->f32[t]);
    free(j->f32);
    for (size_t i = 0; j->modules != NULL && i < j->nmodules; i++) {
        free(j->modules[i].name);
        free(j->modules[i].scales);
    }
    free(j->modules);
    free(j->items);
    free(j->copies);
    pe_weights_free(j->weights);
    pe_calib_free(j->calib);
}
