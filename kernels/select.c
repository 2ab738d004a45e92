/* kernels/select.c - the table of kernels for a set of CPU features, from the rows of list.def.
 * Read next: kernels/list.def, kernels/cpu.c. */
#include <pthread.h>

#include "kernels/variants.h"

/* The highest level whose own feature is there: what users are told. */
static const char *level_name(unsigned features)
{
    const char *name = pe_cpu_levels[0].name;
    for (size_t i = 1; i < pe_cpu_nlevels; i++) {
        unsigned own = pe_cpu_levels[i].features & ~pe_cpu_levels[i - 1].features;
        if (features & own) name = pe_cpu_levels[i].name;
    }
    return name;
}

static bool covers(unsigned features, unsigned need)
{
    return (features & need) == need;
}

void pe_kernels_select(pe_kernels *out, unsigned features)
{
    *out = (pe_kernels){ .level = level_name(features), .features = features };
#define PE_KERNEL(op, isa, need) \
    if (covers(features, need)) out->op = pe_##op##_##isa;
#define PE_LINEAR(which, op, isa, need) \
    if (covers(features, need)) out->form[which] = &pe_##op##_##isa;
#include "kernels/list.def"
#undef PE_KERNEL
#undef PE_LINEAR
}

static pe_kernels table;
static pe_status table_status;
static pe_error table_error;

static void select_once(void)
{
    unsigned features = 0;
    table_status = pe_cpu_features(&features, &table_error);
    if (!table_status) pe_kernels_select(&table, features);
}

const pe_kernels *pe_kernels_get(pe_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, select_once);
    if (!table_status) return &table;
    if (err) *err = table_error;
    return NULL;
}

const char *pe_form_name(pe_form f)
{
    static const char *const name[PE_NFORMS] = {
        [PE_FORM_F32_DENSE] = "dense",     [PE_FORM_F32_CSR] = "csr",
        [PE_FORM_S8_DENSE] = "dense",      [PE_FORM_S8_BITMASK] = "bitmask",
        [PE_FORM_S8_BLOCK4] = "block4",    [PE_FORM_F32_BSR] = "bsr",
        [PE_FORM_F32_ELL] = "blocked-ell", [PE_FORM_BF16_DENSE] = "dense",
        [PE_FORM_F16_DENSE] = "dense",     [PE_FORM_BF16_BITMASK] = "bitmask",
        [PE_FORM_F16_BITMASK] = "bitmask", [PE_FORM_W8_DENSE] = "int8-weights",
    };
    return name[f];
}
