/* lib/backend/cuda/status_cuda.c - statuses of CUDA, cuBLASLt and cuSPARSE as one line that says
 * what to do. Read next: lib/backend/cuda/cuda_impl.h. */
#include <stdbool.h>

#include "lib/backend/cuda/cuda_impl.h"
#include "lib/base/error.h"

static const char *name_of(const pe_cuda *d)
{
    return d ? d->name : "cuda";
}

/* The context is gone: no later call can work. */
static bool is_lost(cudaError_t e)
{
    return e == cudaErrorLaunchFailure || e == cudaErrorIllegalAddress ||
           e == cudaErrorMisalignedAddress || e == cudaErrorHardwareStackError ||
           e == cudaErrorIllegalInstruction || e == cudaErrorECCUncorrectable ||
           e == cudaErrorInvalidAddressSpace || e == cudaErrorInvalidPc ||
           e == cudaErrorLaunchTimeout || e == cudaErrorAssert || e == cudaErrorUnknown;
}

/* What keeps a machine's GPUs from being used at all, and what to do; NULL for other errors. */
static const char *unusable(cudaError_t e)
{
    switch (e) {
    case cudaErrorUnsupportedPtxVersion:
        return "the NVIDIA driver is too old for the plugin's code; install a newer driver";
    case cudaErrorDevicesUnavailable:
        return "the GPU is in use exclusively by another process, or closed to all; see nvidia-smi";
    case cudaErrorSystemNotReady:
        return "the GPUs are not ready yet; see whether nvidia-fabricmanager runs";
    case cudaErrorSystemDriverMismatch:
        return "the NVIDIA driver and its libraries have different versions; reboot, or install "
               "both anew";
    case cudaErrorCompatNotSupportedOnDevice:
        return "this GPU does not run CUDA's compatibility libraries; take them out of "
               "LD_LIBRARY_PATH, or install a newer driver";
    default: return NULL;
    }
}

pe_status pe_cuda_check(cudaError_t e, const pe_cuda *d, const char *what, pe_error *err)
{
    const char *why = cudaGetErrorString(e);
    switch (e) {
    case cudaSuccess: return PE_OK;
    case cudaErrorMemoryAllocation:
        (void)cudaGetLastError(); /* not sticky: the next try may be smaller */
        return pe_fail(err, PE_E_NOMEM,
                       "device %s: %s: out of device memory, which others may use, too (see "
                       "nvidia-smi); use a GPU with more free memory, or --device cpu",
                       name_of(d), what);
    case cudaErrorInsufficientDriver:
        return pe_fail(err, PE_E_UNSUPPORTED,
                       "device %s: the NVIDIA driver is missing or too old for this plugin (%s); "
                       "install a newer driver",
                       name_of(d), why);
    case cudaErrorNoDevice:
        return pe_fail(err, PE_E_UNSUPPORTED,
                       "device %s: there is no GPU that CUDA can use (%s); see nvidia-smi, and "
                       "CUDA_VISIBLE_DEVICES",
                       name_of(d), why);
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorInvalidDeviceFunction:
        return pe_fail(err, PE_E_UNSUPPORTED,
                       "device %s: %s: this GPU's architecture is none that the plugin was built "
                       "for (%s); it needs compute capability 8.0 or newer",
                       name_of(d), what, why);
    default: break;
    }
    if (unusable(e))
        return pe_fail(err, PE_E_UNSUPPORTED, "device %s: %s (%s)", name_of(d), unusable(e), why);
    if (is_lost(e))
        return pe_fail(
            err, PE_E_UNSUPPORTED,
            "device %s: %s: the GPU was lost (%s); results so far are not to be trusted, "
            "start again and see dmesg and nvidia-smi",
            name_of(d), what, why);
    return pe_fail(err, PE_E_UNSUPPORTED, "device %s: %s: %s", name_of(d), what, why);
}

pe_status pe_cublas_check(cublasStatus_t s, const pe_cuda *d, const char *what, pe_error *err)
{
    if (s == CUBLAS_STATUS_SUCCESS) return PE_OK;
    if (s == CUBLAS_STATUS_ALLOC_FAILED)
        return pe_cuda_check(cudaErrorMemoryAllocation, d, what, err);
    return pe_fail(err, PE_E_UNSUPPORTED, "device %s: %s: cuBLASLt says %s", name_of(d), what,
                   cublasLtGetStatusString(s));
}

pe_status pe_cusparse_check(cusparseStatus_t s, const pe_cuda *d, const char *what, pe_error *err)
{
    if (s == CUSPARSE_STATUS_SUCCESS) return PE_OK;
    if (s == CUSPARSE_STATUS_ALLOC_FAILED || s == CUSPARSE_STATUS_INSUFFICIENT_RESOURCES)
        return pe_cuda_check(cudaErrorMemoryAllocation, d, what, err);
    return pe_fail(err, PE_E_UNSUPPORTED, "device %s: %s: cuSPARSE says %s", name_of(d), what,
                   cusparseGetErrorString(s));
}
