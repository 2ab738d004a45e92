/* lib/base/error.c - messages into the caller's pe_error: one line, whole characters, no control
 * bytes.
 * Read next: lib/base/error.h. */
#include "lib/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Names in messages come from files: a control byte must not reach a terminal, and a message
 * stays one line. A cut at the end of the buffer must not leave half a UTF-8 character. */
static void tidy(char *text, size_t capacity)
{
    size_t n = 0;
    for (; text[n]; n++) {
        unsigned char c = (unsigned char)text[n];
        if (c < 0x20 || c == 0x7f) text[n] = c == '\n' || c == '\t' ? ' ' : '?';
    }
    if (n + 1 < capacity) return;
    size_t cut = n;
    while (cut > 0 && ((unsigned char)text[cut - 1] & 0xc0) == 0x80) cut--;
    if (cut > 0 && (unsigned char)text[cut - 1] >= 0xc0) text[cut - 1] = '\0';
}

static void set_text(pe_error *err, pe_status st, const char *fmt, va_list ap)
{
    err->status = st;
    vsnprintf(err->text, sizeof err->text, fmt, ap);
    tidy(err->text, sizeof err->text);
}

pe_status pe_fail(pe_error *err, pe_status st, const char *fmt, ...)
{
    if (!err) return st;
    va_list ap;
    va_start(ap, fmt);
    set_text(err, st, fmt, ap);
    va_end(ap);
    return st;
}

static pe_status status_of_errno(int code, pe_status otherwise)
{
    switch (code) {
    case ENOENT:
    case ENOTDIR:
    case EACCES:
    case EPERM:
    case ELOOP: return PE_E_NOTFOUND;
    case ENOMEM: return PE_E_NOMEM;
    default: return otherwise;
    }
}

pe_status pe_fail_errno(pe_error *err, pe_status otherwise, const char *fmt, ...)
{
    int code = errno;
    pe_status st = status_of_errno(code, otherwise);
    if (!err) return st;
    va_list ap;
    va_start(ap, fmt);
    set_text(err, st, fmt, ap);
    va_end(ap);
    size_t used = strlen(err->text);
    char reason[128];
    /* GNU strerror_r: thread-safe, may return a static string instead of filling the buffer */
    snprintf(err->text + used, sizeof err->text - used, ": %s",
             strerror_r(code, reason, sizeof reason));
    tidy(err->text, sizeof err->text);
    return st;
}

pe_status pe_fail_prefix(pe_error *err, pe_status st, const char *fmt, ...)
{
    if (!err) return st;
    char old[sizeof err->text];
    memcpy(old, err->text, sizeof old);
    pe_status was = err->status ? err->status : st;
    va_list ap;
    va_start(ap, fmt);
    set_text(err, was, fmt, ap);
    va_end(ap);
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used, ": %s", old);
    tidy(err->text, sizeof err->text);
    return was;
}

pe_status pe_fail_nomem(pe_error *err, const char *what, size_t nbytes)
{
    return pe_fail(err, PE_E_NOMEM,
                   "%s: %zu bytes could not be allocated; close other programs "
                   "or use a machine with more memory",
                   what, nbytes);
}
