/* kernels/cuda/mse.cu - errors of clipped scales on a sample, each one chain of sums in order: the
 * bits of lib/calib/ranges.c. A chain takes some 10 cycles a value and there is one block a scale,
 * so samples of 65,536 values take well under a millisecond whatever the number of scales.
 * Read next: lib/calib/ranges.c. */
#include "kernels/cuda/pass.cuh"

enum { TILE = 1024 }; /* terms that are made while the tile before is summed */

static __device__ __forceinline__ double squared_error(double x, double scale)
{
    double code = rint(x / scale), off;
    code = code < -127 ? -127 : code > 127 ? 127 : code;
    off = code * scale - x;
    return off * off;
}

/* Warp 0 sums, the other ones make terms. */
static __global__ void __launch_bounds__(THREADS + WARP)
    mse(double *sums, const double *scale, const float *x, size_t count, size_t step)
{
    __shared__ double terms[2][TILE];
    size_t ntiles = count / TILE + (count % TILE != 0);
    double sum = sums[blockIdx.x], s = scale[blockIdx.x];
    for (size_t t = 0; t <= ntiles; t++) {
        if (threadIdx.x >= WARP && t < ntiles) {
            size_t first = t * TILE, n = min((size_t)TILE, count - first);
            for (size_t i = threadIdx.x - WARP; i < n; i += THREADS)
                terms[t % 2][i] = squared_error((double)x[(first + i) * step], s);
        }
        if (threadIdx.x == 0 && t > 0) {
            const double *tile = terms[(t - 1) % 2];
            int n = (int)min((size_t)TILE, count - (t - 1) * TILE);
#pragma unroll 8
            for (int i = 0; i < n; i++) sum += tile[i];
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

cudaError_t pe_cu_mse(double *sums, const double *scale, size_t ni, const float *x, size_t n,
                      size_t step, cudaStream_t s)
{
    if (ni == 0 || n == 0) return cudaSuccess;
    if (ni > INT32_MAX || step == 0) return cudaErrorInvalidValue;
    mse<<<(unsigned)ni, THREADS + WARP, 0, s>>>(sums, scale, x, parts_of(n, step), step);
    return cudaGetLastError();
}
