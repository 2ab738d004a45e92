/* kernels/cuda/quantize.cu - int8 codes of rows of activations. A row belongs to a warp or, when it
 * is wide, to a block; rows of usual widths stay in registers between the search for their maximum
 * and their codes. Read next: kernels/ref/ref_quantize.c, kernels/body/quantize_body.h. */
#include "kernels/cuda/launch.cuh"

enum { THREADS = 256 };

/* How a row becomes codes. The bounds are whole numbers, so clamping before rounding is the same as
 * after it; they do not hold the zero point, which is added to rounded values. */
struct quantizer {
    float scale, inverse, most, lo, hi; /* most: what is larger saturates anyway */
    int zero;
    bool plain; /* the scale is in the middle of the range of floats */
};

__device__ __forceinline__ quantizer quantizer_of(const pe_quantize_call &c, float scale)
{
    bool dynamic = c.div > 0, wide = dynamic ? c.div > 127 : c.zero != nullptr;
    int zero = !dynamic && c.zero ? c.static_zero : 0;
    quantizer r;
    r.scale = scale;
    r.inverse = __fdiv_rn(1.0f, scale);
    r.most = 1024.0f * scale;
    r.lo = (float)((wide ? -128 : -127) - zero);
    r.hi = (float)(127 - zero);
    r.zero = zero;
    r.plain = scale > 0x1p-100f && scale < 0x1p100f;
    return r;
}

/* x / scale, rounded to nearest, without a division: the product with the rounded inverse, then two
 * corrections by the remainder, of which the last one gives the rounded quotient (P. Markstein,
 * Computation of elementary functions on the IBM RISC System/6000 processor, 1990; proved for these
 * bounds in kernels/body/quantize_body.h). NaN becomes -most. */
__device__ __forceinline__ float plain_quotient(float x, const quantizer &r)
{
    x = fminf(fmaxf(x, -r.most), r.most);
    float q = x * r.inverse;
    q = fmaf(fmaf(q, -r.scale, x), r.inverse, q);
    return fmaf(fmaf(q, -r.scale, x), r.inverse, q);
}

/* The code in the low byte. Adding 1.5 * 2^23 rounds to a whole number, ties to even, and leaves it
 * in the low bits. NaN becomes the lowest code. */
__device__ __forceinline__ uint32_t code_of(float quotient, const quantizer &r)
{
    float bounded = fminf(fmaxf(quotient, r.lo), r.hi);
    return __float_as_uint(bounded + 12582912.0f) + (uint32_t)r.zero;
}

/* Four codes as they lie in memory. */
template <bool PLAIN>
__device__ __forceinline__ uint32_t codes_of(const floats<4> &x, const quantizer &r)
{
    return codes_of(x, [&](float v) {
        return code_of(PLAIN ? plain_quotient(v, r) : __fdiv_rn(v, r.scale), r);
    });
}

/* A row, in groups of four columns. WIDE: x and q allow moving a group at once. */
template <bool WIDE> struct quantize_row {
    const float *x;
    int8_t *q;
    size_t k, ldq;

    __device__ __forceinline__ floats<4> load(size_t group) const
    {
        size_t i = 4 * group;
        if (WIDE && i + 4 <= k) return load_floats<4>(x + i);
        floats<4> v;
#pragma unroll
        for (int j = 0; j < 4; j++) v.v[j] = i + j < k ? x[i + j] : 0.0f;
        return v;
    }
    /* What lies beyond k becomes 0. */
    __device__ __forceinline__ void store(size_t group, uint32_t codes) const
    {
        size_t i = 4 * group;
        if (i + 4 > k) codes &= i < k ? (1u << 8 * (k - i)) - 1 : 0;
        if constexpr (WIDE) {
            *reinterpret_cast<uint32_t *>(q + i) = codes;
        } else {
#pragma unroll
            for (int j = 0; j < 4; j++)
                if (i + j < ldq) q[i + j] = (int8_t)(codes >> 8 * j);
        }
    }
};

/* The scale of a row from its threads' largest magnitudes, as integers: NaN and Inf are above every
 * finite number. room: WARPS words where WARPS > 1; free again after the next barrier. */
template <int WARPS>
__device__ __forceinline__ float scale_of(const pe_quantize_call &c, uint32_t most, uint32_t *room)
{
    most = __reduce_max_sync(EVERY_LANE, most);
    if constexpr (WARPS > 1) {
        if (warp_lane() == 0) room[threadIdx.x / WARP] = most;
        __syncthreads();
#pragma unroll
        for (int w = 0; w < WARPS; w++) most = max(most, room[w]);
    }
    return most < INF_BITS ? __fdiv_rn(__uint_as_float(most), c.div) : __uint_as_float(NAN_BITS);
}

/* Rows of at most 4 * KEPT * 32 * WARPS columns; KEPT 0: any, x is read twice. */
template <int WARPS, int KEPT, bool WIDE>
__device__ __forceinline__ void quantize_one(const pe_quantize_call &c, size_t t, uint32_t *room)
{
    constexpr int TEAM = WARPS * (int)WARP;
    quantize_row<WIDE> row = { c.x + t * c.ldx, c.q + t * c.ldq, c.k, c.ldq };
    size_t thread = threadIdx.x % TEAM, used = (c.k + 3) / 4, groups = (c.ldq + 3) / 4;
    floats<4> kept[KEPT ? KEPT : 1];
    uint32_t most = 0;
#pragma unroll
    for (int j = 0; j < KEPT; j++) kept[j] = row.load(thread + j * TEAM);
#pragma unroll
    for (int j = 0; j < KEPT; j++) most = largest(most, kept[j]);
    if (!KEPT && c.div > 0)
        for (size_t g = thread; g < used; g += TEAM) most = largest(most, row.load(g));
    float scale = c.div > 0 ? scale_of<WARPS>(c, most, room) : c.static_scale;
    quantizer r = quantizer_of(c, scale);
    auto each_group = [&](auto codes) {
#pragma unroll
        for (int j = 0; j < KEPT; j++)
            if (thread + j * TEAM < used) row.store(thread + j * TEAM, codes(kept[j]));
        if (!KEPT)
            for (size_t g = thread; g < used; g += TEAM) row.store(g, codes(row.load(g)));
    };
    if (!(scale > 0)) each_group([](const floats<4> &) { return 0u; });
    else if (r.plain) each_group([&](const floats<4> &x) { return codes_of<true>(x, r); });
    else each_group([&](const floats<4> &x) { return codes_of<false>(x, r); });
    for (size_t g = used + thread; g < groups; g += TEAM) row.store(g, 0);
    if (thread == 0) c.scale[t] = scale;
    if (thread == 0 && c.zero) c.zero[t] = r.zero;
}

template <int WARPS, int KEPT, bool WIDE>
static __global__ void __launch_bounds__(THREADS, 4) quantize_rows(pe_quantize_call c)
{
    constexpr int ROWS = THREADS / (int)WARP / WARPS;
    __shared__ uint32_t room[WARPS];
    for (size_t t = (size_t)blockIdx.x * ROWS + threadIdx.x / (WARPS * WARP); t < c.m;
         t += (size_t)gridDim.x * ROWS) {
        quantize_one<WARPS, KEPT, WIDE>(c, t, room);
        if (WARPS > 1) __syncthreads();
    }
}

template <int WARPS, int KEPT, bool WIDE>
static cudaError_t launch(const pe_quantize_call &c, cudaStream_t s)
{
    unsigned blocks = grid_for(parts_of(c.m, THREADS / WARP / WARPS));
    quantize_rows<WARPS, KEPT, WIDE><<<blocks, THREADS, 0, s>>>(c);
    return cudaGetLastError();
}

cudaError_t pe_cu_quantize_rows(const pe_quantize_call *c, cudaStream_t s)
{
    constexpr size_t OF_WARP = 4 * WARP, OF_BLOCK = 4 * THREADS;
    if (c->m == 0) return cudaSuccess;
    if (!rows_of_4(c->x, c->ldx) || !aligned(c->q, 4) || c->ldq % 4 != 0) {
        if (c->k <= 8 * OF_WARP) return launch<1, 0, false>(*c, s);
        return launch<8, 0, false>(*c, s);
    }
    if (c->k <= 3 * OF_WARP) return launch<1, 3, true>(*c, s);
    if (c->k <= 8 * OF_WARP) return launch<1, 8, true>(*c, s);
    if (c->k <= 4 * OF_BLOCK) return launch<8, 4, true>(*c, s);
    return launch<8, 0, true>(*c, s);
}
