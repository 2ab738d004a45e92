/* tests/unit/test_plan_queue.c - a plan on a device whose calls only queue: whatever fails, all is
 * waited for before the memory may go, and the message is that of the op that failed.
 * Read next: lib/plan/plan_run.c, tests/emu/limits.sh (the emulated GPU). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/plan/plan.h"

enum { D = 32, VOCAB = 4, N = 3 };

/* The host's functions, as a device's: work is queued until sync. */
static const pe_backend *cpu;
static pe_backend device;
static int nqueued, nsyncs;
static bool norm_fails, sync_fails;

static pe_status queue_embed(pe_queue *q, const pe_embed_call *c, pe_error *err)
{
    nqueued++;
    return cpu->embed(q, c, err);
}

static pe_status queue_norm(pe_queue *q, const pe_norm_call *c, pe_error *err)
{
    if (norm_fails) return pe_fail(err, PE_E_UNSUPPORTED, "the norm was refused");
    nqueued++;
    return cpu->layernorm(q, c, err);
}

static pe_status queue_check(pe_queue *q, const pe_check_call *c, pe_error *err)
{
    nqueued++;
    return cpu->check_finite(q, c, err);
}

static pe_status queue_upload(pe_queue *q, void *dst, const void *src, size_t n, pe_error *err)
{
    nqueued++;
    return cpu->upload(q, dst, src, n, err);
}

static pe_status queue_download(pe_queue *q, void *dst, const void *src, size_t n, pe_error *err)
{
    nqueued++;
    return cpu->download(q, dst, src, n, err);
}

static pe_status wait_for_all(pe_queue *q, pe_error *err)
{
    (void)q;
    nqueued = 0;
    nsyncs++;
    return sync_fails && nsyncs > 1 ? pe_fail(err, PE_E_UNSUPPORTED, "the device is gone") : PE_OK;
}

static int setup(void **state)
{
    (void)state;
    if (pe_backend_cpu(&cpu, NULL)) return -1;
    device = *cpu;
    device.name = "queue";
    device.host = false;
    device.embed = queue_embed;
    device.layernorm = queue_norm;
    device.check_finite = queue_check;
    device.upload = queue_upload;
    device.download = queue_download;
    device.sync = wait_for_all;
    return 0;
}

/* Embeddings and their norm, checked; `word` of the first token is in every row. */
static pe_status run(float word, float out[N][D], pe_error *err)
{
    static const int32_t ids[N] = { 0, 1, 3 }, zeros[N];
    static const uint32_t row_begin[] = { 0, N };
    static float table[VOCAB][D], one[D], zero[D];
    pe_tables tables = { .word = table[0] };
    pe_plan p;
    pe_lane lane;
    for (size_t i = 0; i < D; i++) one[i] = 1, table[1][i] = (float)i, table[0][i] = word;
    pe_plan_init(&p);
    pe_op embed = { .kind = PE_OPK_embed, .in = { -1, -1, -1 }, .name = "e", .tables = &tables };
    int x = pe_plan_add(&p, embed, PE_PER_TOKEN, D, PE_OUT_NONE);
    pe_op norm = { .kind = PE_OPK_norm, .in = { x, -1, -1 }, .name = "n", .check = true };
    norm.gamma = one;
    norm.beta = zero;
    norm.eps = 1e-6f;
    (void)pe_plan_add(&p, norm, PE_PER_TOKEN, D, PE_OUT_LOGITS);
    assert_int_equal(pe_plan_finish(&p, NULL), PE_OK);
    pe_plan_input in = { .nrows = 1, .ntokens = N, .longest = N, .row_begin = row_begin };
    in.first = in.ones = row_begin;
    in.ids = ids;
    in.type_ids = in.pos_ids = in.task_ids = zeros;
    pe_lane_init(&lane, &device, NULL);
    nsyncs = 0;
    pe_status st = pe_plan_run(&p, &lane, &in, (float *[]){ out[0] }, err);
    assert_int_equal(nqueued, 0);
    pe_lane_release(&lane);
    pe_plan_release(&p);
    return st;
}

static void test_all_well(void **state)
{
    float out[N][D];
    (void)state;
    assert_int_equal(run(2, out, NULL), PE_OK);
    assert_true(out[0][0] == 0 && out[1][0] < -1 && out[1][D - 1] > 1);
}

static void test_refused(void **state)
{
    float out[N][D];
    (void)state;
    for (int twice = 0; twice < 2; twice++) {
        pe_error err = { 0 };
        norm_fails = true;
        sync_fails = twice;
        assert_int_equal(run(2, out, &err), PE_E_UNSUPPORTED);
        assert_string_equal(err.text, "the norm was refused");
        norm_fails = sync_fails = false;
    }
}

static void test_lost(void **state)
{
    float out[N][D];
    pe_error err = { 0 };
    (void)state;
    sync_fails = true;
    assert_int_equal(run(2, out, &err), PE_E_UNSUPPORTED);
    assert_string_equal(err.text, "the device is gone");
    sync_fails = false;
}

/* Only the flags tell, at the end. */
static void test_not_finite(void **state)
{
    float out[N][D];
    pe_error err = { 0 };
    (void)state;
    assert_int_equal(run(NAN, out, &err), PE_E_INPUT);
    assert_non_null(strstr(err.text, "n (layernorm): the result holds NaN"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_well),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_not_finite),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
