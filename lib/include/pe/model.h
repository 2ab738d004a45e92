/* pe/model.h - the runtime: load any checkpoint that pe writes or reads, and execute it.
 * One model may be used by many contexts at once (it is read-only after opening); a context by one
 * thread at a time. Results depend on model and input only: not on batch, threads, CPU level or the
 * way a matrix is executed. */
#ifndef PE_MODEL_H
#define PE_MODEL_H

#include <pe/base.h>
#include <pe/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pe_model pe_model;
typedef struct pe_ctx pe_ctx;

typedef enum pe_head {
    PE_HEAD_NONE,       /* bare encoder: hidden states only, or an embedding (pooling known) */
    PE_HEAD_CLASSIFY,   /* nlabels > 1, softmax */
    PE_HEAD_MULTILABEL, /* nlabels, sigmoid each */
    PE_HEAD_REGRESS,    /* one logit: regression or reranking score */
    PE_HEAD_TOKENS,     /* nlabels a token */
    PE_HEAD_MLM         /* vocabulary a token */
} pe_head;

typedef enum pe_pooling { PE_POOL_NONE, PE_POOL_MEAN, PE_POOL_CLS } pe_pooling;

typedef struct pe_model_params {
    const char
        *device; /* "cpu" (NULL too), "cuda", "cuda:N", "emu"; "auto": a GPU or else the CPU */
    uint64_t max_vram; /* bytes of the device's memory, 0 = what is free; the first model decides */
    /* NULL = measured times or the cost model; "dense", "csr", "bitmask", "block4", on devices also
     * "bsr", "blocked-ell", "int8-weights" force a form. */
    const char *exec_layout;
    const char *tune_file; /* NULL = the cache; "" = none */
    /* Of float layers' products: NULL = "f32"; "bf16", "f16" (f32 sums) on devices that have them:
     * a numeric class of its own, whose results are near those of f32. */
    const char *precision;
    pe_pool *pool;      /* used while loading only; NULL = this thread */
    pe_pooling pooling; /* of a bare encoder that does not say how it makes embeddings */
    bool normalize;     /* with pooling: embeddings of length 1 */
} pe_model_params;

/* path: a model directory. Errors name file and tensor. PE_E_UNSUPPORTED: family, head, activation,
 * config key that changes results and pe does not have. params NULL = defaults. */
PE_API pe_status pe_model_open(pe_model **out, const char *path, const pe_model_params *params,
                               pe_error *err);
PE_API void pe_model_close(pe_model *m);

typedef struct pe_model_info { /* borrowed from the model */
    const char *path, *family; /* "bert", "distilbert", "roberta", "xlm-roberta", "ernie" */
    pe_head head;
    pe_pooling pooling;
    bool normalize;
    uint32_t nlabels;
    const char *const *labels; /* [nlabels] */
    uint32_t nlayers, hidden, heads, ffn, vocab, max_length /* tokens a row may have */, ntypes,
        ntasks, pad_id;
    uint64_t nparams;
    const char *weights; /* "f32", "bf16", "f16", "int8", "int8 weights": what executes */
    const char *note;    /* NULL, or a line for people: times that do not count here, rounding */
} pe_model_info;
PE_API const pe_model_info *pe_model_get_info(const pe_model *m);

/* A linear layer and how it is executed here; for pe-bench --layers, --tune and reports. */
typedef struct pe_layer_info {
    const char *name; /* module, as in the checkpoint */
    uint32_t n, k;
    bool int8;
    double sparsity, block4_sparsity; /* share of zero weights, of zero 1x4 blocks */
    const char *exec[3]; /* chosen form for 1-4, 5-48 and more tokens: "dense", "bitmask", .. */
    const char *why;     /* "tuned", "estimate", "forced" */
} pe_layer_info;
PE_API size_t pe_model_nlayers_info(const pe_model *m);
PE_API const pe_layer_info *pe_model_get_layer(const pe_model *m, size_t i);

/* A masked token in the first place of a row that was padded on the left. Nobody attends to it,
 * but it is what transformers' classifiers, poolers and first-token embeddings read. id -1:
 * none. */
typedef struct pe_lead {
    int32_t id, type, task, pos;
} pe_lead;

/* Token rows without padding. A row's masked tokens are simply left out; pos_ids then carry
 * their places. */
typedef struct pe_batch {
    size_t nrows;
    const uint32_t
        *row_begin;          /* [nrows + 1], row r owns tokens row_begin[r] .. row_begin[r+1] - 1 */
    const int32_t *ids;      /* [T] */
    const int32_t *type_ids; /* [T], NULL = 0 */
    const int32_t *task_ids; /* [T], NULL = 0; ERNIE */
    const int32_t *pos_ids;  /* [T], NULL = the family's rule on unpadded rows */
    const pe_lead *lead; /* [nrows], NULL = none: answers read the first token of the row itself */
} pe_batch;

typedef struct pe_output { /* valid until the context's next call */
    const float *logits;   /* [nrows, nlabels]; token heads [T, nlabels or vocab]; NULL = no head */
    const float *embedding; /* [nrows, hidden]; NULL = no pooling */
    const float *pooled; /* [nrows, hidden] tanh pooler; NULL when the answer does not need it and
                                   hidden states are not kept */
    const float *hidden; /* [T, hidden] of the last layer; NULL when the answer reads the first
                                   token of a row only and hidden states are not kept */
    const float *const *hidden_all; /* [nlayers + 1] of [T, hidden]; NULL unless kept */
    size_t nrows, ntokens, width /* of logits */;
} pe_output;

/* Places of the tokens of one padded row as transformers counts them for this family, for pos_ids:
 * by index (BERT, DistilBERT, ERNIE), or pad_id + number of tokens so far that are not padding
 * (RoBERTa, XLM-R; padding itself gets pad_id). */
PE_API void pe_model_positions(const pe_model *m, int32_t *pos, const int32_t *ids, size_t n);

/* pool borrowed, NULL = this thread only. */
PE_API pe_status pe_ctx_new(pe_ctx **out, const pe_model *m, pe_pool *pool, pe_error *err);
PE_API void pe_ctx_free(pe_ctx *c);
PE_API void pe_ctx_keep_hidden(pe_ctx *c, bool keep);
/* PE_E_INPUT: an id, type or position out of range (row and place named), or an activation that is
 * not finite (op named). PE_E_NOMEM. */
PE_API pe_status pe_forward(pe_output *out, pe_ctx *c, const pe_batch *b, pe_error *err);

/* Expected bytes of activations for a batch of T tokens, longest row L. */
PE_API uint64_t pe_model_scratch_nbytes(const pe_model *m, size_t T, size_t L, int nthreads);

#ifdef __cplusplus
}
#endif
#endif
