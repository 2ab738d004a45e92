/* lib/base/glob.h - which modules a pass touches: --only and --skip, last match wins.
 * `*` matches any run of characters, dots included; `?` one; `[a-c]` a set. */
#ifndef PE_BASE_GLOB_H
#define PE_BASE_GLOB_H

#include <pe/base.h>

bool pe_glob_match(const char *glob, const char *name);
/* What the list says of `name`; `otherwise` when nothing in it matches. With an --only in the
 * list, names that match nothing are out. */
bool pe_pick_wants(const pe_pick *picks, size_t n, const char *name, bool otherwise);
/* PE_E_ARG for the first glob that matches none of the names. */
pe_status pe_pick_check(const pe_pick *picks, size_t n, const char *const *names, size_t nnames,
                        pe_error *err);

#endif
