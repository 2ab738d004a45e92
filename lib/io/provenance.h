/* lib/io/provenance.h - the history that a checkpoint carries in its `__metadata__`, key "pe":
 * {"schema": "pe.provenance/1", "content": digest, "history": [step, ..]}, oldest step first. No
 * time, host, user, path or thread count: equal inputs give equal bytes. A content digest is
 * XXH3-128 over the stored arrays in bytewise order of their names; of each the name, a NUL, the
 * dtype's name, a NUL, rank and dimensions (64-bit little endian), and the XXH3-128 of its
 * bytes. Read next: lib/io/rewrite.h, docs/formats.md, section 4. */
#ifndef PE_IO_PROVENANCE_H
#define PE_IO_PROVENANCE_H

#include <jansson.h>

#include "lib/base/digest.h"
#include "lib/io/ckpt.h"

/* {"tool", "version", "params", "seed", "input" [, "recipe"]}. params: what the pass was asked for,
 * defaults filled in, no paths; taken over, also on failure. recipe: JSON object text or NULL. The
 * pass may add keys, as "data": digest. */
pe_status pe_step_new(json_t **out, const char *tool, json_t *params, uint64_t seed,
                      const pe_digest *input, const char *recipe, pe_error *err);
/* The steps so far: a new array, empty when pe did not write the checkpoint. PE_E_INPUT:
 * damaged. */
pe_status pe_provenance_history(json_t **out, const pe_ckpt *c, pe_error *err);
/* "content" of the provenance; NULL when there is none. */
const char *pe_provenance_content(json_t *provenance);
/* The whole object (new), JSON null when there is none. */
pe_status pe_provenance_read(json_t **out, const pe_ckpt *c, pe_error *err);

/* One stored array and the digest of its bytes. */
typedef struct pe_stored_digest {
    const char *name, *suffix; /* the name in the file is both together */
    const char *dtype_name;
    int rank;
    const uint64_t *shape;
    pe_digest digest;
} pe_stored_digest;
/* Sorts them. PE_E_NOMEM. */
pe_status pe_content_digest(pe_digest *out, pe_stored_digest *stored, size_t n, pe_error *err);
/* The same of a whole checkpoint: *first is [PE_MAX_PARTS] digests of array 0, `stride` bytes
 * lie between those of one array and the next. */
pe_status pe_ckpt_content(pe_digest *out, const pe_ckpt *c, const pe_digest (*first)[PE_MAX_PARTS],
                          size_t stride, pe_error *err);

#endif
