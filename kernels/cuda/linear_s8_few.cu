/* kernels/cuda/linear_s8_few.cu - the int8 layer for few tokens. A block takes 16 outputs; its
 * warps share the inputs and add their sums in the end, which is exact. Weights go from memory to
 * the tensor cores without a stop: each lane loads 16 bytes of a row and gives them to two
 * products, so the products take the inputs in another order than memory has, the same one on both
 * sides. Read next: kernels/cuda/mma.cuh, kernels/cuda/linear_s8.cu (many tokens). */
#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/linear_s8.cuh"
#include "kernels/cuda/mma.cuh"

constexpr int WARPS = 8, THREADS = WARPS * (int)WARP;
constexpr int OUTPUTS = 16, TOKENS = 8; /* of one product */
constexpr int DEPTH = 64;               /* inputs of two products */

struct few_work {
    s8_layer layer;
    size_t ttiles; /* of tokens */
};

/* 16 codes from input k on of a row; zeros where !there. */
__device__ __forceinline__ uint4 codes_at(const int8_t *row, size_t k, bool there)
{
    return there ? __ldg(reinterpret_cast<const uint4 *>(row + k)) : make_uint4(0, 0, 0, 0);
}

/* This warp's share of the inputs of 16 outputs and TT times 8 tokens. */
template <int TT>
__device__ __forceinline__ void sum_share(int (&acc)[TT][4], const s8_layer &layer, size_t output,
                                          size_t token)
{
    const pe_linear_call &c = layer.c;
    size_t g = warp_lane() / 4, end = (c.k + 31) / 32 * 32;
    size_t first = output + g, second = output + g + 8;
    bool has_first = first < c.n, has_second = second < c.n;
    const int8_t *w = layer.weights + first * layer.ldw, *w8 = w + 8 * layer.ldw;
    const int8_t *x = c.xq + (token + g) * c.ldx;
    size_t k = threadIdx.x / WARP * DEPTH + warp_lane() % 4 * 16;
#pragma unroll(TT > 2 ? 2 : 4)
    for (size_t base = threadIdx.x / WARP * DEPTH; base < c.k; base += WARPS * DEPTH) {
        bool inside = k < end;
        uint4 a = codes_at(w, k, inside && has_first), a8 = codes_at(w8, k, inside && has_second);
        uint32_t low[4] = { a.x, a8.x, a.y, a8.y }, high[4] = { a.z, a8.z, a.w, a8.w };
#pragma unroll
        for (int t = 0; t < TT; t++) {
            uint4 b = codes_at(x + TOKENS * t * c.ldx, k, inside && token + g + TOKENS * t < c.m);
            uint32_t b_low[2] = { b.x, b.y }, b_high[2] = { b.z, b.w };
            mma_s8(acc[t], low, b_low);
            mma_s8(acc[t], high, b_high);
        }
        k += WARPS * DEPTH;
    }
}

/* Thread after thread takes an output of a token and adds the warps' sums of it. */
template <int TT, typename ACT>
__device__ __forceinline__ void store_outputs(const pe_linear_call &c,
                                              const int (*sums)[TT * TOKENS][OUTPUTS + 1],
                                              size_t output, size_t token)
{
    for (int i = (int)threadIdx.x; i < TT * TOKENS * OUTPUTS; i += THREADS) {
        size_t n = output + i % OUTPUTS, t = token + i / OUTPUTS;
        if (n >= c.n || t >= c.m) continue;
        int acc = 0;
#pragma unroll
        for (int warp = 0; warp < WARPS; warp++) acc += sums[warp][i / OUTPUTS][i % OUTPUTS];
        c.y[t * c.ldy + n] = finish_s8<ACT>(acc, s8_token_at(c, t), s8_output_at(c, n));
    }
}

template <int TT> static __global__ void __launch_bounds__(THREADS, 2) linear_s8_few(few_work work)
{
    __shared__ int sums[WARPS][TT * TOKENS][OUTPUTS + 1];
    size_t output = blockIdx.x / work.ttiles * OUTPUTS;
    size_t token = blockIdx.x % work.ttiles * (TT * TOKENS);
    int acc[TT][4] = {};
    sum_share<TT>(acc, work.layer, output, token);
    unsigned g = warp_lane() / 4, column = warp_lane() % 4 * 2;
#pragma unroll
    for (int t = 0; t < TT; t++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            sums[threadIdx.x / WARP][TOKENS * t + column + i % 2][g + i / 2 * 8] = acc[t][i];
    __syncthreads();
    with_activation(work.layer.c.act, [&](auto act) {
        store_outputs<TT, decltype(act)>(work.layer.c, sums, output, token);
    });
}

template <int TT> static cudaError_t launch(const s8_layer &layer, cudaStream_t s)
{
    few_work work = { layer, parts_of(layer.c.m, TT * TOKENS) };
    size_t blocks = work.ttiles * parts_of(layer.c.n, OUTPUTS);
    linear_s8_few<TT><<<whole_grid_for(blocks), THREADS, 0, s>>>(work);
    return cudaGetLastError();
}

cudaError_t pe_cu_linear_s8_few(const s8_layer &layer, cudaStream_t s)
{
    if (layer.c.m <= TOKENS) return launch<1>(layer, s);
    if (layer.c.m <= 2 * TOKENS) return launch<2>(layer, s);
    return launch<4>(layer, s);
}
