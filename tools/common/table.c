/* tools/common/table.c - aligned columns on stdout: numbers right, words left, wide characters
 * counted.
 * Read next: tools/common/tool.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "tools/common/tool.h"

struct pe_table {
    size_t ncols, nrows;
    char **cells; /* row 0 holds the heads */
};

static void *must(void *p)
{
    if (p) return p;
    pe_error err = { .status = PE_E_NOMEM, .text = "table: out of memory" };
    pe_tool_fail(&err);
}

/* Columns a text takes on a terminal; a byte that is no character takes one. */
static size_t width_of(const char *s)
{
    size_t width = 0, n = strlen(s);
    mbstate_t state = { 0 };
    while (n) {
        wchar_t c;
        size_t used = mbrtowc(&c, s, n, &state);
        if (used == (size_t)-1 || used == (size_t)-2 || !used) {
            used = 1;
            width++;
            memset(&state, 0, sizeof state);
        } else {
            int w = wcwidth(c);
            width += w > 0 ? (size_t)w : 0;
        }
        s += used;
        n -= used;
    }
    return width;
}

static bool is_number(const char *s)
{
    if (*s == '+' || *s == '-') s++;
    if (*s == '.') s++;
    return *s >= '0' && *s <= '9';
}

/* A column whose cells all start as numbers; "" and "-" stand for no value. */
static bool is_number_column(const pe_table *t, size_t col)
{
    bool any = false;
    for (size_t row = 1; row < t->nrows; row++) {
        const char *cell = t->cells[row * t->ncols + col];
        if (!*cell || !strcmp(cell, "-")) continue;
        if (!is_number(cell)) return false;
        any = true;
    }
    return any;
}

/* A name from a file must not move the cursor. */
static char *copy_cell(const char *s)
{
    char *copy = must(strdup(s ? s : ""));
    for (char *p = copy; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f) *p = '?';
    return copy;
}

pe_table *pe_table_new(const char *const *heads, size_t ncols)
{
    pe_table *t = must(calloc(1, sizeof *t));
    t->ncols = ncols;
    pe_table_row(t, heads);
    return t;
}

void pe_table_row(pe_table *t, const char *const *cells)
{
    t->cells = must(realloc(t->cells, (t->nrows + 1) * t->ncols * sizeof *t->cells));
    for (size_t col = 0; col < t->ncols; col++)
        t->cells[t->nrows * t->ncols + col] = copy_cell(cells[col]);
    t->nrows++;
}

static void print_row(const pe_table *t, size_t row, const size_t *widths, const bool *right)
{
    for (size_t col = 0; col < t->ncols; col++) {
        const char *cell = t->cells[row * t->ncols + col];
        int pad = (int)(widths[col] - width_of(cell));
        bool last = col + 1 == t->ncols;
        if (right[col]) printf("%*s%s", pad, "", cell);
        else printf("%s%*s", cell, last ? 0 : pad, "");
        printf(last ? "\n" : "  ");
    }
}

void pe_table_print(pe_table *t)
{
    size_t *widths = must(calloc(t->ncols, sizeof *widths));
    bool *right = must(calloc(t->ncols, sizeof *right));
    for (size_t col = 0; col < t->ncols; col++) {
        right[col] = is_number_column(t, col);
        for (size_t row = 0; row < t->nrows; row++) {
            size_t w = width_of(t->cells[row * t->ncols + col]);
            if (w > widths[col]) widths[col] = w;
        }
    }
    for (size_t row = 0; row < t->nrows; row++) print_row(t, row, widths, right);
    for (size_t i = 0; i < t->nrows * t->ncols; i++) free(t->cells[i]);
    free(t->cells);
    free(widths);
    free(right);
    free(t);
}

char *pe_human_bytes(char buf[16], uint64_t nbytes)
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
    double v = (double)nbytes;
    size_t unit = 0;
    while (v >= 999.5 && unit < 6) {
        v /= 1000;
        unit++;
    }
    snprintf(buf, 16, unit && v < 99.95 ? "%.1f %s" : "%.0f %s", v, units[unit]);
    return buf;
}
