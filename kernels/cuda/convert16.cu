/* kernels/cuda/convert16.cu - f32 to bf16 and f16 and back, the bits of lib/tensor/widen.c and
 * kernels/ref/ref_map.c, payloads of NaN included. Read next: lib/tensor/widen.c. */
#include <cuda_fp16.h>

#include "kernels/cuda/launch.cuh"

enum { THREADS = 256 };

struct to_bf16 {
    using from = float;
    using to = uint16_t;
    static __device__ __forceinline__ uint16_t of(float x)
    {
        uint32_t b = __float_as_uint(x);
        if ((b & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(b >> 16 | 64);
        return (uint16_t)((b + 0x7fffu + (b >> 16 & 1)) >> 16);
    }
};

struct to_f16 {
    using from = float;
    using to = uint16_t;
    static __device__ __forceinline__ uint16_t of(float x)
    {
        uint32_t b = __float_as_uint(x);
        if ((b & 0x7fffffffu) > 0x7f800000u)
            return (uint16_t)((b >> 16 & 0x8000u) | 0x7e00u | (b >> 13 & 0x3ffu));
        return __half_as_ushort(__float2half_rn(x));
    }
};

struct from_bf16 {
    using from = uint16_t;
    using to = float;
    static __device__ __forceinline__ float of(uint16_t x)
    {
        return __uint_as_float((uint32_t)x << 16);
    }
};

/* A signalling NaN becomes quiet, as on the CPU. */
struct from_f16 {
    using from = uint16_t;
    using to = float;
    static __device__ __forceinline__ float of(uint16_t x)
    {
        uint32_t sign = (uint32_t)(x & 0x8000) << 16, fraction = x & 1023;
        if ((x & 0x7c00) == 0x7c00 && fraction)
            return __uint_as_float(sign | 0x7fc00000u | fraction << 13);
        return __half2float(__ushort_as_half(x));
    }
};

/* N elements a thread: the wider side moves 16 bytes at once. */
template <typename C, int N>
static __global__ void __launch_bounds__(THREADS)
    convert(typename C::to *y, const typename C::from *x, size_t n)
{
    struct alignas(N * sizeof(typename C::from)) in {
        typename C::from v[N];
    };
    struct alignas(N * sizeof(typename C::to)) out {
        typename C::to v[N];
    };
    size_t stride = (size_t)gridDim.x * THREADS,
           thread = (size_t)blockIdx.x * THREADS + threadIdx.x;
    for (size_t i = thread; i < n / N; i += stride) {
        in a = reinterpret_cast<const in *>(x)[i];
        out b;
#pragma unroll
        for (int j = 0; j < N; j++) b.v[j] = C::of(a.v[j]);
        reinterpret_cast<out *>(y)[i] = b;
    }
    size_t tail = n / N * N + thread;
    if (tail < n) y[tail] = C::of(x[tail]);
}

template <typename C>
static cudaError_t launch(typename C::to *y, const typename C::from *x, size_t n, cudaStream_t s)
{
    if (n == 0) return cudaSuccess;
    bool wide = aligned(y, 4 * sizeof *y) && aligned(x, 4 * sizeof *x);
    if (wide) convert<C, 4><<<grid_for(parts_of(n, 4 * THREADS)), THREADS, 0, s>>>(y, x, n);
    else convert<C, 1><<<grid_for(parts_of(n, THREADS)), THREADS, 0, s>>>(y, x, n);
    return cudaGetLastError();
}

cudaError_t pe_cu_to_bf16(uint16_t *y, const float *x, size_t n, cudaStream_t s)
{
    return launch<to_bf16>(y, x, n, s);
}
cudaError_t pe_cu_to_f16(uint16_t *y, const float *x, size_t n, cudaStream_t s)
{
    return launch<to_f16>(y, x, n, s);
}
cudaError_t pe_cu_from_bf16(float *y, const uint16_t *x, size_t n, cudaStream_t s)
{
    return launch<from_bf16>(y, x, n, s);
}
cudaError_t pe_cu_from_f16(float *y, const uint16_t *x, size_t n, cudaStream_t s)
{
    return launch<from_f16>(y, x, n, s);
}
