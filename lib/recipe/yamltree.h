/* lib/recipe/yamltree.h - a YAML file as plain data with places: scalars, lists, maps, nothing
 * else. Read next: lib/recipe/schema.h. */
#ifndef PE_RECIPE_YAMLTREE_H
#define PE_RECIPE_YAMLTREE_H

#include "lib/base/arena.h"

typedef enum pe_yaml_kind { PE_YAML_SCALAR, PE_YAML_LIST, PE_YAML_MAP } pe_yaml_kind;

typedef struct pe_yaml {
    pe_yaml_kind kind;
    int line, column;      /* from 1 */
    const char *text;      /* scalar; no NUL inside */
    bool plain;            /* scalar written without quotes */
    size_t n;              /* list and map */
    struct pe_yaml **key;  /* map: [n] scalars, no two alike */
    struct pe_yaml **item; /* [n] */
} pe_yaml;

/* One document of at most 1 MiB and 16 levels. Anchors, aliases, tags, duplicate and non-scalar
 * keys and a second document are PE_E_INPUT "name:line:column: ..."; so is text that is not YAML.
 */
pe_status pe_yaml_parse(pe_yaml **out, pe_arena *arena, const char *text, size_t nbytes,
                        const char *name, pe_error *err);
/* "name:line:column: message" */
pe_status pe_yaml_fail(pe_error *err, pe_status st, const char *name, const pe_yaml *at,
                       const char *fmt, ...) PE_PRINTF(5, 6);
const pe_yaml *pe_yaml_get(const pe_yaml *map, const char *key); /* NULL: not there */

#endif
