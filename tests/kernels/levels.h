/* tests/kernels/levels.h - the tables of kernels that a kernel test runs against the reference.
 * Built natively: every level this machine has. Built with PE_EMULATED (Makefile): all of them,
 * with the sources of AVX-512 and later lowered to AVX2. Read next: tests/isa/immintrin.h. */
#ifndef PE_TESTS_LEVELS_H
#define PE_TESTS_LEVELS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/cpu.h"
#include "kernels/kernels.h"
#include "lib/base/rng.h"

/* Table of level i into *out; false when this machine lacks it or it adds nothing to the one
 * before. */
static inline bool level_table(pe_kernels *out, char name[32], size_t i)
{
    unsigned have = pe_cpu_detect();
#ifdef PE_EMULATED
    unsigned features = have & PE_CPU_AVX2 ? pe_cpu_levels[i].features : 0;
    unsigned before = i && (have & PE_CPU_AVX2) ? pe_cpu_levels[i - 1].features : 0;
    bool wanted = pe_cpu_levels[i].features & ~(unsigned)PE_CPU_AVX2;
    const char *how = " (emulated)";
#else
    unsigned features = have & pe_cpu_levels[i].features;
    unsigned before = i ? have & pe_cpu_levels[i - 1].features : 0;
    bool wanted = true;
    const char *how = "";
#endif
    if (!i || !wanted || features == before) return false;
    pe_kernels_select(out, features);
    snprintf(name, 32, "%s%s", pe_cpu_levels[i].name, how);
    return true;
}

/* Floats that show mistakes: mostly ordinary, some zeros of both signs, denormals and huge ones. */
static inline float odd_float(pe_rng *r)
{
    uint32_t kind = pe_rng_below(r, 64);
    float x = (float)(2 * pe_rng_unit(r) - 1);
    if (kind == 0) return 0.0f;
    if (kind == 1) return -0.0f;
    if (kind == 2) return x * 1e-39f;
    if (kind == 3) return x * 1e-20f;
    if (kind == 4) return x * 1e4f;
    return x;
}
static inline float *odd_floats(pe_rng *r, size_t n)
{
    float *x = malloc(n ? n * sizeof *x : 1);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = odd_float(r);
    return x;
}
/* 64-byte aligned, as the contract of packed weights and scratch asks. */
static inline void *aligned_bytes(size_t nbytes)
{
    void *p = aligned_alloc(64, (nbytes + 63) / 64 * 64 + 64);
    assert_non_null(p);
    return p;
}
static inline pe_pool *test_pool(int nthreads)
{
    pe_pool *pool = NULL;
    assert_int_equal(pe_pool_new(&pool, nthreads, NULL), PE_OK);
    return pool;
}

/* Same bits, else say where; NaN equals NaN whatever its payload. */
static inline void same_floats(const char *what, const float *got, const float *want, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!memcmp(got + i, want + i, sizeof *got)) continue;
        if (got[i] != got[i] && want[i] != want[i]) continue;
        fail_msg("%s: element %zu of %zu is %a (%g), the reference has %a (%g)", what, i, n,
                 (double)got[i], (double)got[i], (double)want[i], (double)want[i]);
    }
}

#endif
