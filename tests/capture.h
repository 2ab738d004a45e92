/* tests/capture.h - runs a function in a child process and keeps what it printed.
 * Read next: tests/unit/test_tool.c. */
#ifndef PE_TESTS_CAPTURE_H
#define PE_TESTS_CAPTURE_H

#include <stddef.h>

typedef struct captured {
    char out[8192], err[8192]; /* stdout and stderr, NUL-terminated */
    int code;                  /* exit code, or 128 + signal */
} captured;
/* fn's result is the child's exit code. A child that prints more than fits fails the test. */
void capture(captured *c, int (*fn)(void *arg), void *arg);

#endif
