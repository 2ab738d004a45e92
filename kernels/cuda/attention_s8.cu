/* kernels/cuda/attention_s8.cu - ragged attention between int8 codes in one launch. A block answers
 * some queries of one row and head: it looks for the largest magnitudes of all keys and values,
 * makes codes of tiles of them in shared memory, and both products are those of the tensor cores.
 * Scores are made twice, first for the maximum of the whole row, then for the weights, which go on
 * to the second product in the registers where they are: no row is too long for shared memory.
 * Read next: kernels/cuda/attention_s8.cuh, kernels/ref/ref_attention_s8.c. */
#include <climits>

#include "kernels/cuda/attention_s8.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/reduce.cuh"

enum { MOST_KEYS = 4096, MOST_DIM = 256 };

/* ---- the two products ------------------------------------------------------------------------ */

/* Where this lane points ldmatrix to: two times eight rows, 32 bytes of each. */
__device__ __forceinline__ const int8_t *matrix_rows(const int8_t *tile, int ld)
{
    int lane = (int)warp_lane();
    return tile + (lane % 8 + lane / 16 * 8) * ld + lane / 8 % 2 * 16;
}

/* The scores of a group of keys, eight by eight. */
template <typename S>
__device__ __forceinline__ void score_group(int (&s)[4][4], const uint32_t (&q)[S::STEPS][4],
                                            const int8_t *keys, int hd)
{
    const int8_t *rows = matrix_rows(keys, S::LDK);
#pragma unroll
    for (int j = 0; j < 4; j++)
#pragma unroll
        for (int i = 0; i < 4; i++) s[j][i] = 0;
#pragma unroll
    for (int k = 0; k < S::STEPS; k++) {
        if (32 * k >= hd) break;
#pragma unroll
        for (int j = 0; j < 4; j += 2) {
            uint32_t b[4];
            load_matrix_x4(b, rows + 8 * j * S::LDK + 32 * k);
            mma_s8(s[j], q[k], b);
            mma_s8(s[j + 1], q[k], b + 2);
        }
    }
}

/* round(255 * 2^(c * below)), below <= 0 */
__device__ __forceinline__ uint32_t weight_of(int below, float c)
{
    float z = second_max(PE_S8_EXP_MIN, fmaf((float)below, c, PE_S8_EXP_TOP));
    float n = floorf(z), r = z - n;
    float p = fmaf(fmaf(fmaf(PE_S8_EXP_C3, r, PE_S8_EXP_C2), r, PE_S8_EXP_C1), r, PE_S8_EXP_C0);
    p = __uint_as_float(__float_as_uint(p) + ((uint32_t)(int)n << 23)); /* times 2^n */
    return (uint32_t)__float2int_rn(p);
}

/* A group's scores become weights, the first `left` of this lane's keys that exist. Its bytes go
 * where the next product wants inputs i .. i + 3 and 16 + i on, i = 2 * pair: there are keys pair,
 * pair + 1, pair + 8, pair + 9 and the same ones 16 later. */
__device__ __forceinline__ void take_weights(uint32_t (&a)[4], uint32_t (&total)[2],
                                             const int (&s)[4][4], const int (&max)[2],
                                             const float (&scale)[2], int left)
{
    uint32_t w[4][4];
#pragma unroll
    for (int j = 0; j < 4; j++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            w[j][i] = 8 * j + i % 2 < left ? weight_of(s[j][i] - max[i / 2], scale[i / 2]) : 0;
            total[i / 2] += w[j][i];
        }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        int j = i / 2 * 2, r = i % 2 * 2;
        a[i] = low_bytes(w[j][r], w[j][r + 1], w[j + 1][r], w[j + 1][r + 1]);
    }
}

/* f(scores, group, this lane's keys that exist) for this warp's groups of a tile of keys. */
template <typename S, typename F>
__device__ __forceinline__ void each_group(const uint32_t (&q)[S::STEPS][4], const int8_t *keys,
                                           const attention_s8_head &h, const attention_s8_place &at,
                                           int first, F f)
{
    int n = at.idle ? 0 : min(S::KEYS, h.len - first);
#pragma unroll 1
    for (int group = at.share; group * GROUP < n; group += at.nshares) {
        int s[4][4];
        score_group<S>(s, q, keys + group * GROUP * S::LDK, h.hd);
        f(s, group, n - group * GROUP - at.pair);
    }
}

/* sums[channels / 8] += weights times values of a group of keys. */
template <typename S>
__device__ __forceinline__ void add_values(int (&sums)[S::CHANNELS / 8][4], const uint32_t (&a)[4],
                                           const int8_t *values, int channels)
{
    const int8_t *rows = matrix_rows(values, S::LDV);
#pragma unroll
    for (int j = 0; j < S::CHANNELS / 8; j += 2) {
        if (8 * j >= channels) break;
        uint32_t b[4];
        load_matrix_x4(b, rows + 8 * j * S::LDV);
        mma_u8_s8(sums[j], a, b);
        mma_u8_s8(sums[j + 1], a, b + 2);
    }
}

/* ---- what warps found, together -------------------------------------------------------------- */

/* f over the four lanes that have a query and over the warps that share it. Barriers lie between
 * one call's reads and the next one's writes: those of tiles. */
template <typename T, typename F>
__device__ __forceinline__ void join_parts(T (&x)[2], int (*parts)[QUERIES],
                                           const attention_s8_place &at, F f)
{
#pragma unroll
    for (int r = 0; r < 2; r++) {
        x[r] = f(x[r], __shfl_xor_sync(EVERY_LANE, x[r], 1));
        x[r] = f(x[r], __shfl_xor_sync(EVERY_LANE, x[r], 2));
        if (at.pair == 0) parts[at.share][at.row + 8 * r] = (int)x[r];
    }
    __syncthreads();
#pragma unroll
    for (int r = 0; r < 2; r++) {
        x[r] = (T)parts[0][at.row + 8 * r];
#pragma unroll 1
        for (int i = 1; i < at.nshares; i++) x[r] = f(x[r], (T)parts[i][at.row + 8 * r]);
    }
}

/* All sums of a query to its first warp; they take the place of the tiles. */
template <typename S>
__device__ __forceinline__ void join_sums(int (&sums)[S::CHANNELS / 8][4], int *room,
                                          const attention_s8_place &at)
{
    if (at.nshares == 1) return;
    int step = THREADS / at.nshares;
    room += (int)threadIdx.x % step;
    if (at.share > 0) {
#pragma unroll
        for (int i = 0; i < S::SUMS; i++)
            room[((at.share - 1) * S::SUMS + i) * step] = sums[i / 4][i % 4];
    }
    __syncthreads();
    if (at.share > 0) return;
#pragma unroll 1
    for (int share = 1; share < at.nshares; share++, room += S::SUMS * step)
#pragma unroll
        for (int i = 0; i < S::SUMS; i++) sums[i / 4][i % 4] += room[i * step];
}

template <typename S>
__device__ __forceinline__ void store_queries(const attention_s8_work &w,
                                              const attention_s8_head &h,
                                              const attention_s8_place &at, int channel,
                                              const int (&sums)[S::CHANNELS / 8][4],
                                              const uint32_t (&total)[2], const float (&scale)[2],
                                              float vscale)
{
#pragma unroll
    for (int r = 0; r < 2; r++) {
        int row = at.row + 8 * r;
        if (row >= h.nq) break;
        bool spoilt = scale[r] * 0.0f + vscale * 0.0f != 0.0f; /* something is not finite */
        float factor = __fdiv_rn(vscale, (float)(int)total[r]);
        auto answer = [&](int sum) {
            return spoilt ? __uint_as_float(NAN_BITS) : fmaf((float)sum, factor, 0.0f);
        };
        float *out = h.out + (size_t)row * w.c.ldo;
#pragma unroll
        for (int j = 0; j < S::CHANNELS / 8; j++) {
            int i = channel + 8 * j + at.pair;
            floats<2> y = { { answer(sums[j][2 * r]), answer(sums[j][2 * r + 1]) } };
            if (w.wide_out && i < h.hd) {
                store_floats(out + i, y);
            } else {
                if (i < h.hd) out[i] = y.v[0];
                if (i + 1 < h.hd) out[i + 1] = y.v[1];
            }
        }
    }
}

/* ---- a block --------------------------------------------------------------------------------- */

template <typename S>
__device__ __forceinline__ void attend(const attention_s8_work &w, const attention_s8_head &h,
                                       attention_s8_room<S> &room)
{
    uint32_t kmost, vmost, q[S::STEPS][4];
    find_most<S>(kmost, vmost, w, h, room.most);
    attention_s8_coder kc(kmost), vc(vmost);
    attention_s8_place at(h.nq);
    float scale[2];
    take_queries<S>(q, scale, w, h, at, kc.scale);
    int max[2] = { INT_MIN, INT_MIN };
#pragma unroll 1
    for (int first = 0; first < h.len; first += S::KEYS) {
        __syncthreads(); /* the tile before this one is used up */
        fill_keys<S>(room.keys(), w, h, first, kc);
        __syncthreads();
        each_group<S>(q, room.keys(), h, at, first, [&](const int(&s)[4][4], int, int left) {
#pragma unroll
            for (int i = 0; i < 16; i++)
                if (i / 4 * 8 + i % 2 < left)
                    max[i % 4 / 2] = ::max(max[i % 4 / 2], s[i / 4][i % 4]);
        });
    }
    join_parts(max, room.parts, at, [](int a, int b) { return ::max(a, b); });
#pragma unroll 1
    for (int channel = 0; channel < h.hd; channel += S::CHANNELS) {
        int sums[S::CHANNELS / 8][4] = {};
        uint32_t total[2] = {};
#pragma unroll 1
        for (int first = 0; first < h.len; first += S::KEYS) {
            __syncthreads();
            if (h.len > S::KEYS || channel > 0) fill_keys<S>(room.keys(), w, h, first, kc);
            fill_values<S>(room.values(), w, h, first, channel, vc);
            __syncthreads();
            each_group<S>(q, room.keys(), h, at, first,
                          [&](const int(&s)[4][4], int group, int left) {
                              uint32_t a[4];
                              take_weights(a, total, s, max, scale, left);
                              add_values<S>(sums, a, room.values() + group * GROUP, h.hd - channel);
                          });
        }
        join_parts(total, room.parts, at, [](uint32_t a, uint32_t b) { return a + b; });
        join_sums<S>(sums, room.sums(), at); /* after a barrier: nobody reads tiles any more */
        if (at.share == 0) store_queries<S>(w, h, at, channel, sums, total, scale, vc.scale);
    }
}

/* Without keys. */
__device__ __forceinline__ void answer_zeros(const attention_s8_work &w, const attention_s8_head &h)
{
    for (int i = (int)threadIdx.x; i < h.nq * h.hd; i += THREADS)
        h.out[(size_t)(i / h.hd) * w.c.ldo + i % h.hd] = 0.0f;
}

template <typename S>
static __global__ void __launch_bounds__(THREADS, S::DIM > 64 ? 3 : 4)
    attention_s8(attention_s8_work w)
{
    __shared__ attention_s8_room<S> room;
    const uint32_t *asks = w.c.q_begin ? w.c.q_begin : w.c.row_begin;
    for (size_t unit = blockIdx.x; unit < w.units; unit += gridDim.x) {
        size_t tile = unit % w.tiles, head = unit / w.tiles % w.c.heads;
        size_t row = unit / w.tiles / w.c.heads;
        size_t first = w.c.row_begin[row], len = w.c.row_begin[row + 1] - first;
        size_t query = asks[row] + tile * QUERIES, end = asks[row + 1];
        if (query >= end) continue;
        size_t column = head * w.c.head_dim;
        attention_s8_head h = { w.c.q + query * w.c.ldq + column,
                                w.c.k + first * w.c.ldkv + column,
                                w.c.v + first * w.c.ldkv + column,
                                w.c.out + query * w.c.ldo + column,
                                (int)min(end - query, (size_t)QUERIES),
                                (int)len,
                                (int)w.c.head_dim };
        if (len == 0) answer_zeros(w, h);
        else attend<S>(w, h, room);
    }
}

template <int DIM> static cudaError_t launch(const attention_s8_work &w, cudaStream_t s)
{
    attention_s8<attention_s8_shape<DIM>><<<grid_for(w.units), THREADS, 0, s>>>(w);
    return cudaGetLastError();
}

cudaError_t pe_cu_attention_s8(const pe_attention_call *c, size_t longest, size_t most_queries,
                               cudaStream_t s)
{
    if (c->nrows == 0 || c->heads == 0 || c->head_dim == 0 || most_queries == 0) return cudaSuccess;
    if (c->head_dim > MOST_DIM || longest > MOST_KEYS) return cudaErrorNotSupported;
    attention_s8_work w = {};
    w.c = *c;
    w.tiles = parts_of(most_queries, QUERIES);
    w.units = c->nrows * c->heads * w.tiles;
    w.wide_q = c->head_dim % 4 == 0 && rows_of_4(c->q, c->ldq);
    w.wide_kv = c->head_dim % 4 == 0 && rows_of_4(c->k, c->ldkv) && rows_of_4(c->v, c->ldkv);
    w.wide_out = c->head_dim % 2 == 0 && c->ldo % 2 == 0 && aligned(c->out, 8);
    if (c->head_dim <= 32) return launch<32>(w, s);
    if (c->head_dim <= 64) return launch<64>(w, s);
    if (c->head_dim <= 128) return launch<128>(w, s);
    return launch<256>(w, s);
}
