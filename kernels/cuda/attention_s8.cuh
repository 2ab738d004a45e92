/* kernels/cuda/attention_s8.cuh - attention between int8 codes: what a block works on, and how
 * queries, keys and values become codes, where the tensor cores want them.
 * Read next: kernels/cuda/attention_s8.cu, kernels/ref/ref_attention_s8.c. */
#ifndef PE_KERNELS_CUDA_ATTENTION_S8_CUH
#define PE_KERNELS_CUDA_ATTENTION_S8_CUH

#include "kernels/cuda/launch.cuh"
#include "kernels/ref/ref_poly.h"

enum { WARPS = 4, THREADS = WARPS * (int)WARP };
enum { ROWS = 16, QUERIES = WARPS * ROWS }; /* of a warp, of a block */
enum { GROUP = 32 };                        /* keys whose weights are one product's inputs */

struct attention_s8_work {
    pe_attention_call c;
    size_t tiles, units; /* of queries in a row; in all */
    bool wide_q, wide_kv, wide_out;
};

/* DIM: head_dim at most. Rows of codes are 16 bytes longer than a multiple of 32, so what ldmatrix
 * reads at once lies in different banks. */
template <int DIM_> struct attention_s8_shape {
    static constexpr int DIM = DIM_, STEPS = DIM / 32;     /* products of a score */
    static constexpr int CHANNELS = DIM < 128 ? DIM : 128; /* of values, at once */
    static constexpr int KEYS = DIM > 128 ? 64 : 128;      /* of a tile */
    static constexpr int LDK = DIM + 16, LDV = KEYS + 16;
    static constexpr int TILES = KEYS * LDK + CHANNELS * LDV; /* bytes */
    static constexpr int SUMS = CHANNELS / 2;                 /* of a thread */
};

template <typename S> struct attention_s8_room {
    static_assert((WARPS - 1) * S::SUMS * WARP * sizeof(int) <= S::TILES, "sums after tiles");
    alignas(16) int8_t tiles[S::TILES]; /* keys [KEYS, LDK], values [CHANNELS, LDV] */
    int parts[WARPS][QUERIES];          /* what warps know of queries that they share */
    uint32_t most[2][WARPS];

    __device__ __forceinline__ int8_t *keys() { return tiles; }
    __device__ __forceinline__ int8_t *values() { return tiles + S::KEYS * S::LDK; }
    __device__ __forceinline__ int *sums() { return reinterpret_cast<int *>(tiles); }
};

/* What a block works on. Pointers are at the head's first column. */
struct attention_s8_head {
    const float *q, *k, *v;
    float *out;
    int nq, len, hd;
};

/* Few queries: more warps share them, each takes some of the keys. A lane has rows row and row + 8
 * of the block's queries, and of every eight keys or channels number pair and pair + 1. */
struct attention_s8_place {
    int share, nshares, row, pair;
    bool idle;

    __device__ __forceinline__ explicit attention_s8_place(int nq)
    {
        int nrows = nq > 2 * ROWS ? 4 : nq > ROWS ? 2 : 1, warp = (int)(threadIdx.x / WARP);
        nshares = WARPS / nrows;
        share = warp / nrows;
        row = warp % nrows * ROWS + (int)warp_lane() / 4;
        pair = (int)warp_lane() % 4 * 2;
        idle = warp % nrows * ROWS >= nq;
    }
};

/* ---- codes ----------------------------------------------------------------------------------- */

/* Four floats of a row from column i on, zeros from `end` on. wide: groups of four are whole and
 * aligned. */
__device__ __forceinline__ floats<4> four_at(const float *row, int i, int end, bool wide)
{
    if (wide && i < end) return load_floats<4>(row + i);
    floats<4> x;
#pragma unroll
    for (int j = 0; j < 4; j++) x.v[j] = !wide && i + j < end ? row[i + j] : 0.0f;
    return x;
}

/* How a part of that largest magnitude becomes codes; its scale is NaN if it is not finite. */
struct attention_s8_coder {
    float scale, inverse;

    __device__ __forceinline__ explicit attention_s8_coder(uint32_t most)
    {
        float m = __uint_as_float(most < INF_BITS ? most : NAN_BITS);
        scale = __fdiv_rn(m, 127.0f);
        inverse = m >= PE_S8_LEAST ? __fdiv_rn(127.0f, m) : 0.0f;
    }
    /* In the low byte. Adding 1.5 * 2^23 rounds to a whole number, ties to even, and leaves it in
     * the low bits. What is not finite spoils the answer, whatever its code is. */
    __device__ __forceinline__ uint32_t code(float x) const
    {
        return __float_as_uint(x * inverse + PE_EXP2_MAGIC);
    }
};

__device__ __forceinline__ uint32_t codes_of(const floats<4> &x, const attention_s8_coder &c)
{
    return codes_of(x, [&](float v) { return c.code(v); });
}

/* The largest magnitudes of all keys and of all values, for all threads. */
template <typename S>
__device__ __forceinline__ void find_most(uint32_t &k, uint32_t &v, const attention_s8_work &w,
                                          const attention_s8_head &h, uint32_t (*room)[WARPS])
{
    constexpr int FOURS = S::DIM / 4;
    k = v = 0;
#pragma unroll 4
    for (int i = (int)threadIdx.x; i < h.len * FOURS; i += THREADS) {
        int column = i % FOURS * 4;
        size_t at = (size_t)(i / FOURS) * w.c.ldkv;
        if (column >= h.hd) continue;
        k = largest(k, four_at(h.k + at, column, h.hd, w.wide_kv));
        v = largest(v, four_at(h.v + at, column, h.hd, w.wide_kv));
    }
    k = __reduce_max_sync(EVERY_LANE, k);
    v = __reduce_max_sync(EVERY_LANE, v);
    if (warp_lane() == 0) {
        room[0][threadIdx.x / WARP] = k;
        room[1][threadIdx.x / WARP] = v;
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < WARPS; i++) {
        k = max(k, room[0][i]);
        v = max(v, room[1][i]);
    }
}

/* This lane's parts of two queries as the first product takes them, and the scales of their scores.
 * Four lanes have a query between them. */
template <typename S>
__device__ __forceinline__ void take_queries(uint32_t (&q)[S::STEPS][4], float (&scale)[2],
                                             const attention_s8_work &w, const attention_s8_head &h,
                                             const attention_s8_place &at, float kscale)
{
#pragma unroll
    for (int r = 0; r < 2; r++) {
        int row = at.row + 8 * r, end = row < h.nq ? h.hd : 0;
        const float *from = h.q + (size_t)row * w.c.ldq;
        uint32_t most = 0;
#pragma unroll
        for (int i = 0; i < 2 * S::STEPS; i++)
            most = largest(most, four_at(from, 16 * i + 2 * at.pair, end, w.wide_q));
        most = max(most, __shfl_xor_sync(EVERY_LANE, most, 1));
        most = max(most, __shfl_xor_sync(EVERY_LANE, most, 2));
        attention_s8_coder coder(most);
#pragma unroll
        for (int i = 0; i < 2 * S::STEPS; i++)
            q[i / 2][i % 2 * 2 + r] =
                codes_of(four_at(from, 16 * i + 2 * at.pair, end, w.wide_q), coder);
        scale[r] = coder.scale * kscale * (w.c.scale * PE_EXP_LOG2E);
    }
}

/* A tile of keys from `first` on, in whole groups of keys and of inputs of a product. */
template <typename S>
__device__ __forceinline__ void fill_keys(int8_t *keys, const attention_s8_work &w,
                                          const attention_s8_head &h, int first,
                                          const attention_s8_coder &coder)
{
    constexpr int FOURS = S::DIM / 4;
    int left = h.len - first, rows = min(S::KEYS, (left + GROUP - 1) / GROUP * GROUP);
    const float *from = h.k + (size_t)first * w.c.ldkv;
#pragma unroll 4
    for (int i = (int)threadIdx.x; i < rows * FOURS; i += THREADS) {
        int row = i / FOURS, column = i % FOURS * 4;
        if (column >= (h.hd + 31) / 32 * 32) continue;
        floats<4> x =
            four_at(from + (size_t)row * w.c.ldkv, column, row < left ? h.hd : 0, w.wide_kv);
        *reinterpret_cast<uint32_t *>(keys + row * S::LDK + column) = codes_of(x, coder);
    }
}

/* The values of those keys, channels from `channel` on. Rows of the tile are channels; each group
 * of keys lies in the order in which the lanes have the scores of their keys (take_weights). */
template <typename S>
__device__ __forceinline__ void fill_values(int8_t *values, const attention_s8_work &w,
                                            const attention_s8_head &h, int first, int channel,
                                            const attention_s8_coder &coder)
{
    constexpr int WORDS = GROUP / 4, FOURS = S::CHANNELS / 4;
    int left = h.len - first, channels = min(S::CHANNELS, h.hd - channel);
    int groups = (min(S::KEYS, left) + GROUP - 1) / GROUP;
    const float *from = h.v + (size_t)first * w.c.ldkv + channel;
#pragma unroll 1
    for (int i = (int)threadIdx.x; i < groups * WORDS * FOURS; i += THREADS) {
        int word = i % WORDS, group = i / WORDS / FOURS, column = i / WORDS % FOURS * 4;
        if (column >= (channels + 15) / 16 * 16) continue;
        floats<4> x[4];
#pragma unroll
        for (int j = 0; j < 4; j++) {
            int key = group * GROUP + word / 4 * 16 + word % 4 * 2 + j / 2 * 8 + j % 2;
            x[j] = four_at(from + (size_t)key * w.c.ldkv, column, key < left ? channels : 0,
                           w.wide_kv);
        }
#pragma unroll
        for (int c = 0; c < 4; c++) {
            floats<4> of_keys = { { x[0].v[c], x[1].v[c], x[2].v[c], x[3].v[c] } };
            *reinterpret_cast<uint32_t *>(values + (column + c) * S::LDV + group * GROUP +
                                          word * 4) = codes_of(of_keys, coder);
        }
    }
}

#endif
