/* tests/unit/test_file.c - files that are not what they seem; one file written whole or not at all.
 * Read next: lib/base/file.c, lib/base/write_atomic.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "tests/scratch.h"

static char *folder; /* a new one for every test */

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

static void test_read(void **state)
{
    (void)state;
    const char *path = scratch_path(folder, "f");
    pe_error err = { 0 };
    pe_file *f = NULL;
    char buf[16] = "";
    const uint8_t *map = NULL;
    assert_int_equal(pe_write_atomic(path, "0123456789", 10, &err), PE_OK);
    assert_int_equal(pe_file_open(&f, path, &err), PE_OK);
    assert_int_equal(pe_file_nbytes(f), 10);
    assert_string_equal(pe_file_path(f), path);
    assert_int_equal(pe_file_read(f, 3, buf, 7, &err), PE_OK);
    assert_string_equal(buf, "3456789");
    assert_int_equal(pe_file_read(f, 10, buf, 0, &err), PE_OK);
    assert_int_equal(pe_file_read(f, 4, buf, 7, &err), PE_E_INPUT);
    assert_non_null(strstr(err.text, "ends at 10"));
    assert_int_equal(pe_file_read(f, UINT64_MAX, buf, 2, &err), PE_E_INPUT);
    assert_int_equal(pe_file_map(f, &map, &err), PE_OK);
    assert_memory_equal(map, "0123456789", 10);
    assert_int_equal(truncate(path, 5), 0);
    assert_int_equal(pe_file_read(f, 3, buf, 7, &err), PE_E_INPUT);
    assert_non_null(strstr(err.text, "offset 5"));
    pe_file_close(f);
    pe_file_close(NULL);
}

static void test_empty_file(void **state)
{
    (void)state;
    const char *path = scratch_path(folder, "empty");
    pe_file *f = NULL;
    const uint8_t *map = NULL;
    char *text = NULL;
    size_t n = 9;
    assert_int_equal(pe_write_atomic(path, "", 0, NULL), PE_OK);
    assert_int_equal(pe_file_open(&f, path, NULL), PE_OK);
    assert_int_equal(pe_file_map(f, &map, NULL), PE_OK);
    assert_non_null(map);
    pe_file_close(f);
    assert_int_equal(pe_file_slurp(&text, &n, path, 0, NULL), PE_OK);
    assert_int_equal(n, 0);
    assert_string_equal(text, "");
    free(text);
}

static void test_not_a_file(void **state)
{
    (void)state;
    pe_file *f = NULL;
    pe_error err = { 0 };
    const char *fifo = scratch_path(folder, "fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(pe_file_open(&f, fifo, &err), PE_E_INPUT);
    assert_non_null(strstr(err.text, "a FIFO"));
    assert_int_equal(pe_file_open(&f, folder, &err), PE_E_INPUT);
    assert_non_null(strstr(err.text, "a directory"));
    assert_int_equal(pe_file_open(&f, "/dev/null", &err), PE_E_INPUT);
    assert_non_null(strstr(err.text, "a device"));
    assert_int_equal(pe_file_open(&f, scratch_path(folder, "none"), &err), PE_E_NOTFOUND);
    assert_int_equal(pe_file_open(&f, scratch_path(folder, "fifo/x"), &err), PE_E_NOTFOUND);
    assert_null(f);
}

static void test_slurp(void **state)
{
    (void)state;
    enum { BIG = 100001 };
    const char *path = scratch_path(folder, "big");
    char *data = malloc(BIG), *text = NULL;
    size_t n = 0;
    pe_error err = { 0 };
    for (size_t i = 0; i < BIG; i++) data[i] = (char)(i * 7);
    assert_int_equal(pe_write_atomic(path, data, BIG, NULL), PE_OK);
    assert_int_equal(pe_file_slurp(&text, &n, path, BIG, &err), PE_OK);
    assert_int_equal(n, BIG);
    assert_memory_equal(text, data, BIG);
    assert_int_equal(text[n], 0);
    free(text);
    assert_int_equal(pe_file_slurp(&text, &n, path, BIG - 1, &err), PE_E_INPUT);
    free(data);
}

/* "-" reads a pipe of unknown length. */
static void test_slurp_stdin(void **state)
{
    (void)state;
    int fds[2], old = dup(STDIN_FILENO);
    char *text = NULL;
    size_t n = 0;
    char block[20000];
    memset(block, 'y', sizeof block);
    for (int limit = 0; limit < 2; limit++) {
        assert_int_equal(pipe(fds), 0);
        assert_int_equal(write(fds[1], block, sizeof block), sizeof block);
        close(fds[1]);
        assert_int_equal(dup2(fds[0], STDIN_FILENO), STDIN_FILENO);
        close(fds[0]);
        pe_status st = pe_file_slurp(&text, &n, "-", limit ? 19999 : 20000, NULL);
        assert_int_equal(st, limit ? PE_E_INPUT : PE_OK);
        if (!limit) assert_int_equal(n, sizeof block);
    }
    assert_memory_equal(text, block, sizeof block);
    free(text);
    assert_int_equal(dup2(old, STDIN_FILENO), STDIN_FILENO);
    close(old);
}

static void check_content(const char *path, const char *expected)
{
    char *text = NULL;
    assert_int_equal(pe_file_slurp(&text, NULL, path, 1 << 20, NULL), PE_OK);
    assert_string_equal(text, expected);
    free(text);
}

static void test_write_atomic(void **state)
{
    (void)state;
    pe_error err = { 0 };
    const char *path = scratch_path(folder, "out");
    assert_int_equal(pe_write_atomic(path, "one", 3, &err), PE_OK);
    assert_int_equal(pe_write_atomic(path, "two!", 4, &err), PE_OK);
    check_content(path, "two!");
    assert_int_equal(scratch_count(folder), 1);
    assert_int_equal(pe_write_atomic(folder, "x", 1, &err), PE_E_ARG);
    assert_int_equal(pe_write_atomic("/dev/full", "x", 1, &err), PE_E_ARG);
    assert_int_equal(pe_write_atomic(scratch_path(folder, "no/out"), "x", 1, &err), PE_E_NOTFOUND);
    assert_int_equal(pe_write_atomic("", "x", 1, &err), PE_E_ARG);
    assert_int_equal(pe_write_atomic("/", "x", 1, &err), PE_E_ARG);
    assert_int_equal(scratch_count(folder), 1);
}

/* A full disk, played by the file size limit: the old file stays, nothing is left over. */
static void test_write_fails(void **state)
{
    (void)state;
    const char *path = scratch_path(folder, "out");
    pe_error err = { 0 };
    static char big[100000];
    assert_int_equal(pe_write_atomic(path, "old", 3, NULL), PE_OK);
    scratch_limit_file_size(65536);
    pe_status st = pe_write_atomic(path, big, sizeof big, &err);
    scratch_limit_file_size(0);
    assert_int_equal(st, PE_E_WRITE);
    assert_non_null(strstr(err.text, "File too large"));
    check_content(path, "old");
    assert_int_equal(scratch_count(folder), 1);
    int fd = open("/dev/full", O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pe_write_at(fd, 0, "x", 1, "full", &err), PE_E_WRITE);
    assert_non_null(strstr(err.text, "No space left"));
    close(fd);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, make_folder, drop_folder)
    const struct CMUnitTest tests[] = {
        T(test_read),        T(test_empty_file),   T(test_not_a_file),  T(test_slurp),
        T(test_slurp_stdin), T(test_write_atomic), T(test_write_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
