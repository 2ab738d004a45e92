/* tests/goldfile.c - reads golden files; any flaw fails the test at once.
 * Read next: tests/goldfile.h. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/goldfile.h"

json_t *gold_load(const char *path)
{
    json_error_t e;
    json_t *j;

    j = json_load_file(path, 0, &e);
    if (!j) fail_msg("%s:%d: %s", path, e.line, e.text);
    return j;
}

double gold_num(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    if (!v || !json_is_number(v)) fail_msg("golden file has no number '%s'", key);
    return json_number_value(v);
}

void gold_near(double got, double want, double atol, double rtol, const char *what)
{
    if (!(fabs(got - want) <= atol + rtol * fabs(want)))
        fail_msg("%s: got %.17g, expected %.17g", what, got, want);
}

gold_tensors gold_tensors_open(const char *path)
{
    gold_tensors t;
    uint64_t n;
    FILE *f;
    long size;

    f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    size = ftell(f);
    rewind(f);
    t.bytes = malloc((size_t)size);
    assert_int_equal(fread(t.bytes, 1, (size_t)size, f), (size_t)size);
    fclose(f);
    memcpy(&n, t.bytes, 8);
    t.head = json_loadb((char *)t.bytes + 8, n, 0, NULL);
    assert_non_null(t.head);
    t.data = t.bytes + 8 + n;
    return t;
}

const void *gold_tensor(gold_tensors t, const char *name, size_t *n)
{
    const json_t *e = json_object_get(t.head, name), *at = json_object_get(e, "data_offsets");
    size_t begin = (size_t)json_integer_value(json_array_get(at, 0));

    assert_non_null(e);
    *n = ((size_t)json_integer_value(json_array_get(at, 1)) - begin) / 4;
    return t.data + begin;
}

void gold_tensors_close(gold_tensors t)
{
    json_decref(t.head);
    free(t.bytes);
}
