/* lib/calib/observer.c - see observer.h.
 * Read next: lib/calib/ranges.c. */
#include "lib/calib/observer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/backend/plugin.h"
#include "lib/base/error.h"
#include "lib/calib/ranges.h"

#define MSE_VALUES 65536u /* of the sample are enough to choose between 80 clips */

pe_status pe_observer_init(pe_observer *o, uint32_t k, const pe_range_rule *rule,
                           uint64_t most_values, pe_error *err)
{
    memset(o, 0, sizeof *o);
    o->k = k;
    o->lo = INFINITY;
    o->hi = -INFINITY;
    o->stride = 1;
    o->floor = -1;
    o->sample = malloc((size_t)PE_CALIB_TOKENS * k * sizeof *o->sample);
    if (o->sample == NULL)
        return pe_fail_nomem(err, "calibration sample",
                             (size_t)PE_CALIB_TOKENS * k * sizeof(float));
    if (rule->kind != PE_RANGE_PERCENTILE) return PE_OK;
    o->need = (size_t)pe_range_percentile_need(rule->percentile, most_values) + 1;
    o->top = malloc(2 * o->need * sizeof *o->top);
    return o->top != NULL ? PE_OK
                          : pe_fail_nomem(err, "largest inputs", 2 * o->need * sizeof *o->top);
}

void pe_observer_release(pe_observer *o)
{
    free(o->sample);
    free(o->top);
    o->sample = o->top = NULL;
}

static int descending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x < y) - (x > y);
}

static void keep_largest(pe_observer *o)
{
    qsort(o->top, o->ntop, sizeof *o->top, descending);
    o->ntop = o->need;
    o->floor = o->top[o->need - 1];
}

static void add_top(pe_observer *o, const float *x)
{
    for (uint32_t i = 0; i < o->k; i++) {
        float a = fabsf(x[i]);

        if (!(a > o->floor)) continue;
        o->top[o->ntop++] = a;
        if (o->ntop == 2 * o->need) keep_largest(o);
    }
}

/* Token number `at`, counted from 0. */
static void add_sample(pe_observer *o, const float *x, uint64_t at)
{
    if (at % o->stride != 0) return;
    if (o->nsample == PE_CALIB_TOKENS) {
        for (size_t i = 1; i < PE_CALIB_TOKENS / 2; i++)
            memcpy(o->sample + i * o->k, o->sample + 2 * i * o->k, o->k * sizeof *o->sample);
        o->nsample = PE_CALIB_TOKENS / 2;
        o->stride *= 2;
        if (at % o->stride != 0) return;
    }
    memcpy(o->sample + o->nsample * o->k, x, o->k * sizeof *o->sample);
    o->nsample++;
}

void pe_observer_add(pe_observer *o, const float *x, size_t ldx, size_t m)
{
    for (size_t t = 0; t < m; t++, x += ldx) {
        float lo = o->lo, hi = o->hi;

        for (uint32_t i = 0; i < o->k; i++) {
            lo = x[i] < lo ? x[i] : lo;
            hi = x[i] > hi ? x[i] : hi;
        }
        o->lo = lo;
        o->hi = hi;
        if (o->top != NULL) add_top(o, x);
        add_sample(o, x, o->ntokens);
        o->ntokens++;
    }
}

/* ---- tokens that lie on a device ------------------------------------------------------------- */

/* Range, and what is above the floor. The room for that may not suffice: then fewer tokens at a
 * time, whose largest raise the floor for the next; a row always fits, since there is room for as
 * many as it has. */
static pe_status observe(pe_observer *o, const float *x, size_t ldx, size_t m, pe_queue *q,
                         const pe_device_pass *pass, pe_error *err)
{
    uint32_t found = 0;
    pe_observe_call c = { .x = x, .m = m, .k = o->k, .ldx = ldx, .lo = &o->lo, .hi = &o->hi };

    if (o->top != NULL) {
        if (o->ntop > o->need) keep_largest(o);
        c.top = o->top + o->ntop;
        c.cap = (uint32_t)(2 * o->need - o->ntop);
        c.floor = o->floor;
        c.ntop = &found;
    }
    pe_status st = pass->observe(q, &c, err);

    if (st || found <= c.cap) {
        if (!st) o->ntop += found;
        return st;
    }
    if (m > 1) {
        st = observe(o, x, ldx, m / 2, q, pass, err);
        return st ? st : observe(o, x + m / 2 * ldx, ldx, m - m / 2, q, pass, err);
    }
    float *row = malloc(o->k * sizeof *row);

    if (row == NULL) return pe_fail_nomem(err, "calibration", o->k * sizeof *row);
    st = q->backend->download(q, row, x, o->k * sizeof *row, err);
    if (!st) st = q->backend->sync(q, err);
    if (!st) add_top(o, row);
    free(row);
    return st;
}

/* Rows of x that may belong to the sample, in host memory, from malloc; *n of them, the first at
 * token *first, o->stride apart. */
static pe_status fetch_sample(float **rows, size_t *n, size_t *first, const pe_observer *o,
                              const float *x, size_t ldx, size_t m, pe_queue *q, pe_error *err)
{
    const pe_backend *b = q->backend;
    pe_status st = PE_OK;

    *first = (size_t)((o->stride - o->ntokens % o->stride) % o->stride);
    *n = *first < m ? (m - *first - 1) / (size_t)o->stride + 1 : 0;
    *rows = *n > 0 ? malloc(*n * o->k * sizeof **rows) : NULL;
    if (*n == 0) return PE_OK;
    if (*rows == NULL) return pe_fail_nomem(err, "calibration sample", *n * o->k * sizeof **rows);
    for (size_t i = 0; !st && i < *n; i++)
        st = b->download(q, *rows + i * o->k, x + (*first + i * (size_t)o->stride) * ldx,
                         o->k * sizeof **rows, err);
    return st ? st : b->sync(q, err);
}

pe_status pe_observer_add_device(pe_observer *o, const float *x, size_t ldx, size_t m, pe_queue *q,
                                 pe_error *err)
{
    const pe_plugin *plugin = pe_plugin_of(q->backend);
    float *rows = NULL;
    size_t n = 0, first = 0;
    uint64_t stride = o->stride;
    pe_status st;

    if (plugin == NULL || plugin->pass->observe == NULL)
        return pe_backend_missing(q->backend, "observe", err);
    st = observe(o, x, ldx, m, q, plugin->pass, err);
    if (!st) st = fetch_sample(&rows, &n, &first, o, x, ldx, m, q, err);
    for (size_t i = 0; !st && i < n; i++)
        add_sample(o, rows + i * o->k, o->ntokens + first + i * stride);
    if (!st) o->ntokens += m;
    free(rows);
    return st;
}

/* ---- clips ----------------------------------------------------------------------------------- */

/* Evenly spread values of the sample, from malloc; *n of them. */
static pe_status spread_values(float **x, size_t *n, const pe_observer *o, pe_error *err)
{
    size_t all = o->nsample * o->k, step = all / MSE_VALUES + 1, room = all / step + 1;

    *n = 0;
    *x = malloc(room * sizeof **x);
    if (*x == NULL) return pe_fail_nomem(err, "calibration", room * sizeof **x);
    for (size_t at = 0; at < all; at += step) (*x)[(*n)++] = o->sample[at];
    return PE_OK;
}

static pe_status find_clip_there(int *at, const float *x, size_t n, float absmax, pe_queue *q,
                                 pe_error *err)
{
    const pe_plugin *plugin = pe_plugin_of(q->backend);
    double error[PE_MSE_CLIPS], scale[PE_MSE_CLIPS];
    pe_status st;

    if (plugin == NULL || plugin->pass->clip_errors == NULL)
        return pe_backend_missing(q->backend, "clip_errors", err);
    for (int i = 0; i < PE_MSE_CLIPS; i++) scale[i] = pe_mse_scale(i, absmax, 127);
    st = plugin->pass->clip_errors(q, error, scale, PE_MSE_CLIPS, x, n, err);
    if (!st) *at = pe_mse_least(error);
    return st;
}

static pe_status mse_clip(float *clip, const pe_observer *o, float absmax, pe_queue *q,
                          pe_error *err)
{
    size_t n;
    float *x;
    pe_status st = spread_values(&x, &n, o, err);
    int at = 0;

    if (st) return st;
    if (q == NULL || q->backend->host) at = pe_range_mse(NULL, x, n, absmax, 127);
    else if (absmax > 0) st = find_clip_there(&at, x, n, absmax, q, err);
    free(x);
    *clip = pe_mse_clip(at, absmax);
    return st;
}

pe_status pe_observer_clip(float *clip, pe_observer *o, const pe_range_rule *rule, pe_queue *q,
                           pe_error *err)
{
    float absmax = fmaxf(-o->lo, o->hi);

    *clip = o->ntokens == 0 ? 0 : absmax;
    if (o->ntokens == 0) return PE_OK;
    if (rule->kind == PE_RANGE_MSE) return mse_clip(clip, o, absmax, q, err);
    if (rule->kind == PE_RANGE_PERCENTILE)
        *clip = (float)pe_range_percentile(o->top, o->ntop, rule->percentile, o->ntokens * o->k);
    return PE_OK;
}
