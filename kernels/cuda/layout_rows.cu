/* kernels/cuda/layout_rows.cu - csr, bitmask and 2of4 from dense rows.
 * Read next: docs/formats.md section 3, lib/tensor/layout_csr.c (the CPU's side). */
#include "kernels/cuda/pass.cuh"

/* ---- csr and bitmask ------------------------------------------------------------------------- */

/* A warp a row, a lane a column, 32 at a time: the stores of a step lie side by side. Eight loads a
 * lane are on their way at once. columns or mask is NULL. */
template <typename T>
static __global__ void __launch_bounds__(THREADS)
    encode_rows(T *values, int32_t *columns, uint64_t *mask, const uint32_t *row_begin, const T *x,
                size_t n, size_t k)
{
    enum { STEPS = 8, WORDS = STEPS / 2 };
    int lane = warp_lane();
    uint32_t lower = (1u << lane) - 1;
    size_t nwords = (k + 63) / 64;
    for (uint64_t row = grid_warp<THREADS>(); row < n; row += grid_warps<THREADS>()) {
        const T *from = x + row * k;
        size_t at = row_begin[row];
        for (size_t c = 0; c < k; c += STEPS * WARP) {
            T v[STEPS];
            uint64_t word = 0;
#pragma unroll
            for (int j = 0; j < STEPS; j++) {
                size_t column = c + (size_t)(j * WARP + lane);
                v[j] = column < k ? __ldg(from + column) : 0;
            }
#pragma unroll
            for (int j = 0; j < STEPS; j++) {
                uint32_t bits = __ballot_sync(EVERY_LANE, v[j] != 0);
                size_t to = at + (size_t)__popc(bits & lower);
                if (v[j] != 0) {
                    values[to] = v[j];
                    if (columns) columns[to] = (int32_t)(c + (size_t)(j * WARP + lane));
                }
                at += (size_t)__popc(bits);
                if (lane == j / 2) word |= (uint64_t)bits << j % 2 * 32;
            }
            if (mask && lane < WORDS && c / 64 + lane < nwords)
                mask[row * nwords + c / 64 + lane] = word;
        }
    }
}

template <typename T>
static cudaError_t launch_rows(void *values, int32_t *columns, uint64_t *mask,
                               const uint32_t *row_begin, const void *x, size_t n, size_t k,
                               cudaStream_t s)
{
    if (n == 0 || k == 0) return cudaSuccess;
    encode_rows<<<grid_for(parts_of(n, WARPS)), THREADS, 0, s>>>((T *)values, columns, mask,
                                                                 row_begin, (const T *)x, n, k);
    return cudaGetLastError();
}

static cudaError_t encode(void *values, int32_t *columns, uint64_t *mask, const uint32_t *row_begin,
                          const void *x, size_t n, size_t k, size_t elem_nbytes, cudaStream_t s)
{
    switch (elem_nbytes) {
    case 1: return launch_rows<uint8_t>(values, columns, mask, row_begin, x, n, k, s);
    case 2: return launch_rows<uint16_t>(values, columns, mask, row_begin, x, n, k, s);
    case 4: return launch_rows<uint32_t>(values, columns, mask, row_begin, x, n, k, s);
    default: return cudaErrorInvalidValue;
    }
}

cudaError_t pe_cu_encode_csr(void *values, int32_t *columns, const uint32_t *row_begin,
                             const void *x, size_t n, size_t k, size_t elem_nbytes, cudaStream_t s)
{
    return encode(values, columns, NULL, row_begin, x, n, k, elem_nbytes, s);
}

cudaError_t pe_cu_encode_bitmask(uint64_t *mask, void *values, const uint32_t *row_begin,
                                 const void *x, size_t n, size_t k, size_t elem_nbytes,
                                 cudaStream_t s)
{
    return encode(values, NULL, mask, row_begin, x, n, k, elem_nbytes, s);
}

/* ---- 2of4 ------------------------------------------------------------------------------------ */

/* The two columns to store of a group whose nonzeros are given: filled up with the lowest zeros;
 * the lower one in bits 0 and 1. */
static constexpr uint64_t two_of(unsigned nonzero)
{
    unsigned first = 4, second = 4, n = 0;
    for (unsigned i = 0; i < 4; i++) n += nonzero >> i & 1;
    for (unsigned i = 0; i < 4; i++) {
        bool stored = nonzero >> i & 1;
        if (!stored && n < 2) {
            stored = true;
            n++;
        }
        if (stored && first == 4) first = i;
        else if (stored && second == 4) second = i;
    }
    return first | second << 2;
}

static constexpr uint64_t table_of_two()
{
    uint64_t table = 0;
    for (unsigned nonzero = 0; nonzero < 16; nonzero++) table |= two_of(nonzero) << 4 * nonzero;
    return table;
}

static constexpr uint64_t TWO = table_of_two(); /* 4 bits a set of nonzeros */

template <int NBYTES> struct vector_of; /* what one load or store takes */
template <> struct vector_of<4> {
    typedef uint32_t type;
};
template <> struct vector_of<8> {
    typedef uint2 type;
};
template <> struct vector_of<16> {
    typedef uint4 type;
};

/* N elements between memory and registers: at once where the address allows it. */
template <typename T, int N>
static __device__ __forceinline__ void move(T *to, const T *from, const void *memory)
{
    typedef typename vector_of<N * sizeof(T) < 16 ? N * sizeof(T) : 16>::type vector;
    enum { STEP = sizeof(vector) / sizeof(T) };
    if (aligned(memory, sizeof(vector))) {
#pragma unroll
        for (int i = 0; i < N; i += STEP) *(vector *)(to + i) = *(const vector *)(from + i);
    } else {
#pragma unroll
        for (int i = 0; i < N; i++) to[i] = from[i];
    }
}

template <typename T> static __device__ __forceinline__ T pick(const T *v, unsigned i)
{
    T lower = i & 1 ? v[1] : v[0], upper = i & 1 ? v[3] : v[2];
    return i & 2 ? upper : lower;
}

/* Two values of the group v; returns their places. */
template <typename T> static __device__ __forceinline__ unsigned take_two(T *out, const T *v)
{
    unsigned nonzero = (v[0] != 0) | (v[1] != 0) << 1 | (v[2] != 0) << 2 | (v[3] != 0) << 3;
    unsigned two = (unsigned)(TWO >> 4 * nonzero) & 15;
    out[0] = pick(v, two & 3);
    out[1] = pick(v, two >> 2);
    return two;
}

/* A lane makes a byte of meta: two groups, or a row's odd last one. */
template <typename T>
static __global__ void __launch_bounds__(THREADS)
    encode_2of4(T *values, uint8_t *meta, const T *x, size_t k, pieces p)
{
    size_t groups = k / 4, tail = k % 4, nbytes = (groups + 1) / 2, width = 2 * groups + tail;
    for (uint64_t u = grid_warp<THREADS>(); u < p.count; u += grid_warps<THREADS>()) {
        piece at = piece_at(p, u);
        const T *from = x + at.row * k;
        T *to = values + at.row * width;
        size_t end = min(at.begin + at.n, nbytes);
        for (size_t i = at.begin + warp_lane(); i < end; i += WARP) {
            alignas(16) T v[8], two[4];
            unsigned places;
            if (2 * i + 1 < groups) {
                move<T, 8>(v, from + 8 * i, from + 8 * i);
                places = take_two(two, v);
                places |= take_two(two + 2, v + 4) << 4;
                move<T, 4>(to + 4 * i, two, to + 4 * i);
            } else {
                move<T, 4>(v, from + 8 * i, from + 8 * i);
                places = take_two(two, v);
                to[4 * i] = two[0];
                to[4 * i + 1] = two[1];
            }
            meta[at.row * nbytes + i] = (uint8_t)places;
        }
        if (at.begin == 0 && warp_lane() < tail)
            to[2 * groups + warp_lane()] = from[4 * groups + warp_lane()];
    }
}

template <typename T>
static cudaError_t launch_2of4(void *values, uint8_t *meta, const void *x, size_t n, size_t k,
                               cudaStream_t s)
{
    enum { PIECE = 512 };
    size_t nbytes = (k / 4 + 1) / 2;
    pieces p = pieces_of(n, nbytes ? nbytes : 1, 0, PIECE); /* a row of a tail alone has one, too */
    if (n == 0 || k == 0) return cudaSuccess;
    encode_2of4<<<grid_of_pieces(p), THREADS, 0, s>>>((T *)values, meta, (const T *)x, k, p);
    return cudaGetLastError();
}

cudaError_t pe_cu_encode_2of4(void *values, uint8_t *meta, const void *x, size_t n, size_t k,
                              size_t elem_nbytes, cudaStream_t s)
{
    switch (elem_nbytes) {
    case 1: return launch_2of4<uint8_t>(values, meta, x, n, k, s);
    case 2: return launch_2of4<uint16_t>(values, meta, x, n, k, s);
    case 4: return launch_2of4<uint32_t>(values, meta, x, n, k, s);
    default: return cudaErrorInvalidValue;
    }
}
