/* kernels/body/transpose_body.h - rows to columns in blocks of eight by eight, with AVX2 registers
 * at every level. Include a v16_*.h first. Read next: kernels/body/attention_body.h. */
#ifndef PE_KERNELS_TRANSPOSE_BODY_H
#define PE_KERNELS_TRANSPOSE_BODY_H

/* out[c * ldout + r] = row[r][c] for 8 x 8. */
V16_INLINE void transpose_8x8(float *out, size_t ldout, const float *const row[8])
{
    __m256 a[8], b[8];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) { /* rows i and i + 4 meet in the halves of one register */
        const float *p = row[i], *q = row[i + 4];
        a[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(q), 1);
        a[i + 4] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p + 4)),
                                        _mm_loadu_ps(q + 4), 1);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
        b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
        b[i + 2] = _mm256_unpacklo_ps(a[i + 2], a[i + 3]);
        b[i + 3] = _mm256_unpackhi_ps(a[i + 2], a[i + 3]);
        _mm256_storeu_ps(out + (size_t)i * ldout, _mm256_shuffle_ps(b[i], b[i + 2], 0x44));
        _mm256_storeu_ps(out + (size_t)(i + 1) * ldout, _mm256_shuffle_ps(b[i], b[i + 2], 0xee));
        _mm256_storeu_ps(out + (size_t)(i + 2) * ldout,
                         _mm256_shuffle_ps(b[i + 1], b[i + 3], 0x44));
        _mm256_storeu_ps(out + (size_t)(i + 3) * ldout,
                         _mm256_shuffle_ps(b[i + 1], b[i + 3], 0xee));
    }
}

/* Eight columns of out, `step` floats apart, from up to 8 rows of in; missing rows are 0. */
V16_INLINE void transpose_some(float *out, size_t step, const float *in, size_t ldin, size_t rows)
{
    static const float zeros[8];
    const float *row[8];
#pragma GCC unroll 8
    for (size_t r = 0; r < 8; r++) row[r] = r < rows ? in + r * ldin : zeros;
    transpose_8x8(out, step, row);
}

/* `rows` <= 16 rows of n floats to n columns of 16, `step` floats apart; missing rows are 0. */
static void transpose_into(float *out, size_t step, const float *in, size_t ldin, size_t rows,
                           size_t n)
{
    size_t c = 0;
    for (; c + 8 <= n; c += 8) {
        transpose_some(out + c * step, step, in + c, ldin, rows);
        if (rows > 8) {
            transpose_some(out + c * step + 8, step, in + c + 8 * ldin, ldin, rows - 8);
            continue;
        }
        for (size_t i = 0; i < 8; i++)
            _mm256_storeu_ps(out + (c + i) * step + 8, _mm256_setzero_ps());
    }
    for (; c < n; c++) {
        for (size_t r = 0; r < rows; r++) out[c * step + r] = in[r * ldin + c];
        for (size_t r = rows; r < 16; r++) out[c * step + r] = 0.0f;
    }
}

static inline void transpose_rows(float *out, const float *in, size_t ldin, size_t rows, size_t n)
{
    transpose_into(out, 16, in, ldin, rows, n);
}

#endif
