/* pe/text.h - text to token ids and back, exactly as the Hugging Face fast tokenizers do it.
 * Read next: pe/model.h. */
#ifndef PE_TEXT_H
#define PE_TEXT_H

#include <pe/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pe_tokenizer pe_tokenizer;
/* path: a model directory (tokenizer.json, else vocab.txt + tokenizer_config.json) or
 * tokenizer.json. Immutable after opening: share it between threads. PE_E_UNSUPPORTED names a
 * component pe lacks. */
PE_API pe_status pe_tokenizer_open(pe_tokenizer **out, const char *path, pe_error *err);
PE_API void pe_tokenizer_close(pe_tokenizer *t);

typedef struct pe_encode_params {
    size_t max_length;    /* tokens, special ones included; 0 = no limit */
    const char *strategy; /* NULL = "longest_first", "only_first", "only_second" */
    bool truncate_left, no_special;
} pe_encode_params;

/* All-zero is valid; reuse it from call to call; arrays belong to it. */
typedef struct pe_encoding {
    int32_t *ids, *type_ids;
    size_t (*offsets)[2]; /* [begin, end) in bytes of the text the token came from; special 0, 0 */
    uint8_t *special;     /* 1: added by the template */
    size_t n, capacity;
    size_t truncated; /* tokens that max_length cut off */
    void *work;       /* scratch of the encoder */
} pe_encoding;
/* text2 NULL = single. Invalid UTF-8 is PE_E_INPUT with the byte offset. */
PE_API pe_status pe_tokenizer_encode(pe_encoding *out, const pe_tokenizer *t, const char *text,
                                     size_t nbytes, const char *text2, size_t nbytes2,
                                     const pe_encode_params *p, pe_error *err);
PE_API void pe_encoding_release(pe_encoding *e);
/* *out from malloc, NUL-terminated. */
PE_API pe_status pe_tokenizer_decode(char **out, const pe_tokenizer *t, const int32_t *ids,
                                     size_t n, bool skip_special, pe_error *err);
PE_API const char *pe_tokenizer_token(const pe_tokenizer *t, int32_t id); /* NULL: no such id */
PE_API int32_t pe_tokenizer_id(const pe_tokenizer *t, const char *token); /* -1: not in it */
PE_API size_t pe_tokenizer_nvocab(const pe_tokenizer *t);
/* model_max_length of tokenizer_config.json, 0 when unset or absurd. */
PE_API size_t pe_tokenizer_max_length(const pe_tokenizer *t);

#ifdef __cplusplus
}
#endif
#endif
