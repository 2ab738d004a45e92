/* plugin.cu - a library with kernels, opened by dlopen and closed again, twice; and the same file
 * as the program that does it. Read next: program.cuh, runtime/registry.cc. */
#include <cuda_runtime.h>

#ifdef PLUGIN
__device__ int calls;
__global__ void square(float *x, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) x[i] = x[i] * x[i];
    if (i == 0) calls++;
}

extern "C" int plugin_run(float *host, int n)
{
    float *d;
    int count = 0;
    if (cudaMalloc(&d, n * sizeof *d) != cudaSuccess) return -1;
    cudaMemcpy(d, host, n * sizeof *d, cudaMemcpyHostToDevice);
    square<<<(n + 63) / 64, 64>>>(d, n);
    cudaMemcpy(host, d, n * sizeof *d, cudaMemcpyDeviceToHost);
    cudaMemcpyFromSymbol(&count, calls, sizeof count);
    cudaFree(d);
    return cudaGetLastError() == cudaSuccess ? count : -1;
}
#else
#include "program.cuh"

#include <dlfcn.h>
#include <string>

int main(int, char **argv)
{
    std::string path = std::string(argv[0]) + ".so";
    for (int round = 0; round < 2; round++) {
        void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
        EXPECT(library != nullptr);
        if (!library) printf("# %s\n", dlerror());
        auto run = library ? (int (*)(float *, int))dlsym(library, "plugin_run") : nullptr;
        EXPECT(run != nullptr);
        std::vector<float> x(100);
        for (int i = 0; i < 100; i++) x[i] = (float)i;
        /* device variables begin anew with the library */
        if (run) EXPECT(run(x.data(), 100) == 1 && x[99] == 9801);
        if (run) EXPECT(run(x.data(), 100) == 2);
        if (library) dlclose(library);
    }
    finish("library_opened_at_run_time");
    return failed;
}
#endif
