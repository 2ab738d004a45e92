/* lib/base/utf8.h - UTF-8: is it valid, and one code point at a time.
 * Strict as RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef PE_BASE_UTF8_H
#define PE_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Length of the valid part: nbytes, or the offset of the first byte that is not UTF-8. */
size_t pe_utf8_valid(const char *text, size_t nbytes);

/* The code point at s and its length; s is known to be valid. */
static inline size_t pe_utf8_get(uint32_t *cp, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80) {
        *cp = s[0];
        return 1;
    }
    if (s[0] < 0xe0) {
        *cp = (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu);
        return 2;
    }
    if (s[0] < 0xf0) {
        *cp = (s[0] & 0x0fu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);
        return 3;
    }
    *cp = (s[0] & 0x07u) << 18 | (s[1] & 0x3fu) << 12 | (s[2] & 0x3fu) << 6 | (s[3] & 0x3fu);
    return 4;
}

/* Writes 1 to 4 bytes. */
static inline size_t pe_utf8_put(char *out, uint32_t cp)
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xc0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xe0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (char)(0x80 | (cp & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (char)(0x80 | (cp & 0x3f));
    return 4;
}

/* Start of the code point that ends just before text[i]; i > 0. */
static inline size_t pe_utf8_back(const char *text, size_t i)
{
    do {
        i--;
    } while (i > 0 && ((unsigned char)text[i] & 0xc0) == 0x80);
    return i;
}

#endif
