/* kernels/cuda/epilogue.cu - bias, scales and activation after a product that a library made. A
 * thread takes a few columns of several rows, so what belongs to a column is read once.
 * Read next: kernels/cuda/epilogue.cuh. */
#include "kernels/cuda/epilogue.cuh"

enum { THREADS = 64, ROWS = 4 };

/* Sums of floats, results in their place. */
struct sums_f32 {
    float *y;
    size_t ldy, m, n;
    const float *bias;
    pe_act act;

    using output = const float *;
    struct token {
    };
    __device__ __forceinline__ output output_at(size_t n) const
    {
        return bias ? bias + n : nullptr;
    }
    __device__ __forceinline__ token token_at(size_t) const { return {}; }
    template <int N> __device__ __forceinline__ floats<N> load(size_t t, size_t n) const
    {
        return load_floats<N>(y + t * ldy + n);
    }
    template <typename ACT>
    __device__ __forceinline__ float finish(float sum, const token &, const output &w) const
    {
        return finish_f32<ACT>(sum, w);
    }
};

/* Sums of codes, 32-bit integers that lie in floats until they are used. */
struct sums_s8 {
    float *y;
    size_t ldy, m, n;
    pe_linear_call c;
    const int32_t *acc;
    size_t ldacc;
    pe_act act;

    using output = s8_output;
    using token = s8_token;
    __device__ __forceinline__ output output_at(size_t n) const { return s8_output_at(c, n); }
    __device__ __forceinline__ token token_at(size_t t) const { return s8_token_at(c, t); }
    template <int N> __device__ __forceinline__ floats<N> load(size_t t, size_t n) const
    {
        return load_floats<N>(reinterpret_cast<const float *>(acc) + t * ldacc + n);
    }
    template <typename ACT>
    __device__ __forceinline__ float finish(float sum, const token &x, const output &w) const
    {
        return finish_s8<ACT>(__float_as_int(sum), x, w);
    }
};

/* Columns i .. i + N of rows first .. first + ROWS. */
template <typename ACT, int N, typename S>
__device__ __forceinline__ void finish_piece(const S &sums, size_t first, size_t i)
{
    floats<N> v[ROWS];
    typename S::output w[N];
#pragma unroll
    for (int r = 0; r < ROWS; r++)
        if (first + r < sums.m) v[r] = sums.template load<N>(first + r, i);
#pragma unroll
    for (int j = 0; j < N; j++) w[j] = sums.output_at(i + j);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        if (first + r >= sums.m) break;
        typename S::token x = sums.token_at(first + r);
#pragma unroll
        for (int j = 0; j < N; j++) v[r].v[j] = sums.template finish<ACT>(v[r].v[j], x, w[j]);
        store_floats(sums.y + (first + r) * sums.ldy + i, v[r]);
    }
}

template <int N, typename S>
static __global__ void __launch_bounds__(THREADS) epilogue(S sums, size_t pieces, size_t units)
{
    for (size_t u = blockIdx.x; u < units; u += gridDim.x) {
        size_t first = u / pieces * ROWS, i = (u % pieces * THREADS + threadIdx.x) * N;
        if (i >= sums.n) continue;
        with_activation(sums.act,
                        [&](auto act) { finish_piece<decltype(act), N>(sums, first, i); });
    }
}

template <int N, typename S> static cudaError_t launch(const S &sums, cudaStream_t s)
{
    size_t pieces = parts_of(sums.n, N * THREADS), units = parts_of(sums.m, ROWS) * pieces;
    epilogue<N><<<grid_for(units), THREADS, 0, s>>>(sums, pieces, units);
    return cudaGetLastError();
}

cudaError_t pe_cu_epilogue_f32(float *y, size_t ldy, size_t m, size_t n, const float *bias,
                               pe_act act, cudaStream_t s)
{
    if (m == 0 || n == 0) return cudaSuccess;
    sums_f32 sums = { y, ldy, m, n, bias, act };
    if (n % 4 == 0 && rows_of_4(y, ldy)) return launch<4>(sums, s);
    return launch<1>(sums, s);
}

cudaError_t pe_cu_epilogue_s8(const pe_linear_call *c, const int32_t *acc, size_t ldacc,
                              cudaStream_t s)
{
    if (c->m == 0 || c->n == 0) return cudaSuccess;
    sums_s8 sums = { c->y, c->ldy, c->m, c->n, *c, acc, ldacc, c->act };
    bool wide = c->n % 4 == 0 && rows_of_4(c->y, c->ldy) && aligned(acc, 16) && ldacc % 4 == 0;
    return wide ? launch<4>(sums, s) : launch<1>(sums, s);
}
