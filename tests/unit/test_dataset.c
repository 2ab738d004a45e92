/* tests/unit/test_dataset.c - rows from TSV, CSV, JSONL, plain text and gzip; bad rows are named.
 * Read next: lib/io/dataset.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <pe/data.h>

#include "formats/gzip.h"
#include "lib/base/digest.h"
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

static const char *store(const char *name, const void *data, size_t nbytes)
{
    const char *path = scratch_path(folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, nbytes, f), nbytes);
    assert_int_equal(fclose(f), 0);
    return path;
}

static pe_dataset *good(const char *name, const char *data, const pe_data_params *p)
{
    pe_dataset *d = NULL;
    pe_error err = { 0 };
    if (pe_dataset_open(&d, store(name, data, strlen(data)), p, &err)) fail_msg("%s", err.text);
    return d;
}

static void row_is(const pe_dataset *d, size_t i, const char *text, const char *label, size_t line)
{
    const pe_row *r = pe_dataset_row(d, i);
    assert_non_null(r);
    assert_string_equal(r->text, text);
    assert_int_equal(r->text_nbytes, strlen(text));
    if (label) assert_string_equal(r->label, label);
    else assert_null(r->label);
    assert_int_equal(r->line, line);
}

static void bad(const char *name, const void *data, size_t nbytes, const pe_data_params *p,
                pe_status st, const char *part)
{
    pe_dataset *d = NULL;
    pe_error err = { 0 };
    assert_int_equal(pe_dataset_open(&d, store(name, data, nbytes), p, &err), st);
    assert_null(d);
    assert_int_equal(err.status, st);
    if (!strstr(err.text, part)) fail_msg("\"%s\" lacks \"%s\"", err.text, part);
}

#define BAD(name, text, part) bad(name, text, sizeof(text) - 1, NULL, PE_E_INPUT, part)

static void test_tsv(void **state)
{
    (void)state;
    pe_dataset *d = good("a.tsv", "label\ttext\n1\tone \"x\"\n0\t\n2\tlast", NULL);
    assert_int_equal(pe_dataset_nrows(d), 3);
    row_is(d, 0, "one \"x\"", "1", 2);
    row_is(d, 1, "", "0", 3);
    row_is(d, 2, "last", "2", 4);
    assert_null(pe_dataset_row(d, 3));
    pe_dataset_close(d);
    d = good("a.tsv", "\xef\xbb\xbftext\tother\r\nx y\tz\r\n", NULL); /* BOM, CRLF, no label */
    row_is(d, 0, "x y", NULL, 2);
    pe_dataset_close(d);
    const pe_data_params p = { .text = "q", .text2 = "a", .label = "y", .limit = 1 };
    d = good("a.tsv", "y\ta\tq\n1\tanswer\tquestion\nthis row is never read\n", &p);
    assert_int_equal(pe_dataset_nrows(d), 1);
    row_is(d, 0, "question", "1", 2);
    assert_string_equal(pe_dataset_row(d, 0)->text2, "answer");
    assert_int_equal(pe_dataset_row(d, 0)->text2_nbytes, 6);
    pe_dataset_close(d);
    d = good("a.tsv", "text\n\nb\n", NULL); /* in a single column an empty line is an empty text */
    row_is(d, 0, "", NULL, 2);
    row_is(d, 1, "b", NULL, 3);
    pe_dataset_close(d);
}

static void test_csv(void **state)
{
    (void)state;
    pe_dataset *d =
        good("a.csv",
             "text,label\nplain,a\n\"with, comma\",b\n\"two\nlines \"\"quoted\"\"\",c\r\n"
             "\"\",d\n,e\nend,\"f\"",
             NULL);
    assert_int_equal(pe_dataset_nrows(d), 6);
    row_is(d, 0, "plain", "a", 2);
    row_is(d, 1, "with, comma", "b", 3);
    row_is(d, 2, "two\nlines \"quoted\"", "c", 4);
    row_is(d, 3, "", "d", 6);
    row_is(d, 4, "", "e", 7);
    row_is(d, 5, "end", "f", 8);
    pe_dataset_close(d);
    d = good("a.csv", "text,label\nx,", NULL);
    row_is(d, 0, "x", "", 2);
    pe_dataset_close(d);
    d = good("a.csv", "text,label\r\nx,y\r", NULL); /* half a line end at the end of the file */
    row_is(d, 0, "x", "y", 2);
    pe_dataset_close(d);
}

static void test_jsonl(void **state)
{
    (void)state;
    pe_dataset *d = good("a.jsonl",
                         "{\"text\": \"a \\\"b\\\" \\u00e9\\ud83d\\ude00\", \"label\": \"x\"}\n"
                         "{\"label\": 3, \"text\": \"t\"}\n{\"label\": 0.1, \"text\": \"u\"}\n"
                         "{\"label\": true, \"text\": \"v\"}\r\n{\"label\": null, \"text\": "
                         "\"w\"}\n{\"text\": \"\"}",
                         NULL);
    assert_int_equal(pe_dataset_nrows(d), 6);
    row_is(d, 0, "a \"b\" é😀", "x", 1);
    row_is(d, 1, "t", "3", 2);
    row_is(d, 2, "u", "0.10000000000000001", 3);
    row_is(d, 3, "v", "true", 4);
    row_is(d, 4, "w", NULL, 5);
    row_is(d, 5, "", NULL, 6);
    pe_dataset_close(d);
    const pe_data_params p = { .text = "a", .text2 = "b" };
    d = good("a.jsonl", "{\"a\":\"1\",\"b\":\"22\",\"label\":\"333\"}", &p);
    row_is(d, 0, "1", "333", 1);
    assert_string_equal(pe_dataset_row(d, 0)->text2, "22");
    pe_dataset_close(d);
}

static void test_txt(void **state)
{
    (void)state;
    pe_dataset *d = good("a.txt", "one\ttab\n\nthree\r\n", NULL);
    assert_int_equal(pe_dataset_nrows(d), 3);
    row_is(d, 0, "one\ttab", NULL, 1);
    row_is(d, 1, "", NULL, 2);
    row_is(d, 2, "three", NULL, 3);
    pe_dataset_close(d);
    const pe_data_params p = { .format = "txt", .text2 = "b" };
    bad("a", "x\n", 2, &p, PE_E_ARG, "no column \"b\"");
}

static void test_bad_rows(void **state)
{
    (void)state;
    BAD("b.tsv", "", "b.tsv: empty");
    BAD("b.tsv", "text\tlabel\n", "b.tsv: no rows");
    BAD("b.tsv", "text\tlabel\nx\t1\nonly one\n", "b.tsv:3: found 1 columns, expected 2");
    BAD("b.tsv", "text\tlabel\nx\t1\ty\n", "b.tsv:2: found 3 columns, expected 2");
    BAD("b.tsv", "text\tlabel\n\n", "b.tsv:2: found 1 columns");
    BAD("b.tsv", "sentence\tlabel\nx\t1\n", "b.tsv:1: no column \"text\", found: sentence, label");
    BAD("b.tsv", "text\ttext\nx\t1\n", "b.tsv:1: two columns \"text\"");
    BAD("b.tsv", "text\nok\nb\xff\x61\n", "b.tsv:3: byte 0xff at column 2 is not UTF-8");
    BAD("b.tsv", "text\na\0b\n", "b.tsv:2: a NUL byte");
    BAD("b.csv", "text,label\nx\n", "b.csv:2: found 1 columns, expected 2");
    BAD("b.csv", "text,label\n\"a\nb\",1\n\"open,2\n", "b.csv:4: the quote that opens");
    BAD("b.csv", "text,label\n\"a\"b,1\n", "b.csv:2: found text after a closing quote");
    BAD("b.csv", "text,label\na\"b,1\n", "b.csv:2: found a quote inside");
    BAD("b.csv", "text,label\na\rb,1\n", "b.csv:2: found a lone carriage return");
    BAD("b.csv", "text,label\n\"\xc3\",1\n", "b.csv:2: byte 0xc3 in a field is not UTF-8");
    BAD("b.csv", "text,label\n\"x\0\",1\n", "b.csv:2: a NUL byte");
    BAD("b.jsonl", "{\"text\":\"a\"}\n{\"text\":}\n", "b.jsonl:2: not valid JSON");
    BAD("b.jsonl", "{\"text\":\"a\"}\n\n", "b.jsonl:2: not valid JSON");
    BAD("b.jsonl", "[1]\n", "b.jsonl:1: expected a JSON object");
    BAD("b.jsonl", "{\"label\":1}\n", "b.jsonl:1: no \"text\"");
    BAD("b.jsonl", "{\"text\":1}\n", "b.jsonl:1: \"text\" is not a string");
    BAD("b.jsonl", "{\"text\":\"a\",\"label\":[]}\n", "b.jsonl:1: \"label\" is not");
    BAD("b.jsonl", "{\"text\":\"a\",\"text\":\"b\"}\n", "b.jsonl:1: not valid JSON");
}

static void test_bad_arguments(void **state)
{
    (void)state;
    const pe_data_params label = { .label = "y" }, same = { .text = "a", .text2 = "a" },
                         both = { .text = "a", .label = "a" }, format = { .format = "xls" },
                         moved = { .text = "label" };
    static const char rows[] = "text\nx\n";
    bad("c.tsv", rows, sizeof rows - 1, &label, PE_E_INPUT,
        "c.tsv:1: no column \"y\", found: text");
    bad("c.tsv", rows, sizeof rows - 1, &same, PE_E_ARG, "same column");
    bad("c.tsv", rows, sizeof rows - 1, &both, PE_E_ARG, "same column");
    bad("c.tsv", rows, sizeof rows - 1, &format, PE_E_ARG, "expected tsv, csv, jsonl or txt");
    bad("c.dat", rows, sizeof rows - 1, NULL, PE_E_ARG, "expected tsv, csv, jsonl or txt");
    pe_dataset *d = good("c.tsv", "label\nx\n", &moved);
    row_is(d, 0, "x", NULL, 2);
    pe_dataset_close(d);
    pe_error err = { 0 };
    assert_int_equal(pe_dataset_open(&d, scratch_path(folder, "none.tsv"), NULL, &err),
                     PE_E_NOTFOUND);
    assert_non_null(strstr(err.text, "none.tsv"));
}

static size_t pack(unsigned char *out, size_t capacity, const void *data, size_t nbytes)
{
    z_stream z = { 0 };
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)nbytes;
    z.next_out = out;
    z.avail_out = (uInt)capacity;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out;
}

static void test_gzip(void **state)
{
    (void)state;
    static const char rows[] = "text\tlabel\nalpha\t1\nbeta\t2\n";
    unsigned char packed[512];
    size_t n = pack(packed, sizeof packed, rows, sizeof rows - 1);
    pe_dataset *d = NULL, *plain = good("d.tsv", rows, NULL);
    assert_int_equal(pe_dataset_open(&d, store("d.tsv.gz", packed, n), NULL, NULL), PE_OK);
    row_is(d, 1, "beta", "2", 3);
    assert_string_equal(pe_dataset_digest(d), pe_dataset_digest(plain));
    char want[PE_DIGEST_TEXT];
    pe_digest digest = pe_digest_of(rows, sizeof rows - 1);
    pe_digest_format(want, &digest);
    assert_string_equal(pe_dataset_digest(d), want);
    pe_dataset_close(d);
    pe_dataset_close(plain);
    for (size_t cut = 0; cut < n; cut++)
        bad("d.tsv.gz", packed, cut, NULL, PE_E_INPUT, "d.tsv.gz: ");
    bad("d.tsv.gz", packed, n - 1, NULL, PE_E_INPUT, "cut short");
    packed[n - 6] ^= 1; /* checksum */
    bad("d.tsv.gz", packed, n, NULL, PE_E_INPUT, "damaged");
    packed[n - 6] ^= 1;
    memcpy(packed + n, "junk", 4);
    bad("d.tsv.gz", packed, n + 4, NULL, PE_E_INPUT, "followed by 4 other bytes");
    memset(packed + n, 0, 8); /* padding is fine */
    assert_int_equal(pe_dataset_open(&d, store("d.tsv.gz", packed, n + 8), NULL, NULL), PE_OK);
    pe_dataset_close(d);
    n += pack(packed + n, sizeof packed - n, "gamma\t3\n", 8); /* a second member */
    assert_int_equal(pe_dataset_open(&d, store("d.tsv.gz", packed, n), NULL, NULL), PE_OK);
    row_is(d, 2, "gamma", "3", 4);
    pe_dataset_close(d);
}

static void test_gzip_cap(void **state)
{
    (void)state;
    static char zeros[100000];
    static unsigned char packed[1000];
    size_t n = pack(packed, sizeof packed, zeros, sizeof zeros), got = 0;
    char *out = NULL;
    pe_error err = { 0 };
    assert_int_equal(pe_gzip_unpack(&out, &got, packed, n, sizeof zeros, "z", &err), PE_OK);
    assert_int_equal(got, sizeof zeros);
    assert_int_equal(out[got], 0);
    free(out);
    assert_int_equal(pe_gzip_unpack(&out, &got, packed, n, sizeof zeros - 1, "z", &err),
                     PE_E_INPUT);
    assert_non_null(strstr(err.text, "z: more than 99999 bytes"));
}

static void test_stdin(void **state)
{
    (void)state;
    const pe_data_params p = { .format = "tsv" };
    pe_dataset *d = NULL;
    pe_error err = { 0 };
    int saved = dup(0);
    assert_non_null(freopen(store("e.tsv", "text\nfrom stdin\n", 16), "r", stdin));
    assert_int_equal(pe_dataset_open(&d, "-", NULL, &err), PE_E_ARG);
    assert_int_equal(pe_dataset_open(&d, "-", &p, &err), PE_OK);
    row_is(d, 0, "from stdin", NULL, 2);
    pe_dataset_close(d);
    assert_int_equal(dup2(saved, 0), 0);
    close(saved);
}

static void test_shipped(void **state)
{
    (void)state;
    pe_dataset *d = NULL;
    pe_error err = { 0 };
    if (pe_dataset_open(&d, "recipes/sentiment/data/sentiment-train.tsv.gz", NULL, &err))
        fail_msg("%s", err.text);
    assert_true(pe_dataset_nrows(d) > 1000);
    for (size_t i = 0; i < pe_dataset_nrows(d); i++) {
        assert_non_null(pe_dataset_row(d, i)->label);
        assert_int_equal(pe_dataset_row(d, i)->line, i + 2);
    }
    pe_dataset_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tsv),      cmocka_unit_test(test_csv),
        cmocka_unit_test(test_jsonl),    cmocka_unit_test(test_txt),
        cmocka_unit_test(test_bad_rows), cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_gzip),     cmocka_unit_test(test_gzip_cap),
        cmocka_unit_test(test_stdin),    cmocka_unit_test(test_shipped),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
