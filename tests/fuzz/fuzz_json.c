/* tests/fuzz/fuzz_json.c - any bytes as JSON: refused with a message, or printed so that it reads
 * back.
 * Read next: lib/base/json.c. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/json.h"
#include "tests/fuzz/fuzz.h"

const char *const fuzz_seeds[] = { "recipes/sentiment/model/config.json",
                                   "recipes/sentiment/model/tokenizer_config.json",
                                   "tests/golden/data/stats/philox.json", NULL };

void fuzz_one(const uint8_t *data, size_t nbytes)
{
    json_t *value = NULL, *again = NULL;
    pe_error err = { 0 };
    pe_status st = pe_json_parse(&value, (const char *)data, nbytes, "fuzz", &err);
    if (st) {
        if (st != PE_E_INPUT || !*err.text) abort();
        return;
    }
    char *text = pe_json_text(value, 0);
    if (!text || pe_json_parse(&again, text, strlen(text), "again", &err)) abort();
    char *twice = pe_json_text(again, 0);
    if (!twice || strcmp(text, twice) != 0) abort();
    free(text);
    free(twice);
    json_decref(value);
    json_decref(again);
}
