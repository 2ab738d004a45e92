/* formats/gzip.h - gzip'd bytes to plain ones (RFC 1952, several members in a row included).
 * Read next: lib/io/dataset.c. */
#ifndef PE_FORMATS_GZIP_H
#define PE_FORMATS_GZIP_H

#include <pe/base.h>

/* Whether the bytes begin as a gzip member does. */
bool pe_gzip_is(const void *data, size_t nbytes);
/* *out from malloc with a NUL behind the last byte. `name` is what messages call the data.
 * PE_E_INPUT: cut short, damaged (checksum, length), followed by other bytes, or more than
 * max_nbytes when unpacked; PE_E_NOMEM. */
pe_status pe_gzip_unpack(char **out, size_t *nbytes, const void *data, size_t data_nbytes,
                         size_t max_nbytes, const char *name, pe_error *err);

#endif
