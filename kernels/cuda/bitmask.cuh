/* kernels/cuda/bitmask.cuh - how a warp walks rows of a bitmask matrix. It takes runs of 1024
 * inputs, 32 mask words of 32 bits, one a lane; a scan of their bit counts tells where each word's
 * values are. The values of the next run are on their way to shared memory, and the masks of the
 * one after it to registers, while one is multiplied.
 * Read next: kernels/cuda/linear_bitmask.cu. */
#ifndef PE_KERNELS_CUDA_BITMASK_CUH
#define PE_KERNELS_CUDA_BITMASK_CUH

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/mma.cuh"

constexpr int RUN_WORDS = 32, RUN = 32 * RUN_WORDS; /* 32-bit words and inputs of a run */

/* The mask words of one run of R rows, a lane has one of each row; how many values of the row's
 * piece in shared memory lie before the word's. */
template <int R> struct mask_run {
    uint32_t mask[R], before[R];
};

/* R rows in step, values of NBYTES. room: this warp's shared memory. */
template <int NBYTES, int R> struct mask_walk {
    /* up to 15 bytes before the first value of a run, 12 that are read but not used after it */
    static constexpr int PIECE = RUN * NBYTES + 32, ROOM = 2 * R * PIECE;

    const uint32_t *mask[R];
    uint32_t next[R]; /* values before the next run */
    uint32_t loaded[R];
    size_t nwords, nbytes; /* of a row; of all values */
    const char *values;
    char *room;
    int lane;

    /* Rows beyond the last one are the last one. */
    __device__ __forceinline__ mask_walk(const pe_cu_bitmask &w, size_t first, char *room_of_warp)
    {
        nwords = 2 * w.nwords;
        nbytes = (size_t)w.begin[w.n] * NBYTES;
        values = static_cast<const char *>(w.values);
        room = room_of_warp;
        lane = (int)warp_lane();
#pragma unroll
        for (int r = 0; r < R; r++) {
            size_t row = min(first + r, w.n - 1);
            mask[r] = reinterpret_cast<const uint32_t *>(w.mask + row * w.nwords);
            next[r] = w.begin[row];
        }
    }

    __device__ __forceinline__ void load(size_t run)
    {
        size_t word = run * RUN_WORDS + lane;
#pragma unroll
        for (int r = 0; r < R; r++) loaded[r] = word < nwords ? __ldg(mask[r] + word) : 0;
    }

    __device__ __forceinline__ const char *piece(size_t run, int r) const
    {
        return room + ((run % 2) * R + r) * PIECE;
    }

    /* The run whose masks are loaded: where its words' values are, and copies of them begun. */
    __device__ __forceinline__ mask_run<R> stage(size_t run)
    {
        mask_run<R> m;
#pragma unroll
        for (int r = 0; r < R; r++) {
            uint32_t count = (uint32_t)__popc(loaded[r]), upto = count;
#pragma unroll
            for (int step = 1; step < 32; step *= 2) {
                uint32_t other = __shfl_up_sync(EVERY_LANE, upto, step);
                if (lane >= step) upto += other;
            }
            size_t from = (size_t)next[r] * NBYTES / 16 * 16;
            m.mask[r] = loaded[r];
            m.before[r] = next[r] - (uint32_t)(from / NBYTES) + upto - count;
            next[r] += __shfl_sync(EVERY_LANE, upto, 31);
            copy(const_cast<char *>(piece(run, r)), from, (size_t)next[r] * NBYTES + 12);
        }
        copy_commit();
        return m;
    }

    __device__ __forceinline__ void copy(char *to, size_t from, size_t end) const
    {
        int n = (int)((end - from + 15) / 16);
        for (int i = lane; i < n; i += 32) {
            size_t at = from + 16 * (size_t)i;
            bool some = at < nbytes;
            copy_async<16>(to + 16 * i, values + (some ? at : 0),
                           some ? (int)min(nbytes - at, (size_t)16) : 0);
        }
    }
};

/* f(run number, its masks) for each run of `walk`, when its values are there. */
template <int NBYTES, int R, typename F>
__device__ __forceinline__ void each_run(mask_walk<NBYTES, R> &walk, F f)
{
    size_t nruns = (walk.nwords + RUN_WORDS - 1) / RUN_WORDS;
    if (nruns == 0) return;
    walk.load(0);
    mask_run<R> now = walk.stage(0), then = now;
    walk.load(1);
    for (size_t run = 0; run < nruns; run++) {
        if (run + 1 < nruns) then = walk.stage(run + 1);
        walk.load(run + 2);
        if (run + 1 < nruns) copy_wait<1>();
        else copy_wait<0>();
        __syncwarp();
        f(run, now);
        __syncwarp(); /* its place is free for the run after the next one */
        now = then;
    }
}

#endif
