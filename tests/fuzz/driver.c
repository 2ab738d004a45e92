/* tests/fuzz/driver.c - mutates good inputs by a seeded generator; a failing input can be made
 * again.
 * Read next: tests/fuzz/fuzz.h. `make fuzz FUZZ_SECONDS=60`; one input again: fuzz_x FILE. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/rng.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_INPUT = 1 << 20, MAX_SEEDS = 64 };

typedef struct seed {
    char *data;
    size_t nbytes;
} seed;

static const char *last_input; /* written before every run: after a crash it is the culprit */

static void store(const char *path, const void *data, size_t nbytes)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, nbytes, f) != nbytes || fclose(f)) {
        perror(path);
        exit(2);
    }
}

static char file_path[64];

const char *fuzz_file(const char *suffix, const uint8_t *data, size_t nbytes)
{
    char *path = file_path;
    snprintf(path, sizeof file_path, "/dev/shm/pe-fuzz-%ld%s", (long)getpid(), suffix);
    store(path, data, nbytes);
    return path;
}

static uint64_t interesting(pe_rng *r)
{
    static const uint64_t values[] = { 0,          1,         127,        128,       255,
                                       256,        65535,     65536,      INT32_MAX, UINT32_MAX,
                                       1ull << 32, INT64_MAX, UINT64_MAX, 1ull << 62 };
    return values[pe_rng_below(r, sizeof values / sizeof *values)];
}

/* A token that formats give a meaning, somewhere in the text. */
static size_t insert_word(pe_rng *r, uint8_t *buf, size_t n)
{
    static const char *const words[] = { "{",
                                         "}",
                                         "[",
                                         "]",
                                         "\"",
                                         ":",
                                         ",",
                                         "0",
                                         "-1",
                                         "1e999",
                                         "null",
                                         "\\u0000",
                                         "18446744073709551616",
                                         "\n",
                                         "\t",
                                         "\"a\":",
                                         "\xff",
                                         "\xf0\x9f\x98\x80" };
    const char *word = words[pe_rng_below(r, sizeof words / sizeof *words)];
    size_t length = strlen(word), at = pe_rng_below(r, (uint32_t)n + 1);
    if (n + length > MAX_INPUT) return n;
    memmove(buf + at + length, buf + at, n - at);
    memcpy(buf + at, word, length);
    return n + length;
}

static size_t mutate(pe_rng *r, uint8_t *buf, size_t n)
{
    if (!n) return insert_word(r, buf, n);
    size_t at = pe_rng_below(r, (uint32_t)n), run = 1 + pe_rng_below(r, 64);
    if (run > n - at) run = n - at;
    switch (pe_rng_below(r, 8)) {
    case 0: buf[at] ^= (uint8_t)(1u << pe_rng_below(r, 8)); return n;
    case 1: buf[at] = (uint8_t)pe_rng_u32(r); return n;
    case 2: return pe_rng_below(r, 4) ? n : at; /* cut off */
    case 3: memmove(buf + at, buf + at + run, n - at - run); return n - run;
    case 4: /* repeat a piece */
        if (n + run > MAX_INPUT) return n;
        memmove(buf + at + run, buf + at, n - at);
        return n + run;
    case 5: { /* a lying length or offset, near the start where headers are */
        uint64_t v = interesting(r);
        size_t width = (size_t)1 << pe_rng_below(r, 4),
               where = pe_rng_below(r, n < 64 ? (uint32_t)n : 64);
        if (where + width <= n) memcpy(buf + where, &v, width);
        return n;
    }
    case 6: /* another digit */
        for (size_t i = at; i < n; i++)
            if (buf[i] >= '0' && buf[i] <= '9') {
                buf[i] = (uint8_t)('0' + pe_rng_below(r, 10));
                break;
            }
        return n;
    default: return insert_word(r, buf, n);
    }
}

static size_t load_seeds(seed *seeds)
{
    size_t n = 0;
    for (; fuzz_seeds[n] && n < MAX_SEEDS; n++) {
        pe_error err;
        if (pe_file_slurp(&seeds[n].data, &seeds[n].nbytes, fuzz_seeds[n], MAX_INPUT, &err)) {
            fprintf(stderr, "%s\n", err.text);
            exit(2);
        }
        fuzz_one((const uint8_t *)seeds[n].data, seeds[n].nbytes);
    }
    return n;
}

static void run_file(const char *path)
{
    seed s;
    if (pe_file_slurp(&s.data, &s.nbytes, path, MAX_INPUT, NULL)) exit(2);
    fuzz_one((const uint8_t *)s.data, s.nbytes);
    free(s.data);
}

int main(int argc, char **argv)
{
    char *rest = NULL;
    double seconds = argc > 1 ? strtod(argv[1], &rest) : 30;
    if (rest && *rest) {
        run_file(argv[1]);
        return 0;
    }
    static char last[64];
    snprintf(last, sizeof last, "/dev/shm/pe-fuzz-last-%ld", (long)getpid());
    last_input = last;
    seed seeds[MAX_SEEDS];
    size_t nseeds = load_seeds(seeds);
    uint8_t *buf = malloc(MAX_INPUT);
    if (!buf || !nseeds) return 2;
    uint64_t run = 0;
    for (time_t end = time(NULL) + (time_t)seconds; time(NULL) < end; run++) {
        pe_rng r;
        pe_rng_init(&r, 20240601, 0, (uint32_t)run);
        const seed *s = &seeds[pe_rng_below(&r, (uint32_t)nseeds)];
        size_t n = s->nbytes;
        memcpy(buf, s->data, n);
        for (uint32_t i = 1 + pe_rng_below(&r, 6); i > 0; i--) n = mutate(&r, buf, n);
        store(last_input, buf, n);
        fuzz_one(buf, n);
    }
    printf("%s: %llu inputs, no failure\n", argv[0], (unsigned long long)run);
    unlink(last_input);
    if (*file_path) unlink(file_path);
    for (size_t i = 0; i < nseeds; i++) free(seeds[i].data);
    free(buf);
    return 0;
}
