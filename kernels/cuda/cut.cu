/* kernels/cuda/cut.cu - zeroing what lies below a threshold, and of what equals it all but the
 * first ones in order: equals are counted chunk by chunk, then every chunk knows how many came
 * before. Read next: lib/prune/pattern.c (the meaning), kernels/cuda/block_scores.cu. */
#include "kernels/cuda/pass.cuh"

enum { SHORTEST = 4096, MOST_CHUNKS = 4096, TILE = 4 * THREADS };

/* n elements in chunks of one length, a multiple of TILE: one block each. */
typedef struct chunks {
    size_t n, length;
    unsigned count;
} chunks;

static chunks chunks_of(size_t n)
{
    size_t length = parts_of(parts_of(n, MOST_CHUNKS), TILE) * TILE;
    if (length < SHORTEST) length = SHORTEST;
    return chunks{ n, length, (unsigned)parts_of(n, length) };
}

static __device__ __forceinline__ size_t length_of(const chunks &c)
{
    return min(c.length, c.n - blockIdx.x * c.length);
}

/* Equals of the chunks before this one; all threads get it. */
static __device__ u64 equals_before(const uint32_t *equals, u64 *room)
{
    u64 sum = 0;
    for (unsigned i = threadIdx.x; i < blockIdx.x; i += THREADS) sum += equals[i];
    return block_sum(sum, room);
}

/* How many of this chunk's equals stay. */
static __device__ u64 staying(const uint32_t *equals, u64 keep, u64 *room)
{
    u64 before = equals_before(equals, room), left = keep > before ? keep - before : 0;
    return min(left, (u64)equals[blockIdx.x]);
}

/* ---- single weights -------------------------------------------------------------------------- */

/* What one thread sees: weights below the threshold, and equal to it. A zero of either sign becomes
 * +0 even where it counts as staying. */
struct below {
    uint32_t t; /* keys: magnitudes as bits */
    u64 gone;
    uint32_t equal;
    __device__ __forceinline__ bool cut(float &x)
    {
        uint32_t bits = __float_as_uint(x), key = magnitude(x);
        bool zero = key < t || key == 0;
        gone += key < t;
        equal += key == t;
        if (zero) x = 0;
        return zero && bits != 0; /* else it need not be written */
    }
    __device__ __forceinline__ void cut4(float4 *at, float4 v)
    {
        bool changed = cut(v.x);
        changed |= cut(v.y);
        changed |= cut(v.z);
        changed |= cut(v.w);
        if (changed) *at = v;
    }
    __device__ __forceinline__ void cut1(float *at)
    {
        float v = *at;
        if (cut(v)) *at = v;
    }
};

static __global__ void __launch_bounds__(THREADS)
    cut_below(float *all, chunks c, const float *t, u64 *gone, uint32_t *equals)
{
    __shared__ u64 room[2][WARPS];
    float *x = all + blockIdx.x * c.length;
    size_t n = length_of(c), head = head_of(x, n), nvec = (n - head) / 4, i = threadIdx.x;
    float4 *v = (float4 *)(x + head);
    below b = { magnitude(*t), 0, 0 };
    if (i < head) b.cut1(x + i);
    for (; i + 3 * THREADS < nvec; i += 4 * THREADS) {
        float4 a[4];
#pragma unroll
        for (int j = 0; j < 4; j++) a[j] = v[i + j * THREADS];
#pragma unroll
        for (int j = 0; j < 4; j++) b.cut4(v + i + j * THREADS, a[j]);
    }
    for (; i < nvec; i += THREADS) b.cut4(v + i, v[i]);
    i = head + 4 * nvec + threadIdx.x;
    if (i < n) b.cut1(x + i);
    u64 below_all = block_sum(b.gone, room[0]), equal_all = block_sum(b.equal, room[1]);
    if (threadIdx.x > 0) return;
    equals[blockIdx.x] = (uint32_t)equal_all;
    if (below_all) atomicAdd(gone, below_all);
}

/* Few chunks have anything to do here: where all equals stay nothing is read. */
static __global__ void __launch_bounds__(THREADS)
    cut_equal(float *all, chunks c, const float *t, const u64 *keep, u64 *gone,
              const uint32_t *equals)
{
    __shared__ u64 room[WARPS];
    __shared__ uint32_t ranks[2][WARPS];
    if (equals[blockIdx.x] == 0) return;
    float *x = all + blockIdx.x * c.length;
    size_t n = length_of(c);
    uint32_t key = magnitude(*t);
    u64 stay = staying(equals, *keep, room), seen = 0;
    if (stay == equals[blockIdx.x]) return;
    if (threadIdx.x == 0) atomicAdd(gone, equals[blockIdx.x] - stay);
    if (key == 0) return; /* they are +0 already */
    for (size_t tile = 0; tile < n; tile += TILE) {
        bool equal[4];
        uint32_t mine = 0, total;
#pragma unroll
        for (int j = 0; j < 4; j++) {
            size_t i = tile + 4 * threadIdx.x + j;
            equal[j] = i < n && magnitude(x[i]) == key;
            mine += equal[j];
        }
        u64 rank = seen + block_rank(&total, mine, ranks[tile / TILE % 2]);
#pragma unroll
        for (int j = 0; j < 4; j++) {
            if (equal[j] && rank >= stay) x[tile + 4 * threadIdx.x + j] = 0;
            rank += equal[j];
        }
        seen += total;
    }
}

size_t pe_cu_cut_scratch(size_t n)
{
    return chunks_of(n).count * sizeof(uint32_t);
}

cudaError_t pe_cu_cut_f32(float *x, size_t n, const float *t, const uint64_t *keep, uint64_t *gone,
                          void *scratch, cudaStream_t s)
{
    chunks c = chunks_of(n);
    uint32_t *equals = (uint32_t *)scratch;
    cudaError_t e;
    if (n == 0) return cudaSuccess;
    cut_below<<<c.count, THREADS, 0, s>>>(x, c, t, (u64 *)gone, equals);
    e = cudaGetLastError();
    if (e != cudaSuccess) return e;
    cut_equal<<<c.count, THREADS, 0, s>>>(x, c, t, (const u64 *)keep, (u64 *)gone, equals);
    return cudaGetLastError();
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static __global__ void __launch_bounds__(THREADS)
    count_equal(uint32_t *equals, const double *all, chunks c, const double *t)
{
    __shared__ u64 room[WARPS];
    const double *score = all + blockIdx.x * c.length;
    size_t n = length_of(c);
    u64 equal = 0;
    for (size_t i = threadIdx.x; i < n; i += THREADS) equal += score[i] == *t;
    equal = block_sum(equal, room);
    if (threadIdx.x == 0) equals[blockIdx.x] = (uint32_t)equal;
}

/* zero[i]: block i is to be zeroed. Blocks of score 0 are, for their -0; they count as gone only
 * where they are. */
static __global__ void __launch_bounds__(THREADS)
    choose_blocks(uint8_t *zero, const double *all, chunks c, const double *t, const u64 *keep,
                  u64 *gone, const uint32_t *equals)
{
    __shared__ u64 room[2][WARPS];
    __shared__ uint32_t ranks[2][WARPS];
    size_t first = blockIdx.x * c.length, n = length_of(c);
    double least = *t;
    u64 stay = staying(equals, *keep, room[0]), seen = 0, ngone = 0;
    for (size_t tile = 0; tile < n; tile += THREADS) {
        size_t i = tile + threadIdx.x;
        double score = i < n ? all[first + i] : 0;
        bool equal = i < n && score == least;
        uint32_t total;
        u64 rank = seen + block_rank(&total, equal, ranks[tile / THREADS % 2]);
        bool goes = i < n && (score < least || (equal && rank >= stay));
        if (i < n) zero[first + i] = goes || score == 0;
        ngone += goes;
        seen += total;
    }
    ngone = block_sum(ngone, room[1]);
    if (threadIdx.x == 0 && ngone) atomicAdd(gone, ngone);
}

typedef struct grid_of_blocks {
    divisor r, c;  /* rows and columns of a block */
    size_t across; /* blocks side by side */
} grid_of_blocks;

/* Zeroes the chosen of the four columns at `at`, of which some lie outside of the piece. */
static __device__ __forceinline__ void zero_four(float *at, const uint8_t *zero, size_t column,
                                                 const divisor &c, const bool inside[4])
{
    size_t block = quotient(column, c), rest = column - block * c.by;
    bool gone[4], all = true;
#pragma unroll
    for (int j = 0; j < 4; j++) {
        gone[j] = inside[j] && zero[block];
        all = all && gone[j];
        if (inside[j] && ++rest == c.by) {
            rest = 0;
            block++;
        }
    }
    if (all) {
        *(float4 *)at = make_float4(0, 0, 0, 0);
    } else {
#pragma unroll
        for (int j = 0; j < 4; j++)
            if (gone[j]) at[j] = 0;
    }
}

/* Four columns a lane, from the address of 16 bytes at or before the piece on. */
static __global__ void __launch_bounds__(THREADS)
    zero_blocks(float *x, const uint8_t *zero, pieces p, grid_of_blocks g)
{
    for (uint64_t u = grid_warp<THREADS>(); u < p.count; u += grid_warps<THREADS>()) {
        piece at = piece_at(p, u);
        float *row = x + at.row * p.ld + at.begin;
        const uint8_t *flags = zero + quotient(at.row, g.r) * g.across;
        size_t before = (size_t)row % 16 / sizeof(float), end = at.n + before;
        for (size_t i = 4 * (size_t)warp_lane(); i < end; i += 4 * WARP) {
            bool inside[4];
#pragma unroll
            for (int j = 0; j < 4; j++) inside[j] = i + j >= before && i + j < end;
            size_t column = at.begin + (i > before ? i - before : 0);
            zero_four(row - before + i, flags, column, g.c, inside);
        }
    }
}

size_t pe_cu_cut_blocks_scratch(size_t nblocks)
{
    return chunks_of(nblocks).count * sizeof(uint32_t) + nblocks;
}

cudaError_t pe_cu_cut_blocks(float *x, size_t n, size_t k, size_t r, size_t c, const double *score,
                             const double *t, const uint64_t *keep, uint64_t *gone, void *scratch,
                             cudaStream_t s)
{
    enum { PIECE = 2048 };
    if (n == 0 || k == 0) return cudaSuccess;
    if (r == 0 || c == 0) return cudaErrorInvalidValue;
    grid_of_blocks g = { divisor_of(r), divisor_of(c), parts_of(k, c) };
    chunks all = chunks_of(parts_of(n, r) * g.across);
    pieces p = pieces_of(n, k, k, PIECE);
    uint32_t *equals = (uint32_t *)scratch;
    uint8_t *zero = (uint8_t *)(equals + all.count);
    count_equal<<<all.count, THREADS, 0, s>>>(equals, score, all, t);
    cudaError_t e = cudaGetLastError();
    if (e != cudaSuccess) return e;
    choose_blocks<<<all.count, THREADS, 0, s>>>(zero, score, all, t, (const u64 *)keep, (u64 *)gone,
                                                equals);
    e = cudaGetLastError();
    if (e != cudaSuccess) return e;
    zero_blocks<<<grid_of_pieces(p), THREADS, 0, s>>>(x, zero, p, g);
    return cudaGetLastError();
}
