/* lib/prune/prune_device.c - pruning on a device: matrices go there whole, are selected and cut
 * there, and come back as rows. Masks are those of the CPU, ties included. Read next:
 * lib/backend/device_pass.h. */
#include <stdlib.h>
#include <string.h>

#include "lib/backend/plugin.h"
#include "lib/base/error.h"
#include "lib/prune/prune_job.h"

static const pe_device_pass *pass_of(const pe_prune_job *j)
{
    return pe_plugin_of(j->device)->pass;
}

static pe_device_blocks blocks_of(const pe_prune_job *j)
{
    pe_device_blocks none = { 0, 0 };

    return j->pattern.kind == PE_PATTERN_BLOCK
               ? (pe_device_blocks){ j->pattern.rows, j->pattern.cols }
               : none;
}

pe_status pe_prune_device_open(pe_prune_job *j, pe_error *err)
{
    const pe_prune_params *p = j->params;
    const pe_backend *b = NULL;
    pe_status st = pe_backend_get(&b, p->device, p->max_vram, err);

    if (st || b->host) return st;
    j->device = b;
    if (j->scope == PE_SCOPE_ROW)
        return pe_fail(err, PE_E_UNSUPPORTED,
                       "device %s has no op 'prune by rows'; try --device cpu", b->name);
    if (j->pattern.kind == PE_PATTERN_BLOCK && j->pattern.cols > 1024)
        return pe_fail(err, PE_E_UNSUPPORTED,
                       "device %s: blocks of up to 1024 inputs; try --device cpu", b->name);
    return PE_OK;
}

/* All rows of a module to the device, through the scratch of a thread. */
static pe_status send(pe_prune_module *m, int worker, pe_error *err)
{
    pe_prune_job *j = m->job;
    const pe_device_pass *pass = pass_of(j);
    const pe_prune_scratch *s = &j->scratch[worker];
    float *f32 = m->array->dtype == PE_F32 ? s->raw : s->f32;
    pe_status st = pass->make(&m->resident, j->device, m->n, m->k, m->name, err);
    uint64_t rows = m->chunk / m->k ? m->chunk / m->k : 1;

    for (uint64_t r = 0; !st && r < m->n; r += rows) {
        uint64_t n = m->n - r < rows ? m->n - r : rows;

        st = pe_weights_read(j->weights, s->raw, f32, m->array, r * m->k, (size_t)(n * m->k), err);
        if (!st) st = pass->load(&m->resident, j->device, f32, r, n, err);
    }
    return st;
}

static void drop(pe_prune_module *m)
{
    if (m->resident.x != NULL) pass_of(m->job)->drop(&m->resident, m->job->device);
}

/* One threshold for the modules, which are on the device. */
static pe_status select_cut(pe_prune_job *j, pe_prune_module **modules, size_t n, pe_error *err)
{
    const pe_resident **r = malloc(n * sizeof *r);
    uint64_t *keep = calloc(n, sizeof *keep), total = 0;
    pe_device_cut cut = { .keep_equal = keep };
    pe_status st =
        r == NULL || keep == NULL ? pe_fail_nomem(err, "list of modules", n * sizeof *r) : PE_OK;

    for (size_t i = 0; !st && i < n; i++) {
        r[i] = &modules[i]->resident;
        total += modules[i]->nscores;
    }
    if (!st)
        st = pass_of(j)->select(&cut, j->device, r, n, blocks_of(j),
                                pe_select_count(j->params->sparsity, total), err);
    for (size_t i = 0; !st && i < n; i++) {
        modules[i]->threshold = cut.threshold;
        modules[i]->keep_equal = keep[i];
        modules[i]->has_cut = true;
    }
    free(r);
    free(keep);
    return st;
}

static pe_status cut(pe_prune_module *m, pe_error *err)
{
    pe_prune_job *j = m->job;
    const pe_device_pass *pass = pass_of(j);

    if (j->pattern.kind == PE_PATTERN_NM)
        return pass->prune_nm(&m->resident, &m->zeros, j->device, j->pattern.keep, j->pattern.of,
                              err);
    return pass->cut(&m->resident, &m->zeros, &m->gone, j->device, blocks_of(j), m->threshold,
                     m->keep_equal, err);
}

pe_status pe_prune_device_find_cuts(pe_prune_job *j, pe_error *err)
{
    pe_prune_module **list;
    size_t n = 0;
    pe_status st = PE_OK;

    if (j->scope != PE_SCOPE_GLOBAL || j->pattern.kind == PE_PATTERN_NM) return PE_OK;
    list = malloc(j->nselected * sizeof *list);
    if (list == NULL) return pe_fail_nomem(err, "list of modules", j->nselected * sizeof *list);
    for (size_t i = 0; !st && i < j->nmodules; i++) {
        if (!j->modules[i].selected) continue;
        list[n++] = &j->modules[i];
        st = send(&j->modules[i], 0, err);
    }
    if (!st && n > 0) st = select_cut(j, list, n, err);
    free(list);
    return st;
}

/* Where the device does not hold the module yet it is sent, and its own threshold found. */
static pe_status begin(pe_prune_module *m, int worker, pe_error *err)
{
    pe_status st = m->resident.x == NULL ? send(m, worker, err) : PE_OK;

    if (!st && m->job->pattern.kind != PE_PATTERN_NM && !m->has_cut)
        st = select_cut(m->job, &m, 1, err);
    return st ? st : cut(m, err);
}

pe_status pe_prune_device_rows(void *user, void *out, const void *in, uint64_t row0, uint64_t nrows,
                               int worker, pe_error *err)
{
    pe_prune_module *m = user;
    const pe_prune_job *j = m->job;
    size_t n = (size_t)(nrows * m->k);
    bool f32 = m->array->dtype == PE_F32;
    float *rows = f32 ? out : malloc(n * sizeof *rows);
    pe_status st = rows == NULL ? pe_fail_nomem(err, "pruned rows", n * sizeof *rows) : PE_OK;

    if (!st && row0 == 0) st = begin(m, worker, err);
    if (!st) st = pass_of(j)->store(rows, &m->resident, j->device, row0, nrows, err);
    if (!st && !f32) pe_prune_zero_like(out, in, rows, n);
    if (!f32) free(rows);
    if (st || row0 + nrows == m->n) drop(m);
    return st;
}

void pe_prune_device_release(pe_prune_job *j)
{
    for (size_t i = 0; j->device != NULL && j->modules != NULL && i < j->nmodules; i++)
        drop(&j->modules[i]);
}
