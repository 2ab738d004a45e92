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

/* Index of the first element whose exponent is all ones; n when there is none. */
static size_t find_bad16(const uint16_t *x, size_t n, uint16_t exponent)
{
    unsigned bad = 0;

    for (size_t i = 0; i < n; i++) bad |= (x[i] & exponent) == exponent;
    for (size_t i = 0; bad && i < n; i++) {
        if ((x[i] & exponent) == exponent) return i;
    }
    return n;
}

static size_t find_bad32(const uint32_t *x, size_t n)
{
    const uint32_t exponent = 0x7f800000u;
    unsigned bad = 0;

    for (size_t i = 0; i < n; i++) bad |= (x[i] & exponent) == exponent;
    for (size_t i = 0; bad && i < n; i++) {
        if ((x[i] & exponent) == exponent) return i;
    }
    return n;
}

static size_t find_bad64(const uint64_t *x, size_t n)
{
    const uint64_t exponent = UINT64_C(0x7ff) << 52;

    for (size_t i = 0; i < n; i++) {
        if ((x[i] & exponent) == exponent) return i;
    }
    return n;
}

pe_status pe_weights_check(const void *raw, pe_dtype t, size_t n, const char *path,
                           const char *name, uint64_t begin, pe_error *err)
{
    size_t at = n;

    if (t == PE_F32) at = find_bad32(raw, n);
    else if (t == PE_BF16) at = find_bad16(raw, n, 0x7f80);
    else if (t == PE_F16) at = find_bad16(raw, n, 0x7c00);
    else if (t == PE_F64) at = find_bad64(raw, n);
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

    memcpy(out, in, n * pe_dtype_nbytes(a->dtype));
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
    item->user = ctx;
}
