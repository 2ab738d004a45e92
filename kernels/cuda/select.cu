/* kernels/cuda/select.cu - histograms of keys by digits of 11 bits, from which the caller finds the
 * k-th lowest: integers only, so the same one everywhere. Read next: kernels/cuda/cut.cu. */
#include "kernels/cuda/pass.cuh"

enum { DIGITS = 2048, MOST = 1024 /* blocks */, SHARE = 16384 /* bytes of a block, at least */ };

/* A float or double that is not negative, in the order of its bits; the sign does not count. */
static __device__ __forceinline__ uint32_t key_of(uint32_t bits)
{
    return bits & 0x7fffffffu;
}

static __device__ __forceinline__ uint64_t key_of(uint64_t bits)
{
    return bits & 0x7fffffffffffffffull;
}

template <typename K> struct digits {
    uint32_t *count; /* shared, [DIGITS] */
    K prefix;
    int shift;
    __device__ __forceinline__ void add(K bits)
    {
        K key = key_of(bits);
        /* in two steps: the width of K may be reached */
        if ((key ^ prefix) >> shift >> 11 == 0)
            atomicAdd(count + ((uint32_t)(key >> shift) & (DIGITS - 1)), 1u);
    }
    __device__ __forceinline__ void add4(uint4 v);
};

template <> __device__ __forceinline__ void digits<uint32_t>::add4(uint4 v)
{
    add(v.x), add(v.y), add(v.z), add(v.w);
}

template <> __device__ __forceinline__ void digits<uint64_t>::add4(uint4 v)
{
    add((uint64_t)v.y << 32 | v.x), add((uint64_t)v.w << 32 | v.z);
}

/* Counts in shared memory: a block sees less than 2^32 keys. */
template <typename K>
static __global__ void __launch_bounds__(THREADS)
    radix(u64 *counts, const K *x, size_t n, const K *prefix, int shift)
{
    __shared__ uint32_t count[DIGITS];
    size_t width = 16 / sizeof(K), head = head_of(x, n), nvec = (n - head) / width;
    size_t first = (size_t)blockIdx.x * THREADS + threadIdx.x, i = first;
    size_t stride = (size_t)gridDim.x * THREADS, tail = head + nvec * width;
    const uint4 *v = (const uint4 *)(x + head);
    digits<K> d = { count, *prefix, shift };
    for (int j = (int)threadIdx.x; j < DIGITS; j += THREADS) count[j] = 0;
    __syncthreads();
    if (first < head) d.add(x[first]);
    for (; i + 3 * stride < nvec; i += 4 * stride) {
        uint4 a[4];
#pragma unroll
        for (int j = 0; j < 4; j++) a[j] = __ldg(v + i + (size_t)j * stride);
#pragma unroll
        for (int j = 0; j < 4; j++) d.add4(a[j]);
    }
    for (; i < nvec; i += stride) d.add4(__ldg(v + i));
    if (tail + first < n) d.add(x[tail + first]);
    __syncthreads();
    for (int j = (int)threadIdx.x; j < DIGITS; j += THREADS)
        if (count[j]) atomicAdd(counts + j, (u64)count[j]);
}

template <typename K>
static cudaError_t launch(uint64_t *counts, const void *x, size_t n, const K *prefix, int shift,
                          cudaStream_t s)
{
    if (shift < 0 || shift > (int)sizeof(K) * 8 - 12) return cudaErrorInvalidValue;
    if (n == 0) return cudaSuccess;
    radix<<<grid_for(parts_of(n, SHARE / sizeof(K)), MOST), THREADS, 0, s>>>(
        (u64 *)counts, (const K *)x, n, prefix, shift);
    return cudaGetLastError();
}

cudaError_t pe_cu_radix_f32(uint64_t *counts, const float *x, size_t n, const uint32_t *prefix,
                            int shift, cudaStream_t s)
{
    return launch(counts, x, n, prefix, shift, s);
}

cudaError_t pe_cu_radix_f64(uint64_t *counts, const double *x, size_t n, const uint64_t *prefix,
                            int shift, cudaStream_t s)
{
    return launch(counts, x, n, prefix, shift, s);
}
