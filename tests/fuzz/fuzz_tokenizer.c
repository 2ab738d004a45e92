/* tests/fuzz/fuzz_tokenizer.c - any bytes as tokenizer.json and as text: refused with a message, or
 * encoded with offsets in order and inside the text. Read next: lib/text/load_json.c. */
#include <stdlib.h>
#include <string.h>

#include <pe/text.h>

#include "tests/fuzz/fuzz.h"

const char *const fuzz_seeds[] = { "tests/fuzz/corpus/tokenizer.json",
                                   "tests/fuzz/corpus/words.txt",
                                   "tests/golden/data/tokenizers/strings.jsonl", NULL };

static void check(const pe_encoding *e, const pe_tokenizer *t, size_t nbytes)
{
    size_t nvocab = pe_tokenizer_nvocab(t);
    for (size_t i = 0; i < e->n; i++) {
        if (e->ids[i] < 0 || (size_t)e->ids[i] >= nvocab || !pe_tokenizer_token(t, e->ids[i]))
            abort();
        if (e->offsets[i][0] > e->offsets[i][1] || e->offsets[i][1] > nbytes) abort();
    }
}

static void encode(const pe_tokenizer *t, const char *text, size_t nbytes)
{
    static pe_encoding e;
    pe_error err = { 0 };
    pe_encode_params p = { .max_length = 64 };
    pe_status st = pe_tokenizer_encode(&e, t, text, nbytes, NULL, 0, NULL, &err);
    if (st) {
        if (st != PE_E_INPUT || !*err.text) abort();
        return;
    }
    check(&e, t, nbytes);
    char *back = NULL;
    if (pe_tokenizer_decode(&back, t, e.ids, e.n, true, &err)) abort();
    free(back);
    size_t n = e.n, half = nbytes / 2;
    while (half < nbytes && ((unsigned char)text[half] & 0xc0) == 0x80) half++;
    st = pe_tokenizer_encode(&e, t, text, half, text + half, nbytes - half, &p, &err);
    if (st && st != PE_E_ARG) abort();
    if (!st && e.n > 64) abort();
    if (!pe_tokenizer_encode(&e, t, text, nbytes, NULL, 0, &p, &err) && e.n + e.truncated != n)
        abort();
}

void fuzz_one(const uint8_t *data, size_t nbytes)
{
    static pe_tokenizer *shipped;
    pe_tokenizer *t = NULL;
    pe_error err = { 0 };
    if (!shipped && pe_tokenizer_open(&shipped, "tests/fuzz/corpus/tokenizer.json", &err)) abort();
    size_t some = nbytes < 4096 ? nbytes : 4096;
    encode(shipped, (const char *)data, some);
    pe_status st = pe_tokenizer_open(&t, fuzz_file(".json", data, nbytes), &err);
    if (st) {
        if ((st != PE_E_INPUT && st != PE_E_UNSUPPORTED) || !strstr(err.text, "pe-fuzz")) abort();
        return;
    }
    encode(t, (const char *)data, some);
    pe_tokenizer_close(t);
}
