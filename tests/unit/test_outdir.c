/* tests/unit/test_outdir.c - an output directory appears whole or not at all, and replaces only
 * its like.
 * Read next: lib/base/outdir.c; tests/cli for the same under strace and kill. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "tests/scratch.h"

static char *folder;

static int make_folder(void **state)
{
    (void)state;
    folder = scratch_new();
    return folder ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    return scratch_drop(folder);
}

static pe_outdir *open_out(const char *name, bool replace)
{
    pe_outdir *d = NULL;
    pe_error err = { 0 };
    if (pe_outdir_open(&d, scratch_path(folder, name), replace, &err)) fail_msg("%s", err.text);
    return d;
}

static void put(pe_outdir *d, const char *name, const char *text)
{
    pe_error err = { 0 };
    if (pe_outdir_put(d, name, text, strlen(text), &err)) fail_msg("%s", err.text);
}

static void check_content(const char *name, const char *expected)
{
    char *text = NULL;
    assert_int_equal(pe_file_slurp(&text, NULL, scratch_path(folder, name), 1000, NULL), PE_OK);
    assert_string_equal(text, expected);
    free(text);
}

static bool exists(const char *name)
{
    struct stat sb;
    return !lstat(scratch_path(folder, name), &sb);
}

static void make_model(const char *name, const char *config)
{
    pe_outdir *d = open_out(name, false);
    put(d, "config.json", config);
    assert_int_equal(pe_outdir_commit(d, NULL), PE_OK);
}

static void test_commit(void **state)
{
    (void)state;
    pe_outdir *d = open_out("out", false);
    int fd = -1;
    struct stat sb;
    put(d, "config.json", "{}");
    put(d, "1_Pooling/config.json", "{1}");
    put(d, "1_Pooling/b/x", "x");
    assert_int_equal(pe_outdir_create(d, "weights", 4096, &fd, NULL), PE_OK);
    assert_true(!fstat(fd, &sb) && sb.st_size == 4096);
    assert_int_equal(pe_write_at(fd, 4090, "tail", 4, "weights", NULL), PE_OK);
    assert_false(exists("out"));
    assert_int_equal(scratch_count(folder), 1);
    assert_int_equal(pe_outdir_commit(d, NULL), PE_OK);
    assert_int_equal(scratch_count(folder), 1);
    check_content("out/config.json", "{}");
    check_content("out/1_Pooling/config.json", "{1}");
    check_content("out/1_Pooling/b/x", "x");
    assert_true(!stat(scratch_path(folder, "out/weights"), &sb) && sb.st_size == 4096);
    assert_int_equal(scratch_count(scratch_path(folder, "out")), 3);
}

static void test_abort(void **state)
{
    (void)state;
    pe_outdir *d = open_out("out/", false); /* a slash at the end is fine */
    put(d, "a/b/c", "x");
    put(d, "a/d", "x");
    put(d, "e", "x");
    pe_outdir_abort(d);
    pe_outdir_abort(NULL);
    assert_int_equal(scratch_count(folder), 0);
}

static void test_bad_names(void **state)
{
    (void)state;
    static const char *const names[] = { "",       "/x",   "../x",
                                         "a/../x", "a//x", ".",
                                         "a/.",    "x/",   "a/b/c/d/e/f/g/h/i/j" };
    pe_outdir *d = open_out("out", false);
    int fd;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (pe_outdir_create(d, names[i], 0, &fd, NULL) != PE_E_ARG)
            fail_msg("accepted '%s'", names[i]);
    put(d, "twice", "1");
    assert_int_equal(pe_outdir_create(d, "twice", 0, &fd, NULL), PE_E_ARG);
    assert_int_equal(pe_outdir_create(d, "huge", UINT64_MAX, &fd, NULL), PE_E_WRITE);
    pe_outdir_abort(d);
    assert_int_equal(scratch_count(folder), 0);
}

static void test_refused(void **state)
{
    (void)state;
    pe_outdir *d = NULL;
    pe_error err = { 0 };
    make_model("model", "1");
    const char *model = scratch_path(folder, "model");
    assert_int_equal(pe_outdir_open(&d, model, false, &err), PE_E_ARG);
    assert_non_null(strstr(err.text, "exists"));
    assert_int_equal(pe_outdir_open(&d, scratch_path(folder, "no/out"), false, &err),
                     PE_E_NOTFOUND);
    assert_int_equal(pe_outdir_open(&d, scratch_path(folder, "model/config.json"), true, &err),
                     PE_E_ARG);
    assert_int_equal(pe_outdir_open(&d, "/", true, &err), PE_E_ARG);
    assert_int_equal(pe_outdir_open(&d, "..", true, &err), PE_E_ARG);
    assert_int_equal(pe_outdir_open(&d, scratch_path(folder, "model/."), true, &err), PE_E_ARG);
    assert_int_equal(symlink("model", scratch_path(folder, "link")), 0);
    assert_int_equal(pe_outdir_open(&d, scratch_path(folder, "link"), false, &err), PE_E_ARG);
    assert_int_equal(pe_outdir_open(&d, scratch_path(folder, "link"), true, &err), PE_E_ARG);
    /* somebody's folder, given by mistake with -f */
    assert_int_equal(mkdir(scratch_path(folder, "home"), 0777), 0);
    assert_int_equal(pe_write_atomic(scratch_path(folder, "home/diary.txt"), "x", 1, NULL), PE_OK);
    assert_int_equal(pe_outdir_open(&d, scratch_path(folder, "home"), true, &err), PE_E_ARG);
    assert_non_null(strstr(err.text, "neither a checkpoint"));
    check_content("home/diary.txt", "x");
    check_content("model/config.json", "1");
    assert_int_equal(scratch_count(folder), 3);
}

static void test_replace(void **state)
{
    (void)state;
    make_model("out", "old");
    assert_int_equal(mkdir(scratch_path(folder, "out/sub"), 0777), 0);
    assert_int_equal(pe_write_atomic(scratch_path(folder, "out/sub/f"), "f", 1, NULL), PE_OK);
    pe_outdir *d = open_out("out", true);
    put(d, "config.json", "new");
    check_content("out/config.json", "old");
    assert_int_equal(pe_outdir_commit(d, NULL), PE_OK);
    check_content("out/config.json", "new");
    assert_false(exists("out/sub"));
    assert_int_equal(scratch_count(folder), 1);
    d = open_out("fresh", true); /* nothing to replace */
    put(d, "config.json", "1");
    assert_int_equal(pe_outdir_commit(d, NULL), PE_OK);
    check_content("fresh/config.json", "1");
    assert_int_equal(mkdir(scratch_path(folder, "empty"), 0777), 0);
    d = open_out("empty", true);
    assert_int_equal(pe_outdir_commit(d, NULL), PE_OK);
    assert_int_equal(scratch_count(folder), 3);
}

/* The name was free at open and is taken at commit. */
static void test_taken_meanwhile(void **state)
{
    (void)state;
    pe_error err = { 0 };
    pe_outdir *d = open_out("out", false);
    put(d, "config.json", "mine");
    make_model("out", "theirs");
    assert_int_equal(pe_outdir_commit(d, &err), PE_E_ARG);
    check_content("out/config.json", "theirs");
    assert_int_equal(scratch_count(folder), 1);
}

/* Somebody takes the temporary away before it gets its name. */
static void test_temporary_gone(void **state)
{
    (void)state;
    for (int replace = 0; replace < 2; replace++) {
        pe_error err = { 0 };
        pe_outdir *d = open_out("out", replace);
        char command[4200];
        snprintf(command, sizeof command, "rmdir '%s'/* '%s'/.[!.]* 2>/dev/null", folder, folder);
        (void)!system(command);
        assert_int_equal(scratch_count(folder), 0);
        assert_int_equal(pe_outdir_commit(d, &err), PE_E_NOTFOUND);
        assert_non_null(strstr(err.text, "out: renaming the finished output to it"));
        assert_int_equal(scratch_count(folder), 0);
    }
}

/* Signals find every open output in a table of fixed size; one more is refused whole. */
static void test_many(void **state)
{
    enum { MOST = 64 };
    (void)state;
    pe_error err = { 0 };
    pe_outdir *open[MOST], *more = NULL;
    char name[32];
    for (int i = 0; i < MOST; i++) {
        snprintf(name, sizeof name, "out%d", i);
        open[i] = open_out(name, false);
    }
    assert_int_equal(pe_outdir_open(&more, scratch_path(folder, "more"), false, &err), PE_E_NOMEM);
    assert_non_null(strstr(err.text, "more than 64 outputs"));
    assert_int_equal(scratch_count(folder), MOST);
    for (int i = 0; i < MOST; i++) pe_outdir_abort(open[i]);
    assert_int_equal(scratch_count(folder), 0);
}

static void test_failed_write(void **state)
{
    (void)state;
    pe_error err = { 0 };
    static char big[100000];
    make_model("out", "old");
    pe_outdir *d = open_out("out", true);
    int fd = -1;
    scratch_limit_file_size(65536);
    pe_status put_st = pe_outdir_put(d, "weights", big, sizeof big, &err);
    pe_status size_st = pe_outdir_create(d, "more", 1 << 20, &fd, NULL);
    scratch_limit_file_size(0);
    assert_int_equal(put_st, PE_E_WRITE);
    assert_non_null(strstr(err.text, "weights"));
    assert_int_equal(size_st, PE_E_WRITE);
    pe_outdir_abort(d);
    check_content("out/config.json", "old");
    assert_int_equal(scratch_count(folder), 1);
}

static void on_term(int sig)
{
    (void)sig;
    pe_outdir_abort_all();
    _exit(143);
}

/* The child stops with two outputs half written; SIGTERM must leave nothing, SIGKILL only hidden
 * names. */
static void run_child_until(int sig)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGTERM, on_term);
        pe_outdir *a = NULL, *b = NULL;
        int bad = pe_outdir_open(&a, scratch_path(folder, "out"), true, NULL) ||
                  pe_outdir_open(&b, scratch_path(folder, "other"), false, NULL) ||
                  pe_outdir_put(a, "config.json", "new", 3, NULL) ||
                  pe_outdir_put(b, "1_Pooling/config.json", "new", 3, NULL) ||
                  write(ready[1], "r", 1) != 1;
        if (bad) _exit(1);
        for (;;) pause();
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    int status = 0;
    assert_int_equal(kill(pid, sig), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (sig == SIGTERM) assert_int_equal(WEXITSTATUS(status), 143);
    else assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void test_signals(void **state)
{
    (void)state;
    make_model("out", "old");
    run_child_until(SIGTERM);
    assert_int_equal(scratch_count(folder), 1);
    check_content("out/config.json", "old");
    run_child_until(SIGKILL);
    check_content("out/config.json", "old");
    assert_false(exists("other"));
    assert_int_equal(scratch_count(folder), 3); /* the two temporaries */
    pe_outdir *d = open_out("out", true);       /* and the next run is not disturbed by them */
    put(d, "config.json", "newer");
    assert_int_equal(pe_outdir_commit(d, NULL), PE_OK);
    check_content("out/config.json", "newer");
}

static void test_create_after_abort_all(void **state)
{
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        pe_outdir *d = NULL;
        int fd;
        if (pe_outdir_open(&d, scratch_path(folder, "out"), false, NULL)) _exit(1);
        pe_outdir_abort_all();
        if (pe_outdir_create(d, "late", 0, &fd, NULL) != PE_E_CANCELLED) _exit(2);
        if (pe_outdir_commit(d, NULL) != PE_E_CANCELLED) _exit(3);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(scratch_count(folder), 0);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, make_folder, drop_folder)
    const struct CMUnitTest tests[] = {
        T(test_commit),         T(test_abort),   T(test_bad_names),
        T(test_refused),        T(test_replace), T(test_taken_meanwhile),
        T(test_failed_write),   T(test_signals), T(test_create_after_abort_all),
        T(test_temporary_gone), T(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
