/* tests/emu/emu.h - what the stand-in CUDA runtime offers to the stand-ins of the other CUDA
 * libraries. Read next: tests/emu/README.md (the environment), tests/emu/runtime/. */
#ifndef PE_TESTS_EMU_EMU_H
#define PE_TESTS_EMU_EMU_H
#ifdef __cplusplus

#include <cuda_runtime_api.h>
#include <cstddef>
#include <functional>

/* A stand-in does its checks in the call, on the host, and puts the arithmetic into the stream:
 *
 *     if (emu::fails_now("cublasLtMatmul")) return CUBLAS_STATUS_INTERNAL_ERROR;
 *     if (!emu::covers(a, nbytes)) return CUBLAS_STATUS_INVALID_VALUE;
 *     cudaError_t e = emu::enqueue(stream, "cublasLtMatmul", [=] {
 *         if (!emu::initialized(a, nbytes)) emu::violation("cublasLtMatmul: A was never written");
 *         ... read and write device memory through the pointers ...
 *         emu::mark_initialized(d, nbytes_d);
 *     });
 *
 * All calls may be made from any host thread; work runs on the thread that waits for it. */
namespace emu
{

/* Puts work into a stream (NULL or cudaStreamLegacy = the legacy default stream). It runs, with the
 * device heap open to host code, when something waits for it. `what` names it in messages and is
 * copied. cudaErrorInvalidResourceHandle for a stream that does not exist; the sticky error, if
 * there is one. The work must not call the runtime's own functions. */
cudaError_t enqueue(cudaStream_t s, const char *what, std::function<void()> work);

/* Whether one live device allocation (or device variable) covers these bytes; with host == true,
 * pinned host memory too. True for 0 bytes of a live allocation. */
bool covers(const void *p, std::size_t nbytes, bool host = false);

/* Whether every one of these bytes was written since it was allocated. False where covers() is
 * false. Pinned host memory counts as written. */
bool initialized(const void *p, std::size_t nbytes);

/* What the work has written. Only bytes of live device memory are marked. */
void mark_initialized(const void *p, std::size_t nbytes);

/* A broken rule: one line "emu: ..." on stderr, counted, and cudaErrorLaunchFailure is the sticky
 * error from now on. Safe in queued work. */
__attribute__((format(printf, 1, 2))) void violation(const char *format, ...);
unsigned long violations();

/* Whether this call is one that PE_EMU_FAIL names: "cudaMalloc:3,cublasLtMatmul:1" makes the third
 * call of the one and the first of the other fail. Counts the call. */
bool fails_now(const char *function);

/* Bytes of device memory that are allocated and not freed, device variables not counted; and how
 * many allocations hold them. */
std::size_t live_bytes();
std::size_t live_allocations();

} // namespace emu

#endif
#endif
