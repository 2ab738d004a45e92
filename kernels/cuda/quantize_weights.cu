/* kernels/cuda/quantize_weights.cu - codes of weights with a scale a row, by true division.
 * Read next: kernels/ref/ref_quantize.c (the meaning). */
#include "kernels/cuda/pass.cuh"

enum { PIECE = 2048 };

static __device__ __forceinline__ int code_of(float x, float scale)
{
    float v = rintf(x / scale);
    v = v > -127 ? v : -127; /* NaN gives -127 */
    return (int)(v < 127 ? v : 127);
}

static __device__ __forceinline__ uint32_t codes_of(float4 v, float scale)
{
    return codes_of({ v.x, v.y, v.z, v.w }, [=](float x) { return (uint32_t)code_of(x, scale); });
}

static __device__ __forceinline__ void put_codes(int8_t *q, uint32_t codes, bool whole)
{
    if (whole) {
        *(uint32_t *)q = codes;
    } else {
#pragma unroll
        for (int i = 0; i < 4; i++) q[i] = (int8_t)(codes >> 8 * i);
    }
}

static __device__ void quantize_piece(int8_t *q, const float *x, size_t n, float scale, int lane)
{
    size_t head = head_of(x, n), nvec = (n - head) / 4, i = (size_t)lane;
    const float4 *v = (const float4 *)(x + head);
    bool whole = aligned(q + head, 4);
    if (i < head) q[i] = (int8_t)code_of(x[i], scale);
    for (; i + 3 * WARP < nvec; i += 4 * WARP) {
        float4 a[4];
#pragma unroll
        for (int j = 0; j < 4; j++) a[j] = __ldg(v + i + j * WARP);
#pragma unroll
        for (int j = 0; j < 4; j++)
            put_codes(q + head + 4 * (i + (size_t)j * WARP), codes_of(a[j], scale), whole);
    }
    for (; i < nvec; i += WARP) put_codes(q + head + 4 * i, codes_of(__ldg(v + i), scale), whole);
    i = head + 4 * nvec + (size_t)lane;
    if (i < n) q[i] = (int8_t)code_of(x[i], scale);
}

static __global__ void __launch_bounds__(THREADS)
    quantize_weights(int8_t *q, size_t ldq, const float *x, const float *scale, pieces p)
{
    for (uint64_t u = grid_warp<THREADS>(); u < p.count; u += grid_warps<THREADS>()) {
        piece at = piece_at(p, u);
        int8_t *to = q + at.row * ldq + at.begin;
        float s = __ldg(scale + at.row);
        if (s > 0) {
            quantize_piece(to, x + at.row * p.ld + at.begin, at.n, s, warp_lane());
        } else {
            for (size_t i = (size_t)warp_lane(); i < at.n; i += WARP) to[i] = 0;
        }
    }
}

cudaError_t pe_cu_quantize_weights(int8_t *q, size_t ldq, const float *x, size_t ldx, size_t n,
                                   size_t k, const float *scale, cudaStream_t s)
{
    pieces p = pieces_of(n, k, ldx, PIECE);
    if (p.count == 0) return cudaSuccess;
    quantize_weights<<<grid_of_pieces(p), THREADS, 0, s>>>(q, ldq, x, scale, p);
    return cudaGetLastError();
}
