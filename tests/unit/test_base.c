/* tests/unit/test_base.c - error messages, arenas, checked arithmetic, digests, globs.
 * Read next: lib/base/error.c, lib/base/arena.c, lib/base/glob.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/checked.h"
#include "lib/base/digest.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/glob.h"

static void test_fail(void **state)
{
    (void)state;
    pe_error err = { 0 };
    assert_int_equal(pe_fail(NULL, PE_E_INPUT, "x"), PE_E_INPUT);
    assert_int_equal(pe_fail(&err, PE_E_INPUT, "%s: found %d", "a\x1b[2Jb\nc", 3), PE_E_INPUT);
    assert_int_equal(err.status, PE_E_INPUT);
    assert_string_equal(err.text, "a?[2Jb c: found 3");
    assert_int_equal(pe_fail_prefix(&err, PE_E_ARG, "%s", "model"), PE_E_INPUT);
    assert_string_equal(err.text, "model: a?[2Jb c: found 3");
    assert_int_equal(pe_fail_nomem(&err, "weights", 77), PE_E_NOMEM);
    assert_non_null(strstr(err.text, "77"));
}

static void test_fail_errno(void **state)
{
    (void)state;
    static const struct {
        int code;
        pe_status st;
    } cases[] = {
        { ENOENT, PE_E_NOTFOUND }, { EACCES, PE_E_NOTFOUND }, { EPERM, PE_E_NOTFOUND },
        { ENOMEM, PE_E_NOMEM },    { ENOSPC, PE_E_WRITE },    { EIO, PE_E_WRITE },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pe_error err;
        errno = cases[i].code;
        assert_int_equal(pe_fail_errno(&err, PE_E_WRITE, "out"), cases[i].st);
        assert_int_equal(err.status, cases[i].st);
        assert_non_null(strstr(err.text, "out: "));
        assert_non_null(strstr(err.text, strerror(cases[i].code)));
    }
}

/* A message that fills the buffer ends on a whole UTF-8 character. */
static void test_fail_truncates(void **state)
{
    (void)state;
    pe_error err;
    char name[1200];
    for (size_t shift = 0; shift < 3; shift++) {
        memset(name, 'x', shift);
        for (size_t i = shift; i + 3 < sizeof name; i += 3) memcpy(name + i, "\xe2\x82\xac", 4);
        pe_fail(&err, PE_E_INPUT, "%s", name);
        size_t n = strlen(err.text);
        assert_true(n > 1000 && n < sizeof err.text);
        assert_int_equal((n - shift) % 3, 0);
    }
}

static void test_arena(void **state)
{
    (void)state;
    pe_arena *a = NULL;
    assert_int_equal(pe_arena_new(&a, 100, NULL), PE_OK);
    char *keep = pe_arena_strndup(a, "kept\0no", 4);
    assert_string_equal(keep, "kept");
    pe_arena_mark mark = pe_arena_get_mark(a);
    size_t peak = 0;
    for (int round = 0; round < 3; round++) {
        for (size_t n = 0; n < 200000; n = n * 3 + 1) {
            uint8_t *p = pe_arena_alloc(a, n);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % 64, 0);
            memset(p, 0xa5, n);
        }
        uint8_t *z = pe_arena_zalloc(a, 1000, 9);
        for (size_t i = 0; i < 9000; i++) assert_int_equal(z[i], 0);
        if (round) assert_int_equal(pe_arena_peak(a), peak);
        peak = pe_arena_peak(a);
        pe_arena_reset(a, mark);
    }
    assert_true(peak >= 9000 + 265720 / 2);
    assert_string_equal(keep, "kept");
    assert_null(pe_arena_zalloc(a, SIZE_MAX / 2, 3));
    assert_null(pe_arena_alloc(a, SIZE_MAX));
    assert_null(pe_arena_strndup(a, "x", SIZE_MAX));
    pe_arena_free(a);
    pe_arena_free(NULL);
    assert_int_equal(pe_arena_new(&a, SIZE_MAX, NULL), PE_E_NOMEM);
}

static void test_arena_pieces_are_apart(void **state)
{
    (void)state;
    pe_arena *a = NULL;
    uint8_t *piece[50];
    assert_int_equal(pe_arena_new(&a, 0, NULL), PE_OK);
    for (size_t i = 0; i < 50; i++) {
        piece[i] = pe_arena_alloc(a, i * 37 + 1);
        memset(piece[i], (int)i, i * 37 + 1);
    }
    for (size_t i = 0; i < 50; i++)
        for (size_t j = 0; j <= i * 37; j++) assert_int_equal(piece[i][j], i);
    pe_arena_free(a);
}

static void test_checked(void **state)
{
    (void)state;
    uint64_t v = 5;
    size_t n = 5;
    assert_true(pe_add_u64(&v, UINT64_MAX - 1, 1) && v == UINT64_MAX);
    assert_false(pe_add_u64(&v, UINT64_MAX, 1));
    assert_true(pe_mul_u64(&v, 1ull << 32, (1ull << 32) - 1));
    v = 5;
    assert_false(pe_mul_u64(&v, 1ull << 32, 1ull << 32));
    assert_int_equal(v, 5);
    assert_false(pe_to_size(&n, UINT64_MAX));
    assert_int_equal(n, 5);
    assert_true(pe_to_size(&n, 9) && n == 9);
    assert_int_equal(pe_round_up(0, 64), 0);
    assert_int_equal(pe_round_up(65, 64), 128);
}

static void test_digest(void **state)
{
    (void)state;
    char text[PE_DIGEST_TEXT], data[5000];
    pe_digest d = pe_digest_of("", 0);
    pe_digest_format(text, &d);
    assert_string_equal(text, "99aa06d3014798d86001c324468d497f"); /* XXH3-128 of nothing, seed 0 */
    for (size_t i = 0; i < sizeof data; i++) data[i] = (char)(i * 31);
    d = pe_digest_of(data, sizeof data);
    pe_hasher *h = pe_hasher_new();
    assert_non_null(h);
    for (int round = 0; round < 2; round++) {
        pe_hasher_reset(h);
        for (size_t at = 0; at < sizeof data; at += 613)
            pe_hasher_add(h, data + at, sizeof data - at < 613 ? sizeof data - at : 613);
        pe_digest s = pe_hasher_get(h);
        assert_memory_equal(&s, &d, sizeof d);
    }
    pe_hasher_free(h);
    data[4999] ^= 1;
    pe_digest other = pe_digest_of(data, sizeof data);
    assert_memory_not_equal(&other, &d, sizeof d);
}

static void test_sha256(void **state)
{
    (void)state;
    char path[] = "/tmp/pe-sha-XXXXXX", text[PE_SHA256_TEXT];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(pe_write_at(fd, 0, "abc", 3, path, NULL), PE_OK);
    close(fd);
    assert_int_equal(pe_sha256_file(text, path, NULL), PE_OK);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    unlink(path);
    assert_int_equal(pe_sha256_file(text, path, NULL), PE_E_NOTFOUND);
}

static void test_glob(void **state)
{
    (void)state;
    static const struct {
        const char *glob, *name;
        bool match;
    } cases[] = {
        { "*", "", true },
        { "*", "a.b.c", true },
        { "", "", true },
        { "", "a", false },
        { "a?c", "abc", true },
        { "a?c", "ac", false },
        { "*.query", "l.0.query", true },
        { "*.query", "l.0.query.x", false },
        { "l.[0-3].*", "l.2.q", true },
        { "l.[0-3].*", "l.4.q", false },
        { "l.[!0-3].*", "l.4.q", true },
        { "l.[^0-3].*", "l.3.q", false },
        { "[]x]", "]", true },
        { "[]x]", "y", false },
        { "[a-]", "-", true },
        { "a[", "a[", true },
        { "a[b", "a[b", true },
        { "a[b", "ab", false },
        { "*a*b*c", "xaybzc", true },
        { "*a*b*c", "xaybz", false },
        { "**", "x", true },
        { "encoder.layer.1.*", "encoder.layer.11.q", false },
        { "A", "a", false },
        { "x*y", "xzy", true },
        { "*ab", "aab", true },
        { "?*", "", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (pe_glob_match(cases[i].glob, cases[i].name) != cases[i].match)
            fail_msg("'%s' against '%s'", cases[i].glob, cases[i].name);
    char hostile[201], name[201]; /* many stars must not take exponential time */
    for (int i = 0; i < 200; i++) hostile[i] = i % 2 ? 'a' : '*';
    memset(name, 'a', 200);
    hostile[199] = 'b';
    hostile[200] = name[200] = '\0';
    assert_false(pe_glob_match(hostile, name));
}

static void test_picks(void **state)
{
    (void)state;
    static const char *const names[] = { "l.0.q", "l.1.q", "head" };
    pe_error err;
    const pe_pick only[] = { { "l.*", false }, { "*.1.*", true } };
    assert_true(pe_pick_wants(only, 2, "l.0.q", true));
    assert_false(pe_pick_wants(only, 2, "l.1.q", true));
    assert_false(pe_pick_wants(only, 2, "head", true));
    const pe_pick skip[] = { { "l.*", true }, { "l.1.*", false } };
    assert_false(pe_pick_wants(skip, 1, "l.0.q", true));
    assert_true(pe_pick_wants(skip, 1, "head", true));
    assert_false(pe_pick_wants(skip, 1, "head", false));
    assert_true(pe_pick_wants(skip, 2, "l.1.q", false));
    assert_false(pe_pick_wants(NULL, 0, "x", false));
    assert_int_equal(pe_pick_check(only, 2, names, 3, &err), PE_OK);
    const pe_pick wrong[] = { { "l.*", false }, { "layer.*", true } };
    assert_int_equal(pe_pick_check(wrong, 2, names, 3, &err), PE_E_ARG);
    assert_non_null(strstr(err.text, "--skip 'layer.*'"));
    assert_int_equal(pe_pick_check(wrong, 1, names, 0, &err), PE_E_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail),
        cmocka_unit_test(test_fail_errno),
        cmocka_unit_test(test_fail_truncates),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_arena_pieces_are_apart),
        cmocka_unit_test(test_checked),
        cmocka_unit_test(test_digest),
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_glob),
        cmocka_unit_test(test_picks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
