/* docs/examples/classify.c - a small program on top of libpe: which label does a sentence get?
 * Read next: lib/include/pe/model.h, lib/include/pe/text.h.
 *
 *   cc -std=c17 classify.c -o classify $(pkg-config --cflags --libs pe)
 *   ./classify MODEL "a fine film"
 *
 * MODEL is any classifier that pe reads, dense or optimized. Prints the label, a tab and its
 * probability. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <pe/pe.h>

/* Prints the likeliest of n labels; the softmax turns its logit into a probability. */
static void print_best(const pe_model_info *info, const float *logits)
{
    uint32_t best = 0;
    double sum = 0;
    for (uint32_t i = 1; i < info->nlabels; i++)
        if (logits[i] > logits[best]) best = i;
    for (uint32_t i = 0; i < info->nlabels; i++) sum += exp((double)logits[i] - logits[best]);
    printf("%s\t%.4f\n", info->labels[best], 1 / sum);
}

/* One sentence as a batch of one row; longer batches only have more row_begin entries. */
static pe_status classify(pe_ctx *ctx, const pe_model *model, const pe_tokenizer *tokenizer,
                          const char *sentence, pe_error *err)
{
    const pe_model_info *info = pe_model_get_info(model);
    pe_encode_params cut = { .max_length = info->max_length };
    pe_encoding enc = { 0 };
    pe_output out;
    pe_status st =
        pe_tokenizer_encode(&enc, tokenizer, sentence, strlen(sentence), NULL, 0, &cut, err);
    if (!st) {
        uint32_t row_begin[2] = { 0, (uint32_t)enc.n };
        pe_batch batch = {
            .nrows = 1, .row_begin = row_begin, .ids = enc.ids, .type_ids = enc.type_ids
        };
        st = pe_forward(&out, ctx, &batch, err);
    }
    if (!st) print_best(info, out.logits);
    pe_encoding_release(&enc);
    return st;
}

int main(int argc, char **argv)
{
    pe_model *model = NULL;
    pe_tokenizer *tokenizer = NULL;
    pe_pool *pool = NULL;
    pe_ctx *ctx = NULL;
    pe_error err;
    if (argc != 3) {
        fprintf(stderr, "usage: classify MODEL SENTENCE\n");
        return 2;
    }
    pe_status st = pe_pool_new(&pool, 0, &err);
    if (!st) st = pe_model_open(&model, argv[1], NULL, &err);
    if (!st) st = pe_tokenizer_open(&tokenizer, argv[1], &err);
    if (!st) st = pe_ctx_new(&ctx, model, pool, &err);
    if (!st && pe_model_get_info(model)->head != PE_HEAD_CLASSIFY) {
        fprintf(stderr, "classify: %s: not a classifier\n", argv[1]);
        st = PE_E_UNSUPPORTED;
    } else {
        if (!st) st = classify(ctx, model, tokenizer, argv[2], &err);
        if (st) fprintf(stderr, "classify: %s\n", err.text);
    }
    pe_ctx_free(ctx);
    pe_tokenizer_close(tokenizer);
    pe_model_close(model);
    pe_pool_free(pool);
    return -(int)st;
}
