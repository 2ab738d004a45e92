/* tests/unit/test_rng.c - Philox against its known answers, and streams of draws.
 * Read next: lib/base/rng.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "lib/base/json.h"
#include "lib/base/rng.h"

static json_t *golden;

static int load_golden(void **state)
{
    (void)state;
    return pe_json_load(&golden, "tests/golden/data/stats/philox.json", 1 << 20, NULL);
}

static int drop_golden(void **state)
{
    (void)state;
    json_decref(golden);
    return 0;
}

static uint32_t word(const json_t *list, size_t i)
{
    const json_t *v = json_array_get(list, i);
    assert_true(json_is_integer(v));
    return (uint32_t)json_integer_value(v);
}

static void test_known_answers(void **state)
{
    (void)state;
    const json_t *vectors = json_object_get(golden, "vectors");
    assert_true(json_array_size(vectors) >= 3);
    for (size_t i = 0; i < json_array_size(vectors); i++) {
        const json_t *v = json_array_get(vectors, i);
        uint32_t counter[4], key[2], out[4];
        for (size_t j = 0; j < 4; j++) counter[j] = word(json_object_get(v, "counter"), j);
        for (size_t j = 0; j < 2; j++) key[j] = word(json_object_get(v, "key"), j);
        pe_philox4x32(out, counter, key);
        for (size_t j = 0; j < 4; j++) assert_int_equal(out[j], word(json_object_get(v, "out"), j));
    }
}

static void open_golden_stream(pe_rng *r, const json_t **draws)
{
    const json_t *s = json_object_get(golden, "stream");
    uint64_t seed = strtoull(json_string_value(json_object_get(s, "seed")), NULL, 10);
    pe_rng_init(r, seed, (uint32_t)json_integer_value(json_object_get(s, "stream")),
                (uint32_t)json_integer_value(json_object_get(s, "index")));
    *draws = json_object_get(s, "u32");
    assert_true(json_array_size(*draws) > 16);
}

static void test_stream(void **state)
{
    (void)state;
    pe_rng r;
    const json_t *draws;
    open_golden_stream(&r, &draws);
    for (size_t i = 0; i < json_array_size(draws); i++)
        assert_int_equal(pe_rng_u32(&r), word(draws, i));
}

static void test_seek(void **state)
{
    (void)state;
    pe_rng r;
    const json_t *draws;
    open_golden_stream(&r, &draws);
    for (size_t i = json_array_size(draws); i-- > 0;) {
        pe_rng_seek(&r, i);
        assert_int_equal(pe_rng_u32(&r), word(draws, i));
    }
}

static void test_below(void **state)
{
    (void)state;
    pe_rng r;
    int seen[7] = { 0 };
    pe_rng_init(&r, 42, 0, 0);
    for (int i = 0; i < 7000; i++) {
        uint32_t v = pe_rng_below(&r, 7);
        assert_true(v < 7);
        seen[v]++;
    }
    for (int i = 0; i < 7; i++) assert_in_range(seen[i], 850, 1150);
    assert_int_equal(pe_rng_below(&r, 1), 0);
    /* 3 * 2^30: a quarter of all draws must be rejected, and the thirds stay equal */
    int third[3] = { 0 };
    pe_rng_init(&r, 1, 0, 0);
    for (int i = 0; i < 3000; i++) third[pe_rng_below(&r, 3u << 30) >> 30]++;
    for (int i = 0; i < 3; i++) assert_in_range(third[i], 880, 1120);
    assert_in_range(r.next, 3800, 4200);
}

static void test_unit(void **state)
{
    (void)state;
    pe_rng a, b;
    pe_rng_init(&a, 7, 1, 2);
    b = a;
    double sum = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t high = pe_rng_u32(&b), low = pe_rng_u32(&b);
        double v = pe_rng_unit(&a);
        assert_true(v >= 0 && v < 1);
        assert_true(v == (double)((high << 32 | low) >> 11) / 9007199254740992.0);
        sum += v;
    }
    assert_true(sum > 450 && sum < 550);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers), cmocka_unit_test(test_stream),
        cmocka_unit_test(test_seek),          cmocka_unit_test(test_below),
        cmocka_unit_test(test_unit),
    };
    return cmocka_run_group_tests(tests, load_golden, drop_golden);
}
