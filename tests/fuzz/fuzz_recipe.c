/* tests/fuzz/fuzz_recipe.c - any bytes as a recipe: read, or refused with the place.
 * Read next: lib/recipe/schema.c. */
#include <stdlib.h>
#include <string.h>

#include "lib/recipe/recipe_impl.h"
#include "tests/fuzz/fuzz.h"

const char *const fuzz_seeds[] = { "recipes/sentiment/recipe.yaml", "tests/fuzz/seeds/recipe.yaml",
                                   NULL };

void fuzz_one(const uint8_t *data, size_t nbytes)
{
    pe_recipe *r = NULL;
    pe_error err = { 0 };
    pe_status st = pe_recipe_parse(&r, (const char *)data, nbytes, "fuzz/r.yaml", &err);

    if (st) {
        if ((st != PE_E_INPUT && st != PE_E_UNSUPPORTED) ||
            strncmp(err.text, "fuzz/r.yaml:", 12) != 0)
            abort();
        return;
    }
    if (!r->model || r->nsteps == 0) abort();
    for (size_t i = 0; i < r->nsteps; i++)
        if (!r->steps[i].at || !json_is_object(r->steps[i].params)) abort();
    pe_recipe_close(r);
}
