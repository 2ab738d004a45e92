/* lib/backend/host_memory.h - memory of weights and activations, in huge pages where there are any.
 * Read next: lib/backend/host_memory.c. */
#ifndef PE_BACKEND_HOST_MEMORY_H
#define PE_BACKEND_HOST_MEMORY_H

#include <stddef.h>

/* 64-byte aligned, not zeroed; NULL: none left. Any thread. */
void *pe_host_alloc(size_t nbytes);
void pe_host_release(void *p); /* NULL is fine */

#endif
