/* tests/gpu/sweep.c - where sparse products pass dense ones on a GPU: times of every form that the
 * device has, by shape, tokens, pattern and share of zeros, as one JSON object.
 * Read next: docs/gpu.md, "What to measure first"; tests/gpu/run.sh calls it.
 *
 * sweep DEVICE [N K]      one shape in place of 4096 x 4096 and 14336 x 4096 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "lib/backend/plugin.h"
#include "lib/base/error.h"
#include "lib/base/rng.h"

/* Times are of calls that are queued at once, so what the host does for a call counts only where
 * the device waits for it, and that take turns among copies of the matrix, so that each finds its
 * weights in memory and not in a cache. */
#define RUNS         4 /* the best counts */
#define CALLS        8 /* a run */
#define DEVICE_CACHE (128u << 20)
#define MOST_COPIES  64
static const size_t tokens[] = { 1, 8, 64, 2048 };
static const double shares[] = { 0.5, 0.7, 0.8, 0.9, 0.95 };
enum { NTOKENS = sizeof tokens / sizeof *tokens, NSHARES = sizeof shares / sizeof *shares };

typedef struct sweep {
    const pe_backend *b;
    const pe_plugin *plugin;
    pe_queue q;
    size_t n, k, most_m;
    float *w;             /* host */
    int8_t *w8;           /* host */
    float *x, *y, *scale; /* the device's, like what follows */
    int8_t *xq;
    int32_t *wsum;
    json_t *rows;
    pe_error err;
} sweep;

static void die(const sweep *s)
{
    (void)fprintf(stderr, "sweep: %s\n", s->err.text);
    exit(1);
}

static void must(sweep *s, pe_status st)
{
    if (st) die(s);
}

static void *device(sweep *s, size_t nbytes)
{
    void *p = NULL;
    must(s, s->b->alloc(s->b, &p, nbytes, "sweep", &s->err));
    return p;
}

/* Blocks of b x b are zero or not as one; b = 1: single weights. */
static void make_weights(sweep *s, size_t b, double share)
{
    pe_rng kept, value;
    size_t across = (s->k + b - 1) / b;
    uint8_t *stays = malloc(across);
    if (!stays) exit(1);
    pe_rng_init(&kept, 1, 2, 3);
    pe_rng_init(&value, 1, 4, 5);
    for (size_t i = 0; i < s->n; i++) {
        for (size_t j = 0; i % b == 0 && j < across; j++) stays[j] = pe_rng_unit(&kept) >= share;
        for (size_t j = 0; j < s->k; j++) {
            double v = pe_rng_unit(&value) - 0.5;
            s->w[i * s->k + j] = stays[j / b] ? (float)v : 0;
            s->w8[i * s->k + j] = stays[j / b] ? (int8_t)(v * 253) : 0;
        }
    }
    free(stays);
}

static bool of_codes(pe_form f)
{
    return f == PE_FORM_S8_DENSE || f == PE_FORM_S8_BITMASK || f == PE_FORM_S8_BLOCK4 ||
           f == PE_FORM_W8_DENSE;
}

static const char *type_of(pe_form f)
{
    if (f == PE_FORM_BF16_DENSE || f == PE_FORM_BF16_BITMASK) return "bf16";
    if (f == PE_FORM_F16_DENSE || f == PE_FORM_F16_BITMASK) return "f16";
    return of_codes(f) ? "int8" : "f32";
}

typedef struct copies {
    void *packed[MOST_COPIES];
    size_t n, next, nbytes; /* of one */
} copies;

static void make_copies(copies *c, sweep *s, pe_form f)
{
    pe_matrix w = {
        .n = s->n, .k = s->k, .f32 = of_codes(f) ? NULL : s->w, .s8 = of_codes(f) ? s->w8 : NULL
    };
    *c = (copies){ .nbytes = s->b->packed_nbytes(s->b, f, &w) };
    for (size_t all = 0; c->n < MOST_COPIES && (!c->n || all <= DEVICE_CACHE); all += c->nbytes) {
        c->packed[c->n] = device(s, c->nbytes);
        must(s, s->b->pack(s->b, f, c->packed[c->n++], &w, &s->err));
    }
}

static double best_of(sweep *s, pe_form f, copies *c, void *scratch, size_t m)
{
    pe_linear_op op = { .form = f,
                        .call = { .y = s->y,
                                  .x = s->x,
                                  .xq = s->xq,
                                  .xscale = s->scale,
                                  .ldy = s->n,
                                  .ldx = s->k,
                                  .m = m,
                                  .n = s->n,
                                  .k = s->k,
                                  .wscale = s->scale,
                                  .wsum = s->wsum,
                                  .act = PE_ACT_NONE,
                                  .narrow = true,
                                  .scratch = scratch } };
    double best = -1, us;
    for (int run = 0; run < RUNS; run++) {
        must(s, s->plugin->start_clock(&s->q, &s->err));
        for (int i = 0; i < CALLS; i++) {
            op.call.packed = c->packed[c->next++ % c->n];
            must(s, s->b->linear(&s->q, &op, &s->err));
        }
        must(s, s->plugin->stop_clock(&us, &s->q, &s->err));
        us /= CALLS;
        if (best < 0 || us < best) best = us;
    }
    return best;
}

static void time_form(sweep *s, pe_form f, const char *pattern, double share)
{
    copies c;
    make_copies(&c, s, f);
    for (int i = 0; i < NTOKENS && tokens[i] <= s->most_m; i++) {
        void *scratch = device(s, s->b->linear_scratch(s->b, f, tokens[i], s->n, s->k, 1) + 64);
        double us = best_of(s, f, &c, scratch, tokens[i]);
        (void)json_array_append_new(
            s->rows,
            json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:f, s:I, s:I, s:f}", "form", pe_form_name(f),
                      "type", type_of(f), "n", (json_int_t)s->n, "k", (json_int_t)s->k, "tokens",
                      (json_int_t)tokens[i], "pattern", pattern, "zeros", share, "bytes",
                      (json_int_t)c.nbytes, "copies", (json_int_t)c.n, "us", us));
        s->b->release(s->b, scratch);
    }
    for (size_t i = 0; i < c.n; i++) s->b->release(s->b, c.packed[i]);
}

static bool is_dense(pe_form f)
{
    return f == PE_FORM_F32_DENSE || f == PE_FORM_S8_DENSE || f == PE_FORM_BF16_DENSE ||
           f == PE_FORM_F16_DENSE || f == PE_FORM_W8_DENSE;
}

static void time_pattern(sweep *s, size_t block, const char *pattern, double share, bool dense)
{
    make_weights(s, block, share);
    for (pe_form f = 0; f < PE_NFORMS; f++)
        if (is_dense(f) == dense && s->b->has_form(s->b, f, s->n, s->k))
            time_form(s, f, pattern, share);
}

/* Random data: zeros let a device's clock rise, for they cost less power. */
typedef enum fill { AS_FLOATS, AS_CODES, AS_SCALES, AS_SUMS } fill;

static void *random_words(sweep *s, size_t n, fill as)
{
    union {
        float f;
        int32_t i;
        int8_t code[4];
    } *word = malloc(n * sizeof *word);
    pe_rng r;
    if (!word) exit(1);
    pe_rng_init(&r, 1, 6, (uint32_t)as);
    for (size_t i = 0; i < n; i++) {
        double v = pe_rng_unit(&r);
        if (as == AS_FLOATS) word[i].f = (float)(v - 0.5);
        if (as == AS_SCALES) word[i].f = (float)(v + 0.5) / 127;
        if (as == AS_SUMS) word[i].i = (int32_t)((v - 0.5) * 1e6);
        for (int j = 0; as == AS_CODES && j < 4; j++)
            word[i].code[j] = (int8_t)(254 * (j ? pe_rng_unit(&r) : v) - 127);
    }
    void *out = device(s, n * sizeof *word);
    must(s, s->b->upload(&s->q, out, word, n * sizeof *word, &s->err));
    must(s, s->b->sync(&s->q, &s->err));
    free(word);
    return out;
}

static void make_inputs(sweep *s)
{
    size_t most = s->most_m > s->n ? s->most_m : s->n, nx = s->most_m * s->k;
    s->w = malloc(s->n * s->k * sizeof *s->w);
    s->w8 = malloc(s->n * s->k);
    if (!s->w || !s->w8) exit(1);
    s->x = random_words(s, nx, AS_FLOATS);
    s->xq = random_words(s, (nx + 3) / 4, AS_CODES);
    s->scale = random_words(s, most, AS_SCALES);
    s->wsum = random_words(s, most, AS_SUMS);
    s->y = device(s, s->most_m * s->n * sizeof *s->y);
}

static void drop_inputs(sweep *s)
{
    void *const held[] = { s->x, s->y, s->scale, s->wsum, s->xq };
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) s->b->release(s->b, held[i]);
    free(s->w);
    free(s->w8);
}

static void time_shape(sweep *s, size_t n, size_t k)
{
    s->n = n;
    s->k = k;
    make_inputs(s);
    time_pattern(s, 1, "none", 0, true);
    for (int i = 0; i < NSHARES; i++) {
        time_pattern(s, 1, "single", shares[i], false);
        time_pattern(s, 32, "32x32", shares[i], false);
    }
    drop_inputs(s);
}

int main(int argc, char **argv)
{
    sweep s = { .rows = json_array(), .most_m = argc > 3 ? 64 : 2048 };
    pe_identity identity;
    if (argc != 2 && argc != 4) {
        (void)fprintf(stderr, "usage: sweep DEVICE [N K]\n");
        return 2;
    }
    must(&s, pe_backend_get(&s.b, argv[1], 0, &s.err));
    s.plugin = pe_plugin_of(s.b);
    s.q = (pe_queue){ .backend = s.b };
    if (!s.plugin) {
        (void)fprintf(stderr, "sweep: %s is no device of a plugin\n", argv[1]);
        return 7;
    }
    pe_backend_identity(&identity, s.b);
    if (argc == 4) {
        time_shape(&s, strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
    } else {
        time_shape(&s, 4096, 4096);
        time_shape(&s, 14336, 4096);
    }
    json_t *root = json_pack("{s:s, s:s, s:o}", "schema", "pe.gpu-sweep/1", "device", identity.text,
                             "rows", s.rows);
    if (!root || json_dumpf(root, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6))) return 1;
    (void)putchar('\n');
    json_decref(root);
    return 0;
}
