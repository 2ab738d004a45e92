/* registry.hh - kernels and variables that programs register, found by their host addresses.
 * Read next: registry.cc, fatbin.cc. */
#ifndef PE_TESTS_EMU_REGISTRY_HH
#define PE_TESTS_EMU_REGISTRY_HH

#include "tests/emu/runtime/ptx.hh"

namespace emu
{

/* The PTX in a fat binary that suits the device best, loaded when first needed. */
struct FatBinary {
    const void *data;
    bool tried = false;
    cudaError_t error = cudaSuccess;
    std::shared_ptr<Module> module; /* launches under way hold it too */

    cudaError_t load(); /* once; says on stderr why it failed */
};

/* The text of the PTX for the highest architecture that is not above cc; "" when there is none.
 * Entries may be plain, zstd or LZ4. *found: what the binary holds, for the message. */
std::string best_ptx(const void *data, int cc, std::string *found);

struct HostFunction {
    FatBinary *fat;
    std::string name;
};

FatBinary *add_fat_binary(const void *data);
void remove_fat_binary(FatBinary *f);
void add_function(FatBinary *f, const void *host, const char *name);
void add_variable(FatBinary *f, const void *host, const char *name, size_t nbytes);

/* Both load what they need. Host addresses, or what function_handle() gave. */
cudaError_t find_kernel(const void *host, Kernel **k);
cudaError_t find_variable(const void *host, u64 *at, size_t *nbytes);
HostFunction *function_handle(const void *host); /* NULL when there is none */

} // namespace emu

#endif
