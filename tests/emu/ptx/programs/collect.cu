/* collect.cu - ballots, atomics, votes and cooperative groups: compaction, histograms, maxima by
 * compare-and-swap, the last block adding up. Read next: program.cuh. */
#include "program.cuh"

#include <algorithm>
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>

namespace cg = cooperative_groups;

__global__ void compact(const int *in, int n, int *out, int *count)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x, lane = threadIdx.x % 32;
    bool keep = i < n && in[i] > 0;
    unsigned int mask = __ballot_sync(~0u, keep);
    int base = 0;
    if (lane == 0) base = atomicAdd(count, __popc(mask));
    base = __shfl_sync(~0u, base, 0);
    if (keep) out[base + __popc(mask & ((1u << lane) - 1))] = in[i];
}

__global__ void histogram(const unsigned char *in, int n, int *bins)
{
    __shared__ int mine[256];
    for (int i = threadIdx.x; i < 256; i += blockDim.x) mine[i] = 0;
    __syncthreads();
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        atomicAdd(&mine[in[i]], 1);
    __syncthreads();
    for (int i = threadIdx.x; i < 256; i += blockDim.x) {
        if (mine[i]) atomicAdd(&bins[i], mine[i]);
    }
}

__device__ void atomic_max(float *place, float v)
{
    int old = *(int *)place, seen;
    do {
        seen = old;
        if (__int_as_float(seen) >= v) return;
        old = atomicCAS((int *)place, seen, __float_as_int(v));
    } while (old != seen);
}

__global__ void maximum(const float *in, int n, float *out)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) atomic_max(out, in[i]);
}

/* Sums of blocks; the last block to come adds them. */
__global__ void sum(const int *in, int n, int *partial, unsigned int *arrived, int *total)
{
    __shared__ int block_sum;
    __shared__ bool last;
    if (threadIdx.x == 0) block_sum = 0;
    __syncthreads();
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) atomicAdd(&block_sum, in[i]);
    __syncthreads();
    if (threadIdx.x == 0) {
        partial[blockIdx.x] = block_sum;
        __threadfence();
        last = atomicInc(arrived, gridDim.x) == gridDim.x - 1;
    }
    __syncthreads();
    if (!last || threadIdx.x) return;
    int all = 0;
    for (unsigned int b = 0; b < gridDim.x; b++) all += partial[b];
    *total = all;
}

__global__ void groups(const int *in, int *tile_sums, unsigned long long *big, double *real)
{
    auto tile = cg::tiled_partition<8>(cg::this_thread_block());
    int v = cg::reduce(tile, in[threadIdx.x], cg::plus<int>());
    if (tile.thread_rank() == 0) tile_sums[threadIdx.x / 8] = v;
    if (__any_sync(~0u, in[threadIdx.x] == 0)) atomicAdd(big, 1ull << 33);
    atomicAdd(real, 0.5);
    int diverged = threadIdx.x % 3;
    if (diverged == 1) { /* the lanes that are here find each other */
        auto here = cg::coalesced_threads();
        if (here.thread_rank() == 0) atomicAdd(big, (unsigned long long)here.size());
    }
}

int main()
{
    const int n = 5000;
    std::vector<int> v(n);
    std::vector<float> f(n);
    std::vector<unsigned char> bytes(n);
    for (int i = 0; i < n; i++) {
        v[i] = (int)(mixed(i) % 201) - 100;
        f[i] = v[i] * 0.125f;
        bytes[i] = (unsigned char)mixed(i + 9);
    }
    Device<int> in(v), out(n), count(std::vector<int>(1)), bins(std::vector<int>(256));
    compact<<<(n + 255) / 256, 256>>>(in, n, out, count);
    std::vector<int> want, kept(count.get()[0]);
    for (int x : v) {
        if (x > 0) want.push_back(x);
    }
    CALL(cudaMemcpy(kept.data(), out, kept.size() * 4, cudaMemcpyDeviceToHost));
    std::sort(want.begin(), want.end());
    std::sort(kept.begin(), kept.end());
    EXPECT(kept == want);
    finish("compaction");

    Device<unsigned char> db(bytes);
    histogram<<<3, 128>>>(db, n, bins);
    std::vector<int> h(256);
    for (unsigned char c : bytes) h[c]++;
    EXPECT(bins.get() == h);
    finish("histogram");

    Device<float> df(f), most(std::vector<float>(1, -1e9f));
    maximum<<<(n + 127) / 128, 128>>>(df, n, most);
    EXPECT(most.get()[0] == *std::max_element(f.begin(), f.end()));
    finish("maximum_by_compare_and_swap");

    Device<int> partial(20), total(1);
    Device<unsigned int> arrived(std::vector<unsigned int>(1));
    sum<<<20, 256>>>(in, n, partial, arrived, total);
    int all = 0;
    for (int x : v) all += x;
    EXPECT(total.get()[0] == all);
    finish("last_block_adds_up");

    Device<int> sums(16);
    Device<unsigned long long> big(std::vector<unsigned long long>(1));
    Device<double> real(std::vector<double>(1));
    groups<<<1, 128>>>(in, sums, big, real);
    std::vector<int> s = sums.get();
    int warps_with_zero = 0;
    for (int w = 0; w < 4; w++)
        warps_with_zero += std::count(v.begin() + 32 * w, v.begin() + 32 * w + 32, 0) > 0;
    for (int t = 0; t < 16; t++) {
        int want_sum = 0;
        for (int i = 0; i < 8; i++) want_sum += v[8 * t + i];
        EXPECT(s[t] == want_sum);
    }
    EXPECT(big.get()[0] == (unsigned long long)warps_with_zero * 32 * (1ull << 33) + 43);
    EXPECT(real.get()[0] == 64);
    finish("cooperative_groups");
    return failed;
}
