/* kernels/cuda/layout_blocks.cu - which square blocks hold anything; bsr and blocked-ell from dense
 * rows, edges filled up with zeros. Where addresses and sizes allow it a lane handles 16 bytes,
 * else one element. Read next: docs/formats.md section 3, lib/tensor/layout_blocked.c (the CPU's
 * side). */
#include "kernels/cuda/pass.cuh"

/* What a lane handles at once: T itself or 16 bytes of T. */
template <typename T, typename U> struct lump {
    enum { NELEM = sizeof(U) / sizeof(T) };
};

static __device__ __forceinline__ void merge(uint4 &all, uint4 v)
{
    all.x |= v.x, all.y |= v.y, all.z |= v.z, all.w |= v.w;
}

template <typename T> static __device__ __forceinline__ void merge(T &all, T v)
{
    all |= v;
}

template <typename U> static __device__ __forceinline__ U zero_of()
{
    return 0;
}

template <> __device__ __forceinline__ uint4 zero_of<uint4>()
{
    return make_uint4(0, 0, 0, 0);
}

/* ---- blocks in use --------------------------------------------------------------------------- */

enum { USED_THREADS = 128, SPAN_NBYTES = 2048 };

typedef struct spans {
    size_t n, k, b;
    size_t blocks_across, nblocks; /* side by side: in the matrix, in a span */
    size_t width;                  /* columns of a span */
    divisor across;                /* spans side by side */
    uint64_t count;
} spans;

static spans spans_of(size_t n, size_t k, size_t b, size_t elem_nbytes)
{
    size_t columns = SPAN_NBYTES / elem_nbytes;
    size_t nblocks = b < columns ? columns / b : 1, across = parts_of(k, nblocks * b);
    spans s = { n, k, b, parts_of(k, b), nblocks, nblocks * b, divisor_of(across), 0 };
    s.count = across * parts_of(n, b);
    return s;
}

/* Bits of h elements under each other, ORed. */
template <typename U> static __device__ __forceinline__ U column_of(const U *x, size_t h, size_t ld)
{
    U all = zero_of<U>();
#pragma unroll 4
    for (size_t y = 0; y < h; y++) merge(all, __ldg(x + y * ld));
    return all;
}

/* The blocks, b wide, of the elements from column c on that are not 0. */
template <typename T, int N>
static __device__ __forceinline__ void mark(uint32_t *found, const T (&bits)[N], unsigned c,
                                            unsigned b)
{
    unsigned block = c / b, rest = c - block * b;
#pragma unroll
    for (int e = 0; e < N; e++) {
        if (bits[e]) atomicOr(found + block, 1u);
        if (++rest == b) rest = 0, block++;
    }
}

/* A block of threads looks at a span: some blocks side by side. */
template <typename T, typename U>
static __global__ void __launch_bounds__(USED_THREADS)
    blocks_used(uint8_t *used, const T *x, spans s)
{
    enum { NELEM = lump<T, U>::NELEM };
    __shared__ uint32_t found[SPAN_NBYTES];
    for (uint64_t u = blockIdx.x; u < s.count; u += gridDim.x) {
        size_t down = quotient(u, s.across), aside = u - down * s.across.by;
        size_t first = aside * s.width;
        size_t h = min(s.b, s.n - down * s.b), width = min(s.width, s.k - first);
        const T *from = x + down * s.b * s.k + first;
        unsigned b = (unsigned)s.b, nblocks = ((unsigned)width + b - 1) / b;
        /* each thread clears what it alone read of the span before */
        for (unsigned i = threadIdx.x; i < nblocks; i += USED_THREADS) found[i] = 0;
        __syncthreads();
        for (size_t c = threadIdx.x * NELEM; c < width; c += USED_THREADS * NELEM) {
            alignas(16) T bits[NELEM];
            *(U *)bits = column_of((const U *)(from + c), h, s.k / NELEM);
            mark(found, bits, (unsigned)c, b);
        }
        __syncthreads();
        for (unsigned i = threadIdx.x; i < nblocks; i += USED_THREADS)
            used[down * s.blocks_across + aside * s.nblocks + i] = (uint8_t)found[i];
    }
}

template <typename T>
static cudaError_t launch_used(uint8_t *used, const void *x, size_t n, size_t k, size_t b,
                               cudaStream_t st)
{
    if (n == 0 || k == 0) return cudaSuccess;
    if (b == 0) return cudaErrorInvalidValue;
    spans s = spans_of(n, k, b, sizeof(T));
    unsigned blocks = grid_for(s.count);
    if (((size_t)x | k * sizeof(T) | s.width * sizeof(T)) % 16 == 0)
        blocks_used<T, uint4><<<blocks, USED_THREADS, 0, st>>>(used, (const T *)x, s);
    else blocks_used<T, T><<<blocks, USED_THREADS, 0, st>>>(used, (const T *)x, s);
    return cudaGetLastError();
}

cudaError_t pe_cu_blocks_used(uint8_t *used, const void *x, size_t n, size_t k, size_t b,
                              size_t elem_nbytes, cudaStream_t s)
{
    switch (elem_nbytes) {
    case 1: return launch_used<uint8_t>(used, x, n, k, b, s);
    case 2: return launch_used<uint16_t>(used, x, n, k, b, s);
    case 4: return launch_used<uint32_t>(used, x, n, k, b, s);
    default: return cudaErrorInvalidValue;
    }
}

/* ---- copies of blocks ------------------------------------------------------------------------ */

/* A matrix whose blocks are stored; ell has `slots` of them a row of blocks, bsr (slots 0) a list.
 */
typedef struct stored {
    size_t n, k, b;
    divisor slots;
} stored;

/* Where block `number` comes from, where it goes. */
struct route {
    size_t row, column; /* in blocks */
    bool empty;
    size_t to, ld; /* elements */
};

static __device__ __forceinline__ route route_of(const stored &m, const int32_t *places,
                                                 size_t number)
{
    if (m.slots.by == 0)
        return route{ (uint32_t)places[2 * number], (uint32_t)places[2 * number + 1], false,
                      number * m.b * m.b, m.b };
    size_t row = quotient(number, m.slots), slot = number - row * m.slots.by;
    int32_t column = places[number];
    return route{ row, (uint32_t)column, column < 0, (row * m.b * m.slots.by + slot) * m.b,
                  m.slots.by * m.b };
}

/* A warp copies a piece of a block, U by U; p: lumps of the blocks. A lump lies in the matrix or
 * outside of it, never in part. */
template <typename T, typename U>
static __global__ void __launch_bounds__(THREADS)
    copy_blocks(T *__restrict__ values, const int32_t *__restrict__ places, const T *__restrict__ x,
                stored m, pieces p)
{
    enum { NELEM = lump<T, U>::NELEM };
    unsigned across = (unsigned)m.b / NELEM;
    for (uint64_t u = grid_warp<THREADS>(); u < p.count; u += grid_warps<THREADS>()) {
        piece at = piece_at(p, u);
        route r = route_of(m, places, at.row);
        const T *from = x + r.row * m.b * m.k + r.column * m.b;
        size_t h = m.n - r.row * m.b, w = m.k - r.column * m.b; /* within the matrix */
        unsigned end = (unsigned)(at.begin + at.n);
#pragma unroll 2
        for (unsigned i = (unsigned)at.begin + warp_lane(); i < end; i += WARP) {
            unsigned y = i / across, c = (i - y * across) * NELEM;
            U v = zero_of<U>();
            if (!r.empty && y < h && c < w) v = __ldg((const U *)(from + y * m.k + c));
            *(U *)(values + r.to + y * r.ld + c) = v;
        }
    }
}

template <typename T>
static cudaError_t launch_copy(void *values, const int32_t *places, size_t count, const void *x,
                               stored m, cudaStream_t s)
{
    enum { PIECE = 256 };
    bool wide = ((size_t)values | (size_t)x | m.k * sizeof(T) | m.b * sizeof(T)) % 16 == 0;
    pieces p = pieces_of(count, m.b * m.b * sizeof(T) / (wide ? 16 : sizeof(T)), 0, PIECE);
    unsigned blocks = grid_of_pieces(p);
    if (wide)
        copy_blocks<T, uint4><<<blocks, THREADS, 0, s>>>((T *)values, places, (const T *)x, m, p);
    else copy_blocks<T, T><<<blocks, THREADS, 0, s>>>((T *)values, places, (const T *)x, m, p);
    return cudaGetLastError();
}

static cudaError_t copy(void *values, const int32_t *places, size_t count, const void *x, stored m,
                        size_t elem_nbytes, cudaStream_t s)
{
    if (count == 0) return cudaSuccess;
    if (m.b == 0 || m.b > 32768) return cudaErrorInvalidValue; /* numbers of lumps fit 32 bits */
    switch (elem_nbytes) {
    case 1: return launch_copy<uint8_t>(values, places, count, x, m, s);
    case 2: return launch_copy<uint16_t>(values, places, count, x, m, s);
    case 4: return launch_copy<uint32_t>(values, places, count, x, m, s);
    default: return cudaErrorInvalidValue;
    }
}

cudaError_t pe_cu_encode_blocks(void *values, const uint32_t *blocks, size_t nblocks, const void *x,
                                size_t n, size_t k, size_t b, size_t elem_nbytes, cudaStream_t s)
{
    stored m = { n, k, b, { 0, 0 } };
    return copy(values, (const int32_t *)blocks, nblocks, x, m, elem_nbytes, s);
}

cudaError_t pe_cu_encode_ell(void *values, const int32_t *ell_col, size_t w, const void *x,
                             size_t n, size_t k, size_t b, size_t elem_nbytes, cudaStream_t s)
{
    stored m = { n, k, b, divisor_of(w) };
    if (n == 0 || b == 0 || w == 0) return n && w ? cudaErrorInvalidValue : cudaSuccess;
    return copy(values, ell_col, parts_of(n, b) * w, x, m, elem_nbytes, s);
}
