/* kernels/cuda/stats.cu - what calibration looks at: absmax of rows, range, largest magnitudes.
 * Magnitudes are compared as bits, so that NaN and Inf lie above all finite ones.
 * Read next: kernels/cuda/mse.cu, lib/calib/observer.c (the CPU's side). */
#include "kernels/cuda/pass.cuh"

enum { PIECE = 2048, RANGE_BLOCKS = 1024 };

/* ---- absmax ---------------------------------------------------------------------------------- */

/* What is not finite becomes the one NaN, so parts of a row can be joined by an integer maximum. */
static __global__ void __launch_bounds__(THREADS)
    absmax_rows(uint32_t *absmax, const float *x, pieces p)
{
    for (uint64_t u = grid_warp<THREADS>(); u < p.count; u += grid_warps<THREADS>()) {
        piece at = piece_at(p, u);
        uint32_t most = 0;
        each_float(x + at.row * p.ld + at.begin, at.n, warp_lane(),
                   [&](float v, size_t) { most = max(most, magnitude(v)); });
        most = __reduce_max_sync(EVERY_LANE, most);
        if (most >= INF_BITS) most = NAN_BITS;
        if (warp_lane() > 0) continue;
        if (p.per_row.by == 1) absmax[at.row] = most;
        else atomicMax(absmax + at.row, most);
    }
}

cudaError_t pe_cu_absmax_rows(float *absmax, const float *x, size_t m, size_t k, size_t ldx,
                              cudaStream_t s)
{
    pieces p = pieces_of(m, k, ldx, PIECE);
    if (m == 0) return cudaSuccess;
    if (p.per_row.by != 1) { /* none, or several that are joined */
        cudaError_t e = cudaMemsetAsync(absmax, 0, m * sizeof *absmax, s);
        if (e != cudaSuccess || k == 0) return e;
    }
    absmax_rows<<<grid_of_pieces(p), THREADS, 0, s>>>((uint32_t *)absmax, x, p);
    return cudaGetLastError();
}

/* ---- range ----------------------------------------------------------------------------------- */

/* Of the values seen in some order; the CPU keeps the sign of the first zero, so that is kept. */
typedef struct range {
    float lo, hi;
    uint64_t zero; /* 2 * index of the first zero, + 1 if it is -0; NO_ZERO */
    uint64_t bad;  /* something is not finite */
} range;

#define NO_ZERO UINT64_MAX

static __device__ __forceinline__ range join(range a, range b)
{
    a.lo = b.lo < a.lo ? b.lo : a.lo;
    a.hi = b.hi > a.hi ? b.hi : a.hi;
    a.zero = min(a.zero, b.zero);
    a.bad |= b.bad;
    return a;
}

static __device__ range warp_range(range r)
{
#pragma unroll
    for (int step = WARP / 2; step > 0; step /= 2) {
        range other;
        other.lo = __shfl_xor_sync(EVERY_LANE, r.lo, step);
        other.hi = __shfl_xor_sync(EVERY_LANE, r.hi, step);
        other.zero = __shfl_xor_sync(EVERY_LANE, r.zero, step);
        other.bad = __shfl_xor_sync(EVERY_LANE, r.bad, step);
        r = join(r, other);
    }
    return r;
}

/* Thread 0 gets the range of the block. */
static __device__ range block_range(range r)
{
    __shared__ range room[WARPS];
    r = warp_range(r);
    if (warp_lane() == 0) room[threadIdx.x / WARP] = r;
    __syncthreads();
    if (threadIdx.x == 0)
        for (int w = 1; w < WARPS; w++) r = join(r, room[w]);
    return r;
}

static __device__ __forceinline__ range nothing()
{
    return range{ __uint_as_float(INF_BITS), -__uint_as_float(INF_BITS), NO_ZERO, 0 };
}

static __global__ void __launch_bounds__(THREADS) range_parts(range *part, const float *x, pieces p)
{
    range r = nothing();
    for (uint64_t u = grid_warp<THREADS>(); u < p.count; u += grid_warps<THREADS>()) {
        piece at = piece_at(p, u);
        uint64_t first = at.row * p.length + at.begin;
        bool bad = false;
        each_float(x + at.row * p.ld + at.begin, at.n, warp_lane(), [&](float v, size_t i) {
            r.lo = v < r.lo ? v : r.lo;
            r.hi = v > r.hi ? v : r.hi;
            bad |= magnitude(v) >= INF_BITS;
            if (v == 0 && r.zero == NO_ZERO) /* pieces and values come in ascending order */
                r.zero = 2 * (first + i) + (__float_as_uint(v) >> 31);
        });
        r.bad |= bad;
    }
    r = block_range(r);
    if (threadIdx.x == 0) part[blockIdx.x] = r;
}

static __global__ void __launch_bounds__(THREADS)
    range_all(float *lo, float *hi, const range *part, unsigned nparts)
{
    range r = nothing();
    for (unsigned i = threadIdx.x; i < nparts; i += THREADS) r = join(r, part[i]);
    r = block_range(r);
    if (threadIdx.x > 0) return;
    float zero = r.zero & 1 ? -0.0f : 0.0f;
    if (r.lo == 0) r.lo = zero;
    if (r.hi == 0) r.hi = zero;
    if (r.bad) r.lo = r.hi = __uint_as_float(NAN_BITS);
    /* what was there came first; NaN stays, for nothing is below it */
    *lo = r.bad || r.lo < *lo ? r.lo : *lo;
    *hi = r.bad || r.hi > *hi ? r.hi : *hi;
}

size_t pe_cu_range_scratch(size_t m, size_t k)
{
    return sizeof(range) * grid_for(parts_of(m * k, PIECE * WARPS), RANGE_BLOCKS);
}

cudaError_t pe_cu_range(float *lo, float *hi, const float *x, size_t m, size_t k, size_t ldx,
                        void *scratch, cudaStream_t s)
{
    pieces p = pieces_of_all(m, k, ldx, PIECE);
    unsigned nparts = grid_for(parts_of(m * k, PIECE * WARPS), RANGE_BLOCKS);
    cudaError_t e;
    if (p.count == 0) return cudaSuccess;
    range_parts<<<nparts, THREADS, 0, s>>>((range *)scratch, x, p);
    e = cudaGetLastError();
    if (e != cudaSuccess) return e;
    range_all<<<1, THREADS, 0, s>>>(lo, hi, (const range *)scratch, nparts);
    return cudaGetLastError();
}

/* ---- largest magnitudes ---------------------------------------------------------------------- */

/* A warp takes its places in the list for 256 values at once. */
static __global__ void __launch_bounds__(THREADS)
    above(float *top, uint32_t *ntop, uint32_t cap, const float *x, pieces p, const float *floor)
{
    enum { ROUND = 8 };
    float least = *floor;
    uint32_t lower = (1u << warp_lane()) - 1;
    for (uint64_t u = grid_warp<THREADS>(); u < p.count; u += grid_warps<THREADS>()) {
        piece at = piece_at(p, u);
        const float *row = x + at.row * p.ld + at.begin;
        for (size_t i = 0; i < at.n; i += ROUND * WARP) {
            float a[ROUND];
            uint32_t found[ROUND], n = 0, to = 0;
#pragma unroll
            for (int j = 0; j < ROUND; j++) {
                size_t c = i + (size_t)(j * WARP + warp_lane());
                a[j] = c < at.n ? fabsf(__ldg(row + c)) : __uint_as_float(NAN_BITS);
            }
#pragma unroll
            for (int j = 0; j < ROUND; j++) {
                found[j] = __ballot_sync(EVERY_LANE, a[j] > least);
                n += (uint32_t)__popc(found[j]);
            }
            if (n == 0) continue;
            if (warp_lane() == 0) to = atomicAdd(ntop, n);
            to = __shfl_sync(EVERY_LANE, to, 0);
#pragma unroll
            for (int j = 0; j < ROUND; j++) {
                uint32_t place = to + (uint32_t)__popc(found[j] & lower);
                if (a[j] > least && place < cap) top[place] = a[j];
                to += (uint32_t)__popc(found[j]);
            }
        }
    }
}

cudaError_t pe_cu_above(float *top, uint32_t *ntop, uint32_t cap, const float *x, size_t m,
                        size_t k, size_t ldx, const float *floor, cudaStream_t s)
{
    pieces p = pieces_of_all(m, k, ldx, PIECE);
    if (p.count == 0) return cudaSuccess;
    above<<<grid_of_pieces(p), THREADS, 0, s>>>(top, ntop, cap, x, p, floor);
    return cudaGetLastError();
}
