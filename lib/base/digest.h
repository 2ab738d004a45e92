/* lib/base/digest.h - content digests: XXH3-128 for identity, SHA-256 on request.
 * Read next: lib/io/provenance.h. */
#ifndef PE_BASE_DIGEST_H
#define PE_BASE_DIGEST_H

#include <pe/base.h>

typedef struct pe_digest {
    uint8_t bytes[16];
} pe_digest;                        /* XXH3-128, canonical byte order */
typedef struct pe_hasher pe_hasher; /* streaming */
pe_hasher *pe_hasher_new(void);     /* NULL: no memory */
void pe_hasher_reset(pe_hasher *h);
void pe_hasher_add(pe_hasher *h, const void *data, size_t nbytes);
pe_digest pe_hasher_get(const pe_hasher *h);
void pe_hasher_free(pe_hasher *h);
pe_digest pe_digest_of(const void *data, size_t nbytes);
#define PE_DIGEST_TEXT 33 /* 32 hex digits + NUL */
void pe_digest_format(char text[PE_DIGEST_TEXT], const pe_digest *d);
#define PE_SHA256_TEXT 65
pe_status pe_sha256_file(char text[PE_SHA256_TEXT], const char *path, pe_error *err);

/* Of the first nbytes behind an open descriptor; `path` is for messages. */
pe_status pe_sha256_fd(char text[PE_SHA256_TEXT], int fd, uint64_t nbytes, const char *path,
                       pe_error *err);

#endif
