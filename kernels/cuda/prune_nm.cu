/* kernels/cuda/prune_nm.cu - the largest `keep` of every `of` weights. An element goes when as many
 * as `keep` come before it: larger magnitudes first, then lower indices.
 * Read next: kernels/ref/ref_passes.c (the meaning). */
#include "kernels/cuda/pass.cuh"

enum { MOST_OF = 1024, TILE = 2048 };

/* ---- groups of 2, 4 and 8: a thread's registers hold them -------------------------------------*/

/* Each pair of a group is compared once. */
template <int OF> static __device__ __forceinline__ void prune_group(float *x, int keep)
{
    int rank[OF] = { 0 };
#pragma unroll
    for (int i = 0; i < OF; i++) {
#pragma unroll
        for (int j = i + 1; j < OF; j++) {
            bool later = magnitude(x[j]) > magnitude(x[i]);
            rank[i] += later;
            rank[j] += !later;
        }
    }
#pragma unroll
    for (int i = 0; i < OF; i++) x[i] = rank[i] < keep ? x[i] : 0;
}

/* W floats a step, whole groups. */
template <int OF>
static __global__ void __launch_bounds__(THREADS) prune_small(float *x, size_t n, int keep)
{
    enum { W = OF < 4 ? 4 : OF };
    size_t first = (size_t)blockIdx.x * THREADS + threadIdx.x;
    size_t stride = (size_t)gridDim.x * THREADS, steps = n / W;
    bool wide = aligned(x, 16);
    for (size_t i = first; i < steps; i += stride) {
        alignas(16) float v[W];
        float *at = x + i * W;
#pragma unroll
        for (int j = 0; j < W; j += 4) {
            if (wide) *(float4 *)(v + j) = *(const float4 *)(at + j);
            else
#pragma unroll
                for (int e = j; e < j + 4; e++) v[e] = at[e];
        }
#pragma unroll
        for (int j = 0; j < W; j += OF) prune_group<OF>(v + j, keep);
#pragma unroll
        for (int j = 0; j < W; j += 4) {
            if (wide) *(float4 *)(at + j) = *(const float4 *)(v + j);
            else
#pragma unroll
                for (int e = j; e < j + 4; e++) at[e] = v[e];
        }
    }
    /* with groups of 2 one may be left */
    if (first == 0 && W > OF && n % W >= OF) prune_group<OF>(x + steps * W, keep);
}

/* ---- other groups: a block of threads holds a tile of whole ones in shared memory -------------
 */

static __global__ void __launch_bounds__(THREADS) prune_any(float *x, size_t n, int keep, int of)
{
    __shared__ uint32_t key[TILE];
    int width = TILE / of * of;
    for (size_t tile = (size_t)blockIdx.x * width; tile < n; tile += (size_t)gridDim.x * width) {
        int here = (int)min((size_t)width, n - tile);
        __syncthreads(); /* the tile before has been read */
        for (int i = (int)threadIdx.x; i < here; i += THREADS) key[i] = magnitude(x[tile + i]);
        __syncthreads();
        for (int i = (int)threadIdx.x; i < here; i += THREADS) {
            int group = i / of * of, rank = 0;
            uint32_t mine = key[i];
            for (int j = group; j < i; j++) rank += key[j] >= mine;
            for (int j = i + 1; j < group + of; j++) rank += key[j] > mine;
            if (rank >= keep) x[tile + i] = 0;
        }
    }
}

template <int OF> static cudaError_t launch(float *x, size_t n, int keep, cudaStream_t s)
{
    unsigned blocks = grid_for(parts_of(n, 8 * THREADS));
    prune_small<OF><<<blocks, THREADS, 0, s>>>(x, n, keep);
    return cudaGetLastError();
}

cudaError_t pe_cu_prune_nm(float *x, size_t n, int keep, int of, cudaStream_t s)
{
    if (keep < 1 || keep > of || of > MOST_OF) return cudaErrorInvalidValue;
    n -= n % (size_t)of;
    if (n == 0 || keep == of) return cudaSuccess;
    if (of == 2) return launch<2>(x, n, keep, s);
    if (of == 4) return launch<4>(x, n, keep, s);
    if (of == 8) return launch<8>(x, n, keep, s);
    prune_any<<<grid_for(parts_of(n, TILE)), THREADS, 0, s>>>(x, n, keep, of);
    return cudaGetLastError();
}
