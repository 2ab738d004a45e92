/* tests/unit/test_roles.c - which matrices passes may touch, and the helpers of parallel loops.
 * Read next: lib/model/roles.def. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/first_error.h"
#include "lib/base/meter.h"
#include "lib/base/pool.h"
#include "lib/model/roles.h"

static void roles_by_name(void **state)
{
    static const struct {
        const char *name;
        pe_role role;
    } cases[] = {
        { "bert.encoder.layer.0.attention.self.query", PE_ROLE_LINEAR },
        { "bert.encoder.layer.11.output.dense", PE_ROLE_LINEAR },
        { "distilbert.transformer.layer.3.ffn.lin1", PE_ROLE_LINEAR },
        { "model.layers.0.self_attn.q_proj", PE_ROLE_LINEAR },
        { "bert.embeddings.word_embeddings", PE_ROLE_EMBEDDING },
        { "embeddings.position_embeddings", PE_ROLE_EMBEDDING },
        { "model.embed_tokens", PE_ROLE_EMBEDDING },
        { "bert.pooler.dense", PE_ROLE_POOLER },
        { "pooler.dense", PE_ROLE_POOLER },
        { "classifier", PE_ROLE_HEAD },
        { "classifier.dense", PE_ROLE_HEAD },
        { "pre_classifier", PE_ROLE_HEAD },
        { "cls.predictions.transform.dense", PE_ROLE_HEAD },
        { "vocab_transform", PE_ROLE_HEAD },
        { "lm_head.dense", PE_ROLE_HEAD },
        { "bert.encoder.layer.0.attention.output.LayerNorm", PE_ROLE_NORM },
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (pe_module_role(cases[i].name) != cases[i].role)
            fail_msg("%s is a %s", cases[i].name, pe_role_name(pe_module_role(cases[i].name)));
    }
}

static void module_of_tensor(void **state)
{
    char *name = NULL;
    (void)state;

    assert_int_equal(pe_module_of_tensor(&name, "a.b.weight", NULL), PE_OK);
    assert_string_equal(name, "a.b");
    free(name);
    assert_int_equal(pe_module_of_tensor(&name, "a.b.bias", NULL), PE_OK);
    assert_null(name);
    assert_int_equal(pe_module_of_tensor(&name, ".weight", NULL), PE_OK);
    assert_null(name);
    assert_int_equal(pe_module_of_tensor(&name, "weight", NULL), PE_OK);
    assert_null(name);
}

static void fail_odd(void *arg, size_t i, int worker)
{
    pe_error err = { 0 };
    pe_status st = PE_OK;
    (void)worker;

    if (i % 2 == 1 && i > 100) st = pe_fail(&err, PE_E_INPUT, "task %zu", i);
    pe_first_error_add(arg, i, st, &err);
}

static void first_error_is_the_lowest(void **state)
{
    pe_pool *pool = NULL;
    (void)state;

    assert_int_equal(pe_pool_new(&pool, 3, NULL), PE_OK);
    for (int round = 0; round < 50; round++) {
        pe_first_error f;
        pe_error err = { 0 };

        pe_first_error_init(&f);
        pe_pool_run(pool, 400, fail_odd, &f);
        assert_int_equal(pe_first_error_take(&f, &err), PE_E_INPUT);
        assert_string_equal(err.text, "task 101");
    }
    pe_pool_free(pool);
}

static bool stop_at_half(void *user, const char *what, uint64_t done, uint64_t total)
{
    uint64_t *last = user;

    assert_string_equal(what, "test");
    *last = done;
    return done < total / 2;
}

static void meter_stops(void **state)
{
    uint64_t last = 0;
    pe_meter m;
    pe_error err = { 0 };
    (void)state;

    pe_meter_init(&m, (pe_progress){ stop_at_half, &last }, "test", 100);
    assert_int_equal(pe_meter_add(&m, 10, &err), PE_OK); /* told: the first one always is */
    assert_int_equal(last, 10);
    assert_int_equal(pe_meter_add(&m, 10, &err), PE_OK); /* too soon to be told */
    assert_int_equal(last, 10);
    assert_int_equal(pe_meter_add(&m, 80, &err), PE_E_CANCELLED); /* the end always is */
    assert_int_equal(last, 100);
    assert_non_null(strstr(err.text, "test"));
    pe_meter_release(&m);
    pe_meter_init(&m, (pe_progress){ 0 }, "silent", 1);
    assert_int_equal(pe_meter_add(&m, 5, NULL), PE_OK);
    pe_meter_release(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roles_by_name),
        cmocka_unit_test(module_of_tensor),
        cmocka_unit_test(first_error_is_the_lowest),
        cmocka_unit_test(meter_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
