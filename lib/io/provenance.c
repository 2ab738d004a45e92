/* lib/io/provenance.c - steps, history and content digests of checkpoints.
 * Read next: lib/io/ckpt_commit.c, which writes them. */
#include "lib/io/provenance.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/io/ckpt_impl.h"

static int compare_full(const pe_stored_digest *a, const pe_stored_digest *b)
{
    const char *p = a->name, *q = b->name, *p2 = a->suffix, *q2 = b->suffix;
    for (;; p++, q++) { /* as if name and suffix were one string */
        if (!*p && p2) p = p2, p2 = NULL;
        if (!*q && q2) q = q2, q2 = NULL;
        unsigned char x = (unsigned char)*p, y = (unsigned char)*q;
        if (x != y) return x < y ? -1 : 1;
        if (!x) return 0;
    }
}

static int by_full_name(const void *a, const void *b)
{
    return compare_full(a, b);
}

static void hash_u64(pe_hasher *h, uint64_t v)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)(v >> (8 * i));
    pe_hasher_add(h, bytes, sizeof bytes);
}

pe_status pe_content_digest(pe_digest *out, pe_stored_digest *stored, size_t n, pe_error *err)
{
    pe_hasher *h = pe_hasher_new();
    if (!h) return pe_fail_nomem(err, "content digest", 0);
    if (n) qsort(stored, n, sizeof *stored, by_full_name);
    for (size_t i = 0; i < n; i++) {
        const pe_stored_digest *s = &stored[i];
        pe_hasher_add(h, s->name, strlen(s->name));
        pe_hasher_add(h, s->suffix, strlen(s->suffix) + 1);
        pe_hasher_add(h, s->dtype_name, strlen(s->dtype_name) + 1);
        hash_u64(h, (uint64_t)s->rank);
        for (int d = 0; d < s->rank; d++) hash_u64(h, s->shape[d]);
        pe_hasher_add(h, s->digest.bytes, sizeof s->digest.bytes);
    }
    *out = pe_hasher_get(h);
    pe_hasher_free(h);
    return PE_OK;
}

pe_status pe_ckpt_content(pe_digest *out, const pe_ckpt *c, const pe_digest (*first)[PE_MAX_PARTS],
                          size_t stride, pe_error *err)
{
    size_t n = pe_ckpt_narrays(c), used = 0, stored = 0;
    for (size_t i = 0; i < n; i++) stored += (size_t)pe_ckpt_array(c, i)->nparts;
    pe_stored_digest *d = malloc((stored + 1) * sizeof *d);
    if (!d) return pe_fail_nomem(err, "content digest", stored * sizeof *d);
    for (size_t i = 0; i < n; i++) {
        const pe_array *a = pe_ckpt_array(c, i);
        const pe_digest *digest =
            *(const pe_digest(*)[PE_MAX_PARTS])((const char *)first + i * stride);
        bool dense = a->layout.layout == PE_LAYOUT_DENSE;
        for (int p = 0; p < a->nparts; p++) {
            const pe_part *part = &a->part[p];
            const char *type =
                part->dtype == PE_DTYPE_OTHER ? a->dtype_name : pe_dtype_name(part->dtype);
            d[used++] = (pe_stored_digest){ a->name,
                                            part->suffix,
                                            type,
                                            dense ? a->rank : part->rank,
                                            dense ? a->shape : part->shape,
                                            digest[p] };
        }
    }
    pe_status st = pe_content_digest(out, d, used, err);
    free(d);
    return st;
}

pe_status pe_step_new(json_t **out, const char *tool, json_t *params, uint64_t seed,
                      const pe_digest *input, const char *recipe, pe_error *err)
{
    char digest[PE_DIGEST_TEXT];
    json_t *r = NULL;
    pe_status st = recipe ? pe_json_parse(&r, recipe, strlen(recipe), "recipe", err) : PE_OK;
    pe_digest_format(digest, input);
    if (st) {
        json_decref(params);
        return st;
    }
    *out = json_pack("{ss ss so sI ss}", "tool", tool, "version", pe_version(), "params", params,
                     "seed", (json_int_t)seed, "input", digest);
    if (*out && r && !json_object_set_new(*out, "recipe", r)) return PE_OK;
    if (*out && !r) return PE_OK;
    json_decref(*out);
    *out = NULL;
    return pe_fail_nomem(err, "provenance of a step", 0);
}

static pe_status damaged(const pe_ckpt *c, const char *what, pe_error *err)
{
    return pe_fail(err, PE_E_INPUT, "%s: __metadata__: \"pe\": %s; the provenance is damaged",
                   pe_ckpt_file(c, 0), what);
}

pe_status pe_provenance_read(json_t **out, const pe_ckpt *c, pe_error *err)
{
    const json_t *text = json_object_get(pe_ckpt_metadata(c), "pe");
    const char *schema = NULL;
    *out = NULL;
    if (!text) {
        *out = json_null();
        return PE_OK;
    }
    pe_status st = pe_json_parse(out, json_string_value(text), json_string_length(text),
                                 pe_ckpt_file(c, 0), err);
    if (st) return pe_fail_prefix(err, st, "__metadata__ \"pe\"");
    schema = json_string_value(json_object_get(*out, "schema"));
    if (!schema || strcmp(schema, "pe.provenance/1"))
        st = damaged(c, "expected schema pe.provenance/1", err);
    else if (!json_is_array(json_object_get(*out, "history")))
        st = damaged(c, "no array \"history\"", err);
    else if (!pe_provenance_content(*out)) st = damaged(c, "no digest \"content\"", err);
    if (st) {
        json_decref(*out);
        *out = NULL;
    }
    return st;
}

const char *pe_provenance_content(json_t *provenance)
{
    const char *s = json_string_value(json_object_get(provenance, "content"));
    return s && strlen(s) == PE_DIGEST_TEXT - 1 &&
                   strspn(s, "0123456789abcdef") == PE_DIGEST_TEXT - 1
               ? s
               : NULL;
}

pe_status pe_provenance_history(json_t **out, const pe_ckpt *c, pe_error *err)
{
    json_t *all = NULL;
    pe_status st = pe_provenance_read(&all, c, err);
    if (st) return st;
    json_t *history = json_object_get(all, "history");
    *out = history ? json_incref(history) : json_array();
    json_decref(all);
    return *out ? PE_OK : pe_fail_nomem(err, "history", 0);
}
