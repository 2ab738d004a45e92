/* tests/emu/libs/ltkinds.cc - which types, pointer modes and epilogues cublasLtMatmul() combines:
 * the tables of the cuBLAS 13 manual. Read next: ltalgo.cc. */
#include "lt.hh"

#include <cstdint>

#include "number.hh"
#include "refusal.hh"

namespace lt
{

/* A row of "Datatypes Supported". `bias` is the type of the bias vector, -1 where no epilogue but
 * the default is supported. `here`: whether the stand-in computes it too. */
static const struct Combination {
    cublasComputeType_t compute;
    cudaDataType scale, ab, cd;
    int bias;
    bool here;
} combinations[] = {
    { CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_32F, CUDA_R_32F, CUDA_R_32F, true },
    { CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_16F, CUDA_R_16F, CUDA_R_16F, true },
    { CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_16F, CUDA_R_32F, CUDA_R_32F, true },
    { CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_16BF, CUDA_R_16BF, CUDA_R_16BF, true },
    { CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_16BF, CUDA_R_32F, CUDA_R_32F, true },
    { CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_8I, CUDA_R_32F, -1, false },
    { CUBLAS_COMPUTE_32F_FAST_TF32, CUDA_R_32F, CUDA_R_32F, CUDA_R_32F, CUDA_R_32F, true },
    { CUBLAS_COMPUTE_32F_FAST_16F, CUDA_R_32F, CUDA_R_32F, CUDA_R_32F, CUDA_R_32F, false },
    { CUBLAS_COMPUTE_32F_FAST_16BF, CUDA_R_32F, CUDA_R_32F, CUDA_R_32F, CUDA_R_32F, false },
    { CUBLAS_COMPUTE_32F_EMULATED_16BFX9, CUDA_R_32F, CUDA_R_32F, CUDA_R_32F, CUDA_R_32F, false },
    { CUBLAS_COMPUTE_32I, CUDA_R_32I, CUDA_R_8I, CUDA_R_32I, -1, true },
    { CUBLAS_COMPUTE_32I, CUDA_R_32F, CUDA_R_8I, CUDA_R_8I, -1, true },
    { CUBLAS_COMPUTE_16F, CUDA_R_16F, CUDA_R_16F, CUDA_R_16F, CUDA_R_16F, false },
    { CUBLAS_COMPUTE_64F, CUDA_R_64F, CUDA_R_64F, CUDA_R_64F, CUDA_R_64F, false },
};

/* The pedantic forms have the rows of the plain ones. */
static int plain(int compute)
{
    switch (compute) {
    case CUBLAS_COMPUTE_32F_PEDANTIC: return CUBLAS_COMPUTE_32F;
    case CUBLAS_COMPUTE_32I_PEDANTIC: return CUBLAS_COMPUTE_32I;
    case CUBLAS_COMPUTE_16F_PEDANTIC: return CUBLAS_COMPUTE_16F;
    case CUBLAS_COMPUTE_64F_PEDANTIC: return CUBLAS_COMPUTE_64F;
    default: return compute;
    }
}

static bool is_fp8(cudaDataType type)
{
    return type == CUDA_R_8F_E4M3 || type == CUDA_R_8F_E5M2;
}

static bool is_complex(cudaDataType type)
{
    return type == CUDA_C_32F || type == CUDA_C_64F || type == CUDA_C_16F || type == CUDA_C_16BF ||
           type == CUDA_C_8I;
}

static cublasStatus_t find_combination(const Combination **found, const Problem &p,
                                       const Desc &desc)
{
    if (is_fp8(p.a.type) && is_fp8(p.b.type)) {
        if (emulib::capability() >= 89) return missing("products of fp8");
        return unsupported("fp8 begins with compute capability 8.9");
    }
    if (is_complex(p.a.type)) return missing("products of complex numbers");
    for (const Combination &c : combinations) {
        if (c.compute != plain(desc.compute) || c.scale != desc.scale || c.ab != p.a.type ||
            c.ab != p.b.type || c.cd != p.c.type || c.cd != p.d.type)
            continue;
        if (!c.here)
            return missing("%s times %s giving %s with compute type %d", emulib::name_of(c.ab),
                           emulib::name_of(c.ab), emulib::name_of(c.cd), desc.compute);
        *found = &c;
        return CUBLAS_STATUS_SUCCESS;
    }
    return unsupported("no row for A %s, B %s, C %s, D %s with compute type %d, scale type %d",
                       emulib::name_of(p.a.type), emulib::name_of(p.b.type),
                       emulib::name_of(p.c.type), emulib::name_of(p.d.type), desc.compute,
                       desc.scale);
}

/* "If set for an unsupported matrix data, scale, and compute type combination, calling
 * cublasLtMatmul() will return CUBLAS_INVALID_VALUE": all of these are for fp8 and narrower. That
 * the modes and the fast accumulation without a pointer are refused as well is an inference. */
static cublasStatus_t check_scales(const Desc &d)
{
    if (d.a_scale || d.b_scale || d.c_scale || d.d_scale || d.amax_d || d.d_out_scale)
        return invalid("a scale or maximum pointer, but no fp8 matrix");
    if (d.aux_scale || d.aux_amax) return invalid("scales of an auxiliary matrix, but no fp8");
    if (d.a_mode || d.b_mode || d.c_mode || d.d_mode || d.aux_mode || d.d_out_mode)
        return invalid("a scale mode, but no fp8 matrix");
    if (d.fast_accum) return invalid("fast accumulation, but no fp8 matrix");
    if (d.emulation) return missing("emulation descriptors");
    if (d.sm_count < 0) return invalid("%d multiprocessors", d.sm_count);
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t check_epilogue(Problem *p, const Desc &desc, const Combination &c)
{
    enum { BIAS = CUBLASLT_EPILOGUE_BIAS };
    p->epilogue = desc.epilogue;
    switch (desc.epilogue) {
    case CUBLASLT_EPILOGUE_DEFAULT: return CUBLAS_STATUS_SUCCESS;
    case CUBLASLT_EPILOGUE_BIAS:
    case CUBLASLT_EPILOGUE_RELU:
    case CUBLASLT_EPILOGUE_GELU:
    case CUBLASLT_EPILOGUE_RELU_BIAS:
    case CUBLASLT_EPILOGUE_GELU_BIAS: break;
    case CUBLASLT_EPILOGUE_RELU_AUX:
    case CUBLASLT_EPILOGUE_RELU_AUX_BIAS:
    case CUBLASLT_EPILOGUE_DRELU:
    case CUBLASLT_EPILOGUE_DRELU_BGRAD:
    case CUBLASLT_EPILOGUE_GELU_AUX:
    case CUBLASLT_EPILOGUE_GELU_AUX_BIAS:
    case CUBLASLT_EPILOGUE_DGELU:
    case CUBLASLT_EPILOGUE_DGELU_BGRAD:
    case CUBLASLT_EPILOGUE_BGRADA:
    case CUBLASLT_EPILOGUE_BGRADB:
        if (c.bias < 0) return unsupported("epilogues of %s", emulib::name_of(c.ab));
        return missing("epilogue %u", desc.epilogue);
    default: return invalid("epilogue %u does not exist", desc.epilogue);
    }
    if (c.bias < 0) return unsupported("epilogues of %s", emulib::name_of(c.ab));
    if (p->d.row_major && (desc.epilogue & BIAS) && desc.epilogue != BIAS)
        return unsupported("bias with ReLU or GELU into a row-major D");
    if (!(desc.epilogue & BIAS)) return CUBLAS_STATUS_SUCCESS;
    if (desc.bias_type != -1 && desc.bias_type != c.bias)
        return unsupported("a bias of type %d, expected %s", desc.bias_type,
                           emulib::name_of((cudaDataType)c.bias));
    p->bias_type = (cudaDataType)c.bias;
    p->bias = desc.bias;
    p->bias_stride = p->batch > 1 ? desc.bias_stride : 0;
    if (p->bias_stride < 0) return invalid("a negative batch stride of the bias");
    return CUBLAS_STATUS_SUCCESS;
}

/* Alpha as a vector is a mode of the int8 kernels; the manual's table of int8 output is where it
 * makes sense (f32 scales), so int32 output with it is refused, an inference. */
static cublasStatus_t check_pointer_mode(Problem *p, const Desc &desc)
{
    switch (desc.pointer_mode) {
    case CUBLASLT_POINTER_MODE_HOST:
    case CUBLASLT_POINTER_MODE_DEVICE: break;
    case CUBLASLT_POINTER_MODE_ALPHA_DEVICE_VECTOR_BETA_HOST:
        if (!p->integers() || p->d.type != CUDA_R_8I)
            return unsupported("a vector of alphas for anything but int8 output");
        p->alpha_stride = p->batch > 1 ? desc.alpha_stride : 0;
        if (p->alpha_stride < 0) return invalid("a negative batch stride of alpha");
        break;
    case CUBLASLT_POINTER_MODE_DEVICE_VECTOR:
    case CUBLASLT_POINTER_MODE_ALPHA_DEVICE_VECTOR_BETA_ZERO:
        return unsupported("pointer mode %d without the int8 orders of 8.x", desc.pointer_mode);
    default: return invalid("pointer mode %d does not exist", desc.pointer_mode);
    }
    p->pointer_mode = (cublasLtPointerMode_t)desc.pointer_mode;
    return CUBLAS_STATUS_SUCCESS;
}

/* "To use IMMA kernels", regular data ordering: TN only, m, k and all leading dimensions multiples
 * of 4. Row-major matrices are not named there, so they are refused. */
static cublasStatus_t check_integers(const Problem &p)
{
    if (!p.transa || p.transb) return unsupported("int8 needs A transposed and B not");
    if (p.a.row_major || p.b.row_major || p.d.row_major)
        return unsupported("int8 needs column-major matrices");
    if (p.m % 4 || p.k % 4)
        return unsupported("int8 needs m (%lld) and k (%lld) in fours", (long long)p.m,
                           (long long)p.k);
    if (p.a.ld % 4 || p.b.ld % 4 || p.c.ld % 4 || p.d.ld % 4)
        return unsupported("int8 needs leading dimensions in fours: %lld, %lld, %lld, %lld",
                           (long long)p.a.ld, (long long)p.b.ld, (long long)p.c.ld,
                           (long long)p.d.ld);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t check_kind(Problem *p, const Desc &desc)
{
    const Combination *found = nullptr;
    cublasStatus_t status = find_combination(&found, *p, desc);
    if (status) return status;
    p->compute = (cublasComputeType_t)plain(desc.compute);
    p->scale = found->scale;
    status = check_scales(desc);
    if (!status) status = check_pointer_mode(p, desc);
    if (!status) status = check_epilogue(p, desc, *found);
    if (!status && p->integers()) status = check_integers(*p);
    return status;
}

} // namespace lt
