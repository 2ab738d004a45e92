/* tools/pe-run.c - `pe-run MODEL`: the runtime at the shell, a row of text or ids at a time.
 * Read next: docs/pe-run.md, tools/common/run_rows.c (inputs), tools/common/run_show.c
 * (answers). */
#include <pe/dump.h>
#include <pe/model.h>
#include <pe/text.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/common/run_show.h"

#define WINDOW 1024 /* rows that are sorted by length together */

static struct settings {
    const char *ids, *dump, *exec_layout, *tune_file, *pool;
    bool pairs, tokenize, decode, normalize;
    int64_t batch, max_length, top;
} set = { .batch = 32, .top = 5 };

static const pe_option options[] = {
    { "ids", 0, PE_OPT_STRING, &set.ids, "FILE",
      "token ids in place of text, one JSON object a line ('-' = stdin)", 0, 0 },
    { "pairs", 0, PE_OPT_FLAG, &set.pairs, 0, "a row is TEXT<tab>TEXT, two parts for the model", 0,
      0 },
    { "max-length", 0, PE_OPT_INT, &set.max_length, "N",
      "tokens a row, the rest is cut off and counted", 1, 1 << 24 },
    { "batch", 'b', PE_OPT_INT, &set.batch, "N", "rows at a time (default 32)", 1, 65536 },
    { "top", 0, PE_OPT_INT, &set.top, "N", "words for a masked place (default 5)", 1, 1000 },
    { "pool", 0, PE_OPT_STRING, &set.pool, "HOW", "mean or cls: embeddings of a bare encoder", 0,
      0 },
    { "normalize", 0, PE_OPT_FLAG, &set.normalize, 0, "with --pool: embeddings of length 1", 0, 0 },
    { "dump", 0, PE_OPT_STRING, &set.dump, "FILE",
      "logits and hidden states of every row, as safetensors", 0, 0 },
    { "tokenize", 0, PE_OPT_FLAG, &set.tokenize, 0, "only the tokens, the model is not run", 0, 0 },
    { "decode", 0, PE_OPT_FLAG, &set.decode, 0, "token ids back to text, the model is not run", 0,
      0 },
    { "exec-layout", 0, PE_OPT_STRING, &set.exec_layout, "NAME",
      "force dense, csr, bitmask or block4; on a GPU also bsr, blocked-ell, int8-weights", 0, 0 },
    { "tune-file", 0, PE_OPT_STRING, &set.tune_file, "FILE",
      "measured times ('' = none; default: the cache)", 0, 0 },
    PE_PRECISION_OPTION,
    PE_COMMON_OPTIONS,
};

static const pe_command command = {
    .name = "pe-run",
    .usage = "MODEL [TEXT..] [options]      (without TEXT: lines of stdin)",
    .summary = "Run a model on texts: labels, scores, tags, masked words or embeddings.",
    .examples = "  pe-run model \"a fine film\"\n"
                "  pe-run model --json < reviews.txt\n"
                "  printf 'a question\\tan answer\\n' | pe-run reranker --pairs\n"
                "  pe-run model --ids rows.jsonl --dump states.safetensors\n"
                "  pe-run model --tokenize --json \"a fine film\"\n",
    .options = options,
    .noptions = sizeof options / sizeof *options,
    .min_operands = 1,
    .max_operands = 1 << 20,
};

typedef struct run {
    pe_model *model;
    pe_ctx *ctx;
    pe_tokenizer *tokenizer;
    pe_encoding encoding;
    pe_encode_params encode;
    pe_run_view view;
    pe_dump *dump;
    size_t nrows, ntruncated, ncut; /* all rows; rows and tokens that were cut */
    size_t dumped;
} run;

static void must(pe_status st, const pe_error *err)
{
    if (st) pe_tool_fail(err);
}

static void *need(void *p)
{
    pe_error err = { PE_E_NOMEM, "out of memory" };
    must(p ? PE_OK : PE_E_NOMEM, &err);
    return p;
}

/* ---- opening ------------------------------------------------------------------------------- */

static void open_model(run *r, const char *path)
{
    pe_error err = { 0 };
    pe_model_params p = { .device = pe_common_opts.device,
                          .max_vram = pe_common_opts.max_vram,
                          .precision = pe_common_opts.precision,
                          .exec_layout = set.exec_layout,
                          .tune_file = set.tune_file,
                          .pool = pe_tool_pool(),
                          .normalize = set.normalize };
    if (set.pool && strcmp(set.pool, "mean") != 0 && strcmp(set.pool, "cls") != 0)
        pe_tool_usage("--pool '%s': expected mean or cls", set.pool);
    if (set.pool) p.pooling = strcmp(set.pool, "mean") == 0 ? PE_POOL_MEAN : PE_POOL_CLS;
    must(pe_model_open(&r->model, path, &p, &err), &err);
    must(pe_ctx_new(&r->ctx, r->model, pe_tool_pool(), &err), &err);
    r->view.info = pe_model_get_info(r->model);
    const pe_model_info *info = r->view.info;
    if (info->note) pe_tool_note("%s", info->note);
    if (info->head == PE_HEAD_NONE && info->pooling == PE_POOL_NONE && !set.dump)
        pe_tool_usage("%s is a bare encoder: try --pool mean for embeddings, or --dump", path);
    if (!set.dump) return;
    pe_ctx_keep_hidden(r->ctx, true);
    must(pe_dump_new(&r->dump, &err), &err);
}

/* With --ids a model without tokenizer files still runs; masks are then not known by name. */
static void open_tokenizer(run *r, const char *path)
{
    pe_error err = { 0 };
    pe_status st = pe_tokenizer_open(&r->tokenizer, path, &err);
    if (st && !set.ids) pe_tool_fail(&err);
    if (st) pe_tool_detail("no tokenizer: %s", err.text);
    r->view.tokenizer = st ? NULL : r->tokenizer;
    r->view.mask_id = -1;
    if (st) return;
    r->view.mask_id = pe_tokenizer_id(r->tokenizer, "[MASK]");
    if (r->view.mask_id < 0) r->view.mask_id = pe_tokenizer_id(r->tokenizer, "<mask>");
}

static size_t longest_row(const run *r)
{
    size_t most = r->view.info ? r->view.info->max_length : 0,
           own = pe_tokenizer_max_length(r->tokenizer);
    if (own && (!most || own < most)) most = own;
    if (set.max_length && (!most || (size_t)set.max_length < most)) most = (size_t)set.max_length;
    return most;
}

/* ---- running ------------------------------------------------------------------------------- */

static float *copy_floats(const float *from, size_t n)
{
    return memcpy(need(malloc((n + 1) * sizeof *from)), from, n * sizeof *from);
}

static bool by_token(const run *r)
{
    return r->view.info->head == PE_HEAD_TOKENS || r->view.info->head == PE_HEAD_MLM;
}

/* `width` columns of the row's tokens, at the places they had in the row as given. */
static void dump_tokens(run *r, const char *what, size_t index, const pe_run_row *row,
                        const float *x, size_t width)
{
    char name[64];
    pe_error err = { 0 };
    uint64_t shape[2] = { row->width, width };
    float *padded = need(calloc(row->width * width + 1, sizeof *padded));
    for (size_t t = 0; t < row->n; t++)
        memcpy(padded + (row->place ? row->place[t] : t) * width, x + t * width, width * sizeof *x);
    snprintf(name, sizeof name, "%zu.%s", index, what);
    must(pe_dump_add(r->dump, name, 2, shape, padded, &err), &err);
    free(padded);
}

static void dump_row(run *r, const pe_run_row *row, const pe_output *out, size_t index, size_t k,
                     size_t first)
{
    char name[64];
    pe_error err = { 0 };
    uint64_t width = out->width;
    const pe_model_info *info = r->view.info;
    snprintf(name, sizeof name, "%zu.logits", index);
    if (out->logits && by_token(r))
        dump_tokens(r, "logits", index, row, out->logits + first * width, width);
    else if (out->logits)
        must(pe_dump_add(r->dump, name, 1, &width, out->logits + k * width, &err), &err);
    uint64_t hidden = info->hidden;
    snprintf(name, sizeof name, "%zu.embedding", index);
    if (out->embedding)
        must(pe_dump_add(r->dump, name, 1, &hidden, out->embedding + k * hidden, &err), &err);
    snprintf(name, sizeof name, "%zu.pooled", index);
    if (out->pooled)
        must(pe_dump_add(r->dump, name, 1, &hidden, out->pooled + k * hidden, &err), &err);
    for (uint32_t l = 0; l <= info->nlayers; l++) {
        snprintf(name, sizeof name, "hidden_%u", l);
        dump_tokens(r, name, index, row, out->hidden_all[l] + first * hidden, hidden);
    }
}

static void take_answer(run *r, pe_run_row *row, const pe_output *out, size_t k, size_t first)
{
    size_t hidden = r->view.info->hidden;
    if (out->logits) {
        row->nlogits = by_token(r) ? row->n * out->width : out->width;
        row->logits =
            copy_floats(out->logits + (by_token(r) ? first : k) * out->width, row->nlogits);
    }
    if (out->embedding) {
        row->nembedding = hidden;
        row->embedding = copy_floats(out->embedding + k * hidden, hidden);
    }
}

typedef struct joined {
    uint32_t *begin;
    int32_t *ids, *types, *tasks, *pos;
    pe_lead *lead;
    bool has_pos, has_tasks;
} joined;

static joined join(pe_run_row *const *rows, size_t n)
{
    size_t total = 0, at = 0;
    for (size_t i = 0; i < n; i++) total += rows[i]->n;
    joined j = { .begin = need(calloc(n + 1, sizeof *j.begin)),
                 .lead = need(calloc(n, sizeof *j.lead)) };
    int32_t **to[] = { &j.ids, &j.types, &j.tasks, &j.pos };
    for (size_t k = 0; k < 4; k++) *to[k] = need(calloc(total + 1, sizeof **to[k]));
    for (size_t i = 0; i < n; i++) {
        const int32_t *from[] = { rows[i]->ids, rows[i]->types, rows[i]->tasks, rows[i]->pos };
        for (size_t k = 0; k < 4; k++)
            if (from[k]) memcpy(*to[k] + at, from[k], rows[i]->n * sizeof **from);
        j.has_pos |= rows[i]->pos != NULL;
        j.lead[i] = rows[i]->lead;
        at += rows[i]->n;
        j.begin[i + 1] = (uint32_t)at;
    }
    return j;
}

static void forward(run *r, pe_run_row *const *rows, size_t n, const pe_run_row *all)
{
    pe_error err = { 0 };
    pe_output out;
    joined j = join(rows, n);
    pe_batch batch = { .nrows = n,
                       .row_begin = j.begin,
                       .ids = j.ids,
                       .type_ids = j.types,
                       .task_ids = j.tasks,
                       .pos_ids = j.has_pos ? j.pos : NULL,
                       .lead = j.has_pos ? j.lead : NULL };
    must(pe_forward(&out, r->ctx, &batch, &err), &err);
    for (size_t k = 0; k < n; k++) {
        take_answer(r, rows[k], &out, k, j.begin[k]);
        if (r->dump) dump_row(r, rows[k], &out, r->dumped + (size_t)(rows[k] - all), k, j.begin[k]);
    }
    void *blocks[] = { j.begin, j.ids, j.types, j.tasks, j.pos, j.lead };
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) free(blocks[i]);
}

static int longer_first(const void *a, const void *b)
{
    const pe_run_row *x = *(pe_run_row *const *)a, *y = *(pe_run_row *const *)b;
    return x->n != y->n ? (x->n < y->n ? 1 : -1) : (x > y) - (x < y);
}

/* Rows of like length go through the model together; answers come in input order. */
static void run_window(run *r, pe_run_row *rows, size_t n)
{
    pe_run_row **order = need(calloc(n, sizeof *order));
    for (size_t i = 0; i < n; i++) {
        if (rows[i].text) pe_run_row_encode(&rows[i], r->tokenizer, &r->encoding, &r->encode);
        if (!rows[i].text && r->model) pe_run_row_place(&rows[i], r->model);
        r->ntruncated += rows[i].truncated != 0;
        r->ncut += rows[i].truncated;
        order[i] = &rows[i];
    }
    if (r->model) qsort(order, n, sizeof *order, longer_first);
    for (size_t i = 0; r->model && i < n; i += (size_t)set.batch)
        forward(r, order + i, n - i < (size_t)set.batch ? n - i : (size_t)set.batch, rows);
    for (size_t i = 0; i < n; i++) {
        if (r->model) pe_run_show(&r->view, &rows[i]);
        else pe_run_show_tokens(&r->view, &rows[i]);
        pe_run_row_release(&rows[i]);
    }
    free(order);
    r->nrows += n;
    r->dumped += n;
    (void)fflush(stdout);
}

static void decode_row(const run *r, const pe_run_row *row)
{
    size_t n;
    char *text;
    pe_error err = { 0 };
    int32_t *ids = row->text ? pe_run_parse_ids(row, &n) : row->ids;
    must(pe_tokenizer_decode(&text, r->tokenizer, ids, row->text ? n : row->n, true, &err), &err);
    puts(text);
    free(text);
    if (row->text) free(ids);
}

static void run_all(run *r, const pe_strings *operands)
{
    pe_run_row *rows = need(calloc(WINDOW, sizeof *rows));
    const char *file = set.ids ? set.ids : operands->n > 1 ? NULL : "-";
    pe_run_source *source = pe_run_source_open(operands, 1, file, set.pairs, set.ids != NULL);
    for (size_t n; (n = pe_run_source_next(source, rows, WINDOW)) > 0;) {
        if (!set.decode) {
            run_window(r, rows, n);
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            decode_row(r, &rows[i]);
            pe_run_row_release(&rows[i]);
        }
    }
    pe_run_source_close(source);
    free(rows);
}

int main(int argc, char **argv)
{
    run r = { .view = { .top = 5 } };
    pe_error err = { 0 };
    pe_strings operands = pe_tool_start(&command, argc, argv);
    if (set.ids && operands.n > 1) pe_tool_usage("--ids and texts at once: expected one of them");
    r.view.json = pe_common_opts.json;
    r.view.top = (size_t)set.top;
    if (!set.tokenize && !set.decode) open_model(&r, operands.v[0]);
    open_tokenizer(&r, operands.v[0]);
    if (r.tokenizer) r.encode.max_length = longest_row(&r);
    run_all(&r, &operands);
    if (r.ntruncated)
        pe_tool_warn("%zu of %zu rows were too long: %zu tokens cut off at %zu a row", r.ntruncated,
                     r.nrows, r.ncut, r.encode.max_length);
    if (r.dump) must(pe_dump_write(r.dump, set.dump, &err), &err);
    pe_dump_free(r.dump);
    pe_encoding_release(&r.encoding);
    pe_tokenizer_close(r.tokenizer);
    pe_ctx_free(r.ctx);
    pe_model_close(r.model);
    return pe_tool_finish(PE_OK);
}
