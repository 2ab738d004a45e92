/* kernels/cuda/launch.cuh - grids of any size, alignment, 16-byte loads: what the ops share.
 * Read next: kernels/cuda/embed.cu, the simplest user. */
#ifndef PE_KERNELS_CUDA_LAUNCH_CUH
#define PE_KERNELS_CUDA_LAUNCH_CUH

#include "kernels/cuda/cuda.h"

constexpr unsigned WARP = 32, EVERY_LANE = 0xffffffffu;

/* How many parts of `each` n needs. */
inline size_t parts_of(size_t n, size_t each)
{
    return n / each + (n % each != 0);
}

/* Blocks for so many units of work, one each. Where there are more than enough for any device,
 * kernels come round again: they walk in strides of the grid. An odd number, so that units that are
 * alike in every second or fourth place are spread over all blocks. */
constexpr unsigned MOST_BLOCKS = 4093;
inline unsigned grid_for(size_t units)
{
    return units < MOST_BLOCKS ? (unsigned)units : MOST_BLOCKS;
}

/* A grid with a block for each unit, for kernels that do not come round; 0: more than there can be
 * (and more than any memory holds). */
inline unsigned whole_grid_for(size_t units)
{
    return units <= 0x7fffffff ? (unsigned)units : 0;
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
