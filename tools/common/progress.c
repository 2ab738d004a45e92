/* tools/common/progress.c - draws progress on stderr at most ten times a second.
 * Read next: tools/common/tool.c. */
#include "tools/common/progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static pe_progress_mode mode;
static bool line_shown;
static char current[64]; /* what the clock below belongs to */
static double started, shown;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void print_json(const char *what, uint64_t done, uint64_t total)
{
    fprintf(stderr, "{\"what\":\"");
    for (const char *p = what; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\') fprintf(stderr, "\\%c", c);
        else if (c < 0x20) fprintf(stderr, "\\u%04x", c);
        else fputc(c, stderr);
    }
    fprintf(stderr, "\",\"done\":%llu,\"total\":%llu}\n", (unsigned long long)done,
            (unsigned long long)total);
}

static void print_line(const char *what, uint64_t done, uint64_t total, double seconds)
{
    double part = total ? (double)done / (double)total : 0;
    fprintf(stderr, "\r\033[K%.60s %3.0f %%", what, 100 * part);
    if (part > 0.02 && seconds > 2 && done < total) {
        double left = seconds * (1 - part) / part;
        if (left >= 90) fprintf(stderr, ", %.0f min left", left / 60);
        else fprintf(stderr, ", %.0f s left", left);
    }
    fflush(stderr);
    line_shown = true;
}

static bool show(void *user, const char *what, uint64_t done, uint64_t total)
{
    (void)user;
    double now = now_s();
    bool is_new = strncmp(current, what, sizeof current - 1) != 0;
    if (is_new) {
        snprintf(current, sizeof current, "%s", what);
        started = now;
    }
    bool last = total && done >= total;
    if (!is_new && !last && now - shown < 0.1) return true;
    shown = now;
    if (mode == PE_PROGRESS_JSON) print_json(what, done, total);
    else if (mode == PE_PROGRESS_LINE) print_line(what, done, total, now - started);
    if (last) pe_progress_clear();
    return true;
}

void pe_progress_set(pe_progress_mode m)
{
    mode = m;
}

pe_progress pe_progress_get(void)
{
    return (pe_progress){ .fn = show };
}

void pe_progress_clear(void)
{
    if (!line_shown) return;
    fprintf(stderr, "\r\033[K");
    fflush(stderr);
    line_shown = false;
}
