/* tests/unit/test_tool.c - what tools share: messages, progress, tables, signals, limits, exit
 * codes. Read next: tools/common/tool.c, tools/common/progress.c, tools/common/table.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "tests/capture.h"
#include "tests/scratch.h"
#include "tools/common/progress.h"
#include "tools/common/tool.h"

static const pe_option table[] = { PE_COMMON_OPTIONS };
static const pe_command cmd = { .name = "pe-test",
                                .usage = "[options]",
                                .summary = "a command for tests",
                                .options = table,
                                .noptions = sizeof table / sizeof *table };

static void start(const char *option)
{
    pe_tool_start(&cmd, option ? 2 : 1, (char *[]){ "pe-test", (char *)option, NULL });
}

static int say_all(void *arg)
{
    start(arg);
    pe_tool_note("note %d", 1);
    pe_tool_detail("detail");
    pe_tool_warn("careful");
    printf("result\n");
    return pe_tool_finish(PE_OK);
}

static void test_messages(void **state)
{
    (void)state;
    captured c;
    capture(&c, say_all, NULL);
    assert_int_equal(c.code, 0);
    assert_string_equal(c.out, "result\n");
    assert_string_equal(c.err, "pe-test: note 1\npe-test: warning: careful\n");
    capture(&c, say_all, "-v");
    assert_string_equal(c.err, "pe-test: note 1\npe-test: detail\npe-test: warning: careful\n");
    capture(&c, say_all, "-q");
    assert_string_equal(c.err, "pe-test: warning: careful\n");
}

static int fail_with(void *arg)
{
    pe_error err = { 0 };
    start(NULL);
    printf("before\n");
    pe_fail(&err, *(pe_status *)arg, "file: found x");
    pe_tool_fail(&err);
}

static void test_exit_codes(void **state)
{
    (void)state;
    captured c;
    for (pe_status st = PE_E_NEGATIVE; st >= PE_E_NETWORK; st--) {
        capture(&c, fail_with, &st);
        assert_int_equal(c.code, -st);
        assert_string_equal(c.err, "pe-test: error: file: found x\n");
        assert_string_equal(c.out, "before\n");
    }
    pe_status cancelled = PE_E_CANCELLED;
    capture(&c, fail_with, &cancelled);
    assert_int_equal(c.code, 130);
}

static int full_stdout(void *arg)
{
    (void)arg;
    start(NULL);
    if (!freopen("/dev/full", "w", stdout)) return 99;
    printf("lost\n");
    return pe_tool_finish(PE_OK);
}

static void test_full_stdout(void **state)
{
    (void)state;
    captured c;
    capture(&c, full_stdout, NULL);
    assert_int_equal(c.code, 5);
    assert_non_null(strstr(c.err, "stdout: writing failed: No space left"));
}

static int report_progress(void *arg)
{
    start(arg);
    pe_progress p = pe_tool_progress();
    for (uint64_t i = 0; i <= 1000; i++)
        if (!p.fn(p.user, i < 500 ? "reading \"x\"" : "writing", i, 1000)) return 1;
    return pe_tool_finish(PE_OK);
}

static void test_progress(void **state)
{
    (void)state;
    captured c;
    capture(&c, report_progress, "--progress=json");
    assert_int_equal(c.code, 0);
    assert_non_null(strstr(c.err, "{\"what\":\"reading \\\"x\\\"\",\"done\":0,\"total\":1000}\n"));
    assert_non_null(strstr(c.err, "{\"what\":\"writing\",\"done\":500,\"total\":1000}\n"));
    assert_non_null(strstr(c.err, "{\"what\":\"writing\",\"done\":1000,\"total\":1000}\n"));
    size_t lines = 0;
    for (const char *p = c.err; *p; p++) lines += *p == '\n';
    assert_in_range(lines, 3, 40); /* some ten a second */
    assert_string_equal(c.out, "");
    capture(&c, report_progress, NULL); /* not a terminal */
    assert_string_equal(c.err, "");
    capture(&c, report_progress, "--progress=none");
    assert_string_equal(c.err, "");
}

static int draw_line(void *arg)
{
    start(NULL);
    pe_progress_set(PE_PROGRESS_LINE);
    pe_progress p = pe_tool_progress();
    p.fn(p.user, "reading", 1, 4);
    if (arg) pe_tool_note("stop");
    p.fn(p.user, "reading", 4, 4);
    return pe_tool_finish(PE_OK);
}

static void test_progress_line(void **state)
{
    (void)state;
    captured c;
    capture(&c, draw_line, NULL);
    assert_string_equal(c.err, "\r\033[Kreading  25 %\r\033[Kreading 100 %\r\033[K");
    capture(&c, draw_line, "note");
    assert_non_null(strstr(c.err, "25 %\r\033[Kpe-test: stop\n"));
}

static int print_table(void *arg)
{
    (void)arg;
    start(NULL);
    pe_table *t = pe_table_new((const char *const[]){ "name", "size", "note" }, 3);
    pe_table_row(t, (const char *const[]){ "a", "9", "x" });
    pe_table_row(t, (const char *const[]){ "\xe6\xbc\xa2\xe5\xad\x97", "120.5", "" });
    pe_table_row(t, (const char *const[]){ "b\x1b[2J", "-", "longer" });
    pe_table_print(t);
    return pe_tool_finish(PE_OK);
}

static void test_table(void **state)
{
    (void)state;
    captured c;
    capture(&c, print_table, NULL);
    assert_string_equal(c.out, "name    size  note\n"
                               "a          9  x\n"
                               "\xe6\xbc\xa2\xe5\xad\x97   120.5  \n"
                               "b?[2J      -  longer\n");
}

static char *folder;

/* A tool with an output half written; 0, or what went wrong. */
static int start_output(void)
{
    static pe_outdir *d; /* reached until the end: no leak when a tool just ends */
    start(NULL);
    if (pe_outdir_open(&d, scratch_path(folder, "out"), false, NULL)) return 99;
    return pe_outdir_put(d, "config.json", "{}", 2, NULL) ? 98 : 0;
}

static int interrupted(void *arg)
{
    int code = start_output();
    if (code) return code;
    raise(*(int *)arg);
    return 97;
}

static void test_signals(void **state)
{
    (void)state;
    static int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
    folder = scratch_new();
    captured c;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        capture(&c, interrupted, &signals[i]);
        assert_int_equal(c.code, 128 + signals[i]);
        assert_string_equal(c.err, "");
        assert_int_equal(scratch_count(folder), 0);
    }
    assert_int_equal(scratch_drop(folder), 0);
}

static void *fail_meanwhile(void *arg)
{
    pe_error err = { 0 };
    (void)arg;
    pe_fail(&err, PE_E_WRITE, "output: vanished");
    pe_tool_fail(&err);
}

/* The handler has taken the output away, and the signal that it sends itself is held back for a
 * while: time enough for another thread to fail. */
static int overtaken(void *arg)
{
    struct sigaction handler;
    struct timespec while_it_fails = { .tv_nsec = 200000000 };
    sigset_t term;
    pthread_t thread;
    int code = start_output();
    (void)arg;
    if (code) return code;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &term, NULL);
    sigaction(SIGTERM, NULL, &handler);
    handler.sa_handler(SIGTERM);
    if (pthread_create(&thread, NULL, fail_meanwhile, NULL)) return 96;
    nanosleep(&while_it_fails, NULL);
    pthread_sigmask(SIG_UNBLOCK, &term, NULL);
    return 95;
}

/* What fails because a signal is ending the tool does not decide how it ends. */
static void test_signal_wins(void **state)
{
    (void)state;
    captured c;
    folder = scratch_new();
    capture(&c, overtaken, NULL);
    assert_int_equal(c.code, 143);
    assert_string_equal(c.err, "");
    assert_int_equal(scratch_count(folder), 0);
    assert_int_equal(scratch_drop(folder), 0);
}

/* An output that was begun goes as well when the tool ends with an error. */
static int failed_halfway(void *arg)
{
    pe_error err = { 0 };
    int code = start_output();
    (void)arg;
    if (code) return code;
    pe_fail(&err, PE_E_INPUT, "file: found x");
    pe_tool_fail(&err);
}

/* What the parent ignores stays ignored (nohup). */
static int ignored(void *arg)
{
    (void)arg;
    signal(SIGHUP, SIG_IGN);
    start(NULL);
    raise(SIGHUP);
    return pe_tool_finish(PE_OK);
}

static int shrunken_file(void *arg)
{
    int code = start_output();
    (void)arg;
    if (code) return code;
    FILE *f = tmpfile();
    if (!f || ftruncate(fileno(f), 4096)) return 99;
    volatile char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fileno(f), 0);
    if (p == MAP_FAILED || ftruncate(fileno(f), 0)) return 98;
    return p[0];
}

static void test_odd_ends(void **state)
{
    (void)state;
    captured c;
    capture(&c, ignored, NULL);
    assert_int_equal(c.code, 0);
    folder = scratch_new();
    capture(&c, shrunken_file, NULL);
    assert_int_equal(c.code, 3);
    assert_non_null(strstr(c.err, "pe-test: error: an input file became shorter"));
    assert_int_equal(scratch_count(folder), 0);
    capture(&c, failed_halfway, NULL);
    assert_int_equal(c.code, 3);
    assert_int_equal(scratch_count(folder), 0);
    assert_int_equal(scratch_drop(folder), 0);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static int allocate_much(void *arg)
{
    start(arg);
    void *small = malloc(16 << 20);
    void *large = mmap(NULL, 256 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool refused = large == MAP_FAILED;
    free(small);
    return small && refused ? 0 : 1;
}
#endif

static void test_max_ram(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* the sanitizers' own memory counts */
#else
    captured c;
    capture(&c, allocate_much, "--max-ram=128M");
    assert_int_equal(c.code, 0);
    capture(&c, allocate_much, NULL);
    assert_int_equal(c.code, 1);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),      cmocka_unit_test(test_exit_codes),
        cmocka_unit_test(test_full_stdout),   cmocka_unit_test(test_progress),
        cmocka_unit_test(test_progress_line), cmocka_unit_test(test_table),
        cmocka_unit_test(test_signals),       cmocka_unit_test(test_signal_wins),
        cmocka_unit_test(test_odd_ends),      cmocka_unit_test(test_max_ram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
