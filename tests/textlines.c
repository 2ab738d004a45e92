/* tests/textlines.c - reads JSON lines without the library under test.
 * Read next: tests/textlines.h. */
#include "tests/textlines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/gzip.h"
#include "lib/base/file.h"
#include "lib/base/utf8.h"

json_t *text_lines(const char *path)
{
    FILE *f = fopen(path, "r");
    if (!f) fail_msg("%s: cannot open", path);
    json_t *list = json_array();
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n;
    while ((n = getline(&line, &capacity, f)) > 0) {
        json_error_t je;
        json_t *v = json_loadb(line, (size_t)n, JSON_ALLOW_NUL, &je);
        if (!v) fail_msg("%s: line %zu: %s", path, json_array_size(list) + 1, je.text);
        json_array_append_new(list, v);
    }
    free(line);
    fclose(f);
    return list;
}

char *text_unpacked(size_t *nbytes, const char *path)
{
    enum { MAX_NBYTES = 1 << 28 };
    char *packed = NULL, *text = NULL;
    size_t n = 0;
    pe_error err;
    if (pe_file_slurp(&packed, &n, path, MAX_NBYTES, &err)) fail_msg("%s", err.text);
    if (pe_gzip_unpack(&text, nbytes, packed, n, MAX_NBYTES, path, &err)) fail_msg("%s", err.text);
    free(packed);
    return text;
}

static void add_tokens(pe_hasher *h, const pe_encoding *e)
{
    uint32_t n = (uint32_t)e->n;
    pe_hasher_add(h, &n, sizeof n);
    for (size_t i = 0; i < e->n; i++) {
        uint32_t word[3] = { (uint32_t)e->ids[i], (uint32_t)e->offsets[i][0],
                             (uint32_t)e->offsets[i][1] };
        pe_hasher_add(h, word, sizeof word);
    }
}

void text_digest(char out[PE_DIGEST_TEXT], const pe_tokenizer *t, const char *text, size_t nbytes,
                 bool by_line)
{
    pe_encoding e = { 0 };
    pe_error err = { 0 };
    pe_hasher *h = pe_hasher_new();
    for (size_t at = 0; h && at < nbytes;) {
        const char *eol = by_line ? memchr(text + at, '\n', nbytes - at) : NULL;
        size_t n = eol ? (size_t)(eol - text) - at : nbytes - at;
        if (pe_tokenizer_encode(&e, t, text + at, n, NULL, 0, NULL, &err)) {
            fprintf(stderr, "%s\n", err.text);
            exit(1);
        }
        add_tokens(h, &e);
        at += n + (eol != NULL);
    }
    pe_digest d = pe_hasher_get(h);
    pe_digest_format(out, &d);
    pe_hasher_free(h);
    pe_encoding_release(&e);
}

enum { MIXED_NBYTES = 5000000 };

static uint64_t draw(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

/* What follows a word: a space, mostly. */
static size_t add_spice(char *out, uint64_t *state)
{
    static const char *const spice[] = {
        "[MASK]",           "new2",
        " nEw3 ",           "[\xc3\x89T\xc3\x89]",
        "[new1]",           "\xc4\xb0\xcc\x87",
        "\xcc\x81\xcc\xa3", "\xe1\xb8\x8b\xcc\xa3",
    };
    static const uint32_t limit[] = { 0x110000, 0xd800, 0x3000 };
    uint64_t kind = draw(state) % 32;
    if (kind < 3) {
        uint32_t cp = (uint32_t)(draw(state) % limit[kind]);
        return pe_utf8_put(out, cp >= 0xd800 && cp <= 0xdfff ? 'x' : cp);
    }
    const char *text = kind == 3 ? spice[draw(state) % 8] : kind == 4 ? "\n" : " ";
    memcpy(out, text, strlen(text));
    return strlen(text);
}

char *text_mixed(size_t *nbytes, const char *text, size_t text_nbytes)
{
    enum { SPICE_NBYTES = 16 };
    size_t nwords = 1, longest = 0, used = 0;
    for (size_t i = 0; i < text_nbytes; i++) nwords += text[i] == ' ';
    size_t *start = malloc((nwords + 1) * sizeof *start);
    if (!start) return NULL;
    start[0] = 0;
    for (size_t i = 0, n = 1; i < text_nbytes; i++)
        if (text[i] == ' ') start[n++] = i + 1;
    start[nwords] = text_nbytes + 1;
    for (size_t i = 0; i < nwords; i++)
        if (start[i + 1] - start[i] > longest) longest = start[i + 1] - start[i];
    char *out = malloc(MIXED_NBYTES + longest + SPICE_NBYTES);
    for (uint64_t state = 1; out && used < MIXED_NBYTES;) {
        size_t k = draw(&state) % nwords, n = start[k + 1] - start[k] - 1;
        memcpy(out + used, text + start[k], n);
        used += n;
        used += add_spice(out + used, &state);
    }
    free(start);
    *nbytes = used;
    return out;
}
