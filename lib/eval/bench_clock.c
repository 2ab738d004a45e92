/* lib/eval/bench_clock.c - clock, memory and machine facts, and the order statistics of times.
 * Read next: lib/eval/bench.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "lib/base/error.h"
#include "lib/eval/bench.h"

uint64_t pe_bench_now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Value of "key : value" in a file of /proc; false: no such line. */
static bool proc_line(char *out, size_t size, const char *file, const char *key)
{
    char line[512];
    FILE *f = fopen(file, "r");
    bool found = false;
    if (!f) return false;
    while (!found && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (!colon || strncmp(line, key, strlen(key)) != 0) continue;
        char *value = colon + 1 + strspn(colon + 1, " \t");
        value[strcspn(value, "\n")] = '\0';
        snprintf(out, size, "%s", value);
        found = true;
    }
    (void)fclose(f);
    return found;
}

void pe_bench_machine(char *out, size_t size)
{
    if (!proc_line(out, size, "/proc/cpuinfo", "model name")) snprintf(out, size, "unknown");
}

uint64_t pe_bench_peak_rss(void)
{
    char text[64];
    struct rusage u;
    if (proc_line(text, sizeof text, "/proc/self/status", "VmHWM"))
        return strtoull(text, NULL, 10) * 1024;
    return getrusage(RUSAGE_SELF, &u) ? 0 : (uint64_t)u.ru_maxrss * 1024;
}

void pe_bench_reset_rss(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (!f) return;
    (void)fputs("5\n", f);
    (void)fclose(f);
}

pe_status pe_times_add(pe_times *t, double ms, pe_error *err)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 64;
        double *more = realloc(t->ms, cap * sizeof *more);
        if (!more) return pe_fail_nomem(err, "times", cap * sizeof *more);
        t->ms = more;
        t->cap = cap;
    }
    t->ms[t->n++] = ms;
    return PE_OK;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

void pe_times_sort(pe_times *t)
{
    qsort(t->ms, t->n, sizeof *t->ms, ascending);
}

double pe_times_quantile(const pe_times *t, double q)
{
    size_t i = (size_t)(q * (double)(t->n - 1) + 0.5);
    return t->ms[i < t->n ? i : t->n - 1];
}
