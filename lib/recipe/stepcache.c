/* lib/recipe/stepcache.c - results of steps, found again by what they were made from.
 * An entry is FOLDER/KEY/checkpoint and FOLDER/KEY/entry.json with the digest of all its files;
 * what does not have that digest any more is made anew. Read next: lib/recipe/run.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/digest.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/recipe/recipe_impl.h"

pe_status pe_cache_folder(char **out, const char *given, pe_error *err)
{
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n;

    if (given) n = asprintf(out, "%s", given);
    else if (base && base[0] == '/') n = asprintf(out, "%s/pe/steps", base);
    else if (home && home[0]) n = asprintf(out, "%s/.cache/pe/steps", home);
    else
        return pe_fail(err, PE_E_ARG,
                       "cache: found neither XDG_CACHE_HOME nor HOME set, expected one; choose a "
                       "folder with --cache or use --no-cache");
    return n < 0 ? pe_fail_nomem(err, "path", 64) : PE_OK;
}

/* entry.json beside a checkpoint. */
static pe_status entry_path(char **out, const char *checkpoint, pe_error *err)
{
    const char *slash = strrchr(checkpoint, '/');
    int n = slash ? (int)(slash - checkpoint) : 0;

    return asprintf(out, "%.*s/entry.json", n, checkpoint) < 0 ? pe_fail_nomem(err, "path", 64)
                                                               : PE_OK;
}

pe_status pe_cache_find(bool *hit, char digest[33], const char *checkpoint, pe_error *err)
{
    char *path = NULL, found[PE_DIGEST_TEXT];
    const char *written = NULL;
    json_t *entry = NULL;
    pe_status st = entry_path(&path, checkpoint, err);

    *hit = false;
    if (st) return st;
    if (pe_json_load(&entry, path, 1 << 16, NULL) == PE_OK)
        written = json_string_value(json_object_get(entry, "digest"));
    if (written && pe_tree_digest(found, checkpoint, NULL) == PE_OK &&
        strcmp(found, written) == 0) {
        memcpy(digest, found, sizeof found);
        *hit = true;
    }
    json_decref(entry);
    free(path);
    return PE_OK;
}

pe_status pe_cache_keep(char digest[33], const char *checkpoint, pe_error *err)
{
    char *path = NULL, text[64];
    pe_status st = pe_tree_digest(digest, checkpoint, err);

    if (!st) st = entry_path(&path, checkpoint, err);
    if (!st) {
        int n = snprintf(text, sizeof text, "{\"digest\": \"%s\"}\n", digest);
        st = pe_write_atomic(path, text, (size_t)n, err);
    }
    free(path);
    return st;
}
