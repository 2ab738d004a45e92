/* kernels/cuda/pool.cu - the mean of a row's tokens. A thread takes a column of a row: ascending
 * sums, several loads on their way at once. Read next: kernels/ref/ref_rows.c. */
#include "kernels/cuda/launch.cuh"

enum { THREADS = 128 };

struct pool_call {
    float *y;
    const float *x;
    const uint32_t *row_begin;
    size_t nrows, d, pieces; /* of THREADS columns in a row */
};

static __global__ void __launch_bounds__(THREADS) mean_pool(pool_call c)
{
    for (size_t unit = blockIdx.x; unit < c.nrows * c.pieces; unit += gridDim.x) {
        size_t r = unit / c.pieces, i = unit % c.pieces * THREADS + threadIdx.x;
        size_t first = c.row_begin[r], len = c.row_begin[r + 1] - first;
        if (i >= c.d) continue;
        const float *x = c.x + first * c.d + i;
        float sum = 0.0f;
#pragma unroll 8
        for (size_t t = 0; t < len; t++) sum += __ldg(x + t * c.d);
        c.y[r * c.d + i] = len ? __fdiv_rn(sum, (float)len) : 0.0f;
    }
}

cudaError_t pe_cu_mean_pool(float *y, const float *x, const uint32_t *row_begin, size_t nrows,
                            size_t d, cudaStream_t s)
{
    if (nrows == 0 || d == 0) return cudaSuccess;
    pool_call c = { y, x, row_begin, nrows, d, parts_of(d, THREADS) };
    mean_pool<<<grid_for(nrows * c.pieces), THREADS, 0, s>>>(c);
    return cudaGetLastError();
}
