/* tests/formats/test_safetensors_bad.c - files that lie: refused with a message, or read within
 * their bounds. Read next: tests/fuzz/fuzz_safetensors.c, which makes more of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/safetensors.h"

#define DATA "tests/golden/data/formats/safetensors/"

/* What every accepted header promises: arrays in the file, one after another, unique names. */
static void check_promises(const pe_st *st, uint64_t file_nbytes)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < st->nentries; i++) {
        const pe_st_entry *e = &st->entries[i];
        assert_true(e->rank <= PE_MAX_RANK);
        assert_true(e->offset >= st->data_offset && e->offset <= file_nbytes);
        assert_true(e->nbytes <= file_nbytes - e->offset);
        assert_true(e->nbytes * 8 == e->nelem * e->dtype->bits);
        if (i) assert_true(strcmp(st->entries[i - 1].name, e->name) < 0);
        sum += e->nbytes;
    }
    assert_true(sum == file_nbytes - st->data_offset);
}

static pe_status parse(const char *bytes, size_t nbytes, pe_error *err)
{
    pe_st st;
    char *copy = malloc(nbytes + 1); /* exact size: AddressSanitizer sees the first byte too far */
    memcpy(copy, bytes, nbytes);
    pe_status status = pe_st_parse(&st, copy, nbytes, nbytes, "file", err);
    if (!status) check_promises(&st, nbytes);
    else {
        assert_int_equal(err->status, status);
        assert_null(strchr(err->text, '\n'));
        assert_non_null(strstr(err->text, "file: "));
    }
    pe_st_release(&st);
    free(copy);
    return status;
}

static char *load(const char *name, size_t *nbytes)
{
    char path[256], *bytes = NULL;
    pe_file *f = NULL;
    snprintf(path, sizeof path, DATA "%s.safetensors", name);
    assert_int_equal(pe_file_open(&f, path, NULL), PE_OK);
    *nbytes = (size_t)pe_file_nbytes(f);
    bytes = malloc(*nbytes + 1);
    assert_int_equal(pe_file_read(f, 0, bytes, *nbytes, NULL), PE_OK);
    pe_file_close(f);
    return bytes;
}

static void test_every_truncation(void **state)
{
    static const char *const names[] = { "dtypes", "names", "spaces", "metadata_only" };
    (void)state;
    for (size_t k = 0; k < 4; k++) {
        size_t nbytes;
        char *bytes = load(names[k], &nbytes);
        pe_error err = { 0 };
        assert_int_equal(parse(bytes, nbytes, &err), PE_OK);
        for (size_t n = 0; n < nbytes; n++) assert_int_equal(parse(bytes, n, &err), PE_E_INPUT);
        free(bytes);
    }
}

/* Every byte of the length and the header replaced by its neighbours, complements and brackets. */
static void test_every_byte(void **state)
{
    static const char *const names[] = { "dtypes", "names", "order", "rank8", "rank0_zero" };
    static const char with[] = "\"\\{}[],:0919ezu \x00\x7f\x80\xc0\xff";
    (void)state;
    for (size_t k = 0; k < 5; k++) {
        size_t nbytes, refused = 0, tried = 0;
        char *bytes = load(names[k], &nbytes);
        size_t header = 8 + (unsigned char)bytes[0] + 256 * (size_t)(unsigned char)bytes[1];
        pe_error err = { 0 };
        for (size_t i = 0; i < header; i++) {
            char old = bytes[i];
            for (size_t j = 0; j < sizeof with + 8; j++) {
                bytes[i] = j < sizeof with ? with[j] : (char)(old ^ 1 << (j - sizeof with));
                if (bytes[i] == old) continue;
                refused += parse(bytes, nbytes, &err) != PE_OK;
                tried++;
            }
            bytes[i] = old;
        }
        assert_true(refused > tried / 2);
        free(bytes);
    }
}

/* A header with its length in front and `data` bytes behind. */
static pe_status parse_header(const char *header, size_t data, pe_error *err)
{
    size_t n = strlen(header);
    char *bytes = calloc(1, 8 + n + data);
    for (int i = 0; i < 8; i++) bytes[i] = (char)(n >> (8 * i));
    memcpy(bytes + 8, header, n);
    pe_status st = parse(bytes, 8 + n + data, err);
    free(bytes);
    return st;
}

#define E(name, rest)  "\"" name "\":{" rest "}"
#define U8(begin, end) "\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[" begin "," end "]"

static const struct {
    const char *header;
    size_t data;
    const char *says;
} bad[] = {
    { "", 0, "'{'" },
    { "[]", 0, "'{'" },
    { "{", 0, "a string" },
    { "{}}", 0, "nothing but blanks" },
    { "{} x", 0, "nothing but blanks" },
    { "{" E("a", U8("0", "4")) ",}", 4, "a string" },
    { "{" E("a", U8("0", "4")) E("b", U8("4", "8")) "}", 8, "',' or '}'" },
    { "{" E("a", U8("0", "4")) "," E("a", U8("4", "8")) "}", 8, "twice" },
    { "{" E("a", U8("0", "4")) "," E("\\u0061", U8("4", "8")) "}", 8, "twice" },
    { "{" E("a", U8("0", "4")) "," E("b", U8("0", "4")) "}", 4, "overlap" },
    { "{" E("a", U8("0", "4")) "," E("b", U8("2", "6")) "}", 6, "overlap" },
    { "{" E("a", U8("0", "4")) "," E("b", U8("5", "9")) "}", 9, "a hole" },
    { "{" E("a", U8("1", "5")) "}", 5, "a hole" },
    { "{" E("a", U8("0", "4")) "}", 5, "after the last" },
    { "{" E("a", U8("0", "4")) "}", 3, "past the end" },
    { "{" E("a", U8("4", "0")) "}", 4, "end before" },
    { "{" E("a", U8("0", "5")) "}", 5, "span 5 bytes" },
    { "{" E("a", U8("-0", "4")) "}", 4, "non-negative" },
    { "{" E("a", U8("0", "4.0")) "}", 4, "fraction" },
    { "{" E("a", U8("0", "4e0")) "}", 4, "fraction" },
    { "{" E("a", U8("0", "04")) "}", 4, "non-negative" },
    { "{" E("a", U8("0", "18446744073709551616")) "}", 4, "2^64" },
    { "{" E("a", U8("0", "\"4\"")) "}", 4, "non-negative" },
    { "{" E("a", U8("0", "4,8")) "}", 4, "']'" },
    { "{" E("a", U8("0", "4") ",\"dtype\":\"U8\"") "}", 4, "twice" },
    { "{" E("a", U8("0", "4") ",\"extra\":[[[[]]]]") "}", 4, "neither" },
    { "{" E("a", "\"dtype\":\"U8\",\"shape\":[4]") "}", 4, "missing" },
    { "{" E("a", "\"dtype\":\"U9\",\"shape\":[4],\"data_offsets\":[0,4]") "}", 4, "unknown dtype" },
    { "{" E("a", "\"dtype\":8,\"shape\":[4],\"data_offsets\":[0,4]") "}", 4, "a string" },
    { "{" E("a", "\"dtype\":\"F4\",\"shape\":[1],\"data_offsets\":[0,1]") "}", 1, "whole bytes" },
    { "{" E("a", "\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]") "}", 1,
      "dimensions" },
    { "{" E("a", "\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]") "}",
      0, "overflows" },
    { "{" E("a", "\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]") "}", 0,
      "overflows" },
    { "{\"__metadata__\":{\"a\":1}}", 0, "a string" },
    { "{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, "twice" },
    { "{\"__metadata__\":{},\"__metadata__\":{}}", 0, "twice" },
    { "{\"__metadata__\":[]}", 0, "'{'" },
    { "{\"a", 0, "the end of a string" },
    { "{\"\\ud800\":1}", 0, "low surrogate" },
    { "{\"\\udc00\":1}", 0, "high surrogate" },
    { "{\"\\x\":1}", 0, "valid escape" },
    { "{\"\\u12g4\":1}", 0, "valid escape" },
    { "{\"\t\":1}", 0, "control byte" },
    { "{\"\xc0\x80\":1}", 0, "UTF-8" },
    { "{\"\xed\xa0\x80\":1}", 0, "UTF-8" },
    { "{\"\xf5\x80\x80\x80\":1}", 0, "UTF-8" },
    { "{\"a\":null}", 0, "'{'" },
};

static void test_lies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pe_error err = { 0 };
        pe_status st = parse_header(bad[i].header, bad[i].data, &err);
        if (st != PE_E_INPUT && st != PE_E_UNSUPPORTED) fail_msg("taken: %s", bad[i].header);
        if (!strstr(err.text, bad[i].says))
            fail_msg("%s: \"%s\" does not say \"%s\"", bad[i].header, err.text, bad[i].says);
    }
}

static void test_good_beside_the_bad(void **state)
{
    pe_error err = { 0 };
    (void)state;
    assert_int_equal(parse_header("{" E("a", U8("0", "4")) "," E("b", U8("4", "8")) "}", 8, &err),
                     PE_OK);
    assert_int_equal(parse_header("{}", 0, &err), PE_OK);
    assert_int_equal(parse_header(" {\"__metadata__\":{}} \n", 0, &err), PE_OK);
}

static void test_length_field(void **state)
{
    static const uint64_t lengths[] = { 3, 100000001, UINT64_MAX, UINT64_MAX - 7, 1ull << 63 };
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char bytes[10] = "";
        pe_error err = { 0 };
        for (int j = 0; j < 8; j++) bytes[j] = (char)(lengths[i] >> (8 * j));
        memcpy(bytes + 8, "{}", 2);
        assert_int_equal(parse(bytes, sizeof bytes, &err), PE_E_INPUT);
    }
}

/* Nesting does not recurse and does not cost more than its bytes. */
static void test_deep_nesting(void **state)
{
    size_t n = 1u << 20;
    char *header = malloc(n + 64);
    pe_error err = { 0 };
    (void)state;
    memcpy(header, "{\"a\":{\"shape\":", 14);
    memset(header + 14, '[', n);
    header[14 + n] = '\0';
    assert_int_equal(parse_header(header, 0, &err), PE_E_INPUT);
    free(header);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_good_beside_the_bad),
        cmocka_unit_test(test_length_field),
        cmocka_unit_test(test_deep_nesting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
