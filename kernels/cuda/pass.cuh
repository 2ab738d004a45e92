/* kernels/cuda/pass.cuh - what passes over weights, statistics and layouts share: pieces of
 * rows for warps, loads of 16 bytes with scalar ends, sums of a warp or a block.
 * Read next: kernels/cuda/count.cu, the simplest user. */
#ifndef PE_KERNELS_CUDA_PASS_CUH
#define PE_KERNELS_CUDA_PASS_CUH

#include "kernels/cuda/launch.cuh"

enum { THREADS = 256, WARPS = THREADS / WARP };

typedef unsigned long long u64; /* the 64-bit integer of the atomics */

/* Division by a number that the host knows, as a product: a / by exactly while a * by < 2^64, for
 * a * (2^64 / by, rounded up) is then off by less than 2^64 / by. */
typedef struct divisor {
    uint64_t by, inverse; /* 0 for by = 1 */
} divisor;

static inline divisor divisor_of(uint64_t by)
{
    return divisor{ by, by > 1 ? UINT64_MAX / by + 1 : 0 };
}

static __device__ __forceinline__ uint64_t quotient(uint64_t a, const divisor &d)
{
    return d.inverse ? __umul64hi(a, d.inverse) : a;
}

/* ---- pieces of rows -------------------------------------------------------------------------- */

/* A matrix cut into pieces of rows, each the work of one warp. */
typedef struct pieces {
    size_t length, ld; /* of the rows */
    size_t most;       /* elements of a piece */
    divisor per_row;
    uint64_t count;
} pieces;

static inline pieces pieces_of(size_t m, size_t k, size_t ld, size_t most)
{
    size_t per_row = parts_of(k, most);
    return pieces{ k, ld, most, divisor_of(per_row), (uint64_t)m * per_row };
}

/* Where it does not matter which row an element belongs to: rows without gaps are one. */
static inline pieces pieces_of_all(size_t m, size_t k, size_t ld, size_t most)
{
    return ld == k || m == 1 ? pieces_of(1, m * k, m * k, most) : pieces_of(m, k, ld, most);
}

typedef struct piece {
    size_t row, begin, n; /* n elements from column `begin` on */
} piece;

static __device__ __forceinline__ piece piece_at(const pieces &p, uint64_t number)
{
    piece at;
    at.row = quotient(number, p.per_row);
    at.begin = (number - at.row * p.per_row.by) * p.most;
    at.n = min(p.most, p.length - at.begin);
    return at;
}

static inline unsigned grid_of_pieces(const pieces &p, unsigned most = MOST_BLOCKS)
{
    return grid_for(parts_of(p.count, WARPS), most);
}

/* Elements of T from p on to the next address of 16 bytes, n at most. */
template <typename T> static __device__ __forceinline__ size_t head_of(const T *p, size_t n)
{
    size_t head = (0 - (size_t)p) % 16 / sizeof(T);
    return head < n ? head : n;
}

/* f(value, index) for n floats at x by one warp, in ascending order within a lane; four loads of
 * 16 bytes a lane on their way at once. */
template <typename F>
static __device__ __forceinline__ void each_float(const float *x, size_t n, int lane, F f)
{
    size_t head = head_of(x, n), nvec = (n - head) / 4, i = (size_t)lane;
    const float4 *v = (const float4 *)(x + head);
    if (i < head) f(x[i], i);
    for (; i + 3 * WARP < nvec; i += 4 * WARP) {
        float4 a[4];
#pragma unroll
        for (int j = 0; j < 4; j++) a[j] = __ldg(v + i + j * WARP);
#pragma unroll
        for (int j = 0; j < 4; j++) {
            size_t at = head + 4 * (i + (size_t)j * WARP);
            f(a[j].x, at), f(a[j].y, at + 1), f(a[j].z, at + 2), f(a[j].w, at + 3);
        }
    }
    for (; i < nvec; i += WARP) {
        float4 a = __ldg(v + i);
        size_t at = head + 4 * i;
        f(a.x, at), f(a.y, at + 1), f(a.z, at + 2), f(a.w, at + 3);
    }
    i = head + 4 * nvec + (size_t)lane;
    if (i < n) f(x[i], i);
}

/* ---- sums ------------------------------------------------------------------------------------ */

/* op over the lanes of a warp; every lane gets it. op is associative and commutative. */
template <typename T, typename F> static __device__ __forceinline__ T warp_all(T v, F op)
{
#pragma unroll
    for (int step = WARP / 2; step > 0; step /= 2) v = op(v, __shfl_xor_sync(EVERY_LANE, v, step));
    return v;
}

struct plus_u64 {
    __device__ u64 operator()(u64 a, u64 b) const { return a + b; }
};

/* Sum over a block of THREADS; every thread gets it. room: shared, WARPS numbers; it is free again
 * after the next barrier. */
static __device__ __forceinline__ u64 block_sum(u64 v, u64 *room)
{
    u64 sum = 0;
    v = warp_all(v, plus_u64());
    if (warp_lane() == 0) room[threadIdx.x / WARP] = v;
    __syncthreads();
    for (int w = 0; w < WARPS; w++) sum += room[w];
    return sum;
}

/* Sum of v over the threads before this one; *total: over the block. room as above. */
static __device__ __forceinline__ uint32_t block_rank(uint32_t *total, uint32_t v, uint32_t *room)
{
    uint32_t upto = v, before = 0;
    int warp = (int)(threadIdx.x / WARP);
#pragma unroll
    for (int step = 1; step < WARP; step *= 2) {
        uint32_t other = __shfl_up_sync(EVERY_LANE, upto, step);
        if (warp_lane() >= step) upto += other;
    }
    if (warp_lane() == WARP - 1) room[warp] = upto;
    __syncthreads();
    *total = 0;
    for (int w = 0; w < WARPS; w++) {
        before += w < warp ? room[w] : 0;
        *total += room[w];
    }
    return before + upto - v;
}

#endif
