/* kernels/cuda/epilogue.cuh - what follows the sum of a linear layer, by the rules at the top of
 * kernels/kernels.h: every product's kernel ends with one of these.
 * Read next: kernels/cuda/epilogue.cu, kernels/ref/ref_s8.c. */
#ifndef PE_KERNELS_CUDA_EPILOGUE_CUH
#define PE_KERNELS_CUDA_EPILOGUE_CUH

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/math.cuh"

/* + 0 makes a sum that underflowed to -0 what it is without its zero weights. */
template <typename ACT> __device__ __forceinline__ float finish_f32(float sum, const float *bias)
{
    return ACT::of((bias ? sum + __ldg(bias) : sum) + 0.0f);
}

/* What an output and a token of an int8 layer bring to their results. */
struct s8_output {
    float scale, bias;
    int wsum;
};
struct s8_token {
    float scale;
    int zero;
};

__device__ __forceinline__ s8_output s8_output_at(const pe_linear_call &c, size_t n)
{
    return { __ldg(c.wscale + n), c.bias ? __ldg(c.bias + n) : 0.0f,
             c.xzero ? __ldg(c.wsum + n) : 0 };
}

__device__ __forceinline__ s8_token s8_token_at(const pe_linear_call &c, size_t t)
{
    return { __ldg(c.xscale + t), c.xzero ? __ldg(c.xzero + t) : 0 };
}

/* acc: the sum of codes, zero point not yet taken away. */
template <typename ACT>
__device__ __forceinline__ float finish_s8(int acc, const s8_token &x, const s8_output &w)
{
    return ACT::of(fmaf((float)(acc - x.zero * w.wsum) * x.scale, w.scale, w.bias));
}

#endif
