/* tests/unit/test_options.c - the option table: every kind of value, and what mistakes are told.
 * Read next: tools/common/options.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/common/suggest.h"
#include "tools/common/tool.h"

static struct {
    bool flag;
    const char *text;
    int64_t count;
    double ratio;
    uint64_t size;
    pe_ints ints;
    pe_strings list;
    pe_picks picks;
} got;

static const pe_option table[] = {
    { "flag", 'x', PE_OPT_FLAG, &got.flag, NULL, "a flag", 0, 0 },
    { "text", 't', PE_OPT_STRING, &got.text, "T", "a text", 0, 0 },
    { "count", 'n', PE_OPT_INT, &got.count, "N", "a count", 1, 9 },
    { "sparsity", 0, PE_OPT_NUMBER, &got.ratio, "S", "a share", 0, 0.99 },
    { "size", 0, PE_OPT_SIZE, &got.size, "SIZE", "a size", 0, 0 },
    { "batch", 0, PE_OPT_INTS, &got.ints, "N,N", "sizes", 1, 4096 },
    { "keep", 0, PE_OPT_STRINGS, &got.list, "NAME", "names", 0, 0 },
    { "only", 0, PE_OPT_ONLY, &got.picks, "GLOB", "in", 0, 0 },
    { "skip", 0, PE_OPT_SKIP, &got.picks, "GLOB", "out", 0, 0 },
    PE_COMMON_OPTIONS,
};
static const pe_command cmd = {
    .name = "pe-test",
    .usage = "MODEL [options]",
    .summary = "a command for tests",
    .examples = "pe-test m --flag\npe-test m --count 3",
    .options = table,
    .noptions = sizeof table / sizeof *table,
    .min_operands = 1,
    .max_operands = 2,
};

static pe_strings parse(char **argv)
{
    int argc = 0;
    while (argv[argc]) argc++;
    memset(&got, 0, sizeof got);
    return pe_parse_options(&cmd, argc, argv);
}

#define PARSE(...) parse((char *[]){ "pe-test", __VA_ARGS__, NULL })

static void test_values(void **state)
{
    (void)state;
    pe_strings o = PARSE("m", "--flag", "--text=a=b", "-n", "7", "--sparsity", "0.5", "-", "--size",
                         "1.5G", "--batch", "1,8,32", "--keep", "a", "--keep=b");
    assert_int_equal(o.n, 2);
    assert_string_equal(o.v[0], "m");
    assert_string_equal(o.v[1], "-");
    assert_true(got.flag);
    assert_string_equal(got.text, "a=b");
    assert_int_equal(got.count, 7);
    assert_true(got.ratio == 0.5);
    assert_int_equal(got.size, 3ull << 29);
    assert_int_equal(got.ints.n, 3);
    assert_int_equal(got.ints.v[2], 32);
    assert_int_equal(got.list.n, 2);
    assert_string_equal(got.list.v[1], "b");
}

static void test_letters(void **state)
{
    (void)state;
    pe_strings o = PARSE("-xn3", "-tfile", "--", "-x");
    assert_true(got.flag);
    assert_int_equal(got.count, 3);
    assert_string_equal(got.text, "file");
    assert_int_equal(o.n, 1);
    assert_string_equal(o.v[0], "-x");
}

static void test_picks_keep_order(void **state)
{
    (void)state;
    PARSE("m", "--only", "a*", "--skip", "b*", "--only", "c*");
    assert_int_equal(got.picks.n, 3);
    assert_string_equal(got.picks.v[1].glob, "b*");
    assert_true(got.picks.v[1].skip);
    assert_false(got.picks.v[2].skip);
}

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t nbytes;
    } good[] = { { "0", 0 },          { "100", 100 },     { "4k", 4096 },         { "4K", 4096 },
                 { "2MiB", 2 << 20 }, { "1GB", 1 << 30 }, { "0.5T", 1ull << 39 }, { "7B", 7 } };
    static const char *const bad[] = { "", "x", "-1", "1X", "1Gx", "nan", "1e30" };
    uint64_t v;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(pe_parse_size(&v, good[i].text));
        assert_int_equal(v, good[i].nbytes);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(pe_parse_size(&v, bad[i]));
}

/* Runs the whole start of a tool in a child; stdout and stderr go to text. */
static int run_child(char *text, size_t capacity, char **argv)
{
    int fds[2], status = 0;
    assert_int_equal(pipe(fds), 0);
    fflush(stdout);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        dup2(fds[1], STDERR_FILENO);
        int argc = 0;
        while (argv[argc]) argc++;
        pe_tool_start(&cmd, argc, argv);
        printf("threads %d device %s\n", pe_pool_nthreads(pe_tool_pool()), pe_common_opts.device);
        fflush(stdout);
        _exit(pe_tool_finish(PE_OK));
    }
    close(fds[1]);
    size_t used = 0;
    for (ssize_t n; (n = read(fds[0], text + used, capacity - 1 - used)) > 0;) used += (size_t)n;
    text[used] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        char *argv[4];
        const char *says;
    } cases[] = {
        { { "m", "--sparsty", "1" }, "did you mean --sparsity?" },
        { { "m", "--spars=1" }, "did you mean --sparsity?" },
        { { "m", "--zzzzzz" }, "unknown option --zzzzzz\n" },
        { { "m", "--versoin" }, "did you mean --version?" },
        { { "m", "-y" }, "unknown option -y" },
        { { "m", "--count" }, "--count needs a value (N)" },
        { { "m", "--text", "--flag" }, "--text needs a value (T)" },
        { { "m", "-t" }, "-t needs a value" },
        { { "m", "--flag=1" }, "--flag takes no value" },
        { { "m", "--count", "10" }, "found 10, expected 1 to 9" },
        { { "m", "--count", "3x" }, "found '3x', expected a whole number" },
        { { "m", "--count", "99999999999999999999" }, "expected a whole number" },
        { { "m", "--sparsity", "1" }, "found 1, expected 0 to 0.99" },
        { { "m", "--sparsity", "nan" }, "expected a number" },
        { { "m", "--size", "big" }, "expected a size as 512M or 4G" },
        { { "m", "--batch", "1,,2" }, "expected whole numbers" },
        { { "m", "--batch", "1,0" }, "expected 1 to 4096" },
        { { NULL }, "usage: pe-test MODEL" },
        { { "a", "b", "c" }, "unexpected argument 'c'" },
        { { "m", "--device", "gpu" }, "--device: found 'gpu'" },
        { { "m", "--device", "cuda:" }, "--device: found 'cuda:'" },
        { { "m", "--progress", "yes" }, "expected auto, none or json" },
        { { "m", "-j", "0" }, "expected 1 to 256" },
    };
    char text[4096];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *const *a = cases[i].argv;
        int code = run_child(text, sizeof text, (char *[]){ "pe-test", a[0], a[1], a[2], NULL });
        if (code != 2 || !strstr(text, cases[i].says)) fail_msg("%zu: %d %s", i, code, text);
        if (strncmp(text, "pe-test: error: ", 16) != 0) fail_msg("%zu: %s", i, text);
        if (strchr(text, '\n') != text + strlen(text) - 1)
            fail_msg("%zu: not one line: %s", i, text);
    }
}

static void test_help(void **state)
{
    (void)state;
    char text[8192];
    assert_int_equal(run_child(text, sizeof text, (char *[]){ "pe-test", "--help", NULL }), 0);
    assert_true(!strncmp(text, "pe-test - a command for tests\n", 30));
    const char *examples = strstr(text, "Examples:\n  pe-test m --flag\n"),
               *usage = strstr(text, "Usage:");
    assert_true(examples && usage && examples < usage);
    for (size_t i = 0; i < cmd.noptions; i++) assert_non_null(strstr(text, table[i].name));
    assert_int_equal(run_child(text, sizeof text, (char *[]){ "pe-test", "--version", NULL }), 0);
    assert_non_null(strstr(text, pe_version()));
    assert_non_null(strstr(text, pe_cpu_level()));
}

static void test_environment(void **state)
{
    (void)state;
    char text[4096];
    char *plain[] = { "pe-test", "m", NULL },
         *given[] = { "pe-test", "m", "-j2", "--device", "cpu", NULL };
    setenv("PE_THREADS", "3", 1);
    setenv("PE_DEVICE", "cuda:1", 1);
    assert_int_equal(run_child(text, sizeof text, plain), 0);
    assert_string_equal(text, "threads 3 device cuda:1\n");
    assert_int_equal(run_child(text, sizeof text, given), 0);
    assert_string_equal(text, "threads 2 device cpu\n"); /* options win */
    setenv("PE_THREADS", "x", 1);
    assert_int_equal(run_child(text, sizeof text, plain), 2);
    assert_non_null(strstr(text, "PE_THREADS: found 'x'"));
    setenv("PE_THREADS", "", 1);
    setenv("PE_MAX_RAM", "lots", 1);
    assert_int_equal(run_child(text, sizeof text, plain), 2);
    unsetenv("PE_MAX_RAM");
    unsetenv("PE_THREADS");
    unsetenv("PE_DEVICE");
}

static void test_suggest(void **state)
{
    (void)state;
    static const char *const words[] = { "prune", "quantize", "eval", "run" };
    assert_string_equal(pe_suggest("prnue", words, 4), "prune");
    assert_string_equal(pe_suggest("quantise", words, 4), "quantize");
    assert_string_equal(pe_suggest("quan", words, 4), "quantize");
    assert_string_equal(pe_suggest("rum", words, 4), "run");
    assert_null(pe_suggest("distill", words, 4));
    assert_null(pe_suggest("", words, 4));
    assert_null(pe_suggest("x", words, 4));
}

static void test_human_bytes(void **state)
{
    (void)state;
    static const struct {
        uint64_t nbytes;
        const char *text;
    } cases[] = { { 0, "0 B" },
                  { 999, "999 B" },
                  { 1000, "1.0 kB" },
                  { 6440000, "6.4 MB" },
                  { 999999, "1.0 MB" },
                  { 124000000, "124 MB" },
                  { UINT64_MAX, "18.4 EB" } };
    char buf[16];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(pe_human_bytes(buf, cases[i].nbytes), cases[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),           cmocka_unit_test(test_letters),
        cmocka_unit_test(test_picks_keep_order), cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_mistakes),         cmocka_unit_test(test_help),
        cmocka_unit_test(test_environment),      cmocka_unit_test(test_suggest),
        cmocka_unit_test(test_human_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
