/* lib/prune/prune_modules.c - which matrices a run prunes, and in which pieces.
 * Read next: lib/prune/prune_cut.c. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/glob.h"
#include "lib/prune/prune_job.h"

#define MAX_PARALLEL_SCRATCH (UINT64_C(32) << 20)

static int by_name(const void *a, const void *b)
{
    const pe_prune_module *x = a, *y = b;

    return strcmp(x->name, y->name);
}

/* Every matrix "NAME.weight" of a float dtype. */
static pe_status list_matrices(pe_prune_job *j, pe_error *err)
{
    size_t n = pe_ckpt_narrays(j->in);

    j->modules = calloc(n ? n : 1, sizeof *j->modules);
    if (j->modules == NULL) return pe_fail_nomem(err, "list of modules", n * sizeof *j->modules);
    for (size_t i = 0; i < n; i++) {
        const pe_array *a = pe_ckpt_array(j->in, i);
        pe_prune_module *m = &j->modules[j->nmodules];
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

static pe_status pick(pe_prune_job *j, pe_error *err)
{
    const pe_prune_params *p = j->params;
    const char **names = malloc((j->nmodules ? j->nmodules : 1) * sizeof *names);
    pe_status st;

    if (names == NULL) return pe_fail_nomem(err, "list of modules", j->nmodules * sizeof *names);
    for (size_t i = 0; i < j->nmodules; i++) names[i] = j->modules[i].name;
    st = pe_pick_check(p->picks, p->npicks, names, j->nmodules, err);
    free(names);
    for (size_t i = 0; !st && i < j->nmodules; i++) {
        pe_prune_module *m = &j->modules[i];

        m->selected = pe_pick_wants(p->picks, p->npicks, m->name, m->role == PE_ROLE_LINEAR);
        j->nselected += m->selected;
        if (m->selected && !pe_weights_dtype_ok(m->array->dtype))
            st = pe_fail(err, PE_E_UNSUPPORTED,
                         "%s: module %s holds %s, pruning needs F32, F16 or BF16; "
                         "prune before quantizing, or leave it out with --skip '%s'",
                         pe_ckpt_path(j->in), m->name, m->array->dtype_name, m->name);
    }
    if (!st && j->nselected == 0)
        st = pe_fail(err, PE_E_ARG,
                     "%s: no module to prune; embeddings and heads are left out unless "
                     "named with --only (pe-inspect lists the names)",
                     pe_ckpt_path(j->in));
    return st;
}

/* Largest multiple of `unit` up to PE_PRUNE_CHUNK, at least one unit. */
static size_t chunk_of_units(uint64_t unit)
{
    return (size_t)(unit >= PE_PRUNE_CHUNK ? unit : PE_PRUNE_CHUNK / unit * unit);
}

static pe_status split(pe_prune_job *j, pe_prune_module *m, pe_error *err)
{
    const pe_pattern *p = &j->pattern;
    uint64_t rows = pe_pattern_rows(p) < m->n ? pe_pattern_rows(p) : m->n;

    if (p->kind == PE_PATTERN_NM && m->k % p->of != 0)
        return pe_fail(err, PE_E_ARG,
                       "module %s has %llu inputs, pattern %u:%u needs a multiple of %u; "
                       "leave it out with --skip '%s'",
                       m->name, (unsigned long long)m->k, p->keep, p->of, p->of, m->name);
    m->chunk = chunk_of_units(rows * m->k);
    m->nchunks = (size_t)((m->array->nelem + m->chunk - 1) / m->chunk);
    m->nscores = p->kind == PE_PATTERN_BLOCK ? pe_pattern_nblocks(p, m->n, m->k) : m->array->nelem;
    return PE_OK;
}

size_t pe_prune_chunk_nelem(const pe_prune_module *m, size_t c)
{
    uint64_t left = m->array->nelem - (uint64_t)c * m->chunk;

    return left < m->chunk ? (size_t)left : m->chunk;
}

pe_status pe_prune_list(pe_prune_job *j, pe_error *err)
{
    pe_status st = list_matrices(j, err);

    if (!st) st = pick(j, err);
    for (size_t i = 0; !st && i < j->nmodules; i++) {
        if (j->modules[i].selected) st = split(j, &j->modules[i], err);
    }
    return st;
}

/* Bytes of one thread's scratch; *chunk and *row: its largest piece and row, in weights. */
static uint64_t scratch_nbytes(const pe_prune_job *j, size_t *chunk, size_t *row)
{
    uint64_t need;

    *chunk = PE_PRUNE_CHUNK;
    *row = 1;
    for (size_t i = 0; i < j->nmodules; i++) {
        const pe_prune_module *m = &j->modules[i];

        if (m->selected && m->chunk > *chunk) *chunk = m->chunk;
        if (m->selected && m->k > *row) *row = (size_t)m->k;
    }
    need = (uint64_t)*chunk * 2 * sizeof(float);
    if (j->pattern.kind == PE_PATTERN_BLOCK) need += (uint64_t)*chunk * sizeof(double);
    return need + (j->scope == PE_SCOPE_ROW ? (uint64_t)*row * sizeof(uint32_t) : 0);
}

uint64_t pe_prune_peak_nbytes(const pe_prune_job *j)
{
    uint64_t select = UINT64_C(40) << 20, rewrite = (uint64_t)j->nthreads << 20, whole = 0;
    bool blocks = !j->choose_layout && j->layout >= PE_LAYOUT_BSR;
    size_t chunk, row;

    for (size_t i = 0; i < j->nmodules; i++) {
        const pe_array *a = j->modules[i].array;
        uint64_t dense = a->nelem * pe_dtype_nbytes(a->dtype);

        if (!j->modules[i].selected || (!blocks && a->layout.layout == PE_LAYOUT_DENSE)) continue;
        if (2 * dense > whole) whole = 2 * dense;
    }
    return select + rewrite + whole + 4 * pe_ckpt_header_nbytes(j->in) +
           (uint64_t)j->nthreads * scratch_nbytes(j, &chunk, &row);
}

pe_status pe_prune_alloc(pe_prune_job *j, pe_error *err)
{
    size_t chunk, row;
    uint64_t each = scratch_nbytes(j, &chunk, &row);

    if (each * (uint64_t)j->nthreads >
        MAX_PARALLEL_SCRATCH) { /* very wide rows: one thread's is enough */
        j->nthreads = 1;
        j->pool = NULL;
    }
    j->scratch = calloc((size_t)j->nthreads, sizeof *j->scratch);
    if (j->scratch == NULL) return pe_fail_nomem(err, "scratch", sizeof *j->scratch);
    for (int t = 0; t < j->nthreads; t++) {
        pe_prune_scratch *s = &j->scratch[t];

        s->raw = malloc(chunk * sizeof(float));
        s->f32 = malloc(chunk * sizeof(float));
        s->scores =
            malloc(j->pattern.kind == PE_PATTERN_BLOCK ? chunk * sizeof(double) : sizeof(double));
        s->keys = malloc(row * sizeof *s->keys);
        if (s->raw == NULL || s->f32 == NULL || s->scores == NULL || s->keys == NULL)
            return pe_fail_nomem(err, "pieces of weights", (size_t)each);
    }
    return PE_OK;
}

void pe_prune_release(pe_prune_job *j)
{
    pe_prune_device_release(j);
    for (int t = 0; j->scratch != NULL && t < j->nthreads; t++) {
        free(j->scratch[t].raw);
        free(j->scratch[t].f32);
        free(j->scratch[t].scores);
        free(j->scratch[t].keys);
    }
    free(j->scratch);
    for (size_t i = 0; j->modules != NULL && i < j->nmodules; i++) free(j->modules[i].name);
    free(j->modules);
    free(j->items);
    free(j->copies);
}
