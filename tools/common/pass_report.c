/* tools/common/pass_report.c - see pass_report.h.
 * Read next: docs/pe-prune.md. */
#include "tools/common/pass_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CELLS = 16, CELL_NBYTES = 256 };

static void format_cell(char text[CELL_NBYTES], const json_t *v, pe_cell_kind kind)
{
    char size[16];

    if (v == NULL || json_is_null(v)) snprintf(text, CELL_NBYTES, "-");
    else if (json_is_string(v)) snprintf(text, CELL_NBYTES, "%s", json_string_value(v));
    else if (kind == PE_CELL_BYTES)
        snprintf(text, CELL_NBYTES, "%s", pe_human_bytes(size, (uint64_t)json_integer_value(v)));
    else if (kind == PE_CELL_SHARE)
        snprintf(text, CELL_NBYTES, "%.2f %%", 100 * json_number_value(v));
    else snprintf(text, CELL_NBYTES, "%.4g", json_number_value(v));
}

/* "[384, 1536]" */
static void format_shape(char text[CELL_NBYTES], const json_t *shape)
{
    size_t n = json_array_size(shape), used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < n && used < CELL_NBYTES; i++)
        used += (size_t)snprintf(text + used, CELL_NBYTES - used, "%s%lld", i ? " x " : "",
                                 (long long)json_integer_value(json_array_get(shape, i)));
}

static bool any_has(const json_t *modules, const char *key)
{
    const json_t *m;
    size_t i;

    json_array_foreach(modules, i, m)
    {
        if (json_object_get(m, key) != NULL) return true;
    }
    return false;
}

static void show_modules(const json_t *modules, const pe_cell *cells, size_t ncells)
{
    const pe_cell *shown[MAX_CELLS];
    const char *heads[MAX_CELLS];
    size_t n = 0, i;
    const json_t *m;
    pe_table *t;

    for (size_t c = 0; c < ncells && n < MAX_CELLS; c++) {
        if (!any_has(modules, cells[c].key)) continue;
        heads[n] = cells[c].head;
        shown[n++] = &cells[c];
    }
    if (n == 0) return;
    t = pe_table_new(heads, n);
    json_array_foreach(modules, i, m)
    {
        char text[MAX_CELLS][CELL_NBYTES];
        const char *row[MAX_CELLS];

        for (size_t c = 0; c < n; c++) {
            const json_t *v = json_object_get(m, shown[c]->key);

            if (json_is_array(v)) format_shape(text[c], v);
            else format_cell(text[c], v, shown[c]->kind);
            row[c] = text[c];
        }
        pe_table_row(t, row);
    }
    pe_table_print(t);
}

static void show_skipped(const json_t *skipped)
{
    static const char *const kinds[] = { "embedding",  "pooler", "head",      "norm",
                                         "not picked", "sparse", "kept float" };
    const json_t *s;
    size_t i;

    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        size_t n = 0;
        const char *first = "";

        json_array_foreach(skipped, i, s)
        {
            if (strcmp(json_string_value(json_object_get(s, "why")), kinds[k]) != 0) continue;
            if (n++ == 0) first = json_string_value(json_object_get(s, "name"));
        }
        if (n == 1) printf("left alone: %s (%s)\n", first, kinds[k]);
        else if (n > 1) printf("left alone: %s and %zu more (%s)\n", first, n - 1, kinds[k]);
    }
}

static void show_totals(const json_t *r, const char *output)
{
    char before[16], after[16], peak[16];
    const json_t *sparsity = json_object_get(r, "sparsity");
    bool plan = json_is_true(json_object_get(r, "dry_run"));
    double b = json_number_value(json_object_get(r, "bytes_before"));
    double a = json_number_value(json_object_get(r, "bytes_after"));

    printf("%zu modules", json_array_size(json_object_get(r, "modules")));
    if (sparsity != NULL)
        printf(", %.2f %% of their weights zero", 100 * json_number_value(sparsity));
    printf("; weights %s -> %s%s", pe_human_bytes(before, (uint64_t)b), plan ? "about " : "",
           pe_human_bytes(after, (uint64_t)a));
    if (a > 0) printf(" (%.2f times smaller)", b / a);
    printf("\n");
    if (plan)
        printf("dry run, nothing written: needs about %s of memory and %.1f s\n",
               pe_human_bytes(peak, (uint64_t)json_number_value(json_object_get(r, "peak_bytes"))),
               json_number_value(json_object_get(r, "seconds")));
    else printf("written to %s\n", output);
}

void pe_show_report(char *report, const pe_cell *cells, size_t ncells, const char *output)
{
    json_t *r = json_loads(report, 0, NULL);
    const json_t *warning;
    size_t i;

    json_array_foreach(json_object_get(r, "warnings"), i, warning)
    {
        pe_tool_warn("%s", json_string_value(warning));
    }
    if (pe_common_opts.json) {
        fputs(report, stdout);
    } else if (!pe_common_opts.quiet) {
        show_modules(json_object_get(r, "modules"), cells, ncells);
        show_skipped(json_object_get(r, "skipped"));
        show_totals(r, output);
    }
    json_decref(r);
    free(report);
}
