/* tests/fuzz/fuzz_safetensors.c - any bytes as a checkpoint file: refused, or every array read.
 * Read next: formats/st_read.c, lib/io/ckpt_open.c. */
#include <stdlib.h>
#include <unistd.h>

#include "lib/io/ckpt.h"
#include "tests/fuzz/fuzz.h"

const char *const fuzz_seeds[] = { "tests/golden/data/formats/safetensors/dtypes.safetensors",
                                   "tests/golden/data/formats/safetensors/names.safetensors",
                                   "tests/golden/data/formats/safetensors/rank8.safetensors",
                                   "tests/golden/data/formats/safetensors/empty.safetensors",
                                   "tests/golden/data/formats/safetensors/special.safetensors",
                                   NULL };

static void read_array(const pe_ckpt *c, const pe_array *a)
{
    pe_error err = { 0 };
    if (a->nbytes > 1 << 20 || a->nelem > 1 << 16) abort(); /* the file has less than that */
    float *values = malloc(a->nelem * sizeof *values + 1);
    if (!values) abort();
    pe_status st = pe_ckpt_read_f32(c, a, values, &err);
    if (st && st != PE_E_INPUT && st != PE_E_UNSUPPORTED) abort();
    if (st && !*err.text) abort();
    free(values);
}

void fuzz_one(const uint8_t *data, size_t nbytes)
{
    const char *path = fuzz_file(".safetensors", data, nbytes);
    pe_ckpt *c = NULL;
    pe_error err = { 0 };
    pe_status st = pe_ckpt_open(&c, path, &err);
    if (st) {
        if ((st != PE_E_INPUT && st != PE_E_UNSUPPORTED) || !*err.text) abort();
    } else {
        for (size_t i = 0; i < pe_ckpt_narrays(c); i++) read_array(c, pe_ckpt_array(c, i));
        pe_ckpt_close(c);
    }
    unlink(path);
}
