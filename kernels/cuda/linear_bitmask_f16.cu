/* kernels/cuda/linear_bitmask_f16.cu - the layer over a bitmask of 16-bit floats, for few tokens.
 * A warp takes two outputs, four inputs a lane: their mask bits become the selectors that spread
 * the values among zeros. Read next: kernels/cuda/bitmask.cuh, kernels/cuda/linear_bitmask.cu. */
#include <cuda_fp16.h>

#include "kernels/cuda/bitmask.cuh"
#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/reduce.cuh"

constexpr int WARPS = 4, THREADS = WARPS * (int)WARP, ROWS = 2, MOST_TOKENS = 8;
constexpr int STEP = 4 * (int)WARP; /* inputs of a warp at once */
using walk_16 = mask_walk<2, ROWS>;

struct bitmask_f16_layer {
    pe_linear_call c;
    pe_cu_bitmask w;
};

/* Two floats of the halves of a word. */
template <bool BF16> __device__ __forceinline__ float2 widen(uint32_t word)
{
    if constexpr (BF16)
        return make_float2(__uint_as_float(word << 16), __uint_as_float(word & 0xffff0000u));
    else
        return __half22float2(__halves2half2(__ushort_as_half((unsigned short)(word & 0xffffu)),
                                             __ushort_as_half((unsigned short)(word >> 16))));
}

/* Four weights: the values from `at` on where bits of `nibble` are set, zeros between them. Each
 * bit goes to a byte of `bits`, the product counts the set ones before it: the index of its value.
 * Without a bit the index is 3, where there is a zero unless all four are set. Value i lies in
 * bytes 2 i and 2 i + 1, which its two selectors name. */
template <bool BF16>
__device__ __forceinline__ floats<4> spread(uint32_t nibble, const char *piece, uint32_t at)
{
    const uint32_t *word = reinterpret_cast<const uint32_t *>(piece + (at & ~1u) * 2);
    uint32_t first = word[0], second = word[1], third = word[2];
    uint32_t low = __funnelshift_r(first, second, 16 * (at & 1));
    uint32_t high = __funnelshift_r(second, third, 16 * (at & 1));
    uint32_t bits = nibble * 0x00204081u & 0x01010101u;
    uint32_t index = bits * 0x01010100u | (0x03030303u - 3 * bits);
    uint32_t selectors = index * 34 + 0x10101010u;
    if (nibble != 15) high &= 0x0000ffffu;
    float2 a = widen<BF16>(__byte_perm(low, high, selectors));
    float2 b = widen<BF16>(__byte_perm(low, high, selectors >> 16));
    return { { a.x, a.y, b.x, b.y } };
}

/* Four inputs of a token, zeros beyond the last one. */
template <bool WIDE>
__device__ __forceinline__ floats<4> inputs_at(const float *x, size_t input, size_t k)
{
    if (WIDE && input + 4 <= k) return load_floats<4>(x + input);
    floats<4> v;
#pragma unroll
    for (int e = 0; e < 4; e++) v.v[e] = input + e < k ? __ldg(x + input + e) : 0.0f;
    return v;
}

template <int M, bool BF16>
__device__ __forceinline__ void add_step(float (&acc)[ROWS][M], const mask_run<ROWS> &masks,
                                         int step, const char *const (&piece)[ROWS],
                                         const floats<4> (&x)[M])
{
    int lane = (int)warp_lane(), shift = lane % 8 * 4;
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        uint32_t mask = __shfl_sync(EVERY_LANE, masks.mask[r], 4 * step + lane / 8);
        uint32_t at = __shfl_sync(EVERY_LANE, masks.before[r], 4 * step + lane / 8);
        at += (uint32_t)__popc(mask & ((1u << shift) - 1));
        floats<4> w = spread<BF16>(mask >> shift & 15, piece[r], at);
#pragma unroll
        for (int t = 0; t < M; t++)
#pragma unroll
            for (int e = 0; e < 4; e++) acc[r][t] = fmaf(x[t].v[e], w.v[e], acc[r][t]);
    }
}

/* Lane r * M + t finishes row r of token t. */
template <int M>
__device__ __forceinline__ void store_sums(const pe_linear_call &c, const float (&acc)[ROWS][M],
                                           size_t first)
{
    float mine = 0.0f;
    int lane = (int)warp_lane();
#pragma unroll
    for (int i = 0; i < ROWS * M; i++) {
        float sum = warp_sum(acc[i / M][i % M]);
        if (lane == i) mine = sum;
    }
    size_t n = first + lane / M, t = (size_t)(lane % M);
    if (lane >= ROWS * M || n >= c.n || t >= c.m) return;
    if (c.wscale) mine *= __ldg(c.wscale + n);
    with_activation(c.act, [&](auto act) {
        c.y[t * c.ldy + n] = finish_f32<decltype(act)>(mine, c.bias ? c.bias + n : nullptr);
    });
}

template <int M, bool BF16, bool WIDE>
static __global__ void __launch_bounds__(THREADS, M > 4 ? 3 : 4)
    linear_bitmask_f16(bitmask_f16_layer layer)
{
    __shared__ __align__(16) char room[WARPS][walk_16::ROOM];
    const pe_linear_call &c = layer.c;
    size_t first = ((size_t)blockIdx.x * WARPS + threadIdx.x / WARP) * ROWS;
    if (first >= c.n) return;
    walk_16 walk(layer.w, first, room[threadIdx.x / WARP]);
    float acc[ROWS][M] = {};
    each_run(walk, [&](size_t run, const mask_run<ROWS> &masks) {
        const char *piece[ROWS];
#pragma unroll
        for (int r = 0; r < ROWS; r++) piece[r] = walk.piece(run, r);
#pragma unroll 2
        for (int step = 0; step < RUN / STEP; step++) {
            size_t input = run * RUN + step * STEP;
            if (input >= c.k) break;
            floats<4> x[M];
#pragma unroll
            for (int t = 0; t < M; t++)
                x[t] = inputs_at<WIDE>(c.x + min((size_t)t, c.m - 1) * c.ldx,
                                       input + 4 * warp_lane(), c.k);
            add_step<M, BF16>(acc, masks, step, piece, x);
        }
    });
    store_sums<M>(c, acc, first);
}

template <int M, bool BF16>
static cudaError_t launch(const bitmask_f16_layer &layer, cudaStream_t s)
{
    unsigned blocks = whole_grid_for(parts_of(layer.c.n, WARPS * ROWS));
    if (rows_of_4(layer.c.x, layer.c.ldx))
        linear_bitmask_f16<M, BF16, true><<<blocks, THREADS, 0, s>>>(layer);
    else linear_bitmask_f16<M, BF16, false><<<blocks, THREADS, 0, s>>>(layer);
    return cudaGetLastError();
}

template <bool BF16> static cudaError_t choose(const bitmask_f16_layer &layer, cudaStream_t s)
{
    if (layer.c.m == 1) return launch<1, BF16>(layer, s);
    if (layer.c.m == 2) return launch<2, BF16>(layer, s);
    if (layer.c.m <= 4) return launch<4, BF16>(layer, s);
    return launch<8, BF16>(layer, s);
}

cudaError_t pe_cu_linear_bitmask_f16(const pe_linear_call *c, const pe_cu_bitmask *w, bool bf16,
                                     cudaStream_t s)
{
    if (c->m == 0 || c->n == 0) return cudaSuccess;
    if (!aligned(w->values, 16)) return cudaErrorMisalignedAddress;
    if (w->n != c->n || w->k != c->k) return cudaErrorInvalidValue;
    cudaError_t e = cudaSuccess;
    for (size_t t = 0; t < c->m && e == cudaSuccess; t += MOST_TOKENS) {
        bitmask_f16_layer layer = { *c, *w };
        layer.c.m = c->m - t < MOST_TOKENS ? c->m - t : MOST_TOKENS;
        layer.c.y += t * c->ldy;
        layer.c.x += t * c->ldx;
        e = bf16 ? choose<true>(layer, s) : choose<false>(layer, s);
    }
    return e;
}
