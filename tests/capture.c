/* tests/capture.c - a child with its stdout and stderr in files.
 * Read next: tests/capture.h. */
#include "tests/capture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void read_back(char *text, size_t capacity, FILE *f)
{
    rewind(f);
    size_t n = fread(text, 1, capacity, f);
    if (n == capacity) abort();
    text[n] = '\0';
    fclose(f);
}

void capture(captured *c, int (*fn)(void *arg), void *arg)
{
    FILE *out = tmpfile(), *err = tmpfile();
    int status = 0;
    if (!out || !err) abort();
    fflush(stdout);
    fflush(stderr);
    pid_t pid = fork();
    if (pid < 0) abort();
    if (pid == 0) {
        dup2(fileno(out), STDOUT_FILENO);
        dup2(fileno(err), STDERR_FILENO);
        int code = fn(arg);
        fflush(stdout);
        _exit(code);
    }
    if (waitpid(pid, &status, 0) != pid) abort();
    c->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    read_back(c->out, sizeof c->out, out);
    read_back(c->err, sizeof c->err, err);
}
