/* tools/pe.c - `pe VERB ...` runs `pe-VERB ...` from the folder that pe itself lies in; `pe help`
 * lists them.
 * Read next: docs/cli.md. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/common/suggest.h"
#include "tools/common/tool.h"

enum { MAX_VERBS = 64 };

typedef struct verbs {
    char folder[PATH_MAX];
    char *names[MAX_VERBS]; /* "prune", sorted */
    size_t n;
} verbs;

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void find_verbs(verbs *v)
{
    ssize_t n = readlink("/proc/self/exe", v->folder, sizeof v->folder - 1);
    char *slash = n > 0 ? memrchr(v->folder, '/', (size_t)n) : NULL;
    DIR *dir = NULL;
    if (slash) {
        *slash = '\0';
        dir = opendir(v->folder);
    }
    if (!dir) pe_tool_usage("the folder of the tools: %s", strerror(errno));
    for (struct dirent *e; v->n < MAX_VERBS && (e = readdir(dir));) {
        if (strncmp(e->d_name, "pe-", 3) != 0 || strchr(e->d_name, '.')) continue;
        if (faccessat(dirfd(dir), e->d_name, X_OK, 0)) continue;
        char *name = strdup(e->d_name + 3);
        if (name) v->names[v->n++] = name;
    }
    closedir(dir);
    qsort(v->names, v->n, sizeof *v->names, by_name);
}

/* First line of `pe-VERB --help` is "pe-VERB - summary". */
static void print_summary(const verbs *v, const char *verb)
{
    char command[PATH_MAX + 64], line[256] = "";
    snprintf(command, sizeof command, "%s/pe-%s", v->folder, verb);
    int fds[2];
    if (pipe(fds)) return;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        close(fds[0]);
        close(fds[1]);
        execl(command, command, "--help", (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    FILE *f = fdopen(fds[0], "r");
    if (f) {
        if (!fgets(line, sizeof line, f)) line[0] = '\0';
        char rest[512];
        while (fread(rest, 1, sizeof rest, f)) { /* drained, so that the tool ends by itself */
        }
        fclose(f);
    }
    line[strcspn(line, "\n")] = '\0';
    const char *dash = strstr(line, " - ");
    printf("  %-10s %s\n", verb, dash ? dash + 3 : "");
}

static void print_verbs(const verbs *v)
{
    printf("pe - optimize transformer checkpoints: prune, quantize, evaluate, run\n\n"
           "Usage: pe VERB [arguments], the same as pe-VERB [arguments]\n\nVerbs:\n");
    for (size_t i = 0; i < v->n; i++) print_summary(v, v->names[i]);
    printf("\n`pe help VERB` or `pe VERB --help` says more.\n");
}

static _Noreturn void run_verb(const verbs *v, const char *verb, char **argv)
{
    for (size_t i = 0; i < v->n; i++) {
        if (strcmp(v->names[i], verb) != 0) continue;
        char path[PATH_MAX + 64];
        snprintf(path, sizeof path, "%s/pe-%s", v->folder, verb);
        execv(path, argv);
        pe_tool_usage("%s: %s", path, strerror(errno));
    }
    const char *near = pe_suggest(verb, (const char *const *)v->names, v->n);
    if (near) pe_tool_usage("unknown verb '%s'; did you mean '%s'?", verb, near);
    pe_tool_usage("unknown verb '%s'; `pe help` lists them", verb);
}

int main(int argc, char **argv)
{
    static verbs v;
    find_verbs(&v);
    const char *verb = argc > 1 ? argv[1] : "help";
    if (!strcmp(verb, "--version")) {
        printf("pe %s (CPU level %s)\n", pe_version(), pe_cpu_level());
        return pe_tool_finish(PE_OK);
    }
    bool help = !strcmp(verb, "help") || !strcmp(verb, "--help") || !strcmp(verb, "-h");
    if (help && argc > 2) {
        char *args[] = { argv[2], "--help", NULL };
        run_verb(&v, argv[2], args);
    }
    if (help) {
        print_verbs(&v);
        return pe_tool_finish(PE_OK);
    }
    run_verb(&v, verb, argv + 1);
}
