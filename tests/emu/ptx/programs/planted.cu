/* planted.cu - mistakes of CUDA code, one a run: planted NAME. run.sh knows what each has to say.
 * Those that only show in results say "caught" themselves. Read next: run.sh. */
#include "program.cuh"

#include <cassert>
#include <cstring>
#include <string>
#include <unistd.h>

__global__ void missing_syncthreads(const int *in, int *out)
{
    __shared__ int s[128];
    s[threadIdx.x] = in[threadIdx.x];
    out[threadIdx.x] = s[127 - threadIdx.x];
}

__global__ void missing_syncwarp(const int *in, int *out)
{
    __shared__ int s[32];
    s[threadIdx.x] = in[threadIdx.x];
    out[threadIdx.x] = s[31 - threadIdx.x];
}

__global__ void missing_second_syncthreads(const int *in, int *out)
{
    __shared__ int s[128];
    for (int round = 0; round < 2; round++) {
        s[threadIdx.x] = in[threadIdx.x] + round;
        __syncthreads();
        out[threadIdx.x] = s[127 - threadIdx.x];
    }
}

__global__ void missing_copy_wait(const int *in, int *out)
{
    __shared__ __align__(16) int s[128];
    unsigned int at = (unsigned int)__cvta_generic_to_shared(&s[threadIdx.x]);
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;\ncp.async.commit_group;" ::"r"(at),
                 "l"(in + threadIdx.x)
                 : "memory");
    __syncthreads();
    out[threadIdx.x] = s[127 - threadIdx.x];
}

__global__ void wrong_fragment(int *out)
{
    int lane = threadIdx.x, g = lane / 4, t = lane % 4, c[4] = {};
    unsigned int a = 0x01010101u * (g + 1), b = t == 0 ? 0x00000001u << (8 * (g % 4)) : 0;
    asm volatile("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %4}, "
                 "{%5}, {%0, %1, %2, %3};"
                 : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
                 : "r"(a), "r"(b));
    /* column 2 t and its neighbour lie in c[0], c[1]; here they are taken for 2 t and 2 t + 8 */
    out[g * 8 + t] = c[0];
    out[g * 8 + t + 4] = c[1] * (t + 1);
}

__global__ void global_out_of_bounds(int *out)
{
    out[blockIdx.x * blockDim.x + threadIdx.x] = 1;
}

__global__ void shared_out_of_bounds(int *out, int n)
{
    __shared__ int s[64], other[64];
    for (int i = threadIdx.x; i < n; i += blockDim.x) s[i] = i;
    other[threadIdx.x] = 0;
    __syncthreads();
    out[threadIdx.x] = s[threadIdx.x] + other[threadIdx.x];
}

__global__ void lost_lanes(int *out)
{
    int v = threadIdx.x;
    if (threadIdx.x < 16) v = __shfl_down_sync(~0u, v, 1);
    out[threadIdx.x] = v;
}

__global__ void divergent_barrier(int *out)
{
    if (threadIdx.x % 2) {
        out[threadIdx.x] = 1;
        __syncthreads();
    } else {
        __syncthreads();
        out[threadIdx.x] = 2;
    }
}

__global__ void uninitialized(const int *in, int *out)
{
    out[threadIdx.x] = in[threadIdx.x] + 1;
}

__global__ void block_race(int *out)
{
    out[threadIdx.x] = blockIdx.x;
}

__global__ void missing_fence(int *partial, unsigned int *arrived, int *total)
{
    partial[blockIdx.x] = blockIdx.x;
    if (atomicInc(arrived, gridDim.x) != gridDim.x - 1) return;
    *total = partial[0] + partial[1];
}

__global__ void misaligned(int *out)
{
    *(int2 *)(out + 1) = make_int2(1, 2);
}

__global__ void asserts(const int *in)
{
    assert(in[threadIdx.x] < 100);
}

__global__ void loops_for_ever(volatile int *in)
{
    while (in[0] == 0) {
    }
}

__global__ void slow_fill(int *p, int v)
{
    p[threadIdx.x] = v;
}

static void on_host(const std::string &name, int *in)
{
    std::vector<int> host(128, -1);
    cudaStream_t a, b;
    cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking);
    cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking);
    if (name == "missing_stream_wait") {
        slow_fill<<<1, 128, 0, a>>>(in, 5);
        cudaMemcpyAsync(host.data(), in, 512, cudaMemcpyDeviceToHost, a);
        if (host[0] != 5) printf("caught: the host reads an old buffer\n");
    } else if (name == "missing_event_wait") {
        slow_fill<<<1, 128, 0, a>>>(in, 5);
        cudaMemcpyAsync(host.data(), in, 512, cudaMemcpyDeviceToHost, b);
        cudaStreamSynchronize(b);
        if (host[0] != 5) printf("caught: one stream overtakes the other\n");
    } else if (name == "host_touches_device_memory") {
        cudaDeviceSynchronize();
        printf("%d\n", in[3]);
    } else if (name == "destroyed_stream") {
        slow_fill<<<1, 128, 0, a>>>(in, 5);
        cudaStreamDestroy(a);
    } else if (name == "out_of_memory") {
        void *p;
        cudaError_t e = cudaMalloc(&p, (size_t)1 << 40);
        if (e == cudaErrorMemoryAllocation && cudaGetLastError() == e)
            printf("caught: %s\n", cudaGetErrorName(e));
    } else if (name == "nth_call_fails") { /* PE_EMU_FAIL=cudaMalloc:4,cudaStreamCreate:1 */
        void *p;
        bool right = cudaMalloc(&p, 4) == cudaSuccess &&
                     cudaMalloc(&p, 4) == cudaErrorMemoryAllocation &&
                     cudaMalloc(&p, 4) == cudaSuccess && cudaStreamCreate(&a) == cudaErrorUnknown;
        if (right) printf("caught: the planned calls\n");
    } else if (name == "no_device") { /* PE_EMU_DEVICES=0, PE_EMU_DRIVER=old */
        int n = 7;
        cudaError_t e = cudaGetDeviceCount(&n);
        if (n == 0 && cudaGetLastError() == e) printf("caught: %s\n", cudaGetErrorName(e));
    } else if (name == "use_after_free") {
        cudaFree(in);
        slow_fill<<<1, 128>>>(in, 5);
    } else if (name == "copy_after_free") {
        slow_fill<<<1, 128, 0, a>>>(in, 5);
        cudaFreeAsync(in, b);
        cudaStreamSynchronize(b);
    } else {
        printf("no such mistake\n");
    }
}

int main(int argc, char **argv)
{
    std::string name = argc > 1 ? argv[1] : "";
    std::vector<int> numbers(128);
    for (int i = 0; i < 128; i++) numbers[i] = i;
    int *in, *out;
    cudaMalloc(&in, 512);
    cudaMalloc(&out, 512);
    cudaMemcpy(in, numbers.data(), 512, cudaMemcpyHostToDevice);
    if (name == "missing_syncthreads") missing_syncthreads<<<1, 128>>>(in, out);
    else if (name == "missing_syncwarp") missing_syncwarp<<<1, 32>>>(in, out);
    else if (name == "missing_second_syncthreads") missing_second_syncthreads<<<1, 128>>>(in, out);
    else if (name == "missing_copy_wait") missing_copy_wait<<<1, 128>>>(in, out);
    else if (name == "global_out_of_bounds") global_out_of_bounds<<<2, 128>>>(out);
    else if (name == "shared_out_of_bounds") shared_out_of_bounds<<<1, 64>>>(out, 65);
    else if (name == "lost_lanes") lost_lanes<<<1, 32>>>(out);
    else if (name == "divergent_barrier") divergent_barrier<<<1, 64>>>(out);
    else if (name == "uninitialized") uninitialized<<<1, 32>>>(out, in);
    else if (name == "block_race") block_race<<<2, 32>>>(out);
    else if (name == "missing_fence") missing_fence<<<2, 1>>>(out, (unsigned int *)in, in + 8);
    else if (name == "misaligned") misaligned<<<1, 1>>>(out);
    else if (name == "assert") asserts<<<1, 128>>>(in);
    else if (name == "loops_for_ever") loops_for_ever<<<1, 1>>>(in);
    else if (name == "wrong_fragment") {
        wrong_fragment<<<1, 32>>>(out);
        cudaMemcpy(numbers.data(), out, 256, cudaMemcpyDeviceToHost);
        for (int i = 0; i < 64; i++) { /* every row r of A is r + 1, every column of B has one 1 */
            if (numbers[i] != i / 8 + 1) {
                printf("caught: a wrong product\n");
                break;
            }
        }
    } else on_host(name, in);
    cudaError_t e = cudaDeviceSynchronize();
    if (e != cudaSuccess) printf("error: %s\n", cudaGetErrorName(e));
    return 0;
}
