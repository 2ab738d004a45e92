/* registry.cc - from host addresses to kernels and variables. Read next: registry.hh,
 * api_launch.cc. */
#include "tests/emu/runtime/registry.hh"

#include <cstdio>
#include <map>
#include <set>

namespace emu
{

namespace
{

struct HostVariable {
    FatBinary *fat;
    std::string name;
    size_t nbytes;
};

struct Registry {
    std::set<FatBinary *> binaries;
    std::map<const void *, std::unique_ptr<HostFunction>> functions;
    std::map<const void *, HostVariable> variables;
};

/* Never destroyed: programs unregister after this library's own statics are gone. */
Registry &registry()
{
    static Registry *r = new Registry;
    return *r;
}

} // namespace

FatBinary *add_fat_binary(const void *data)
{
    FatBinary *f = new FatBinary;
    f->data = data;
    registry().binaries.insert(f);
    return f;
}

/* PE_EMU_STATS, when a program ends or is unloaded. */
static void print_statistics(const Module &m)
{
    for (auto &i : m.kernels) {
        const Kernel &k = *i.second;
        if (!k.launches) continue;
        fprintf(stderr,
                "emu: %s: %llu launches, %llu warp and %llu thread instructions, %.3f s, "
                "%.1f M thread instructions/s\n",
                k.name.c_str(), (unsigned long long)k.launches, (unsigned long long)k.warp_steps,
                (unsigned long long)k.thread_steps, k.seconds,
                k.seconds > 0 ? (double)k.thread_steps / k.seconds / 1e6 : 0);
    }
}

void remove_fat_binary(FatBinary *f)
{
    if (options().stats && f->module) print_statistics(*f->module);
    auto &functions = registry().functions;
    for (auto i = functions.begin(); i != functions.end();) {
        i = i->second->fat == f ? functions.erase(i) : std::next(i);
    }
    auto &variables = registry().variables;
    for (auto i = variables.begin(); i != variables.end();) {
        i = i->second.fat == f ? variables.erase(i) : std::next(i);
    }
    registry().binaries.erase(f);
    delete f;
}

void add_function(FatBinary *f, const void *host, const char *name)
{
    registry().functions[host] = std::make_unique<HostFunction>(HostFunction{ f, name });
}

void add_variable(FatBinary *f, const void *host, const char *name, size_t nbytes)
{
    registry().variables[host] = { f, name, nbytes };
}

cudaError_t FatBinary::load()
{
    if (tried) return error;
    tried = true;
    std::string found, text;
    try {
        text = best_ptx(data, options().cc, &found);
        if (text.empty()) {
            fprintf(stderr,
                    "emu: no PTX for compute capability %d.%d (found: %s); compile with "
                    "-gencode arch=compute_80,code=compute_80\n",
                    options().cc / 10, options().cc % 10,
                    found.empty() ? "nothing" : found.c_str());
            return error = cudaErrorNoKernelImageForDevice;
        }
        module = std::make_shared<Module>(std::move(text));
    } catch (const Fault &f) {
        fprintf(stderr, "emu: %s\n", f.text.c_str());
        error = f.code;
    }
    return error;
}

HostFunction *function_handle(const void *host)
{
    auto i = registry().functions.find(host);
    if (i != registry().functions.end()) return i->second.get();
    for (auto &f : registry().functions) {
        if (f.second.get() == host) return f.second.get();
    }
    return nullptr;
}

cudaError_t find_kernel(const void *host, Kernel **k)
{
    HostFunction *f = function_handle(host);
    if (!f) return cudaErrorInvalidDeviceFunction;
    if (cudaError_t e = f->fat->load()) return e;
    *k = f->fat->module->kernel(f->name);
    if (!*k) return cudaErrorInvalidDeviceFunction;
    try {
        decode(**k);
    } catch (const Fault &fault) {
        fprintf(stderr, "emu: %s\n", fault.text.c_str());
        return fault.code;
    }
    return cudaSuccess;
}

cudaError_t find_variable(const void *host, u64 *at, size_t *nbytes)
{
    auto i = registry().variables.find(host);
    if (i == registry().variables.end()) return cudaErrorInvalidSymbol;
    if (cudaError_t e = i->second.fat->load()) return e;
    auto &known = i->second.fat->module->variables;
    auto v = known.find(i->second.name);
    if (v == known.end()) return cudaErrorInvalidSymbol;
    *at = v->second.at;
    *nbytes = i->second.nbytes;
    return cudaSuccess;
}

} // namespace emu
