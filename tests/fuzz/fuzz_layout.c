/* tests/fuzz/fuzz_layout.c - any bytes as the stored parts of a sparse matrix: refused, or decoded
 * within its bounds and equal after another round. Read next: lib/tensor/layout.h. */
#include <stdlib.h>
#include <string.h>

#include "lib/tensor/layout.h"
#include "tests/fuzz/fuzz.h"

/* The first bytes choose layout, shape, width, block and count; the rest fills the parts. */
const char *const fuzz_seeds[] = { "tests/fuzz/seeds/layout-bitmask",
                                   "tests/fuzz/seeds/layout-block4",
                                   "tests/fuzz/seeds/layout-2of4",
                                   "tests/fuzz/seeds/layout-csr",
                                   "tests/fuzz/seeds/layout-bsr",
                                   "tests/fuzz/seeds/layout-ell",
                                   NULL };

static void *copy_of(const uint8_t **data, size_t *left, uint64_t nbytes)
{
    size_t n = *left < nbytes ? *left : (size_t)nbytes;
    uint8_t *p = calloc(1, nbytes ? (size_t)nbytes : 1);
    if (!p) abort();
    memcpy(p, *data, n);
    *data += n;
    *left -= n;
    return p;
}

/* What was decoded is stored again and comes back the same. */
static void again(const pe_dense *m, pe_layout_spec spec)
{
    pe_part part[PE_MAX_PARTS];
    void *dst[PE_MAX_PARTS] = { 0 };
    int nparts = 0;
    if (pe_layout_measure(part, &nparts, spec, m, NULL)) abort();
    for (int i = 0; i < nparts; i++)
        if (!(dst[i] = malloc(part[i].nbytes ? part[i].nbytes : 1))) abort();
    pe_layout_encode(dst, spec, m);
    size_t nbytes = (size_t)(m->n * m->k * m->elem_nbytes);
    pe_dense back = { malloc(nbytes + 1), m->n, m->k, m->elem_nbytes };
    if (!back.data ||
        pe_layout_decode(&back, spec, (const void *const *)dst, part, nparts, "m", NULL))
        abort();
    if (memcmp(back.data, m->data, nbytes)) abort();
    free(back.data);
    for (int i = 0; i < nparts; i++) free(dst[i]);
}

void fuzz_one(const uint8_t *data, size_t nbytes)
{
    pe_part part[PE_MAX_PARTS];
    void *src[PE_MAX_PARTS] = { 0 };
    pe_error err = { 0 };
    int nparts = 0;
    if (nbytes < 6) return;
    pe_layout_spec spec = { (pe_layout)(data[0] % PE_NLAYOUTS), data[1] % 20 };
    pe_dense m = { NULL, data[2] % 70, data[3] % 140, 1u << data[4] % 3 };
    uint64_t count = data[5];
    data += 6;
    nbytes -= 6;
    if (pe_layout_parts(part, &nparts, spec, m.n, m.k, m.elem_nbytes, count, &err)) return;
    for (int i = 0; i < nparts; i++) src[i] = copy_of(&data, &nbytes, part[i].nbytes);
    m.data = malloc((size_t)(m.n * m.k * m.elem_nbytes) + 1);
    if (!m.data) abort();
    pe_status st = pe_layout_decode(&m, spec, (const void *const *)src, part, nparts, "m", &err);
    if (st && (st != PE_E_INPUT || !*err.text)) abort();
    if (!st) again(&m, spec);
    free(m.data);
    for (int i = 0; i < nparts; i++) free(src[i]);
}
