/* rowquant.cu - int8 codes of rows: shuffles, barriers, exact rounding; softmax of rows.
 * Read next: program.cuh. */
#include "program.cuh"

#include <cmath>

__global__ void quantize_rows(const float *x, signed char *codes, float *scales, int columns)
{
    __shared__ float partial[32];
    const float *row = x + (size_t)blockIdx.x * columns;
    float most = 0;
    for (int i = threadIdx.x; i < columns; i += blockDim.x) most = fmaxf(most, fabsf(row[i]));
    for (int step = 16; step; step /= 2) most = fmaxf(most, __shfl_xor_sync(~0u, most, step));
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = most;
    __syncthreads();
    most = threadIdx.x % 32 < blockDim.x / 32 ? partial[threadIdx.x % 32] : 0;
    for (int step = 16; step; step /= 2) most = fmaxf(most, __shfl_xor_sync(~0u, most, step));
    float scale = most / 127;
    if (threadIdx.x == 0) scales[blockIdx.x] = scale;
    for (int i = threadIdx.x; i < columns; i += blockDim.x) {
        codes[(size_t)blockIdx.x * columns + i] =
            scale > 0 ? (signed char)__float2int_rn(row[i] / scale) : 0;
    }
}

/* Bytes first to shared memory, then out in words: bytes of one word by four threads. */
__global__ void through_shared(const signed char *in, int *out)
{
    __shared__ signed char bytes[128];
    bytes[threadIdx.x] = in[blockIdx.x * 128 + (threadIdx.x ^ 3)];
    __syncthreads();
    if (threadIdx.x < 32) out[blockIdx.x * 32 + threadIdx.x] = ((int *)bytes)[threadIdx.x];
}

__global__ void softmax_rows(float *x, int columns)
{
    extern __shared__ float cache[];
    __shared__ float total;
    float *row = x + (size_t)blockIdx.x * columns;
    if (threadIdx.x == 0) total = 0;
    float most = -INFINITY;
    for (int i = threadIdx.x; i < columns; i += blockDim.x) most = fmaxf(most, cache[i] = row[i]);
    for (int step = 16; step; step /= 2) most = fmaxf(most, __shfl_xor_sync(~0u, most, step));
    float sum = 0;
    for (int i = threadIdx.x; i < columns; i += blockDim.x) sum += cache[i] = expf(cache[i] - most);
    for (int step = 16; step; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
    if (threadIdx.x == 0) total = sum;
    __syncthreads();
    for (int i = threadIdx.x; i < columns; i += blockDim.x) row[i] = cache[i] / total;
}

int main()
{
    const int rows = 37, columns = 333;
    std::vector<float> x(rows * columns);
    for (size_t i = 0; i < x.size(); i++) x[i] = (float)(int)(mixed(i) % 20001 - 10000) * 1e-3f;
    for (int i = 0; i < columns; i++) x[5 * columns + i] = 0;
    Device<float> dx(x), scales(rows);
    Device<signed char> codes(x.size());
    quantize_rows<<<rows, 256>>>(dx, codes, scales, columns);
    std::vector<signed char> c = codes.get();
    std::vector<float> s = scales.get();
    for (int r = 0; r < rows; r++) {
        float most = 0;
        for (int i = 0; i < columns; i++) most = std::fmax(most, std::fabs(x[r * columns + i]));
        EXPECT(s[r] == most / 127);
        for (int i = 0; i < columns; i++) {
            float code = most > 0 ? std::nearbyint(x[r * columns + i] / (most / 127)) : 0;
            EXPECT(c[r * columns + i] == (int)code);
        }
    }
    finish("rows_to_int8");

    Device<int> words(64);
    std::vector<signed char> bytes(256);
    for (int i = 0; i < 256; i++) bytes[i] = (signed char)i;
    Device<signed char> db(bytes);
    through_shared<<<2, 128>>>(db, words);
    std::vector<int> w = words.get();
    for (int i = 0; i < 64; i++)
        EXPECT(w[i] ==
               (int)((4u * i) << 24 | (4u * i + 1) << 16 | (4u * i + 2) << 8 | (4u * i + 3)));
    finish("bytes_through_shared_memory");

    softmax_rows<<<rows, 32, columns * sizeof(float)>>>(dx, columns);
    std::vector<float> y = dx.get();
    for (int r = 0; r < rows; r++) {
        double sum = 0, most = -1e30;
        for (int i = 0; i < columns; i++) most = std::fmax(most, x[r * columns + i]);
        for (int i = 0; i < columns; i++) sum += std::exp(x[r * columns + i] - most);
        for (int i = 0; i < columns; i++) {
            double p = std::exp(x[r * columns + i] - most) / sum;
            EXPECT(std::fabs(y[r * columns + i] - p) <= 1e-6 + 1e-5 * p);
        }
    }
    finish("softmax");
    return failed;
}
