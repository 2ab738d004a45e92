/* tests/scratch.h - a folder of its own for a test, removed after it.
 * Read next: tests/unit/test_outdir.c. */
#ifndef PE_TESTS_SCRATCH_H
#define PE_TESTS_SCRATCH_H

#include <stddef.h>

char *scratch_new(void);        /* path from malloc, under $TMPDIR or /tmp; NULL on failure */
int scratch_drop(char *folder); /* removes it and frees the path; 0, or -1 */
/* "folder/name"; a static buffer, four calls stay valid. */
const char *scratch_path(const char *folder, const char *name);
int scratch_count(const char *folder); /* entries, hidden ones too */
/* Later writes beyond nbytes fail with EFBIG; 0 lifts the limit. */
void scratch_limit_file_size(size_t nbytes);

#endif
