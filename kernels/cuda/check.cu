/* kernels/cuda/check.cu - is everything finite? Read next: kernels/ref/ref_map.c. */
#include "kernels/cuda/launch.cuh"

enum { THREADS = 256, LOADS = 4 };

/* Loads of N floats, LOADS of a thread at once; what lies before and after them is the first
 * threads'. */
static __global__ void __launch_bounds__(THREADS)
    check_finite(uint32_t *bad, const float *x, size_t head, size_t nvec, size_t n)
{
    size_t thread = (size_t)blockIdx.x * THREADS + threadIdx.x,
           threads = (size_t)gridDim.x * THREADS;
    const float *body = x + head;
    uint32_t most = 0;
    for (size_t i = thread; i < nvec; i += LOADS * threads) {
#pragma unroll
        for (size_t j = 0; j < LOADS; j++) {
            if (i + j * threads >= nvec) break;
            floats<4> v = load_floats<4>(body + 4 * (i + j * threads));
#pragma unroll
            for (int k = 0; k < 4; k++) most = max(most, magnitude(v.v[k]));
        }
    }
    if (thread < head) most = max(most, magnitude(x[thread]));
    for (size_t i = head + 4 * nvec + thread; i < n; i += threads)
        most = max(most, magnitude(x[i]));
    if (most >= INF_BITS) atomicOr(bad, 1u);
}

cudaError_t pe_cu_check_finite(uint32_t *bad, const float *x, size_t n, cudaStream_t s)
{
    if (n == 0) return cudaSuccess;
    size_t head = (16 - (size_t)x % 16) % 16 / 4;
    if (head > n) head = n;
    size_t nvec = (n - head) / 4;
    unsigned blocks = grid_for(parts_of(n, 4 * LOADS * THREADS));
    check_finite<<<blocks, THREADS, 0, s>>>(bad, x, head, nvec, n);
    return cudaGetLastError();
}
