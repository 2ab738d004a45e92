/* kernels/cuda/embed.cu - rows of tables: sums of embeddings, and picking rows. A warp takes a row,
 * four columns a lane where rows allow it. Read next: kernels/cuda/norm.cu. */
#include "kernels/cuda/launch.cuh"

enum { THREADS = 256 };

/* The rows of one token; NULL: no such table. */
struct embed_rows {
    const float *word, *type, *pos, *task;
    const int8_t *word_s8;
    float word_scale;
};

__device__ __forceinline__ const float *row_of(const float *table, const int32_t *ids, size_t t,
                                               size_t d)
{
    return table ? table + (size_t)ids[t] * d : nullptr;
}

__device__ __forceinline__ embed_rows rows_of_token(const pe_embed_call &c, size_t t)
{
    embed_rows r = {};
    size_t word = (size_t)c.ids[t];
    if (c.word) {
        r.word = c.word + word * c.d;
    } else {
        r.word_s8 = c.word_s8 + word * c.d;
        r.word_scale = c.word_scale[word];
    }
    r.type = row_of(c.type, c.type_ids, t, c.d);
    r.pos = row_of(c.pos, c.pos_ids, t, c.d);
    r.task = row_of(c.task, c.task_ids, t, c.d);
    return r;
}

/* Columns i .. i + N of the token's row of the word table. */
template <int N> __device__ __forceinline__ floats<N> word_at(const embed_rows &r, size_t i)
{
    if (r.word) return load_floats<N>(r.word + i);
    struct alignas(N) codes {
        int8_t v[N];
    } q = *reinterpret_cast<const codes *>(r.word_s8 + i);
    floats<N> y;
#pragma unroll
    for (int j = 0; j < N; j++) y.v[j] = (float)q.v[j] * r.word_scale;
    return y;
}

template <int N> __device__ __forceinline__ void add_row(floats<N> &y, const float *row, size_t i)
{
    if (!row) return;
    floats<N> x = load_floats<N>(row + i);
#pragma unroll
    for (int j = 0; j < N; j++) y.v[j] += x.v[j];
}

template <int N> static __global__ void __launch_bounds__(THREADS, 4) embed(pe_embed_call c)
{
    for (size_t t = grid_warp<THREADS>(); t < c.T; t += grid_warps<THREADS>()) {
        embed_rows r = rows_of_token(c, t);
        for (size_t i = N * warp_lane(); i < c.d; i += N * WARP) {
            floats<N> y = word_at<N>(r, i);
            add_row(y, r.type, i);
            add_row(y, r.pos, i);
            add_row(y, r.task, i);
            store_floats(c.y + t * c.d + i, y);
        }
    }
}

cudaError_t pe_cu_embed(const pe_embed_call *c, cudaStream_t s)
{
    if (c->T == 0 || c->d == 0) return cudaSuccess;
    unsigned blocks = grid_for(parts_of(c->T, THREADS / WARP));
    bool wide = rows_of_4(c->y, c->d) && rows_of_4(c->word, c->d) && aligned(c->word_s8, 4) &&
                rows_of_4(c->type, c->d) && rows_of_4(c->pos, c->d) && rows_of_4(c->task, c->d);
    if (wide) embed<4><<<blocks, THREADS, 0, s>>>(*c);
    else embed<1><<<blocks, THREADS, 0, s>>>(*c);
    return cudaGetLastError();
}

template <int N>
static __global__ void __launch_bounds__(THREADS)
    gather_rows(float *y, const float *x, const uint32_t *rows, size_t m, size_t d)
{
    for (size_t t = grid_warp<THREADS>(); t < m; t += grid_warps<THREADS>()) {
        const float *from = x + rows[t] * d;
        for (size_t i = N * warp_lane(); i < d; i += N * WARP)
            store_floats(y + t * d + i, load_floats<N>(from + i));
    }
}

cudaError_t pe_cu_gather_rows(float *y, const float *x, const uint32_t *rows, size_t m, size_t d,
                              cudaStream_t s)
{
    if (m == 0 || d == 0) return cudaSuccess;
    unsigned blocks = grid_for(parts_of(m, THREADS / WARP));
    if (rows_of_4(y, d) && rows_of_4(x, d))
        gather_rows<4><<<blocks, THREADS, 0, s>>>(y, x, rows, m, d);
    else gather_rows<1><<<blocks, THREADS, 0, s>>>(y, x, rows, m, d);
    return cudaGetLastError();
}
