/* lib/eval/score.c - runs a model over all rows: rows of similar length share a batch.
 * Read next: lib/eval/metrics.c. */
#include <stdlib.h>
#include <string.h>

#include <pe/text.h>

#include "lib/base/error.h"
#include "lib/eval/scores.h"

typedef struct item { /* one row of tokens */
    uint32_t row, ntokens;
    bool second;  /* text2 on its own: an embedding pair */
    size_t begin; /* in ids */
} item;

typedef struct runner {
    const pe_eval_set *set;
    const pe_eval_params *p;
    const char *what;
    pe_scores *s;
    pe_model *model;
    const pe_model_info *info;
    pe_tokenizer *tokenizer;
    pe_encoding enc;
    item *items;
    size_t nitems;
    int32_t *ids, *types; /* of all items */
    size_t nids, capacity;
    uint32_t *word_token; /* [nunits] tokens: index of the word's first token in its row */
} runner;

static pe_status choose_task(pe_scores *s, const pe_model_info *info, const char *asked,
                             pe_error *err)
{
    static const pe_eval_task of_head[] = { PE_TASK_EMBED, PE_TASK_CLASSIFY, PE_TASK_MULTILABEL,
                                            PE_TASK_REGRESS, PE_TASK_TOKENS };
    pe_eval_task own;
    pe_status st = PE_OK;

    if (info->head == PE_HEAD_MLM)
        return pe_fail(err, PE_E_UNSUPPORTED,
                       "%s: found a masked language model, expected a classifier, a regressor, a "
                       "token classifier or an embedder; pe-run can fill its masks",
                       info->path);
    own = of_head[info->head];
    s->task = own;
    if (asked) st = pe_task_parse(&s->task, asked, err);
    if (!st && s->task == PE_TASK_EMBED && info->pooling == PE_POOL_NONE)
        return pe_fail(err, PE_E_UNSUPPORTED,
                       "%s: found no pooling, expected one to evaluate embeddings; choose --pool "
                       "mean or cls, or add the files of sentence-transformers",
                       info->path);
    if (!st && s->task != own && s->task != PE_TASK_EMBED)
        return pe_fail(err, PE_E_ARG, "%s: found a model for task %s, expected one for %s",
                       info->path, pe_task_name(own), pe_task_name(s->task));
    return st;
}

static pe_status copy_info(pe_scores *s, const pe_model_info *info, pe_error *err)
{
    s->path = pe_arena_strndup(s->arena, info->path, strlen(info->path));
    s->family = pe_arena_strndup(s->arena, info->family, strlen(info->family));
    s->weights = pe_arena_strndup(s->arena, info->weights, strlen(info->weights));
    s->nparams = info->nparams;
    s->nlabels = info->nlabels;
    s->labels = pe_arena_zalloc(s->arena, info->nlabels + (size_t)1, sizeof *s->labels);
    if (!s->path || !s->family || !s->weights || !s->labels)
        return pe_fail_nomem(err, "model description", 256);
    for (uint32_t i = 0; i < info->nlabels; i++) {
        s->labels[i] = pe_arena_strndup(s->arena, info->labels[i], strlen(info->labels[i]));
        if (!s->labels[i]) return pe_fail_nomem(err, "label", strlen(info->labels[i]));
    }
    return PE_OK;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* First token of each word of the row, by the bytes that tokens come from. */
static pe_status find_words(runner *q, uint32_t row, pe_error *err)
{
    const char *text = q->set->row[row]->text;
    size_t at = 0, t = 0, u = q->s->unit[row];

    for (; u < q->s->unit[row + 1]; u++) {
        size_t end;
        while (is_space(text[at])) at++;
        for (end = at; text[end] && !is_space(text[end]);) end++;
        while (t < q->enc.n && (q->enc.special[t] || q->enc.offsets[t][0] < at)) t++;
        if (t == q->enc.n || q->enc.offsets[t][0] >= end)
            return pe_eval_row_fail(err, q->set, row,
                                    "found no token for word %zu, expected one for each; the row "
                                    "is longer than the model takes or the word is not text",
                                    u - q->s->unit[row] + 1);
        q->word_token[u] = (uint32_t)t;
        at = end;
    }
    return PE_OK;
}

static pe_status keep_ids(runner *q, item *it, pe_error *err)
{
    size_t n = q->enc.n;

    if (q->nids + n > q->capacity) {
        size_t capacity = 2 * (q->nids + n);
        int32_t *ids = realloc(q->ids, capacity * sizeof *ids), *types;
        if (ids) q->ids = ids;
        types = ids ? realloc(q->types, capacity * sizeof *types) : NULL;
        if (!types) return pe_fail_nomem(err, "token ids", 2 * capacity * sizeof *ids);
        q->types = types;
        q->capacity = capacity;
    }
    memcpy(q->ids + q->nids, q->enc.ids, n * sizeof *q->ids);
    memcpy(q->types + q->nids, q->enc.type_ids, n * sizeof *q->types);
    it->begin = q->nids;
    it->ntokens = (uint32_t)n;
    q->nids += n;
    return PE_OK;
}

static pe_status encode_item(runner *q, item *it, const pe_encode_params *ep, pe_error *err)
{
    const pe_row *row = q->set->row[it->row];
    bool alone = q->s->task == PE_TASK_EMBED;
    const char *text = it->second ? row->text2 : row->text;
    size_t n = it->second ? row->text2_nbytes : row->text_nbytes;
    pe_status st = pe_tokenizer_encode(&q->enc, q->tokenizer, text, n, alone ? NULL : row->text2,
                                       alone || !row->text2 ? 0 : row->text2_nbytes, ep, err);

    if (st) {
        return pe_fail_prefix(err, st, "%s:%zu", q->set->paths[q->set->file[it->row]], row->line);
    }
    if (q->enc.truncated) q->s->truncated++;
    if (q->enc.n == 0)
        return pe_eval_row_fail(err, q->set, it->row, "found no tokens, expected at least one");
    if (q->s->task == PE_TASK_TOKENS) st = find_words(q, it->row, err);
    return st ? st : keep_ids(q, it, err);
}

static size_t length_limit(const runner *q)
{
    size_t limit = q->info->max_length, own = pe_tokenizer_max_length(q->tokenizer);

    if (own && own < limit) limit = own;
    if (q->p->max_length && q->p->max_length < limit) limit = q->p->max_length;
    return limit;
}

static pe_status encode_all(runner *q, pe_error *err)
{
    bool pairs = q->s->task == PE_TASK_EMBED && q->set->row[0]->text2;
    pe_encode_params ep = { .max_length = length_limit(q) };
    size_t nrows = q->set->nrows;
    pe_status st = PE_OK;

    q->items = calloc(nrows * 2, sizeof *q->items);
    if (q->s->task == PE_TASK_TOKENS) q->word_token = calloc(q->s->nunits + 1, sizeof(uint32_t));
    if (!q->items || (q->s->task == PE_TASK_TOKENS && !q->word_token))
        return pe_fail_nomem(err, "rows", nrows * 2 * sizeof *q->items);
    for (int second = 0; second <= (pairs ? 1 : 0); second++) {
        for (size_t r = 0; !st && r < nrows; r++) {
            item *it = &q->items[q->nitems++];
            *it = (item){ .row = (uint32_t)r, .second = second };
            if (second && !q->set->row[r]->text2)
                return pe_eval_row_fail(err, q->set, r, "found no text2, expected pairs");
            st = encode_item(q, it, &ep, err);
        }
    }
    return st;
}

static int by_length(const void *a, const void *b)
{
    const item *x = a, *y = b;

    if (x->ntokens != y->ntokens) return x->ntokens < y->ntokens ? -1 : 1;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

static pe_status alloc_outputs(runner *q, pe_error *err)
{
    pe_scores *s = q->s;
    bool pairs = q->nitems > q->set->nrows;

    s->width = s->task == PE_TASK_EMBED     ? q->info->hidden
               : s->task == PE_TASK_REGRESS ? 1
                                            : s->nlabels;
    s->out = pe_arena_zalloc(s->arena, s->nunits, s->width * sizeof *s->out);
    if (pairs) s->out2 = pe_arena_zalloc(s->arena, s->nunits, s->width * sizeof *s->out2);
    if (!s->out || (pairs && !s->out2))
        return pe_fail_nomem(err, "outputs", s->nunits * s->width * sizeof *s->out);
    return PE_OK;
}

static void store(runner *q, const item *it, const pe_output *o, size_t r, size_t first_token)
{
    pe_scores *s = q->s;
    size_t w = s->width;

    if (s->task == PE_TASK_EMBED) {
        memcpy((it->second ? s->out2 : s->out) + it->row * w, o->embedding + r * w,
               w * sizeof *s->out);
    } else if (s->task == PE_TASK_TOKENS) {
        for (size_t u = s->unit[it->row]; u < s->unit[it->row + 1]; u++)
            memcpy(s->out + u * w, o->logits + (first_token + q->word_token[u]) * w,
                   w * sizeof *s->out);
    } else {
        memcpy(s->out + it->row * w, o->logits + r * w, w * sizeof *s->out);
    }
}

/* Items [first, first + n) of the sorted list as one batch. */
static pe_status run_batch(runner *q, pe_ctx *ctx, uint32_t *begin, int32_t *ids, size_t first,
                           size_t n, pe_error *err)
{
    size_t ntokens = 0;
    pe_output o;
    pe_batch b;
    pe_status st;

    for (size_t i = 0; i < n; i++) {
        begin[i] = (uint32_t)ntokens;
        ntokens += q->items[first + i].ntokens;
    }
    begin[n] = (uint32_t)ntokens;
    for (size_t i = 0; i < n; i++) {
        const item *it = &q->items[first + i];
        memcpy(ids + begin[i], q->ids + it->begin, it->ntokens * sizeof *ids);
        memcpy(ids + ntokens + begin[i], q->types + it->begin, it->ntokens * sizeof *ids);
    }
    b = (pe_batch){ .nrows = n, .row_begin = begin, .ids = ids };
    b.type_ids = q->info->ntypes > 1 ? ids + ntokens : NULL;
    st = pe_forward(&o, ctx, &b, err);
    if (!st && !(q->s->task == PE_TASK_EMBED ? o.embedding : o.logits))
        st = pe_fail(err, PE_E_UNSUPPORTED, "%s: found no output for task %s, expected one",
                     q->info->path, pe_task_name(q->s->task));
    for (size_t i = 0; !st && i < n; i++) store(q, &q->items[first + i], &o, i, begin[i]);
    return st;
}

static pe_status run_all(runner *q, pe_error *err)
{
    size_t nbatch = q->p->batch ? q->p->batch : 32, longest;
    const pe_progress *pg = &q->p->progress;
    uint32_t *begin = NULL;
    int32_t *ids = NULL;
    pe_ctx *ctx = NULL;
    pe_status st;

    qsort(q->items, q->nitems, sizeof *q->items, by_length);
    if (nbatch > q->nitems) nbatch = q->nitems;
    longest = q->items[q->nitems - 1].ntokens;
    begin = malloc((nbatch + 1) * sizeof *begin);
    ids = malloc(2 * nbatch * longest * sizeof *ids);
    st = begin && ids ? PE_OK : pe_fail_nomem(err, "batch", 2 * nbatch * longest * sizeof *ids);
    if (!st) st = pe_ctx_new(&ctx, q->model, q->p->pool, err);
    for (size_t i = 0; !st && i < q->nitems; i += nbatch) {
        size_t n = q->nitems - i < nbatch ? q->nitems - i : nbatch;
        st = run_batch(q, ctx, begin, ids, i, n, err);
        if (!st && pg->fn && !pg->fn(pg->user, q->what, i + n, q->nitems))
            st = pe_fail(err, PE_E_CANCELLED, "evaluation stopped");
    }
    pe_ctx_free(ctx);
    free(begin);
    free(ids);
    return st;
}

static pe_status score_rows(runner *q, const char *path, pe_error *err)
{
    pe_model_params mp = { .device = q->p->device,
                           .exec_layout = q->p->exec_layout,
                           .tune_file = q->p->tune_file,
                           .max_vram = q->p->max_vram,
                           .precision = q->p->precision,
                           .pool = q->p->pool,
                           .pooling = q->p->pooling,
                           .normalize = q->p->normalize };
    pe_status st = pe_model_open(&q->model, path, &mp, err);

    if (!st) q->info = pe_model_get_info(q->model);
    if (!st) st = choose_task(q->s, q->info, q->p->task, err);
    if (!st) st = copy_info(q->s, q->info, err);
    if (!st) st = pe_gold_match(q->s, q->set, err);
    if (!st) st = pe_tokenizer_open(&q->tokenizer, path, err);
    if (!st) st = encode_all(q, err);
    if (!st) st = alloc_outputs(q, err);
    if (!st) st = run_all(q, err);
    return st;
}

pe_status pe_scores_new(pe_scores **out, const char *model, const pe_eval_set *set,
                        const pe_eval_params *p, const char *what, pe_error *err)
{
    runner q = { .set = set, .p = p, .what = what };
    pe_arena *arena = NULL;
    pe_status st = pe_arena_new(&arena, 1 << 16, err);

    if (st) return st;
    q.s = pe_arena_zalloc(arena, 1, sizeof *q.s);
    if (!q.s) {
        pe_arena_free(arena);
        return pe_fail_nomem(err, "scores", sizeof *q.s);
    }
    q.s->arena = arena;
    st = score_rows(&q, model, err);
    pe_encoding_release(&q.enc);
    pe_tokenizer_close(q.tokenizer);
    pe_model_close(q.model);
    free(q.items);
    free(q.ids);
    free(q.types);
    free(q.word_token);
    if (st) pe_scores_free(q.s);
    else *out = q.s;
    return st;
}

void pe_scores_free(pe_scores *s)
{
    if (s) pe_arena_free(s->arena);
}
