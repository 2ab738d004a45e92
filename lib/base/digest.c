/* lib/base/digest.c - XXH3-128 over memory or a stream, SHA-256 over a file.
 * Read next: lib/base/digest.h. */
#include "lib/base/digest.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "lib/base/error.h"
#include "lib/base/file.h"

struct pe_hasher {
    XXH3_state_t *state;
};

static pe_digest canonical(XXH128_hash_t hash)
{
    XXH128_canonical_t bytes;
    XXH128_canonicalFromHash(&bytes, hash);
    pe_digest d;
    memcpy(d.bytes, bytes.digest, sizeof d.bytes);
    return d;
}

pe_hasher *pe_hasher_new(void)
{
    pe_hasher *h = malloc(sizeof *h);
    if (!h) return NULL;
    h->state = XXH3_createState();
    if (!h->state) {
        free(h);
        return NULL;
    }
    pe_hasher_reset(h);
    return h;
}

void pe_hasher_reset(pe_hasher *h)
{
    XXH3_128bits_reset(h->state);
}

void pe_hasher_add(pe_hasher *h, const void *data, size_t nbytes)
{
    if (nbytes) XXH3_128bits_update(h->state, data, nbytes);
}

pe_digest pe_hasher_get(const pe_hasher *h)
{
    return canonical(XXH3_128bits_digest(h->state));
}

void pe_hasher_free(pe_hasher *h)
{
    if (!h) return;
    XXH3_freeState(h->state);
    free(h);
}

pe_digest pe_digest_of(const void *data, size_t nbytes)
{
    return canonical(XXH3_128bits(nbytes ? data : "", nbytes));
}

static void hex(char *text, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * n] = '\0';
}

void pe_digest_format(char text[PE_DIGEST_TEXT], const pe_digest *d)
{
    hex(text, d->bytes, sizeof d->bytes);
}

/* Where the bytes of a SHA-256 come from: an open pe_file, or a descriptor. */
typedef struct source {
    const pe_file *file;
    int fd;
    uint64_t nbytes;
    const char *path;
} source;

static pe_status read_source(const source *s, uint64_t at, void *dst, size_t n, pe_error *err)
{
    return s->file ? pe_file_read(s->file, at, dst, n, err)
                   : pe_read_at(s->fd, at, dst, n, s->path, err);
}

static pe_status sha256_stream(EVP_MD_CTX *ctx, const source *s, uint8_t *buf, size_t cap,
                               pe_error *err)
{
    for (uint64_t at = 0; at < s->nbytes;) {
        size_t n = s->nbytes - at < cap ? (size_t)(s->nbytes - at) : cap;
        pe_status st = read_source(s, at, buf, n, err);
        if (st) return st;
        if (EVP_DigestUpdate(ctx, buf, n) != 1)
            return pe_fail(err, PE_E_UNSUPPORTED, "%s: libcrypto failed to compute SHA-256",
                           s->path);
        at += n;
    }
    return PE_OK;
}

static pe_status sha256_of(char text[PE_SHA256_TEXT], const source *s, pe_error *err)
{
    enum { BUFFER = 1 << 20 };
    uint8_t *buf = malloc(BUFFER);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t sum[EVP_MAX_MD_SIZE];
    unsigned nsum = 0;
    pe_status st = buf && ctx ? PE_OK : pe_fail_nomem(err, s->path, BUFFER);
    if (!st && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
        st = pe_fail(err, PE_E_UNSUPPORTED, "%s: libcrypto offers no SHA-256", s->path);
    if (!st) st = sha256_stream(ctx, s, buf, BUFFER, err);
    if (!st && (EVP_DigestFinal_ex(ctx, sum, &nsum) != 1 || nsum != 32))
        st = pe_fail(err, PE_E_UNSUPPORTED, "%s: libcrypto failed to compute SHA-256", s->path);
    if (!st) hex(text, sum, nsum);
    EVP_MD_CTX_free(ctx);
    free(buf);
    return st;
}

pe_status pe_sha256_file(char text[PE_SHA256_TEXT], const char *path, pe_error *err)
{
    pe_file *f = NULL;
    pe_status st = pe_file_open(&f, path, err);
    if (st) return st;
    st = sha256_of(text, &(source){ f, -1, pe_file_nbytes(f), path }, err);
    pe_file_close(f);
    return st;
}

pe_status pe_sha256_fd(char text[PE_SHA256_TEXT], int fd, uint64_t nbytes, const char *path,
                       pe_error *err)
{
    return sha256_of(text, &(source){ NULL, fd, nbytes, path }, err);
}
