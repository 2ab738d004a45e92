/* tests/emu/libs/lthandle.cc - handles and statuses of the stand-in for cuBLASLt.
 * Read next: ltdesc.cc. */
#include "lt.hh"

#include <cstdarg>
#include <mutex>
#include <set>
#include <vector>

#include "refusal.hh"

struct cublasLtContext {
    int device;
};

namespace lt
{

static std::mutex lock;
static std::set<cublasLtHandle_t> handles;

void bury(void *object)
{
    static std::vector<void *> *graveyard = new std::vector<void *>;
    std::lock_guard<std::mutex> hold(lock);
    graveyard->push_back(object);
}

bool alive(cublasLtHandle_t h)
{
    std::lock_guard<std::mutex> hold(lock);
    return handles.count(h) != 0;
}

cublasStatus_t invalid(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    emulib::refused(format, arguments);
    va_end(arguments);
    return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t unsupported(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    emulib::refused(format, arguments);
    va_end(arguments);
    return CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t missing(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    emulib::missing(format, arguments);
    va_end(arguments);
    return CUBLAS_STATUS_NOT_SUPPORTED;
}

static const struct {
    cublasStatus_t status;
    const char *name, *text;
} statuses[] = {
    { CUBLAS_STATUS_SUCCESS, "CUBLAS_STATUS_SUCCESS", "success" },
    { CUBLAS_STATUS_NOT_INITIALIZED, "CUBLAS_STATUS_NOT_INITIALIZED",
      "the library was not initialized" },
    { CUBLAS_STATUS_ALLOC_FAILED, "CUBLAS_STATUS_ALLOC_FAILED", "the resource allocation failed" },
    { CUBLAS_STATUS_INVALID_VALUE, "CUBLAS_STATUS_INVALID_VALUE",
      "an unsupported value or parameter was passed to the function" },
    { CUBLAS_STATUS_ARCH_MISMATCH, "CUBLAS_STATUS_ARCH_MISMATCH",
      "the function requires an architectural feature absent from the device" },
    { CUBLAS_STATUS_MAPPING_ERROR, "CUBLAS_STATUS_MAPPING_ERROR",
      "an access to GPU memory space failed" },
    { CUBLAS_STATUS_EXECUTION_FAILED, "CUBLAS_STATUS_EXECUTION_FAILED",
      "the function failed to launch on the GPU" },
    { CUBLAS_STATUS_INTERNAL_ERROR, "CUBLAS_STATUS_INTERNAL_ERROR",
      "an internal operation failed" },
    { CUBLAS_STATUS_NOT_SUPPORTED, "CUBLAS_STATUS_NOT_SUPPORTED",
      "the requested functionality is not supported" },
    { CUBLAS_STATUS_LICENSE_ERROR, "CUBLAS_STATUS_LICENSE_ERROR", "the license check failed" },
};

} // namespace lt

using namespace lt;

extern "C" {

/* Without a device the real library says NOT_INITIALIZED too. */
cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle)
{
    if (emulib::enter("cublasLtCreate")) return CUBLAS_STATUS_ALLOC_FAILED;
    if (!handle) return invalid("the handle's place is NULL");
    if (emulib::capability() == 0) return CUBLAS_STATUS_NOT_INITIALIZED;
    std::lock_guard<std::mutex> hold(lock);
    *handle = new cublasLtContext();
    handles.insert(*handle);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle)
{
    if (emulib::enter("cublasLtDestroy")) return CUBLAS_STATUS_INTERNAL_ERROR;
    if (!handle) return invalid("the handle is NULL");
    lock.lock();
    bool was_alive = handles.erase(handle) != 0;
    lock.unlock();
    if (!was_alive) {
        emulib::broken("no such handle, or destroyed twice");
        return CUBLAS_STATUS_NOT_INITIALIZED;
    }
    bury(handle);
    return CUBLAS_STATUS_SUCCESS;
}

size_t cublasLtGetVersion(void)
{
    return CUBLAS_VERSION;
}

const char *cublasLtGetStatusName(cublasStatus_t status)
{
    for (const auto &s : statuses)
        if (s.status == status) return s.name;
    return "unrecognized status";
}

const char *cublasLtGetStatusString(cublasStatus_t status)
{
    for (const auto &s : statuses)
        if (s.status == status) return s.text;
    return "unrecognized status";
}

} // extern "C"
