/* lib/model/tunefile.h - measured times of the forms of each layer, kept per model structure and
 * CPU, or GPU and driver.
 * Read next: lib/eval/tune.c (measures and writes), lib/model/load.c (reads). */
#ifndef PE_MODEL_TUNEFILE_H
#define PE_MODEL_TUNEFILE_H

#include <jansson.h>

#include "lib/backend/plugin.h"
#include "lib/io/ckpt.h"
#include "lib/plan/linear.h"

#define PE_TUNE_NOTE 512

typedef struct pe_tunes {
    json_t *root;            /* "pe.tune/1" */
    char note[PE_TUNE_NOTE]; /* "" or why times that were found do not count */
} pe_tunes;

/* Where the times of this checkpoint on this machine belong, from malloc:
 * $XDG_CACHE_HOME/pe/tune/DIGEST-IDENTITY.json (HOME/.cache without it). The digest is of names,
 * shapes, layouts and stored sizes, not of values: speed does not depend on them. */
pe_status pe_tunefile_path(char **out, const pe_ckpt *ckpt, const pe_identity *here, pe_error *err);
/* file NULL: the cache, where a missing or foreign file is no tunes at all (root NULL); on a device
 * the note names times of another one, or of another driver, that lie there instead. A file the
 * caller names must be there and fit: PE_E_NOTFOUND, PE_E_INPUT. */
pe_status pe_tunefile_read(pe_tunes *out, const char *file, const pe_ckpt *ckpt,
                           const pe_identity *here, pe_error *err);
void pe_tunes_release(pe_tunes *t);
/* Sets l->form[] from the times: the fastest, and dense unless another is measurably faster. False:
 * this layer was not measured. */
bool pe_tunes_apply(const pe_tunes *t, pe_linear *l, const pe_backend *b);
/* Adds a layer's times [form][bucket] in microseconds; negative: not admitted. */
pe_status pe_tunes_add(pe_tunes *t, const pe_linear *l, double us[PE_NFORMS][PE_NBUCKETS],
                       pe_error *err);
pe_status pe_tunes_new(pe_tunes *out, const pe_ckpt *ckpt, const pe_identity *here, pe_error *err);
pe_status pe_tunefile_write(const pe_tunes *t, const char *file, pe_error *err);

#endif
