/* kernels/cuda/linear_bitmask.cu - the int8 layer over a bitmask, for few tokens. A warp takes two
 * outputs. Eight inputs a lane: their mask byte becomes the selectors that spread the values among
 * zeros, dot products of four do the rest. Read next: kernels/cuda/bitmask.cuh. */
#include "kernels/cuda/bitmask.cuh"
#include "kernels/cuda/epilogue.cuh"

constexpr int WARPS = 8, THREADS = WARPS * (int)WARP, ROWS = 2, MOST_TOKENS = 8;
constexpr int STEP = 8 * (int)WARP; /* inputs of a warp at once */
using walk_s8 = mask_walk<1, ROWS>;

struct bitmask_layer {
    pe_linear_call c;
    pe_cu_bitmask w;
};

/* Eight codes: the values at `p`, where bits of `byte` are set, zeros between them. Each bit goes
 * to a nibble of `bits`; the product with 0x11111110 counts the set ones before it, which is the
 * index of its value. Without a bit the index is 7, where there is a zero unless all eight are set.
 */
__device__ __forceinline__ uint2 spread(uint32_t byte, const char *piece, uint32_t at)
{
    const uint32_t *word = reinterpret_cast<const uint32_t *>(piece + (at & ~3u));
    uint32_t first = word[0], second = word[1], third = word[2];
    uint32_t low = __funnelshift_r(first, second, 8 * at);
    uint32_t high = __funnelshift_r(second, third, 8 * at);
    uint32_t bits = (byte | byte << 12) & 0x000f000fu;
    bits = (bits | bits << 6) & 0x03030303u;
    bits = (bits | bits << 3) & 0x11111111u;
    uint32_t index = bits * 0x11111110u | (0x77777777u - 7 * bits);
    if (bits != 0x11111111u) high &= 0x00ffffffu;
    return make_uint2(__byte_perm(low, high, index), __byte_perm(low, high, index >> 16));
}

/* Tokens beyond the last one are the last one. */
template <int M> struct bitmask_tokens {
    const int8_t *x[M];
    size_t end; /* inputs that can be read */

    __device__ __forceinline__ explicit bitmask_tokens(const pe_linear_call &c)
    {
        end = (c.k + 63) / 64 * 64;
#pragma unroll
        for (int t = 0; t < M; t++) x[t] = c.xq + min((size_t)t, c.m - 1) * c.ldx;
    }
    __device__ __forceinline__ uint2 at(int t, size_t input) const
    {
        if (input >= end) return make_uint2(0, 0);
        return __ldg(reinterpret_cast<const uint2 *>(x[t] + input));
    }
};

template <int M>
__device__ __forceinline__ void add_step(int (&acc)[ROWS][M], const mask_run<ROWS> &masks, int step,
                                         const char *const (&piece)[ROWS], const uint2 (&x)[M])
{
    int lane = (int)warp_lane(), shift = lane % 4 * 8;
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        uint32_t mask = __shfl_sync(EVERY_LANE, masks.mask[r], 8 * step + lane / 4);
        uint32_t at = __shfl_sync(EVERY_LANE, masks.before[r], 8 * step + lane / 4);
        at += (uint32_t)__popc(mask & ((1u << shift) - 1));
        uint2 w = spread(mask >> shift & 255, piece[r], at);
#pragma unroll
        for (int t = 0; t < M; t++) {
            acc[r][t] = __dp4a((int)x[t].x, (int)w.x, acc[r][t]);
            acc[r][t] = __dp4a((int)x[t].y, (int)w.y, acc[r][t]);
        }
    }
}

/* Lane r * M + t finishes row r of token t. */
template <int M>
__device__ __forceinline__ void store_sums(const pe_linear_call &c, const int (&acc)[ROWS][M],
                                           size_t first)
{
    int mine = 0, lane = (int)warp_lane();
#pragma unroll
    for (int i = 0; i < ROWS * M; i++) {
        int sum = __reduce_add_sync(EVERY_LANE, acc[i / M][i % M]);
        if (lane == i) mine = sum;
    }
    size_t n = first + lane / M, t = (size_t)(lane % M);
    if (lane >= ROWS * M || n >= c.n || t >= c.m) return;
    s8_token x = s8_token_at(c, t);
    s8_output w = s8_output_at(c, n);
    with_activation(c.act,
                    [&](auto act) { c.y[t * c.ldy + n] = finish_s8<decltype(act)>(mine, x, w); });
}

template <int M>
static __global__ void __launch_bounds__(THREADS, 2) linear_bitmask_s8(bitmask_layer layer)
{
    __shared__ __align__(16) char room[WARPS][walk_s8::ROOM];
    const pe_linear_call &c = layer.c;
    size_t first = ((size_t)blockIdx.x * WARPS + threadIdx.x / WARP) * ROWS;
    if (first >= c.n) return;
    walk_s8 walk(layer.w, first, room[threadIdx.x / WARP]);
    bitmask_tokens<M> tokens(c);
    int acc[ROWS][M] = {};
    each_run(walk, [&](size_t run, const mask_run<ROWS> &masks) {
        const char *piece[ROWS];
#pragma unroll
        for (int r = 0; r < ROWS; r++) piece[r] = walk.piece(run, r);
#pragma unroll
        for (int step = 0; step < RUN / STEP; step++) {
            size_t input = run * RUN + step * STEP;
            if (input >= c.k) break;
            uint2 x[M];
#pragma unroll
            for (int t = 0; t < M; t++) x[t] = tokens.at(t, input + 8 * warp_lane());
            add_step<M>(acc, masks, step, piece, x);
        }
    });
    store_sums<M>(c, acc, first);
}

template <int M> static cudaError_t launch(const bitmask_layer &layer, cudaStream_t s)
{
    unsigned blocks = whole_grid_for(parts_of(layer.c.n, WARPS * ROWS));
    linear_bitmask_s8<M><<<blocks, THREADS, 0, s>>>(layer);
    return cudaGetLastError();
}

cudaError_t pe_cu_linear_bitmask_s8(const pe_linear_call *c, const pe_cu_bitmask *w, cudaStream_t s)
{
    if (c->m == 0 || c->n == 0) return cudaSuccess;
    if (!aligned(w->values, 16) || !aligned(c->xq, 8) || c->ldx % 64 != 0)
        return cudaErrorMisalignedAddress;
    if (w->n != c->n || w->k != c->k || c->k > 65536) return cudaErrorInvalidValue;
    cudaError_t e = cudaSuccess;
    for (size_t t = 0; t < c->m && e == cudaSuccess; t += MOST_TOKENS) {
        bitmask_layer layer = { *c, *w };
        layer.c.m = c->m - t < MOST_TOKENS ? c->m - t : MOST_TOKENS;
        layer.c.y += t * c->ldy;
        layer.c.xq += t * c->ldx;
        layer.c.xscale += t;
        if (c->xzero) layer.c.xzero += t;
        if (layer.c.m == 1) e = launch<1>(layer, s);
        else if (layer.c.m == 2) e = launch<2>(layer, s);
        else if (layer.c.m <= 4) e = launch<4>(layer, s);
        else e = launch<8>(layer, s);
    }
    return e;
}
