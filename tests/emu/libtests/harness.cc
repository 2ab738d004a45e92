/* tests/emu/libtests/harness.cc - runs every case in a process of its own and says `ok NAME`.
 * `PROGRAM NUMBER` runs one case here, for a debugger. Read next: harness.hh. */
#include "harness.hh"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include "../emu.h"

static std::vector<Case *> &cases()
{
    static std::vector<Case *> all;
    return all;
}

Case::Case(const char *of, std::function<void()> steps, const char *variables)
    : name(of), body(steps), environment(variables), violation(nullptr)
{
    cases().push_back(this);
}

Case::Case(const char *of, const char *text, std::function<void()> steps)
    : name(of), body(steps), environment(nullptr), violation(text)
{
    cases().push_back(this);
}

static int nfailed;

void check(bool ok, const char *what, int line)
{
    if (ok) return;
    nfailed++;
    fprintf(stderr, "line %d: %s\n", line, what);
}

void check_equal(long long got, long long expected, const char *what, int line)
{
    if (got == expected) return;
    nfailed++;
    fprintf(stderr, "line %d: %s: %lld, expected %lld\n", line, what, got, expected);
}

void *device(size_t nbytes)
{
    void *p = nullptr;
    check_equal(cudaMalloc(&p, nbytes), 0, "cudaMalloc");
    return p;
}

void *device(const void *data, size_t nbytes)
{
    void *p = device(nbytes);
    check_equal(cudaMemcpy(p, data, nbytes, cudaMemcpyHostToDevice), 0, "memcpy");
    return p;
}

bool was_written(const void *p, size_t nbytes)
{
    return emu::initialized(p, nbytes);
}

uint32_t Numbers::next()
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}

int Numbers::between(int low, int high)
{
    return low + (int)(next() % (uint32_t)(high - low + 1));
}

/* In the child. What is still queued runs too: it may break a rule. */
static int run_case(const Case &c)
{
    alarm(60);
    c.body();
    cudaDeviceSynchronize();
    if (c.violation) check(emu::violations() > 0, "no violation was reported");
    else check_equal((long long)emu::violations(), 0, "violations");
    return nfailed ? 1 : 0;
}

static std::string read_all(int fd)
{
    std::string text;
    char buffer[4096];
    for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) text.append(buffer, (size_t)n);
    return text;
}

static bool run_apart(const char *program, size_t number, std::string *said)
{
    const Case &c = *cases()[number];
    int ends[2], status;
    if (pipe(ends)) return false;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        close(ends[0]);
        if (c.environment) putenv(strdup(c.environment));
        execl(program, program, std::to_string(number).c_str(), (char *)nullptr);
        _exit(127);
    }
    close(ends[1]);
    *said = read_all(ends[0]);
    close(ends[0]);
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(int argc, char **argv)
{
    int bad = 0;
    if (argc == 2) return run_case(*cases()[(size_t)atoi(argv[1])]);
    for (size_t i = 0; i < cases().size(); i++) {
        const Case &c = *cases()[i];
        std::string said;
        bool ok = run_apart("/proc/self/exe", i, &said);
        if (c.violation && said.find(c.violation) == std::string::npos) ok = false;
        printf("%sok %s\n", ok ? "" : "not ", c.name);
        if (ok) continue;
        bad = 1;
        if (c.violation) printf("# expected: %s\n", c.violation);
        printf("# case %zu of %s said:\n# %s\n", i, argv[0], said.c_str());
    }
    return bad;
}
