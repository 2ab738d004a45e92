/* lib/plan/linear.h - a linear layer ready to run: packed weights, how its input is quantized, and
 * which form executes it for how many tokens.
 * Read next: lib/plan/linear.c, lib/plan/cost.h (how the form is chosen). */
#ifndef PE_PLAN_LINEAR_H
#define PE_PLAN_LINEAR_H

#include "lib/backend/backend.h"

/* Token buckets: a form is chosen for each. The choice never changes a result. */
#define PE_NBUCKETS 3
static inline int pe_bucket_of(size_t m)
{
    return m <= 4 ? 0 : m <= 48 ? 1 : 2;
}
/* Tokens that stand for a bucket when it is tuned or estimated: 1, 16, 128. */
extern const uint32_t pe_bucket_tokens[PE_NBUCKETS];

/* How the input of an int8 layer becomes codes. Layers whose rules are equal share one quantize
 * op. */
typedef struct pe_act_quant {
    float div;       /* dynamic per token: 127 or 127.5; 0 = static */
    float scale;     /* static */
    int32_t zero;    /* static */
    bool full_range; /* codes down to -128: asymmetric, or another tool's symmetric static */
} pe_act_quant;
bool pe_act_quant_equal(const pe_act_quant *a, const pe_act_quant *b);

/* What the file holds of a float layer, where a form can execute just that. */
typedef enum pe_stored {
    PE_STORED_OTHER, /* anything that loading makes f32 of */
    PE_STORED_BF16,
    PE_STORED_F16,
    PE_STORED_CODES /* int8 with a scale an output */
} pe_stored;

#define PE_LINEAR_PARTS 3 /* checkpoint modules that one layer may join: query, key, value */

typedef struct pe_linear {
    const char *part[PE_LINEAR_PARTS]; /* module names, as in the checkpoint */
    uint32_t part_n[PE_LINEAR_PARTS];  /* outputs of each */
    int nparts;
    uint32_t n, k;
    bool int8;     /* int8 weights and activations; else float forms */
    pe_form dense; /* of a float layer: PE_FORM_F32_DENSE, or products of 16-bit floats */
    pe_stored stored;
    bool narrow; /* all codes of weights and input lie in -127..127 */
    pe_act_quant aq;
    float *bias;             /* [n] or NULL; these four are the backend's memory */
    float *wscale;           /* [n], int8 weights */
    int32_t *wsum;           /* [n], int8 */
    void *packed[PE_NFORMS]; /* NULL: form not packed */
    pe_form form[PE_NBUCKETS];
    double sparsity, block4_sparsity; /* share of zero weights, of all-zero 1x4 blocks */
} pe_linear;

/* What pe_linear_pack reads: host memory, dense. Int8 layers have s8, the others f32, and s8 beside
 * it where that is what is stored. */
typedef struct pe_linear_source {
    const float *f32;    /* [n, k] */
    const int8_t *s8;    /* [n, k] */
    const float *wscale; /* [n] with s8 */
    const float *bias;   /* [n] or NULL */
} pe_linear_source;

/* Fills sparsity fields from the source; n, k and int8 are set. */
void pe_linear_measure(pe_linear *l, const pe_linear_source *s);
/* Copies bias and scales, sums codes, sets narrow, packs every form of form[] once. */
pe_status pe_linear_pack(pe_linear *l, const pe_backend *b, const pe_linear_source *s,
                         pe_error *err);
/* Packs one more form (pe-bench --tune). */
pe_status pe_linear_pack_form(pe_linear *l, const pe_backend *b, pe_form form,
                              const pe_linear_source *s, pe_error *err);
void pe_linear_release(pe_linear *l, const pe_backend *b);
/* May this layer run as `form`? Int8 forms for int8 layers, float forms for the others, of them
 * only such as give the same numbers: what was stored as it is, or made f32. */
bool pe_linear_admits(const pe_linear *l, const pe_backend *b, pe_form form);
/* And may it, if that form is asked for by name? Also where inputs are rounded: Blocked-ELL, whose
 * f32 products are TF32's. */
bool pe_linear_takes(const pe_linear *l, const pe_backend *b, pe_form form);
/* PE_FORM_S8_DENSE, or the layer's dense float form. */
pe_form pe_linear_dense_form(const pe_linear *l);
/* Scratch for any chosen form and up to m rows. */
size_t pe_linear_scratch(const pe_linear *l, const pe_backend *b, size_t m, int nthreads);

/* Codes of a matrix of activations: three sections of one buffer. */
typedef struct pe_codes {
    int8_t *q; /* [m, ldq] */
    float *scale;
    int32_t *zero;
    size_t ldq;
} pe_codes;
size_t pe_codes_nbytes(size_t m, size_t k);
pe_codes pe_codes_at(void *buffer, size_t m, size_t k);
pe_status pe_codes_make(pe_codes *c, const pe_act_quant *aq, const float *x, size_t ldx, size_t m,
                        size_t k, pe_queue *q, pe_error *err);

/* May b follow a without a look at what is between, for m rows on this device? */
bool pe_linear_pairs(const pe_linear *a, const pe_linear *b, const pe_backend *be, size_t m);
/* Scratch of such a pair with any chosen forms and up to m rows; 0 if none pairs. */
size_t pe_linear_pair_scratch(const pe_linear *a, const pe_linear *b, const pe_backend *be,
                              size_t m, int nthreads);
/* y = b(codes(act(a(in)))); the scales (and zero points) of the codes between go to mid. A row that
 * is not finite there has the scale NaN. */
pe_status pe_linear_run_pair(const pe_linear *a, pe_act act, const pe_linear *b, float *y,
                             const pe_codes *in, pe_codes *mid, size_t m, void *scratch,
                             pe_queue *q, pe_error *err);

/* y [m, ldy] = act(x w^T + bias); reads x or codes as the layer needs. */
pe_status pe_linear_run(const pe_linear *l, float *y, size_t ldy, const float *x, size_t ldx,
                        const pe_codes *codes, size_t m, pe_act act, void *scratch, pe_queue *q,
                        pe_error *err);

#endif
