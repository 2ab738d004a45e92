/* api_error.cc - the beginning and end of every call, and the calls about errors.
 * Read next: api.hh. */
#include "tests/emu/runtime/api.hh"

namespace emu
{

static thread_local cudaError_t last;

cudaError_t device_present()
{
    if (options().old_driver) return cudaErrorInsufficientDriver;
    return options().devices ? cudaSuccess : cudaErrorNoDevice;
}

Call::Call(const char *name) : hold_(runtime_mutex())
{
    error_ = device_present();
    if (error_ == cudaSuccess) error_ = sticky_error();
    if (fails_now(name) && error_ == cudaSuccess) {
        bool memory = !strncmp(name, "cudaMalloc", 10) || !strcmp(name, "cudaHostAlloc");
        error_ = memory ? cudaErrorMemoryAllocation : options().failure;
    }
    if (error_ != cudaSuccess) last = error_;
}

cudaError_t Call::done(cudaError_t e)
{
    if (e == cudaSuccess) e = sticky_error();
    if (e != cudaSuccess) last = e;
    return e;
}

static const struct {
    cudaError_t code;
    const char *name, *text;
} errors[] = {
#define EMU_ERROR(code, text) { code, #code, text },
#include "tests/emu/runtime/errors.def"
#undef EMU_ERROR
};

} // namespace emu

extern "C" {

cudaError_t cudaPeekAtLastError(void)
{
    cudaError_t sticky = emu::sticky_error();
    return sticky != cudaSuccess ? sticky : emu::last;
}

cudaError_t cudaGetLastError(void)
{
    cudaError_t e = cudaPeekAtLastError();
    emu::last = cudaSuccess;
    return e;
}

const char *cudaGetErrorName(cudaError_t error)
{
    for (auto &e : emu::errors) {
        if (e.code == error) return e.name;
    }
    return "unrecognized error code";
}

const char *cudaGetErrorString(cudaError_t error)
{
    for (auto &e : emu::errors) {
        if (e.code == error) return e.text;
    }
    return "unrecognized error code";
}

} // extern "C"
