/* tests/gpu/forms.c - every form of linear layers that a device has, as its plugin packs and runs
 * them, beside the CPU: odd sizes, rows with gaps between them, guarded outputs. int8 layers have
 * the CPU's bits, float layers are close to sums in double. tests/emu/forms.sh and tests/gpu/run.sh
 * call it. Read next: lib/backend/cuda/linear_cuda.c.
 *
 * forms DEVICE */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/backend/backend.h"
#include "lib/base/checked.h"
#include "lib/base/error.h"
#include "lib/base/rng.h"
#include "lib/tensor/widen.h"

static const struct {
    size_t n, k;
} shapes[] = { { 1, 1 },   { 3, 5 },   { 4, 64 },  { 33, 61 },  { 50, 48 },
               { 64, 96 }, { 64, 64 }, { 7, 200 }, { 130, 70 }, { 96, 1100 } };
static const size_t tokens[] = { 1, 3, 8, 16, 17, 50 };
enum { NSHAPES = sizeof shapes / sizeof *shapes, NTOKENS = sizeof tokens / sizeof *tokens };
enum { GAP = 3, FILL = 0x5a };
static const double CLOSE = 1e-5, CLOSE_TF32 = 5e-3; /* Blocked-ELL: products of 11 bits */
/* With so little memory blocks are not cut from slabs: what leaves its block is seen. */
static const uint64_t LITTLE = (uint64_t)48 << 20;

typedef struct subject {
    const pe_backend *b;
    const pe_kernels *host;
    pe_queue q;
    pe_rng r;
    pe_error err;
    int failed; /* cases of this form */
} subject;

/* A layer and its input on the host. */
typedef struct layer {
    pe_form form;
    bool s8, codes, zero; /* int8 layer; int8 weights; with zero points */
    size_t m, n, k, ldx, ldy;
    float *w, *x, *xscale, *wscale, *bias, *want;
    int8_t *w8, *xq;
    int32_t *xzero, *wsum;
    pe_act act;
} layer;

static void *must_have(void *p)
{
    if (p) return p;
    (void)fprintf(stderr, "forms: out of memory\n");
    exit(1);
}
static void *zeroed(size_t nbytes)
{
    return memset(must_have(aligned_alloc(64, pe_round_up(nbytes + 1, 64))), 0, nbytes + 1);
}
static void must(subject *s, pe_status st)
{
    if (!st) return;
    (void)fprintf(stderr, "forms: %s\n", s->err.text);
    exit(1);
}

/* ---- what is computed ------------------------------------------------------------------------ */

static float *random_floats(subject *s, size_t n)
{
    float *x = zeroed(n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = (float)(2 * pe_rng_unit(&s->r) - 1);
    return x;
}

static bool is_half(pe_form f)
{
    return f == PE_FORM_BF16_DENSE || f == PE_FORM_F16_DENSE;
}
static bool keeps_16(pe_form f)
{
    return is_half(f) || f == PE_FORM_BF16_BITMASK || f == PE_FORM_F16_BITMASK;
}

/* As the device holds them. */
static void round_16(float *x, size_t n, pe_form f)
{
    bool bf16 = f == PE_FORM_BF16_DENSE || f == PE_FORM_BF16_BITMASK;
    uint16_t *half = zeroed(n * sizeof *half);
    pe_narrow_f32(half, x, bf16 ? PE_BF16 : PE_F16, n);
    pe_widen_f32(x, half, bf16 ? PE_BF16 : PE_F16, n);
    free(half);
}

/* Half of them zero, and a row and a block without any other. */
static void make_weights(layer *l, subject *s)
{
    l->w = random_floats(s, l->n * l->k);
    l->w8 = zeroed(l->n * l->k);
    l->wscale = random_floats(s, l->n);
    l->wsum = zeroed(l->n * sizeof *l->wsum);
    for (size_t i = 0; i < l->n; i++) l->wscale[i] /= 127;
    for (size_t i = 0; i < l->n * l->k; i++) {
        size_t row = i / l->k, col = i % l->k;
        if (row == 2 || (row >= 32 && col / 32 == 1) || pe_rng_below(&s->r, 2)) l->w[i] = 0;
        l->w8[i] = (int8_t)(l->w[i] * 127.0f);
        l->wsum[row] += l->w8[i];
        if (l->form == PE_FORM_W8_DENSE) l->w[i] = (float)l->w8[i] * l->wscale[row];
    }
    if (keeps_16(l->form)) round_16(l->w, l->n * l->k, l->form);
}

static void make_inputs(layer *l, subject *s)
{
    l->x = random_floats(s, l->m * l->ldx);
    l->xq = zeroed(l->m * l->ldx);
    l->xscale = random_floats(s, l->m);
    l->xzero = zeroed(l->m * sizeof *l->xzero);
    for (size_t t = 0; t < l->m; t++) {
        l->xzero[t] = (int32_t)pe_rng_below(&s->r, 256) - 128;
        for (size_t i = 0; i < l->k; i++)
            l->xq[t * l->ldx + i] = (int8_t)((int)pe_rng_below(&s->r, 256) - 128);
    }
}

static void want_floats(layer *l, const subject *s)
{
    float *x = zeroed(l->m * l->ldx * sizeof *x);
    memcpy(x, l->x, l->m * l->ldx * sizeof *x);
    if (is_half(l->form)) round_16(x, l->m * l->ldx, l->form);
    for (size_t t = 0; t < l->m; t++)
        for (size_t n = 0; n < l->n; n++) {
            double sum = l->bias ? (double)l->bias[n] : 0;
            for (size_t i = 0; i < l->k; i++)
                sum += (double)x[t * l->ldx + i] * (double)l->w[n * l->k + i];
            float *y = &l->want[t * l->ldy + n];
            *y = (float)sum;
            s->host->activate(y, 1, l->act, NULL);
        }
    free(x);
}

static pe_linear_call call_of(const layer *l)
{
    pe_linear_call c = { .ldy = l->ldy, .ldx = l->ldx, .m = l->m, .n = l->n, .k = l->k };
    c.act = l->act;
    return c;
}

static void want_codes(layer *l, const subject *s)
{
    const pe_linear_form *dense = s->host->form[PE_FORM_S8_DENSE];
    pe_matrix w = { .n = l->n, .k = l->k, .s8 = l->w8 };
    pe_linear_call c = call_of(l);
    void *packed = zeroed(dense->packed_nbytes(&w));
    void *scratch = zeroed(dense->scratch_nbytes(l->m, l->n, l->k, 1));
    dense->pack(packed, &w);
    c.y = l->want, c.xq = l->xq, c.xscale = l->xscale, c.xzero = l->zero ? l->xzero : NULL;
    c.wscale = l->wscale, c.wsum = l->wsum, c.bias = l->bias, c.packed = packed,
    c.scratch = scratch;
    dense->run(&c);
    free(packed);
    free(scratch);
}

/* ---- on the device --------------------------------------------------------------------------- */

static void *device_copy(subject *s, const void *from, size_t nbytes)
{
    void *p = NULL;
    must(s, s->b->alloc(s->b, &p, nbytes + 1, "forms", &s->err));
    if (from) must(s, s->b->upload(&s->q, p, from, nbytes, &s->err));
    must(s, s->b->sync(&s->q, &s->err));
    return p;
}

/* want holds the fill in its gaps: so does the device's output at first. It begins `off` floats
 * after an aligned address, as that of the second chunk of a batch may. */
static void run_on_device(float *got, const layer *l, size_t off, subject *s)
{
    const pe_backend *b = s->b;
    size_t ny = l->m * l->ldy * sizeof(float), nx = l->m * l->ldx;
    pe_matrix w = {
        .n = l->n, .k = l->k, .f32 = l->codes ? NULL : l->w, .s8 = l->codes ? l->w8 : NULL
    };
    pe_linear_op op = { .form = l->form, .call = call_of(l) };
    pe_linear_call *c = &op.call;
    void *packed = device_copy(s, NULL, b->packed_nbytes(b, l->form, &w));
    void *scratch = device_copy(s, NULL, b->linear_scratch(b, l->form, l->m, l->n, l->k, 1));
    void *held[] = { device_copy(s, NULL, ny + off * sizeof(float)),
                     device_copy(s, l->s8 ? (void *)l->xq : l->x, l->s8 ? nx : nx * sizeof(float)),
                     device_copy(s, l->xscale, l->m * sizeof(float)),
                     device_copy(s, l->xzero, l->m * sizeof(int32_t)),
                     device_copy(s, l->wscale, l->n * sizeof(float)),
                     device_copy(s, l->wsum, l->n * sizeof(int32_t)),
                     l->bias ? device_copy(s, l->bias, l->n * sizeof(float)) : NULL,
                     packed,
                     scratch };
    must(s, b->pack(b, l->form, packed, &w, &s->err));
    c->packed = packed, c->scratch = scratch, c->bias = held[6];
    c->y = (float *)held[0] + off;
    must(s, b->upload(&s->q, c->y, got, ny, &s->err));
    if (l->s8) c->xq = held[1], c->xscale = held[2], c->wsum = held[5];
    else c->x = held[1];
    if (l->s8 && l->zero) c->xzero = held[3];
    if (l->codes) c->wscale = held[4];
    must(s, b->linear(&s->q, &op, &s->err));
    must(s, b->download(&s->q, got, c->y, ny, &s->err));
    must(s, b->sync(&s->q, &s->err));
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) b->release(b, held[i]);
}

static void compare(subject *s, const layer *l, const float *got)
{
    double close = l->form == PE_FORM_F32_ELL ? CLOSE_TF32 : CLOSE;
    for (size_t i = 0; i < l->m * l->ldy; i++) {
        double far = fabs((double)got[i] - (double)l->want[i]) / (1 + fabs((double)l->want[i]));
        bool exact = l->s8 || i % l->ldy >= l->n;
        if (exact ? memcmp(&got[i], &l->want[i], sizeof *got) == 0 : far <= close) continue;
        if (s->failed++ == 0)
            printf("# %zu tokens, %zu x %zu: output %zu of token %zu is %.9g, expected %.9g\n",
                   l->m, l->n, l->k, i % l->ldy, i / l->ldy, (double)got[i], (double)l->want[i]);
        return;
    }
}

static void drop(layer *l)
{
    void *held[] = { l->w,    l->x,  l->xscale, l->wscale, l->bias,
                     l->want, l->w8, l->xq,     l->xzero,  l->wsum };
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) free(held[i]);
}

static void try_case(subject *s, pe_form form, size_t m, size_t n, size_t k, unsigned kind)
{
    static const pe_act acts[] = { PE_ACT_NONE, PE_ACT_GELU_ERF, PE_ACT_GELU_CODES, PE_ACT_TANH };
    layer l = { .form = form, .m = m, .n = n, .k = k, .zero = kind & 1, .act = acts[kind % 4] };
    l.s8 = form == PE_FORM_S8_DENSE || form == PE_FORM_S8_BITMASK;
    l.codes = l.s8 || form == PE_FORM_W8_DENSE;
    /* rows of codes are padded; those that become 16-bit floats lie together */
    l.ldx = l.s8 ? pe_round_up(k, 64) + 64 * (kind % 2) : is_half(form) ? k : k + kind % 3;
    l.ldy = n + GAP * (kind % 2);
    make_weights(&l, s);
    make_inputs(&l, s);
    l.bias = kind % 3 ? random_floats(s, n) : NULL;
    float *got = zeroed(m * l.ldy * sizeof *got);
    l.want = zeroed(m * l.ldy * sizeof *l.want);
    memset(got, FILL, m * l.ldy * sizeof *got);
    memset(l.want, FILL, m * l.ldy * sizeof *l.want);
    if (l.s8) want_codes(&l, s);
    else want_floats(&l, s);
    /* cuSPARSE wants whole 16 bytes where there are blocks */
    bool blocks = form == PE_FORM_F32_BSR || form == PE_FORM_F32_ELL;
    run_on_device(got, &l, blocks ? 0 : kind / 2 % 4, s);
    compare(s, &l, got);
    free(got);
    drop(&l);
}

static const char *label(pe_form f)
{
    static const char *const types[PE_NFORMS] = {
        [PE_FORM_S8_DENSE] = "int8 ",   [PE_FORM_S8_BITMASK] = "int8 ",
        [PE_FORM_BF16_DENSE] = "bf16 ", [PE_FORM_BF16_BITMASK] = "bf16 ",
        [PE_FORM_F16_DENSE] = "f16 ",   [PE_FORM_F16_BITMASK] = "f16 ",
        [PE_FORM_F32_DENSE] = "f32 ",   [PE_FORM_F32_CSR] = "f32 ",
        [PE_FORM_F32_BSR] = "f32 ",     [PE_FORM_F32_ELL] = "f32 ",
    };
    return types[f] ? types[f] : "";
}

static int try_form(subject *s, pe_form f)
{
    unsigned cases = 0;
    s->failed = 0;
    for (size_t i = 0; i < NSHAPES; i++)
        for (size_t t = 0; t < NTOKENS; t++)
            if (s->b->has_form(s->b, f, shapes[i].n, shapes[i].k))
                try_case(s, f, tokens[t], shapes[i].n, shapes[i].k, cases++);
    if (!cases) return 0; /* the device does not have it at all */
    printf("%s form %s%s: %u cases\n", s->failed ? "not ok" : "ok", label(f), pe_form_name(f),
           cases);
    return s->failed;
}

int main(int argc, char **argv)
{
    subject s = { .host = pe_kernels_get(NULL) };
    int failed = 0;
    if (argc != 2) {
        (void)fprintf(stderr, "usage: forms DEVICE\n");
        return 2;
    }
    must(&s, pe_backend_get(&s.b, argv[1], LITTLE, &s.err));
    s.q = (pe_queue){ .backend = s.b };
    pe_rng_init(&s.r, 17, 4, 0);
    must(&s, s.b->open_queue ? s.b->open_queue(&s.q, &s.err) : PE_OK);
    for (pe_form f = 0; f < PE_NFORMS; f++) failed += try_form(&s, f) != 0;
    if (s.b->close_queue) s.b->close_queue(&s.q);
    return failed != 0;
}
