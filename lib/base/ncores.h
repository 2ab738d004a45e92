/* lib/base/ncores.h - how many threads are worth having here.
 * Read next: lib/base/pool.h. */
#ifndef PE_BASE_NCORES_H
#define PE_BASE_NCORES_H

/* Physical cores among the CPUs that this process may run on, at most what the CPU quota of its
 * control group pays for; at least 1. */
int pe_ncores(void);

#endif
