/* vecadd.cu - element-wise kernels: bounds, grid strides, constants, device variables, block and
 * grid dimensions, libraries loaded at run time. Read next: program.cuh. */
#include "program.cuh"

__constant__ float scale[4] = { 1, 2, 3, 4 };
__device__ int counter = 5;
__device__ float table[8];

__global__ void add(const float *a, const float *b, float *c, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) c[i] = a[i] + b[i];
}

__global__ void strided(const float4 *a, float4 *c, int n)
{
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        float4 v = a[i];
        c[i] = make_float4(v.x * scale[0], v.y * scale[1], v.z * scale[2], v.w * scale[3]);
    }
}

__global__ void count(int by)
{
    atomicAdd(&counter, by);
}

__global__ void fill_table()
{
    table[threadIdx.x] = threadIdx.x * 0.5f;
}

__global__ void where(int *out)
{
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    int z = blockIdx.z * blockDim.z + threadIdx.z;
    out[(z * gridDim.y * blockDim.y + y) * gridDim.x * blockDim.x + x] = x + 100 * y + 10000 * z;
}

struct Big {
    int v[100];
};
__global__ void by_value(Big b, int *out, int i)
{
    out[threadIdx.x] = b.v[(threadIdx.x + i) % 100];
}

int main()
{
    const int n = 1000;
    std::vector<float> a(n), b(n);
    for (int i = 0; i < n; i++) {
        a[i] = i * 0.25f;
        b[i] = (float)(mixed(i) % 1000);
    }
    {
        Device<float> da(a), db(b), dc(n);
        add<<<(n + 127) / 128, 128>>>(da, db, dc, n);
        CALL(cudaGetLastError());
        std::vector<float> c = dc.get();
        for (int i = 0; i < n; i++) EXPECT(c[i] == a[i] + b[i]);
        finish("vector_add");
        strided<<<3, 64>>>((const float4 *)da.p, (float4 *)dc.p, n / 4);
        c = dc.get();
        for (int i = 0; i < n; i++) EXPECT(c[i] == a[i] * (i % 4 + 1));
        finish("grid_stride_and_constants");
    }
    float twice[2] = { 20, 30 }, all[4];
    CALL(cudaMemcpyToSymbol(scale, twice, sizeof twice, 4));
    CALL(cudaMemcpyFromSymbol(all, scale, sizeof all));
    EXPECT(all[0] == 1 && all[1] == 20 && all[2] == 30 && all[3] == 4);
    int value = 0;
    count<<<4, 64>>>(2);
    CALL(cudaMemcpyFromSymbol(&value, counter, sizeof value));
    EXPECT(value == 5 + 4 * 64 * 2);
    void *address;
    size_t size;
    fill_table<<<1, 8>>>();
    CALL(cudaGetSymbolAddress(&address, table));
    CALL(cudaGetSymbolSize(&size, table));
    float seven[8];
    CALL(cudaMemcpy(seven, address, size, cudaMemcpyDeviceToHost));
    EXPECT(size == 32 && seven[7] == 3.5f);
    finish("symbols");
    {
        Device<int> out(8 * 6 * 4);
        where<<<dim3(2, 3, 2), dim3(4, 2, 2)>>>(out);
        std::vector<int> o = out.get();
        for (int i = 0; i < 8 * 6 * 4; i++)
            EXPECT(o[i] == i % 8 + 100 * (i / 8 % 6) + 10000 * (i / 48));
        finish("dimensions");
        Big big;
        for (int i = 0; i < 100; i++) big.v[i] = i * i;
        by_value<<<1, 128>>>(big, out, 7);
        o = out.get();
        for (int i = 0; i < 128; i++) EXPECT(o[i] == (i + 7) % 100 * ((i + 7) % 100));
        finish("structs_by_value");
    }
    return failed;
}
