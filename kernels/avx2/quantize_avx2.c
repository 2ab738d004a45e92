/* kernels/avx2/quantize_avx2.c - codes of activations and weights, 32 at a time, by true division.
 * Clamping before rounding gives the codes of ref: the bounds are whole numbers.
 * Read next: kernels/ref/ref_quantize.c, kernels/avx2/passes_avx2.c. */
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "kernels/variants.h"

enum { TASK_NELEM = 16384 }; /* activations of one task */

typedef struct range {
    __m256 scale, lo, hi;
    __m256i zero;
} range;

static range range_of(float scale, float lo, float zero)
{
    return (range){ _mm256_set1_ps(scale), _mm256_set1_ps(lo - zero), _mm256_set1_ps(127 - zero),
                    _mm256_set1_epi32((int32_t)zero) };
}

static inline __m256i codes8(__m256 x, const range *r)
{
    __m256 v = _mm256_max_ps(_mm256_div_ps(x, r->scale), r->lo); /* NaN gives lo */
    return _mm256_add_epi32(_mm256_cvtps_epi32(_mm256_min_ps(v, r->hi)), r->zero);
}

static inline __m256i codes32(const __m256 x[4], const range *r)
{
    __m256i a = _mm256_packs_epi32(codes8(x[0], r), codes8(x[1], r));
    __m256i b = _mm256_packs_epi32(codes8(x[2], r), codes8(x[3], r));
    __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7); /* packs works in 128-bit halves */
    return _mm256_permutevar8x32_epi32(_mm256_packs_epi16(a, b), order);
}

static void quantize(int8_t *q, const float *x, size_t n, const range *r)
{
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        __m256 v[4];
        __builtin_prefetch(x + n + i); /* the next row, whose maximum is looked for first */
        __builtin_prefetch(x + n + i + 16);
        for (size_t j = 0; j < 4; j++) v[j] = _mm256_loadu_ps(x + i + 8 * j);
        _mm256_storeu_si256((void *)(q + i), codes32(v, r));
    }
    if (i < n) {
        float rest[32] = { 0 };
        int8_t out[32];
        memcpy(rest, x + i, (n - i) * sizeof *x);
        __m256 v[4];
        for (size_t j = 0; j < 4; j++) v[j] = _mm256_loadu_ps(rest + 8 * j);
        _mm256_storeu_si256((void *)out, codes32(v, r));
        memcpy(q + i, out, n - i);
    }
}

static float max_lane(__m256 v)
{
    float lane[8], m = 0;
    _mm256_storeu_ps(lane, v);
    for (size_t i = 0; i < 8; i++) m = lane[i] > m ? lane[i] : m;
    return m;
}

/* NaN is passed over: the maximum instruction yields its second operand. */
static float row_absmax(const float *x, size_t n)
{
    __m256 mask = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff)), m[4];
    size_t i = 0;
    for (size_t j = 0; j < 4; j++) m[j] = _mm256_setzero_ps();
    for (; i + 32 <= n; i += 32)
        for (size_t j = 0; j < 4; j++)
            m[j] = _mm256_max_ps(_mm256_and_ps(_mm256_loadu_ps(x + i + 8 * j), mask), m[j]);
    float most = max_lane(_mm256_max_ps(_mm256_max_ps(m[0], m[1]), _mm256_max_ps(m[2], m[3])));
    for (; i < n; i++) most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    return most;
}

static void quantize_row(const pe_quantize_call *c, size_t t)
{
    const float *x = c->x + t * c->ldx;
    int8_t *q = c->q + t * c->ldq;
    bool dynamic = c->div > 0;
    float scale = dynamic ? row_absmax(x, c->k) / c->div : c->static_scale;
    float zero = !dynamic && c->zero ? (float)c->static_zero : 0;
    float lo = dynamic ? (c->div > 127 ? -128 : -127) : (c->zero ? -128 : -127);
    range r = range_of(scale, lo, zero);
    if (scale > 0) quantize(q, x, c->k, &r);
    else memset(q, 0, c->k);
    memset(q + c->k, 0, c->ldq - c->k);
    c->scale[t] = scale;
    if (c->zero) c->zero[t] = (int32_t)zero;
}

static size_t rows_of_task(const pe_quantize_call *c)
{
    return c->k < TASK_NELEM ? TASK_NELEM / (c->k + 1) + 1 : 1;
}

static void quantize_task(void *arg, size_t index, int worker)
{
    const pe_quantize_call *c = arg;
    size_t rows = rows_of_task(c), t1 = (index + 1) * rows < c->m ? (index + 1) * rows : c->m;
    (void)worker;
    for (size_t t = index * rows; t < t1; t++) quantize_row(c, t);
}

void pe_quantize_rows_avx2(const pe_quantize_call *c)
{
    pe_pool_run(c->pool, (c->m + rows_of_task(c) - 1) / rows_of_task(c), quantize_task, (void *)c);
}

/* As integers without the sign, NaN and Inf are above every finite number. */
float pe_absmax_f32_avx2(const float *x, size_t n)
{
    __m256i mask = _mm256_set1_epi32(0x7fffffff), m[4];
    uint32_t lane[8], most = 0;
    float result;
    size_t i = 0;
    for (size_t j = 0; j < 4; j++) m[j] = _mm256_setzero_si256();
    for (; i + 32 <= n; i += 32)
        for (size_t j = 0; j < 4; j++) {
            __m256i v = _mm256_loadu_si256((const void *)(x + i + 8 * j));
            m[j] = _mm256_max_epu32(m[j], _mm256_and_si256(v, mask));
        }
    m[0] = _mm256_max_epu32(_mm256_max_epu32(m[0], m[1]), _mm256_max_epu32(m[2], m[3]));
    _mm256_storeu_si256((void *)lane, m[0]);
    for (size_t j = 0; j < 8; j++) most = lane[j] > most ? lane[j] : most;
    for (; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bits &= 0x7fffffff;
        most = bits > most ? bits : most;
    }
    memcpy(&result, &most, sizeof result);
    return most < 0x7f800000 ? result : NAN;
}

void pe_quantize_weights_avx2(int8_t *q, const float *x, size_t n, float scale)
{
    range r = range_of(scale, -127, 0);
    if (scale > 0) quantize(q, x, n, &r);
    else memset(q, 0, n);
}
