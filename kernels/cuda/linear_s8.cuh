/* kernels/cuda/linear_s8.cuh - the two ways to an int8 layer, by how many tokens there are.
 * Read next: kernels/cuda/linear_s8.cu (which is taken when). */
#ifndef PE_KERNELS_CUDA_LINEAR_S8_CUH
#define PE_KERNELS_CUDA_LINEAR_S8_CUH

#include "kernels/cuda/cuda.h"

/* A layer whose sizes are not 0 and whose pointers are aligned as pe_cu_linear_s8 asks. */
struct s8_layer {
    pe_linear_call c;
    const int8_t *weights;
    size_t ldw;
};

/* Few tokens: bounded by reading the weights once. */
cudaError_t pe_cu_linear_s8_few(const s8_layer &layer, cudaStream_t s);

#endif
