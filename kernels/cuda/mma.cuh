/* kernels/cuda/mma.cuh - the instructions that CUDA C++ has no words for: asynchronous copies to
 * shared memory, ldmatrix, and the integer tensor cores (sm_80 and later).
 * Read next: kernels/cuda/linear_s8.cu, the PTX ISA manual under "mma.m16n8k32". */
#ifndef PE_KERNELS_CUDA_MMA_CUH
#define PE_KERNELS_CUDA_MMA_CUH

#include <cstdint>

__device__ __forceinline__ uint32_t shared_address(const void *p)
{
    return (uint32_t)__cvta_generic_to_shared(p);
}

/* NBYTES (4 or 16) to shared memory: `there` of them from global memory, then zeros. The 16-byte
 * form goes past the first cache. */
template <int NBYTES>
__device__ __forceinline__ void copy_async(void *to, const void *from, int there)
{
    static_assert(NBYTES == 4 || NBYTES == 16, "what is used");
    if constexpr (NBYTES == 16)
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)),
                     "l"(from), "r"(there)
                     : "memory");
    else
        asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(to)),
                     "l"(from), "r"(there)
                     : "memory");
}

/* The copies since the last commit are one group; waiting leaves at most NGROUPS groups under
 * way. What other threads copied is there after a barrier. */
__device__ __forceinline__ void copy_commit()
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int NGROUPS> __device__ __forceinline__ void copy_wait()
{
    asm volatile("cp.async.wait_group %0;" ::"n"(NGROUPS) : "memory");
}

/* Four 8x8 matrices of 16-bit elements (8 rows of 16 bytes each). Lane l names row l % 8 of matrix
 * l / 8 and gets 4 bytes, 4 * (l % 4) on, of row l / 4 of each. */
__device__ __forceinline__ void load_matrix_x4(uint32_t r[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
}

/* acc[16, 8] += a[16, 32] b[8, 32]^T of int8. With g = lane / 4 and i = 4 * (lane % 4):
 * a[0], a[1]: inputs i .. i + 3 of rows g and g + 8; a[2], a[3]: inputs 16 + i on; b[0], b[1]: the
 * same two of row g; acc[0], acc[1]: row g, columns i / 2 and i / 2 + 1; acc[2], acc[3]: row g + 8.
 */
__device__ __forceinline__ void mma_s8(int acc[4], const uint32_t a[4], const uint32_t b[2])
{
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+r"(acc[0]), "+r"(acc[1]), "+r"(acc[2]), "+r"(acc[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/* The same with a of bytes without sign. */
__device__ __forceinline__ void mma_u8_s8(int acc[4], const uint32_t a[4], const uint32_t b[2])
{
    asm("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+r"(acc[0]), "+r"(acc[1]), "+r"(acc[2]), "+r"(acc[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

#endif
