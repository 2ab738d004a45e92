/* kernels/cuda/launch.cuh - grids of any size, alignment, 16-byte loads, magnitudes, four codes:
 * what all kernels share. Read next: kernels/cuda/embed.cu, the simplest user. */
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
inline unsigned grid_for(size_t units, unsigned most = MOST_BLOCKS)
{
    return units < most ? (unsigned)units : most;
}

/* A grid with a block for each unit, for kernels that do not come round; 0: more than there can be
 * (and more than any memory holds). */
inline unsigned whole_grid_for(size_t units)
{
    return units <= 0x7fffffff ? (unsigned)units : 0;
}

__host__ __device__ inline bool aligned(const void *p, size_t nbytes)
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

/* ---- values ---------------------------------------------------------------------------------- */

/* Magnitudes compared as integers: NaN and Inf lie above every finite number. */
constexpr unsigned INF_BITS = 0x7f800000u, NAN_BITS = 0x7fc00000u; /* the NaN of <math.h> */

__device__ __forceinline__ uint32_t magnitude(float x)
{
    return __float_as_uint(x) & 0x7fffffffu;
}

__device__ __forceinline__ uint32_t largest(uint32_t most, const floats<4> &x)
{
#pragma unroll
    for (int j = 0; j < 4; j++) most = max(most, magnitude(x.v[j]));
    return most;
}

__device__ __forceinline__ uint32_t low_bytes(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    return __byte_perm(__byte_perm(a, b, 0x0040), __byte_perm(c, d, 0x0040), 0x5410);
}

/* Codes of four values as they lie in memory; code(x) has one in its low byte. */
template <typename F> __device__ __forceinline__ uint32_t codes_of(const floats<4> &x, F code)
{
    return low_bytes(code(x.v[0]), code(x.v[1]), code(x.v[2]), code(x.v[3]));
}

/* ---- threads --------------------------------------------------------------------------------- */

/* This warp among all of the grid, blocks of NTHREADS, and how many there are. */
template <int NTHREADS> __device__ __forceinline__ size_t grid_warp()
{
    return (size_t)blockIdx.x * (NTHREADS / WARP) + threadIdx.x / WARP;
}
template <int NTHREADS> __device__ __forceinline__ size_t grid_warps()
{
    return (size_t)gridDim.x * (NTHREADS / WARP);
}
__device__ __forceinline__ unsigned warp_lane()
{
    return threadIdx.x % WARP;
}

#endif
