/* tests/unit/test_pool.c - every task runs exactly once, whatever the size, and floats stay exact.
 * Read next: lib/base/pool.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xmmintrin.h>

#include "lib/base/ncores.h"
#include "lib/base/pool.h"

enum { MAX_TASKS = 4096 };

typedef struct tally {
    _Atomic int runs[MAX_TASKS];
    _Atomic int bad_worker, bad_mxcsr;
    int nthreads;
} tally;

static void count_task(void *arg, size_t index, int worker)
{
    tally *t = arg;
    atomic_fetch_add(&t->runs[index], 1);
    if (worker < 0 || worker >= t->nthreads) atomic_store(&t->bad_worker, 1);
    if ((_mm_getcsr() & ~0x3fu) != (0x1f80u & ~0x3fu)) atomic_store(&t->bad_mxcsr, 1);
}

static void check_tally(tally *t, size_t ntasks)
{
    for (size_t i = 0; i < MAX_TASKS; i++)
        assert_int_equal(atomic_load(&t->runs[i]), i < ntasks ? 1 : 0);
    assert_false(atomic_load(&t->bad_worker));
    assert_false(atomic_load(&t->bad_mxcsr));
}

static void test_each_task_once(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0, 1, 2, 3, 7, 8, 63, 1000, MAX_TASKS };
    tally *t = malloc(sizeof *t);
    assert_non_null(t);
    for (int nthreads = 1; nthreads <= 8; nthreads++) {
        pe_pool *pool = NULL;
        assert_int_equal(pe_pool_new(&pool, nthreads, NULL), PE_OK);
        assert_int_equal(pe_pool_nthreads(pool), nthreads);
        for (int round = 0; round < 30; round++) {
            size_t ntasks = sizes[(size_t)round % (sizeof sizes / sizeof *sizes)];
            memset(t, 0, sizeof *t);
            t->nthreads = nthreads;
            pe_pool_run(pool, ntasks, count_task, t);
            check_tally(t, ntasks);
        }
        pe_pool_free(pool);
    }
    free(t);
}

static void add_task(void *arg, size_t index, int worker)
{
    (void)worker;
    atomic_fetch_add((_Atomic uint64_t *)arg, index + 1);
}

/* Short loops of changing size back to back: a thread that is late must not take a task of the
 * next loop under the rules of the last one. */
static void test_many_short_loops(void **state)
{
    (void)state;
    for (int nthreads = 2; nthreads <= 8; nthreads += 3) {
        pe_pool *pool = NULL;
        assert_int_equal(pe_pool_new(&pool, nthreads, NULL), PE_OK);
        for (uint64_t round = 0; round < 4000; round++) {
            _Atomic uint64_t sum = 0;
            uint64_t n = 2 + round * 7 % 23;
            pe_pool_run(pool, n, add_task, &sum);
            assert_int_equal(atomic_load(&sum), n * (n + 1) / 2);
        }
        pe_pool_free(pool);
    }
}

/* Pauses between loops make workers sleep; the next loop must wake them or do without. */
static void test_after_sleep(void **state)
{
    (void)state;
    pe_pool *pool = NULL;
    assert_int_equal(pe_pool_new(&pool, 4, NULL), PE_OK);
    for (int round = 0; round < 60; round++) {
        struct timespec pause = { .tv_nsec = round % 3 * 400000 };
        nanosleep(&pause, NULL);
        _Atomic uint64_t sum = 0;
        pe_pool_run(pool, 50, add_task, &sum);
        assert_int_equal(atomic_load(&sum), 50 * 51 / 2);
    }
    pe_pool_free(pool);
}

/* Both threads are inside of a task before either ends; the worker's ends long after the caller's,
 * which then sleeps and must be woken. */
static void meet_task(void *arg, size_t index, int worker)
{
    struct timespec late = { .tv_nsec = 3000000 };
    (void)index;
    atomic_fetch_add((_Atomic int *)arg, 1);
    while (atomic_load((_Atomic int *)arg) < 2) sched_yield();
    if (worker != 0) nanosleep(&late, NULL);
}

static void test_sleepers_are_woken(void **state)
{
    (void)state;
    pe_pool *pool = NULL;
    assert_int_equal(pe_pool_new(&pool, 2, NULL), PE_OK);
    alarm(30); /* a thread that nobody wakes would wait for ever */
    for (int round = 0; round < 10; round++) {
        struct timespec idle = { .tv_nsec = 2000000 };
        _Atomic int inside = 0;
        nanosleep(&idle, NULL); /* the worker sleeps, too */
        pe_pool_run(pool, 2, meet_task, &inside);
        assert_int_equal(atomic_load(&inside), 2);
    }
    alarm(0);
    pe_pool_free(pool);
}

typedef struct caller {
    pe_pool *pool;
    int failures;
} caller;

static void *call_loop(void *arg)
{
    caller *c = arg;
    for (int round = 0; round < 500; round++) {
        _Atomic uint64_t sum = 0;
        pe_pool_run(c->pool, 20, add_task, &sum);
        if (atomic_load(&sum) != 210) c->failures++;
    }
    return NULL;
}

static void test_two_callers_share(void **state)
{
    (void)state;
    pe_pool *pool = NULL;
    assert_int_equal(pe_pool_new(&pool, 3, NULL), PE_OK);
    caller callers[3];
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        callers[i] = (caller){ .pool = pool };
        assert_int_equal(pthread_create(&threads[i], NULL, call_loop, &callers[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(callers[i].failures, 0);
    }
    pe_pool_free(pool);
}

/* A caller with flush-to-zero set gets exact tasks, and its own setting back. */
static void test_mxcsr(void **state)
{
    (void)state;
    enum { FTZ_DAZ_UP = 0x8040 | 0x4000 };
    for (int nthreads = 0; nthreads <= 2; nthreads++) {
        pe_pool *pool = NULL;
        if (nthreads) assert_int_equal(pe_pool_new(&pool, nthreads, NULL), PE_OK);
        tally *t = calloc(1, sizeof *t);
        assert_non_null(t);
        t->nthreads = nthreads ? nthreads : 1;
        unsigned old = _mm_getcsr(), mine = 0x1f80 | FTZ_DAZ_UP;
        _mm_setcsr(mine);
        pe_pool_run(pool, 100, count_task, t);
        unsigned after = _mm_getcsr();
        _mm_setcsr(old);
        assert_int_equal(after, mine);
        check_tally(t, 100);
        free(t);
        pe_pool_free(pool);
    }
}

static void test_sizes(void **state)
{
    (void)state;
    pe_pool *pool = NULL;
    pe_error err;
    assert_int_equal(pe_pool_new(&pool, -1, &err), PE_E_ARG);
    assert_int_equal(pe_pool_new(&pool, 257, &err), PE_E_ARG);
    assert_non_null(strstr(err.text, "257"));
    assert_int_equal(pe_pool_nthreads(NULL), 1);
    assert_int_equal(pe_pool_new(&pool, 0, NULL), PE_OK);
    assert_int_equal(pe_pool_nthreads(pool), pe_ncores());
    pe_pool_free(pool);
    pe_pool_free(NULL);
}

static void test_ncores_follows_affinity(void **state)
{
    (void)state;
    cpu_set_t old, one;
    assert_int_equal(sched_getaffinity(0, sizeof old, &old), 0);
    int all = pe_ncores();
    assert_true(all >= 1 && all <= CPU_COUNT(&old));
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE && !CPU_COUNT(&one); cpu++)
        if (CPU_ISSET(cpu, &old)) CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(pe_ncores(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof old, &old), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sleepers_are_woken), /* first: the others would hang */
        cmocka_unit_test(test_each_task_once),
        cmocka_unit_test(test_many_short_loops),
        cmocka_unit_test(test_after_sleep),
        cmocka_unit_test(test_two_callers_share),
        cmocka_unit_test(test_mxcsr),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_ncores_follows_affinity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
