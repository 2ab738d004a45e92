/* lib/io/weight_reader.c - see weight_reader.h.
 * Read next: lib/io/ckpt.h. */
#include "lib/io/weight_reader.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "lib/base/error.h"

struct pe_weights {
    const pe_ckpt *ckpt;
    const pe_kernels *kern;
    /* The expanded tensor: replaced only while nobody copies from it. */
    pthread_mutex_t lock;
    pthread_cond_t idle;
    const pe_array *held;
    void *dense;
    size_t nreaders;
};

pe_status pe_weights_new(pe_weights **out, const pe_ckpt *c, pe_error *err)
{
    const pe_kernels *kern = pe_kernels_get(err);
    pe_weights *w;

    if (kern == NULL) return PE_E_ARG;
    w = calloc(1, sizeof *w);
    if (w == NULL) return pe_fail_nomem(err, "weights", sizeof *w);
    w->ckpt = c;
    w->kern = kern;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->idle, NULL);
    *out = w;
    return PE_OK;
}

void pe_weights_free(pe_weights *w)
{
    if (w == NULL) return;
    pthread_cond_destroy(&w->idle);
    pthread_mutex_destroy(&w->lock);
    free(w->dense);
    free(w);
}

bool pe_weights_dtype_ok(pe_dtype t)
{
    return t == PE_F32 || t == PE_F16 || t == PE_BF16;
}

/* Exponent bits of the elements in 8 bytes, their lowest ones, and the signs. Adding the lowest one
 * to an exponent alone carries into the sign's place exactly when all its bits were set. */
typedef struct exponent {
    uint64_t mask, one, sign;
    size_t nbytes;
} exponent;

static bool exponent_of(exponent *e, pe_dtype t)
{
    const uint64_t every16 = UINT64_C(0x0001000100010001), every32 = UINT64_C(0x0000000100000001);

    if (t == PE_F32)
        *e = (exponent){ 0x7f800000u * every32, 0x00800000u * every32, 0x80000000u * every32, 4 };
    else if (t == PE_BF16)
        *e = (exponent){ 0x7f80u * every16, 0x0080u * every16, 0x8000u * every16, 2 };
    else if (t == PE_F16)
        *e = (exponent){ 0x7c00u * every16, 0x0400u * every16, 0x8000u * every16, 2 };
    else if (t == PE_F64)
        *e = (exponent){ UINT64_C(0x7ff) << 52, UINT64_C(1) << 52, UINT64_C(1) << 63, 8 };
    else return false;
    return true;
}

static uint64_t load8(const unsigned char *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

/* Whether any element is not finite; nbytes is a multiple of 32. */
static bool any_bad(const unsigned char *p, size_t nbytes, const exponent *e)
{
    uint64_t bad[4] = { 0 };

    for (size_t i = 0; i < nbytes; i += 32) {
        for (size_t j = 0; j < 4; j++) bad[j] |= (load8(p + i + 8 * j) & e->mask) + e->one;
    }
    return ((bad[0] | bad[1] | bad[2] | bad[3]) & e->sign) != 0;
}

/* Index of the first element from `from` that is not finite; n when there is none. */
static size_t find_bad(const unsigned char *p, size_t from, size_t n, const exponent *e)
{
    for (size_t i = from; i < n; i++) {
        uint64_t v = 0;

        memcpy(&v, p + i * e->nbytes, e->nbytes);
        if ((v & e->mask) == (e->mask & (UINT64_MAX >> (64 - 8 * e->nbytes)))) return i;
    }
    return n;
}

pe_status pe_weights_check(const void *raw, pe_dtype t, size_t n, const char *path,
                           const char *name, uint64_t begin, pe_error *err)
{
    exponent e;
    size_t at;

    if (!exponent_of(&e, t)) return PE_OK;
    at = n * e.nbytes / 32 * 32; /* these bytes are looked at together */
    if (any_bad(raw, at, &e)) at = 0;
    at = find_bad(raw, at / e.nbytes, n, &e);
    if (at == n) return PE_OK;
    return pe_fail(err, PE_E_INPUT,
                   "%s: tensor %s, element %llu: NaN or infinity, expected finite weights; "
                   "the model is damaged or its training diverged",
                   path, name, (unsigned long long)(begin + at));
}

/* Makes `a` the expanded tensor and counts the caller among its readers. */
static pe_status hold(pe_weights *w, const pe_array *a, pe_error *err)
{
    size_t nbytes = (size_t)a->nelem * pe_dtype_nbytes(a->dtype);
    pe_status st = PE_OK;

    pthread_mutex_lock(&w->lock);
    while (w->held != a && w->nreaders > 0) pthread_cond_wait(&w->idle, &w->lock);
    if (w->held != a) {
        free(w->dense);
        w->held = NULL;
        w->dense = malloc(nbytes ? nbytes : 1);
        st = w->dense == NULL ? pe_fail_nomem(err, a->name, nbytes)
                              : pe_ckpt_read_dense(w->ckpt, a, w->dense, err);
        if (!st) w->held = a;
    }
    if (!st) w->nreaders++;
    pthread_mutex_unlock(&w->lock);
    return st;
}

static void unhold(pe_weights *w)
{
    pthread_mutex_lock(&w->lock);
    if (--w->nreaders == 0) pthread_cond_broadcast(&w->idle);
    pthread_mutex_unlock(&w->lock);
}

static pe_status read_raw(pe_weights *w, void *raw, const pe_array *a, uint64_t begin, size_t count,
                          pe_error *err)
{
    size_t elem = pe_dtype_nbytes(a->dtype);
    pe_status st;

    if (a->layout.layout == PE_LAYOUT_DENSE)
        return pe_ckpt_read(w->ckpt, a, 0, begin * elem, raw, count * elem, err);
    st = hold(w, a, err);
    if (st) return st;
    memcpy(raw, (const char *)w->dense + begin * elem, count * elem);
    unhold(w);
    return PE_OK;
}

pe_status pe_weights_read(pe_weights *w, void *raw, float *f32, const pe_array *a, uint64_t begin,
                          size_t count, pe_error *err)
{
    pe_status st = read_raw(w, raw, a, begin, count, err);

    if (!st)
        st = pe_weights_check(raw, a->dtype, count, pe_ckpt_path(w->ckpt), a->name, begin, err);
    if (st) return st;
    if (a->dtype == PE_BF16) w->kern->bf16_to_f32(f32, raw, count);
    else if (a->dtype == PE_F16) w->kern->f16_to_f32(f32, raw, count);
    return PE_OK;
}

static pe_status copy_rows(void *user, void *out, const void *in, uint64_t row0, uint64_t nrows,
                           int worker, pe_error *err)
{
    const pe_weights_copy *ctx = user;
    const pe_array *a = ctx->array;
    uint64_t k = a->rank < 2 ? a->nelem : a->nelem / a->shape[0];
    size_t n = (size_t)(nrows * k);
    (void)worker;

    if (out != in) memcpy(out, in, n * pe_dtype_nbytes(a->dtype));
    return pe_weights_check(in, a->dtype, n, pe_ckpt_path(ctx->ckpt), a->name, row0 * k, err);
}

void pe_weights_copy_item(pe_rewrite_item *item, pe_weights_copy *ctx, const pe_ckpt *c,
                          const pe_array *a)
{
    bool is_float = pe_weights_dtype_ok(a->dtype) || a->dtype == PE_F64;

    memset(item, 0, sizeof *item);
    ctx->ckpt = c;
    ctx->array = a;
    item->from = a;
    item->dtype = a->dtype;
    item->layout = a->layout;
    item->keep_layout = true;
    if (!is_float || a->nelem == 0 || a->layout.layout != PE_LAYOUT_DENSE)
        return; /* sparse: checked when made */
    item->keep_layout = false;
    item->rows = copy_rows;
    item->in_place = true;
    item->user = ctx;
}
