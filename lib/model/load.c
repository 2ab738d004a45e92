/* lib/model/load.c - payload of a checkpoint to packed weights: one task a layer, tables in pieces.
 * Read next: lib/model/load_linear.c (one layer), lib/plan/cost.h (its form). */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/base/checked.h"
#include "lib/base/error.h"
#include "lib/base/first_error.h"
#include "lib/model/model_impl.h"
#include "lib/plan/cost.h"
#include "lib/tensor/widen.h"

#define PIECE ((size_t)1 << 19) /* elements of a table that one task reads */

/* Rows of a table, or a vector, into the backend's memory. */
typedef struct piece {
    const pe_array *array;
    void *dst; /* f32, or codes of an I8 table */
    uint64_t row0, nrows;
    bool mapped; /* dst is the file: nothing to read, values are checked */
} piece;

/* An array that is read into the host's memory first and belongs on a device. */
typedef struct moving {
    void **slot; /* where the model points to it */
    const char *name;
    size_t nbytes;
} moving;

typedef struct loader {
    pe_model *m;
    const pe_linear_job *jobs;
    const pe_form_choice *choice;
    piece *pieces;
    size_t npieces, cap;
    moving *moving;
    size_t nmoving, moving_cap;
    pe_room *rooms; /* [nthreads] */
    pe_first_error failed;
} loader;

/* ---- listing tables and vectors -------------------------------------------------------------- */

static bool splits(const pe_array *a)
{
    return a->rank == 2 && a->layout.layout == PE_LAYOUT_DENSE && a->nelem > PIECE &&
           (a->dtype == PE_I8 || (pe_dtype_is_float(a->dtype) && pe_dtype_nbytes(a->dtype) <= 4));
}

static pe_status add_piece(loader *ld, piece p, pe_error *err)
{
    if (ld->npieces == ld->cap) {
        size_t cap = ld->cap ? ld->cap * 2 : 64;
        piece *more = realloc(ld->pieces, cap * sizeof *more);
        if (!more) return pe_fail_nomem(err, "list of tables", cap * sizeof *more);
        ld->pieces = more;
        ld->cap = cap;
    }
    ld->pieces[ld->npieces++] = p;
    return PE_OK;
}

/* Memory for the whole array and the tasks that fill it. */
static pe_status add_pieces(loader *ld, const pe_array *a, void *dst, bool mapped, pe_error *err)
{
    size_t width = a->dtype == PE_I8 ? 1 : sizeof(float);
    if (!splits(a)) return add_piece(ld, (piece){ .array = a, .dst = dst }, err);
    uint64_t rows = PIECE / a->shape[1] + 1;
    pe_status st = PE_OK;
    for (uint64_t r = 0; !st && r < a->shape[0]; r += rows) {
        uint64_t n = a->shape[0] - r < rows ? a->shape[0] - r : rows;
        st = add_piece(ld, (piece){ a, (char *)dst + r * a->shape[1] * width, r, n, mapped }, err);
    }
    return st;
}

/* Memory of the backend that the host can fill; a device's is filled at the end (move_all). */
static pe_status new_array(void **slot, loader *ld, size_t nbytes, const char *name, pe_error *err)
{
    const pe_backend *b = ld->m->backend;
    if (b->host) return b->alloc(b, slot, nbytes, name, err);
    if (ld->nmoving == ld->moving_cap) {
        size_t cap = ld->moving_cap ? ld->moving_cap * 2 : 64;
        moving *more = realloc(ld->moving, cap * sizeof *more);
        if (!more) return pe_fail_nomem(err, "list of tables", cap * sizeof *more);
        ld->moving = more;
        ld->moving_cap = cap;
    }
    *slot = aligned_alloc(64, pe_round_up(nbytes + 1, 64));
    if (!*slot) return pe_fail_nomem(err, name, nbytes);
    ld->moving[ld->nmoving++] = (moving){ slot, name, nbytes };
    return PE_OK;
}

/* To the device, where the slots point from now on; nothing stays behind, also on failure. */
static pe_status move_all(loader *ld, pe_status st, pe_error *err)
{
    const pe_backend *b = ld->m->backend;
    pe_queue q = { .backend = b };
    for (size_t i = 0; i < ld->nmoving; i++) {
        moving *mv = &ld->moving[i];
        void *host = *mv->slot;
        *mv->slot = NULL;
        if (!st) st = b->alloc(b, mv->slot, mv->nbytes, mv->name, err);
        if (!st) st = b->upload(&q, *mv->slot, host, mv->nbytes, err);
        if (!st) st = b->sync(&q, err);
        free(host);
    }
    free(ld->moving);
    return st;
}

/* Memory for the whole array and the tasks that fill it. */
static pe_status add_array(void **slot, loader *ld, const pe_array *a, pe_error *err)
{
    size_t width = a->dtype == PE_I8 ? 1 : sizeof(float);
    pe_status st = new_array(slot, ld, (size_t)a->nelem * width, a->name, err);
    return st ? st : add_pieces(ld, a, *slot, false, err);
}

/* A large float word table is used where it lies in the file: half of a small model's bytes. */
static pe_status add_word_table(const float **out, loader *ld, const pe_array *a, pe_error *err)
{
    const void *p = NULL;
    pe_status st = PE_OK;
    if (ld->m->backend->host && splits(a) && a->dtype == PE_F32)
        st = pe_ckpt_map(ld->m->ckpt, a, &p, err);
    ld->m->word_mapped = !st && p && (uintptr_t)p % sizeof(float) == 0;
    if (st) return st;
    if (!ld->m->word_mapped) return add_array((void **)(uintptr_t)out, ld, a, err);
    *out = p;
    return add_pieces(ld, a, (void *)(uintptr_t)p, true, err);
}

/* An I8 table comes with a scale a row (or one for all, spread out by the reader). */
static pe_status add_table(const float **f32, const int8_t **s8, const float **scale, loader *ld,
                           pe_module_id id, pe_error *err)
{
    const pe_module *mod = pe_modules_find(&ld->m->modules, id, -1);
    if (!mod) return PE_OK;
    if (mod->weight->dtype != PE_I8 && id == PE_MOD_WORD)
        return add_word_table(f32, ld, mod->weight, err);
    if (mod->weight->dtype != PE_I8)
        return add_array((void **)(uintptr_t)f32, ld, mod->weight, err);
    if (!s8)
        return pe_fail(err, PE_E_UNSUPPORTED,
                       "%s: tensor '%.150s' is I8; pe has int8 word embeddings only", ld->m->path,
                       mod->weight->name);
    bool int8;
    pe_act_quant aq;
    pe_status st = pe_quantconf_for(&int8, &aq, &ld->m->quant, mod, ld->m->ckpt, err);
    if (!st) st = add_array((void **)(uintptr_t)s8, ld, mod->weight, err);
    if (!st)
        st = new_array((void **)(uintptr_t)scale, ld, mod->rows * sizeof(float), mod->name, err);
    if (st) return st;
    float *p = (float *)(uintptr_t)*scale;
    st = pe_ckpt_read_f32(ld->m->ckpt, mod->weight_scale, p, err);
    for (uint32_t i = 1; !st && mod->weight_scale->nelem == 1 && i < mod->rows; i++) p[i] = p[0];
    return st;
}

static pe_status add_norm(pe_norm *out, loader *ld, pe_module_id id, int layer, pe_error *err)
{
    const pe_module *mod = pe_modules_find(&ld->m->modules, id, layer);
    if (!mod) return PE_OK;
    pe_status st = add_array((void **)&out->gamma, ld, mod->weight, err);
    if (!st) st = add_array((void **)&out->beta, ld, mod->bias, err);
    return st;
}

static pe_status list_pieces(loader *ld, pe_error *err)
{
    pe_model *m = ld->m;
    pe_tables *t = &m->tables;
    pe_status st = add_table(&t->word, &t->word_s8, &t->word_scale, ld, PE_MOD_WORD, err);
    if (!st) st = add_table(&t->pos, NULL, NULL, ld, PE_MOD_POSITION, err);
    if (!st) st = add_table(&t->type, NULL, NULL, ld, PE_MOD_TYPE, err);
    if (!st) st = add_table(&t->task, NULL, NULL, ld, PE_MOD_TASK, err);
    if (!st) st = add_norm(&m->embed_norm, ld, PE_MOD_EMBED_NORM, -1, err);
    for (uint32_t i = 0; !st && i < m->cfg.layers; i++) {
        st = add_norm(&m->blocks[i].attn_norm, ld, PE_MOD_ATTN_NORM, (int)i, err);
        if (!st) st = add_norm(&m->blocks[i].ffn_norm, ld, PE_MOD_FFN_NORM, (int)i, err);
    }
    if (!st) st = add_norm(&m->head.mlm_norm, ld, PE_MOD_MLM_NORM, -1, err);
    return st;
}

/* ---- tasks ----------------------------------------------------------------------------------- */

/* Maps the pages of [p, p + nbytes) at once where the kernel can; touching them works as well. */
static void populate(const void *p, size_t nbytes)
{
#ifdef MADV_POPULATE_READ
    uintptr_t page = 4096, begin = (uintptr_t)p / page * page;
    (void)madvise((void *)begin, (uintptr_t)p + nbytes - begin, MADV_POPULATE_READ);
#else
    (void)p, (void)nbytes;
#endif
}

static pe_status read_rows(const pe_model *m, const piece *p, pe_error *err)
{
    const pe_array *a = p->array;
    if (a->dtype == PE_I8) return pe_ckpt_read_rows(m->ckpt, a, p->row0, p->nrows, p->dst, err);
    float *dst = p->dst;
    size_t n = (size_t)(p->nrows * a->shape[1]), width = pe_dtype_nbytes(a->dtype);
    void *raw = (char *)(dst + n) - n * width;
    pe_status st = PE_OK;
    if (p->mapped) populate(dst, n * sizeof *dst);
    else st = pe_ckpt_read_rows(m->ckpt, a, p->row0, p->nrows, raw, err);
    if (!st && a->dtype != PE_F32) pe_widen_f32(dst, raw, a->dtype, n);
    const pe_kernels *k = pe_kernels_get(NULL);
    if (st || (k && k->all_finite(dst, n, NULL))) return st;
    size_t at = pe_find_nonfinite(dst, n);
    if (at == n) return PE_OK;
    return pe_fail(err, PE_E_INPUT,
                   "%s: tensor '%.150s': NaN or Inf at element %llu; the weights are damaged",
                   m->path, a->name, (unsigned long long)(p->row0 * a->shape[1] + at));
}

static pe_status read_piece(const pe_model *m, const piece *p, pe_error *err)
{
    if (p->nrows) return read_rows(m, p, err);
    if (p->array->dtype == PE_I8) return pe_ckpt_read_dense(m->ckpt, p->array, p->dst, err);
    return pe_ckpt_read_f32(m->ckpt, p->array, p->dst, err);
}

static pe_status choose_form(pe_linear *l, const pe_backend *b, const pe_form_choice *c,
                             pe_error *err)
{
    if (c->force) return pe_form_force(l, b, c->force, err);
    if (!c->tunes || !pe_tunes_apply(c->tunes, l, b)) pe_form_estimate(l, b);
    return PE_OK;
}

static pe_status load_linear(const loader *ld, const pe_linear_job *job, pe_room *room,
                             pe_error *err)
{
    pe_linear_source src;
    pe_status st = pe_linear_source_read(&src, room, job, ld->m, err);
    if (!st) pe_linear_measure(job->linear, &src);
    if (!st) st = choose_form(job->linear, ld->m->backend, ld->choice, err);
    return st ? st : pe_linear_pack(job->linear, ld->m->backend, &src, err);
}

/* Pieces first: a tied decoder reads the word table. */
static void run_piece(void *arg, size_t index, int worker)
{
    loader *ld = arg;
    pe_error err = { 0 };
    (void)worker;
    pe_first_error_add(&ld->failed, index, read_piece(ld->m, &ld->pieces[index], &err), &err);
}

static void run_linear(void *arg, size_t index, int worker)
{
    loader *ld = arg;
    pe_error err = { 0 };
    pe_room *room = &ld->rooms[worker];
    pe_first_error_add(&ld->failed, index, load_linear(ld, &ld->jobs[index], room, &err), &err);
}

static pe_status run_all(loader *ld, size_t n, pe_task_fn *fn, pe_pool *pool, pe_error *err)
{
    pe_first_error_init(&ld->failed);
    pe_pool_run(pool, n, fn, ld);
    return pe_first_error_take(&ld->failed, err);
}

pe_status pe_model_load(pe_model *m, const pe_form_choice *choice, pe_pool *pool, pe_error *err)
{
    loader ld = { .m = m, .jobs = m->jobs, .choice = choice };
    size_t nthreads = (size_t)pe_pool_nthreads(pool);
    ld.rooms = calloc(nthreads, sizeof *ld.rooms);
    if (!ld.rooms) return pe_fail_nomem(err, "loading", nthreads * sizeof *ld.rooms);
    pe_status st = list_pieces(&ld, err);
    if (!st) st = run_all(&ld, ld.npieces, run_piece, pool, err);
    if (!st) st = run_all(&ld, m->nlinears, run_linear, pool, err);
    st = move_all(&ld, st, err);
    for (size_t i = 0; i < nthreads; i++) free(ld.rooms[i].p);
    free(ld.rooms);
    free(ld.pieces);
    return st;
}
