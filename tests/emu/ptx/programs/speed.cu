/* speed.cu - kernels that run for a while: PE_EMU_STATS=1 says how fast. No test. Read next:
 * gemm.cu. */
#include "program.cuh"

__global__ void add(const float *a, const float *b, float *c, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) c[i] = a[i] + b[i];
}

__global__ void polynomial(const float *a, float *c, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float x = a[i], y = 0;
    for (int j = 0; j < 200; j++) y = fmaf(y, x, 0.5f) - x;
    c[i] = y;
}

__global__ void row_norms(const float *x, float *out, int columns)
{
    __shared__ float partial[8];
    const float4 *row = (const float4 *)(x + (size_t)blockIdx.x * columns);
    float sum = 0;
    for (int i = threadIdx.x; i < columns / 4; i += blockDim.x) {
        float4 v = row[i];
        sum += v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w;
    }
    for (int step = 16; step; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int w = 1; w < 8; w++) sum += partial[w];
        out[blockIdx.x] = rsqrtf(sum);
    }
}

/* 16x16 tiles in shared memory */
__global__ void product(const float *a, const float *b, float *c, int n)
{
    __shared__ float ta[16][17], tb[16][17];
    int row = blockIdx.y * 16 + threadIdx.y, col = blockIdx.x * 16 + threadIdx.x;
    float sum = 0;
    for (int k = 0; k < n; k += 16) {
        ta[threadIdx.y][threadIdx.x] = a[row * n + k + threadIdx.x];
        tb[threadIdx.y][threadIdx.x] = b[(k + threadIdx.y) * n + col];
        __syncthreads();
        for (int i = 0; i < 16; i++) sum = fmaf(ta[threadIdx.y][i], tb[i][threadIdx.x], sum);
        __syncthreads();
    }
    c[row * n + col] = sum;
}

__global__ void transpose(const float *a, float *c, int n)
{
    int row = blockIdx.y * 16 + threadIdx.y, col = blockIdx.x * 16 + threadIdx.x;
    c[col * n + row] = a[row * n + col];
}

int main()
{
    const int n = 1 << 20;
    std::vector<float> x(n);
    for (int i = 0; i < n; i++) x[i] = (float)(mixed(i) % 1000) * 1e-3f;
    Device<float> a(x), b(x), c(n);
    add<<<n / 256, 256>>>(a, b, c, n);
    polynomial<<<n / 256 / 16, 256>>>(a, c, n / 16);
    row_norms<<<256, 256>>>(a, c, 4096);
    product<<<dim3(16, 16), dim3(16, 16)>>>(a, b, c, 256);
    transpose<<<dim3(64, 64), dim3(16, 16)>>>(a, c, 1024);
    CALL(cudaDeviceSynchronize());
    return failures != 0;
}
