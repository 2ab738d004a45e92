/* tests/fuzz/fuzz.h - what a fuzz target defines; driver.c feeds it.
 * Read next: tests/fuzz/driver.c. */
#ifndef PE_TESTS_FUZZ_H
#define PE_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Takes any bytes and returns; the sanitizers and abort() say when something is wrong. */
void fuzz_one(const uint8_t *data, size_t nbytes);
/* Good inputs to start from; ends with NULL. */
extern const char *const fuzz_seeds[];

/* For readers that take a path: a file with these bytes, the same path at every call. */
const char *fuzz_file(const char *suffix, const uint8_t *data, size_t nbytes);

#endif
