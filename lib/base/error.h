/* lib/base/error.h - how a message gets into the caller's pe_error.
 * Read next: docs/style.md, "Errors". */
#ifndef PE_BASE_ERROR_H
#define PE_BASE_ERROR_H

#include <pe/base.h>

/* Fills *err (NULL allowed) and returns st: `return pe_fail(err, PE_E_INPUT, "%s: ...", path);` */
pe_status pe_fail(pe_error *err, pe_status st, const char *fmt, ...) PE_PRINTF(3, 4);
/* Same, with ": " and the text of errno at the end; the status follows from errno
 * (ENOENT, EACCES.. PE_E_NOTFOUND, ENOMEM PE_E_NOMEM, else `otherwise`). */
pe_status pe_fail_errno(pe_error *err, pe_status otherwise, const char *fmt, ...) PE_PRINTF(3, 4);
/* Puts "prefix: " in front of the message that a callee left; returns err's status or st. */
pe_status pe_fail_prefix(pe_error *err, pe_status st, const char *fmt, ...) PE_PRINTF(3, 4);
/* PE_E_NOMEM with what could not be allocated and how many bytes it needs. */
pe_status pe_fail_nomem(pe_error *err, const char *what, size_t nbytes);

#endif
