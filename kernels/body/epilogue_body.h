/* kernels/body/epilogue_body.h - what follows the chain of an f32 product: y = act((chain + bias) +
 * 0). Include a v16_*.h first. Read next: kernels/body/v16_math.h. */
#ifndef PE_KERNELS_EPILOGUE_BODY_H
#define PE_KERNELS_EPILOGUE_BODY_H

#include "kernels/body/v16_math.h"

typedef struct epilogue {
    const float *bias; /* of output 0 of the block, or NULL */
    pe_act act;
} epilogue;

/* act is a constant here, so every activation has its own loop. */
V16_INLINE void epilogue_rows(float *y, size_t ldy, size_t rows, size_t cols, const float *bias,
                              const pe_act act)
{
    for (size_t j = 0; j < cols; j += 16) {
        size_t n = cols - j < 16 ? cols - j : 16;
        v16 b = !bias ? v_zero() : n == 16 ? v_load(bias + j) : v_load_n(bias + j, n);
        for (size_t r = 0; r < rows; r++) {
            float *at = y + r * ldy + j;
            v16 x = n == 16 ? v_load(at) : v_load_n(at, n);
            x = v_act(v_add(v_add(x, b), v_zero()), act);
            if (n == 16) v_store(at, x);
            else v_store_n(at, x, n);
        }
    }
}

static void epilogue_run(const void *arg, float *y, size_t ldy, size_t rows, size_t col,
                         size_t cols)
{
    const epilogue *e = arg;
    const float *bias = e->bias ? e->bias + col : NULL;
    switch (e->act) {
    case PE_ACT_NONE: epilogue_rows(y, ldy, rows, cols, bias, PE_ACT_NONE); break;
    case PE_ACT_GELU_ERF: epilogue_rows(y, ldy, rows, cols, bias, PE_ACT_GELU_ERF); break;
    case PE_ACT_GELU_TANH: epilogue_rows(y, ldy, rows, cols, bias, PE_ACT_GELU_TANH); break;
    case PE_ACT_RELU: epilogue_rows(y, ldy, rows, cols, bias, PE_ACT_RELU); break;
    case PE_ACT_TANH: epilogue_rows(y, ldy, rows, cols, bias, PE_ACT_TANH); break;
    }
}

#endif
