/* lib/model/batch.c - ranges of ids, types, positions and tasks; positions by the family's rule.
 * Read next: lib/model/ctx.c. */
#include "lib/model/batch.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/model/model_impl.h"

static void count_positions(int32_t *pos, const pe_config *cfg, const int32_t *ids, size_t n)
{
    int32_t pad = (int32_t)cfg->pad_id, real = 0;
    for (size_t i = 0; i < n; i++) {
        if (cfg->family->positions == PE_POSITIONS_INDEX) pos[i] = (int32_t)i;
        else pos[i] = ids[i] == pad ? pad : pad + ++real;
    }
}

void pe_model_positions(const pe_model *m, int32_t *pos, const int32_t *ids, size_t n)
{
    count_positions(pos, &m->cfg, ids, n);
}

void pe_inputs_release(pe_inputs *in)
{
    free(in->filled);
    free(in->ones);
    *in = (pe_inputs){ 0 };
}

static pe_status check_rows(const pe_config *cfg, const pe_batch *b, pe_error *err)
{
    if (!b->nrows || b->row_begin[0] != 0)
        return pe_fail(err, PE_E_ARG, "batch: expected rows, the first at token 0");
    for (size_t r = 0; r < b->nrows; r++) {
        if (b->row_begin[r + 1] <= b->row_begin[r])
            return pe_fail(err, PE_E_INPUT, "row %zu: no tokens", r);
        size_t n = b->row_begin[r + 1] - b->row_begin[r];
        if (n > cfg->max_length && !b->pos_ids)
            return pe_fail(err, PE_E_INPUT,
                           "row %zu: %zu tokens, the model takes at most %u; truncate it", r, n,
                           cfg->max_length);
    }
    return PE_OK;
}

/* Which row the token lies in, for a message. */
static size_t row_of(const pe_batch *b, size_t t)
{
    size_t r = 0;
    while (r + 1 < b->nrows && b->row_begin[r + 1] <= t) r++;
    return r;
}

static pe_status check_range(const int32_t *v, uint32_t limit, const char *what, const pe_batch *b,
                             pe_error *err)
{
    size_t n = b->row_begin[b->nrows];
    for (size_t t = 0; t < n; t++) {
        if ((uint32_t)v[t] < limit) continue;
        size_t r = row_of(b, t);
        return pe_fail(err, PE_E_INPUT, "row %zu, place %zu: %s %ld, the model has 0 to %u", r,
                       t - b->row_begin[r], what, (long)v[t], limit - 1);
    }
    return PE_OK;
}

static pe_status grow(pe_inputs *in, size_t ntokens, size_t nrows, pe_error *err)
{
    if (2 * ntokens > in->filled_cap) {
        int32_t *more = realloc(in->filled, 2 * ntokens * sizeof *more);
        if (!more) return pe_fail_nomem(err, "positions", 2 * ntokens * sizeof *more);
        in->filled = more;
        in->filled_cap = 2 * ntokens;
    }
    if (nrows + 1 > in->ones_cap) {
        uint32_t *more = realloc(in->ones, (nrows + 1) * sizeof *more);
        if (!more) return pe_fail_nomem(err, "rows", (nrows + 1) * sizeof *more);
        in->ones = more;
        in->ones_cap = nrows + 1;
        for (size_t i = 0; i <= nrows; i++) more[i] = (uint32_t)i;
    }
    return PE_OK;
}

static pe_status check_leads(const pe_config *cfg, const pe_batch *b, pe_error *err)
{
    for (size_t r = 0; b->lead && r < b->nrows; r++) {
        const pe_lead *l = &b->lead[r];
        bool types = cfg->family->flags & PE_FAM_TYPES;
        if (l->id < 0) continue;
        if ((uint32_t)l->id >= cfg->vocab || (uint32_t)l->pos >= cfg->npositions ||
            (types && (uint32_t)l->type >= cfg->ntypes) ||
            (cfg->has_tasks && (uint32_t)l->task >= cfg->ntasks))
            return pe_fail(
                err, PE_E_INPUT,
                "row %zu: the masked first token: id %ld, type %ld, task %ld or position %ld "
                "is out of range",
                r, (long)l->id, (long)l->type, (long)l->task, (long)l->pos);
    }
    return PE_OK;
}

pe_status pe_inputs_take(pe_inputs *in, const pe_config *cfg, const pe_batch *b, pe_error *err)
{
    pe_status st = check_rows(cfg, b, err);
    if (st) return st;
    size_t T = b->row_begin[b->nrows];
    st = check_range(b->ids, cfg->vocab, "token id", b, err);
    if (!st) st = grow(in, T, b->nrows, err);
    if (st) return st;
    int32_t *pos = in->filled, *zeros = in->filled + T;
    memset(zeros, 0, T * sizeof *zeros);
    for (size_t r = 0; !b->pos_ids && r < b->nrows; r++)
        count_positions(pos + b->row_begin[r], cfg, b->ids + b->row_begin[r],
                        b->row_begin[r + 1] - b->row_begin[r]);
    bool types = cfg->family->flags & PE_FAM_TYPES;
    in->nrows = b->nrows;
    in->ntokens = T;
    in->row_begin = b->row_begin;
    in->ids = b->ids;
    in->lead = b->lead;
    in->pos_ids = b->pos_ids ? b->pos_ids : pos;
    in->type_ids = types && b->type_ids ? b->type_ids : zeros;
    in->task_ids = cfg->has_tasks && b->task_ids ? b->task_ids : zeros;
    st = check_range(in->pos_ids, cfg->npositions, "position", b, err);
    if (!st && types) st = check_range(in->type_ids, cfg->ntypes, "token type", b, err);
    if (!st && cfg->has_tasks) st = check_range(in->task_ids, cfg->ntasks, "task type", b, err);
    return st ? st : check_leads(cfg, b, err);
}

/* ---- leads: rare, so their rows are copied --------------------------------------------------- */

static pe_status grow_led(pe_led_rows *l, size_t ntokens, size_t nrows, pe_error *err)
{
    if (ntokens > l->tokens_cap) {
        int32_t *more = realloc(l->ids, 4 * ntokens * sizeof *more);
        if (!more) return pe_fail_nomem(err, "padded rows", 4 * ntokens * sizeof *more);
        l->ids = more;
        l->tokens_cap = ntokens;
    }
    if (nrows > l->rows_cap) {
        uint32_t *more = realloc(l->lead_begin, (2 * nrows + 1) * sizeof *more);
        if (!more) return pe_fail_nomem(err, "padded rows", (2 * nrows + 1) * sizeof *more);
        l->lead_begin = more;
        l->rows_cap = nrows;
    }
    l->type_ids = l->ids + ntokens;
    l->pos_ids = l->type_ids + ntokens;
    l->task_ids = l->pos_ids + ntokens;
    l->first = l->lead_begin + nrows + 1;
    return PE_OK;
}

pe_status pe_led_rows_take(pe_led_rows *out, const pe_inputs *in, size_t row0, size_t nrows,
                           pe_error *err)
{
    uint32_t begin = in->row_begin[row0];
    size_t n = in->row_begin[row0 + nrows] - begin, at = n;
    pe_status st = grow_led(out, n + nrows, nrows, err);
    if (st) return st;
    memcpy(out->ids, in->ids + begin, n * sizeof *out->ids);
    memcpy(out->type_ids, in->type_ids + begin, n * sizeof *out->ids);
    memcpy(out->pos_ids, in->pos_ids + begin, n * sizeof *out->ids);
    memcpy(out->task_ids, in->task_ids + begin, n * sizeof *out->ids);
    for (size_t r = 0; r < nrows; r++) {
        const pe_lead *l = &in->lead[row0 + r];
        out->lead_begin[r] = (uint32_t)(at - n);
        out->first[r] = l->id < 0 ? in->row_begin[row0 + r] - begin : (uint32_t)at;
        if (l->id < 0) continue;
        out->ids[at] = l->id;
        out->type_ids[at] = l->type;
        out->pos_ids[at] = l->pos;
        out->task_ids[at++] = l->task;
    }
    out->nlead = at - n;
    out->lead_begin[nrows] = (uint32_t)out->nlead;
    return PE_OK;
}

void pe_led_rows_release(pe_led_rows *l)
{
    free(l->ids);
    free(l->lead_begin);
    *l = (pe_led_rows){ 0 };
}
