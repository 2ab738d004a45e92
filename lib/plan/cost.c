/* lib/plan/cost.c - relative cost of the sparse forms, fitted to pe-bench --tune on each level.
 * Read next: docs/pe-bench.md. */
#include "lib/plan/cost.h"

#include <string.h>

#include "kernels/cpu.h"
#include "lib/base/error.h"

/* Time of a sparse form over time of dense = base + slope * share of what it stores, by bucket. */
typedef struct cost_row {
    const char *level; /* and every level above until the next row */
    pe_form form;
    float base[PE_NBUCKETS], slope[PE_NBUCKETS];
    size_t least; /* weights of a matrix: with fewer dense is taken */
} cost_row;

/* avx2: fitted on a Zen 3, avx512 and above on an Emerald Rapids without AMX, both 2 threads and
 * MiniLM's matrices at 50 to 95 % zeros: half of the estimates are within 10 % there. The bitmask
 * pays where weights come from beyond the caches. */
static const cost_row rows[] = {
    { "ref", PE_FORM_F32_CSR, { 0.10f, 0.10f, 0.10f }, { 1.3f, 1.6f, 2.0f }, 0 },
    { "ref", PE_FORM_S8_BITMASK, { 0.25f, 0.60f, 1.00f }, { 1.2f, 2.0f, 3.0f }, 0 },
    { "ref", PE_FORM_S8_BLOCK4, { 0.20f, 0.12f, 0.10f }, { 1.3f, 1.3f, 1.3f }, 0 },
    { "avx2", PE_FORM_F32_CSR, { 0.80f, 0.15f, 0.05f }, { 11.0f, 2.6f, 2.3f }, 0 },
    { "avx2", PE_FORM_S8_BITMASK, { 3.00f, 3.20f, 3.30f }, { 0.1f, 0.1f, 0.1f }, 0 },
    { "avx2", PE_FORM_S8_BLOCK4, { 0.85f, 0.16f, 0.12f }, { 11.5f, 1.4f, 0.9f }, 0 },
    { "avx512", PE_FORM_F32_CSR, { 0.05f, 0.13f, 0.09f }, { 5.5f, 2.6f, 2.8f }, 0 },
    { "avx512", PE_FORM_S8_BLOCK4, { 0.65f, 0.20f, 0.12f }, { 4.1f, 0.9f, 0.8f }, 0 },
    { "vnni", PE_FORM_S8_BLOCK4, { 0.86f, 0.45f, 0.25f }, { 3.5f, 1.45f, 1.32f }, 0 },
    { "vbmi2", PE_FORM_S8_BITMASK, { 0.25f, 2.10f, 3.00f }, { 0.8f, 0.1f, 0.1f }, (size_t)2 << 20 },
};

/* On a GPU no time was measured yet: bytes that are read for few tokens, and for more what others
 * have measured of cuSPARSE, which passes dense products from some 97 % zeros on. What takes 8
 * tokens a launch is counted in launches and bytes beside an f32 product of 4096 x 4096
 * (docs/gpu.md, "What to expect"): for small matrices, too, it is one launch of two. */
static const cost_row device_rows[] = {
    { "", PE_FORM_S8_BITMASK, { 0.30f, 9.0f, 9.0f }, { 1.1f, 1.0f, 1.0f }, (size_t)1 << 20 },
    { "", PE_FORM_F32_CSR, { 0.30f, 0.30f, 0.30f }, { 3.0f, 14.0f, 20.0f }, (size_t)1 << 20 },
    { "", PE_FORM_BF16_BITMASK, { 0.30f, 0.45f, 9.0f }, { 0.7f, 1.2f, 1.0f }, 0 },
    { "", PE_FORM_F16_BITMASK, { 0.30f, 0.45f, 9.0f }, { 0.7f, 1.2f, 1.0f }, 0 },
    { "", PE_FORM_W8_DENSE, { 0.33f, 0.70f, 1.60f }, { 0.0f, 0.0f, 0.0f }, 0 },
};

static int rank_of(const char *level)
{
    for (size_t i = 0; i < pe_cpu_nlevels; i++)
        if (strcmp(pe_cpu_levels[i].name, level) == 0) return (int)i;
    return 0;
}

/* The row of the highest level that is not above this machine's. */
static const cost_row *find_row(pe_form form, const pe_backend *b)
{
    const cost_row *best = NULL;
    const char *level = b->level ? b->level : "ref";
    for (size_t i = 0; !b->host && i < sizeof device_rows / sizeof *device_rows; i++)
        if (device_rows[i].form == form) return &device_rows[i];
    if (!b->host) return NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].form == form && rank_of(rows[i].level) <= rank_of(level)) best = &rows[i];
    return best;
}

static double kept(const pe_linear *l, pe_form form)
{
    return form == PE_FORM_S8_BLOCK4 ? 1.0 - l->block4_sparsity : 1.0 - l->sparsity;
}

void pe_form_estimate(pe_linear *l, const pe_backend *b)
{
    const double clearly = 0.95;
    for (int i = 0; i < PE_NBUCKETS; i++) {
        double best = clearly;
        l->form[i] = pe_linear_dense_form(l);
        for (pe_form f = 0; f < PE_NFORMS; f++) {
            const cost_row *row = find_row(f, b);
            if (!row || !pe_linear_admits(l, b, f) || (size_t)l->n * l->k < row->least) continue;
            double cost = row->base[i] + row->slope[i] * kept(l, f);
            if (cost < best) best = cost, l->form[i] = f;
        }
    }
}

pe_status pe_form_force(pe_linear *l, const pe_backend *b, const char *name, pe_error *err)
{
    bool known = false;
    pe_form form = pe_linear_dense_form(l);
    for (pe_form f = 0; f < PE_NFORMS; f++) {
        if (strcmp(pe_form_name(f), name) != 0) continue;
        known = true;
        if (pe_linear_takes(l, b, f)) form = f;
    }
    for (int i = 0; i < PE_NBUCKETS; i++) l->form[i] = form;
    return known ? PE_OK
                 : pe_fail(err, PE_E_ARG,
                           "exec layout '%.40s': expected dense, csr, bitmask, block4, bsr, "
                           "blocked-ell or int8-weights",
                           name);
}
