/* lib/base/pool.c - threads claim chunks of a loop; the caller works and never waits for a sleeper.
 * Read next: lib/base/pool.h; lib/base/ncores.c for the default size. */
#include "lib/base/pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/ncores.h"

#if defined(__SSE2__)
#include <immintrin.h>
typedef unsigned fp_mode;
static fp_mode fp_enter(void)
{
    unsigned old = _mm_getcsr();
    _mm_setcsr(0x1f80); /* nearest, no flush to zero, no denormals-are-zero, exceptions masked */
    return old;
}
static void fp_leave(fp_mode old)
{
    _mm_setcsr(old);
}
static void relax(void)
{
    _mm_pause();
}
#else
#include <fenv.h>
typedef fenv_t fp_mode;
static fp_mode fp_enter(void)
{
    fenv_t old;
    fegetenv(&old);
    fesetenv(FE_DFL_ENV);
    return old;
}
static void fp_leave(fp_mode old)
{
    fesetenv(&old);
}
static void relax(void)
{
    atomic_signal_fence(memory_order_seq_cst);
}
#endif

enum {
    MAX_THREADS = 256,
    STACK_NBYTES = 256 << 10,
    SPIN_MAX_NS = 50000, /* longest wait without sleeping; a wake-up costs about as much */
    SPIN_MIN_NS = 2000
};

/* A loop is cut into one share of consecutive tasks a thread: what a thread wrote in one loop it
 * finds in its own caches in the next one. Who is through with its share helps with the others'.
 * `left` is generation << 32 | tasks of the share not yet claimed. A thread that claims one of a
 * generation knows that this loop is not done, so fn, arg and ntasks belong to it and stay put
 * until it reports. */
typedef struct share {
    _Alignas(64) _Atomic uint64_t left;
} share;

struct pe_pool {
    _Alignas(64) _Atomic uint32_t ndone;
    _Alignas(64) _Atomic uint32_t generation; /* what idle threads watch and sleep on */
    _Atomic uint32_t nsleepers, caller_sleeps;
    _Atomic bool stop;
    pe_task_fn *fn;
    void *arg;
    size_t base; /* index of the first task of this generation */
    uint32_t ntasks;
    int nthreads;
    share *shares; /* [nthreads] */
    pthread_mutex_t one_caller;
    struct worker {
        pe_pool *pool;
        pthread_t thread;
        int id;
    } * workers; /* nthreads - 1 */
};

static void futex_wait(_Atomic uint32_t *word, uint32_t value)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word, int n)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Tasks before share i of n. */
static size_t share_begin(size_t ntasks, int i, int n)
{
    return ntasks * (size_t)i / (size_t)n;
}

/* Claims one task of the generation; true with how many of its share are left, it included. */
static bool claim(share *s, uint32_t generation, uint32_t *left)
{
    uint64_t job = atomic_load_explicit(&s->left, memory_order_acquire);
    while ((uint32_t)(job >> 32) == generation && (uint32_t)job) {
        if (atomic_compare_exchange_weak_explicit(&s->left, &job, job - 1, memory_order_acq_rel,
                                                  memory_order_acquire)) {
            *left = (uint32_t)job;
            return true;
        }
    }
    return false;
}

static void work(pe_pool *p, uint32_t generation, int worker)
{
    uint32_t left;
    for (int i = 0; i < p->nthreads; i++) {
        int at = (worker + i) % p->nthreads;
        while (claim(&p->shares[at], generation, &left)) {
            uint32_t ntasks = p->ntasks;
            p->fn(p->arg, p->base + share_begin(ntasks, at + 1, p->nthreads) - left, worker);
            if (atomic_fetch_add(&p->ndone, 1) + 1 == ntasks && atomic_load(&p->caller_sleeps))
                futex_wake(&p->ndone, 1);
        }
    }
}

/* Spins while *word == value, for spin_ns at most; false when the time is over. */
static bool spin_until_changed(_Atomic uint32_t *word, uint32_t value, int64_t start,
                               int64_t spin_ns)
{
    do {
        for (int i = 0; i < 16; i++) {
            if (atomic_load_explicit(word, memory_order_acquire) != value) return true;
            relax();
        }
    } while (now_ns() - start < spin_ns);
    return false;
}

/* Waits for the next generation. Spinning pays when work comes soon: its length follows how long
 * the last waits were, so that an idle pool leaves the processor to others. */
static uint32_t next_generation(pe_pool *p, uint32_t seen, int64_t *spin_ns)
{
    int64_t start = now_ns();
    if (spin_until_changed(&p->generation, seen, start, *spin_ns))
        return atomic_load(&p->generation);
    uint32_t generation;
    while ((generation = atomic_load(&p->generation)) == seen) {
        atomic_fetch_add(&p->nsleepers, 1);
        if (atomic_load(&p->generation) == seen) futex_wait(&p->generation, seen);
        atomic_fetch_sub(&p->nsleepers, 1);
    }
    int64_t waited = now_ns() - start;
    *spin_ns = waited < SPIN_MAX_NS         ? SPIN_MAX_NS
               : *spin_ns / 2 > SPIN_MIN_NS ? *spin_ns / 2
                                            : SPIN_MIN_NS;
    return generation;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    pe_pool *p = w->pool;
    fp_enter();
    int64_t spin_ns = SPIN_MAX_NS;
    uint32_t seen = 0;
    while (!atomic_load(&p->stop)) {
        seen = next_generation(p, seen, &spin_ns);
        work(p, seen, w->id);
    }
    return NULL;
}

/* The caller found nothing left to claim: the last tasks are running in other threads. */
static void wait_done(pe_pool *p, uint32_t ntasks)
{
    int64_t start = now_ns();
    uint32_t done;
    while ((done = atomic_load(&p->ndone)) != ntasks) {
        if (spin_until_changed(&p->ndone, done, start, SPIN_MAX_NS)) continue;
        atomic_store(&p->caller_sleeps, 1);
        done = atomic_load(&p->ndone);
        if (done != ntasks) futex_wait(&p->ndone, done);
        atomic_store(&p->caller_sleeps, 0);
    }
}

static void run_generation(pe_pool *p, size_t base, uint32_t ntasks, pe_task_fn *fn, void *arg)
{
    uint32_t generation = atomic_load(&p->generation) + 1;
    p->fn = fn;
    p->arg = arg;
    p->base = base;
    p->ntasks = ntasks;
    atomic_store(&p->ndone, 0);
    for (int i = 0; i < p->nthreads; i++) {
        size_t left = share_begin(ntasks, i + 1, p->nthreads) - share_begin(ntasks, i, p->nthreads);
        atomic_store(&p->shares[i].left, (uint64_t)generation << 32 | left);
    }
    atomic_store(&p->generation, generation);
    uint32_t nsleepers = atomic_load(&p->nsleepers);
    if (nsleepers)
        futex_wake(&p->generation, (int)(nsleepers < ntasks - 1 ? nsleepers : ntasks - 1));
    work(p, generation, 0);
    wait_done(p, ntasks);
}

void pe_pool_run(pe_pool *pool, size_t ntasks, pe_task_fn *fn, void *arg)
{
    fp_mode old = fp_enter();
    if (!pool || pool->nthreads == 1 || ntasks <= 1) {
        for (size_t i = 0; i < ntasks; i++) fn(arg, i, 0);
    } else {
        pthread_mutex_lock(&pool->one_caller);
        for (size_t base = 0; base < ntasks;) {
            size_t n = ntasks - base < UINT32_MAX ? ntasks - base : UINT32_MAX;
            run_generation(pool, base, (uint32_t)n, fn, arg);
            base += n;
        }
        pthread_mutex_unlock(&pool->one_caller);
    }
    fp_leave(old);
}

int pe_pool_nthreads(const pe_pool *pool)
{
    return pool ? pool->nthreads : 1;
}

/* Starts the workers with all signals blocked: they are the main thread's to handle. */
static pe_status start_workers(pe_pool *p, pe_error *err)
{
    pthread_attr_t attr;
    if (pthread_attr_init(&attr)) return pe_fail_nomem(err, "thread pool", sizeof attr);
    pthread_attr_setstacksize(&attr, STACK_NBYTES);
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int want = p->nthreads, failed = 0;
    for (p->nthreads = 1; p->nthreads < want && !failed;) {
        struct worker *w = &p->workers[p->nthreads - 1];
        *w = (struct worker){ .pool = p, .id = p->nthreads };
        failed = pthread_create(&w->thread, &attr, worker_main, w);
        if (!failed) p->nthreads++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (failed)
        return pe_fail(err, PE_E_NOMEM,
                       "thread pool: %d of %d threads could be started; try fewer (-j)",
                       p->nthreads, want);
    return PE_OK;
}

pe_status pe_pool_new(pe_pool **out, int nthreads, pe_error *err)
{
    if (nthreads < 0 || nthreads > MAX_THREADS)
        return pe_fail(err, PE_E_ARG, "threads: found %d, expected 1 to %d, or 0 for one per core",
                       nthreads, (int)MAX_THREADS);
    if (!nthreads) nthreads = pe_ncores();
    if (nthreads > MAX_THREADS) nthreads = MAX_THREADS;
    pe_pool *p = aligned_alloc(64, sizeof *p);
    if (!p) return pe_fail_nomem(err, "thread pool", sizeof *p);
    *p = (pe_pool){ .nthreads = nthreads };
    pthread_mutex_init(&p->one_caller, NULL);
    if (nthreads > 1) {
        p->workers = calloc((size_t)nthreads - 1, sizeof *p->workers);
        p->shares = aligned_alloc(64, (size_t)nthreads * sizeof *p->shares);
    }
    pe_status st = PE_OK;
    if (nthreads > 1 && p->shares) memset(p->shares, 0, (size_t)nthreads * sizeof *p->shares);
    if (nthreads > 1 && (!p->workers || !p->shares)) {
        p->nthreads = 1;
        st = pe_fail_nomem(err, "thread pool", (size_t)nthreads * sizeof *p->workers);
    }
    if (!st) st = start_workers(p, err);
    if (st) pe_pool_free(p);
    else *out = p;
    return st;
}

void pe_pool_free(pe_pool *pool)
{
    if (!pool) return;
    atomic_store(&pool->stop, true);
    atomic_fetch_add(&pool->generation, 1);
    futex_wake(&pool->generation, MAX_THREADS);
    for (int i = 1; i < pool->nthreads; i++) pthread_join(pool->workers[i - 1].thread, NULL);
    pthread_mutex_destroy(&pool->one_caller);
    free(pool->workers);
    free(pool->shares);
    free(pool);
}
