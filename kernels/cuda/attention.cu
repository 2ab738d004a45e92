/* kernels/cuda/attention.cu - ragged attention in one launch. A block answers some queries of one
 * row and head: tiles of keys, then of values come through shared memory, the next one on its way
 * while one is used; the scores of all keys stay in shared memory between, so that the softmax sees
 * the whole row and every sum has the order of kernels/ref/ref_attention.c.
 * Read next: kernels/ref/ref_attention.c, kernels/cuda/mma.cuh. */
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/reduce.cuh"

enum { THREADS = 128, MOST_KEYS = 4096, MOST_DIM = 256 };
/* Every device from sm_80 on offers this much to a block. */
constexpr size_t MOST_SHARED = 99 * 1024;

struct attention_work {
    pe_attention_call c;
    size_t tiles, units; /* of queries in a row; in all */
    int lds;             /* between rows of scores */
    bool wide_in, wide_out;
};

/* Threads of a block: RG groups that take RQ queries each, of CG threads that share the keys and
 * then the columns of values. DIM: head_dim at most. KEYS: of a tile. Rows are 4 floats longer than
 * a multiple of 32, so what eight threads read at once, 16 bytes each, lies in different banks. */
template <int RG_, int RQ_, int DIM_, int KEYS_ = (DIM_ > 128 ? 16 : 32)> struct attention_shape {
    static constexpr int RG = RG_, RQ = RQ_, DIM = DIM_, CG = THREADS / RG, QUERIES = RG * RQ;
    static constexpr int KEYS = KEYS_, LD = DIM + 4;
    static constexpr int KEYS_EACH = KEYS < CG ? 1 : KEYS / CG;
    static constexpr int WIDTH = DIM / CG < 4 ? DIM / CG : 4; /* columns side by side */
    static constexpr int PIECES = DIM / CG / WIDTH;           /* such runs of a thread */

    static constexpr size_t shared_nbytes(size_t lds)
    {
        return (QUERIES * (LD + 1 + lds) + 2 * KEYS * LD) * sizeof(float);
    }
};

/* What a block works on. Pointers are at the head's first column. */
struct attention_head {
    const float *q, *k, *v;
    float *out;
    int nq, len, hd;
};

template <typename S> struct attention_room {
    float *queries, *tiles, *inverse, *scores;

    __device__ __forceinline__ explicit attention_room(float *shared)
    {
        queries = shared;
        tiles = queries + S::QUERIES * S::LD;
        inverse = tiles + 2 * S::KEYS * S::LD;
        scores = inverse + S::QUERIES;
    }
    __device__ __forceinline__ float *tile(int t) const
    {
        return tiles + t % 2 * (S::KEYS * S::LD);
    }
};

/* n rows of keys or values; zeros below them and up to whole groups of four columns. */
template <typename S, int NBYTES>
__device__ __forceinline__ void copy_tile(float *tile, const float *from, size_t ld, int n, int hd)
{
    constexpr int WIDTH = NBYTES / 4, GROUPS = S::DIM / WIDTH;
#pragma unroll 4
    for (int i = (int)threadIdx.x; i < S::KEYS * GROUPS; i += THREADS) {
        int row = i / GROUPS, column = i % GROUPS * WIDTH;
        if (column < (hd + 3) / 4 * 4)
            copy_async<NBYTES>(tile + row * S::LD + column, from + (size_t)row * ld + column,
                               row < n && column < hd ? NBYTES : 0);
    }
}

/* Tile t of keys, or beyond the last one, of values. */
template <typename S>
__device__ __forceinline__ void copy_next(const attention_work &w, const attention_head &h,
                                          float *tile, int t)
{
    int ntiles = (h.len + S::KEYS - 1) / S::KEYS;
    int first = (t < ntiles ? t : t - ntiles) * S::KEYS;
    const float *from = (t < ntiles ? h.k : h.v) + (size_t)first * w.c.ldkv;
    int n = h.len - first;
    if (w.wide_in) copy_tile<S, 16>(tile, from, w.c.ldkv, n, h.hd);
    else copy_tile<S, 4>(tile, from, w.c.ldkv, n, h.hd);
    copy_commit();
}

/* Queries times scale, zeros like those of a tile. */
template <typename S>
__device__ __forceinline__ void stage_queries(const attention_work &w, const attention_head &h,
                                              float *queries)
{
#pragma unroll 4
    for (int i = (int)threadIdx.x; i < S::QUERIES * S::DIM; i += THREADS) {
        int row = i / S::DIM, column = i % S::DIM;
        if (column >= (h.hd + 3) / 4 * 4) continue;
        bool there = row < h.nq && column < h.hd;
        queries[row * S::LD + column] =
            there ? __ldg(h.q + (size_t)row * w.c.ldq + column) * w.c.scale : 0.0f;
    }
}

/* Chains over ascending columns; the zeros at their end change nothing but the sign of a zero,
 * which no softmax sees. Keys beyond the last one are zeros, and nobody reads their scores. */
template <typename S>
__device__ __forceinline__ void score_tile(const attention_head &h, const attention_room<S> &room,
                                           const float *tile, int first, int lds)
{
    int rg = (int)threadIdx.x / S::CG, cg = (int)threadIdx.x % S::CG;
    float sum[S::RQ][S::KEYS_EACH] = {};
    if (S::KEYS < S::CG && cg >= S::KEYS) return;
#pragma unroll 2
    for (int i = 0; i < h.hd; i += 4) {
        floats<4> q[S::RQ];
#pragma unroll
        for (int r = 0; r < S::RQ; r++)
            q[r] = load_floats<4>(room.queries + (rg + S::RG * r) * S::LD + i);
#pragma unroll
        for (int j = 0; j < S::KEYS_EACH; j++) {
            floats<4> k = load_floats<4>(tile + (cg + S::CG * j) * S::LD + i);
#pragma unroll
            for (int r = 0; r < S::RQ; r++)
#pragma unroll
                for (int e = 0; e < 4; e++) sum[r][j] = fmaf(q[r].v[e], k.v[e], sum[r][j]);
        }
    }
#pragma unroll
    for (int j = 0; j < S::KEYS_EACH; j++) {
        int key = first + cg + S::CG * j;
#pragma unroll
        for (int r = 0; r < S::RQ; r++) room.scores[(rg + S::RG * r) * lds + key] = sum[r][j];
    }
}

/* Scores become exp(score - maximum), half a warp a query. */
template <typename S>
__device__ __forceinline__ void softmax(const attention_head &h, const attention_room<S> &room,
                                        int lds)
{
    constexpr int HALVES = THREADS / (int)SUM_LANES;
    constexpr int EACH = S::QUERIES < HALVES ? 1 : S::QUERIES / HALVES;
    int warp = (int)(threadIdx.x / WARP), half = (int)(threadIdx.x / SUM_LANES % 2);
    int lane = (int)(threadIdx.x % SUM_LANES);
#pragma unroll 1
    for (int i = 0; i < EACH; i++) {
        int row = 2 * EACH * warp + i;
        if (row >= h.nq) break; /* and so is the other half's */
        row += EACH * half;
        float *s = room.scores + row * lds, max = -INFINITY, sum = 0.0f;
        int end = row < S::QUERIES ? h.len : 0;
#pragma unroll 4
        for (int j = lane; j < end; j += SUM_LANES) max = second_max(s[j], max);
        max = fold_max(max);
#pragma unroll 4
        for (int j = lane; j < end; j += SUM_LANES) {
            float e = exp_poly(s[j] - max);
            s[j] = e;
            sum += e;
        }
        sum = fold_sum(sum);
        if (lane == 0 && end > 0) room.inverse[row] = __fdiv_rn(1.0f, sum);
    }
}

/* N keys' values into the chains of this thread's queries and columns. */
template <typename S, int N>
__device__ __forceinline__ void add_values(float (&sum)[S::RQ][S::PIECES][S::WIDTH],
                                           const float *scores, const float *tile, int lds, int hd)
{
    int cg = (int)threadIdx.x % S::CG;
    floats<N> s[S::RQ];
#pragma unroll
    for (int r = 0; r < S::RQ; r++) s[r] = load_floats<N>(scores + S::RG * r * lds);
#pragma unroll
    for (int j = 0; j < N; j++)
#pragma unroll
        for (int p = 0; p < S::PIECES; p++) {
            int column = (cg + S::CG * p) * S::WIDTH;
            if (column >= hd) continue;
            floats<S::WIDTH> v = load_floats<S::WIDTH>(tile + j * S::LD + column);
#pragma unroll
            for (int r = 0; r < S::RQ; r++)
#pragma unroll
                for (int e = 0; e < S::WIDTH; e++)
                    sum[r][p][e] = fmaf(s[r].v[j], v.v[e], sum[r][p][e]);
        }
}

template <typename S>
__device__ __forceinline__ void value_tile(float (&sum)[S::RQ][S::PIECES][S::WIDTH],
                                           const attention_head &h, const attention_room<S> &room,
                                           const float *tile, int first, int lds)
{
    const float *scores = room.scores + (int)threadIdx.x / S::CG * lds + first;
    int n = min(S::KEYS, h.len - first), j = 0;
#pragma unroll 2
    for (; j + 4 <= n; j += 4) add_values<S, 4>(sum, scores + j, tile + j * S::LD, lds, h.hd);
#pragma unroll 1
    for (; j < n; j++) add_values<S, 1>(sum, scores + j, tile + j * S::LD, lds, h.hd);
}

/* A row without keys answers 0: its sums are, and by is 1. */
template <typename S>
__device__ __forceinline__ void store_queries(const attention_work &w, const attention_head &h,
                                              const attention_room<S> &room,
                                              const float (&sum)[S::RQ][S::PIECES][S::WIDTH])
{
    int rg = (int)threadIdx.x / S::CG, cg = (int)threadIdx.x % S::CG;
#pragma unroll
    for (int r = 0; r < S::RQ; r++) {
        int row = rg + S::RG * r;
        if (row >= h.nq) break;
        float by = h.len ? room.inverse[row] : 1.0f;
#pragma unroll
        for (int p = 0; p < S::PIECES; p++) {
            int column = (cg + S::CG * p) * S::WIDTH;
            float *out = h.out + (size_t)row * w.c.ldo + column;
            floats<S::WIDTH> y;
#pragma unroll
            for (int e = 0; e < S::WIDTH; e++) y.v[e] = sum[r][p][e] * by;
            if (w.wide_out && column < h.hd) {
                store_floats(out, y);
            } else {
#pragma unroll
                for (int e = 0; e < S::WIDTH; e++)
                    if (column + e < h.hd) out[e] = y.v[e];
            }
        }
    }
}

template <typename S>
__device__ __forceinline__ void attend(const attention_work &w, const attention_head &h,
                                       const attention_room<S> &room)
{
    float sum[S::RQ][S::PIECES][S::WIDTH] = {};
    int ntiles = (h.len + S::KEYS - 1) / S::KEYS;
    if (ntiles > 0) copy_next<S>(w, h, room.tile(0), 0);
    stage_queries<S>(w, h, room.queries);
#pragma unroll 1
    for (int t = 0; t < 2 * ntiles; t++) {
        const float *tile = room.tile(t);
        copy_wait<0>();
        __syncthreads(); /* this tile is there, the one before it is used up */
        if (t + 1 < 2 * ntiles) copy_next<S>(w, h, room.tile(t + 1), t + 1);
        if (t < ntiles) score_tile<S>(h, room, tile, t * S::KEYS, w.lds);
        else value_tile<S>(sum, h, room, tile, (t - ntiles) * S::KEYS, w.lds);
        if (t + 1 == ntiles) {
            __syncthreads();
            softmax<S>(h, room, w.lds);
        }
    }
    store_queries<S>(w, h, room, sum);
}

template <typename S>
static __global__ void __launch_bounds__(THREADS, S::DIM > 64 ? 3 : 4) attention(attention_work w)
{
    extern __shared__ float4 shared[];
    attention_room<S> room(reinterpret_cast<float *>(shared));
    const uint32_t *asks = w.c.q_begin ? w.c.q_begin : w.c.row_begin;
    for (size_t unit = blockIdx.x; unit < w.units; unit += gridDim.x) {
        size_t tile = unit % w.tiles, head = unit / w.tiles % w.c.heads;
        size_t row = unit / w.tiles / w.c.heads;
        size_t first = w.c.row_begin[row], len = w.c.row_begin[row + 1] - first;
        size_t query = asks[row] + tile * S::QUERIES, end = asks[row + 1];
        if (query >= end) continue;
        size_t column = head * w.c.head_dim;
        attention_head h = { w.c.q + query * w.c.ldq + column,
                             w.c.k + first * w.c.ldkv + column,
                             w.c.v + first * w.c.ldkv + column,
                             w.c.out + query * w.c.ldo + column,
                             (int)min(end - query, (size_t)S::QUERIES),
                             (int)len,
                             (int)w.c.head_dim };
        attend<S>(w, h, room); /* its first barrier is far enough from the last one's reads */
    }
}

template <typename S>
static cudaError_t launch(attention_work w, size_t most_queries, cudaStream_t s)
{
    size_t nbytes = S::shared_nbytes((size_t)w.lds);
    w.tiles = parts_of(most_queries, S::QUERIES);
    w.units = w.c.nrows * w.c.heads * w.tiles;
    /* The same for every call: threads that launch at once must not lower it for each other. */
    cudaError_t e = cudaFuncSetAttribute(attention<S>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                         (int)MOST_SHARED);
    if (e != cudaSuccess) return e;
    attention<S><<<grid_for(w.units), THREADS, nbytes, s>>>(w);
    return cudaGetLastError();
}

/* As many queries in a block as are asked for and find room. */
template <int DIM>
static cudaError_t choose_queries(const attention_work &w, size_t most, cudaStream_t s)
{
    using of_32 = attention_shape<16, 2, DIM>;
    using of_16 = attention_shape<16, 1, DIM>;
    using of_8 = attention_shape<8, 1, DIM>;
    using of_4 = attention_shape<4, 1, DIM>;
    using of_4_long = attention_shape<4, 1, DIM, of_4::KEYS / (DIM <= 64 ? 1 : 2)>;
    static_assert(of_4_long::shared_nbytes(MOST_KEYS + 4) <= MOST_SHARED,
                  "the longest rows find room");
    size_t lds = (size_t)w.lds;
    if (most > 16 && of_32::shared_nbytes(lds) <= MOST_SHARED) return launch<of_32>(w, most, s);
    if (most > 8 && of_16::shared_nbytes(lds) <= MOST_SHARED) return launch<of_16>(w, most, s);
    if (most > 4 && of_8::shared_nbytes(lds) <= MOST_SHARED) return launch<of_8>(w, most, s);
    if (of_4::shared_nbytes(lds) <= MOST_SHARED) return launch<of_4>(w, most, s);
    return launch<of_4_long>(w, most, s);
}

cudaError_t pe_cu_attention(const pe_attention_call *c, size_t longest, size_t most_queries,
                            cudaStream_t s)
{
    if (c->nrows == 0 || c->heads == 0 || c->head_dim == 0 || most_queries == 0) return cudaSuccess;
    if (c->head_dim > MOST_DIM || longest > MOST_KEYS) return cudaErrorNotSupported;
    attention_work w = {};
    w.c = *c;
    w.lds = (int)((longest + 31) / 32 * 32 + 4);
    w.wide_in = c->head_dim % 4 == 0 && rows_of_4(c->k, c->ldkv) && rows_of_4(c->v, c->ldkv);
    w.wide_out = c->head_dim % 4 == 0 && rows_of_4(c->out, c->ldo);
    if (c->head_dim <= 32) return choose_queries<32>(w, most_queries, s);
    if (c->head_dim <= 64) return choose_queries<64>(w, most_queries, s);
    if (c->head_dim <= 128) return choose_queries<128>(w, most_queries, s);
    return choose_queries<256>(w, most_queries, s);
}
