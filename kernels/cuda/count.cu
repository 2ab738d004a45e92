/* kernels/cuda/count.cu - zeros of an array, nonzeros of rows: bits are looked at, so -0 is not
 * zero. Read next: kernels/cuda/layout_rows.cu (what the counts are for). */
#include "kernels/cuda/pass.cuh"

enum { PIECE_NBYTES = 8192, ROW_PIECE_NBYTES = 32768 };

/* Elements of T that are zero among the 16 bytes. */
template <typename T> static __device__ __forceinline__ uint32_t zeros_in(uint4 v);

/* The sum of a byte's low bits and 0x7f carries into its top bit unless they are all 0. */
template <uint32_t LOW> static __device__ __forceinline__ uint32_t zeros_of_word(uint32_t w)
{
    return (uint32_t)__popc(~(((w & LOW) + LOW) | w) & ~LOW);
}

template <> __device__ __forceinline__ uint32_t zeros_in<uint8_t>(uint4 v)
{
    return zeros_of_word<0x7f7f7f7fu>(v.x) + zeros_of_word<0x7f7f7f7fu>(v.y) +
           zeros_of_word<0x7f7f7f7fu>(v.z) + zeros_of_word<0x7f7f7f7fu>(v.w);
}

template <> __device__ __forceinline__ uint32_t zeros_in<uint16_t>(uint4 v)
{
    return zeros_of_word<0x7fff7fffu>(v.x) + zeros_of_word<0x7fff7fffu>(v.y) +
           zeros_of_word<0x7fff7fffu>(v.z) + zeros_of_word<0x7fff7fffu>(v.w);
}

template <> __device__ __forceinline__ uint32_t zeros_in<uint32_t>(uint4 v)
{
    return (v.x == 0) + (v.y == 0) + (v.z == 0) + (v.w == 0);
}

template <> __device__ __forceinline__ uint32_t zeros_in<uint64_t>(uint4 v)
{
    return ((v.x | v.y) == 0) + ((v.z | v.w) == 0);
}

/* This lane's share of the zeros among n elements at x. */
template <typename T>
static __device__ __forceinline__ uint32_t zeros_of_lane(const T *x, size_t n, int lane)
{
    size_t width = 16 / sizeof(T), head = head_of(x, n), nvec = (n - head) / width;
    size_t i = (size_t)lane;
    const uint4 *v = (const uint4 *)(x + head);
    uint32_t zeros = i < head && x[i] == 0;
    for (; i + 3 * WARP < nvec; i += 4 * WARP) {
        uint4 a[4];
#pragma unroll
        for (int j = 0; j < 4; j++) a[j] = __ldg(v + i + j * WARP);
#pragma unroll
        for (int j = 0; j < 4; j++) zeros += zeros_in<T>(a[j]);
    }
    for (; i < nvec; i += WARP) zeros += zeros_in<T>(__ldg(v + i));
    i = head + nvec * width + (size_t)lane;
    return zeros + (i < n && x[i] == 0);
}

template <typename T>
static __global__ void __launch_bounds__(THREADS) count_zero(u64 *count, const T *x, pieces p)
{
    __shared__ u64 room[WARPS];
    u64 zeros = 0;
    for (uint64_t u = grid_warp<THREADS>(); u < p.count; u += grid_warps<THREADS>()) {
        piece at = piece_at(p, u);
        zeros += zeros_of_lane(x + at.begin, at.n, warp_lane());
    }
    zeros = block_sum(zeros, room);
    if (threadIdx.x == 0 && zeros) atomicAdd(count, zeros);
}

template <typename T>
static __global__ void __launch_bounds__(THREADS) row_nnz(uint32_t *nnz, const T *x, pieces p)
{
    for (uint64_t u = grid_warp<THREADS>(); u < p.count; u += grid_warps<THREADS>()) {
        piece at = piece_at(p, u);
        uint32_t zeros = zeros_of_lane(x + at.row * p.ld + at.begin, at.n, warp_lane());
        uint32_t found = (uint32_t)at.n - __reduce_add_sync(EVERY_LANE, zeros);
        if (warp_lane() > 0) continue;
        if (p.per_row.by == 1) nnz[at.row] = found;
        else atomicAdd(nnz + at.row, found);
    }
}

template <typename T>
static cudaError_t launch_count(uint64_t *count, const void *x, size_t n, cudaStream_t s)
{
    pieces p = pieces_of(1, n, n, PIECE_NBYTES / sizeof(T));
    count_zero<<<grid_of_pieces(p, 2048), THREADS, 0, s>>>((u64 *)count, (const T *)x, p);
    return cudaGetLastError();
}

cudaError_t pe_cu_count_zero(uint64_t *count, const void *x, size_t n, size_t elem_nbytes,
                             cudaStream_t s)
{
    if (n == 0) return cudaSuccess;
    switch (elem_nbytes) {
    case 1: return launch_count<uint8_t>(count, x, n, s);
    case 2: return launch_count<uint16_t>(count, x, n, s);
    case 4: return launch_count<uint32_t>(count, x, n, s);
    case 8: return launch_count<uint64_t>(count, x, n, s);
    default: return cudaErrorInvalidValue;
    }
}

template <typename T>
static cudaError_t launch_nnz(uint32_t *nnz, const void *x, size_t n, size_t k, cudaStream_t s)
{
    pieces p = pieces_of(n, k, k, ROW_PIECE_NBYTES / sizeof(T));
    if (p.per_row.by != 1) { /* none, or several that add up */
        cudaError_t e = cudaMemsetAsync(nnz, 0, n * sizeof *nnz, s);
        if (e != cudaSuccess || k == 0) return e;
    }
    row_nnz<<<grid_of_pieces(p), THREADS, 0, s>>>(nnz, (const T *)x, p);
    return cudaGetLastError();
}

cudaError_t pe_cu_row_nnz(uint32_t *nnz, const void *x, size_t n, size_t k, size_t elem_nbytes,
                          cudaStream_t s)
{
    if (n == 0) return cudaSuccess;
    switch (elem_nbytes) {
    case 1: return launch_nnz<uint8_t>(nnz, x, n, k, s);
    case 2: return launch_nnz<uint16_t>(nnz, x, n, k, s);
    case 4: return launch_nnz<uint32_t>(nnz, x, n, k, s);
    default: return cudaErrorInvalidValue;
    }
}
