/* kernels/cuda/launch.cuh - grids of any size, alignment, 16-byte loads: what the ops share.
 * Read next: kernels/cuda/embed.cu, the simplest user. */
#ifndef PE_KERNELS_CUDA_LAUNCH_CUH
#define PE_KERNELS_CUDA_LAUNCH_CUH

#include "kernels/cuda/cuda.h"

constexpr unsigned WARP = 32, EVERY_LANE = 0xffffffffu;

/* Blocks for n units of work, `per_block` in one. Where there are more than `most`, kernels come
 * round again: they walk in strides of the grid. */
inline unsigned blocks_for(size_t n, size_t per_block, size_t most = 0x7fffffff)
{
    size_t blocks = n / per_block + (n % per_block != 0);
    return (unsigned)(blocks < most ? blocks : most);
}

inline bool aligned(const void *p, size_t nbytes)
{
    return (size_t)p % nbytes == 0;
}

/* Whether rows at p, ld floats apart, can be read four floats at a time; NULL can. */
inline bool rows_of_4(const void *p, size_t ld)
{
    return aligned(p, 16) && (p == nullptr || ld % 4 == 0);
}

/* N floats, moved at once. */
template <int N> struct alignas(4 * N) floats {
    float v[N];
};

template <int N> __device__ __forceinline__ floats<N> load_floats(const float *p)
{
    return *reinterpret_cast<const floats<N> *>(p);
}

template <int N> __device__ __forceinline__ void store_floats(float *p, const floats<N> &x)
{
    *reinterpret_cast<floats<N> *>(p) = x;
}

/* This warp among all of the grid, and how many there are. */
__device__ __forceinline__ size_t grid_warp()
{
    return (size_t)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
}
__device__ __forceinline__ size_t grid_warps()
{
    return (size_t)gridDim.x * (blockDim.x / WARP);
}
__device__ __forceinline__ unsigned warp_lane()
{
    return threadIdx.x % WARP;
}

#endif
