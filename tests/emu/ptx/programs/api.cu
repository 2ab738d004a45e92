/* api.cu - streams, events, copies and errors of the stand-in runtime, as a program sees them.
 * Read next: program.cuh, memory.cu, runtime/stream.cc. */
#include "program.cuh"

#include <cstring>

__global__ void set(int *p, int value)
{
    p[threadIdx.x] = value;
}
__global__ void add(int *p, int value)
{
    p[threadIdx.x] += value;
}
__global__ void copy(int *to, const int *from)
{
    to[threadIdx.x] = from[threadIdx.x];
}
__global__ void __launch_bounds__(64) bounded(int *p)
{
    p[threadIdx.x] = 1;
}
__global__ void uses_dynamic(int *p, int n)
{
    extern __shared__ int s[];
    for (int i = threadIdx.x; i < n; i += blockDim.x) s[i] = i;
    __syncthreads();
    p[threadIdx.x] = s[n - 1 - threadIdx.x];
}

static void work_waits_until_it_is_waited_for()
{
    cudaStream_t s;
    int *host, *pageable = (int *)malloc(32 * sizeof(int));
    CALL(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
    CALL(cudaMallocHost(&host, 32 * sizeof(int)));
    memset(host, 0, 32 * sizeof(int));
    memset(pageable, 0, 32 * sizeof(int));
    Device<int> d(32);
    set<<<1, 32, 0, s>>>(d, 7);
    CALL(cudaMemcpyAsync(host, d, 32 * sizeof(int), cudaMemcpyDeviceToHost, s));
    CALL(cudaMemcpyAsync(pageable, d, 32 * sizeof(int), cudaMemcpyDeviceToHost, s));
    EXPECT(host[5] == 0 && pageable[5] == 0);
    EXPECT(cudaStreamQuery(s) == cudaErrorNotReady);
    EXPECT(cudaGetLastError() == cudaErrorNotReady);
    CALL(cudaStreamSynchronize(s));
    EXPECT(host[5] == 7 && pageable[5] == 7);
    CALL(cudaStreamQuery(s));
    /* pinned memory is read when the copy runs, pageable memory at the call */
    host[0] = pageable[0] = 1;
    CALL(cudaMemcpyAsync(d, host, sizeof(int), cudaMemcpyHostToDevice, s));
    CALL(cudaMemcpyAsync(d + 1, pageable, sizeof(int), cudaMemcpyHostToDevice, s));
    host[0] = pageable[0] = 2;
    CALL(cudaStreamSynchronize(s));
    EXPECT(d.get()[0] == 2 && d.get()[1] == 1);
    /* a loop that polls ends */
    set<<<1, 32, 0, s>>>(d, 9);
    int polls = 0;
    while (cudaStreamQuery(s) == cudaErrorNotReady && polls < 1000) polls++;
    EXPECT(polls > 1 && polls < 10);
    cudaGetLastError();
    CALL(cudaStreamDestroy(s));
    CALL(cudaFreeHost(host));
    free(pageable);
    finish("work_waits_until_it_is_waited_for");
}

static void events_order_streams()
{
    cudaStream_t a, b;
    cudaEvent_t e, done;
    float ms = -1;
    CALL(cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking));
    CALL(cudaStreamCreateWithPriority(&b, cudaStreamNonBlocking, -1));
    CALL(cudaEventCreate(&e));
    CALL(cudaEventCreate(&done));
    Device<int> x(std::vector<int>(32)), y(std::vector<int>(32));
    CALL(cudaDeviceSynchronize());
    CALL(cudaStreamWaitEvent(b, e, 0)); /* never recorded: nothing to wait for */
    set<<<1, 32, 0, a>>>(x, 3);
    CALL(cudaEventRecord(e, a));
    set<<<1, 32, 0, a>>>(x, 4); /* after the event: b does not wait for it */
    CALL(cudaStreamWaitEvent(b, e, 0));
    copy<<<1, 32, 0, b>>>(y, x);
    CALL(cudaEventRecord(done, b));
    EXPECT(cudaEventQuery(done) == cudaErrorNotReady);
    EXPECT(cudaEventElapsedTime(&ms, e, done) == cudaErrorNotReady);
    CALL(cudaEventSynchronize(done));
    CALL(cudaEventQuery(e));
    CALL(cudaEventElapsedTime(&ms, e, done));
    EXPECT(ms > 0 && ms < 1);
    cudaGetLastError();
    CALL(cudaStreamSynchronize(a));
    EXPECT(y.get()[0] == 3 || y.get()[0] == 4);
    EXPECT(x.get()[0] == 4);
    CALL(cudaEventDestroy(e));
    EXPECT(cudaEventDestroy(e) == cudaErrorInvalidResourceHandle);
    EXPECT(cudaEventRecord(e, a) == cudaErrorInvalidResourceHandle);
    CALL(cudaEventDestroy(done));
    CALL(cudaEventCreateWithFlags(&e, cudaEventDisableTiming));
    CALL(cudaEventRecord(e, b));
    EXPECT(cudaEventElapsedTime(&ms, e, e) == cudaErrorInvalidResourceHandle);
    CALL(cudaStreamSynchronize(b));
    CALL(cudaEventDestroy(e));
    CALL(cudaStreamDestroy(a));
    CALL(cudaStreamDestroy(b));
    EXPECT(cudaStreamSynchronize(b) == cudaErrorInvalidResourceHandle);
    cudaGetLastError();
    finish("events_order_streams");
}

static void the_default_stream_orders_blocking_streams()
{
    cudaStream_t s;
    CALL(cudaStreamCreate(&s));
    Device<int> x(std::vector<int>(32)), y(std::vector<int>(32));
    set<<<1, 32, 0, s>>>(x, 3);
    copy<<<1, 32>>>(y, x);      /* after what s has */
    set<<<1, 32, 0, s>>>(x, 4); /* after what the default stream has */
    CALL(cudaStreamSynchronize(s));
    EXPECT(y.get()[9] == 3 && x.get()[9] == 4);
    unsigned int flags;
    CALL(cudaStreamGetFlags(s, &flags));
    EXPECT(flags == cudaStreamDefault);
    CALL(cudaStreamDestroy(s));
    EXPECT(cudaStreamCreateWithFlags(&s, 77) == cudaErrorInvalidValue);
    EXPECT(cudaStreamDestroy(0) == cudaErrorInvalidResourceHandle);
    cudaGetLastError();
    finish("the_default_stream_orders_blocking_streams");
}

static void launches_are_checked()
{
    Device<int> d(1024);
    set<<<0, 32>>>(d, 1);
    EXPECT(cudaGetLastError() == cudaErrorInvalidConfiguration);
    EXPECT(cudaGetLastError() == cudaSuccess);
    set<<<1, 1025>>>(d, 1);
    EXPECT(cudaPeekAtLastError() == cudaErrorInvalidConfiguration);
    EXPECT(cudaGetLastError() == cudaErrorInvalidConfiguration);
    set<<<1, dim3(1, 1, 65)>>>(d, 1);
    EXPECT(cudaGetLastError() == cudaErrorInvalidConfiguration);
    set<<<dim3(1, 65536), 1>>>(d, 1);
    EXPECT(cudaGetLastError() == cudaErrorInvalidConfiguration);
    bounded<<<1, 65>>>(d);
    EXPECT(cudaGetLastError() == cudaErrorInvalidValue);
    bounded<<<1, 64>>>(d);
    CALL(cudaGetLastError());
    uses_dynamic<<<1, 32, 49 * 1024>>>(d, 100);
    EXPECT(cudaGetLastError() == cudaErrorInvalidValue);
    int most;
    CALL(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0));
    EXPECT(cudaFuncSetAttribute(uses_dynamic, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                most + 1) == cudaErrorInvalidValue);
    CALL(
        cudaFuncSetAttribute(uses_dynamic, cudaFuncAttributeMaxDynamicSharedMemorySize, 60 * 1024));
    CALL(cudaFuncSetAttribute(uses_dynamic, cudaFuncAttributePreferredSharedMemoryCarveout, 50));
    cudaGetLastError();
    uses_dynamic<<<1, 1024, 60 * 1024>>>(d, 15 * 1024);
    CALL(cudaGetLastError());
    EXPECT(d.get()[3] == 15 * 1024 - 4);
    cudaFuncAttributes a;
    CALL(cudaFuncGetAttributes(&a, bounded));
    EXPECT(a.maxThreadsPerBlock == 64 && a.sharedSizeBytes == 0 && a.ptxVersion >= 80);
    int blocks = 0;
    CALL(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, set, 256, 0));
    EXPECT(blocks == 8);
    CALL(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, uses_dynamic, 32, 60 * 1024));
    EXPECT(blocks >= 1 && blocks <= 3);
    EXPECT(cudaLaunchKernel((void *)&failures, dim3(1), dim3(1), nullptr, 0, 0) ==
           cudaErrorInvalidDeviceFunction);
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(1);
    config.blockDim = dim3(32);
    CALL(cudaLaunchKernelEx(&config, set, d.p, 12));
    EXPECT(d.get()[31] == 12);
    cudaGetLastError();
    finish("launches_are_checked");
}

static void arguments_are_checked()
{
    Device<int> d(16);
    int host[16] = {};
    EXPECT(cudaMalloc(nullptr, 4) == cudaErrorInvalidValue);
    EXPECT(cudaMemcpy(d, host, 65, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
    EXPECT(cudaMemcpy(d, host, 4, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
    EXPECT(cudaMemcpy(host, d, 4, cudaMemcpyHostToHost) == cudaErrorInvalidValue);
    EXPECT(cudaMemcpy(d, host, 4, (cudaMemcpyKind)9) == cudaErrorInvalidMemcpyDirection);
    EXPECT(cudaMemset(d, 0, 65) == cudaErrorInvalidValue);
    EXPECT(cudaMemset(host, 0, 4) == cudaErrorInvalidValue);
    EXPECT(cudaMemcpy2D(d, 8, host, 8, 9, 1, cudaMemcpyHostToDevice) == cudaErrorInvalidPitchValue);
    EXPECT(cudaFree(host) == cudaErrorInvalidValue);
    EXPECT(cudaFree(d + 1) == cudaErrorInvalidValue);
    EXPECT(cudaSetDevice(1) == cudaErrorInvalidDevice);
    EXPECT(cudaGetLastError() == cudaErrorInvalidDevice);
    EXPECT(!strcmp(cudaGetErrorName(cudaErrorInvalidPitchValue), "cudaErrorInvalidPitchValue"));
    EXPECT(!strcmp(cudaGetErrorString(cudaErrorMemoryAllocation), "out of memory"));
    CALL(cudaFree(nullptr));
    CALL(cudaMemcpy(d, host, 64, cudaMemcpyDefault));
    finish("arguments_are_checked");
}

static void device_is_described()
{
    int n = 0, value = 0, driver = 0, runtime = 0;
    cudaDeviceProp p;
    CALL(cudaGetDeviceCount(&n));
    CALL(cudaGetDeviceProperties(&p, 0));
    EXPECT(n == 1 && p.warpSize == 32 && p.maxThreadsPerBlock == 1024);
    CALL(cudaDeviceGetAttribute(&value, cudaDevAttrComputeCapabilityMajor, 0));
    EXPECT(value == p.major);
    CALL(cudaDriverGetVersion(&driver));
    CALL(cudaRuntimeGetVersion(&runtime));
    EXPECT(runtime == CUDART_VERSION && driver >= runtime);
    void *function = &n;
    cudaDriverEntryPointQueryResult result;
    CALL(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000,
                                          cudaEnableDefault, &result));
    EXPECT(function == nullptr && result == cudaDriverEntryPointSymbolNotFound);
    EXPECT(cudaDeviceGetAttribute(&value, cudaDevAttrMaxSurface1DWidth, 0) ==
           cudaErrorInvalidValue);
    cudaGetLastError();
    finish("device_is_described");
}

int main()
{
    work_waits_until_it_is_waited_for();
    events_order_streams();
    the_default_stream_orders_blocking_streams();
    launches_are_checked();
    arguments_are_checked();
    device_is_described();
    return failed;
}
