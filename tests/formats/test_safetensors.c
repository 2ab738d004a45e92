/* tests/formats/test_safetensors.c - the header reader against good files with known contents.
 * Read next: tests/formats/test_safetensors_bad.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/sha.h>

#include "formats/safetensors.h"
#include "lib/base/json.h"
#include "lib/io/ckpt.h"

#define DATA "tests/golden/data/formats/safetensors/"

static void hex(char *to, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) sprintf(to + 2 * i, "%02x", bytes[i]);
}

/* jansson takes no key with U+0000, so the expected contents are read with that character, the
 * bytes C0 80 in our names, written as the section sign. */
static const pe_array *find(const pe_ckpt *c, const char *name)
{
    char copy[512];
    for (size_t i = 0; i < pe_ckpt_narrays(c); i++) {
        snprintf(copy, sizeof copy, "%s", pe_ckpt_array(c, i)->name);
        for (char *p; (p = strstr(copy, "\xc0\x80"));) memcpy(p, "\xc2\xa7", 2);
        if (!strcmp(copy, name)) return pe_ckpt_array(c, i);
    }
    return NULL;
}

static json_t *load_expected(const char *path)
{
    char *text = NULL;
    size_t nbytes;
    assert_int_equal(pe_file_slurp(&text, &nbytes, path, 1 << 20, NULL), PE_OK);
    for (char *p; (p = strstr(text, "\\u0000"));) memcpy(p, "\\u00a7", 6);
    json_t *j = json_loads(text, 0, NULL);
    free(text);
    assert_non_null(j);
    return j;
}

static void check_tensor(const pe_ckpt *c, const char *name, json_t *want)
{
    const pe_array *a = find(c, name);
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char text[65];
    size_t i;
    json_t *dim;
    assert_non_null(a);
    assert_string_equal(a->dtype_name, json_string_value(json_object_get(want, "dtype")));
    json_t *shape = json_object_get(want, "shape"), *sha = json_object_get(want, "sha256");
    assert_int_equal(a->rank, json_array_size(shape));
    json_array_foreach(shape, i, dim) assert_int_equal(a->shape[i], json_integer_value(dim));
    assert_int_equal(a->nbytes, json_integer_value(json_object_get(want, "nbytes")));
    uint8_t *data = malloc(a->nbytes + 1);
    pe_error err;
    assert_int_equal(pe_ckpt_read_dense(c, a, data, &err), PE_OK);
    SHA256(data, a->nbytes, digest);
    hex(text, digest, sizeof digest);
    if (sha) assert_string_equal(text, json_string_value(sha));
    free(data);
}

static void check_file(const char *path, const char *expected)
{
    json_t *want = load_expected(expected), *tensors = json_object_get(want, "tensors");
    pe_ckpt *c = NULL;
    pe_error err = { 0 };
    pe_status st = pe_ckpt_open(&c, path, &err);
    if (st) fail_msg("%s: %s", path, err.text);
    assert_int_equal(pe_ckpt_narrays(c), json_object_size(tensors));
    const char *key;
    json_t *t;
    json_object_foreach(tensors, key, t) check_tensor(c, key, t);
    json_t *metadata = json_object_get(want, "metadata");
    if (json_is_object(metadata)) assert_true(json_equal(metadata, pe_ckpt_metadata(c)));
    pe_ckpt_close(c);
    json_decref(want);
}

static void test_good_files(void **state)
{
    static const char *const names[] = { "dtypes",        "empty",  "f4",      "many",
                                         "metadata_only", "names",  "order",   "rank0_zero",
                                         "rank8",         "spaces", "special", "unaligned" };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[256], expected[256];
        snprintf(path, sizeof path, DATA "%s.safetensors", names[i]);
        snprintf(expected, sizeof expected, DATA "%s.safetensors.json", names[i]);
        check_file(path, expected);
    }
}

static void test_shards(void **state)
{
    (void)state;
    check_file(DATA "sharded", DATA "sharded/expected.json");
}

/* What the reader takes, the writer gives back with the same names, types, shapes and metadata. */
static void test_header_round_trip(void **state)
{
    static const char *const names[] = { "dtypes",     "names", "order",
                                         "rank0_zero", "rank8", "metadata_only" };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[256], *header = NULL;
        pe_file *f = NULL;
        pe_st a, b;
        uint64_t data = 0;
        size_t nbytes = 0;
        snprintf(path, sizeof path, DATA "%s.safetensors", names[i]);
        assert_int_equal(pe_file_open(&f, path, NULL), PE_OK);
        assert_int_equal(pe_st_read(&a, f, NULL), PE_OK);
        assert_int_equal(pe_st_arrange(a.entries, a.nentries, &data, NULL), PE_OK);
        assert_int_equal(
            pe_st_header(&header, &nbytes, a.entries, a.nentries, a.metadata, 4096, NULL), PE_OK);
        assert_int_equal(nbytes % 8, 0);
        assert_true(nbytes >= 4096);
        assert_int_equal(pe_st_parse(&b, header, nbytes, nbytes + data, path, NULL), PE_OK);
        assert_int_equal(a.nentries, b.nentries);
        for (size_t j = 0; j < a.nentries; j++) {
            const pe_st_entry *y = &b.entries[j], *x = NULL;
            for (size_t k = 0; k < a.nentries; k++)
                if (!strcmp(a.entries[k].name, y->name)) x = &a.entries[k];
            assert_non_null(x);
            assert_ptr_equal(x->dtype, y->dtype);
            assert_int_equal(x->offset + nbytes, y->offset);
            assert_memory_equal(x->shape, y->shape, sizeof x->shape);
        }
        assert_true(a.metadata == b.metadata || json_equal(a.metadata, b.metadata));
        free(header);
        pe_st_release(&a);
        pe_st_release(&b);
        pe_file_close(f);
    }
}

/* Names in messages: escaped, and cut between characters. */
static void test_names_shown(void **state)
{
    char buf[PE_ST_SHOW], name[400];
    (void)state;
    assert_string_equal(pe_st_show(buf, "a.b"), "\"a.b\"");
    assert_string_equal(pe_st_show(buf, "a\nb\x7f\xc0\x80"), "\"a\\u000ab\\u007f\\u0000\"");
    for (size_t lead = 0; lead < 5; lead++) {
        memset(name, 'x', lead);
        name[lead] = '\0';
        while (strlen(name) < 300) strcat(name, "\xf0\x9f\x98\x80");
        pe_st_show(buf, name);
        assert_true(strlen(buf) < PE_ST_SHOW);
        json_t *j = json_string(buf); /* NULL unless it is valid UTF-8 */
        assert_non_null(j);
        json_decref(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_files),
        cmocka_unit_test(test_shards),
        cmocka_unit_test(test_header_round_trip),
        cmocka_unit_test(test_names_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
