/* lib/base/pool.h - run a loop on the threads of a pe_pool.
 * Chunks are claimed with an atomic counter, the caller works too, idle threads spin briefly and
 * then sleep on a futex: a busy machine costs time, never a stall of milliseconds. */
#ifndef PE_BASE_POOL_H
#define PE_BASE_POOL_H

#include <pe/base.h>

/* Task `index` of a loop; `worker` in [0, pe_pool_nthreads) selects per-thread scratch.
 * Which worker runs which index is chance: a result must not depend on it. */
typedef void pe_task_fn(void *arg, size_t index, int worker);

/* Runs fn for 0..ntasks-1 and returns when all are done. pool NULL or ntasks 1: runs here.
 * A task must not call pe_pool_run on the same pool. Every thread, the caller included, computes
 * with MXCSR at round-to-nearest and without flush-to-zero, and gets its own setting back. */
void pe_pool_run(pe_pool *pool, size_t ntasks, pe_task_fn *fn, void *arg);

#endif
