/* kernels/cuda/linear_s8.cu - the int8 layer by tensor cores, for many tokens: a block computes a
 * tile of tokens times outputs; pieces of 64 inputs come through shared memory in a ring of stages,
 * and the sums go out through it too, so that rows of y are written whole.
 * Read next: kernels/cuda/mma.cuh, kernels/cuda/epilogue.cuh, kernels/cuda/linear_s8_few.cu. */
#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/linear_s8.cuh"
#include "kernels/cuda/mma.cuh"

/* Inputs of a stage; 16-byte pieces of one row of it. */
constexpr int DEPTH = 64, PIECE = 16, PIECES = DEPTH / PIECE;

/* M tokens times N outputs a block, by WM x WN warps. */
template <int M_, int N_, int WM_, int WN_, int STAGES_> struct s8_tile {
    static constexpr int M = M_, N = N_, WM = WM_, WN = WN_, STAGES = STAGES_;
    static constexpr int THREADS = WM * WN * (int)WARP;
    static constexpr int MMA_M = M / WM / 16, MMA_N = N / WN / 8; /* products of a warp */
    static constexpr int STAGE = (M + N) * DEPTH;                 /* bytes */
    static constexpr int LDS = N + 8; /* of sums on their way out: no two lanes in one bank */
    static constexpr int RING = STAGES * STAGE, SUMS = M * LDS * (int)sizeof(int);
    static constexpr int SHARED = RING > SUMS ? RING : SUMS;
};

/* Where a piece of a row lies in its stage. Eight rows that ldmatrix reads at once, and eight
 * pieces that are written at once, lie in different banks. */
__device__ __forceinline__ int piece_at(int row, int piece)
{
    return row * DEPTH + (piece ^ (row / 2 % PIECES)) * PIECE;
}

/* What one thread copies of every stage: EACH pieces of an operand, a fixed column of it. */
template <int ROWS, int THREADS> struct stage_copies {
    static constexpr int EACH = ROWS * PIECES / THREADS, STEP = THREADS / PIECES;
    const int8_t *from;
    size_t step; /* bytes between rows copied after each other */
    int row, rows_left, piece;

    __device__ __forceinline__ stage_copies(const int8_t *x, size_t ld, size_t first, size_t nrows)
    {
        row = (int)threadIdx.x / PIECES;
        piece = (int)threadIdx.x % PIECES;
        from = x + (first + row) * ld + piece * PIECE;
        step = STEP * ld;
        rows_left = (int)min(nrows - first, (size_t)ROWS) - row;
    }
    /* Inputs k .. k + DEPTH; zeros from `end` on and below the last row. */
    __device__ __forceinline__ void copy(int8_t *stage, int k, int end) const
    {
        bool inside = k + piece * PIECE < end;
#pragma unroll
        for (int i = 0; i < EACH; i++)
            copy_async<PIECE>(stage + piece_at(row + i * STEP, piece), from + i * step + k,
                              inside && i * STEP < rows_left ? PIECE : 0);
    }
};

/* One stage's products of a warp. */
template <typename T>
__device__ __forceinline__ void multiply(int (&acc)[T::MMA_M][T::MMA_N][4], const int8_t *x,
                                         const int8_t *w)
{
    int lane = (int)warp_lane(), warp = (int)(threadIdx.x / WARP);
    int x_row = warp / T::WN * (16 * T::MMA_M) + lane % 16;
    int w_row = warp % T::WN * (8 * T::MMA_N) + lane % 8 + lane / 16 * 8;
#pragma unroll
    for (int k = 0; k < PIECES; k += 2) {
        uint32_t a[T::MMA_M][4], b[T::MMA_N / 2][4];
#pragma unroll
        for (int i = 0; i < T::MMA_M; i++)
            load_matrix_x4(a[i], x + piece_at(x_row + 16 * i, k + lane / 16));
#pragma unroll
        for (int j = 0; j < T::MMA_N / 2; j++)
            load_matrix_x4(b[j], w + piece_at(w_row + 16 * j, k + lane / 8 % 2));
#pragma unroll
        for (int i = 0; i < T::MMA_M; i++)
#pragma unroll
            for (int j = 0; j < T::MMA_N; j++) mma_s8(acc[i][j], a[i], b[j / 2] + j % 2 * 2);
    }
}

/* All inputs: the copies run STAGES - 1 stages ahead. */
template <typename T>
__device__ __forceinline__ void sum_tile(int (&acc)[T::MMA_M][T::MMA_N][4], const s8_layer &layer,
                                         int8_t *shared, size_t token, size_t output)
{
    const pe_linear_call &c = layer.c;
    stage_copies<T::M, T::THREADS> x(c.xq, c.ldx, token, c.m);
    stage_copies<T::N, T::THREADS> w(layer.weights, layer.ldw, output, c.n);
    int k = (int)c.k, end = (k + 31) / 32 * 32, nstages = (k + DEPTH - 1) / DEPTH;
    auto copy = [&](int stage) {
        int8_t *to = shared + stage % T::STAGES * T::STAGE;
        if (stage < nstages) {
            x.copy(to, stage * DEPTH, end);
            w.copy(to + T::M * DEPTH, stage * DEPTH, end);
        }
        copy_commit();
    };
#pragma unroll
    for (int stage = 0; stage < T::STAGES - 1; stage++) copy(stage);
#pragma unroll 1
    for (int stage = 0; stage < nstages; stage++) {
        const int8_t *at = shared + stage % T::STAGES * T::STAGE;
        copy_wait<T::STAGES - 2>();
        __syncthreads(); /* this stage is there, the one before it is free */
        copy(stage + T::STAGES - 1);
        multiply<T>(acc, at, at + T::M * DEPTH);
    }
    copy_wait<0>();
    __syncthreads();
}

template <typename T>
__device__ __forceinline__ void stage_sums(int *sums, const int (&acc)[T::MMA_M][T::MMA_N][4])
{
    int lane = (int)warp_lane(), warp = (int)(threadIdx.x / WARP);
    int row = warp / T::WN * (16 * T::MMA_M) + lane / 4;
    int column = warp % T::WN * (8 * T::MMA_N) + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < T::MMA_M; i++)
#pragma unroll
        for (int j = 0; j < T::MMA_N; j++) {
            int *at = sums + (row + 16 * i) * T::LDS + column + 8 * j;
            *reinterpret_cast<int2 *>(at) = make_int2(acc[i][j][0], acc[i][j][1]);
            *reinterpret_cast<int2 *>(at + 8 * T::LDS) = make_int2(acc[i][j][2], acc[i][j][3]);
        }
    __syncthreads();
}

/* A thread finishes four columns of some rows. */
template <typename T, typename ACT>
__device__ __forceinline__ void store_tile(const pe_linear_call &c, const int *sums, size_t token,
                                           size_t output, bool wide)
{
    constexpr int GROUPS = T::N / 4, ROWS = T::THREADS / GROUPS;
    int column = (int)threadIdx.x % GROUPS * 4;
    int nrows = (int)min(c.m - token, (size_t)T::M);
    size_t first = output + (size_t)column;
    if (first >= c.n) return;
    int ncolumns = (int)min(c.n - first, (size_t)4);
    s8_output w[4] = {};
#pragma unroll
    for (int j = 0; j < 4; j++)
        if (j < ncolumns) w[j] = s8_output_at(c, first + j);
#pragma unroll 2
    for (int row = (int)threadIdx.x / GROUPS; row < nrows; row += ROWS) {
        int4 acc = *reinterpret_cast<const int4 *>(sums + row * T::LDS + column);
        s8_token x = s8_token_at(c, token + row);
        float *to = c.y + (token + row) * c.ldy + first;
        floats<4> y = { { finish_s8<ACT>(acc.x, x, w[0]), finish_s8<ACT>(acc.y, x, w[1]),
                          finish_s8<ACT>(acc.z, x, w[2]), finish_s8<ACT>(acc.w, x, w[3]) } };
        if (wide && ncolumns == 4) {
            store_floats(to, y);
        } else {
#pragma unroll
            for (int j = 0; j < 4; j++)
                if (j < ncolumns) to[j] = y.v[j];
        }
    }
}

/* Tiles in bands of eight rows of tiles, so that blocks that run together share operands in the
 * second cache. */
__device__ __forceinline__ void tile_of(size_t *mt, size_t *nt, size_t block, size_t mtiles,
                                        size_t ntiles)
{
    size_t band = block / (8 * ntiles), within = block % (8 * ntiles);
    size_t height = min(mtiles - 8 * band, (size_t)8);
    *mt = 8 * band + within % height;
    *nt = within / height;
}

template <typename T>
static __global__ void __launch_bounds__(T::THREADS, 2)
    linear_s8(s8_layer layer, size_t mtiles, size_t ntiles, bool wide)
{
    extern __shared__ int4 shared[];
    int acc[T::MMA_M][T::MMA_N][4] = {};
    size_t mt, nt;
    tile_of(&mt, &nt, blockIdx.x, mtiles, ntiles);
    sum_tile<T>(acc, layer, reinterpret_cast<int8_t *>(shared), mt * T::M, nt * T::N);
    int *sums = reinterpret_cast<int *>(shared);
    stage_sums<T>(sums, acc);
    with_activation(layer.c.act, [&](auto act) {
        store_tile<T, decltype(act)>(layer.c, sums, mt * T::M, nt * T::N, wide);
    });
}

template <typename T> static cudaError_t launch(const s8_layer &layer, cudaStream_t s)
{
    const pe_linear_call &c = layer.c;
    size_t mtiles = parts_of(c.m, T::M), ntiles = parts_of(c.n, T::N);
    cudaError_t e =
        cudaFuncSetAttribute(linear_s8<T>, cudaFuncAttributeMaxDynamicSharedMemorySize, T::SHARED);
    if (e != cudaSuccess) return e;
    linear_s8<T><<<whole_grid_for(mtiles * ntiles), T::THREADS, T::SHARED, s>>>(
        layer, mtiles, ntiles, rows_of_4(c.y, c.ldy));
    return cudaGetLastError();
}

using large_tile = s8_tile<128, 128, 2, 4, 4>;
using small_tile = s8_tile<64, 64, 2, 2, 4>;

/* Large tiles read operands less often; with too few of them processors would stand idle. */
enum { FEW_TOKENS = 64, ENOUGH_TILES = 128 };

cudaError_t pe_cu_linear_s8(const pe_linear_call *c, const int8_t *weights, size_t ldw,
                            cudaStream_t s)
{
    if (c->m == 0 || c->n == 0) return cudaSuccess;
    if (!aligned(c->xq, 16) || c->ldx % 64 != 0 || !aligned(weights, 16) || ldw % 32 != 0)
        return cudaErrorMisalignedAddress;
    if (c->k > 65536 || ldw < c->k || c->ldx < c->k) return cudaErrorInvalidValue;
    s8_layer layer = { *c, weights, ldw };
    if (c->m <= FEW_TOKENS) return pe_cu_linear_s8_few(layer, s);
    size_t tiles = parts_of(c->m, large_tile::M) * parts_of(c->n, large_tile::N);
    return tiles < ENOUGH_TILES ? launch<small_tile>(layer, s) : launch<large_tile>(layer, s);
}
