/* api.hh - what every entry point begins and ends with. Read next: api_memory.cc. */
#ifndef PE_TESTS_EMU_API_HH
#define PE_TESTS_EMU_API_HH

#include "tests/emu/runtime/heap.hh"
#include "tests/emu/runtime/stream.hh"

namespace emu
{

/* Takes the lock; counts the call and fails it if PE_EMU_FAIL says so, if there is no device, if
 * the driver is too old, or if an error made the context unusable:
 *
 *     Call call("cudaFoo");
 *     if (call.refused()) return call.error();
 *     if (!p) return call.done(cudaErrorInvalidValue);
 *     ...
 *     return call.done(cudaSuccess);
 */
class Call
{
  public:
    explicit Call(const char *name);
    bool refused() const { return error_ != cudaSuccess; }
    cudaError_t error() const { return error_; }
    /* Remembers the error for cudaGetLastError(). Success becomes the sticky error, if any. */
    cudaError_t done(cudaError_t e);

  private:
    std::lock_guard<std::recursive_mutex> hold_;
    cudaError_t error_ = cudaSuccess;
};

/* Limits of the emulated device. */
struct Device {
    int sms, threads_per_sm, blocks_per_sm;
    u32 shared_per_block, shared_optin, shared_per_sm;
};
Device device();
/* The host has waited: pools give back what they hold beyond their thresholds. */
void shrink_pools();
cudaError_t device_present(); /* cudaSuccess, or why there is none */

} // namespace emu

#endif
