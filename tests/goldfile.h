/* tests/goldfile.h - golden JSON and safetensors files for the tests that compare with them.
 * Read next: tests/golden/test_stats.c. */
#ifndef PE_TESTS_GOLDFILE_H
#define PE_TESTS_GOLDFILE_H

#include <jansson.h>
#include <stddef.h>

/* Each fails the test with a message when the file or the key is not there. */
json_t *gold_load(const char *path);
double gold_num(const json_t *o, const char *key);
/* |got - want| <= atol + rtol * |want|, or the test fails and says `what`. */
void gold_near(double got, double want, double atol, double rtol, const char *what);

/* A safetensors file read without the library under test; 4-byte elements only. */
typedef struct gold_tensors {
    json_t *head;
    unsigned char *bytes, *data;
} gold_tensors;
gold_tensors gold_tensors_open(const char *path);
const void *gold_tensor(gold_tensors t, const char *name, size_t *nelem);
void gold_tensors_close(gold_tensors t);

#endif
