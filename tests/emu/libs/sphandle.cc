/* tests/emu/libs/sphandle.cc - handles, statuses and destruction in the stand-in for cuSPARSE.
 * Read next: spcreate.cc. */
#include "sp.hh"

#include <cstdarg>
#include <mutex>

#include "refusal.hh"

namespace sp
{

static const struct {
    cusparseStatus_t status;
    const char *name, *text;
} statuses[] = {
    { CUSPARSE_STATUS_SUCCESS, "CUSPARSE_STATUS_SUCCESS", "success" },
    { CUSPARSE_STATUS_NOT_INITIALIZED, "CUSPARSE_STATUS_NOT_INITIALIZED", "initialization error" },
    { CUSPARSE_STATUS_ALLOC_FAILED, "CUSPARSE_STATUS_ALLOC_FAILED", "out of memory" },
    { CUSPARSE_STATUS_INVALID_VALUE, "CUSPARSE_STATUS_INVALID_VALUE", "invalid value" },
    { CUSPARSE_STATUS_ARCH_MISMATCH, "CUSPARSE_STATUS_ARCH_MISMATCH", "architecture mismatch" },
    { CUSPARSE_STATUS_MAPPING_ERROR, "CUSPARSE_STATUS_MAPPING_ERROR",
      "texture memory mapping error" },
    { CUSPARSE_STATUS_EXECUTION_FAILED, "CUSPARSE_STATUS_EXECUTION_FAILED",
      "kernel launch failure" },
    { CUSPARSE_STATUS_INTERNAL_ERROR, "CUSPARSE_STATUS_INTERNAL_ERROR", "internal error" },
    { CUSPARSE_STATUS_MATRIX_TYPE_NOT_SUPPORTED, "CUSPARSE_STATUS_MATRIX_TYPE_NOT_SUPPORTED",
      "matrix type not supported" },
    { CUSPARSE_STATUS_ZERO_PIVOT, "CUSPARSE_STATUS_ZERO_PIVOT", "zero pivot" },
    { CUSPARSE_STATUS_NOT_SUPPORTED, "CUSPARSE_STATUS_NOT_SUPPORTED", "operation not supported" },
    { CUSPARSE_STATUS_INSUFFICIENT_RESOURCES, "CUSPARSE_STATUS_INSUFFICIENT_RESOURCES",
      "insufficient resources" },
};

cusparseStatus_t invalid(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    emulib::refused(format, arguments);
    va_end(arguments);
    return CUSPARSE_STATUS_INVALID_VALUE;
}

cusparseStatus_t unsupported(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    emulib::refused(format, arguments);
    va_end(arguments);
    return CUSPARSE_STATUS_NOT_SUPPORTED;
}

cusparseStatus_t missing(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    emulib::missing(format, arguments);
    va_end(arguments);
    return CUSPARSE_STATUS_NOT_SUPPORTED;
}

/* NULL is fine, as in the library. */
cusparseStatus_t destroy(void *object, uint64_t *magic, uint64_t live)
{
    static std::mutex lock;
    static std::vector<void *> *graveyard = new std::vector<void *>;
    if (!object) return CUSPARSE_STATUS_SUCCESS;
    if (*magic != live) {
        emulib::broken("not a live object of this kind, or destroyed twice");
        return CUSPARSE_STATUS_INVALID_VALUE;
    }
    *magic = 0;
    emulib::count_object("cuSPARSE", -1);
    std::lock_guard<std::mutex> hold(lock);
    graveyard->push_back(object);
    return CUSPARSE_STATUS_SUCCESS;
}

} // namespace sp

using namespace sp;

extern "C" {

cusparseStatus_t cusparseCreate(cusparseHandle_t *handle)
{
    if (emulib::enter("cusparseCreate")) return CUSPARSE_STATUS_ALLOC_FAILED;
    if (!handle) return invalid("the handle's place is NULL");
    if (emulib::capability() == 0) return CUSPARSE_STATUS_NOT_INITIALIZED;
    emulib::count_object("cuSPARSE", 1);
    *handle = new cusparseContext{ LIVE_SPHANDLE, nullptr, CUSPARSE_POINTER_MODE_HOST };
    return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseDestroy(cusparseHandle_t handle)
{
    if (emulib::enter("cusparseDestroy")) return CUSPARSE_STATUS_INTERNAL_ERROR;
    return destroy(handle, handle ? &handle->magic : nullptr, LIVE_SPHANDLE);
}

cusparseStatus_t cusparseGetVersion(cusparseHandle_t handle, int *version)
{
    if (emulib::enter("cusparseGetVersion")) return CUSPARSE_STATUS_INVALID_VALUE;
    if (!alive(handle) || !version) return invalid("the handle or the version's place is NULL");
    *version = CUSPARSE_VERSION;
    return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseSetStream(cusparseHandle_t handle, cudaStream_t stream)
{
    if (emulib::enter("cusparseSetStream")) return CUSPARSE_STATUS_INVALID_VALUE;
    if (!alive(handle)) return invalid("the handle is NULL or destroyed");
    handle->stream = stream;
    return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseSetPointerMode(cusparseHandle_t handle, cusparsePointerMode_t mode)
{
    if (emulib::enter("cusparseSetPointerMode")) return CUSPARSE_STATUS_INVALID_VALUE;
    if (!alive(handle)) return invalid("the handle is NULL or destroyed");
    if (mode != CUSPARSE_POINTER_MODE_HOST && mode != CUSPARSE_POINTER_MODE_DEVICE)
        return invalid("pointer mode %d does not exist", mode);
    handle->pointer_mode = mode;
    return CUSPARSE_STATUS_SUCCESS;
}

const char *cusparseGetErrorName(cusparseStatus_t status)
{
    for (const auto &s : statuses)
        if (s.status == status) return s.name;
    return "unrecognized error code";
}

const char *cusparseGetErrorString(cusparseStatus_t status)
{
    for (const auto &s : statuses)
        if (s.status == status) return s.text;
    return "unrecognized error code";
}

cusparseStatus_t cusparseDestroySpMat(cusparseConstSpMatDescr_t m)
{
    if (emulib::enter("cusparseDestroySpMat")) return CUSPARSE_STATUS_INVALID_VALUE;
    SpMat *matrix = const_cast<SpMat *>(m);
    return destroy(matrix, matrix ? &matrix->magic : nullptr, LIVE_SPMAT);
}

cusparseStatus_t cusparseDestroyDnMat(cusparseConstDnMatDescr_t m)
{
    if (emulib::enter("cusparseDestroyDnMat")) return CUSPARSE_STATUS_INVALID_VALUE;
    DnMat *matrix = const_cast<DnMat *>(m);
    return destroy(matrix, matrix ? &matrix->magic : nullptr, LIVE_DNMAT);
}

cusparseStatus_t cusparseDestroyDnVec(cusparseConstDnVecDescr_t v)
{
    if (emulib::enter("cusparseDestroyDnVec")) return CUSPARSE_STATUS_INVALID_VALUE;
    DnVec *vector = const_cast<DnVec *>(v);
    return destroy(vector, vector ? &vector->magic : nullptr, LIVE_DNVEC);
}

} // extern "C"
