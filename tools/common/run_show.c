/* tools/common/run_show.c - one answer a row: label, score, words for a mask, tokens, embedding.
 * Read next: tools/common/run_show.h. */
#include "tools/common/run_show.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void pe_run_print_json(void *o)
{
    (void)json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(o);
}

static size_t best_of(const float *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

/* Softmax probability of entry i. */
static double share_of(const float *x, size_t n, size_t i)
{
    double sum = 0, max = (double)x[best_of(x, n)];
    for (size_t k = 0; k < n; k++) sum += exp((double)x[k] - max);
    return exp((double)x[i] - max) / sum;
}

static double sigmoid(float x)
{
    return 1.0 / (1.0 + exp(-(double)x));
}

static json_t *floats(const float *x, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++) (void)json_array_append_new(a, json_real((double)x[i]));
    return a;
}

static const char *token_text(const pe_run_view *v, int32_t id)
{
    const char *s = v->tokenizer ? pe_tokenizer_token(v->tokenizer, id) : NULL;
    return s ? s : "";
}

static const char *text_of(const pe_run_row *row)
{
    return row->text ? row->text : "";
}

/* ---- heads --------------------------------------------------------------------------------- */

static void show_class(const pe_run_view *v, const pe_run_row *row)
{
    size_t best = best_of(row->logits, row->nlogits);
    double score = share_of(row->logits, row->nlogits, best);
    if (v->json)
        pe_run_print_json(json_pack("{s:s, s:f, s:o}", "label", v->info->labels[best], "score",
                                    score, "logits", floats(row->logits, row->nlogits)));
    else printf("%s\t%.4f\t%s\n", v->info->labels[best], score, text_of(row));
}

static void show_multilabel(const pe_run_view *v, const pe_run_row *row)
{
    json_t *labels = json_array(), *scores = json_array();
    for (size_t i = 0; i < row->nlogits; i++) {
        double score = sigmoid(row->logits[i]);
        (void)json_array_append_new(scores, json_real(score));
        if (score < 0.5) continue;
        (void)json_array_append_new(labels, json_string(v->info->labels[i]));
        if (!v->json)
            printf("%s%s %.4f", json_array_size(labels) > 1 ? ", " : "", v->info->labels[i], score);
    }
    if (!v->json) printf("%s\t%s\n", json_array_size(labels) ? "" : "-", text_of(row));
    else
        pe_run_print_json(json_pack("{s:O, s:O, s:o}", "labels", labels, "scores", scores, "logits",
                                    floats(row->logits, row->nlogits)));
    json_decref(labels);
    json_decref(scores);
}

static void show_score(const pe_run_view *v, const pe_run_row *row)
{
    if (!v->json) printf("%.6g\t%s\n", (double)row->logits[0], text_of(row));
    else
        pe_run_print_json(json_pack("{s:f, s:o}", "score", (double)row->logits[0], "logits",
                                    floats(row->logits, 1)));
}

static void show_tags(const pe_run_view *v, const pe_run_row *row)
{
    size_t width = row->nlogits / row->n;
    json_t *list = json_array();
    for (size_t t = 0; t < row->n; t++) {
        const float *x = row->logits + t * width;
        size_t best = best_of(x, width);
        double score = share_of(x, width, best);
        if (!v->json) {
            if (!row->special || !row->special[t])
                printf("%s\t%s\t%.4f\n", token_text(v, row->ids[t]), v->info->labels[best], score);
            continue;
        }
        json_t *o = json_pack("{s:s, s:f, s:i, s:s, s:o}", "label", v->info->labels[best], "score",
                              score, "id", (int)row->ids[t], "token", token_text(v, row->ids[t]),
                              "logits", floats(x, width));
        if (row->offsets)
            (void)json_object_set_new(o, "offset",
                                      json_pack("[I, I]", (json_int_t)row->offsets[t][0],
                                                (json_int_t)row->offsets[t][1]));
        (void)json_array_append_new(list, o);
    }
    if (v->json) pe_run_print_json(json_pack("{s:O}", "tokens", list));
    else putchar('\n');
    json_decref(list);
}

/* The `top` best words of one place, best first. */
static void show_mask(const pe_run_view *v, json_t *list, const float *x, size_t n, size_t place)
{
    json_t *words = json_array();
    bool *used = calloc(n, sizeof *used);
    if (!v->json) printf("%zu:", place);
    for (size_t k = 0; used && k < v->top && k < n; k++) {
        size_t best = n;
        for (size_t i = 0; i < n; i++)
            if (!used[i] && (best == n || x[i] > x[best])) best = i;
        used[best] = true;
        double score = share_of(x, n, best);
        if (!v->json)
            printf(" %s %.4f%s", token_text(v, (int32_t)best), score, k + 1 < v->top ? "," : "");
        else
            (void)json_array_append_new(words,
                                        json_pack("{s:i, s:s, s:f}", "id", (int)best, "token",
                                                  token_text(v, (int32_t)best), "score", score));
    }
    if (!v->json) putchar('\n');
    else
        (void)json_array_append_new(list, json_pack("{s:I, s:O}", "place", (json_int_t)place, "top",
                                                    words));
    json_decref(words);
    free(used);
}

static void show_masks(const pe_run_view *v, const pe_run_row *row)
{
    size_t width = row->nlogits / row->n;
    json_t *list = json_array();
    for (size_t t = 0; t < row->n; t++)
        if (row->ids[t] == v->mask_id)
            show_mask(v, list, row->logits + t * width, width, row->place ? row->place[t] : t);
    if (v->json) pe_run_print_json(json_pack("{s:O}", "masks", list));
    json_decref(list);
}

static void show_embedding(const pe_run_view *v, const pe_run_row *row)
{
    if (v->json) {
        pe_run_print_json(json_pack("{s:o}", "embedding", floats(row->embedding, row->nembedding)));
        return;
    }
    for (size_t i = 0; i < row->nembedding; i++)
        printf("%s%.6g", i ? " " : "", (double)row->embedding[i]);
    putchar('\n');
}

void pe_run_show(const pe_run_view *v, const pe_run_row *row)
{
    switch (v->info->head) {
    case PE_HEAD_CLASSIFY: show_class(v, row); break;
    case PE_HEAD_MULTILABEL: show_multilabel(v, row); break;
    case PE_HEAD_REGRESS: show_score(v, row); break;
    case PE_HEAD_TOKENS: show_tags(v, row); break;
    case PE_HEAD_MLM: show_masks(v, row); break;
    case PE_HEAD_NONE:
        if (row->embedding) show_embedding(v, row);
        break;
    }
}

void pe_run_show_tokens(const pe_run_view *v, const pe_run_row *row)
{
    if (!v->json) {
        for (size_t i = 0; i < row->n; i++)
            printf("%s%s", i ? " " : "", token_text(v, row->ids[i]));
        putchar('\n');
        return;
    }
    json_t *ids = json_array(), *offsets = json_array(), *tokens = json_array();
    for (size_t i = 0; i < row->n; i++) {
        (void)json_array_append_new(ids, json_integer(row->ids[i]));
        (void)json_array_append_new(offsets, json_pack("[I, I]", (json_int_t)row->offsets[i][0],
                                                       (json_int_t)row->offsets[i][1]));
        (void)json_array_append_new(tokens, json_string(token_text(v, row->ids[i])));
    }
    pe_run_print_json(
        json_pack("{s:o, s:o, s:o}", "ids", ids, "offsets", offsets, "tokens", tokens));
}
