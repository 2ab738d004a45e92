/* kernels/cuda/linear_w8.cu - int8 weights against float activations, for few tokens. A warp takes
 * four outputs; 16 codes a lane and load. Activations wait in shared memory in the order in which
 * lanes ask for them, and serve all four outputs. Read next: kernels/cuda/epilogue.cuh. */
#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/reduce.cuh"

constexpr int WARPS = 4, THREADS = WARPS * (int)WARP, ROWS = 4, MOST_TOKENS = 8;
constexpr int CODES = 16, STEP = CODES * (int)WARP; /* of a lane's load, of a warp's */
constexpr int STEPS = 2, CHUNK = STEPS * STEP;      /* inputs in shared memory */

struct w8_layer {
    pe_linear_call c;
    const int8_t *weights;
    size_t ldw;
};

/* Four inputs of each lane's 16: a lane's neighbours lie beside it. */
template <int M> struct w8_inputs {
    floats<4> x[M][STEPS][CODES / 4][WARP];
};

/* Inputs from `first` on, zeros beyond the last one; four in a place. */
template <int M, bool WIDE>
__device__ __forceinline__ void stage(w8_inputs<M> &in, const pe_linear_call &c, size_t first)
{
#pragma unroll 2
    for (int i = (int)threadIdx.x; i < M * CHUNK / 4; i += THREADS) {
        int t = i / (CHUNK / 4), at = i % (CHUNK / 4), within = at % (STEP / 4);
        const float *x = c.x + min((size_t)t, c.m - 1) * c.ldx;
        size_t input = first + 4 * (size_t)at;
        floats<4> v;
        if (WIDE && input + 4 <= c.k) {
            v = load_floats<4>(x + input);
        } else {
#pragma unroll
            for (int e = 0; e < 4; e++) v.v[e] = input + e < c.k ? __ldg(x + input + e) : 0.0f;
        }
        in.x[t][at / (STEP / 4)][within % (CODES / 4)][within / (CODES / 4)] = v;
    }
}

/* Four codes as floats: with 128 added they are the low bits of 2^23 + 128 + code. */
__device__ __forceinline__ floats<4> codes_as_floats(uint32_t codes)
{
    uint32_t biased = codes ^ 0x80808080u;
    floats<4> w;
#pragma unroll
    for (int e = 0; e < 4; e++)
        w.v[e] = __uint_as_float(__byte_perm(biased, 0x4b000000u, 0x7440 + e)) - 8388736.0f;
    return w;
}

/* 16 codes of each row against the staged inputs. */
template <int M>
__device__ __forceinline__ void add_codes(float (&acc)[ROWS][M], const w8_inputs<M> &in, int step,
                                          const uint4 (&codes)[ROWS])
{
#pragma unroll
    for (int j = 0; j < CODES / 4; j++) {
        floats<4> x[M];
#pragma unroll
        for (int t = 0; t < M; t++) x[t] = in.x[t][step][j][warp_lane()];
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            const uint4 &q = codes[r];
            floats<4> w = codes_as_floats(j == 0 ? q.x : j == 1 ? q.y : j == 2 ? q.z : q.w);
#pragma unroll
            for (int t = 0; t < M; t++)
#pragma unroll
                for (int e = 0; e < 4; e++) acc[r][t] = fmaf(x[t].v[e], w.v[e], acc[r][t]);
        }
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
    mine *= __ldg(c.wscale + n);
    with_activation(c.act, [&](auto act) {
        c.y[t * c.ldy + n] = finish_f32<decltype(act)>(mine, c.bias ? c.bias + n : nullptr);
    });
}

template <int M, bool WIDE>
static __global__ void __launch_bounds__(THREADS, M > 4 ? 3 : 4) linear_w8(w8_layer layer)
{
    __shared__ w8_inputs<M> in;
    const pe_linear_call &c = layer.c;
    size_t first = ((size_t)blockIdx.x * WARPS + threadIdx.x / WARP) * ROWS;
    size_t end = (c.k + 31) / 32 * 32;
    float acc[ROWS][M] = {};
    for (size_t base = 0; base < c.k; base += CHUNK) {
        uint4 codes[STEPS][ROWS];
#pragma unroll
        for (int step = 0; step < STEPS; step++)
#pragma unroll
            for (int r = 0; r < ROWS; r++) {
                size_t input = base + step * STEP + warp_lane() * CODES;
                const int8_t *from = layer.weights + (first + r) * layer.ldw + input;
                codes[step][r] = input < end && first + r < c.n
                                     ? __ldg(reinterpret_cast<const uint4 *>(from))
                                     : make_uint4(0, 0, 0, 0);
            }
        __syncthreads();
        stage<M, WIDE>(in, c, base);
        __syncthreads();
#pragma unroll
        for (int step = 0; step < STEPS; step++) add_codes<M>(acc, in, step, codes[step]);
    }
    store_sums<M>(c, acc, first);
}

template <int M> static cudaError_t launch(const w8_layer &layer, cudaStream_t s)
{
    unsigned blocks = whole_grid_for(parts_of(layer.c.n, WARPS * ROWS));
    if (rows_of_4(layer.c.x, layer.c.ldx)) linear_w8<M, true><<<blocks, THREADS, 0, s>>>(layer);
    else linear_w8<M, false><<<blocks, THREADS, 0, s>>>(layer);
    return cudaGetLastError();
}

cudaError_t pe_cu_linear_w8(const pe_linear_call *c, const int8_t *weights, size_t ldw,
                            cudaStream_t s)
{
    if (c->m == 0 || c->n == 0) return cudaSuccess;
    if (!aligned(weights, 16) || ldw % 32 != 0) return cudaErrorMisalignedAddress;
    if (ldw < c->k) return cudaErrorInvalidValue;
    cudaError_t e = cudaSuccess;
    for (size_t t = 0; t < c->m && e == cudaSuccess; t += MOST_TOKENS) {
        w8_layer layer = { *c, weights, ldw };
        layer.c.m = c->m - t < MOST_TOKENS ? c->m - t : MOST_TOKENS;
        layer.c.y += t * c->ldy;
        layer.c.x += t * c->ldx;
        if (layer.c.m == 1) e = launch<1>(layer, s);
        else if (layer.c.m == 2) e = launch<2>(layer, s);
        else if (layer.c.m <= 4) e = launch<4>(layer, s);
        else e = launch<8>(layer, s);
    }
    return e;
}
