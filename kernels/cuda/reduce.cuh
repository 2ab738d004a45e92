/* kernels/cuda/reduce.cuh - the row reductions of kernels/kernels.h: sixteen lanes, lane = column
 * mod 16, so half a warp takes a row. Read next: kernels/cuda/norm.cu. */
#ifndef PE_KERNELS_CUDA_REDUCE_CUH
#define PE_KERNELS_CUDA_REDUCE_CUH

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/math.cuh"

constexpr unsigned SUM_LANES = 16;

/* The fold 8, 4, 2, 1 within each half of the warp, which every one of its lanes gets: what lane i
 * adds to its own is what lane i ^ step adds, and a + b = b + a. All 32 lanes call it. */
__device__ __forceinline__ float fold_sum(float lane)
{
#pragma unroll
    for (int step = SUM_LANES / 2; step > 0; step /= 2)
        lane += __shfl_xor_sync(EVERY_LANE, lane, step);
    return lane;
}

__device__ __forceinline__ float fold_max(float lane)
{
#pragma unroll
    for (int step = SUM_LANES / 2; step > 0; step /= 2)
        lane = second_max(__shfl_xor_sync(EVERY_LANE, lane, step), lane);
    return lane;
}

/* Sum over a warp, in an order of its own: for results that are only close, or integers. */
template <typename T> __device__ __forceinline__ T warp_sum(T v)
{
#pragma unroll
    for (int step = WARP / 2; step > 0; step /= 2) v += __shfl_xor_sync(EVERY_LANE, v, step);
    return v;
}

#endif
