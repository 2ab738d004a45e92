/* formats/gzip.c - inflates into a buffer that doubles, up to a cap.
 * Read next: formats/gzip.h. */
#include "formats/gzip.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#include "lib/base/error.h"

enum { FIRST_BUFFER = 1 << 16, GZIP_ONLY = 16 + MAX_WBITS };

bool pe_gzip_is(const void *data, size_t nbytes)
{
    const unsigned char *s = data;
    return nbytes >= 2 && s[0] == 0x1f && s[1] == 0x8b;
}

typedef struct unpacker {
    z_stream z;
    const unsigned char *in; /* not yet given to zlib */
    size_t in_left;
    char *out;
    size_t used, capacity, max_nbytes;
    const char *name;
} unpacker;

/* Room for at least one byte more; one beyond the cap shows that there is too much. */
static pe_status grow(unpacker *u, pe_error *err)
{
    if (u->used < u->capacity) return PE_OK;
    if (u->used > u->max_nbytes)
        return pe_fail(err, PE_E_INPUT, "%s: more than %zu bytes when unpacked; split it", u->name,
                       u->max_nbytes);
    size_t capacity = u->capacity ? u->capacity * 2 : FIRST_BUFFER;
    if (capacity > u->max_nbytes + 1) capacity = u->max_nbytes + 1;
    char *out = realloc(u->out, capacity + 1); /* and the NUL */
    if (!out) return pe_fail_nomem(err, u->name, capacity + 1);
    u->out = out;
    u->capacity = capacity;
    return PE_OK;
}

static void refill(unpacker *u)
{
    if (u->z.avail_in || !u->in_left) return;
    uInt n = u->in_left < UINT_MAX ? (uInt)u->in_left : UINT_MAX;
    u->z.next_in = (z_const Bytef *)u->in;
    u->z.avail_in = n;
    u->in += n;
    u->in_left -= n;
}

/* Zeros may pad the end (tapes do); anything else there is not ours to ignore. */
static pe_status next_member(unpacker *u, bool *more, pe_error *err)
{
    const unsigned char *rest = u->z.next_in;
    size_t n = u->z.avail_in + u->in_left; /* one stretch of memory */
    if (pe_gzip_is(rest, n)) {
        *more = true;
        return inflateReset(&u->z) == Z_OK ? PE_OK : pe_fail_nomem(err, u->name, FIRST_BUFFER);
    }
    *more = false;
    for (size_t i = 0; i < n; i++)
        if (rest[i])
            return pe_fail(err, PE_E_INPUT, "%s: gzip data is followed by %zu other bytes", u->name,
                           n);
    return PE_OK;
}

static pe_status step(unpacker *u, bool *more, pe_error *err)
{
    pe_status st = grow(u, err);
    if (st) return st;
    refill(u);
    size_t room = u->capacity - u->used;
    uInt given = room < UINT_MAX ? (uInt)room : UINT_MAX;
    u->z.next_out = (Bytef *)u->out + u->used;
    u->z.avail_out = given;
    int code = inflate(&u->z, Z_NO_FLUSH);
    u->used += given - u->z.avail_out;
    if (code == Z_STREAM_END) return next_member(u, more, err);
    if (code == Z_MEM_ERROR) return pe_fail_nomem(err, u->name, FIRST_BUFFER);
    if (code == Z_BUF_ERROR && !u->z.avail_in && !u->in_left)
        return pe_fail(err, PE_E_INPUT, "%s: gzip data is cut short after %zu unpacked bytes",
                       u->name, u->used);
    if (code != Z_OK && code != Z_BUF_ERROR)
        return pe_fail(err, PE_E_INPUT, "%s: gzip data is damaged after %zu unpacked bytes: %s",
                       u->name, u->used, u->z.msg ? u->z.msg : "not a deflate stream");
    return PE_OK;
}

pe_status pe_gzip_unpack(char **out, size_t *nbytes, const void *data, size_t data_nbytes,
                         size_t max_nbytes, const char *name, pe_error *err)
{
    unpacker u = { .in = data, .in_left = data_nbytes, .max_nbytes = max_nbytes, .name = name };
    bool more = true;
    if (!pe_gzip_is(data, data_nbytes)) return pe_fail(err, PE_E_INPUT, "%s: not gzip data", name);
    if (inflateInit2(&u.z, GZIP_ONLY) != Z_OK) return pe_fail_nomem(err, name, FIRST_BUFFER);
    pe_status st = PE_OK;
    while (!st && more) st = step(&u, &more, err);
    inflateEnd(&u.z);
    if (!st && u.used > max_nbytes)
        st = pe_fail(err, PE_E_INPUT, "%s: more than %zu bytes when unpacked; split it", name,
                     max_nbytes);
    if (st) {
        free(u.out);
        return st;
    }
    u.out[u.used] = '\0';
    *out = u.out;
    *nbytes = u.used;
    return PE_OK;
}
