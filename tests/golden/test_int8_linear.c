/* tests/golden/test_int8_linear.c - rows of activations to codes, exact sums and outputs of int8
 * layers as numpy computed them, at every CPU level and in every form. Read next:
 * kernels/ref/ref_s8.c. */
#include "lib/base/checked.h"
#include "tests/goldfile.h"
#include "tests/kernels/levels.h"

#define DIR "tests/golden/data/prune_quant/"

/* Tensors of the file lie at any offset: a copy is aligned. */
static void *tensor(gold_tensors t, const json_t *c, const char *key)
{
    const char *name = json_string_value(json_object_get(c, key));
    const json_t *at = json_object_get(json_object_get(t.head, name), "data_offsets");
    size_t nelem, nbytes = (size_t)(json_integer_value(json_array_get(at, 1)) -
                                    json_integer_value(json_array_get(at, 0)));
    void *copy = aligned_bytes(nbytes);
    memcpy(copy, gold_tensor(t, name, &nelem), nbytes);
    return copy;
}

static size_t dim(gold_tensors t, const json_t *c, const char *key, size_t i)
{
    const json_t *e = json_object_get(t.head, json_string_value(json_object_get(c, key)));
    return (size_t)json_integer_value(json_array_get(json_object_get(e, "shape"), i));
}

static void *aligned_rows(const int8_t *q, size_t m, size_t k, size_t ld)
{
    int8_t *x = aligned_bytes(m * ld);
    memset(x, 0, m * ld);
    for (size_t t = 0; t < m; t++) memcpy(x + t * ld, q + t * k, k);
    return x;
}

static pe_quantize_call quantize(const json_t *c, const pe_kernels *k, const float *x, size_t m,
                                 size_t kn)
{
    bool dynamic = json_object_get(c, "div") != NULL;
    size_t ld = pe_round_up(kn, 64);
    pe_quantize_call call = { .q = aligned_bytes(m * ld),
                              .scale = aligned_bytes(m * sizeof(float)),
                              .x = x,
                              .ldq = ld,
                              .ldx = kn,
                              .m = m,
                              .k = kn };
    if (dynamic) call.div = (float)gold_num(c, "div");
    else {
        call.zero = aligned_bytes(m * sizeof(int32_t));
        call.static_scale = (float)gold_num(c, "scale");
        call.static_zero = (int32_t)gold_num(c, "zero_point");
    }
    k->quantize_rows(&call);
    return call;
}

static void run(float *y, const pe_linear_form *f, const pe_quantize_call *q, const int8_t *w,
                size_t n, const float *wscale, const float *bias, const float *xscale)
{
    pe_matrix mat = { .n = n, .k = q->k, .s8 = w };
    void *packed = aligned_bytes(f->packed_nbytes(&mat)),
         *scratch = aligned_bytes(f->scratch_nbytes(q->m, n, q->k, 1));
    int32_t *wsum = aligned_bytes(n * sizeof *wsum);
    for (size_t i = 0; i < n; i++) {
        wsum[i] = 0;
        for (size_t j = 0; j < q->k; j++) wsum[i] += w[i * q->k + j];
    }
    f->pack(packed, &mat);
    pe_linear_call c = { .y = y,
                         .xq = q->q,
                         .xscale = xscale,
                         .xzero = q->zero,
                         .ldy = n,
                         .ldx = q->ldq,
                         .m = q->m,
                         .n = n,
                         .k = q->k,
                         .packed = packed,
                         .wscale = wscale,
                         .wsum = wsum,
                         .bias = bias,
                         .scratch = scratch };
    f->run(&c);
    free(packed);
    free(scratch);
    free(wsum);
}

/* Sums show themselves when every scale is 1: what is compared is the float next to the exact
 * sum. */
static void check_forms(gold_tensors t, const json_t *c, const pe_kernels *k,
                        const pe_quantize_call *q)
{
    size_t n = dim(t, c, "w_q", 0), m = q->m;
    int8_t *w = tensor(t, c, "w_q");
    float *wscale = tensor(t, c, "w_scale"), *bias = tensor(t, c, "bias");
    float *want = tensor(t, c, "y"), *y = aligned_bytes(m * n * sizeof *y), *ones;
    int32_t *acc = tensor(t, c, "acc");
    ones = aligned_bytes((m + n) * sizeof *ones);
    for (size_t i = 0; i < m + n; i++) ones[i] = 1;
    for (int form = PE_FORM_S8_DENSE; form <= PE_FORM_S8_BLOCK4; form++) {
        run(y, k->form[form], q, w, n, ones, NULL, ones);
        for (size_t i = 0; i < m * n; i++) assert_true(y[i] == (float)acc[i]);
        run(y, k->form[form], q, w, n, wscale, bias, q->scale);
        for (size_t i = 0; i < m * n; i++) gold_near(y[i], want[i], 1e-6, 2e-6, "y");
    }
    free(w), free(wscale), free(bias), free(want), free(y), free(acc), free(ones);
}

static void check_case(gold_tensors t, const json_t *c, const pe_kernels *k)
{
    size_t m = dim(t, c, "x", 0), kn = dim(t, c, "x", 1);
    float *x = tensor(t, c, "x"), *scale = NULL;
    int8_t *codes = tensor(t, c, "x_q"), *rows;
    pe_quantize_call q = quantize(c, k, x, m, kn);
    rows = aligned_rows(codes, m, kn, q.ldq);
    assert_memory_equal(q.q, rows, m * q.ldq);
    if (json_object_get(c, "x_scale")) {
        scale = tensor(t, c, "x_scale");
        for (size_t i = 0; i < m; i++)
            if (q.scale[i] != 0) gold_near(q.scale[i], scale[i], 0, 1e-7, "x_scale");
    }
    check_forms(t, c, k, &q);
    free(x), free(scale), free(codes), free(rows), free(q.q), free(q.scale), free(q.zero);
}

static void int8_linear(void **state)
{
    json_t *g = gold_load(DIR "int8_linear.json"), *cases = json_object_get(g, "cases"), *c;
    gold_tensors t = gold_tensors_open(DIR "int8_linear.safetensors");
    pe_kernels k;
    char level[32];
    size_t i;
    (void)state;
    json_array_foreach(cases, i, c)
    {
        pe_kernels_select(&k, 0);
        check_case(t, c, &k);
        for (size_t l = 0; l < pe_cpu_nlevels; l++)
            if (level_table(&k, level, l)) check_case(t, c, &k);
    }
    assert_int_equal(i, 8);
    gold_tensors_close(t);
    json_decref(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(int8_linear) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
