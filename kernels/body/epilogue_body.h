/* kernels/body/epilogue_body.h - what follows the chain of an f32 product: y = act((chain + bias) +
 * 0). Include a v16_*.h first. Read next: kernels/body/v16_math.h. */
#ifndef PE_KERNELS_EPILOGUE_BODY_H
#define PE_KERNELS_EPILOGUE_BODY_H

#include "kernels/body/v16_math.h"

typedef struct epilogue {
    const float *bias; /* of output 0 of the block, or NULL */
    pe_act act;
} epilogue;

/* n registers of a row, n and act constants; `last` of the lanes of the last one exist. */
V16_INLINE void epilogue_part(float *y, const float *bias, const size_t n, size_t last,
                              const pe_act act)
{
    v16 x[V16_SIDE];
#pragma GCC unroll 4
    for (size_t i = 0; i < n; i++) {
        size_t count = i + 1 < n ? 16 : last;
        v16 b = bias ? v_load_n(bias + 16 * i, count) : v_zero();
        x[i] = v_add(v_add(v_load_n(y + 16 * i, count), b), v_zero());
    }
    v_act(x, n, act);
#pragma GCC unroll 4
    for (size_t i = 0; i < n; i++) v_store_n(y + 16 * i, x[i], i + 1 < n ? 16 : last);
}

/* act is a constant here, so every activation has its own loop. */
V16_INLINE void epilogue_rows(float *y, size_t ldy, size_t rows, size_t cols, const float *bias,
                              const pe_act act)
{
    const size_t side = 16 * V16_SIDE;
    for (size_t r = 0; r < rows; r++, y += ldy) {
        size_t j = 0;
        for (; j + side <= cols; j += side)
            epilogue_part(y + j, bias ? bias + j : NULL, V16_SIDE, 16, act);
        for (; j < cols; j += 16)
            epilogue_part(y + j, bias ? bias + j : NULL, 1, cols - j < 16 ? cols - j : 16, act);
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
    case PE_ACT_GELU_CODES: epilogue_rows(y, ldy, rows, cols, bias, PE_ACT_GELU_CODES); break;
    case PE_ACT_GELU_TANH: epilogue_rows(y, ldy, rows, cols, bias, PE_ACT_GELU_TANH); break;
    case PE_ACT_RELU: epilogue_rows(y, ldy, rows, cols, bias, PE_ACT_RELU); break;
    case PE_ACT_TANH: epilogue_rows(y, ldy, rows, cols, bias, PE_ACT_TANH); break;
    }
}

#endif
