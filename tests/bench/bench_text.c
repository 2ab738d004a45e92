/* tests/bench/bench_text.c - speed of the tokenizer on one thread, and the digest of what it gives.
 * bench_text [TEXT [TOKENIZER]]. Read next: lib/text/ascii.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <pe/text.h>

#include "formats/gzip.h"
#include "lib/base/file.h"
#include "tests/textlines.h"

enum { ROUNDS = 15 };
static const size_t max_nbytes = (size_t)1 << 30;

/* Time of this thread: what others do on the machine does not count. */
static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static void stop(pe_status st, const pe_error *err)
{
    if (!st) return;
    fprintf(stderr, "%s\n", err->text);
    exit(1);
}

static char *load(const char *path, size_t *nbytes)
{
    pe_error err;
    char *text = NULL, *packed = NULL;
    stop(pe_file_slurp(&text, nbytes, path, max_nbytes, &err), &err);
    if (!pe_gzip_is(text, *nbytes)) return text;
    packed = text;
    stop(pe_gzip_unpack(&text, nbytes, packed, *nbytes, max_nbytes, path, &err), &err);
    free(packed);
    return text;
}

/* Tokens of the text, line by line or as one. */
static size_t encode(pe_encoding *e, const pe_tokenizer *t, const char *text, size_t nbytes,
                     bool by_line)
{
    pe_error err;
    size_t ntokens = 0;
    for (size_t at = 0; at < nbytes;) {
        const char *eol = by_line ? memchr(text + at, '\n', nbytes - at) : NULL;
        size_t n = eol ? (size_t)(eol - text) - at : nbytes - at;
        stop(pe_tokenizer_encode(e, t, text + at, n, NULL, 0, NULL, &err), &err);
        ntokens += e->n;
        at += n + (eol != NULL);
    }
    return ntokens;
}

static void measure(const char *what, const pe_tokenizer *t, const char *text, size_t nbytes,
                    bool by_line, bool digest)
{
    pe_encoding e = { 0 };
    double best = 1e9;
    size_t ntokens = 0;
    for (int i = 0; i < ROUNDS; i++) {
        double begin = now();
        ntokens = encode(&e, t, text, nbytes, by_line);
        double took = now() - begin;
        if (took < best) best = took;
    }
    pe_encoding_release(&e);
    char hex[PE_DIGEST_TEXT] = "";
    if (digest) text_digest(hex, t, text, nbytes, by_line);
    printf("%-14s %8.1f MB/s  %9zu tokens  %6.1f ns a token  %s\n", what,
           (double)nbytes / best * 1e-6, ntokens, best / (double)ntokens * 1e9, hex);
}

/* One letter, a long run of marks, accents throughout: what must not be slow. */
static void hard_texts(const pe_tokenizer *t)
{
    static const char *const unit[][2] = {
        { "one letter", "a" },
        { "marks", "\xcc\x81\xcc\xa3" },
        { "accents", "d\xc3\xa9j\xc3\xa0 vu " },
        { "Chinese", "\xe4\xbb\x8a\xe5\xa4\xa9" },
        { "Cyrillic", "\xd0\x9c\xd0\xbe\xd0\xb4\xd0\xb5\xd0\xbb\xd1\x8c " }
    };
    size_t total = 1 << 20;
    char *text = malloc(total);
    for (size_t k = 0; text && k < sizeof unit / sizeof *unit; k++) {
        size_t n = strlen(unit[k][1]), used = 0;
        for (; used + n <= total; used += n) memcpy(text + used, unit[k][1], n);
        measure(unit[k][0], t, text, used, false, false);
    }
    free(text);
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "recipes/sentiment/data/sentiment-train.tsv.gz";
    const char *model = argc > 2 ? argv[2] : "recipes/sentiment/model";
    pe_tokenizer *t = NULL;
    pe_error err;
    double begin = now();
    stop(pe_tokenizer_open(&t, model, &err), &err);
    printf("opened in %.1f ms of processor time\n", (now() - begin) * 1e3);
    size_t nbytes = 0;
    char *text = load(path, &nbytes);
    measure("by line", t, text, nbytes, true, true);
    measure("as one text", t, text, nbytes, false, true);
    hard_texts(t);
    free(text);
    pe_tokenizer_close(t);
    return 0;
}
