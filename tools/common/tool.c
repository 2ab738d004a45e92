/* tools/common/tool.c - start, messages and end of every tool: environment, signals, pool, exit
 * codes.
 * Read next: tools/common/options.c, tools/common/progress.c. */
#include "tools/common/tool.h"

#include <errno.h>
#include <locale.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tools/common/progress.h"

pe_common pe_common_opts;

static const char *tool_name = "pe";
static pe_pool *pool;
static volatile sig_atomic_t dying; /* a signal handler has begun to end the process */

static bool use_color(void)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return !(no && *no) && term && strcmp(term, "dumb") != 0 && isatty(STDERR_FILENO);
}

static void message(const char *color, const char *kind, const char *fmt, va_list ap)
{
    bool colored = color && use_color();
    pe_progress_clear();
    fprintf(stderr, "%s: %s%s%s", tool_name, colored ? color : "", kind, colored ? "\033[0m" : "");
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
}

void pe_tool_note(const char *fmt, ...)
{
    if (pe_common_opts.quiet) return;
    va_list ap;
    va_start(ap, fmt);
    message(NULL, "", fmt, ap);
    va_end(ap);
}

void pe_tool_detail(const char *fmt, ...)
{
    if (!pe_common_opts.verbose || pe_common_opts.quiet) return;
    va_list ap;
    va_start(ap, fmt);
    message(NULL, "", fmt, ap);
    va_end(ap);
}

void pe_tool_warn(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    message("\033[33m", "warning: ", fmt, ap);
    va_end(ap);
}

static void print_error(const char *fmt, ...) PE_PRINTF(1, 2);
static void print_error(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    message("\033[31m", "error: ", fmt, ap);
    va_end(ap);
}

_Noreturn void pe_tool_fail(const pe_error *err)
{
    while (dying) /* the handler runs in another thread and took the output away: its end counts */
        pause();
    print_error("%s", err->text);
    fflush(stdout); /* what came before the error still counts; the error decides the exit code */
    pe_outdir_abort_all();
    exit(err->status ? -(int)err->status : 3);
}

_Noreturn void pe_tool_usage(const char *fmt, ...)
{
    va_list ap;
    char text[1024];
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f) *p = '?'; /* argv may hold anything */
    print_error("%s", text);
    exit(2);
}

/* Removes unfinished output, then dies of the signal, so that the shell sees 130, 141 or 143. */
static void on_signal(int sig)
{
    dying = 1;
    pe_outdir_abort_all();
    signal(sig, SIG_DFL);
    raise(sig);
}

/* A mapped file that shrinks while it is read kills with SIGBUS: say so. */
static void on_bus_error(int sig)
{
    static const char text[] = ": error: an input file became shorter while it was read; try again "
                               "when nobody writes to it\n";
    (void)sig;
    dying = 1;
    pe_outdir_abort_all();
    if (write(STDERR_FILENO, tool_name, strlen(tool_name)) < 0 ||
        write(STDERR_FILENO, text, sizeof text - 1) < 0)
        _exit(3);
    _exit(3);
}

static void install_handlers(void)
{
    static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct sigaction old,
            act = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND | SA_NODEFER };
        sigemptyset(&act.sa_mask);
        /* what the parent ignores (nohup) stays ignored */
        if (!sigaction(ends[i], NULL, &old) && old.sa_handler == SIG_IGN) continue;
        sigaction(ends[i], &act, NULL);
    }
    struct sigaction bus = { .sa_handler = on_bus_error };
    sigemptyset(&bus.sa_mask);
    sigaction(SIGBUS, &bus, NULL);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit becomes an error of write() */
}

static void read_environment(void)
{
    const char *threads = getenv("PE_THREADS"), *device = getenv("PE_DEVICE");
    const char *max_ram = getenv("PE_MAX_RAM"), *progress = getenv("PE_PROGRESS");
    if (threads && *threads) {
        char *rest;
        long n = strtol(threads, &rest, 10);
        if (rest == threads || *rest || n < 1 || n > 256)
            pe_tool_usage("PE_THREADS: found '%s', expected 1 to 256", threads);
        pe_common_opts.threads = n;
    }
    if (max_ram && *max_ram && !pe_parse_size(&pe_common_opts.max_ram, max_ram))
        pe_tool_usage("PE_MAX_RAM: found '%s', expected a size as 512M or 4G", max_ram);
    if (device && *device) pe_common_opts.device = device;
    if (progress && *progress) pe_common_opts.progress = progress;
}

static bool is_device(const char *s)
{
    if (!strcmp(s, "cpu") || !strcmp(s, "cuda") || !strcmp(s, "emu") || !strcmp(s, "auto"))
        return true;
    const char *number = strchr(s, ':'); /* emu:N is for tests */
    return number && (!strncmp(s, "cuda:", 5) || !strncmp(s, "emu:", 4)) && number[1] &&
           strspn(number + 1, "0123456789") == strlen(number + 1) && strlen(number) < 4;
}

static void set_progress(const char *how)
{
    if (!strcmp(how, "json")) pe_progress_set(PE_PROGRESS_JSON);
    else if (!strcmp(how, "none")) pe_progress_set(PE_PROGRESS_NONE);
    else if (strcmp(how, "auto") != 0)
        pe_tool_usage("--progress: found '%s', expected auto, none or json", how);
    else if (isatty(STDERR_FILENO) && !pe_common_opts.quiet) pe_progress_set(PE_PROGRESS_LINE);
}

/* A limit on private memory, which also holds where a plan was wrong; mapped files do not count. */
static void limit_memory(uint64_t nbytes)
{
    struct rlimit limit;
    if (!nbytes || getrlimit(RLIMIT_DATA, &limit)) return;
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur <= nbytes) return;
    limit.rlim_cur = nbytes;
    if (setrlimit(RLIMIT_DATA, &limit)) pe_tool_warn("--max-ram: this system does not enforce it");
}

pe_strings pe_tool_start(const pe_command *cmd, int argc, char **argv)
{
    tool_name = cmd->name;
    mallopt(M_ARENA_MAX, 2); /* an arena a thread would count against memory limits */
    setlocale(LC_CTYPE,
              "C.UTF-8"); /* fixed, for column widths: output never follows the user's locale */
    pe_common_opts.device = "cpu";
    pe_common_opts.progress = "auto";
    read_environment();
    pe_strings operands = pe_parse_options(cmd, argc, argv);
    if (!is_device(pe_common_opts.device))
        pe_tool_usage("--device: found '%s', expected cpu, cuda, cuda:N, emu or auto",
                      pe_common_opts.device);
    set_progress(pe_common_opts.progress);
    install_handlers();
    limit_memory(pe_common_opts.max_ram);
    pe_error err;
    if (pe_pool_new(&pool, (int)pe_common_opts.threads, &err)) pe_tool_fail(&err);
    return operands;
}

pe_pool *pe_tool_pool(void)
{
    return pool;
}

pe_progress pe_tool_progress(void)
{
    return pe_progress_get();
}

int pe_tool_finish(pe_status st)
{
    pe_progress_clear();
    if (fflush(stdout) || ferror(stdout)) {
        print_error("stdout: writing failed: %s", strerror(errno));
        if (!st) st = PE_E_WRITE;
    }
    pe_pool_free(pool);
    pool = NULL;
    return -(int)st;
}
