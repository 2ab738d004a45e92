/* gemm.cu - matrix products on tensor cores: tiles by double-buffered cp.async, fragments by
 * ldmatrix, int8, f16 and bf16. Read next: program.cuh. */
#include "program.cuh"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

constexpr int TILE = 64, ROW = 80; /* bytes of a tile's row, with padding against bank conflicts */

__device__ void copy16(void *to, const void *from, bool inside)
{
    unsigned int at = (unsigned int)__cvta_generic_to_shared(to);
    int size = inside ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at), "l"(from), "r"(size)
                 : "memory");
}

__device__ void load4(unsigned int r[4], const void *row)
{
    unsigned int at = (unsigned int)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at));
}

struct Int8 {
    typedef signed char element;
    typedef int sum;
    static __device__ void multiply(int c[4], const unsigned int a[4], const unsigned int *b)
    {
        asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, "
                     "%6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                     : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    }
};
struct Half {
    typedef __half element;
    typedef float sum;
    static __device__ void multiply(float c[4], const unsigned int a[4], const unsigned int *b)
    {
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, "
                     "%6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                     : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    }
};
struct Bfloat {
    typedef __nv_bfloat16 element;
    typedef float sum;
    static __device__ void multiply(float c[4], const unsigned int a[4], const unsigned int *b)
    {
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, "
                     "%5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                     : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    }
};

/* One 64-byte piece of 64 rows of A and of B, for rows that exist. */
__device__ void fetch(char (*to)[TILE][ROW], const char *a, const char *b, int m, int n,
                      int row_nbytes, int k)
{
    for (int i = threadIdx.x; i < TILE * 4; i += blockDim.x) {
        int row = i / 4, at = i % 4 * 16;
        int ra = blockIdx.y * TILE + row, rb = blockIdx.x * TILE + row;
        copy16(&to[0][row][at], a + (size_t)(ra < m ? ra : 0) * row_nbytes + k + at, ra < m);
        copy16(&to[1][row][at], b + (size_t)(rb < n ? rb : 0) * row_nbytes + k + at, rb < n);
    }
    asm volatile("cp.async.commit_group;" ::: "memory");
}

/* c [m, n] = a [m, k] b [n, k]^T; k * sizeof(element) is a multiple of 64. 4 warps, each 16 rows.
 */
template <class T>
__global__ void gemm(const typename T::element *a, const typename T::element *b, typename T::sum *c,
                     int m, int n, int k)
{
    __shared__ __align__(16) char tiles[2][2][TILE][ROW];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32,
        row_nbytes = k * (int)sizeof(typename T::element);
    typename T::sum sums[8][4] = {};
    fetch(tiles[0], (const char *)a, (const char *)b, m, n, row_nbytes, 0);
    for (int at = 0, stage = 0; at < row_nbytes; at += 64, stage ^= 1) {
        if (at + 64 < row_nbytes) {
            fetch(tiles[stage ^ 1], (const char *)a, (const char *)b, m, n, row_nbytes, at + 64);
            asm volatile("cp.async.wait_group 1;" ::: "memory");
        } else {
            asm volatile("cp.async.wait_group 0;" ::: "memory");
        }
        __syncthreads();
        for (int step = 0; step < 64; step += 32) {
            unsigned int fa[4], fb[4];
            load4(fa, &tiles[stage][0][warp * 16 + lane % 16][step + lane / 16 * 16]);
            for (int j = 0; j < 8; j += 2) {
                load4(fb,
                      &tiles[stage][1][j * 8 + lane % 8 + lane / 16 * 8][step + lane / 8 % 2 * 16]);
                T::multiply(sums[j], fa, fb);
                T::multiply(sums[j + 1], fa, fb + 2);
            }
        }
        __syncthreads();
    }
    for (int j = 0; j < 8; j++) {
        for (int i = 0; i < 4; i++) {
            int row = blockIdx.y * TILE + warp * 16 + lane / 4 + i / 2 * 8;
            int col = blockIdx.x * TILE + j * 8 + lane % 4 * 2 + i % 2;
            if (row < m && col < n) c[(size_t)row * n + col] = sums[j][i];
        }
    }
}

template <class T> static void test(const char *name, int m, int n, int k)
{
    typedef typename T::element E;
    std::vector<int> a(m * k), b(n * k);
    std::vector<E> ea(m * k), eb(n * k);
    int range = sizeof(E) == 1 ? 255 : 9; /* small enough for exact sums in float */
    for (int i = 0; i < m * k; i++) ea[i] = (E)(float)(a[i] = (int)(mixed(i) % range) - range / 2);
    for (int i = 0; i < n * k; i++)
        eb[i] = (E)(float)(b[i] = (int)(mixed(i + 77777) % range) - range / 2);
    Device<E> da(ea), db(eb);
    Device<typename T::sum> dc(m * n);
    gemm<T><<<dim3((n + TILE - 1) / TILE, (m + TILE - 1) / TILE), 128>>>(da, db, dc, m, n, k);
    CALL(cudaGetLastError());
    std::vector<typename T::sum> c = dc.get();
    for (int i = 0; i < m; i++) {
        for (int j = 0; j < n; j++) {
            int sum = 0;
            for (int l = 0; l < k; l++) sum += a[i * k + l] * b[j * k + l];
            EXPECT(c[i * n + j] == (typename T::sum)sum);
        }
    }
    finish(name);
}

int main()
{
    test<Int8>("int8", 100, 72, 256);
    test<Half>("f16", 65, 130, 96);
    test<Bfloat>("bf16", 33, 64, 64);
    return failed;
}
