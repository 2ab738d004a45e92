/* tests/unit/test_json.c - JSON from hostile files is refused with a place, members are checked.
 * Read next: lib/base/json.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/json.h"

static pe_status parse(json_t **out, const char *text, pe_error *err)
{
    return pe_json_parse(out, text, strlen(text), "x.json", err);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "", "x.json:" },
        { "{", "x.json:1" },
        { "{\"a\":1,\"a\":2}", "duplicate" },
        { "{\"a\":{\"b\":1,\n \"b\":2}}", "x.json:2" },
        { "{} x", "x.json:1" },
        { "{}{}", "x.json:1" },
        { "[1,]", "x.json:1" },
        { "{\"a\":NaN}", "x.json:1" },
        { "[Infinity]", "x.json:1" },
        { "[1e999]", "x.json:1" },
        { "[\"\xff\"]", "x.json:" },
        { "{\"a\\u0000b\":1}", "x.json:1" },
        { "[\"abc", "x.json:1" },
        { "[\"abc\\", "x.json:1" },
        { "5", "x.json:1" },
        { "\"s\"", "x.json:1" },
        { "[01]", "x.json:1" },
        { "[--1000000000000000000000]", "x.json:1" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *v = NULL;
        pe_error err = { 0 };
        if (parse(&v, cases[i].text, &err) != PE_E_INPUT) fail_msg("accepted: %s", cases[i].text);
        assert_null(v);
        if (!strstr(err.text, cases[i].says)) fail_msg("%s: %s", cases[i].text, err.text);
    }
    json_t *v = NULL;
    assert_int_equal(pe_json_parse(&v, "[1]\0[", 5, "x", NULL), PE_E_INPUT);
}

static void test_depth(void **state)
{
    (void)state;
    json_t *v = NULL;
    pe_error err = { 0 };
    enum { BIG = 1 << 20 };
    char *deep = malloc(BIG + 1);
    assert_non_null(deep);
    memset(deep, '[', BIG);
    deep[BIG] = '\0';
    assert_int_equal(parse(&v, deep, &err), PE_E_INPUT);
    assert_non_null(strstr(err.text, "x.json:1:65: nested deeper than 64"));
    memset(deep + 64, ']', 64);
    deep[128] = '\0';
    assert_int_equal(parse(&v, deep, &err), PE_OK);
    json_decref(v);
    for (int i = 0; i < 130; i++) memcpy(deep + 5 * i, "{\"a\":", 6);
    assert_int_equal(parse(&v, deep, &err), PE_E_INPUT);
    assert_non_null(strstr(err.text, "deeper"));
    strcpy(deep, "[\"[[[[");
    memset(deep + 6, '[', 100); /* brackets in a string do not nest */
    strcpy(deep + 106, "\\\"[\"]");
    assert_int_equal(parse(&v, deep, &err), PE_OK);
    json_decref(v);
    free(deep);
}

static void test_long_integers(void **state)
{
    (void)state;
    json_t *v = NULL;
    const char *text =
        "{\"model_max_length\": 1000000000000000019884624838656, \"b\": [-123456789012345678901,"
        "999999999999999999], \"s\": \"12345678901234567890\", \"c\": 1e30}";
    assert_int_equal(parse(&v, text, NULL), PE_OK);
    const json_t *b = json_object_get(v, "b");
    assert_true(json_real_value(json_object_get(v, "model_max_length")) == 1e30);
    assert_true(json_is_real(json_array_get(b, 0)));
    assert_int_equal(json_integer_value(json_array_get(b, 1)), 999999999999999999LL);
    assert_string_equal(json_string_value(json_object_get(v, "s")), "12345678901234567890");
    json_decref(v);
}

static void test_members(void **state)
{
    (void)state;
    json_t *o = NULL;
    pe_error err = { 0 };
    int64_t n = -7;
    double d = -7;
    bool b = true;
    const char *s = "default";
    assert_int_equal(
        parse(&o, "{\"n\":5,\"d\":1.5,\"b\":false,\"s\":\"x\",\"z\":null,\"l\":[]}", NULL), PE_OK);
    assert_int_equal(pe_json_int(&n, o, "n", 1, 5, true, "cfg", &err), PE_OK);
    assert_int_equal(n, 5);
    assert_int_equal(pe_json_int(&n, o, "n", 6, 9, true, "cfg", &err), PE_E_INPUT);
    assert_string_equal(err.text, "cfg: \"n\": found 5, expected 6 to 9");
    assert_int_equal(pe_json_int(&n, o, "n", 1, 4, true, "cfg", &err), PE_E_INPUT);
    assert_int_equal(pe_json_int(&n, o, "d", 0, 9, true, "cfg", &err), PE_E_INPUT);
    assert_int_equal(pe_json_int(&n, o, "no", 0, 9, false, "cfg", &err), PE_OK);
    assert_int_equal(pe_json_int(&n, o, "z", 0, 9, false, "cfg", &err), PE_OK);
    assert_int_equal(n, 5);
    assert_int_equal(pe_json_int(&n, o, "no", 0, 9, true, "cfg", &err), PE_E_INPUT);
    assert_string_equal(err.text, "cfg: \"no\" is missing");
    assert_int_equal(pe_json_int(&n, o, "z", 0, 9, true, "cfg", &err), PE_E_INPUT);
    assert_int_equal(pe_json_num(&d, o, "n", true, "cfg", &err), PE_OK);
    assert_true(d == 5);
    assert_int_equal(pe_json_num(&d, o, "d", true, "cfg", &err), PE_OK);
    assert_true(d == 1.5);
    assert_int_equal(pe_json_num(&d, o, "s", true, "cfg", &err), PE_E_INPUT);
    assert_int_equal(pe_json_bool(&b, o, "b", true, "cfg", &err), PE_OK);
    assert_false(b);
    assert_int_equal(pe_json_bool(&b, o, "n", true, "cfg", &err), PE_E_INPUT);
    assert_int_equal(pe_json_str(&s, o, "no", false, "cfg", &err), PE_OK);
    assert_string_equal(s, "default");
    assert_int_equal(pe_json_str(&s, o, "s", true, "cfg", &err), PE_OK);
    assert_string_equal(s, "x");
    assert_int_equal(pe_json_str(&s, o, "l", true, "cfg", &err), PE_E_INPUT);
    assert_non_null(strstr(err.text, "found a list, expected a string"));
    assert_int_equal(pe_json_str(&s, json_object_get(o, "l"), "k", false, "cfg", &err), PE_E_INPUT);
    assert_int_equal(pe_json_str(&s, NULL, "k", false, "cfg", &err), PE_E_INPUT);
    json_decref(o);
}

static void test_text(void **state)
{
    (void)state;
    json_t *o = json_object();
    json_object_set_new(o, "b", pe_json_real(0.1));
    json_object_set_new(o, "a", json_integer(1));
    json_object_set_new(o, "nan", pe_json_real(NAN));
    json_object_set_new(o, "inf", pe_json_real(-INFINITY));
    json_object_set_new(o, "f", pe_json_real((double)1.1920929e-7f));
    char *text = pe_json_text(o, 0);
    assert_string_equal(text, "{\"a\":1,\"b\":0.1,\"f\":1.1920929e-7,\"inf\":null,\"nan\":null}\n");
    free(text);
    text = pe_json_text(o, 2);
    assert_non_null(strstr(text, "{\n  \"a\": 1,\n"));
    free(text);
    json_decref(o);
}

static void test_load(void **state)
{
    (void)state;
    char path[] = "/tmp/pe-json-XXXXXX";
    pe_error err = { 0 };
    json_t *v = NULL;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(pe_write_at(fd, 0, "{\"a\":[1]}", 9, path, NULL), PE_OK);
    close(fd);
    assert_int_equal(pe_json_load(&v, path, 9, &err), PE_OK);
    json_decref(v);
    assert_int_equal(pe_json_load(&v, path, 8, &err), PE_E_INPUT);
    assert_non_null(strstr(err.text, "8 bytes"));
    unlink(path);
    assert_int_equal(pe_json_load(&v, path, 8, &err), PE_E_NOTFOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_depth),
        cmocka_unit_test(test_long_integers), cmocka_unit_test(test_members),
        cmocka_unit_test(test_text),          cmocka_unit_test(test_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
