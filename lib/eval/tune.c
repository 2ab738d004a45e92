/* lib/eval/tune.c - times every form of every matrix at the token count of each bucket.
 * Read next: lib/model/tunefile.h (where the times go), docs/pe-bench.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/backend/plugin.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/rng.h"
#include "lib/eval/bench.h"
#include "lib/model/ctx.h"
#include "lib/model/tunefile.h"

#define ROUNDS   8        /* forms take turns; the best time counts */
#define SLICE_NS 1000000u /* of one form in one round */
#define COLD_NBYTES \
    (4u << 20) /* swept before a run of few tokens: in a model, other layers ran between */
#define DEVICE_CACHE (128u << 20) /* more than a device's caches hold (H200: 50 MB) */
#define INTERVAL_US  200          /* of calls that a device's clock measures at once, */
#define MOST_CALLS   32           /* this many at most */

typedef struct tuner {
    pe_queue queue;
    const pe_plugin *plugin; /* NULL: the host */
    float *x, *y;            /* these four are the backend's memory */
    void *codes, *scratch;
    uint8_t *cold;
    uint64_t sink[16]; /* [0] and [8]: one a thread */
    size_t nweights;   /* of the model's linear layers */
} tuner;

/* A layer all of whose buckets run as one form. On a device its matrix is there several times and
 * calls take turns among the copies: in a model, other layers' weights were read since, so that a
 * call finds its own in memory and not in a cache. */
typedef struct trial {
    pe_linear l;
    void **copies[PE_NFORMS];
    size_t ncopies[PE_NFORMS], next;
} trial;

static void release_tuner(tuner *t)
{
    const pe_backend *b = t->queue.backend;
    b->release(b, t->x);
    b->release(b, t->y);
    b->release(b, t->codes);
    b->release(b, t->scratch);
    free(t->cold);
    t->x = t->y = NULL;
    t->codes = t->scratch = NULL;
    t->cold = NULL;
}

/* The same numbers for every form. */
static pe_status fill(tuner *t, size_t n, size_t seed, const char *name, pe_error *err)
{
    float *x = malloc(n * sizeof *x);
    pe_rng r;
    if (!x) return pe_fail_nomem(err, name, n * sizeof *x);
    pe_rng_init(&r, 1, (uint32_t)seed, (uint32_t)n);
    for (size_t i = 0; i < n; i++) x[i] = (float)(pe_rng_unit(&r) - 0.5);
    pe_status st = t->queue.backend->upload(&t->queue, t->x, x, n * sizeof *x, err);
    if (!st) st = t->queue.backend->sync(&t->queue, err);
    free(x);
    return st;
}

static pe_status prepare(tuner *t, const pe_linear *l, size_t scratch, pe_error *err)
{
    const pe_backend *b = t->queue.backend;
    size_t m = pe_bucket_tokens[PE_NBUCKETS - 1];
    const char *name = l->part[0];
    release_tuner(t);
    t->cold = malloc(COLD_NBYTES);
    if (!t->cold) return pe_fail_nomem(err, name, COLD_NBYTES);
    memset(t->cold, 1, COLD_NBYTES);
    pe_status st = b->alloc(b, (void **)&t->x, m * l->k * sizeof *t->x, name, err);
    if (!st) st = b->alloc(b, (void **)&t->y, m * l->n * sizeof *t->y, name, err);
    if (!st) st = b->alloc(b, &t->codes, pe_codes_nbytes(m, l->k), name, err);
    if (!st) st = b->alloc(b, &t->scratch, scratch + 64, name, err);
    return st ? st : fill(t, m * l->k, l->n, name, err);
}

static void sweep(void *arg, size_t index, int worker)
{
    tuner *t = arg;
    uint64_t sum = 0;
    (void)worker;
    for (size_t i = index * 64; i < COLD_NBYTES; i += 128) sum += t->cold[i];
    t->sink[index * 8] += sum;
}

/* One of `calls` calls: by the clock of the host, or of the device. A device is not waited for
 * between them, so that what the host does for a call counts only where the device waits for it. */
static pe_status time_calls(double *us, tuner *t, trial *x, size_t calls, const pe_codes *codes,
                            size_t m, pe_error *err)
{
    pe_linear *l = &x->l;
    pe_form f = l->form[0];
    uint64_t start = pe_bench_now_ns();
    pe_status st = t->plugin ? t->plugin->start_clock(&t->queue, err) : PE_OK;
    for (size_t i = 0; !st && i < calls; i++) {
        l->packed[f] = x->copies[f][x->next++ % x->ncopies[f]];
        st = pe_linear_run(l, t->y, l->n, t->x, l->k, codes, m, PE_ACT_NONE, t->scratch, &t->queue,
                           err);
    }
    *us = (double)(pe_bench_now_ns() - start) / 1e3;
    if (!st && t->plugin) st = t->plugin->stop_clock(us, &t->queue, err);
    *us /= (double)calls;
    return st;
}

/* Microseconds of the best of some runs. */
static pe_status time_form(double *us, tuner *t, trial *x, size_t m, pe_error *err)
{
    const pe_linear *l = &x->l;
    pe_codes codes = pe_codes_at(t->codes, m, l->k);
    size_t calls = 1;
    pe_status st = PE_OK;
    if (l->int8) st = pe_codes_make(&codes, &l->aq, t->x, l->k, m, l->k, &t->queue, err);
    uint64_t began = pe_bench_now_ns();
    for (int runs = 0; !st && (runs < 3 || pe_bench_now_ns() - began < SLICE_NS); runs++) {
        double once = 0;
        if (!t->plugin && m < pe_bucket_tokens[PE_NBUCKETS - 1])
            pe_pool_run(t->queue.pool, 2, sweep, t);
        st = time_calls(&once, t, x, calls, &codes, m, err);
        if (*us < 0 || once < *us) *us = once;
        if (t->plugin && calls < MOST_CALLS && once * (double)calls < INTERVAL_US) calls *= 2;
    }
    return st;
}

/* What comes after the first copy of each form; false: there was nothing. */
static bool fewer_copies(trial *x, const pe_backend *b)
{
    bool had = false;
    for (pe_form f = 0; f < PE_NFORMS; f++)
        for (; x->ncopies[f] > 1; had = true) b->release(b, x->copies[f][--x->ncopies[f]]);
    return had;
}

static size_t most_scratch(const pe_linear *l, const pe_backend *b, pe_pool *pool)
{
    size_t most = 0;
    for (pe_form f = 0; f < PE_NFORMS; f++)
        for (int i = 0; i < PE_NBUCKETS && pe_linear_admits(l, b, f); i++) {
            size_t need =
                b->linear_scratch(b, f, pe_bucket_tokens[i], l->n, l->k, pe_pool_nthreads(pool));
            most = need > most ? need : most;
        }
    return most;
}

/* Sparse forms are worth trying where something is zero. */
static bool worth(const pe_linear *l, const pe_backend *b, pe_form f)
{
    bool dense = f == pe_linear_dense_form(l) || f == PE_FORM_W8_DENSE;
    return pe_linear_admits(l, b, f) && (dense || l->sparsity > 0.2);
}

/* As many as the model has weights for each of this layer's, as long as a cache could hold them. */
static size_t copies_wanted(const tuner *t, const pe_linear *l, size_t nbytes)
{
    size_t of_model = t->nweights / ((size_t)l->n * l->k);
    size_t beyond_cache = DEVICE_CACHE / (nbytes + 1) + 1;
    if (!t->plugin) return 1;
    return of_model < beyond_cache ? of_model : beyond_cache;
}

static pe_status pack_copy(trial *x, pe_form f, const pe_backend *b, const pe_linear_source *src,
                           pe_error *err)
{
    void **copy = &x->l.packed[f];
    *copy = NULL;
    pe_status st = pe_linear_pack_form(&x->l, b, f, src, err);
    if (st) b->release(b, *copy);
    else x->copies[f][x->ncopies[f]++] = *copy;
    return st;
}

/* The copies of a form after the first one, as far as memory reaches. */
static pe_status pack_more(tuner *t, trial *x, pe_form f, size_t wanted,
                           const pe_linear_source *src, pe_error *err)
{
    pe_status st = PE_OK;
    while (!st && x->ncopies[f] < wanted) st = pack_copy(x, f, t->queue.backend, src, err);
    return st == PE_E_NOMEM ? PE_OK : st;
}

/* One copy of every form comes first: more of one must not take the memory of another. */
static pe_status pack_trial(trial *x, tuner *t, const pe_linear *l, const pe_linear_source *src,
                            pe_error *err)
{
    const pe_backend *b = t->queue.backend;
    size_t wanted[PE_NFORMS] = { 0 };
    pe_matrix w = { .n = l->n, .k = l->k, .f32 = src->f32, .s8 = src->s8 };
    pe_status st = PE_OK;
    *x = (trial){ .l = *l };
    memset(x->l.packed, 0, sizeof x->l.packed);
    x->l.bias = NULL; /* the layer's own; scales and sums are only read */
    for (pe_form f = 0; !st && f < PE_NFORMS; f++) {
        if (!worth(l, b, f)) continue;
        wanted[f] = copies_wanted(t, l, b->packed_nbytes(b, f, &w));
        x->copies[f] = calloc(wanted[f], sizeof *x->copies[f]);
        st = x->copies[f] ? pack_copy(x, f, b, src, err) : pe_fail_nomem(err, l->part[0], 0);
    }
    for (pe_form f = 0; !st && f < PE_NFORMS; f++) st = pack_more(t, x, f, wanted[f], src, err);
    return st;
}

static void release_trial(trial *x, const pe_backend *b)
{
    for (pe_form f = 0; f < PE_NFORMS; f++) {
        for (size_t i = 0; i < x->ncopies[f]; i++) b->release(b, x->copies[f][i]);
        free(x->copies[f]);
    }
}

static pe_status time_layer(double us[PE_NFORMS][PE_NBUCKETS], size_t ncopies[PE_NFORMS], tuner *t,
                            const pe_linear *l, const pe_linear_source *src, pe_error *err)
{
    trial x = { 0 };
    pe_status st = prepare(t, l, most_scratch(l, t->queue.backend, t->queue.pool), err);
    for (pe_form f = 0; f < PE_NFORMS; f++)
        for (int i = 0; i < PE_NBUCKETS; i++) us[f][i] = -1;
    if (!st) st = pack_trial(&x, t, l, src, err);
    for (int round = 0; !st && round < ROUNDS; round++)
        for (pe_form f = 0; !st && f < PE_NFORMS; f++)
            for (int i = 0; !st && i < PE_NBUCKETS && x.ncopies[f]; i++) {
                for (int j = 0; j < PE_NBUCKETS; j++) x.l.form[j] = f;
                st = time_form(&us[f][i], t, &x, pe_bucket_tokens[i], err);
                /* a call needs memory, too, a workspace for one */
                if (st == PE_E_NOMEM && fewer_copies(&x, t->queue.backend))
                    st = time_form(&us[f][i], t, &x, pe_bucket_tokens[i], err);
            }
    memcpy(ncopies, x.ncopies, sizeof x.ncopies);
    release_trial(&x, t->queue.backend);
    return st;
}

static json_t *layer_json(const pe_linear *l, double us[PE_NFORMS][PE_NBUCKETS],
                          const size_t ncopies[PE_NFORMS])
{
    pe_form dense = pe_linear_dense_form(l);
    json_t *chosen = json_array(), *speedup = json_array(), *times = json_object();
    json_t *copies = json_object();
    for (int i = 0; i < PE_NBUCKETS; i++) {
        (void)json_array_append_new(chosen, json_string(pe_form_name(l->form[i])));
        (void)json_array_append_new(speedup, json_real(us[dense][i] / us[l->form[i]][i]));
    }
    for (pe_form f = 0; f < PE_NFORMS; f++) {
        if (us[f][0] < 0) continue;
        (void)json_object_set_new(times, pe_form_name(f),
                                  json_pack("[f, f, f]", us[f][0], us[f][1], us[f][2]));
        (void)json_object_set_new(copies, pe_form_name(f), json_integer((json_int_t)ncopies[f]));
    }
    return json_pack("{s:s, s:i, s:i, s:b, s:f, s:f, s:o, s:o, s:o, s:o}", "name", l->part[0], "n",
                     (int)l->n, "k", (int)l->k, "int8", l->int8, "sparsity", l->sparsity,
                     "block4_sparsity", l->block4_sparsity, "chosen", chosen, "speedup", speedup,
                     "us", times, "copies", copies);
}

static pe_status tune_layer(json_t *list, pe_tunes *tunes, tuner *t, const pe_model *m, size_t i,
                            pe_error *err)
{
    double us[PE_NFORMS][PE_NBUCKETS];
    size_t ncopies[PE_NFORMS];
    pe_linear_source src;
    void *buffer = NULL;
    pe_linear l = *pe_model_linear(m, i);
    pe_status st = pe_model_read_source(&src, &buffer, m, i, err);
    if (!st) st = time_layer(us, ncopies, t, &l, &src, err);
    free(buffer);
    if (!st) st = pe_tunes_add(tunes, &l, us, err);
    if (st) return st;
    (void)pe_tunes_apply(tunes, &l, t->queue.backend);
    return json_array_append_new(list, layer_json(&l, us, ncopies))
               ? pe_fail_nomem(err, "results", 0)
               : PE_OK;
}

static pe_status tune_all(json_t *root, pe_tunes *tunes, const pe_model *m,
                          const pe_bench_params *p, pe_error *err)
{
    const pe_backend *b = pe_model_backend(m);
    tuner t = { .queue = { .backend = b, .pool = p->pool }, .plugin = pe_plugin_of(b) };
    size_t n = pe_model_nlinears(m);
    pe_status st = PE_OK;
    for (size_t i = 0; i < n; i++)
        t.nweights += (size_t)pe_model_linear(m, i)->n * pe_model_linear(m, i)->k;
    for (size_t i = 0; !st && i < n; i++) {
        st = tune_layer(json_object_get(root, "layers"), tunes, &t, m, i, err);
        if (!st && p->progress.fn && !p->progress.fn(p->progress.user, "tuning", i + 1, n))
            st = pe_fail(err, PE_E_CANCELLED, "stopped");
    }
    release_tuner(&t);
    return st;
}

static pe_status tune_file(char **out, const pe_bench_params *p, const pe_model *m,
                           const pe_identity *identity, pe_error *err)
{
    if (!p->tune_file || !*p->tune_file)
        return pe_tunefile_path(out, pe_model_ckpt(m), identity, err);
    *out = strdup(p->tune_file);
    return *out ? PE_OK : pe_fail_nomem(err, "path", 0);
}

pe_status pe_tune_model(char **json, const char *model, const pe_bench_params *p, pe_error *err)
{
    pe_model_params mp = { .exec_layout = "dense",
                           .device = p->device,
                           .max_vram = p->max_vram,
                           .precision = p->precision,
                           .pool = p->pool };
    pe_model *m = NULL;
    pe_tunes tunes = { 0 };
    char *file = NULL, machine[128];
    pe_identity identity = { 0 };
    json_t *root = NULL;
    pe_status st = pe_model_open(&m, model, &mp, err);
    if (!st) pe_backend_identity(&identity, pe_model_backend(m));
    if (!st) st = tune_file(&file, p, m, &identity, err);
    if (!st) st = pe_tunes_new(&tunes, pe_model_ckpt(m), &identity, err);
    pe_bench_machine(machine, sizeof machine);
    if (!st) {
        root = json_pack("{s:s, s:s, s:s, s:i, s:s, s:[]}", "schema", "pe.tuned/1", "cpu",
                         identity.text, "machine", machine, "threads", pe_pool_nthreads(p->pool),
                         "file", file, "layers");
        if (!root) st = pe_fail_nomem(err, "results", 0);
    }
    if (!st) st = tune_all(root, &tunes, m, p, err);
    if (!st) st = pe_tunefile_write(&tunes, file, err);
    if (!st && !(*json = pe_json_text(root, 0))) st = pe_fail_nomem(err, "results", 0);
    json_decref(root);
    pe_tunes_release(&tunes);
    free(file);
    pe_model_close(m);
    return st;
}
