/* lib/base/utf8.c - validation of UTF-8, eight ASCII bytes at a time.
 * Read next: lib/base/utf8.h. */
#include "lib/base/utf8.h"

#include <string.h>

/* Length of the sequence at s, 0 when it is not valid; n bytes are there. */
static size_t sequence(const unsigned char *s, size_t n)
{
    unsigned c = s[0], low = 0x80, high = 0xbf;
    size_t len;
    if (c < 0x80) return 1;
    if (c >= 0xc2 && c <= 0xdf) len = 2;
    else if (c >= 0xe0 && c <= 0xef) len = 3;
    else if (c >= 0xf0 && c <= 0xf4) len = 4;
    else return 0;
    if (c == 0xe0) low = 0xa0;  /* the second byte rules out overlong forms, */
    if (c == 0xed) high = 0x9f; /* surrogates */
    if (c == 0xf0) low = 0x90;
    if (c == 0xf4) high = 0x8f; /* and what lies above U+10FFFF */
    if (n < len || s[1] < low || s[1] > high) return 0;
    for (size_t i = 2; i < len; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    return len;
}

size_t pe_utf8_valid(const char *text, size_t nbytes)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t i = 0;
    while (i < nbytes) {
        uint64_t eight;
        while (nbytes - i >= sizeof eight) {
            memcpy(&eight, s + i, sizeof eight);
            if (eight & UINT64_C(0x8080808080808080)) break;
            i += sizeof eight;
        }
        if (i == nbytes) break;
        size_t len = sequence(s + i, nbytes - i);
        if (!len) return i;
        i += len;
    }
    return nbytes;
}
