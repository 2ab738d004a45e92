/* tests/emu/libs/ltdesc.cc - descriptors of the stand-in for cuBLASLt. Like the real library it
 * takes any value here and judges it when a product is asked for. Read next: ltrules.cc. */
#include "lt.hh"

#include <cstring>

#include "refusal.hh"

namespace lt
{

/* Where an attribute of the header lies in our struct, and its size, which callers must name. */
struct Field {
    int attribute;
    size_t offset, nbytes;
};

#define FIELD(attribute, type, member)                          \
    {                                                           \
        attribute, offsetof(type, member), sizeof(type::member) \
    }

static const Field layout_fields[] = {
    FIELD(CUBLASLT_MATRIX_LAYOUT_TYPE, Layout, type),
    FIELD(CUBLASLT_MATRIX_LAYOUT_ORDER, Layout, order),
    FIELD(CUBLASLT_MATRIX_LAYOUT_ROWS, Layout, rows),
    FIELD(CUBLASLT_MATRIX_LAYOUT_COLS, Layout, cols),
    FIELD(CUBLASLT_MATRIX_LAYOUT_LD, Layout, ld),
    FIELD(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, Layout, batch),
    FIELD(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, Layout, batch_stride),
    FIELD(CUBLASLT_MATRIX_LAYOUT_PLANE_OFFSET, Layout, plane_offset),
    FIELD(CUBLASLT_MATRIX_LAYOUT_BATCH_MODE, Layout, batch_mode),
};

static const Field desc_fields[] = {
    FIELD(CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, Desc, compute),
    FIELD(CUBLASLT_MATMUL_DESC_SCALE_TYPE, Desc, scale),
    FIELD(CUBLASLT_MATMUL_DESC_POINTER_MODE, Desc, pointer_mode),
    FIELD(CUBLASLT_MATMUL_DESC_TRANSA, Desc, transa),
    FIELD(CUBLASLT_MATMUL_DESC_TRANSB, Desc, transb),
    FIELD(CUBLASLT_MATMUL_DESC_TRANSC, Desc, transc),
    FIELD(CUBLASLT_MATMUL_DESC_FILL_MODE, Desc, fill),
    FIELD(CUBLASLT_MATMUL_DESC_EPILOGUE, Desc, epilogue),
    FIELD(CUBLASLT_MATMUL_DESC_BIAS_POINTER, Desc, bias),
    FIELD(CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE, Desc, bias_stride),
    FIELD(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, Desc, aux),
    FIELD(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, Desc, aux_ld),
    FIELD(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_BATCH_STRIDE, Desc, aux_stride),
    FIELD(CUBLASLT_MATMUL_DESC_ALPHA_VECTOR_BATCH_STRIDE, Desc, alpha_stride),
    FIELD(CUBLASLT_MATMUL_DESC_SM_COUNT_TARGET, Desc, sm_count),
    FIELD(CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, Desc, a_scale),
    FIELD(CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, Desc, b_scale),
    FIELD(CUBLASLT_MATMUL_DESC_C_SCALE_POINTER, Desc, c_scale),
    FIELD(CUBLASLT_MATMUL_DESC_D_SCALE_POINTER, Desc, d_scale),
    FIELD(CUBLASLT_MATMUL_DESC_AMAX_D_POINTER, Desc, amax_d),
    FIELD(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_DATA_TYPE, Desc, aux_type),
    FIELD(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_SCALE_POINTER, Desc, aux_scale),
    FIELD(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_AMAX_POINTER, Desc, aux_amax),
    FIELD(CUBLASLT_MATMUL_DESC_FAST_ACCUM, Desc, fast_accum),
    FIELD(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, Desc, bias_type),
    FIELD(CUBLASLT_MATMUL_DESC_A_SCALE_MODE, Desc, a_mode),
    FIELD(CUBLASLT_MATMUL_DESC_B_SCALE_MODE, Desc, b_mode),
    FIELD(CUBLASLT_MATMUL_DESC_C_SCALE_MODE, Desc, c_mode),
    FIELD(CUBLASLT_MATMUL_DESC_D_SCALE_MODE, Desc, d_mode),
    FIELD(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_SCALE_MODE, Desc, aux_mode),
    FIELD(CUBLASLT_MATMUL_DESC_D_OUT_SCALE_POINTER, Desc, d_out_scale),
    FIELD(CUBLASLT_MATMUL_DESC_D_OUT_SCALE_MODE, Desc, d_out_mode),
    FIELD(CUBLASLT_MATMUL_DESC_EMULATION_DESCRIPTOR, Desc, emulation),
};

static const Field preference_fields[] = {
    FIELD(CUBLASLT_MATMUL_PREF_SEARCH_MODE, Preference, search),
    FIELD(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, Preference, max_workspace),
    FIELD(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, Preference, reduction),
    FIELD(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, Preference, align[0]),
    FIELD(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, Preference, align[1]),
    FIELD(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, Preference, align[2]),
    FIELD(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, Preference, align[3]),
    FIELD(CUBLASLT_MATMUL_PREF_MAX_WAVES_COUNT, Preference, max_waves),
    FIELD(CUBLASLT_MATMUL_PREF_IMPL_MASK, Preference, impl_mask),
};

#undef FIELD

template <size_t N> static const Field *find(const Field (&fields)[N], int attribute)
{
    for (const Field &f : fields)
        if (f.attribute == attribute) return &f;
    return nullptr;
}

static cublasStatus_t set(void *object, const Field *f, const void *buf, size_t nbytes)
{
    if (!object) return invalid("not a live descriptor");
    if (!f || !buf || nbytes != f->nbytes) return invalid("no such attribute of %zu bytes", nbytes);
    memcpy((char *)object + f->offset, buf, nbytes);
    return CUBLAS_STATUS_SUCCESS;
}

/* A size of 0 asks how many bytes there are. */
static cublasStatus_t get(const void *object, const Field *f, void *buf, size_t nbytes,
                          size_t *written)
{
    if (!object) return invalid("not a live descriptor");
    if (!f || (nbytes ? !buf || nbytes != f->nbytes : !written))
        return invalid("no such attribute of %zu bytes", nbytes);
    if (nbytes) memcpy(buf, (const char *)object + f->offset, nbytes);
    if (written) *written = f->nbytes;
    return CUBLAS_STATUS_SUCCESS;
}

const Layout *layout_of(cublasLtMatrixLayout_t l)
{
    const Layout *layout = (const Layout *)l;
    return layout && layout->magic == LIVE_LAYOUT ? layout : nullptr;
}

const Desc *desc_of(cublasLtMatmulDesc_t d)
{
    const Desc *desc = (const Desc *)d;
    return desc && desc->magic == LIVE_DESC ? desc : nullptr;
}

const Preference *preference_of(cublasLtMatmulPreference_t p)
{
    const Preference *preference = (const Preference *)p;
    return preference && preference->magic == LIVE_PREFERENCE ? preference : nullptr;
}

static void start(cublasLtMatrixLayoutOpaque_t *l, cudaDataType type, uint64_t rows, uint64_t cols,
                  int64_t ld)
{
    memset(l, 0, sizeof *l);
    Layout *layout = (Layout *)l;
    layout->magic = LIVE_LAYOUT;
    layout->type = (uint32_t)type;
    layout->order = CUBLASLT_ORDER_COL;
    layout->rows = rows;
    layout->cols = cols;
    layout->ld = ld;
    layout->batch = 1;
}

static void start(cublasLtMatmulDescOpaque_t *d, cublasComputeType_t compute, cudaDataType scale)
{
    memset(d, 0, sizeof *d);
    Desc *desc = (Desc *)d;
    desc->magic = LIVE_DESC;
    desc->compute = compute;
    desc->scale = scale;
    desc->fill = CUBLAS_FILL_MODE_FULL;
    desc->epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    desc->aux_type = desc->bias_type = -1;
}

static void start(cublasLtMatmulPreferenceOpaque_t *p)
{
    memset(p, 0, sizeof *p);
    Preference *preference = (Preference *)p;
    preference->magic = LIVE_PREFERENCE;
    preference->search = CUBLASLT_SEARCH_BEST_FIT;
    preference->reduction = CUBLASLT_REDUCTION_SCHEME_MASK;
    preference->impl_mask = ~0ull;
    for (uint32_t &align : preference->align) align = 256;
}

/* In memory of the caller's (Init) or of ours (Create). */
template <class Opaque, class... Values>
static cublasStatus_t start_in(Opaque *place, size_t size, Values... values)
{
    if (!place) return invalid("the descriptor is NULL");
    if (size < sizeof *place) return CUBLAS_STATUS_ALLOC_FAILED;
    start(place, values...);
    return CUBLAS_STATUS_SUCCESS;
}

template <class Opaque, class... Values>
static cublasStatus_t start_new(Opaque **place, Values... values)
{
    if (!place) return invalid("the descriptor's place is NULL");
    *place = new Opaque;
    emulib::count_object("cuBLASLt", 1);
    start(*place, values...);
    return CUBLAS_STATUS_SUCCESS;
}

/* Marks it dead; its memory stays, so that a later use is seen. NULL is fine, as in the library. */
static cublasStatus_t destroy(void *object, uint64_t live)
{
    if (!object) return CUBLAS_STATUS_SUCCESS;
    uint64_t *magic = (uint64_t *)object;
    if (*magic != live) {
        emulib::broken("not a live descriptor of this kind, or destroyed twice");
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    *magic = DEAD;
    emulib::count_object("cuBLASLt", -1);
    bury(object);
    return CUBLAS_STATUS_SUCCESS;
}

} // namespace lt

using namespace lt;

extern "C" {

cublasStatus_t cublasLtMatrixLayoutInit_internal(cublasLtMatrixLayout_t l, size_t size,
                                                 cudaDataType type, uint64_t rows, uint64_t cols,
                                                 int64_t ld)
{
    if (emulib::enter("cublasLtMatrixLayoutInit")) return CUBLAS_STATUS_ALLOC_FAILED;
    return start_in(l, size, type, rows, cols, ld);
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *l, cudaDataType type,
                                          uint64_t rows, uint64_t cols, int64_t ld)
{
    if (emulib::enter("cublasLtMatrixLayoutCreate")) return CUBLAS_STATUS_ALLOC_FAILED;
    return start_new(l, type, rows, cols, ld);
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l)
{
    if (emulib::enter("cublasLtMatrixLayoutDestroy")) return CUBLAS_STATUS_INVALID_VALUE;
    return destroy(l, LIVE_LAYOUT);
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t l,
                                                cublasLtMatrixLayoutAttribute_t attribute,
                                                const void *buf, size_t nbytes)
{
    if (emulib::enter("cublasLtMatrixLayoutSetAttribute")) return CUBLAS_STATUS_INVALID_VALUE;
    return set((void *)layout_of(l), find(layout_fields, attribute), buf, nbytes);
}

cublasStatus_t cublasLtMatrixLayoutGetAttribute(cublasLtMatrixLayout_t l,
                                                cublasLtMatrixLayoutAttribute_t attribute,
                                                void *buf, size_t nbytes, size_t *written)
{
    if (emulib::enter("cublasLtMatrixLayoutGetAttribute")) return CUBLAS_STATUS_INVALID_VALUE;
    return get(layout_of(l), find(layout_fields, attribute), buf, nbytes, written);
}

cublasStatus_t cublasLtMatmulDescInit_internal(cublasLtMatmulDesc_t d, size_t size,
                                               cublasComputeType_t compute, cudaDataType_t scale)
{
    if (emulib::enter("cublasLtMatmulDescInit")) return CUBLAS_STATUS_ALLOC_FAILED;
    return start_in(d, size, compute, scale);
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *d, cublasComputeType_t compute,
                                        cudaDataType_t scale)
{
    if (emulib::enter("cublasLtMatmulDescCreate")) return CUBLAS_STATUS_ALLOC_FAILED;
    return start_new(d, compute, scale);
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d)
{
    if (emulib::enter("cublasLtMatmulDescDestroy")) return CUBLAS_STATUS_INVALID_VALUE;
    return destroy(d, LIVE_DESC);
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d,
                                              cublasLtMatmulDescAttributes_t attribute,
                                              const void *buf, size_t nbytes)
{
    if (emulib::enter("cublasLtMatmulDescSetAttribute")) return CUBLAS_STATUS_INVALID_VALUE;
    return set((void *)desc_of(d), find(desc_fields, attribute), buf, nbytes);
}

cublasStatus_t cublasLtMatmulDescGetAttribute(cublasLtMatmulDesc_t d,
                                              cublasLtMatmulDescAttributes_t attribute, void *buf,
                                              size_t nbytes, size_t *written)
{
    if (emulib::enter("cublasLtMatmulDescGetAttribute")) return CUBLAS_STATUS_INVALID_VALUE;
    return get(desc_of(d), find(desc_fields, attribute), buf, nbytes, written);
}

cublasStatus_t cublasLtMatmulPreferenceInit_internal(cublasLtMatmulPreference_t p, size_t size)
{
    if (emulib::enter("cublasLtMatmulPreferenceInit")) return CUBLAS_STATUS_ALLOC_FAILED;
    return start_in(p, size);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *p)
{
    if (emulib::enter("cublasLtMatmulPreferenceCreate")) return CUBLAS_STATUS_ALLOC_FAILED;
    return start_new(p);
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p)
{
    if (emulib::enter("cublasLtMatmulPreferenceDestroy")) return CUBLAS_STATUS_INVALID_VALUE;
    return destroy(p, LIVE_PREFERENCE);
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t p,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void *buf, size_t nbytes)
{
    if (emulib::enter("cublasLtMatmulPreferenceSetAttribute")) return CUBLAS_STATUS_INVALID_VALUE;
    return set((void *)preference_of(p), find(preference_fields, attribute), buf, nbytes);
}

cublasStatus_t cublasLtMatmulPreferenceGetAttribute(cublasLtMatmulPreference_t p,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    void *buf, size_t nbytes, size_t *written)
{
    if (emulib::enter("cublasLtMatmulPreferenceGetAttribute")) return CUBLAS_STATUS_INVALID_VALUE;
    return get(preference_of(p), find(preference_fields, attribute), buf, nbytes, written);
}

} // extern "C"
