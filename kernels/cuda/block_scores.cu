/* kernels/cuda/block_scores.cu - the sum of |w| of every block, one chain in row-major order in
 * double: the bits of the CPU. Narrow blocks are read by the threads that sum them, wide ones go
 * through shared memory. Read next: lib/prune/pattern.c (the meaning), kernels/cuda/cut.cu. */
#include "kernels/cuda/pass.cuh"

enum {
    NARROW = 8,    /* columns of a block that its thread reads itself */
    WIDEST = 1024, /* columns that fit a tile */
    SPAN = 512,    /* columns of a tile, or one block's */
    TILE = 8192,   /* floats of a tile */
    TILE_THREADS = 128,
    PER_THREAD = WIDEST / TILE_THREADS /* columns of a tile that a thread loads */
};

typedef struct blocks {
    size_t n, k, r, c, across; /* matrix, block, blocks side by side */
} blocks;

/* What a block of h x w of the full r x c scores: itself, or its mean times the full size. */
static __device__ __forceinline__ double score_of(double sum, size_t h, size_t w, const blocks &b)
{
    size_t full = b.r * b.c;
    return h * w == full ? sum : sum / (double)(h * w) * (double)full;
}

/* ---- a thread a block ------------------------------------------------------------------------ */

static __device__ __forceinline__ double add_row(double sum, const float *x, size_t w)
{
    if (w == 4 && aligned(x, 16)) {
        float4 v = __ldg((const float4 *)x);
        sum += (double)fabsf(v.x);
        sum += (double)fabsf(v.y);
        sum += (double)fabsf(v.z);
        return sum + (double)fabsf(v.w);
    }
    for (size_t i = 0; i < w; i++) sum += (double)fabsf(__ldg(x + i));
    return sum;
}

static __global__ void __launch_bounds__(THREADS)
    scores_narrow(double *score, const float *x, blocks b, pieces p)
{
    for (uint64_t u = grid_warp<THREADS>(); u < p.count; u += grid_warps<THREADS>()) {
        piece at = piece_at(p, u); /* a row of blocks */
        size_t h = min(b.r, b.n - at.row * b.r);
        const float *row = x + at.row * b.r * b.k;
        for (size_t i = at.begin + warp_lane(); i < at.begin + at.n; i += WARP) {
            size_t w = min(b.c, b.k - i * b.c);
            double sum = 0;
            for (size_t y = 0; y < h; y++) sum = add_row(sum, row + y * b.k + i * b.c, w);
            score[at.row * b.across + i] = score_of(sum, h, w, b);
        }
    }
}

/* ---- tiles ----------------------------------------------------------------------------------- */

typedef struct tiles {
    divisor across; /* tiles side by side */
    uint64_t count;
    int span, nblocks;    /* columns, blocks of one */
    int cs, pitch, nrows; /* floats from block to block, row to row; rows held at once */
} tiles;

/* Blocks lie an odd distance apart: threads that walk them side by side meet no bank twice. */
static tiles tiles_of(const blocks &b)
{
    tiles t;
    t.nblocks = b.c < SPAN ? SPAN / (int)b.c : 1;
    t.span = t.nblocks * (int)b.c;
    t.cs = (int)b.c | 1;
    t.pitch = t.nblocks * t.cs;
    t.nrows = TILE / t.pitch;
    t.across = divisor_of(parts_of(b.k, (size_t)t.span));
    t.count = t.across.by * parts_of(b.n, b.r);
    return t;
}

/* Rows `begin` .. + nrows of a tile whose first column is x's: to shared memory. */
static __device__ __forceinline__ void load_tile(float *to, const float *x, int nrows, int width,
                                                 const int place[PER_THREAD], size_t ld, int pitch)
{
    for (int y = 0; y < nrows; y++, x += ld, to += pitch) {
#pragma unroll
        for (int j = 0; j < PER_THREAD; j++) {
            int column = (int)threadIdx.x + j * TILE_THREADS;
            if (column < width) to[place[j]] = __ldg(x + column);
        }
    }
}

static __global__ void __launch_bounds__(TILE_THREADS)
    scores_wide(double *score, const float *x, blocks b, tiles t)
{
    __shared__ float tile[TILE];
    int me = (int)threadIdx.x, c = (int)b.c, place[PER_THREAD];
#pragma unroll
    for (int j = 0; j < PER_THREAD; j++) {
        int column = me + j * TILE_THREADS;
        place[j] = column / c * t.cs + column % c;
    }
    for (uint64_t u = blockIdx.x; u < t.count; u += gridDim.x) {
        size_t down = quotient(u, t.across), aside = u - down * t.across.by;
        size_t first = aside * (size_t)t.span;
        size_t h = min(b.r, b.n - down * b.r);
        int width = (int)min((size_t)t.span, b.k - first);
        int w = min(c, width - me * c); /* of this thread's block; none below 1 */
        const float *at = x + down * b.r * b.k + first;
        double sum = 0;
        for (size_t y = 0; y < h; y += (size_t)t.nrows) {
            int nrows = (int)min((size_t)t.nrows, h - y);
            __syncthreads(); /* the rows before have been summed */
            load_tile(tile, at + y * b.k, nrows, width, place, b.k, t.pitch);
            __syncthreads();
            if (me >= t.nblocks) continue;
            for (int i = 0; i < nrows; i++) {
                const float *row = tile + i * t.pitch + me * t.cs;
#pragma unroll 4
                for (int j = 0; j < w; j++) sum += (double)fabsf(row[j]);
            }
        }
        if (me < t.nblocks && w > 0)
            score[down * b.across + aside * (size_t)t.nblocks + me] =
                score_of(sum, h, (size_t)w, b);
    }
}

cudaError_t pe_cu_block_scores(double *score, const float *x, size_t n, size_t k, size_t r,
                               size_t c, cudaStream_t s)
{
    if (n == 0 || k == 0) return cudaSuccess;
    if (r == 0 || c == 0 || c > WIDEST) return cudaErrorInvalidValue;
    blocks b = { n, k, r, c, parts_of(k, c) };
    if (c <= NARROW) {
        pieces p = pieces_of(parts_of(n, r), b.across, b.across, 256);
        scores_narrow<<<grid_of_pieces(p), THREADS, 0, s>>>(score, x, b, p);
    } else {
        tiles t = tiles_of(b);
        scores_wide<<<grid_for(t.count), TILE_THREADS, 0, s>>>(score, x, b, t);
    }
    return cudaGetLastError();
}
