/* kernels/cuda/norm.cu - layer norm and l2 normalization. Half a warp takes a row, its lanes are
 * the sixteen of a row reduction. Rows of usual widths stay in registers, so memory is read once
 * and all loads of a row are on their way before the first sum.
 * Read next: kernels/cuda/reduce.cuh, kernels/ref/ref_rows.c. */
#include "kernels/cuda/reduce.cuh"

enum { THREADS = 128, ROWS = THREADS / SUM_LANES };

struct norm_call {
    float *y;
    const float *x, *res, *gamma, *beta;
    float eps;
    size_t m, d;
};

/* One row, at most N values a lane. The warp's other half is at another row or, beyond the last
 * one, has no columns: d is 0 there. */
template <unsigned N>
__device__ __forceinline__ void norm_row_kept(const norm_call &c, size_t at, unsigned d,
                                              unsigned lane)
{
    float v[N], sum = 0.0f, square = 0.0f;
#pragma unroll
    for (unsigned j = 0; j < N; j++) {
        unsigned i = lane + SUM_LANES * j;
        v[j] = i < d ? c.x[at + i] : 0.0f;
        if (c.res && i < d) v[j] += c.res[at + i];
    }
#pragma unroll
    for (unsigned j = 0; j < N; j++)
        if (lane + SUM_LANES * j < d) sum += v[j];
    float mean = __fdiv_rn(fold_sum(sum), (float)c.d);
#pragma unroll
    for (unsigned j = 0; j < N; j++) {
        v[j] -= mean;
        if (lane + SUM_LANES * j < d) square = fmaf(v[j], v[j], square);
    }
    float variance = __fdiv_rn(fold_sum(square), (float)c.d);
    float inverse = __fdiv_rn(1.0f, __fsqrt_rn(variance + c.eps));
#pragma unroll
    for (unsigned j = 0; j < N; j++) {
        unsigned i = lane + SUM_LANES * j;
        if (i < d) c.y[at + i] = fmaf(v[j] * inverse, __ldg(c.gamma + i), __ldg(c.beta + i));
    }
}

/* Any width: y holds the sum of x and res until it is normalized; each lane reads what it wrote. */
__device__ __forceinline__ void norm_row(const norm_call &c, size_t at, size_t d, unsigned lane)
{
    float sum = 0.0f, square = 0.0f;
#pragma unroll 8
    for (size_t i = lane; i < d; i += SUM_LANES) {
        float v = c.res ? c.x[at + i] + c.res[at + i] : c.x[at + i];
        c.y[at + i] = v;
        sum += v;
    }
    float mean = __fdiv_rn(fold_sum(sum), (float)c.d);
#pragma unroll 8
    for (size_t i = lane; i < d; i += SUM_LANES) {
        float v = c.y[at + i] - mean;
        square = fmaf(v, v, square);
    }
    float variance = __fdiv_rn(fold_sum(square), (float)c.d);
    float inverse = __fdiv_rn(1.0f, __fsqrt_rn(variance + c.eps));
#pragma unroll 8
    for (size_t i = lane; i < d; i += SUM_LANES)
        c.y[at + i] = fmaf((c.y[at + i] - mean) * inverse, __ldg(c.gamma + i), __ldg(c.beta + i));
}

/* N: values a lane keeps; 0: any width. */
template <unsigned N> static __global__ void __launch_bounds__(THREADS) layernorm(norm_call c)
{
    unsigned lane = threadIdx.x % SUM_LANES;
    for (size_t first = (size_t)blockIdx.x * ROWS; first < c.m; first += (size_t)gridDim.x * ROWS) {
        size_t t = first + threadIdx.x / SUM_LANES, d = t < c.m ? c.d : 0;
        if constexpr (N) norm_row_kept<N>(c, t * c.d, (unsigned)d, lane);
        else norm_row(c, t * c.d, d, lane);
    }
}

cudaError_t pe_cu_layernorm(float *y, const float *x, const float *res, const float *gamma,
                            const float *beta, float eps, size_t m, size_t d, cudaStream_t s)
{
    if (m == 0 || d == 0) return cudaSuccess;
    norm_call c = { y, x, res, gamma, beta, eps, m, d };
    unsigned blocks = grid_for(parts_of(m, ROWS));
    size_t each = parts_of(d, SUM_LANES);
    if (each <= 8) layernorm<8><<<blocks, THREADS, 0, s>>>(c);
    else if (each <= 24) layernorm<24><<<blocks, THREADS, 0, s>>>(c);
    else if (each <= 32) layernorm<32><<<blocks, THREADS, 0, s>>>(c);
    else if (each <= 48) layernorm<48><<<blocks, THREADS, 0, s>>>(c);
    else if (each <= 64) layernorm<64><<<blocks, THREADS, 0, s>>>(c);
    else layernorm<0><<<blocks, THREADS, 0, s>>>(c);
    return cudaGetLastError();
}

static __global__ void __launch_bounds__(THREADS) l2_normalize(float *x, size_t m, size_t d)
{
    for (size_t first = (size_t)blockIdx.x * ROWS; first < m; first += (size_t)gridDim.x * ROWS) {
        size_t t = first + threadIdx.x / SUM_LANES, end = t < m ? d : 0;
        float *row = x + t * d, square = 0.0f;
#pragma unroll 8
        for (size_t i = threadIdx.x % SUM_LANES; i < end; i += SUM_LANES)
            square = fmaf(row[i], row[i], square);
        float norm = second_max(1e-12f, __fsqrt_rn(fold_sum(square)));
#pragma unroll 8
        for (size_t i = threadIdx.x % SUM_LANES; i < end; i += SUM_LANES)
            row[i] = __fdiv_rn(row[i], norm);
    }
}

cudaError_t pe_cu_l2_normalize(float *x, size_t m, size_t d, cudaStream_t s)
{
    if (m == 0 || d == 0) return cudaSuccess;
    l2_normalize<<<grid_for(parts_of(m, ROWS)), THREADS, 0, s>>>(x, m, d);
    return cudaGetLastError();
}
