/* lib/text/unicode.c - the generated tables, compiled.
 * Read next: lib/text/unicode.h, lib/text/make/make_unicode.py. */
#include "lib/text/unicode.h"

#include "lib/text/unicode_tables.inc"
