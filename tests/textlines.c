/* tests/textlines.c - reads JSON lines without the library under test.
 * Read next: tests/textlines.h. */
#include "tests/textlines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

json_t *text_lines(const char *path)
{
    FILE *f = fopen(path, "r");
    if (!f) fail_msg("%s: cannot open", path);
    json_t *list = json_array();
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n;
    while ((n = getline(&line, &capacity, f)) > 0) {
        json_error_t je;
        json_t *v = json_loadb(line, (size_t)n, JSON_ALLOW_NUL, &je);
        if (!v) fail_msg("%s: line %zu: %s", path, json_array_size(list) + 1, je.text);
        json_array_append_new(list, v);
    }
    free(line);
    fclose(f);
    return list;
}
