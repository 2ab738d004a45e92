/* lib/eval/bench.h - parts that measuring a model and tuning it share.
 * Read next: lib/eval/bench.c, lib/eval/tune.c. */
#ifndef PE_EVAL_BENCH_H
#define PE_EVAL_BENCH_H

#include <jansson.h>
#include <pe/bench.h>

uint64_t pe_bench_now_ns(void);
/* Model name of the processor, or "unknown". */
void pe_bench_machine(char *out, size_t size);
/* Highest resident memory of the process so far, in bytes; reset forgets it where the kernel
 * allows. */
uint64_t pe_bench_peak_rss(void);
void pe_bench_reset_rss(void);

/* Times of one grid cell. */
typedef struct pe_times {
    double *ms; /* sorted by pe_times_sort */
    size_t n, cap;
} pe_times;
pe_status pe_times_add(pe_times *t, double ms, pe_error *err);
void pe_times_sort(pe_times *t);
double pe_times_quantile(const pe_times *t, double q);

#endif
