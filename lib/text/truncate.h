/* lib/text/truncate.h - how many tokens of each text are kept under a limit.
 * Read next: lib/text/template.h. */
#ifndef PE_TEXT_TRUNCATE_H
#define PE_TEXT_TRUNCATE_H

#include <pe/text.h>

/* keep[0..1]: in, the tokens of each text; out, how many stay. nspecial come on top of them. */
pe_status pe_truncate_counts(size_t keep[2], size_t nspecial, bool has_second,
                             const pe_encode_params *p, pe_error *err);

#endif
