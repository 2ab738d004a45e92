/* tests/emu/libs/lt.hh - inside of the stand-in for cuBLASLt: descriptors, and the problem that a
 * product is once all rules hold. Read next: ltdesc.cc, ltrules.cc, ltalgo.cc, ltmatmul.cc. */
#pragma once

#include <cstddef>
#include <cstdint>

#include <cublasLt.h>

#include "span.hh"

namespace lt
{

/* What the opaque types of cublasLt.h hold here. `magic` tells a live one from a destroyed one,
 * from another kind and from memory that never was one; destroyed ones are not given back. */
enum : uint64_t {
    LIVE_LAYOUT = 0x656d752e6c61796f,
    LIVE_DESC = 0x656d752e64657363,
    LIVE_PREFERENCE = 0x656d752e70726566,
    DEAD = 0x656d752e64656164,
};

struct Layout {
    uint64_t magic;
    uint32_t type;
    int32_t order;
    uint64_t rows, cols;
    int64_t ld;
    int32_t batch;
    uint32_t batch_mode;
    int64_t batch_stride, plane_offset;
};

struct Desc {
    uint64_t magic;
    int32_t compute, scale, pointer_mode, transa, transb, transc, fill;
    uint32_t epilogue;
    int32_t sm_count, aux_type, bias_type;
    int32_t a_mode, b_mode, c_mode, d_mode, aux_mode, d_out_mode;
    int8_t fast_accum;
    const void *bias, *aux, *a_scale, *b_scale, *c_scale, *d_scale, *amax_d, *aux_scale, *aux_amax;
    const void *d_out_scale, *emulation;
    int64_t bias_stride, aux_ld, aux_stride, alpha_stride;
};

struct Preference {
    uint64_t magic;
    uint64_t max_workspace, impl_mask;
    uint32_t search, reduction, align[4]; /* A, B, C, D */
    float max_waves;
};

static_assert(sizeof(Layout) <= sizeof(cublasLtMatrixLayoutOpaque_t), "Layout");
static_assert(sizeof(Desc) <= sizeof(cublasLtMatmulDescOpaque_t), "Desc");
static_assert(sizeof(Preference) <= sizeof(cublasLtMatmulPreferenceOpaque_t), "Preference");

/* NULL unless it is a live one of its kind. */
const Layout *layout_of(cublasLtMatrixLayout_t l);
const Desc *desc_of(cublasLtMatmulDesc_t d);
const Preference *preference_of(cublasLtMatmulPreference_t p);
bool alive(cublasLtHandle_t h);
/* Keeps a destroyed object's memory, so that its address cannot come back as another one. */
void bury(void *object);

/* Statuses with their reason (refusal.hh). */
__attribute__((format(printf, 1, 2))) cublasStatus_t invalid(const char *format, ...);
__attribute__((format(printf, 1, 2))) cublasStatus_t unsupported(const char *format, ...);
__attribute__((format(printf, 1, 2))) cublasStatus_t missing(const char *format, ...);

struct Matrix {
    cudaDataType type;
    bool row_major;
    int64_t rows, cols, ld;
    int64_t batch, batch_stride; /* elements */
    emulib::Span span(const void *p) const;
    bool same_as(const Matrix &other) const;
};

/* D[m, n] = act(alpha * op(A)[m, k] * op(B)[k, n] + beta * C[m, n] + bias[m]) */
struct Problem {
    Matrix a, b, c, d;
    int64_t m, n, k, batch;
    bool transa, transb;
    cublasComputeType_t compute;
    cudaDataType scale, bias_type;
    cublasLtPointerMode_t pointer_mode;
    uint32_t epilogue;
    const void *bias;
    int64_t bias_stride, alpha_stride; /* elements, between batches */

    bool integers() const { return a.type == CUDA_R_8I; }
    bool has_bias() const { return epilogue & CUBLASLT_EPILOGUE_BIAS; }
    bool alpha_vector() const
    {
        return pointer_mode == CUBLASLT_POINTER_MODE_ALPHA_DEVICE_VECTOR_BETA_HOST;
    }
};

/* Every rule that needs no matrix pointers; what heuristic, check and product have in common. */
cublasStatus_t make_problem(Problem *p, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
                            cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
                            cublasLtMatrixLayout_t d);
/* make_problem()'s rules of type, epilogue and int8 (ltkinds.cc). */
cublasStatus_t check_kind(Problem *p, const Desc &desc);

/* One way to compute it. */
struct Algo {
    int id;
    int64_t align;      /* bytes, of pointers, leading dimensions and strides */
    int64_t splits;     /* parts of k, summed from the workspace */
    uint64_t workspace; /* bytes it needs for this problem */
};
/* The algorithm that `packed` describes, for this problem; or the default choice for NULL. */
cublasStatus_t unpack_algo(Algo *algo, const cublasLtMatmulAlgo_t *packed, const Problem &p);

/* Host copies of alpha and beta where the pointer mode says host. */
union Scalar {
    float f;
    int32_t i;
};

struct Pointers {
    const void *a, *b, *c, *alpha, *beta;
    void *d, *workspace;
    Scalar host_alpha, host_beta;
};
/* The arithmetic, with the device heap open (ltrun.cc). */
void run(const Problem &p, const Algo &algo, const Pointers &at);

} // namespace lt
