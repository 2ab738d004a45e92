/* tests/formats/test_ckpt_bad.c - checkpoint directories that lie: shard maps, layouts, metadata.
 * Read next: lib/io/ckpt_index.c, lib/io/ckpt_arrays.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/file.h"
#include "lib/io/provenance.h"

static char scratch[] = "/tmp/pe-ckpt-bad-XXXXXX";

static const char *path_of(char buf[512], const char *name)
{
    snprintf(buf, 512, "%s/%s", scratch, name);
    return buf;
}

static void put(const char *name, const void *data, size_t nbytes)
{
    char path[512];
    assert_int_equal(pe_write_atomic(path_of(path, name), data, nbytes, NULL), PE_OK);
}

static void put_text(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

/* A safetensors file of this header and `data` zero bytes, the first `nset` of them 1. */
static void put_weights(const char *name, const char *header, size_t data, size_t nset)
{
    size_t n = strlen(header);
    char *bytes = calloc(1, 8 + n + data);
    for (int i = 0; i < 8; i++) bytes[i] = (char)(n >> (8 * i));
    memcpy(bytes + 8, header, n);
    memset(bytes + 8 + n, 1, nset);
    put(name, bytes, 8 + n + data);
    free(bytes);
}

static int clear(void **state)
{
    char command[600];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'/*", scratch);
    return system(command);
}

static void refused(pe_status want, const char *says)
{
    pe_ckpt *c = NULL;
    pe_error err = { 0 };
    pe_status st = pe_ckpt_open(&c, scratch, &err);
    if (st != want) fail_msg("status %d, expected %d (%s): %s", st, want, says, err.text);
    assert_null(c);
    if (!strstr(err.text, says)) fail_msg("\"%s\" does not say \"%s\"", err.text, says);
}

#define TENSOR(name, begin, end) \
    "\"" name "\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[" begin "," end "]}"
#define INDEX(map) "{\"metadata\":{\"total_size\":8},\"weight_map\":{" map "}}"

static void test_shard_names(void **state)
{
    static const char *const names[] = { "../x", "/etc/passwd", "a/b", "..",       ".",
                                         "",     "a\\\\b",      "C:x", "a\\u0001b" };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char index[256];
        snprintf(index, sizeof index, INDEX("\"w\":\"%s\""), names[i]);
        put_text("model.safetensors.index.json", index);
        refused(PE_E_INPUT, "plain file name");
    }
}

static void test_shard_maps(void **state)
{
    (void)state;
    put_weights("a.safetensors", "{" TENSOR("w", "0", "4") "}", 4, 0);
    put_weights("b.safetensors", "{" TENSOR("v", "0", "4") "}", 4, 0);
    put_text("model.safetensors.index.json",
             INDEX("\"w\":\"a.safetensors\",\"x\":\"b.safetensors\""));
    refused(PE_E_INPUT, "\"x\": it is not in the shard");
    put_text("model.safetensors.index.json",
             INDEX("\"w\":\"a.safetensors\",\"v\":\"c.safetensors\""));
    refused(PE_E_NOTFOUND, "c.safetensors");
    put_text("model.safetensors.index.json", INDEX("\"w\":7"));
    refused(PE_E_INPUT, "not a string");
    put_text("model.safetensors.index.json",
             INDEX("\"w\":\"a.safetensors\",\"w\":\"b.safetensors\""));
    refused(PE_E_INPUT, "duplicate");
    put_text("model.safetensors.index.json", "{\"weight_map\":{}}");
    refused(PE_E_INPUT, "no weight_map");
    put_text("model.safetensors.index.json", "[1]");
    refused(PE_E_INPUT, "no weight_map");
    put_weights("b.safetensors", "{" TENSOR("w", "0", "4") "}", 4, 0);
    put_text("model.safetensors.index.json",
             INDEX("\"w\":\"a.safetensors\",\"v\":\"b.safetensors\""));
    refused(PE_E_INPUT, "not in the shard");
    put_weights("b.safetensors", "{" TENSOR("v", "0", "4") "," TENSOR("w", "4", "8") "}", 8, 0);
    refused(PE_E_INPUT, "in two shards");
}

/* Links are how caches of the hub lay out a model. */
static void test_links(void **state)
{
    char a[512], b[512];
    pe_ckpt *c = NULL;
    (void)state;
    put_weights("blob", "{" TENSOR("w", "0", "4") "}", 4, 0);
    assert_int_equal(symlink(path_of(a, "blob"), path_of(b, "model.safetensors")), 0);
    assert_int_equal(pe_ckpt_open(&c, scratch, NULL), PE_OK);
    assert_non_null(pe_ckpt_find(c, "w"));
    pe_ckpt_close(c);
    unlink(b);
    assert_int_equal(symlink("nowhere", b), 0);
    refused(PE_E_NOTFOUND, "model.safetensors");
    unlink(b);
    assert_int_equal(mkfifo(b, 0600), 0);
    refused(PE_E_INPUT, "FIFO");
}

static void test_directories(void **state)
{
    (void)state;
    refused(PE_E_NOTFOUND, "is it a model directory?");
    put_text("pytorch_model.bin", "x");
    refused(PE_E_UNSUPPORTED, "pytorch_model.bin");
    put_weights("model.safetensors", "{}", 0, 0);
    put_weights("model.pe.safetensors", "{}", 0, 0);
    refused(PE_E_INPUT, "both model.pe.safetensors and model.safetensors");
    char path[512];
    unlink(path_of(path, "model.pe.safetensors"));
    put_text("config.json", "[]");
    refused(PE_E_INPUT, "not a JSON object");
    put_text("config.json", "{\"a\":1,\"a\":2}");
    refused(PE_E_INPUT, "config.json");
}

/* A bitmask matrix [2, 8] of three values. */
#define MASK(n) "\"m.bitmask\":{\"dtype\":\"U8\",\"shape\":[" n ",1],\"data_offsets\":[0,2]}"
#define VALUES(t, n, end) \
    "\"m.values\":{\"dtype\":\"" t "\",\"shape\":[" n "],\"data_offsets\":[2," end "]}"
#define LAYOUT(rest) "{\"pe_layouts\":{\"m\":{" rest "}}}"
#define GOOD         "\"layout\":\"bitmask\",\"shape\":[2,8]"

static void test_layouts(void **state)
{
    static const struct {
        const char *config, *says;
    } bad[] = {
        { "{\"pe_layouts\":[]}", "not an object" },
        { "{\"pe_layouts\":{\"m\":1}}", "expected {\"layout\"" },
        { LAYOUT("\"layout\":\"bitmap\",\"shape\":[2,8]"), "expected {\"layout\"" },
        { LAYOUT("\"layout\":\"dense\",\"shape\":[2,8]"), "expected {\"layout\"" },
        { LAYOUT("\"layout\":\"bitmask\""), "expected {\"layout\"" },
        { LAYOUT("\"layout\":\"bitmask\",\"shape\":[2]"), "expected {\"layout\"" },
        { LAYOUT("\"layout\":\"bitmask\",\"shape\":[2,-8]"), "expected {\"layout\"" },
        { LAYOUT("\"layout\":\"bitmask\",\"shape\":[0,8]"), "empty matrix" },
        { LAYOUT("\"layout\":\"bitmask\",\"shape\":[2,9]"), "is not what layout bitmask of" },
        { LAYOUT("\"layout\":\"bitmask\",\"shape\":[3,8]"), "is not what layout bitmask of" },
        { LAYOUT("\"layout\":\"csr\",\"shape\":[2,8]"), "has no part \".row_ptr\"" },
        { LAYOUT("\"layout\":\"bsr\",\"shape\":[2,8],\"block\":0"), "expected {\"layout\"" },
        { LAYOUT("\"layout\":\"bsr\",\"shape\":[2,8],\"block\":99999"), "expected {\"layout\"" },
        { "{\"pe_layouts\":{\"m.values\":{" GOOD "}}}", "both a plain tensor" },
        { "{\"pe_layouts\":{\"x\":{" GOOD "}}}", "has no part" },
    };
    (void)state;
    put_weights("model.pe.safetensors", "{" MASK("2") "," VALUES("U8", "3", "5") "}", 5, 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        put_text("config.json", bad[i].config);
        refused(PE_E_INPUT, bad[i].says);
    }
    put_text("config.json", LAYOUT(GOOD));
    put_weights("model.pe.safetensors", "{" MASK("2") "," VALUES("C64", "3", "26") "}", 26, 0);
    refused(PE_E_INPUT, "is not what layout");
    put_weights("model.pe.safetensors", "{" MASK("2") "," VALUES("U8", "3,1", "5") "}", 5, 0);
    refused(PE_E_INPUT, "rank 2, expected 1");
}

/* The header is fine, the mask is not: found when the data are read. */
static void test_wrong_mask(void **state)
{
    pe_ckpt *c = NULL;
    pe_error err = { 0 };
    uint8_t out[16];
    (void)state;
    put_text("config.json", LAYOUT(GOOD));
    put_weights("model.pe.safetensors", "{" MASK("2") "," VALUES("U8", "3", "5") "}", 5, 2);
    assert_int_equal(pe_ckpt_open(&c, scratch, NULL), PE_OK);
    const pe_array *a = pe_ckpt_find(c, "m");
    assert_int_equal(a->nelem, 16);
    assert_int_equal(pe_ckpt_read_dense(c, a, out, &err), PE_E_INPUT);
    assert_non_null(strstr(err.text, "not as many bits as there are values"));
    assert_int_equal(pe_ckpt_read_rows(c, a, 0, 1, out, &err), PE_E_ARG);
    assert_int_equal(pe_ckpt_read(c, a, 0, 1, out, 2, &err), PE_E_ARG);
    assert_int_equal(pe_ckpt_read_f32(c, a, (float *)out, &err), PE_E_INPUT);
    pe_ckpt_close(c);
}

/* Eight bytes that claim two thousand million columns. */
static void test_huge_claim(void **state)
{
    (void)state;
    put_text("config.json", LAYOUT("\"layout\":\"csr\",\"shape\":[1,2147483647]"));
    put_weights("model.pe.safetensors",
                "{\"m.row_ptr\":{\"dtype\":\"I32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                "\"m.col\":{\"dtype\":\"I32\",\"shape\":[0],\"data_offsets\":[8,8]},"
                "\"m.values\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[8,8]}}",
                8, 0);
    refused(PE_E_INPUT, "2147483647 elements from 8 stored bytes");
}

static void test_not_finite(void **state)
{
    pe_ckpt *c = NULL;
    pe_error err = { 0 };
    float out[4];
    (void)state;
    put_weights("model.safetensors",
                "{\"w\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[0,8]}}", 8, 0);
    char path[512];
    FILE *f = fopen(path_of(path, "model.safetensors"), "r+b");
    fseek(f, -4, SEEK_END);
    fwrite("\xc0\x7f", 1, 2, f);
    fclose(f);
    assert_int_equal(pe_ckpt_open(&c, scratch, NULL), PE_OK);
    assert_int_equal(pe_ckpt_read_f32(c, pe_ckpt_find(c, "w"), out, &err), PE_E_INPUT);
    assert_non_null(strstr(err.text, "element 2"));
    pe_ckpt_close(c);
}

static void test_provenance(void **state)
{
    static const char *const bad[] = { "x", "{}", "{\\\"schema\\\":\\\"pe.provenance/1\\\"}",
                                       "{\\\"schema\\\":\\\"pe.provenance/1\\\",\\\"history\\\":[],"
                                       "\\\"content\\\":\\\"12\\\"}" };
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        char header[512];
        pe_ckpt *c = NULL;
        json_t *history = NULL;
        pe_error err = { 0 };
        snprintf(header, sizeof header, "{\"__metadata__\":{\"pe\":\"%s\"}}", bad[i]);
        put_weights("model.safetensors", header, 0, 0);
        assert_int_equal(pe_ckpt_open(&c, scratch, NULL), PE_OK);
        assert_int_equal(pe_provenance_history(&history, c, &err), PE_E_INPUT);
        assert_non_null(strstr(err.text, "__metadata__"));
        pe_ckpt_close(c);
    }
}

static int remove_scratch(void **state)
{
    clear(state);
    return rmdir(scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_shard_names, clear),
        cmocka_unit_test_teardown(test_shard_maps, clear),
        cmocka_unit_test_teardown(test_links, clear),
        cmocka_unit_test_teardown(test_directories, clear),
        cmocka_unit_test_teardown(test_layouts, clear),
        cmocka_unit_test_teardown(test_wrong_mask, clear),
        cmocka_unit_test_teardown(test_huge_claim, clear),
        cmocka_unit_test_teardown(test_not_finite, clear),
        cmocka_unit_test_teardown(test_provenance, clear),
    };
    if (!mkdtemp(scratch)) return 1;
    return cmocka_run_group_tests(tests, NULL, remove_scratch);
}
