/* lib/convert/survey.c - see survey.h.
 * Read next: lib/io/row_stream.h. */
#include "lib/convert/survey.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/pool.h"
#include "lib/io/row_stream.h"
#include "lib/io/weight_reader.h"

#define RAW_NBYTES ((size_t)256 << 10)

typedef struct survey {
    pe_survey_row *rows;
    const pe_ckpt *c;
} survey;

typedef struct visit {
    const survey *s;
    const pe_array *a;
    pe_survey_row *row;
} visit;

static uint64_t count_zeros(const pe_dense *m)
{
    const uint8_t *p = m->data;
    uint64_t n = m->n * m->k, zeros = 0;
    if (m->elem_nbytes <= 4) {
        pe_layout_stats stats = { 0 };
        pe_layout_stats_add(&stats, m);
        return n - stats.nonzero;
    }
    for (uint64_t i = 0; i < n; i++) {
        uint64_t v;
        memcpy(&v, p + 8 * i, 8);
        zeros += v == 0;
    }
    return zeros;
}

static pe_status look(void *arg, const pe_dense *m, uint64_t row0, pe_error *err)
{
    const visit *v = arg;
    pe_error bad = { 0 };
    v->row->zeros += count_zeros(m);
    if (v->row->nonfinite) return PE_OK;
    if (pe_weights_check(m->data, v->a->dtype, (size_t)(m->n * m->k),
                         pe_ckpt_file(v->s->c, v->a->file), v->a->name, row0 * m->k, &bad) &&
        !(v->row->nonfinite = strdup(bad.text)))
        return pe_fail_nomem(err, "message", sizeof bad.text);
    return PE_OK;
}

/* Bytes of an element type of which nothing but the width is known. */
static pe_status hash_raw(const survey *s, const pe_array *a, pe_digest *out, pe_error *err)
{
    uint8_t *buf = malloc(RAW_NBYTES);
    pe_hasher *h = pe_hasher_new();
    pe_status st = buf && h ? PE_OK : pe_fail_nomem(err, "read buffer", RAW_NBYTES);
    for (uint64_t at = 0; at < a->nbytes && !st;) {
        size_t n = a->nbytes - at < RAW_NBYTES ? (size_t)(a->nbytes - at) : RAW_NBYTES;
        st = pe_ckpt_read(s->c, a, 0, at, buf, n, err);
        if (!st) pe_hasher_add(h, buf, n);
        at += n;
    }
    if (!st) *out = pe_hasher_get(h);
    pe_hasher_free(h);
    free(buf);
    return st;
}

static void survey_one(void *arg, size_t i, int worker)
{
    const survey *s = arg;
    const pe_array *a = pe_ckpt_array(s->c, i);
    pe_survey_row *row = &s->rows[i];
    pe_error err = { 0 };
    visit v = { s, a, row };
    pe_rewrite_item item = { .from = a, .dtype = a->dtype };
    row->status = pe_dtype_nbytes(a->dtype)
                      ? pe_row_stream(s->c, &item, worker, look, &v, row->digest, &err)
                      : hash_raw(s, a, row->digest, &err);
    if (row->status) row->trouble = strdup(err.text);
}

pe_status pe_survey(pe_survey_row *rows, const pe_ckpt *c, pe_pool *pool, pe_error *err)
{
    survey s = { rows, c };
    size_t n = pe_ckpt_narrays(c);
    pe_pool_run(pool, n, survey_one, &s);
    for (size_t i = 0; i < n; i++) {
        if (rows[i].status && !rows[i].trouble) return pe_fail_nomem(err, "message", 0);
        if (rows[i].status == PE_E_NOMEM) return pe_fail(err, PE_E_NOMEM, "%s", rows[i].trouble);
    }
    return PE_OK;
}

void pe_survey_release(pe_survey_row *rows, size_t n)
{
    for (size_t i = 0; rows && i < n; i++) {
        free(rows[i].trouble);
        free(rows[i].nonfinite);
    }
    free(rows);
}
