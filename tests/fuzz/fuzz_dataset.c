/* tests/fuzz/fuzz_dataset.c - any bytes as rows of every format: refused with file and place, or
 * rows that are UTF-8 and end where they say. Read next: lib/io/dataset.c. */
#include <stdlib.h>
#include <string.h>

#include <pe/data.h>

#include "lib/base/utf8.h"
#include "tests/fuzz/fuzz.h"

const char *const fuzz_seeds[] = { "tests/fuzz/corpus/rows.tsv", "tests/fuzz/corpus/rows.csv",
                                   "tests/fuzz/corpus/rows.jsonl", "tests/fuzz/corpus/rows.csv.gz",
                                   NULL };

static void check(const char *s, size_t nbytes)
{
    if (!s) return;
    if (strlen(s) != nbytes || pe_utf8_valid(s, nbytes) != nbytes) abort();
}

void fuzz_one(const uint8_t *data, size_t nbytes)
{
    static const char *const format[] = { "tsv", "csv", "jsonl", "txt" };
    const char *path = fuzz_file(".rows", data, nbytes);
    for (size_t i = 0; i < 4; i++) {
        pe_dataset *d = NULL;
        pe_error err = { 0 };
        pe_data_params p = { .format = format[i] };
        pe_status st = pe_dataset_open(&d, path, &p, &err);
        if (st) {
            if (st != PE_E_INPUT || !strstr(err.text, path)) abort();
            continue;
        }
        if (!pe_dataset_nrows(d) || strlen(pe_dataset_digest(d)) != 32) abort();
        for (size_t k = 0; k < pe_dataset_nrows(d); k++) {
            const pe_row *r = pe_dataset_row(d, k);
            check(r->text, r->text_nbytes);
            check(r->text2, r->text2_nbytes);
            check(r->label, r->label ? strlen(r->label) : 0);
            if (!r->line || (k && r->line <= pe_dataset_row(d, k - 1)->line)) abort();
        }
        pe_dataset_close(d);
    }
}
