/* tests/formats/test_layouts.c - sparse layouts: the golden bytes, any shape there and back, whole
 * or by rows, the smallest one chosen, lies refused. Read next: lib/tensor/layout.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/json.h"
#include "lib/base/rng.h"
#include "lib/io/ckpt.h"

#define DATA "tests/golden/data/prune_quant/layouts"

typedef struct encoded {
    pe_part part[PE_MAX_PARTS];
    int nparts;
    void *data[PE_MAX_PARTS];
} encoded;

static void release(encoded *e)
{
    for (int i = 0; i < e->nparts; i++) free(e->data[i]);
}

static pe_status encode(encoded *e, pe_layout_spec spec, const pe_dense *m, pe_error *err)
{
    memset(e, 0, sizeof *e);
    pe_status st = pe_layout_measure(e->part, &e->nparts, spec, m, err);
    if (st) {
        e->nparts = 0;
        return st;
    }
    /* exact sizes: AddressSanitizer sees the first byte too far */
    for (int i = 0; i < e->nparts; i++)
        e->data[i] = malloc(e->part[i].nbytes ? e->part[i].nbytes : 1);
    pe_layout_encode(e->data, spec, m);
    return PE_OK;
}

static pe_status decode(pe_dense *out, pe_layout_spec spec, const encoded *e, pe_error *err)
{
    return pe_layout_decode(out, spec, (const void *const *)e->data, e->part, e->nparts, "m", err);
}

/* A random matrix; `kept` of 256 values, in runs of `run`, are not zero. Zero bits only: no -0. */
static pe_dense random_matrix(pe_rng *r, uint64_t n, uint64_t k, uint32_t e, uint32_t kept,
                              uint32_t run)
{
    pe_dense m = { calloc(n * k, e), n, k, e };
    bool on = false;
    for (uint64_t i = 0; i < n * k; i++) {
        if (i % run == 0) on = pe_rng_below(r, 256) < kept;
        uint32_t v = pe_rng_u32(r) | 1;
        if (on) memcpy((uint8_t *)m.data + i * e, &v, e);
    }
    return m;
}

/* Zeroes all but two of every whole group of four. */
static void keep_two(pe_dense *m)
{
    for (uint64_t r = 0; r < m->n; r++)
        for (uint64_t g = 0; g < m->k / 4; g++)
            for (uint64_t j = 0; j < 2; j++)
                memset((uint8_t *)m->data + (r * m->k + 4 * g + (j + g) % 4) * m->elem_nbytes, 0,
                       m->elem_nbytes);
}

/* Row blocks give the same bytes as the whole matrix. */
static void check_rows(const encoded *whole, pe_layout_spec spec, const pe_dense *m, uint64_t step)
{
    uint64_t base = 0, count, end[PE_MAX_PARTS] = { 0 };
    assert_int_equal(pe_layout_count(&count, spec, whole->part, NULL), PE_OK);
    for (uint64_t row = 0; row < m->n; row += step) {
        uint64_t n = m->n - row < step ? m->n - row : step, at[PE_MAX_PARTS], size[PE_MAX_PARTS];
        pe_dense rows = { (uint8_t *)m->data + row * m->k * m->elem_nbytes, n, m->k,
                          m->elem_nbytes };
        void *dst[PE_MAX_PARTS] = { 0 };
        for (int i = 0; i < whole->nparts; i++) dst[i] = malloc(whole->part[i].nbytes + 64);
        pe_layout_encode_rows(dst, at, size, spec, &rows, row, base, count);
        assert_int_equal(pe_layout_count_rows(&base, spec, &rows, row, NULL), PE_OK);
        for (int i = 0; i < whole->nparts; i++) {
            assert_int_equal(at[i], end[i]);
            assert_memory_equal((uint8_t *)whole->data[i] + at[i], dst[i], size[i]);
            end[i] += size[i];
            free(dst[i]);
        }
    }
    for (int i = 0; i < whole->nparts; i++) assert_int_equal(end[i], whole->part[i].nbytes);
}

static void check_matrix(const pe_dense *m)
{
    static const uint32_t blocks[] = { 0, 1, 3, 4, 8 };
    uint64_t least = m->n * m->k * m->elem_nbytes, nbytes;
    pe_layout best = PE_LAYOUT_DENSE, chosen;
    for (int l = 0; l < PE_NLAYOUTS; l++)
        for (size_t b = 0; b < (l >= PE_LAYOUT_BSR ? 5u : 1u); b++) {
            pe_layout_spec spec = { (pe_layout)l, l >= PE_LAYOUT_BSR ? blocks[b] : 0 };
            encoded e;
            pe_error err = { 0 };
            pe_status st = encode(&e, spec, m, &err);
            if (l == PE_LAYOUT_2OF4 && st) {
                assert_int_equal(st, PE_E_UNSUPPORTED);
                continue;
            }
            assert_int_equal(st, PE_OK);
            pe_dense back = { malloc(m->n * m->k * m->elem_nbytes), m->n, m->k, m->elem_nbytes };
            memset(back.data, 0xa5, m->n * m->k * m->elem_nbytes);
            if (decode(&back, spec, &e, &err)) fail_msg("%s", err.text);
            assert_memory_equal(back.data, m->data, m->n * m->k * m->elem_nbytes);
            uint64_t step = spec.layout >= PE_LAYOUT_BSR ? 2 * (spec.block ? spec.block : 16) : 3;
            check_rows(&e, spec, m, step);
            nbytes = pe_parts_nbytes(e.part, e.nparts);
            if (l < PE_LAYOUT_BSR && nbytes < least) least = nbytes, best = (pe_layout)l;
            free(back.data);
            release(&e);
        }
    assert_int_equal(pe_layout_choose(&chosen, m, NULL), PE_OK);
    assert_int_equal(chosen, best);
}

static void test_any_shape(void **state)
{
    static const uint64_t ns[] = { 1, 2, 5, 16, 33 }, ks[] = { 1, 3, 4, 7, 8, 31, 32, 33, 64, 130 };
    static const uint32_t kept[] = { 0, 1, 20, 64, 128, 255, 256 }, widths[] = { 1, 2, 4 };
    pe_rng r;
    (void)state;
    pe_rng_init(&r, 11, 1, 0);
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 10; j++)
            for (size_t d = 0; d < 7; d++)
                for (size_t w = 0; w < 3; w++) {
                    pe_dense m = random_matrix(&r, ns[i], ks[j], widths[w], kept[d], d % 2 ? 4 : 1);
                    check_matrix(&m);
                    keep_two(&m);
                    check_matrix(&m);
                    free(m.data);
                }
}

/* Shares of dense int8 at 50, 70 and 90 % zeros, index included. */
static void test_shares(void **state)
{
    static const struct {
        uint32_t percent;
        double most;
    } cases[] = { { 50, 0.65 }, { 70, 0.45 }, { 90, 0.25 } };
    pe_rng r;
    (void)state;
    pe_rng_init(&r, 3, 1, 0);
    for (size_t i = 0; i < 3; i++) {
        uint64_t n = 768, k = 3072, zeros = n * k * cases[i].percent / 100;
        pe_dense m = { malloc(n * k), n, k, 1 };
        encoded e;
        pe_layout best;
        memset(m.data, 1, n * k);
        for (uint64_t z = 0; z < zeros;) {
            uint8_t *p = (uint8_t *)m.data + pe_rng_below(&r, (uint32_t)(n * k));
            z += *p;
            *p = 0;
        }
        assert_int_equal(pe_layout_choose(&best, &m, NULL), PE_OK);
        assert_int_equal(encode(&e, (pe_layout_spec){ best, 0 }, &m, NULL), PE_OK);
        double share = (double)pe_parts_nbytes(e.part, e.nparts) / (double)(n * k);
        print_message("%u %% zeros: %s takes %.4f of dense int8\n", cases[i].percent,
                      pe_layout_name(best), share);
        assert_true(share <= cases[i].most);
        release(&e);
        free(m.data);
    }
}

/* Any byte of any part changed: refused, or a matrix is decoded within its bounds. */
static void test_changed_bytes(void **state)
{
    pe_rng r;
    (void)state;
    pe_rng_init(&r, 5, 1, 0);
    for (int l = PE_LAYOUT_BITMASK; l < PE_NLAYOUTS; l++) {
        pe_layout_spec spec = { (pe_layout)l, l >= PE_LAYOUT_BSR ? 4 : 0 };
        pe_dense m = random_matrix(&r, 9, 22, 2, 90, 2);
        encoded e;
        size_t refused = 0;
        if (l == PE_LAYOUT_2OF4) keep_two(&m);
        assert_int_equal(encode(&e, spec, &m, NULL), PE_OK);
        for (int p = 0; p < e.nparts; p++)
            for (uint64_t i = 0; i < e.part[p].nbytes; i++)
                for (int bit = 0; bit < 8; bit++) {
                    uint8_t *at = (uint8_t *)e.data[p] + i;
                    pe_error err = { 0 };
                    *at ^= (uint8_t)(1 << bit);
                    pe_status st = decode(&m, spec, &e, &err);
                    assert_true(st == PE_OK || st == PE_E_INPUT);
                    refused += st != PE_OK;
                    *at ^= (uint8_t)(1 << bit);
                }
        assert_true(refused > 0);
        /* one unit fewer or more than the index says */
        for (int p = 0; p < e.nparts; p++) {
            uint64_t old = e.part[p].nbytes;
            e.part[p].nbytes -= 1;
            assert_int_equal(decode(&m, spec, &e, NULL), PE_E_INPUT);
            e.part[p].nbytes = old;
        }
        release(&e);
        free(m.data);
    }
}

/* ---- golden bytes ---- */

typedef struct golden {
    pe_ckpt *c;
    json_t *json;
} golden;

static void *read_array(const golden *g, const char *name, const pe_array **out)
{
    const pe_array *a = pe_ckpt_find(g->c, name);
    if (!a) fail_msg("%s is missing", name);
    void *data = malloc((size_t)a->nbytes + 1);
    assert_int_equal(pe_ckpt_read_dense(g->c, a, data, NULL), PE_OK);
    *out = a;
    return data;
}

static const char *name_of(json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

/* The parts that we make are the stored arrays `names`, in the order of pe_layout_parts. */
static void check_golden(const golden *g, pe_layout_spec spec, const char *dense,
                         const char *const names[PE_MAX_PARTS])
{
    const pe_array *a, *p;
    encoded e;
    pe_error err = { 0 };
    pe_dense m = { read_array(g, dense, &a), 0, 0, 0 };
    m.n = a->shape[0];
    m.k = a->shape[1];
    m.elem_nbytes = (uint32_t)pe_dtype_nbytes(a->dtype);
    /* these were pruned by multiplying with a mask, which leaves -0; pe's passes leave +0 */
    for (uint64_t i = 0; a->dtype == PE_F32 && i < m.n * m.k; i++)
        if (((float *)m.data)[i] == 0) ((float *)m.data)[i] = 0;
    if (encode(&e, spec, &m, &err)) fail_msg("%s: %s", dense, err.text);
    for (int i = 0; i < e.nparts; i++) {
        void *want = read_array(g, names[i], &p);
        assert_int_equal(e.part[i].nbytes, p->nbytes);
        assert_memory_equal(e.data[i], want, p->nbytes);
        for (int d = 0; d < p->rank; d++) assert_int_equal(e.part[i].shape[d], p->shape[d]);
        free(want);
    }
    release(&e);
    free(m.data);
}

static void test_golden(void **state)
{
    golden g;
    json_t *c;
    size_t i, checked = 0;
    (void)state;
    assert_int_equal(pe_ckpt_open(&g.c, DATA ".safetensors", NULL), PE_OK);
    assert_int_equal(pe_json_load(&g.json, DATA ".json", 1 << 20, NULL), PE_OK);
    json_array_foreach(json_object_get(g.json, "cases"), i, c)
    {
        const char *kind = name_of(c, "kind");
        uint32_t block = (uint32_t)json_integer_value(json_object_get(c, "block"));
        pe_layout_spec spec = { PE_LAYOUT_BITMASK, block };
        if (!strcmp(kind, "bitmask+csr")) {
            check_golden(&g, spec, name_of(c, "dense"),
                         (const char *[]){ name_of(c, "bitmask"), name_of(c, "values"), NULL });
            spec.layout = PE_LAYOUT_CSR;
            check_golden(&g, spec, name_of(c, "dense"),
                         (const char *[]){ name_of(c, "row_ptr"), name_of(c, "col"),
                                           name_of(c, "values") });
        } else if (!strcmp(kind, "2:4")) {
            spec.layout = PE_LAYOUT_2OF4;
            check_golden(&g, spec, name_of(c, "pruned"),
                         (const char *[]){ name_of(c, "meta"), name_of(c, "values"), NULL });
        } else {
            spec.layout = PE_LAYOUT_BSR;
            check_golden(&g, spec, name_of(c, "dense"),
                         (const char *[]){ name_of(c, "bsr_row_ptr"), name_of(c, "bsr_col"),
                                           name_of(c, "bsr_values") });
            spec.layout = PE_LAYOUT_BLOCKED_ELL;
            check_golden(&g, spec, name_of(c, "dense"),
                         (const char *[]){ name_of(c, "ell_col_ind"), name_of(c, "ell_values"),
                                           NULL });
        }
        checked++;
    }
    assert_int_equal(checked, 12);
    json_decref(g.json);
    pe_ckpt_close(g.c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_any_shape),
        cmocka_unit_test(test_changed_bytes),
        cmocka_unit_test(test_shares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
