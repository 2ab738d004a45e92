/* program.cuh - the frame of the CUDA programs that run on the stand-in runtime: checked calls,
 * device arrays, "ok" and "not ok" lines. Read next: vecadd.cu. */
#ifndef PE_TESTS_EMU_PTX_PROGRAM_CUH
#define PE_TESTS_EMU_PTX_PROGRAM_CUH

#include <cstdio>
#include <cstdlib>
#include <cuda_runtime.h>
#include <vector>

static int failures;

#define CALL(call)                                                                          \
    do {                                                                                    \
        cudaError_t e_ = (call);                                                            \
        if (e_ != cudaSuccess) {                                                            \
            printf("# %s:%d: %s: %s\n", __FILE__, __LINE__, #call, cudaGetErrorString(e_)); \
            failures++;                                                                     \
        }                                                                                   \
    } while (0)
#define EXPECT(condition)                                                     \
    do {                                                                      \
        if (!(condition)) {                                                   \
            printf("# %s:%d: expected %s\n", __FILE__, __LINE__, #condition); \
            failures++;                                                       \
        }                                                                     \
    } while (0)

/* Device memory with the contents of a vector. */
template <class T> struct Device {
    T *p = nullptr;
    size_t n;
    explicit Device(size_t count) : n(count) { CALL(cudaMalloc(&p, n * sizeof(T))); }
    explicit Device(const std::vector<T> &v) : Device(v.size())
    {
        CALL(cudaMemcpy(p, v.data(), n * sizeof(T), cudaMemcpyHostToDevice));
    }
    Device(const Device &) = delete;
    ~Device() { CALL(cudaFree(p)); }
    operator T *() const { return p; }
    std::vector<T> get() const
    {
        std::vector<T> v(n);
        CALL(cudaMemcpy(v.data(), p, n * sizeof(T), cudaMemcpyDeviceToHost));
        return v;
    }
};

/* Numbers that look random and are the same everywhere. */
static inline unsigned int mixed(unsigned int i)
{
    i *= 0x9e3779b9u;
    i ^= i >> 15;
    i *= 0x85ebca6bu;
    return i ^ i >> 13;
}

static int failed;

/* Prints the line of one case; failures begin anew. main() returns `failed`. */
static inline void finish(const char *name)
{
    printf("%s %s\n", failures ? "not ok" : "ok", name);
    fflush(stdout);
    failed |= failures != 0;
    failures = 0;
}

#endif
