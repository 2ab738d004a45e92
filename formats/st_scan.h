/* formats/st_scan.h - pull scanner over a JSON header that decodes strings in place.
 * Read next: formats/st_read.c. */
#ifndef PE_FORMATS_ST_SCAN_H
#define PE_FORMATS_ST_SCAN_H

#include <pe/base.h>

/* The first mistake sticks: every call after it fails, so callers test once per token. */
typedef struct pe_scan {
    char *begin, *at, *end; /* of the text; strings are decoded into it */
    const char *wrong;      /* NULL: fine so far; else what was expected at `at` */
} pe_scan;

void pe_scan_init(pe_scan *s, char *text, size_t nbytes);
/* Skips blanks, then takes c if it is next. */
bool pe_scan_try(pe_scan *s, char c);
/* Same, but anything else is a mistake: `wrong` says what should stand there. */
bool pe_scan_need(pe_scan *s, char c, const char *wrong);
/* A string, NUL-terminated in place; NULL on a mistake (bad escape, bad UTF-8, control byte).
 * U+0000 becomes C0 80. *nbytes may be NULL. */
char *pe_scan_string(pe_scan *s, size_t *nbytes);
/* A plain non-negative integer: digits only, no sign, no leading zero, no fraction, fits 64
 * bits. */
bool pe_scan_u64(pe_scan *s, uint64_t *out);
bool pe_scan_at_end(pe_scan *s); /* only blanks remain */
bool pe_scan_fail(pe_scan *s, const char *wrong);

#endif
